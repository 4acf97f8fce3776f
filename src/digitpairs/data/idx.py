"""The source `idx`: any folder with four IDX files named as MNIST's, each gzipped (`.gz`) or not.

The format is MNIST's own (http://yann.lecun.com/exdb/mnist/): a big-endian header (two zero bytes, type 8 for unsigned
bytes, the number of dimensions, each dimension as 4 bytes), then the bytes. Fashion-MNIST (Zalando, MIT licence) is
another dataset in this form, and Debian's package dataset-fashion-mnist brings it.
"""

import gzip
import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitpairs.data.digits import Digits, Pools
from digitpairs.errors import StudyError


def load_idx(folder: Path, sha256: Mapping[str, str] | None = None) -> Pools:
    """Return the training pool (`train-*`) and the test pool (`t10k-*`) of a folder.

    Where `sha256` is given, it holds the digest of each file's uncompressed content by the file's name without `.gz`.

    Raises `StudyError` for a file that is missing, truncated or otherwise not what it should be.
    """
    return Pools(_load_digits(folder, "train", sha256), _load_digits(folder, "t10k", sha256))


def _load_digits(folder: Path, prefix: str, sha256: Mapping[str, str] | None) -> Digits:
    images = _load_array(folder, f"{prefix}-images-idx3-ubyte", 3, sha256)
    labels = _load_array(folder, f"{prefix}-labels-idx1-ubyte", 1, sha256)
    where = f"{folder}: {prefix}-images-idx3-ubyte"
    if images.shape[1:] != (28, 28):
        raise StudyError(f"{where} holds images of {images.shape[1]} x {images.shape[2]} pixels; allowed are 28 x 28")
    if len(images) != len(labels):
        raise StudyError(f"{where} holds {len(images)} images and {prefix}-labels-idx1-ubyte {len(labels)} labels")
    if labels.max(initial=0) > 9:
        raise StudyError(f"{folder}: {prefix}-labels-idx1-ubyte holds the label {labels.max()}; allowed are 0 to 9")
    return Digits(images, labels)


def _load_array(folder: Path, name: str, dimensions: int, sha256: Mapping[str, str] | None) -> NDArray[np.uint8]:
    path = next((path for path in (folder / name, folder / f"{name}.gz") if path.exists()), None)
    if path is None:
        raise StudyError(f"{folder / name}: no such file, with or without .gz")
    try:
        content = unzip(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise StudyError(f"{path}: cannot be read: {error}") from error
    if sha256 and (digest := hashlib.sha256(content).hexdigest()) != sha256[name]:
        raise StudyError(f"{path}: its content has the SHA-256 {digest} and should have {sha256[name]}")

    header = bytes([0, 0, 8, dimensions])
    if content[:4] != header:
        raise StudyError(f"{path}: starts with {content[:4].hex()}; allowed is {header.hex()} (IDX, {dimensions}-d)")
    start = 4 + 4 * dimensions
    shape = [int.from_bytes(content[i : i + 4]) for i in range(4, start, 4)]
    expected = start + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        raise StudyError(f"{path}: {len(content)} bytes (uncompressed); its header says {expected}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def unzip(content: bytes) -> bytes:
    """Return the uncompressed content of a file that may be gzipped.

    Raises `OSError`, `EOFError` or `zlib.error` for damaged gzip data.
    """
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
