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
from digitpairs.reporting.study import Study as Results

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


def nothing() -> dict[str, Any]:
    """Return statistics of a study without results."""
    parts: dict[str, Any] = {part: {} for part in ("errors", "two_factors", "optimism", "at_the_papers", "more_data")}
    return parts | {"differences": [], "ablations": []}


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
    ablation = row(parameter="p", value="b", reference="a", model="m", **changed)
    found = findings.state(nothing() | {"ablations": [ablation]}, [])
    [effect] = findings.select(found, "ablation", parameter="p")
    assert effect["verdict"] == verdict
    assert effect["sentence"] == sentence.replace("It", "`p` b instead of a, for `m`,", 1)
    assert effect["direction"] == (
        None if effect["estimate"] is None else "lower" if effect["estimate"] < 0 else "higher"
    )


def test_findings_are_complete_and_plain(tmp_path: Path) -> None:
    study = Study(n=12)
    found = study.results["findings"]
    assert {
        *READERS,
        "advice",
        "error",
        "spike",
        "law",
        "difference",
        "factor",
        "ablation",
        "conclusion",
        "selection",
    } == {f["kind"] for f in found}
    for finding in found:
        assert re.fullmatch(r"[A-Z`].*\.", finding["sentence"])
        assert not re.search(r"\b(nan|None|null)\b", finding["sentence"])
        assert finding["verdict"] in (None, "lower", "higher", "similar", "cannot tell", "reproduced", "not reproduced")
    assert len(findings.select(found, "claim")) == len(study.results["claims"])
    for claim in findings.select(found, "claim"):
        assert re.fullmatch(r"[A-Z].*\.", claim["change"]) and not re.search(r"\b(nan|inf|None)\b", claim["change"])
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
        Results(
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
    found = dict(re.findall(r"In fresh rounds, `(\w+)` misses ([\d.]+) of 100 pairs", report_))
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


def judged(verdict: str, *comparisons: dict[str, Any]) -> dict[str, Any]:
    texts = {"id": "sharing", "unit": "error", "undecidable": None, "fresh": False}
    effects = [
        {"effect": name, "verdict": verdict, "diverged": 0} | c for name, c in zip("ab", comparisons, strict=False)
    ]
    return texts | {"verdict": verdict, "comparisons": effects}


def effect(low: float | None, high: float | None, bounds: list[float | None], n: int = 15) -> dict[str, Any]:
    middle = None if low is None or high is None else (low + high) / 2
    return {"estimate": middle, "low": low, "high": high, "n": n, "region": bounds}


@pytest.mark.parametrize(
    ("claim", "named", "change"),
    [
        pytest.param(
            judged("reproduced", effect(-0.4, -0.2, [None, 0]), effect(-0.3, -0.1, [None, 0])),
            "b",
            "An interval that leaves its region would change it; the nearest, of “b”, ends 0.1000 inside the bound 0.",
            id="reproduced: the nearest to a bound",
        ),
        pytest.param(
            judged("not reproduced", effect(0.1, 0.3, [None, 0]), effect(0.4, 0.5, [None, 0])),
            "b",
            "It would take 2 intervals that reach their regions; the farthest, of “b”, ends 0.4000 beyond the bound 0.",
            id="not reproduced: the farthest",
        ),
        pytest.param(
            judged("cannot tell", effect(-0.3, 0.1, [-1, 0]), effect(-0.3, 0.2, [-1, 0], 10)),
            "b",
            "More rounds narrow the interval of “b”, which crosses the bound 0; about 250 instead of 10 would put it "
            "inside, if its estimate stays.",
            id="open: the one that takes most rounds",
        ),
        pytest.param(
            judged("cannot tell", effect(-0.1, 0.3, [None, 0])),
            "a",
            "More rounds narrow the interval of “a”, which crosses the bound 0; about 60 instead of 15 would put it "
            "outside, if its estimate stays.",
            id="open, outside",
        ),
        pytest.param(
            judged("cannot tell", effect(-0.1, 0.1, [None, 0])),
            "a",
            "More rounds hardly help: the estimate of “a” lies at the bound 0.",
            id="open, at the bound",
        ),
        pytest.param(
            judged("reproduced", effect(1.04, 1.04, [1, 1.1], 0)),
            "a",
            "Other networks alone would change it: what is counted is not estimated.",
            id="counted",
        ),
        pytest.param(
            judged("cannot tell", effect(None, None, [None, 0], 0)),
            None,
            "Rounds that are not there decide it: a (there are no such rounds).",
            id="missing",
        ),
    ],
)
def test_what_would_change_a_claim(claim: dict[str, Any], named: str | None, change: str) -> None:
    [found] = findings.select(findings.state(nothing(), [claim]), "claim")
    assert (found["effect"], found["change"]) == (named, change)


def advice(**parts: Any) -> dict[str, str]:
    return {f["about"]: f["sentence"] for f in findings.select(findings.state(nothing() | parts, []), "advice")}


def of_weight(value: float, **changed: Any) -> dict[str, Any]:
    return row(parameter="auxiliary_weight", value=value, reference=1.0, model="siamese_aux", **changed)


ALIKE = {"estimate": 0.001, "low": -0.004, "high": 0.006, "p_holm": 1}
WORSE = {"estimate": 0.08, "low": 0.07, "high": 0.09}


NOTHING = {"estimate": None, "low": None, "high": None, "n": 0, "diverged": 0}
ERROR = NOTHING | {"std": None, "interquartile_mean": NOTHING, "spike": NOTHING, "paper_in_prediction": None}


def test_advice_follows_the_verdicts_on_the_methods() -> None:
    errors = {"resampled": dict.fromkeys(("baseline", "siamese"), ERROR)}
    one = {"protocol": "resampled", "first": "baseline", "second": "siamese", "mean": None}
    helps, harms, open_ = (
        advice(errors=errors, differences=[row(**one, **changed)]).get("Sharing weights")
        for changed in ({}, WORSE, {"p_holm": 0.2})
    )
    lead = (
        "Share the weights of two branches: 3 fewer of 100 pairs are missed than by one network that sees both images"
    )
    assert helps == f"{lead}."
    assert harms == "Do not share the weights of the two branches: 8 more of 100 pairs are missed with it."
    assert open_ is None
    assert advice() == {}
    apart = {"effect": "`siamese` minus `twobranch`", "verdict": "reproduced", "estimate": -0.039}
    found = findings._than_without_sharing([{"comparisons": [apart]}])
    assert found == ", and 4 fewer than by two that share none"
    assert findings._than_without_sharing([{"comparisons": [apart | {"verdict": "cannot tell"}]}]) == ""


@pytest.mark.parametrize(
    ("sharing", "auxiliary", "taken"),
    [
        ((-0.02, -0.01), (-0.09, -0.08), "auxiliary losses"),
        ((-0.09, -0.08), (-0.02, -0.01), "share weights"),
        ((-0.09, -0.01), (-0.09, -0.08), None),
    ],
)
def test_advice_on_the_choice_of_one_method(sharing: Any, auxiliary: Any, taken: str | None) -> None:
    by = {
        name: row(low=low, high=high, estimate=(low + high) / 2)
        for name, (low, high) in {"sharing": sharing, "auxiliary": auxiliary, "interaction": (0.01, 0.02)}.items()
    }
    said = advice(two_factors={"resampled": by}).get("factors")
    assert said is None if taken is None else taken in str(said)


def test_advice_on_the_weight_of_auxiliary_losses() -> None:
    rows = [of_weight(0, **WORSE), of_weight(0.1, **ALIKE), of_weight(0.3, p_holm=1), of_weight(3, **ALIKE)]
    assert advice(ablations=rows)["weight"] == (
        "Do not tune the weight of auxiliary losses: from 1 to 3 it changes the error by less than 1 of 100 pairs."
    )
    assert "weight" not in advice(ablations=rows[:3])
    assert advice(ablations=[*rows, of_weight(10)])["weight"] == (
        "Tune the weight of auxiliary losses: 10 instead of 1 lets `siamese_aux` miss 3 fewer of 100 pairs."
    )


@pytest.mark.parametrize(("tied", "said"), [((2, 5), "Do not tune"), ((1, 1), "Search the grid"), ((1, 5), None)])
def test_advice_on_tuning(tied: tuple[int, int], said: str | None) -> None:
    choice = {"same_configuration": True, "edges": {}, "flattery": row()}
    entries = {
        model: choice | {"stability": {"frequency": 0.5, "cells": 2, "tied": count}}
        for model, count in zip("ab", tied, strict=True)
    }
    found = advice(optimism=entries).get("tuning")
    assert found is None if said is None else str(found).startswith(said)
