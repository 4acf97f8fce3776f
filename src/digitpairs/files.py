"""Files that are whole or not there."""

import os
from pathlib import Path

from digitpairs.errors import StudyError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file, and the folders it lies in; a killed process leaves the old file or none.

    Raises `StudyError` where the folder cannot be written to.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(content)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise StudyError(f"{path}: cannot be written: {error.strerror}") from error
