"""What tests of several kinds share: one thread, a tiny study that is run once per session, and clones of it."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from filelock import FileLock
from studies import Study, finish

# As the study trains: results do not depend on how work is split. Read when torch is first imported.
os.environ["OMP_NUM_THREADS"] = "1"
# A shell's job in the background ignores Ctrl-C, and so would all that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Study:
    """The study, finished, committed and pushed to the bundled remote; tests leave it as it is and work in clones.

    Tests that run side by side share it: the first that needs it makes it, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "finished"
    study = Study(folder / "study", folder / "cells")
    with FileLock(f"{folder}.lock"):
        if not (folder / "made").exists():
            finish(study)
            (folder / "made").touch()
    return study


@pytest.fixture
def cells(finished: Study, tmp_path: Path) -> Path:
    """A cell cache of the test's own, of the machine where the study ran."""
    shutil.copytree(finished.cells, tmp_path / "cells")
    return tmp_path / "cells"


@pytest.fixture
def unpulled(finished: Study, cells: Path, tmp_path: Path) -> Study:
    """A fresh clone."""
    return finished.clone(tmp_path / "clone", cells, pull=False)


@pytest.fixture
def study(unpulled: Study) -> Study:
    """A fresh clone after `dvc pull`."""
    unpulled.dvc("pull")
    return unpulled
