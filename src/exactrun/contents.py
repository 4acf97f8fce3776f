"""Checksums of files and directories."""

import functools
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

TIMESTAMP = ".snakemake_timestamp"  # Snakemake's own file in a directory() output


def checksum(path: Path, *, known: bool = False) -> str:
    """Return the SHA-256 of a file, or of the names and contents of all files in a directory, in hex digits.

    A link in a directory that leads to no file stands for where it leads; a pipe or device, which cannot be read again,
    for its kind. Of a file in a directory that may not be read, the name alone counts; one that is removed meanwhile
    is not in it.

    Args:
        path: The file or directory.
        known: Do not read a file again whose inode, size and times are as when this process last read it.
    """
    read = _known if known else _read
    if not path.is_dir():
        return read(path)
    listing = hashlib.sha256()
    for name, file in sorted((os.fsencode(file.relative_to(path)), file) for file in files(path)):
        try:
            content = read(file)
        except FileNotFoundError:
            continue
        except PermissionError:
            content = "may not be read"
        listing.update(name + b"\0" + content.encode() + b"\n")
    return listing.hexdigest()


def files(folder: Path) -> Iterator[Path]:
    """Yield the files in a directory and below it, and links to other directories, without Snakemake's time stamp."""
    for parent, folders, names in os.walk(folder):
        yield from (Path(parent, name) for name in folders if Path(parent, name).is_symlink())
        yield from (Path(parent, name) for name in names if name != TIMESTAMP)


def _read(path: Path) -> str:
    if path.is_symlink() and not path.is_file():
        return hashlib.sha256(os.fsencode(path.readlink())).hexdigest()
    if not path.is_file():
        return hashlib.sha256(str(stat.S_IFMT(path.stat().st_mode)).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:  # a link that leads nowhere, or to itself
        status = path.lstat()
    # The time of the last change, too, which nobody can set: an archive brings its own times of modification.
    return _read_at(path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@functools.cache
def _read_at(path: Path, *_: int) -> str:
    return _read(path)
