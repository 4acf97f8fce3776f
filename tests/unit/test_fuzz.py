"""params.yaml as nobody would write it: read as DVC reads it, or refused in one line, quickly and without a job."""

import io
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from studies import ROOT

from digitpairs.errors import StudyError
from digitpairs.params import Params, load_params

TEXT = (ROOT / "tests/workflow/params.yaml").read_text(encoding="utf-8")
LAUGHS = "\n".join(["a0: &a0 [0]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))])
MERGES = "\n".join(
    ["m0: &m0 {k: 0}", *(f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}" for n in range(1, 10))]
)
ODD = st.sampled_from(
    [
        *("", "~", "null", "true", "yes", "off", "-0", "-0.0", "010", "0o10", "0b11", "0x1F", "1_000", "1:30", "1e3"),
        *(
            ".inf",
            "-.inf",
            ".nan",
            "1e400",
            "9" * 400,
            "1" + "0" * 5000,
            "5e-324",
            "2**31",
            "2147483647",
            "\uff11\uff12",
        ),
        *("2001-01-01", "2001-01-01T00:00:00Z", "2001-99-99", "'3'", "'0.1'", '"\\0"', '"\\ud800"', '"\\n"', "\x07"),
        *("[]", "{}", "[[]]", "[~]", "&a [*a]", "&a {k: *a}", "*nowhere", "[1, 1.0]", "{<<: 1}", "{<<: {rounds: 1}}"),
        *("? [1]\n: 2", "- 1", "|\n  text", "'unclosed", "[unclosed", "{unclosed", "@", "`", "%YAML 3.0", "---", "..."),
        *("!!python/object/apply:os.system ['touch trace']", "!!python/name:os.system", "!!python/module:os"),
        *("!!binary aGVsbG8=", "!!set {1}", "!!omap [a: 1]", "!!int x", "!!float []", "!!timestamp x", "!unknown 1"),
        *("$(touch trace)", "`touch trace`", "; touch trace", "../../outside", "{seed}", "{params.code}", "%s", "\\"),
        *("[" * 500, "{a: " * 500, "- " * 500, "[" * 300 + "]" * 300, "k: " * 50, "😀", "\x85", "\u2028"),
    ]
)


def outcome(path: Path) -> Params | str:
    """Return what a file holds, or the one line that refuses it; anything else fails."""
    started = time.process_time()
    try:
        found: Params | str = load_params(path)
    except StudyError as error:
        found = str(error)
        assert len(found.splitlines()) == 1
        assert len(found) < 2000
        assert found.isprintable()
        assert found.startswith(f"{path}: ")
    assert time.process_time() - started < 5
    return found


def as_dvc_reads_it(content: bytes) -> Any:
    return YAML(typ="safe", pure=True).load(io.BytesIO(content))


def differences(params: Any, read: Any, where: str = "") -> list[str]:
    """Name the values that are not what DVC reads in the same place; lists may be sorted."""
    if isinstance(read, Mapping):
        return [name for key in read for name in differences(params[key], read[key], f"{where}.{key}")]
    values = (sorted(read), list(params)) if isinstance(read, list) else (read, params)
    return [] if values[0] == values[1] else [where]


PLACES = [match.span(1) for match in re.finditer(r"(?:: +|[\[,] ?)([^\s\[\],]+)", TEXT)]


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """A params.yaml with odd values, lines that moved, or damaged bytes."""
    text = TEXT
    for start, end in sorted(draw(st.sets(st.sampled_from(PLACES), max_size=2)), reverse=True):
        text = text[:start] + draw(ODD | st.text(max_size=8)) + text[end:]
    if draw(st.booleans()):
        lines = text.splitlines()
        line = lines.pop(draw(st.integers(0, len(lines) - 1)))
        lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from([line, f"{line}\n{line}", f"  {line}"])))
        text = "\n".join(lines)
    content = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        start = draw(st.integers(0, len(content)))
        content = content[:start] + draw(st.binary(max_size=4)) + content[start + draw(st.integers(0, 40)) :]
    return content


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=texts())
@example(content=b"")
@example(content=b"\0")
@example(content=b"\xff\xfe\x00")
@example(content=b"\xef\xbb\xbf" + TEXT.encode())
@example(content=TEXT.encode("utf-16"))
@example(content=f"{LAUGHS}\n{TEXT}".encode())
@example(content=TEXT.replace("[2, 4]", "*a9").replace("seed: 2", f"seed: 2\n{LAUGHS}").encode())
@example(content=f"{MERGES}\n{TEXT}".encode())
@example(content=TEXT.replace("seed: 2", "seed: 2\nseed: 3").encode())
def test_every_text_is_read_as_dvc_reads_it_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    found = outcome(path)
    assert not (Path.cwd() / "trace").exists()
    if isinstance(found, Params):
        read = as_dvc_reads_it(content)
        dumped = found.model_dump()
        dumped["grid"] |= {model: grid.model_dump() for model, grid in found.grid.models.items()}
        assert differences(dumped, read) == []


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.from_regex(r"[-+]?[0-9_.:xobeEnaif]{1,8}", fullmatch=True) | st.floats().map(repr) | st.integers().map(str))
@example("010")
@example("1:30")
@example("1_000")
@example("1e-2")
@example("0b1")
def test_every_number_is_read_as_dvc_reads_it_or_refused(tmp_path: Path, number: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace("auxiliary_weight: 1.0", f"auxiliary_weight: {number}"))
    found = outcome(path)
    if isinstance(found, Params):
        assert found.train.auxiliary_weight == float(as_dvc_reads_it(number.encode()))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 2", "seed: 010", "seed = '010' should be a valid integer"),
        ("seed: 2", "seed: 1:30", "seed = '1:30' should be a valid integer"),
        ("  rounds: 2", "  rounds: 10001", "final.rounds = 10001 should be less than or equal to 10000"),
        ("n_test: 100", "n_test: 2500", "data.n_train = 2760 should be at most 2500: data.source = 'bundled'"),
        ("source: bundled", 'source: idx\n  folder: "a\\0b"', "data.folder = 'a\\x00b' should be a path without"),
        ("source: bundled", 'source: idx\n  folder: "a\\nb"', "data.folder = 'a\\nb' should be a path without"),
        ("source: bundled", 'source: idx\n  folder: "a<b>"', "data.folder = 'a<b>' should be a path without"),
        ("source: bundled", 'source: idx\n  folder: "a{b}"', "data.folder = 'a{b}' should be a path without"),
        ("source: bundled", f"source: idx\n  folder: {'a' * 256}", "should be a path of at most 4000 bytes, 255 for"),
        ("source: bundled", f"source: idx\n  folder: {'a/' * 2001}", "should be a path of at most 4000 bytes, 255 for"),
    ],
)
def test_what_would_end_in_a_traceback_or_a_failed_job(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    assert old in TEXT
    path.write_text(TEXT.replace(old, new))
    assert message in str(outcome(path))


def test_merge_keys_still_work(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    content = TEXT.replace("  siamese:", "  siamese: &shared").replace(
        "  siamese_aux:\n", "  siamese_aux:\n    <<: *shared\n"
    )
    assert content.count("shared") == 2
    path.write_text(content)
    assert outcome(path) == load_params(ROOT / "tests/workflow/params.yaml")


def test_more_cells_than_can_be_planned(tmp_path: Path) -> None:
    values = list(range(1, 102))
    content = yaml.safe_load(TEXT)
    content["grid"]["baseline"] = {
        "epochs": values,
        "batch_size": [n + 20 for n in values if 199 % (n + 20)],
        "learning_rate": [n / 100 for n in values],
    }
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    assert re.search(r"grid has 1\d{6} cells; allowed are at most 1000000", str(outcome(path)))
