"""A tiny study that is finished, committed and pushed once per session; each test works in a fresh clone of it."""

import shutil
from pathlib import Path

import pytest
from studies import Study, finish


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study, finished, committed and pushed."""
    folder = tmp_path_factory.mktemp("finished")
    study = Study(folder / "study", folder / "cells")
    finish(study)
    return study


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
