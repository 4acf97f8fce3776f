"""Each test does its damage in a fresh clone of the finished study, with a cell cache of its own."""

import shutil
from pathlib import Path

import pytest
from studies import Study


@pytest.fixture
def unpulled(finished: Study, tmp_path: Path) -> Study:
    """A fresh clone with an empty cell cache: everything is to be computed."""
    clone = Study(tmp_path / "clone", tmp_path / "cells")
    finished.git("clone", "--quiet", str(finished.path), str(clone.path))
    return clone


@pytest.fixture
def study(finished: Study, unpulled: Study) -> Study:
    """A fresh clone after `dvc pull`, on the machine where the study ran."""
    shutil.copytree(finished.cells, unpulled.cells)
    unpulled.dvc("pull")
    return unpulled
