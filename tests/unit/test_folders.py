"""The folder of the cell cache, for whatever the user's machine brings."""

import re
from pathlib import Path

import pytest

from digitpairs import folders
from digitpairs.errors import StudyError


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_the_users_own_folder(nothing: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "CELLS", tmp_path / "cache/cells")
    assert folders.cell_cache(nothing, instead=tmp_path / "instead") == tmp_path / "cache/cells"
    assert (tmp_path / "cache/cells").is_dir()


def test_a_home_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").touch()  # for root no folder is read-only, but a file is no folder for anyone
    monkeypatch.setattr(folders, "CELLS", tmp_path / "home/cells")
    assert folders.cell_cache(None, instead=tmp_path / "instead") == tmp_path / "instead"
    assert (tmp_path / "instead").is_dir()


def test_an_exported_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert folders.cell_cache("shared cells", instead=tmp_path) == tmp_path / "shared cells"
    assert folders.cell_cache("~/cells", instead=tmp_path) == tmp_path / "home/cells"
    odd = str(tmp_path / "$HOME: odd %PATH%")
    assert folders.cell_cache(odd, instead=tmp_path) == Path(odd)


@pytest.mark.parametrize(
    ("exported", "said"),
    [
        ("s3://bucket/cells", "is a URL"),
        ("s3:bucket/cells", "is a URL"),
        ("$HOME/cells", "begins with a variable"),
        ("${SCRATCH}/cells", "begins with a variable"),
        ("~nobody-of-that-name/cells", "is of a user whose home is not known"),
        ("file/cells", "Not a directory"),
        (" /shared/cells", "begins or ends with a blank"),
    ],
)
def test_what_is_no_folder_is_refused(
    exported: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match=f"^SNAKEMAKE_OUTPUT_CACHE = '{re.escape(exported)}' .*{said}"):
        folders.cell_cache(exported, instead=tmp_path / "instead")
