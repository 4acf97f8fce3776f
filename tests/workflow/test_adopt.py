"""docs/adopt.md, followed to the letter on a small workflow of another kind."""

import re
import shutil
from pathlib import Path

import pytest
from compare import scramble
from studies import ROOT, Study

PAGE = (ROOT / "docs/adopt.md").read_text(encoding="utf-8")
MEAN, BARS, LARGE = ("results/mean.txt", "results/bars.txt", "results/large.txt")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A project that followed the page."""
    folder = tmp_path_factory.mktemp("adopt")
    study = Study(folder / "original", folder / "cells")
    shutil.copytree(Path(__file__).with_name("foreign"), study.path)
    shutil.copy(ROOT / "src/exactrun/digests.py", study.path)
    files = re.findall(r"^`(\S+)`:\n```\w*\n(.*?)^```$", PAGE, re.M | re.S)
    assert len(files) == 5
    for name, text in files:
        (study.path / name).parent.mkdir(parents=True, exist_ok=True)
        (study.path / name).write_text(text, encoding="utf-8")
    study.git("init", "--quiet")
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
    study.run("sh", "-ec", commands)
    study.commit()
    return study


@pytest.fixture
def project(original: Study, tmp_path: Path) -> Study:
    """A fresh clone of it, after `dvc pull`."""
    return original.clone(tmp_path / "project", tmp_path / "cells")


def rerun(project: Study) -> set[str]:
    """Commit without running, clone, pull and run."""
    project.commit()
    return project.clone("elsewhere").snakemake().jobs


def test_row_01_nothing(project: Study) -> None:
    assert project.snakemake().jobs == set()
    assert project.dvc("repro").jobs == set()


def test_row_02_modification_times(project: Study) -> None:
    scramble(project)
    assert project.snakemake().jobs == set()


def test_row_03_comments(project: Study) -> None:
    for path in [*project.path.glob("lib/*.py"), *project.path.glob("scripts/*.py")]:
        project.edit(str(path), lambda text: f'"""About."""\n\n# A comment\n{text}')
    assert rerun(project) == set()


@pytest.mark.parametrize(
    ("file", "jobs"),
    [
        ("lib/drawing.py", {BARS}),
        ("lib/numbers_file.py", {MEAN, BARS}),
        ("scripts/large.awk", {LARGE, MEAN, BARS}),
    ],
)
def test_row_07_edits(project: Study, file: str, jobs: set[str]) -> None:
    project.edit(file, lambda text: text.replace("#", "=").replace("int(line)", "2 * int(line)").replace(">", ">="))
    assert rerun(project) == jobs


def test_row_08_a_parameter(project: Study) -> None:
    project.set("above", 4)
    assert project.snakemake().jobs == {LARGE, MEAN, BARS}
