"""The instructions that steps compute with: AVX2 and FMA, on any x86-64 processor, whatever a user exported.

How sums are rounded depends on the order in which instructions take their terms. So all processors run the same ones:
OpenBLAS its kernels for Haswell, torch its code for AVX2, each on one thread. Other processors run what they have.
"""

import contextlib
import ctypes
import importlib
import itertools
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
CORE, CAPABILITY = "Haswell", "AVX2"  # as OpenBLAS and torch name them

# Variables by which OpenBLAS, MKL, oneDNN, OpenMP, torch, CUDA's libraries and numpy are told how to compute.
TUNING = re.compile(
    "(MKL|MKLDNN|DNNL|ONEDNN|OPENBLAS|GOTO|GOTOBLAS|BLIS|VECLIB|OMP|GOMP|KMP|ATEN|NPY|CUBLAS|CUBLASLT|CUDNN)_.*"
    "|NVIDIA_TF32_OVERRIDE|TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"
)
# With all that Snakemake sets for a step of one thread, so that the script that it runs need not start itself anew.
THREADS = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "GOTO", "MKL", "NUMEXPR")}
LARGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # where the system has some: 4 % of training
ANYWHERE = THREADS | {"VECLIB_MAXIMUM_THREADS": "1"} | LARGE_PAGES
SHARED = {"OPENBLAS_CORETYPE": CORE, "ATEN_CPU_CAPABILITY": CAPABILITY.lower()}


def cpuinfo(key: str) -> str:
    """Return the first processor's entry in /proc/cpuinfo under a key, a regular expression; "" where there is none."""
    text = CPUINFO.read_text(encoding="utf-8") if CPUINFO.exists() else ""
    found = re.search(rf"^(?:{key})\s*: (.*)", text, re.MULTILINE)
    return found[1].strip() if found else ""


def can_share() -> bool:
    """Return True for an x86-64 processor with AVX2 and FMA."""
    return {"lm", "avx2", "fma"} <= set(cpuinfo("flags").split())


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that steps run with: the inherited one, with its tuning replaced by ours."""
    kept = {name: value for name, value in inherited.items() if not TUNING.fullmatch(name)}
    return kept | ANYWHERE | (SHARED if can_share() else {})


def set_environment() -> None:
    """Give this process, and all that it starts, the environment of steps; libraries read it when they are loaded."""
    wanted = environment(os.environ)
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(wanted)


def pin() -> None:
    """Start this script anew, unless it runs with the environment of steps already.

    Libraries that were loaded before have read another one, so it does not matter where in a script this is called.
    """
    before = dict(os.environ)
    set_environment()
    if dict(os.environ) != before:
        sys.stdout.flush()
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the same command


def loaded() -> dict[str, str]:
    """Return the kernels that the loaded libraries say they compute with, by library: `numpy` and `torch`."""
    import torch

    multiarray = importlib.import_module("numpy._core._multiarray_umath")
    library = ctypes.CDLL(multiarray.__file__)  # symbols are found in the libraries that it needs, too
    for prefix, suffix in itertools.product(("scipy_", ""), ("64_", "")):
        with contextlib.suppress(AttributeError):
            name = getattr(library, f"{prefix}openblas_get_corename{suffix}")
            name.restype = ctypes.c_char_p
            return {"numpy": f"OpenBLAS {name().decode()}", "torch": torch.backends.cpu.get_cpu_capability()}
    return {"numpy": "no OpenBLAS", "torch": torch.backends.cpu.get_cpu_capability()}


def warning() -> str:
    """Return one line where bits may differ from those of other machines, and "" where they are shared."""
    found = loaded()
    if found == {"numpy": f"OpenBLAS {CORE}", "torch": CAPABILITY}:
        return ""
    here = ", ".join(f"{library}: {kernels}" for library, kernels in found.items())
    return f"numbers may differ from those of other machines: {here}; shared are OpenBLAS {CORE} and {CAPABILITY}"
