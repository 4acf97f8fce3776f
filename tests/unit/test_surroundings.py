"""Exported variables that no step runs with."""

from digitpairs.surroundings import unwanted


def test_pythons_switches_and_relative_folders() -> None:
    exported = {
        "PYTHONOPTIMIZE": "2",
        "PYTHONPATH": "/lib",
        "PYTHONHASHSEED": "1",
        "XDG_CACHE_HOME": "cache",
        "XDG_CONFIG_HOME": "",
        "XDG_DATA_HOME": "/data",
        "XDG_SESSION_ID": "4",
        "PATH": "/bin",
    }
    assert unwanted(exported) == ["PYTHONOPTIMIZE", "PYTHONPATH", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"]
