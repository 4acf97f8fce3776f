"""Each test works in a fresh clone of the finished study."""

import shutil
from pathlib import Path

import pytest
from studies import Study


@pytest.fixture
def cells(finished: Study, tmp_path: Path) -> Path:
    """A cell cache of the test's own, of the machine where the study ran."""
    shutil.copytree(finished.cells, tmp_path / "cells")
    return tmp_path / "cells"


@pytest.fixture
def unpulled(finished: Study, cells: Path, tmp_path: Path) -> Study:
    """A fresh clone."""
    clone = Study(tmp_path / "clone", cells)
    finished.git("clone", "--quiet", str(finished.path), str(clone.path))
    return clone


@pytest.fixture
def study(unpulled: Study) -> Study:
    """A fresh clone after `dvc pull`."""
    unpulled.dvc("pull")
    return unpulled
