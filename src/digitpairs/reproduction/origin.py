"""Of which commit, and on which processor, something was computed."""

import platform
import subprocess
from pathlib import Path

from digitpairs.errors import StudyError
from digitpairs.networks.kernels import cpuinfo

CODE = ("src", "scripts", "rules", "Snakefile", "params.yaml")  # what decides results


def git(folder: Path, *command: str) -> str:
    """Run git in a folder and return its output.

    Raises `StudyError` where git refuses, `OSError` where there is no git.
    """
    try:
        done = subprocess.run(["git", "-C", folder, *command], capture_output=True, text=True, check=True)  # noqa: S603, S607
    except subprocess.CalledProcessError as error:
        raise StudyError(f"{folder}: git {command[0]}: {' '.join(error.stderr.split())}") from error
    return done.stdout.strip()


def uncommitted(folder: Path) -> bool:
    """Return True if code or params.yaml have changes that are not committed."""
    return bool(git(folder, "status", "--porcelain", "--untracked-files=no", "--", *CODE))


def processor() -> str:
    """Name the processor, if its name is known."""
    return cpuinfo("model name") or platform.processor()
