"""Rows 1, 2, 3, 4, 7, 8 and 18 of the matrix in other people's workflows, with three versions of Snakemake."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from environments import VERSIONS, Environment, using
from studies import Study

NUMBERS, LARGE, MEAN, BARS = (f"results/{name}.txt" for name in ("numbers", "large", "mean", "bars"))
COUNT, PLOT = "results/count.txt", "results/plot.txt"
PARTS = {"results/parts"} | {"work/numbers.txt"}  # the second one is temp()
SQUARES = {f"results/squares/part0{number}.txt" for number in (1, 2, 3)}


@pytest.fixture(params=VERSIONS)
def place(
    request: pytest.FixtureRequest, commands: Callable[[str], Path], environment: Environment, tmp_path: Path
) -> Callable[[Study], Study]:
    """Copy a clone, for one version of Snakemake to run there."""

    def copy(clone: Study) -> Study:
        folders = [commands(request.param), environment(request.param) / "bin"]
        study = using(Study(tmp_path / "clone", tmp_path / "cells"), *folders)
        shutil.copytree(clone.path, study.path, symlinks=True)
        assert study.run("snakemake", "--version").output == f"{request.param}\n"
        return study

    return copy


def edit(study: Study, file: str, old: str, new: str) -> None:
    """Change a text; the file is then older than all results."""
    study.edit(file, lambda text: text.replace(old, new))
    os.utime(study.path / file, (1, 1))


def scramble_and_comment(study: Study) -> None:
    """Change all modification times, and Python files in what means nothing."""
    for path in [*study.path.rglob("lib/**/*.py"), *study.path.rglob("scripts/**/*.py")]:
        study.edit(str(path), lambda text: f'"""About."""\n\n# A comment\n{text}')
    chance = random.Random(0)  # noqa: S311 - no secret
    for path in study.path.rglob("*"):
        if ".git" not in path.parts:
            os.utime(path, (chance.uniform(1e9, 2.5e9),) * 2)


def test_the_workflow_of_the_page(adopted: Study, place: Callable[[Study], Study]) -> None:
    study = place(adopted)
    scramble_and_comment(study)
    assert study.snakemake().jobs == set()
    edit(study, "lib/drawing.py", '"#"', '"="')
    assert study.snakemake().jobs == {BARS}
    edit(study, "lib/numbers_file.py", "int(line)", "2 * int(line)")
    edit(study, "scripts/large.awk", ">", ">=")
    assert study.snakemake().jobs == {LARGE, MEAN, BARS}
    edit(study, "params.yaml", "above: 3", "above: 5")
    assert study.snakemake().jobs == {LARGE, MEAN, BARS}
    (study.path / NUMBERS).unlink()
    (study.path / MEAN).write_text("1\n")
    ran = study.snakemake()
    assert ran.jobs == {NUMBERS, MEAN}
    assert f"{MEAN}: not as it was made" in ran.output


def test_a_workflow_with_what_real_ones_have(second: Study, place: Callable[[Study], Study]) -> None:
    study = place(second)
    scramble_and_comment(study)
    assert study.snakemake().jobs == set()
    edit(study, "scripts/helpers/numbers.py", "2", "4")  # reached by a relative import
    assert study.snakemake().jobs == SQUARES | {PLOT}
    edit(study, "scripts/helpers/drawing.py", "symbol *", "2 * symbol *")
    edit(study, "scripts/count.sh", "ls", "ls -1")  # makes the same
    assert study.snakemake().jobs == {PLOT, COUNT}
    edit(study, "config/config.yaml", "size: 2", "size: 3")
    edit(study, "scripts/split.sh", "part", "piece")
    assert study.snakemake().jobs == PARTS | {COUNT, PLOT} | {f"results/squares/piece0{n}.txt" for n in (1, 2)}
    (study.path / "results/squares/piece01.txt").unlink()
    (study.path / "results/squares/piece02.txt").write_text("1\n")
    assert study.snakemake().jobs == {f"results/squares/piece0{n}.txt" for n in (1, 2)}
    shutil.rmtree(study.path / "results/parts")
    assert study.snakemake().jobs == PARTS
    (study.path / "results/parts/piece01.txt").write_text("1\n")
    assert study.snakemake().jobs == PARTS
