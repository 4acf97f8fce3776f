"""What tests of faults add to the clones of the finished study."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from studies import Study


@pytest.fixture
def uncomputed(finished: Study, tmp_path: Path) -> Study:
    """A fresh clone with an empty cell cache: everything is to be computed."""
    return finished.clone(tmp_path / "clone", tmp_path / "cells", pull=False)


@pytest.fixture(scope="session")
def unshare() -> Callable[[str], list[str]]:
    """The command that gives another command a namespace of its own (`mount`, `net`), without root if it may."""

    def command(kind: str) -> list[str]:
        prefix = ["unshare", "--map-root-user", f"--{kind}"]
        if not shutil.which("unshare") or subprocess.run([*prefix, "true"], capture_output=True).returncode:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"this system gives no {kind} namespace")
        return prefix

    return command
