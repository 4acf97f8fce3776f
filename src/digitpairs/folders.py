"""Per-user cache directories: cells that were trained once, the full MNIST, reproductions."""

import re
from pathlib import Path

import platformdirs

from digitpairs.errors import StudyError

_CACHE = Path(platformdirs.user_cache_dir("digitpairs"))

CELLS = _CACHE / "cells"
MNIST = _CACHE / "mnist"
REPRODUCTIONS = _CACHE / "reproductions"

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # one letter: a drive of Windows
VARIABLE = re.compile(r"\$\w|\$\{|%\w+%")


def cell_cache(exported: str | None, instead: Path) -> Path:
    """Return the absolute folder of the cell cache: `exported`, a value of SNAKEMAKE_OUTPUT_CACHE, or the user's.

    The folder is made. `instead` takes the place of the user's own where that cannot be made, as in a home that is
    read-only. Raises `StudyError` where `exported` is a URL, begins with a variable or a user that is not known, begins
    or ends with a blank, or is a folder that neither exists nor can be made.
    """
    given = f"SNAKEMAKE_OUTPUT_CACHE = {exported!r}"
    if exported and URL.match(exported):
        raise StudyError(f"{given} is a URL; allowed is a folder")
    if exported and VARIABLE.match(exported):
        raise StudyError(f"{given} begins with a variable that nothing has replaced; allowed is a folder")
    if exported and exported.strip() not in ("", exported):
        raise StudyError(f"{given} begins or ends with a blank; allowed is a folder")
    try:
        folder = Path(exported).expanduser() if exported and exported.strip() else CELLS
    except RuntimeError as error:
        raise StudyError(f"{given} is of a user whose home is not known; allowed is a folder") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if folder != CELLS:
            raise StudyError(f"{given} is no folder: {error.strerror}") from error
        folder = instead
        folder.mkdir(parents=True, exist_ok=True)
    return folder.absolute()
