"""Of which commit something was made."""

import subprocess
from pathlib import Path

import pytest

from digitpairs import revision


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit."""
    who = ["-c", "user.name=tester", "-c", "user.email=tester@localhost", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], [*who, "commit", "--quiet", "--allow-empty", "--message", "one"]):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    return tmp_path


def test_a_commit_with_changes_and_without(repository: Path) -> None:
    commit = revision.made_from(repository)
    assert len(commit) == 40
    (repository / "params.yaml").write_text("seed: 1\n")
    revision.git(repository, "add", "params.yaml")
    assert revision.made_from(repository) == f"{commit}, with changes that are not committed"


def test_a_download_in_somebodys_repository(repository: Path) -> None:
    (repository / "download").mkdir()
    assert revision.made_from(repository / "download") == "unknown"


def test_another_repository_that_is_exported(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a hook of it."""
    commit = revision.made_from(repository)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert revision.made_from(repository) == commit
