"""The content of statistics.json, on tables with known answers."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from numpy.typing import ArrayLike

from digitpairs import paper, tables
from digitpairs.analysis import factors, inference, selection, statistics

N = 15
NAN = float("nan")


def rounds(test_errors: ArrayLike) -> pd.DataFrame:
    errors = np.asarray(test_errors, dtype=float)
    table = pd.DataFrame({"round": range(1, len(errors) + 1), "train_loss": errors, "train_error": errors})
    return table.assign(validation_error=errors, test_error=errors)


def test_differences_pair_rounds() -> None:
    base = np.array([0.18, 0.19, 0.17, NAN, 0.2, 0.18])
    by_model = {
        "baseline": rounds(base),
        "siamese": rounds(base - 0.07).iloc[::-1],  # whatever the order of rows
        "siamese_aux": rounds(base - [0.15, 0.14, 0.15, 0, 0.16, 0.15]).iloc[:5],
    }
    first, second, third = statistics.differences("fixed", by_model)
    assert (first["protocol"], first["first"], first["second"]) == ("fixed", "baseline", "siamese")
    assert (first["estimate"], first["low"], first["high"]) == pytest.approx((-0.07, -0.07, -0.07))
    assert (first["n"], first["diverged"]) == (5, 1)
    assert (second["n"], second["diverged"]) == (4, 1)
    assert (second["estimate"], second["mean"]) == pytest.approx((-0.15, -0.15))
    assert [row["p_holm"] for row in (first, second, third)] == pytest.approx(
        inference.holm(row["p"] for row in (first, second, third))
    )


def test_one_round_decides_no_difference() -> None:
    """A loss spike in one of fifteen rounds drags the mean to zero, and leaves the comparison as it was."""
    rng = np.random.default_rng(0)
    errors = np.array([0.03, 0.02])[:, None] + rng.normal(0, 0.004, (2, N))
    errors[1, 6] = 0.156
    [row] = statistics.differences("resampled", {"twobranch_aux": rounds(errors[0]), "siamese_aux": rounds(errors[1])})
    assert row["high"] < 0
    assert row["mean"] > row["high"]


def test_an_error_stands_beside_its_spikes() -> None:
    table = rounds(np.r_[np.full(9, 0.02), 0.2]).assign(train_loss=[1e-4] * 9 + [0.3], train_error=[0.0] * 9 + [0.1])
    entry = statistics.tabulate({"resampled": {"siamese": table}}, pd.DataFrame(), {}, {})["errors"]["resampled"][
        "siamese"
    ]
    assert (entry["estimate"], entry["interquartile_mean"]["estimate"]) == pytest.approx((0.038, 0.02))
    assert (entry["spike"]["spikes"], entry["spike"]["without"]["estimate"]) == (1, pytest.approx(0.02))


def test_two_factors() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, N)
    means = {"twobranch": 0.2, "twobranch_aux": 0.11, "siamese": 0.13, "siamese_aux": 0.07}
    by_model = {model: rounds(mean + noise) for model, mean in means.items()}  # what rounds share cancels out
    effects = factors.two_factors(by_model | {"baseline": rounds(noise)})
    assert effects["sharing"]["estimate"] == pytest.approx(-(0.07 + 0.04) / 2)
    assert effects["auxiliary"]["estimate"] == pytest.approx(-(0.09 + 0.06) / 2)
    assert effects["interaction"]["estimate"] == pytest.approx(0.03)
    assert effects["interaction"]["high"] - effects["interaction"]["low"] < 1e-9
    assert effects["sharing"]["p_holm"] < 1e-9
    del by_model["siamese"]
    assert factors.two_factors(by_model) == {}


def ablations(values: dict[tuple[str, str], list[float]], model: str = "baseline") -> pd.DataFrame:
    return pd.concat(
        rounds(errors).assign(parameter=parameter, value=value, model=model)
        for (parameter, value), errors in values.items()
    )


def test_ablations_are_held_against_the_studys_own_value() -> None:
    table = ablations(
        {
            ("batch_norm", "after"): [0.3, 0.2],
            ("batch_norm", "before"): [0.2, 0.1],
            ("weight_decay", "0.0"): [0.2, 0.1],
            ("weight_decay", "1e-05"): [0.2, 0.1],
            ("weight_decay", "0.001"): [0.1, 0.1],
        }
    )
    train = {"batch_norm": "before", "weight_decay": 1e-5, "auxiliary_weight": 1.0}
    rows = statistics.ablation_effects(table.iloc[::-1], train)
    effects = {(row["parameter"], row["value"], row["reference"]): row["estimate"] for row in rows}
    assert effects == pytest.approx(
        {
            ("batch_norm", "after", "before"): 0.1,
            ("weight_decay", 0.0, 1e-5): 0.0,
            ("weight_decay", 0.001, 1e-5): -0.05,
        }
    )
    assert statistics.ablation_effects(table, train | {"weight_decay": 0.5, "batch_norm": "both"}) == []


def more_data(errors: dict[int, list[float]]) -> pd.DataFrame:
    return pd.concat(rounds(values).assign(model="siamese", n_train=n, epochs=9) for n, values in errors.items())


def test_power_law() -> None:
    factors = np.array([0.9, 1.0, 1.2])
    law = statistics.power_laws(more_data({n: list(factors * 2 * n**-0.5) for n in (250, 1000, 4000)}))["siamese"]
    assert (law["exponent"]["estimate"], law["exponent"]["low"]) == pytest.approx((0.5, 0.5))
    assert law["scale"] == pytest.approx(2 * scipy.stats.gmean(factors))
    assert law["departure"] == pytest.approx(0, abs=1e-9)
    assert [point["n_train"] for point in law["points"]] == [250, 1000, 4000]
    assert law["points"][0]["estimate"] == pytest.approx(factors.mean() * 2 * 250**-0.5)


def test_power_law_of_few_and_errorless_rounds() -> None:
    law = statistics.power_laws(more_data({250: [0.2, 0.2, NAN], 1000: [0.1, 0.0, 0.1]}))["siamese"]
    assert (law["exponent"]["estimate"], law["exponent"]["n"], law["exponent"]["diverged"]) == (
        pytest.approx(0.5),
        1,
        2,
    )
    assert np.isnan(law["exponent"]["low"])
    for errors in ({250: [0.2, 0.1]}, {250: [0.2], 1000: [0.0]}):
        law = statistics.power_laws(more_data(errors))["siamese"]
        assert law["exponent"]["n"] == 0
        assert "scale" not in law


def grid(cells: dict[int, tuple[list[float], list[float]]]) -> pd.DataFrame:
    """Rows of cells that differ in epochs, from their validation and test errors."""
    return pd.concat(
        rounds(test).assign(model="baseline", epochs=epochs, batch_size=50, learning_rate=0.1, validation_error=v)
        for epochs, (v, test) in cells.items()
    )


@pytest.mark.parametrize("by", selection.RULES)
def test_optimism(by: str) -> None:
    table = grid({25: ([0.1, 0.2], [0.2, 0.3]), 50: ([0.2, 0.2], [0.1, 0.2])})
    choice = selection.select(table, by)
    fresh = {"validation": rounds([0.24, 0.26, 0.25]), "test": rounds([0.22, 0.22, 0.22])}
    other = next(rule for rule in selection.RULES if rule != by)
    final = {"resampled": {"baseline": fresh[by]}, f"resampled_by_{other}": {"baseline": fresh[other]}}
    entry = statistics.optimism(final, table, choice)["baseline"]
    assert not entry["same_configuration"]
    assert entry["test"]["apparent"]["estimate"] == pytest.approx(0.15)
    assert entry["test"]["optimism"]["estimate"] == pytest.approx(0.22 - 0.15)
    assert entry["validation"]["optimism"]["estimate"] == pytest.approx(0)
    assert entry["validation"]["optimism"]["high"] == pytest.approx(inference.prediction([0.24, 0.26, 0.25])[1] - 0.25)
    assert entry["test_minus_validation"]["apparent"]["estimate"] == pytest.approx(-0.1)
    assert entry["test_minus_validation"]["fresh"]["estimate"] == pytest.approx(-0.03)
    entry = statistics.optimism({"resampled": {"baseline": fresh[by]}}, table, choice)["baseline"]
    assert "fresh" not in entry[other] and "fresh" not in entry["test_minus_validation"]


def test_optimism_of_rules_that_agree() -> None:
    table = grid({25: ([0.1, 0.2], [0.2, 0.3])})
    choice = selection.select(table, "validation")
    entry = statistics.optimism({"resampled": {"baseline": rounds([0.3, 0.4])}}, table, choice)["baseline"]
    assert entry["same_configuration"]
    assert entry["test"] == entry["validation"]
    assert entry["test_minus_validation"]["fresh"]["estimate"] == 0


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_tiny_study(n: int) -> None:
    errors = [0.2, NAN, 0.1][:n]
    table = grid({25: ([0.1] * n, [0.2] * n)})
    final = {protocol: {"baseline": rounds(errors)} for protocol in ("fixed", "resampled")}
    numbers = statistics.tabulate(
        final,
        table,
        selection.select(table, "validation"),
        {"weight_decay": 0.0},
        ablations({("weight_decay", "0.0"): errors, ("weight_decay", "0.1"): errors}),
        more_data({250: errors}),
    )
    written = json.loads(tables.to_json(numbers))
    entry = written["errors"]["fixed"]["baseline"]
    assert (entry["n"], entry["diverged"]) == (max(1, n - 1), int(n > 1))
    assert entry["paper"] == paper.RESULTS["baseline"].test_error
    assert entry["paper_in_prediction"] == (True if n == 3 else None)
    assert written["differences"] == []
    assert written["two_factors"] == {}
    empty = statistics.tabulate(final, table, selection.select(table, "validation"), {})
    assert (empty["ablations"], empty["more_data"]) == ([], {})


def test_errors_at_the_papers_configurations() -> None:
    table = grid({25: ([0.1] * 4, [0.5] * 4), 50: ([0.1] * 4, [0.19, 0.2, 0.21, 0.2])})
    found = statistics.at_the_papers(table, {"baseline": {}, "other": {}}, paper.RESULTS)
    assert found.keys() == {"baseline"}
    assert (found["baseline"]["estimate"], found["baseline"]["n"]) == (pytest.approx(0.2), 4)
    assert statistics.at_the_papers(table, {}, paper.RESULTS) == {}
    assert statistics.at_the_papers(table[table["epochs"] == 25], {"baseline": {}}, paper.RESULTS) == {}
    assert statistics.at_the_papers(table, {"baseline": {}}, {}) == {}  # the data are not the paper's
