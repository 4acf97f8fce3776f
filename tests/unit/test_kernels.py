"""The environment of steps, and which kernels the libraries then compute with."""

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import snakemake.shell

from digitpairs.networks import kernels

ROOT = Path(__file__).parents[2]
EXPORTED = {
    "MKL_CBWR": "COMPATIBLE",
    "MKL_DEBUG_CPU_TYPE": "5",
    "DNNL_MAX_CPU_ISA": "SSE41",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "OPENBLAS_BLOCK_FACTOR": "2",
    "GOTO_NUM_THREADS": "2",
    "OMP_NUM_THREADS": "2",
    "KMP_AFFINITY": "compact",
    "NPY_DISABLE_CPU_FEATURES": "AVX2",
    "NVIDIA_TF32_OVERRIDE": "1",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2",
}
SHARED = {"ATEN_CPU_CAPABILITY": "avx2", "OPENBLAS_CORETYPE": "Haswell"}
ANYWHERE = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "GOTO_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}


@pytest.mark.parametrize(
    ("flags", "shared"),
    [("lm avx2 fma", True), ("lm avx2 fma avx512f", True), ("lm avx", False), ("lm avx2", False), (None, False)],
)
def test_what_is_exported_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str | None, shared: bool
) -> None:
    """On a processor that cannot share bits, it has no effect either."""
    monkeypatch.setattr(kernels, "CPUINFO", tmp_path / "cpuinfo")
    if flags:
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: {flags} end\n\n")
    wanted = {"HOME": "/home/me", "PATH": "/bin"} | ANYWHERE | (SHARED if shared else {})
    exported = EXPORTED | {"OPENBLAS_CORETYPE": "Zen", "HOME": "/home/me", "PATH": "/bin"}
    assert kernels.environment(exported) == wanted
    assert kernels.environment(wanted) == wanted


def test_a_step_of_snakemake_s_is_not_started_twice() -> None:
    """Importing torch again would take two seconds of each training run."""
    set_by_snakemake = re.findall(r'envvars\["(\w+_THREADS)"\] = threads', inspect.getsource(snakemake.shell))
    assert len(set_by_snakemake) >= 6
    exported = kernels.environment({})
    assert kernels.environment(exported | dict.fromkeys(set_by_snakemake, "1")) == exported


@pytest.mark.skipif(not kernels.can_share(), reason="this processor is no x86-64 with AVX2 and FMA")
def test_libraries_say_that_they_compute_as_they_are_told() -> None:
    """A script that loaded them before is started anew, with its arguments, once."""
    script = """
import json, os, sys
import numpy, torch
from digitpairs.networks import kernels
before = kernels.loaded()
kernels.pin()
print(json.dumps([before, kernels.loaded(), kernels.warning(), sys.argv[1:], os.environ["HOME"]]))
"""
    env = os.environ | EXPORTED | {"PYTHONPATH": str(ROOT / "src"), "HOME": "/home", "OPENBLAS_CORETYPE": "Sandybridge"}
    told = subprocess.run([sys.executable, "-c", script, "a b"], env=env, capture_output=True, text=True, check=True)
    shared = {"numpy": "OpenBLAS Haswell", "torch": "AVX2"}
    assert json.loads(told.stdout) == [shared, shared, "", ["a b"], "/home"]
    unpinned = script.replace("kernels.pin()", "")
    told = subprocess.run([sys.executable, "-c", unpinned, "a b"], env=env, capture_output=True, text=True, check=True)
    _, found, warning, _, _ = json.loads(told.stdout)
    assert found["numpy"] == "OpenBLAS Sandybridge"
    assert warning.startswith("numbers may differ from those of other machines: numpy: OpenBLAS Sandybridge, torch: ")
