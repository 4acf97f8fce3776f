"""Exported variables that no step runs with."""

from digitpairs.surroundings import unwanted


def test_pythons_switches_and_relative_folders() -> None:
    exported = {
        "PYTHONOPTIMIZE": "2",
        "PYTHONPATH": "/lib",
        "PYTHONHASHSEED": "1",
        "BASH_ENV": "/site/modules.sh",
        "BASH_FUNC_python%%": "() { false; }",
        "CDPATH": "/home",
        "GIT_DIR": "/elsewhere/.git",
        "GIT_AUTHOR_NAME": "A. Uthor",
        "HOME": "",
        "XDG_CACHE_HOME": "cache",
        "XDG_CONFIG_HOME": "",
        "XDG_DATA_HOME": "/data",
        "XDG_SESSION_ID": "4",
        "PATH": "/bin",
    }
    assert set(exported) - set(unwanted(exported)) == {
        "PYTHONHASHSEED",
        "GIT_AUTHOR_NAME",
        "XDG_DATA_HOME",
        "XDG_SESSION_ID",
        "PATH",
    }
