"""Of which commit, and on which processor, something was computed."""

import platform
import re
import subprocess
from pathlib import Path

from digitpairs.errors import StudyError

CODE = ("src", "scripts", "Snakefile", "params.yaml")  # what decides results
PROC = Path("/proc/cpuinfo")


def git(folder: Path, *command: str) -> str:
    """Run git in a folder and return what it says.

    Raises `StudyError` where git refuses, `OSError` where there is no git.
    """
    try:
        done = subprocess.run(["git", "-C", folder, *command], capture_output=True, text=True, check=True)  # noqa: S603, S607
    except subprocess.CalledProcessError as error:
        raise StudyError(f"{folder}: git {command[0]}: {' '.join(error.stderr.split())}") from error
    return done.stdout.strip()


def uncommitted(folder: Path) -> bool:
    """Return whether code or params.yaml have changes that are not committed."""
    return bool(git(folder, "status", "--porcelain", "--untracked-files=no", "--", *CODE))


def cpuinfo(key: str) -> str:
    """Return what Linux says of the first processor under a key, a regular expression; elsewhere nothing."""
    text = PROC.read_text(encoding="utf-8") if PROC.exists() else ""
    found = re.search(rf"^(?:{key})\s*: (.*)", text, re.MULTILINE)
    return found[1].strip() if found else ""


def processor() -> str:
    """Name the processor, if its name is known."""
    return cpuinfo("model name") or platform.processor()


def instructions() -> dict[str, str]:
    """Return the environment that has torch keep to the instructions which most processors share.

    With more than AVX2, torch rounds a softmax over ten digits differently. Where there is no AVX2, there is no choice.
    """
    return {"ATEN_CPU_CAPABILITY": "avx2"} if "avx2" in cpuinfo("flags").split() else {}
