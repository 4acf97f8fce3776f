"""What tests of several kinds share: one thread, and a tiny study that is run once per session."""

import os

import pytest
from studies import Study, finish

# As the study trains: results do not depend on how work is split. Read when torch is first imported.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study, finished, committed and pushed to the bundled remote; tests leave it as it is and work in clones."""
    folder = tmp_path_factory.mktemp("finished")
    study = Study(folder / "study", folder / "cells")
    finish(study)
    return study
