"""Where the study trains: the processor, or one of the GPUs that the driver shows.

Asked of the driver itself: `import torch` would cost each call of Snakemake two seconds.
"""

import contextlib
import ctypes
import fcntl
import importlib.util
import itertools
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from digitpairs.errors import StudyError

OLDEST = (7, 5)  # compute capability (Turing): torch's builds for CUDA 13 have no kernels for older cards
SIDE_BY_SIDE = 64  # runs on one card, more than fit its memory


class Device(NamedTuple):
    """What `train.device` comes to here: `cpu` or `cuda`, whether its cells are trained as stacks, and why not a GPU.

    DIGITPAIRS_STACKS=1 has the processor train stacks, to try their steps where no GPU is.
    """

    name: str
    stacked: bool
    reason: str = ""


def resolve(wanted: str, *, elsewhere: bool = False) -> Device:
    """Return the device for `train.device`.

    `auto` takes a GPU where there is one that torch has kernels for. Results of a GPU and of a processor have other
    bits, so which it is belongs to a run's identity. What other machines have, where a cluster's steps run `elsewhere`,
    is not known here.

    Raises `StudyError` where `cuda` is asked for and cannot be had, or `auto` cannot be decided.
    """
    on_cpu = Device("cpu", stacked=os.getenv("DIGITPAIRS_STACKS") == "1")
    if wanted == "cpu":
        return on_cpu
    if elsewhere and wanted == "auto":
        raise StudyError(
            "params.yaml: train.device = 'auto', but steps run on other machines, whose devices are not known here; "
            "allowed are 'cpu' and 'cuda'"
        )
    reason = "" if elsewhere else missing()
    if reason and wanted == "cuda":
        raise StudyError(f"params.yaml: train.device = 'cuda', but {reason}; allowed are 'cpu' and 'auto'")
    return on_cpu._replace(reason=reason) if reason else Device("cuda", stacked=True)


def missing() -> str:
    """Return why there is no GPU to train on, "" if there is one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no driver for an NVIDIA GPU is installed here"
    if driver.cuInit(0):
        return "the driver finds no GPU here"
    needed, known = _cuda(), ctypes.c_int()
    if not needed:
        return "torch is installed without CUDA here"
    driver.cuDriverGetVersion(ctypes.byref(known))  # 13020: 13.2
    if known.value // 1000 < needed:
        return f"the driver here is too old: it knows CUDA {known.value // 1000}, torch needs {needed}"
    count = ctypes.c_int()
    if driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return "the driver finds no GPU here"
    newest = max(_capability(driver, card) for card in range(count.value))
    if newest < OLDEST:
        return f"the GPU here is too old: compute capability {_spell(newest)}, needed is {_spell(OLDEST)}"
    return ""


def _cuda() -> int:
    """Return the major version of CUDA that torch is built for, 0 for none."""
    found = importlib.util.find_spec("torch")
    if not found or not found.origin:
        return 0
    version = re.search(r"^cuda\b.*['\"](\d+)\.", Path(found.origin).with_name("version.py").read_text(), re.MULTILINE)
    return int(version[1]) if version else 0


def _capability(driver: ctypes.CDLL, card: int) -> tuple[int, int]:
    parts = []
    for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, card)
        parts.append(value.value)
    return parts[0], parts[1]


def _spell(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


@contextlib.contextmanager
def card(count: int) -> Iterator[int]:
    """Hold the number of the GPU, of `count`, on which the fewest of this user's runs are.

    Each run locks the first free of the places 0, 1, 2, ..., which take turns between the cards; the lock does not
    outlive its process.
    """
    folder = Path(tempfile.gettempdir(), f"digitpairs-{os.getuid()}-cards")
    folder.mkdir(mode=0o700, exist_ok=True)
    for place in itertools.cycle(range(count * SIDE_BY_SIDE)):
        with (folder / str(place)).open("w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield place % count
            return
