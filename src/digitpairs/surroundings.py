"""Exported variables that no step runs with: what a user's machine brings changes no result."""

import re
from collections.abc import Mapping
from pathlib import Path

# Where Python keeps byte code, and how it orders sets.
HARMLESS = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONHASHSEED")
# With these, a step's shell reads a file or has functions before its command, goes elsewhere, or behaves otherwise.
SHELL = ("BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "CDPATH", "GLOBIGNORE", "POSIXLY_CORRECT")
# With these, git answers for another repository than the one whose folder it is in, as in a hook.
ELSEWHERE = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
)


def unwanted(environment: Mapping[str, str]) -> list[str]:
    """Return the names of variables to remove.

    Python's own switches are for the user's Python: PYTHONOPTIMIZE would take the models' descriptions from the report,
    PYTHONWARNINGS end steps for what a library warns of, PYTHONINSPECT let them wait for input. A relative path in
    XDG_CACHE_HOME and the like is to be ignored, says their specification; without HOME, the system knows the user's.
    `SHELL` and `ELSEWHERE` say why of others.
    """
    switches = [name for name in environment if name.startswith("PYTHON") and name not in HARMLESS]
    folders = [
        name
        for name, value in environment.items()
        if re.fullmatch("HOME|XDG_.*_HOME", name) and not Path(value).is_absolute()
    ]
    functions = [name for name in environment if name.startswith("BASH_FUNC_")]
    return switches + folders + functions + [name for name in (*SHELL, *ELSEWHERE) if name in environment]
