"""Environments with a version of Snakemake and exactrun in them, made of the one that runs the tests."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from studies import ROOT, Study

UNCOMPILED = shutil.ignore_patterns("__pycache__")  # where another test's Python may be writing
INSTALLED = "import exactrun\n\nexactrun.install()\n\n"
VERSIONS = ["9.18.1", "9.22.0", metadata.version("snakemake")]  # the oldest, one between, and the newest

Environment = Callable[[str], Path]


def make_environment(folder: Path, version: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib"))
    for name in ("pip", "dvc", "snakemake"):
        command = folder / "bin" / name
        # A script of a shell, so that the folder's name may have blanks, and of Python, as `served.hold` takes it.
        script = f"from runpy import run_module\n\nrun_module({name!r}, run_name='__main__', alter_sys=True)\n"
        command.write_text(f"""#!/bin/sh\n'''exec' "{folder}/bin/python" -P "$0" "$@"\n' '''\n{script}""")
        command.chmod(0o755)
    if version == "none":
        return
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-compile", "--disable-pip-version-check"]
    source = shutil.copytree(ROOT / "src/exactrun", folder / "exactrun", ignore=UNCOMPILED)
    done = subprocess.run(
        [
            f"{folder}/bin/python",
            "-m",
            "pip",
            "install",
            *options,
            "--target",
            packages,
            f"snakemake=={version}",
            source,
        ],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        shutil.rmtree(folder)
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"Snakemake {version}: {done.stderr[-500:]}")


def using(study: Study, *folders: Path) -> Study:
    """Let a project's commands be those of these folders."""
    study.env.pop("PYTHONPATH", None)
    study.env["PATH"] = os.pathsep.join([*map(str, folders), study.env["PATH"]])
    return study
