"""Exported variables that no step runs with: what a user's machine brings changes no result."""

from collections.abc import Mapping
from pathlib import Path

# Where Python keeps byte code, and how it orders sets.
HARMLESS = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONHASHSEED")


def unwanted(environment: Mapping[str, str]) -> list[str]:
    """Return the names of variables to remove.

    Python's own switches are for the user's Python: PYTHONOPTIMIZE would take the models' descriptions from the report,
    PYTHONWARNINGS end steps for what a library warns of, PYTHONINSPECT let them wait for input. A relative path in
    XDG_CACHE_HOME and the like is to be ignored, says their specification.
    """
    switches = [name for name in environment if name.startswith("PYTHON") and name not in HARMLESS]
    folders = [
        name
        for name, value in environment.items()
        if name.startswith("XDG_") and name.endswith("_HOME") and not Path(value).is_absolute()
    ]
    return switches + folders
