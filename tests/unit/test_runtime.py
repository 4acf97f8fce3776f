"""The JavaScript of the charts is bundled once, and never taken from a damaged file."""

from pathlib import Path

import pytest
import vl_convert

from digitpairs.reporting import runtime


@pytest.fixture
def bundled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Versions of Vega-Lite whose JavaScript was bundled, kept in a folder of this test."""
    versions: list[str] = []

    def bundle(vl_version: str) -> str:
        versions.append(vl_version)
        return f"vega-lite {vl_version} é\n"

    monkeypatch.setattr(vl_convert, "javascript_bundle", bundle)
    monkeypatch.setattr(runtime, "KEPT", tmp_path / "kept")
    return versions


def test_it_is_bundled_once(bundled: list[str]) -> None:
    first = runtime.runtime()
    assert runtime.runtime() == first == f"vega-lite {bundled[0]} é\n"
    assert len(bundled) == 1


@pytest.mark.parametrize("damage", [b"", b"// 0\nalert()", b"\xff\xfe", b"alert()"])
def test_a_damaged_file_is_bundled_anew(bundled: list[str], damage: bytes) -> None:
    first = runtime.runtime()
    [kept] = runtime.KEPT.iterdir()
    kept.write_bytes(damage)
    assert runtime.runtime() == runtime.runtime() == first
    assert len(bundled) == 2


def test_where_nothing_can_be_kept(bundled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "KEPT", Path("/proc/nowhere"))
    assert runtime.runtime() == runtime.runtime()
    assert len(bundled) == 2
