"""Environments with a Snakemake and exactrun, and two workflows of other people that were run, committed and pushed."""

import functools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from environments import INSTALLED, UNCOMPILED, VERSIONS, Environment, make_environment, using
from served import hold
from studies import ROOT, Study, once

# Not as files beside that workflow: DVC would find them in this repository.
VERSIONED = {
    "dvc.yaml": """stages:
  workflow:
    cmd: snakemake --cores all
    deps: [Snakefile, config, scripts]
    outs:
      - results: {persist: true}
      - .snakemake/metadata: {persist: true}
""",
    ".gitignore": ".snakemake/\n__pycache__/\n/results\n",
    ".dvcignore": "/remote\n__pycache__\n",
}
PAGE = (ROOT / "docs/adopt.md").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def environment(shared: Path) -> Environment:
    """Make an environment with a version of Snakemake and exactrun, or with neither; all else is this one's."""

    def make(version: str) -> Path:
        folder = shared / "environments" / version
        with once(folder) as needed:
            if needed:
                make_environment(folder, version)
        return folder

    return make


@pytest.fixture(scope="session")
def commands(shared: Path, environment: Environment) -> Iterator[Callable[[str], Path]]:
    """Make a folder of commands with a version of Snakemake that they need not import."""
    with ExitStack() as until_the_end:

        @functools.cache
        def of(version: str) -> Path:
            packages = ("snakemake.cli", "snakemake.profiles", "snakemake.script")
            programs = environment(version) / "bin"
            return until_the_end.enter_context(hold(shared / f"served {version}", dict(os.environ), packages, programs))

        yield of


@pytest.fixture(scope="session")
def adopted(shared: Path, environment: Environment) -> Study:
    """The clone that the reader of docs/adopt.md ends with, who began in an empty folder."""
    folder = shared / "adopted"
    study = using(Study(folder / "first", folder / "cells"), environment("none") / "bin")
    clone = using(Study(folder / "elsewhere", folder / "cells"), environment("none") / "bin")
    with once(folder) as needed:
        if needed:
            study.path.mkdir(parents=True)
            source = shutil.copytree(ROOT / "src/exactrun", folder / "exactrun", ignore=UNCOMPILED)
            study.env |= {"EXACTRUN": str(source), "PIP_NO_BUILD_ISOLATION": "0", "PIP_QUIET": "1"}
            blocks = re.findall(r"^(?:`(\S+)`:\n)?```(\w*)\n(.*?)^```$", PAGE, re.M | re.S)
            assert len(blocks) == 14
            for name, language, text in blocks:
                assert bool(name) != (language == "sh")
                if name:
                    (study.path / name).parent.mkdir(parents=True, exist_ok=True)
                    (study.path / name).write_text(text, encoding="utf-8")
                else:
                    said = study.run("sh", "-ec", text).output
            assert "Nothing to be done" in said
    return clone


@pytest.fixture(scope="session")
def second(shared: Path, environment: Environment) -> Study:
    """A fresh clone, after `dvc pull`, of a workflow with what real ones have."""
    folder = shared / "second"
    clone = using(Study(folder / "elsewhere", folder / "cells"), environment(VERSIONS[-1]) / "bin")
    with once(folder) as needed:
        if needed:
            study = using(Study(folder / "first", folder / "cells"), environment(VERSIONS[-1]) / "bin")
            shutil.copytree(Path(__file__).with_name("second"), study.path)
            for name, text in VERSIONED.items():
                (study.path / name).write_text(text)
            study.git("init", "--quiet")
            study.dvc("init", "--quiet")
            study.dvc("remote", "add", "--quiet", "--default", "remote", "remote")
            study.dvc("repro")
            study.dvc("push")
            study.commit()
            study.clone("elsewhere", pull=False)
            clone.dvc("pull")
    return clone


@pytest.fixture
def workflow(served: Path, tmp_path: Path) -> Callable[[str], Study]:
    """Make a workflow that has one line to say of exactrun."""

    def make(snakefile: str, **files: str) -> Study:
        study = Study(tmp_path / "workflow", tmp_path / "cells", served)
        study.env["PYTHONPATH"] = str(ROOT / "src")
        for name, text in {"Snakefile": INSTALLED + snakefile, **files}.items():
            path = study.path / name.replace("__", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return study

    return make
