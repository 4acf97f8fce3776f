"""The source `mnist`: the canonical 60,000 training and 10,000 test images, from a folder or from public mirrors.

MNIST is by Yann LeCun, Corinna Cortes and Christopher Burges (http://yann.lecun.com/exdb/mnist/), made from NIST's
Special Databases 1 and 3, under CC BY-SA 3.0.
"""

import hashlib
import http.client
import urllib.request
import zlib
from collections.abc import Sequence
from pathlib import Path

from digitpairs.data.digits import Pools
from digitpairs.data.idx import load_idx, unzip
from digitpairs.errors import StudyError
from digitpairs.files import write_atomically
from digitpairs.folders import MNIST

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    "https://raw.githubusercontent.com/fgnt/mnist/master",
)

# Of the uncompressed content: mirrors may compress it differently.
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def load_mnist(folder: Path | None = None) -> Pools:
    """Return MNIST's two pools, verified, from a folder of IDX files or the user's cache (None), filled if need be.

    Raises `StudyError` for a file that is missing, damaged or not MNIST's, and where no mirror delivers.
    """
    if folder is None:
        folder = MNIST
        download(folder)
    return load_idx(folder, SHA256)


def download(folder: Path, mirrors: Sequence[str] = MIRRORS, attempts: int = 3) -> None:
    """Fetch those of the four files into `folder` that it does not hold intact.

    Each mirror is tried in turn, `attempts` times; only verified content is written, each file in one move.

    Raises `StudyError` where no mirror delivers, or `folder` cannot be written to.
    """
    for name in SHA256:
        path = folder / f"{name}.gz"
        if not (path.exists() and _intact(path.read_bytes(), name)):
            write_atomically(path, _fetch(path.name, name, [*mirrors] * attempts))


def _fetch(file_name: str, name: str, mirrors: Sequence[str]) -> bytes:
    problem = "no mirror given"
    for mirror in mirrors:
        try:
            # Whatever the address, only content with the right digest is used.
            with urllib.request.urlopen(f"{mirror}/{file_name}", timeout=30) as response:  # noqa: S310
                content: bytes = response.read()
        except (OSError, http.client.HTTPException) as error:
            problem = f"{mirror}: {error}"
            continue
        if _intact(content, name):
            return content
        problem = f"{mirror}: truncated or wrong content"
    instead = "name a folder that holds MNIST's four IDX files in data.folder, or use data.source: bundled"
    raise StudyError(f"{file_name}: cannot be downloaded ({problem}); {instead}")


def _intact(content: bytes, name: str) -> bool:
    try:
        return hashlib.sha256(unzip(content)).hexdigest() == SHA256[name]
    except (OSError, EOFError, zlib.error):
        return False
