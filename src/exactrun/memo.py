"""What Python files mean, remembered between processes by their content: parsing them is most of a start's time."""

import atexit
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOST = 5000  # files; a list that grows longer begins anew with those of this process

# Digest, imports, and what is read of the config, as `digests` has them.
Meaning = tuple[str, frozenset[tuple[int, str]], frozenset[tuple[str | int, ...]]]


class Memo:
    """Meanings of files by content, for one version of Python and of the code that reads them.

    It is kept in the user's cache folder and may be lost at any time. What is not as it was written does not count.
    """

    def __init__(self, *readers: Path):
        self.readers = readers
        self.known: dict[str, Any] | None = None
        self.used: dict[str, Any] = {}

    def get(self, content: bytes, read: Callable[[], Meaning]) -> Meaning:
        """Return what is known of a file's content, or what `read` finds."""
        if self.known is None:
            self.known = self.load()
            atexit.register(self.save)
        name = hashlib.sha256(content).hexdigest()
        if name in self.known:
            self.used[name] = self.known[name]
            digest, imports, config = self.known[name]
            return digest, frozenset((level, module) for level, module in imports), frozenset(map(tuple, config))
        digest, imports, config = found = read()
        self.used[name] = [digest, sorted(imports), sorted(config, key=repr)]
        return found

    @property
    def path(self) -> Path:
        """The file: another version of Python or of the reading code has another one. `RuntimeError` without a home."""
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        code = b"".join(reader.read_bytes() for reader in self.readers)
        made_by = hashlib.sha256(code + sys.version.encode()).hexdigest()[:16]
        return caches / "exactrun" / f"{made_by}.json"

    def load(self) -> dict[str, Any]:
        """Read what is known; nothing where there is no such file, or it is damaged."""
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            seal, _, text = self.path.read_text(encoding="utf-8").partition("\n")
            if seal == _seal(text):
                return dict(json.loads(text))
        return {}

    def save(self) -> None:
        """Write what is known, if this process learnt anything; where that cannot be, it is learnt again."""
        known = self.known or {}
        if self.used.keys() <= known.keys():
            return
        merged = self.load() | self.used
        text = json.dumps(self.used if len(merged) > MOST else merged)
        with contextlib.suppress(OSError, RuntimeError):
            path = self.path
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.{os.getpid()}")
            partial.write_text(f"{_seal(text)}\n{text}", encoding="utf-8")
            partial.replace(path)


def _seal(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
