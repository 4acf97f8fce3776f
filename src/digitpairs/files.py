"""Atomic writes: a file is whole or absent."""

import glob
import os
import platform
import stat
from pathlib import Path

from digitpairs.errors import StudyError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file, and the folders it lies in; a killed process leaves the old file or none.

    Removes the partial files that killed processes of this machine left beside it. Raises `StudyError` where the
    folder cannot be written to.
    """
    machine = platform.node()
    partial = path.with_name(f".{path.name}.{os.getpid()}.{machine}")
    try:
        make_folder(path.parent)
        try:
            for other in path.parent.glob(glob.escape(f".{path.name}.") + "[0-9]*." + glob.escape(machine)):
                if not _runs(other.name.removesuffix(f".{machine}").rpartition(".")[2]):
                    other.unlink(missing_ok=True)
            partial.write_bytes(content)
            _share(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise StudyError(f"{path}: cannot be written: {error.strerror}") from error


def make_folder(path: Path) -> None:
    """Make a folder and those that it lies in; in a folder of a group, all of them are the group's.

    Raises `OSError` where that is refused.
    """
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        _share(path)


def _share(path: Path) -> None:
    """Let the group that may write to a folder use a new file or folder in it, whatever the umask is."""
    of_folder = path.parent.stat().st_mode
    if of_folder & stat.S_IWGRP:
        executable = of_folder & (stat.S_IXGRP | stat.S_ISGID) if path.is_dir() else 0
        path.chmod(path.stat().st_mode | stat.S_IRGRP | stat.S_IWGRP | executable)


def _runs(pid: str) -> bool:
    """Return True if a process of this number runs on this machine; what is no number is left alone."""
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except (ValueError, PermissionError):
        pass
    return True
