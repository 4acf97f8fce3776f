"""What tests of faults add to the clones of the finished study."""

from pathlib import Path

import pytest
from studies import Study


@pytest.fixture
def uncomputed(finished: Study, tmp_path: Path) -> Study:
    """A fresh clone with an empty cell cache: everything is to be computed."""
    clone = Study(tmp_path / "clone", tmp_path / "cells")
    finished.git("clone", "--quiet", str(finished.path), str(clone.path))
    return clone
