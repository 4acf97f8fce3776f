"""Which files count as identical, equal and different, by how much, and when a conclusion differs."""

import io
import json
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from digitpairs.errors import StudyError
from digitpairs.reproduction.comparison import Comparison, compare, conclusions, kind, summary, tell, without_provenance

TEXT = "round,test_error,note\n1,0.125,a\n2,,b\n"
CLAIMS = [{"id": "sharing", "verdict": "reproduced", "comparisons": [{"estimate": -0.08}]}]
CHOSEN = {"batch_size": 50, "epochs": 100, "learning_rate": 0.01}


def npz(**arrays: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def tensors(*values: float) -> bytes:
    return safetensors.numpy.save({"weight": np.array(values, np.float32)}, {"sha256": str(values)})


def files(claims: object = CLAIMS, chosen: object = CHOSEN) -> dict[str, bytes]:
    selection = {"baseline": {"chosen": chosen}}
    return {
        "results/claims.json": json.dumps(claims).encode(),
        "results/selection.json": json.dumps(selection).encode(),
    }


@pytest.mark.parametrize(
    ("path", "committed", "new", "verdict", "absolute", "what"),
    [
        ("a.csv", TEXT, TEXT, "identical", None, ""),
        ("a.csv", TEXT, None, "only committed", None, ""),
        ("a.csv", None, TEXT, "only new", None, ""),
        ("a.csv", TEXT, TEXT.replace("125", "12500001"), "equal", 1e-8, ""),
        ("a.csv", TEXT, TEXT.replace("125", "126"), "different", 0.001, ""),
        ("a.csv", TEXT, TEXT.replace(",b", ",c"), "different", 0, "note"),
        ("a.csv", TEXT, TEXT.replace("2,,", "2,0.5,"), "different", None, "numbers that are not finite"),
        ("a.csv", TEXT, f"{TEXT}3,0.5,c\n", "different", None, "shape of round, test_error"),
        ("a.csv", TEXT, TEXT.replace("note", "remark"), "different", 0, "note, remark"),
        ("a.csv", TEXT, '"', "different", None, "cannot be read: "),
        ("a.json", '{"a": [1.0, {"b": "x"}]}', '{"a": [1.000001, {"b": "x"}]}', "equal", 1e-6, ""),
        ("a.json", '{"a": [1.0, {"b": "x"}]}', '{"a": [1.000001, {"b": "y"}]}', "different", 1e-6, "/a/1/b"),
        ("a.json", '{"a": 1.0}', '{"a": true}', "different", None, "shape of /a"),
        ("a.json", '{"a": []}', '{"a": {}}', "different", 0, "/a"),
        ("a.json", '{"a": null}', '{"b": null}', "different", 0, "/a, /b"),
        ("a.npz", npz(a=np.ones(3)), npz(a=np.array([1, 1, 1.5])), "different", 0.5, ""),
        ("a.npz", npz(a=np.ones(3)), npz(a=np.ones(2)), "different", None, "shape of a"),
        ("a.npz", npz(a=np.ones(3)), npz(a=np.array([{}])), "different", None, "cannot be read: "),
        ("a.safetensors", tensors(1.0, 2.0), tensors(1.0, 2.00001), "equal", 1e-5, ""),
        ("a.safetensors", tensors(1.0, 2.0), tensors(1.0, 2.25), "different", 0.25, ""),
        ("a.svg", "<a>\n<b>\n", "<a>\n<c>\n", "different", None, "1 of 2 lines"),
        ("a.png", b"\x89P\xff", b"\x89P\xff\xff", "different", None, "3 and 4 bytes"),
    ],
)
def test_compare(
    path: str, committed: str | bytes | None, new: str | bytes | None, verdict: str, absolute: float | None, what: str
) -> None:
    contents = [content.encode() if isinstance(content, str) else content for content in (committed, new)]
    found = compare(path, *contents)
    assert found.verdict == verdict
    assert found.absolute == (absolute if absolute is None else pytest.approx(absolute, rel=0.05, abs=1e-12))
    assert found.what.startswith(what)
    assert bool(what) == bool(found.what)


def test_differences_are_relative_to_the_value() -> None:
    found = compare("a.json", b"[100.0, 0.1, 0, NaN, Infinity]", b"[101.0, 0.2, 0, NaN, Infinity]")
    assert (found.absolute, found.relative) == (1.0, 0.5)


@settings(deadline=None)
@given(st.binary(max_size=40), st.sampled_from([".csv", ".json", ".npz", ".safetensors", ".svg"]))
def test_damaged_files_differ(content: bytes, suffix: str) -> None:
    good = {".npz": npz(a=np.ones(3)), ".safetensors": tensors(1.0)}.get(suffix, b'{"a": 1}')
    assert compare(f"a{suffix}", good, content).verdict == "different" or content == good


def test_the_report_may_name_another_run() -> None:
    page = '<p>a</p><section id="provenance">\n{}\n</section><p>{}</p>'
    one, other, changed = (page.format(*words).encode() for words in ("ab", "cb", "ac"))
    assert compare("reports/report.html", one, other).verdict == "identical"
    assert compare("reports/report.html", one, changed).what == "1 of 1 lines"
    assert compare("reports/other.html", one, other).verdict == "different"
    with pytest.raises(ValueError, match="2 sections"):
        without_provenance("reports/report.html", one + other)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data/pairs/seed~3.npz", "data/pairs/*.npz"),
        ("results/grid.csv", "results/grid.csv"),
        ("results/grid/baseline/batch_size~25/learning_rate~0.1/epochs~25/rounds.csv", "results/grid/**/rounds.csv"),
        ("reports/figures/figure_1.svg", "reports/figures/*.svg"),
        ("reports/README.md", "reports/README.md"),
    ],
)
def test_kinds(path: str, expected: str) -> None:
    assert kind(path) == expected


def test_many_files_are_counted() -> None:
    comparisons = [
        *(Comparison(f"data/pairs/seed~{seed}.npz", "different", 0.5, 0.25) for seed in range(40)),
        Comparison("results/grid.csv", "identical"),
        Comparison("results/more_data.csv", "only committed"),
    ]
    found = summary(comparisons)
    assert found["files"] == {"compared": 42, "identical": 1, "different": 40, "only committed": 1}
    assert found["kinds of files"]["data/pairs/*.npz"] == {"compared": 40, "different": 40}
    assert len(found["files that are not identical"]) == 41
    assert found["files that are not identical"][0]["absolute"] == 0.5
    said = tell(comparisons, ["claim 1: x -> y"]).splitlines()
    assert said[-1] == "A conclusion differs: claim 1: x -> y"
    assert said[-2] == "... and 11 more files that are not identical"
    assert "data/pairs/seed~0.npz: different numbers by up to 0.5 (0.25 of the value)" in said
    assert max(map(len, said)) <= 120
    assert tell(comparisons[-1:], []).splitlines()[-2:] == [
        "results/more_data.csv: only committed",
        "None of these files holds a conclusion.",
    ]
    assert "All conclusions are the same." in tell([Comparison("results/claims.json", "identical")], [])


def test_conclusions_are_verdicts_and_choices() -> None:
    assert conclusions(files(), files([CLAIMS[0] | {"comparisons": [{"estimate": -0.09}]}])) == []
    assert conclusions(files(), files([CLAIMS[0] | {"verdict": "cannot tell"}])) == [
        "claim sharing: reproduced -> cannot tell"
    ]
    assert conclusions(files(), files(chosen=CHOSEN | {"epochs": 50})) == [
        "chosen configuration of baseline: batch_size 50, epochs 100, learning_rate 0.01 -> "
        "batch_size 50, epochs 50, learning_rate 0.01"
    ]
    assert conclusions(files(), files([])) == ["claim sharing: reproduced -> nothing"]


def test_a_part_without_conclusions() -> None:
    claims_alone = {"results/claims.json": files()["results/claims.json"]}
    assert conclusions(claims_alone, claims_alone) == conclusions({}, {}) == []
    assert conclusions(claims_alone, {}) == ["claim sharing: reproduced -> nothing"]
    with pytest.raises(StudyError, match="the committed results hold no conclusions"):
        conclusions(files() | {"results/claims.json": b"["}, files())
