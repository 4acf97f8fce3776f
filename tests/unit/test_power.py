"""The number of rounds that a verdict takes."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_claims import SCRIPTS, curves, final, grid, study

from digitpairs.analysis import inference, power
from digitpairs.analysis.measures import Rounds

RNG = np.random.default_rng(0)
NORMAL = (Z := RNG.normal(size=400)) - inference.interquartile_mean(Z).estimate


@pytest.mark.parametrize(
    ("rounds", "region", "least", "most"),
    [
        # Of normal rounds with deviation 1, the interquartile mean's is about 1.1 / sqrt(n): at a distance of 0.5, 0.9
        # is reached where 0.5 = (2 + 1.3) 1.1 / sqrt(n), with n = 53.
        pytest.param(NORMAL - 0.5, (None, 0), 45, 60, id="reproduced"),
        pytest.param(NORMAL + 0.5, (None, 0), 45, 60, id="not reproduced"),
        pytest.param(NORMAL - 9, (None, 0), 10, 10, id="at once"),
        pytest.param((NORMAL + 0.5, NORMAL), (None, 0), 80, 150, id="without pairs: twice the variance"),
        pytest.param(1.04, (1, 1.1), 0, 0, id="counted"),
    ],
)
def test_rounds_needed(rounds: Rounds, region: tuple[float | None, float | None], least: int, most: int) -> None:
    needed = power.rounds_needed(rounds, region)
    assert needed is not None and least <= needed <= most
    assert power.rounds_needed(rounds, region) == needed


@pytest.mark.parametrize("rounds", [NORMAL - 1e-6, np.empty(0), float("nan"), (np.empty(0), NORMAL)])
def test_no_number_is_enough(rounds: Rounds) -> None:
    assert power.rounds_needed(rounds, (None, 0)) is None


def test_a_claim_needs_all_of_its_comparisons_or_one_against_it() -> None:
    need = power.Need("", "", inference.Estimate(0, 0, 0, 9), (None, 0), "reproduced", 30)
    against = need._replace(likely="not reproduced", rounds=20)
    assert power.of_claim([need, need._replace(rounds=60)]) == 60
    assert power.of_claim([need, against, against._replace(rounds=None)]) == 20
    assert power.of_claim([need, need._replace(rounds=None)]) is None
    assert power.of_claim([need, need._replace(likely="cannot tell", rounds=None)]) is None


def test_the_script_writes_a_dated_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, by_protocol in {"final": final(), "curves": curves()}.items():
        parts = [t.assign(protocol=p, model=m) for p, by_model in by_protocol.items() for m, t in by_model.items()]
        pd.concat(parts).to_csv(f"{name}.csv", index=False)
    grid().to_csv("grid.csv", index=False)
    Path("selection.json").write_text("{}")
    arguments = [f"--{name}={name}.csv" for name in ("final", "curves", "grid")]
    arguments += [
        "--selection=selection.json",
        '--train={"batch_norm": "before"}',
        "--test-pairs=1000",
        "--date=2026-11-27",
        "--source=some rounds",
    ]
    monkeypatch.setattr(sys, "argv", ["plan_rounds.py", *arguments, "--output=rounds.md"])
    runpy.run_path(str(SCRIPTS / "plan_rounds.py"), run_name="__main__")
    text = Path("rounds.md").read_text()
    assert "Worked out on 2026-11-27 by `scripts/plan_rounds.py` from some rounds, before" in text
    assert "| auxiliary-losses | 10 |" in text
    assert "| batch-norm | after minus before, `baseline` | none | above 0.005 | cannot tell | not known |" in text
    assert len([line for line in text.splitlines() if line.startswith("| ")]) > 30


def test_every_comparison_has_its_need() -> None:
    needs = list(power.needs(study()))
    assert {need.likely for need in needs} == {"reproduced"}
    assert all(need.rounds is not None for need in needs)
