"""Of which commit something was made."""

import os
import subprocess
from pathlib import Path

from digitpairs.errors import StudyError
from digitpairs.surroundings import ELSEWHERE

CODE = ("src", "scripts", "rules", "Snakefile", "params.yaml")  # what decides results


def git(folder: Path, *command: str) -> str:
    """Run git in a folder and return its output.

    Raises `StudyError` where git refuses, `OSError` where there is no git.
    """
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    call = ["git", "-C", str(folder), *command]
    try:
        done = subprocess.run(call, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    except subprocess.CalledProcessError as error:
        raise StudyError(f"{folder}: git {command[0]}: {' '.join(error.stderr.split())}") from error
    return done.stdout.strip()


def uncommitted(folder: Path) -> bool:
    """Return True if code or params.yaml have changes that are not committed."""
    return bool(git(folder, "status", "--porcelain", "--untracked-files=no", "--", *CODE))


def made_from(folder: Path, form: str = "%H") -> str:
    """Return the commit of a repository in one of git's formats, marked where code has changes that are not committed.

    Unknown without one, as in a download: the commit of a repository that the folder happens to lie in is another's.
    """
    try:
        if git(folder, "rev-parse", "--show-cdup"):  # the way up to the repository's own folder
            return "unknown"
        changed = ", with changes that are not committed" if uncommitted(folder) else ""
        return git(folder, "log", "-1", f"--format={form}") + changed
    except (OSError, StudyError):
        return "unknown"
