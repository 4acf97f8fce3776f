"""Per-user cache directories: cells that were trained once, the full MNIST, reproductions."""

from pathlib import Path

import platformdirs

from digitpairs.errors import StudyError

_CACHE = Path(platformdirs.user_cache_dir("digitpairs"))

CELLS = _CACHE / "cells"
MNIST = _CACHE / "mnist"
REPRODUCTIONS = _CACHE / "reproductions"


def cell_cache(exported: str | None, instead: Path) -> Path:
    """Return the absolute folder of the cell cache: `exported`, a value of SNAKEMAKE_OUTPUT_CACHE, or the user's.

    The folder is made. `instead` takes the place of the user's own where that cannot be made, as in a home that is
    read-only. Raises `StudyError` where `exported` is a URL, or a folder that neither exists nor can be made.
    """
    if exported and "://" in exported:
        raise StudyError(f"SNAKEMAKE_OUTPUT_CACHE = {exported!r} is a URL; allowed is a folder")
    folder = Path(exported).expanduser() if exported and exported.strip() else CELLS
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if folder != CELLS:
            raise StudyError(f"SNAKEMAKE_OUTPUT_CACHE = {exported!r} is no folder: {error.strerror}") from error
        folder = instead
        folder.mkdir(parents=True, exist_ok=True)
    return folder.absolute()
