"""What tests with real services add to the clones of the finished study."""

import pytest
from studies import Study


@pytest.fixture(scope="session")
def finished(finished: Study) -> Study:
    """The finished study with commands that are processes of their own, as a service gets them from users."""
    return finished.in_real_processes()
