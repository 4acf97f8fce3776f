"""What is remembered of files between processes: it changes no digest, and no damage to it does."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from exactrun import digests, memo

ROOT = Path(__file__).parents[2]
# The digests of a script, with the parser counted.
COUNT = """
import ast, sys
from exactrun import digests
parse, calls = ast.parse, []
ast.parse = lambda *args, **options: calls.append(args) or parse(*args, **options)
print(digests.code("run.py"), len(calls))
"""


def digest(folder: Path, cache: Path | str) -> tuple[str, int]:
    """Digest run.py in a process of its own; return the items and the number of files that were parsed."""
    env = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", COUNT], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    items, parsed = done.stdout.strip().rsplit(" ", 1)
    return items, int(parsed)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "run.py").write_text("import other\n")
    (folder / "src/other.py").write_text("A = 1\n")
    return folder


def test_a_file_is_parsed_once(project: Path, tmp_path: Path) -> None:
    first = digest(project, tmp_path / "cache")
    assert first[1] == 2
    assert digest(project, tmp_path / "cache") == (first[0], 0)
    (project / "src/other.py").write_text("A = 2\n")
    edited, parsed = digest(project, tmp_path / "cache")
    assert (parsed, edited) == (1, digest(project, tmp_path / "none")[0])
    assert edited != first[0]
    (project / "src/other.py").write_text("A = 1\n")
    assert digest(project, tmp_path / "cache") == (first[0], 0)


@pytest.mark.parametrize("damage", ["emptied", "altered", "not text", "a folder", "read-only"])
def test_no_damage_changes_a_digest(project: Path, tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    expected, _ = digest(project, cache)
    [file] = (cache / "exactrun").iterdir()
    match damage:
        case "emptied":
            file.write_text("")
        case "altered":
            text = file.read_text()
            own = expected.split("other=")[1][:12]
            file.write_text(text.replace(own, "0" * 12))
        case "not text":
            file.write_bytes(b"\xff\xfe\n{}")
        case "a folder":
            file.unlink()
            (file / "inside").mkdir(parents=True)
        case "read-only":
            cache = Path("/proc/nowhere")
    assert digest(project, cache) == (expected, 2)


def test_the_list_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo, "MOST", 3)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for number in range(6):
        kept = memo.Memo(Path(digests.__file__))
        kept.get(b"%d" % number, lambda: ("0" * 12, frozenset(), frozenset()))
        kept.save()
        assert 1 <= len(kept.load()) <= 3


def test_reading_is_by_this_pythons_syntax(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of Python, or of the code that reads, remembers for itself."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = memo.Memo(Path(digests.__file__)).path
    assert memo.Memo(Path(ast.__file__)).path != first
    monkeypatch.setattr(sys, "version", "another")
    assert memo.Memo(Path(digests.__file__)).path != first
