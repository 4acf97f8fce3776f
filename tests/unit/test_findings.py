"""The findings: one sentence each, and the same words wherever they are read."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_article import MEANS, Study, read

from digitpairs import paper, tables
from digitpairs.analysis import findings
from digitpairs.reporting import page, report

READERS = (
    "method",
    "factors",
    "tally",
    "claim",
    "prediction",
    "pairs",
    "choice",
    "parameter",
    "paper",
)  # of page and article


def row(**changed: Any) -> dict[str, Any]:
    values = {"estimate": -0.03, "low": -0.04, "high": -0.02, "n": 15, "diverged": 0, "p": 0.001, "p_holm": 0.002}
    return values | changed


@pytest.mark.parametrize(
    ("changed", "verdict", "sentence"),
    [
        pytest.param({}, "lower", "It lowers the test error by 0.0300 (0.0200 to 0.0400), n = 15 rounds.", id="lower"),
        pytest.param(
            {"estimate": 0.03, "low": 0.02, "high": 0.04},
            "higher",
            "It raises the test error by 0.0300 (0.0200 to 0.0400), n = 15 rounds.",
            id="higher",
        ),
        pytest.param(
            {"p_holm": 0.06},
            "cannot tell",
            "It makes no difference that these rounds can tell, after correction for the number of comparisons "
            "(-0.0400 to -0.0200, n = 15 rounds).",
            id="lower, but for the number of comparisons",
        ),
        pytest.param(
            {"estimate": 0.001, "low": -0.004, "high": 0.006, "p_holm": 1},
            "similar",
            "It changes the test error by less than 0.01 (-0.0040 to +0.0060, n = 15 rounds).",
            id="similar",
        ),
        pytest.param(
            {"estimate": 0.001, "low": -0.02, "high": 0.02, "p_holm": 1},
            "cannot tell",
            "It makes no difference that these rounds can tell (-0.0200 to +0.0200, n = 15 rounds).",
            id="open",
        ),
        pytest.param(
            {"low": None, "high": None, "p_holm": None, "n": 3, "diverged": 2},
            "cannot tell",
            "It cannot be judged: an interval takes 4 rounds, and there are 3, 2 diverged.",
            id="few",
        ),
        pytest.param(
            {"estimate": None, "low": None, "high": None, "p_holm": None, "n": 0, "diverged": 15},
            "cannot tell",
            "It cannot be judged: all 15 rounds diverged.",
            id="diverged",
        ),
        pytest.param(
            {"estimate": None, "low": None, "high": None, "p_holm": None, "n": 0},
            "cannot tell",
            "It cannot be judged: there are no such rounds.",
            id="missing",
        ),
    ],
)
def test_an_effect_in_a_sentence(changed: dict[str, Any], verdict: str, sentence: str) -> None:
    numbers: dict[str, Any] = {
        "errors": {},
        "differences": [],
        "two_factors": {},
        "optimism": {},
        "at_the_papers": {},
        "more_data": {},
    }
    ablation = row(parameter="p", value="b", reference="a", model="m", **changed)
    found = findings.state(numbers | {"ablations": [ablation]}, [])
    [effect] = findings.select(found, "ablation", parameter="p")
    assert effect["verdict"] == verdict
    assert effect["sentence"] == sentence.replace("It", "`p` b instead of a, for `m`,", 1)
    assert effect["direction"] == (
        None if effect["estimate"] is None else "lower" if effect["estimate"] < 0 else "higher"
    )


def test_findings_are_complete_and_plain(tmp_path: Path) -> None:
    study = Study(n=12)
    found = study.results["findings"]
    assert {*READERS, "error", "spike", "law", "difference", "factor", "ablation", "conclusion", "selection"} == {
        f["kind"] for f in found
    }
    for finding in found:
        assert re.fullmatch(r"[A-Z`].*\.", finding["sentence"])
        assert not re.search(r"\b(nan|None|null)\b", finding["sentence"])
        assert finding["verdict"] in (None, "lower", "higher", "similar", "cannot tell", "reproduced", "not reproduced")
    assert len(findings.select(found, "claim")) == len(study.results["claims"])
    assert len(findings.select(found, "error")) == len(findings.select(found, "spike")) == 2 * len(MEANS)
    assert tables.to_json(found) == tables.to_json(findings.state(study.results["statistics"], study.results["claims"]))


def plain(text: str) -> str:
    """Return a text without what page and article set in their own ways: code, minus signs, spaces, escapes."""
    return re.sub(
        r"[\s`\\]+", "", text.replace("\u2212", "-").replace("&lt;", "<").replace("&#x27;", "'").replace("\u2019", "'")
    )


def says(text: str, sentence: str) -> bool:
    """Return if a text has a sentence, which may go on below a figure or in another column."""
    halves = ((sentence[:i], sentence[i:]) for i in range(1, len(sentence)))
    return sentence in text or any(first in text and rest in text for first, rest in halves)


@pytest.mark.parametrize("means", [MEANS, dict.fromkeys(MEANS, 0.1) | {"siamese": 0.105, "baseline": 0.25}])
@pytest.mark.parametrize("n", [3, 12])
def test_page_and_article_say_the_same_words(tmp_path: Path, means: dict[str, float], n: int) -> None:
    """Rendered from one file, with effects that are told and that are not."""
    study = Study(means, n=n)
    mistakes = pd.DataFrame(
        {"model": ["siamese"], "pair": [0], "first": [1], "second": [2], "wrong": [0], "rounds": [n]}
    )
    blocks = report.compose(
        report.Study(
            final=study.final,
            curves={},
            grid=study.grid,
            **{key: study.results[key] for key in ("selection", "statistics", "claims", "findings")},
            mistakes=mistakes,
            images=np.ones((1, 2, 14, 14), np.uint16),
            data=study.settings["data"],
            ablations=study.ablations,
            more_data=study.more_data,
        ),
        {},
    )
    texts = [
        page.to_markdown(blocks, "figures"),
        re.sub("<[^>]+>", "", page.to_html(blocks, {}, "")),
        read(study.pdf(tmp_path)),
    ]
    for sentence in (f["sentence"] for kind in READERS for f in findings.select(study.results["findings"], kind)):
        for text in texts:
            assert says(plain(text), plain(sentence)), sentence


def test_what_the_readme_says_is_what_was_found() -> None:
    """The README's table holds what the committed report says of 100 pairs, rounded."""
    root = Path(__file__).parents[2]
    report_ = (root / "reports/README.md").read_text()
    found = dict(re.findall(r"On new pairs in each round, `(\w+)` misses ([\d.]+) of 100 pairs", report_))
    if not found:
        pytest.skip("the committed report is older than this sentence")
    said = re.findall(
        r"^\| (?:baseline|siamese)[^|]*\| (\d+) \| \d+ \|$", (root / "README.md").read_text(), re.MULTILINE
    )
    assert [int(number) for number in said] == [round(float(found[model])) for model in paper.RESULTS]


def test_a_model_that_guesses_says_so() -> None:
    study = Study({**MEANS, "siamese": 0.45}, n=12)
    [error] = findings.select(study.results["findings"], "error", model="siamese", protocol="fixed")
    assert error["sentence"].endswith("; that is hardly better than guessing.")


def test_a_model_whose_rounds_all_diverge_is_left_out_of_nothing() -> None:
    study = Study(n=12, diverged="siamese")
    found = study.results["findings"]
    [error] = findings.select(found, "error", model="siamese", protocol="resampled")
    assert error["sentence"] == "On new pairs in each round, `siamese` has no error to show: all 12 rounds diverged."
    method = findings.select(found, "method", method="Sharing weights")[0]
    assert method["verdict"] == "cannot tell"
    assert "it cannot be judged: all 12 rounds diverged" in method["sentence"]
    claim = findings.select(found, "claim", id="sharing")[0]
    assert claim["verdict"] == "cannot tell"
    assert "(all 12 rounds diverged)" in claim["sentence"]
