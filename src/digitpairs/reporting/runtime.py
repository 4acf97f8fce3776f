"""The JavaScript that draws the charts. To bundle it takes longer than the rest of the page, so it is kept."""

import contextlib
import hashlib
from importlib import metadata
from pathlib import Path

import altair as alt
import platformdirs
import vl_convert

from digitpairs.errors import StudyError
from digitpairs.files import write_atomically

KEPT = Path(platformdirs.user_cache_dir("digitpairs")) / "charts"


def runtime() -> str:
    """Return the JavaScript for the Vega-Lite version of the specifications, the same text whether it was kept or not.

    What is not as it was written, or cannot be read or written, is bundled anew.
    """
    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    kept = KEPT / f"vega-lite-{version}-vl-convert-{metadata.version('vl-convert-python')}.js"
    with contextlib.suppress(OSError, ValueError):
        seal, _, text = kept.read_text(encoding="utf-8").partition("\n")
        if seal == _seal(text):
            return text
    bundled: str = vl_convert.javascript_bundle(vl_version=version)  # type: ignore[call-arg]  # its stub lacks a default
    with contextlib.suppress(StudyError):
        write_atomically(kept, f"{_seal(bundled)}\n{bundled}".encode())
    return bundled


def _seal(text: str) -> str:
    return f"// {hashlib.sha256(text.encode()).hexdigest()}"
