"""The statistics: against SciPy, published procedures and simulation."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from digitpairs import paper, tables
from digitpairs.analysis import factors, findings, inference, selection

NAN = float("nan")
Array = NDArray[np.float64]


def rounds(test_errors: ArrayLike) -> pd.DataFrame:
    errors = np.asarray(test_errors, dtype=float)
    table = pd.DataFrame({"round": range(1, len(errors) + 1), "train_loss": errors, "train_error": errors})
    return table.assign(validation_error=errors, test_error=errors)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.lists(st.floats(0, 1), min_size=2, max_size=20))
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_intervals_agree_with_scipy(level: float, first: list[float], second: list[float]) -> None:
    a, b = inference.summarise([*first, NAN], level), inference.summarise(second, level)
    assert (a.n, a.diverged) == (len(first), 1)
    if min(a.std, b.std) > 1e-9:  # scipy returns NaN for equal rounds
        low, high = scipy.stats.t.interval(level, a.n - 1, a.mean, a.std / a.n**0.5)
        assert a.interval == pytest.approx((low, high))
        assert inference.estimate(first, level)[:3] == pytest.approx((a.mean, low, high))
        welch = scipy.stats.ttest_ind(second, first, equal_var=False).confidence_interval(level)
        assert inference.difference_interval(a, b, level) == pytest.approx((welch.low, welch.high))


def test_prediction_interval_covers_one_more_round() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(4000, 16))
    ranges = [inference.summarise(sample[:15]).prediction for sample in samples]
    covered = np.mean([low <= x <= high for (low, high), x in zip(ranges, samples[:, 15], strict=True)])
    assert 0.94 <= covered <= 0.96


def test_summary_of_too_few_rounds() -> None:
    assert str(inference.summarise([0.25, NAN])) == "0.2500 (n = 1, 1 diverged)"
    assert str(inference.summarise([NAN])) == "(n = 0, 1 diverged)"
    one = inference.summarise([0.25])
    assert np.isnan([one.std, *one.interval, *inference.difference_interval(one, one)]).all()


# Errors over 15 rounds as they may be distributed, with their mean. On 1,000 pairs, a round with probability p of an
# error makes a binomial number of them; p differs between rounds.
N = 15


def binomial(rng: np.random.Generator, shape: tuple[int, int], p: Array) -> Array:
    return rng.binomial(1000, np.broadcast_to(p, shape)) / 1000


DISTRIBUTIONS: dict[str, tuple[float, Callable[[np.random.Generator, tuple[int, int]], Array]]] = {
    "normal": (0.18, lambda rng, shape: rng.normal(0.18, 0.006, shape)),
    "binomial, normal spread": (0.03, lambda rng, shape: binomial(rng, shape, rng.normal(0.03, 0.004, shape))),
    "binomial, skewed spread": (
        0.036,
        lambda rng, shape: binomial(rng, shape, 0.02 + rng.gamma(4, 0.004, shape)),  # skewness 1
    ),
}


def bootstrap_intervals(samples: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Percentile and BCa intervals (Efron 1987) of the mean, shape (2, samples) each, as `scipy.stats.bootstrap`'s.

    All samples share the resampled positions, which makes 2,000 bootstraps a matrix product.
    """
    resamples = 999
    weights = rng.multinomial(N, np.full(N, 1 / N), size=resamples).T / N
    means = np.sort(samples @ weights, axis=1)
    observed = samples.mean(axis=1, keepdims=True)
    below = ((means < observed).mean(axis=1) + (means <= observed).mean(axis=1)) / 2
    deviations = samples - observed
    acceleration = (deviations**3).sum(axis=1) / (6 * (deviations**2).sum(axis=1) ** 1.5)
    bias = scipy.stats.norm.ppf(below)

    def ends(probabilities: Array) -> Array:
        return np.take_along_axis(means, np.clip((probabilities * resamples).astype(int), 0, resamples - 1).T, 1).T

    tails = scipy.stats.norm.ppf([[0.025], [0.975]])
    corrected = scipy.stats.norm.cdf(bias + (bias + tails) / (1 - acceleration * (bias + tails)))
    plain = np.broadcast_to([[0.025], [0.975]], corrected.shape)
    return ends(plain), ends(corrected)


def coverage(intervals: Array, truth: float | Array) -> float:
    return float(np.mean((intervals[0] <= truth) & (truth <= intervals[1])))


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_student_t_holds_its_level_where_bootstraps_do_not(name: str) -> None:
    mean, draw = DISTRIBUTIONS[name]
    rng = np.random.default_rng(0)
    samples = draw(rng, (4000, N))
    student = np.array([inference.summarise(sample).interval for sample in samples]).T
    percentile, bca = bootstrap_intervals(samples, rng)
    assert 0.93 <= coverage(student, mean) <= 0.97
    assert coverage(percentile, mean) < 0.93
    assert coverage(bca, mean) < 0.93


def test_bootstrap_intervals_are_scipys() -> None:
    rng = np.random.default_rng(0)
    sample = rng.gamma(2, size=N)
    ours = bootstrap_intervals(sample[None], rng)
    for method, interval in zip(("percentile", "BCa"), ours, strict=True):
        theirs = scipy.stats.bootstrap((sample,), np.mean, method=method, rng=rng).confidence_interval
        assert interval[:, 0] == pytest.approx([theirs.low, theirs.high], abs=0.06 * sample.std())


def test_no_interval_holds_its_level_with_rare_wild_rounds() -> None:
    """What Student's t does not promise: with one wild round in fifty, most samples of 15 hold none to learn from."""
    rng = np.random.default_rng(0)
    samples = rng.normal(0.02, 0.004, (2000, N)) + 0.13 * (rng.random((2000, N)) < 0.02)
    student = np.array([inference.summarise(sample).interval for sample in samples]).T
    assert coverage(student, 0.02 + 0.02 * 0.13) < 0.9
    assert max(coverage(interval, 0.02 + 0.02 * 0.13) for interval in bootstrap_intervals(samples, rng)) < 0.9


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=8))
def test_sign_flips_agree_with_scipy(values: list[int]) -> None:
    differences = np.array(values, dtype=float)  # whole numbers, for which scipy finds all ties
    if len(differences) > 1:
        expected = scipy.stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=False
        ).pvalue
        assert inference.sign_flip(differences) == pytest.approx(expected)
    assert inference.sign_flip([*differences, NAN]) == inference.sign_flip(-differences)
    assert inference.sign_flip(differences) >= 2 / 2 ** len(differences)


def test_sign_flips_of_many_rounds_are_sampled() -> None:
    differences = np.random.default_rng(0).normal(0.4, 1, 40)
    p = inference.sign_flip(differences)
    assert p == inference.sign_flip(differences) == pytest.approx(scipy.stats.ttest_1samp(differences, 0).pvalue, 0.2)
    assert 0 < inference.sign_flip(np.ones(40)) < 1e-4
    assert np.isnan(inference.sign_flip([NAN]))


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        pytest.param([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09], id="as R's p.adjust"),
        pytest.param([0.04, NAN, 0.01], [0.04, NAN, 0.02], id="what was not tested does not count"),
        pytest.param([0.9, 0.8], [1, 1], id="at most 1"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_holm(p_values: list[float], expected: list[float]) -> None:
    assert inference.holm(p_values) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("draw", "normal"),
    [
        pytest.param(lambda rng: rng.normal(size=(800, N, 2)), True, id="normal"),
        pytest.param(lambda rng: rng.gamma(4, size=(800, N, 2)), False, id="skewed"),
        pytest.param(lambda rng: rng.standard_t(5, size=(800, N, 2)), False, id="long tails"),
    ],
)
def test_ratio_of_deviations_covers_the_truth(draw: Callable[[np.random.Generator], Array], normal: bool) -> None:
    samples = draw(np.random.default_rng(0)) * [1, 3]
    intervals = np.array([inference.deviation_ratio(pairs)[1:3] for pairs in samples]).T
    assert 0.92 <= coverage(intervals, 3) <= 0.97
    ratios = samples.std(axis=1, ddof=1) @ [0, 1] / (samples.std(axis=1, ddof=1) @ [1, 0])
    f_intervals = ratios / np.sqrt(scipy.stats.f.ppf([[0.975], [0.025]], N - 1, N - 1))
    assert (coverage(f_intervals, 3) > 0.93) == normal  # why the F-interval is not used


def test_one_wild_round_does_not_decide_the_ratio_of_deviations() -> None:
    pairs = np.random.default_rng(0).normal(size=(N, 2)) * [1, 0.3]
    assert inference.deviation_ratio(pairs).high < 1
    pairs[6, 1] = 30
    ratio = inference.deviation_ratio(pairs)
    assert ratio.estimate > 5
    assert ratio.low < 1
    assert inference.deviation_ratio(inference.without_extremes(pairs)).high < 1


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [1.0, 1.0, 1.0], [NAN] * 4, [1.0, 2.0, NAN, NAN]])
def test_ratio_of_deviations_of_too_few_rounds(values: list[float]) -> None:
    pairs = np.array([[value, value + index] for index, value in enumerate(values)]).reshape(-1, 2)
    ratio = inference.deviation_ratio(pairs)
    assert np.isnan([ratio.low, ratio.high]).all()
    assert ratio.n + ratio.diverged == len(values)
    assert len(inference.without_extremes(pairs)) <= len(values)


def test_bounds_beyond_a_float_are_none() -> None:
    value = inference.exponential(inference.Estimate(0, -800, 1, 3))
    assert value[:3] == pytest.approx((1, NAN, np.e), nan_ok=True)


def test_differences_pair_rounds() -> None:
    base = np.array([0.18, 0.19, 0.17, NAN, 0.2])
    by_model = {
        "baseline": rounds(base),
        "siamese": rounds(base - 0.07).iloc[::-1],  # whatever the order of rows
        "siamese_aux": rounds(base - [0.15, 0.14, 0.15, 0, 0.16]).iloc[:4],
    }
    first, second, third = findings.differences("fixed", by_model)
    assert (first["protocol"], first["first"], first["second"]) == ("fixed", "baseline", "siamese")
    assert (first["estimate"], first["low"], first["high"]) == pytest.approx((-0.07, -0.07, -0.07))
    assert (first["n"], first["diverged"], first["p"]) == (4, 1, 2 / 2**4)
    assert (second["n"], second["diverged"]) == (3, 1)
    assert second["effect_size"] == pytest.approx(np.mean([-0.15, -0.14, -0.15]) / np.std([0.15, 0.14, 0.15], ddof=1))
    assert [row["p_holm"] for row in (first, second, third)] == pytest.approx([0.375, 0.5, 0.5])


def test_two_factors() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, N)
    means = {"twobranch": 0.2, "twobranch_aux": 0.11, "siamese": 0.13, "siamese_aux": 0.07}
    by_model = {model: rounds(mean + noise) for model, mean in means.items()}  # what rounds share cancels out
    effects = factors.two_factors(by_model | {"baseline": rounds(noise)})
    assert effects["sharing"]["estimate"] == pytest.approx(-(0.07 + 0.04) / 2)
    assert effects["auxiliary"]["estimate"] == pytest.approx(-(0.09 + 0.06) / 2)
    assert effects["interaction"]["estimate"] == pytest.approx(0.03)
    assert effects["interaction"]["high"] - effects["interaction"]["low"] < 1e-9
    assert effects["sharing"]["p_holm"] == pytest.approx(3 * 2 / 2**N)
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
    rows = findings.ablation_effects(table.iloc[::-1], train)
    effects = {(row["parameter"], row["value"], row["reference"]): row["estimate"] for row in rows}
    assert effects == pytest.approx(
        {
            ("batch_norm", "after", "before"): 0.1,
            ("weight_decay", 0.0, 1e-5): 0.0,
            ("weight_decay", 0.001, 1e-5): -0.05,
        }
    )
    assert findings.ablation_effects(table, train | {"weight_decay": 0.5, "batch_norm": "both"}) == []


def more_data(errors: dict[int, list[float]]) -> pd.DataFrame:
    return pd.concat(rounds(values).assign(model="siamese", n_train=n, epochs=9) for n, values in errors.items())


def test_power_law() -> None:
    factors = np.array([0.9, 1.0, 1.2])
    law = findings.power_laws(more_data({n: list(factors * 2 * n**-0.5) for n in (250, 1000, 4000)}))["siamese"]
    assert (law["exponent"]["estimate"], law["exponent"]["low"]) == pytest.approx((0.5, 0.5))
    assert law["scale"] == pytest.approx(2 * scipy.stats.gmean(factors))
    assert law["departure"] == pytest.approx(0, abs=1e-9)
    assert [point["n_train"] for point in law["points"]] == [250, 1000, 4000]
    assert law["points"][0]["estimate"] == pytest.approx(factors.mean() * 2 * 250**-0.5)


def test_power_law_of_few_and_errorless_rounds() -> None:
    law = findings.power_laws(more_data({250: [0.2, 0.2, NAN], 1000: [0.1, 0.0, 0.1]}))["siamese"]
    assert (law["exponent"]["estimate"], law["exponent"]["n"], law["exponent"]["diverged"]) == (
        pytest.approx(0.5),
        1,
        2,
    )
    assert np.isnan(law["exponent"]["low"])
    for errors in ({250: [0.2, 0.1]}, {250: [0.2], 1000: [0.0]}):
        law = findings.power_laws(more_data(errors))["siamese"]
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
    entry = findings.optimism(final, table, choice)["baseline"]
    assert not entry["same_configuration"]
    assert entry["test"]["apparent"]["estimate"] == pytest.approx(0.15)
    assert entry["test"]["optimism"]["estimate"] == pytest.approx(0.22 - 0.15)
    assert entry["validation"]["optimism"]["estimate"] == pytest.approx(0)
    assert entry["validation"]["optimism"]["high"] == pytest.approx(
        inference.summarise([0.24, 0.26, 0.25]).prediction[1] - 0.25
    )
    assert entry["test_minus_validation"]["apparent"]["estimate"] == pytest.approx(-0.1)
    assert entry["test_minus_validation"]["fresh"]["estimate"] == pytest.approx(-0.03)
    entry = findings.optimism({"resampled": {"baseline": fresh[by]}}, table, choice)["baseline"]
    assert "fresh" not in entry[other] and "fresh" not in entry["test_minus_validation"]


def test_optimism_of_rules_that_agree() -> None:
    table = grid({25: ([0.1, 0.2], [0.2, 0.3])})
    choice = selection.select(table, "validation")
    entry = findings.optimism({"resampled": {"baseline": rounds([0.3, 0.4])}}, table, choice)["baseline"]
    assert entry["same_configuration"]
    assert entry["test"] == entry["validation"]
    assert entry["test_minus_validation"]["fresh"]["estimate"] == 0


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_tiny_study(n: int) -> None:
    errors = [0.2, NAN, 0.1][:n]
    table = grid({25: ([0.1] * n, [0.2] * n)})
    final = {protocol: {"baseline": rounds(errors)} for protocol in ("fixed", "resampled")}
    numbers = findings.tabulate(
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
    empty = findings.tabulate(final, table, selection.select(table, "validation"), {})
    assert (empty["ablations"], empty["more_data"]) == ([], {})


def test_json_has_the_digits_on_which_processors_agree() -> None:
    numbers = {"third": 1 / 3, "p": 6.103515625e-05, "n": 15, "none": float("nan")}
    assert json.loads(tables.to_json(numbers)) == {"third": 0.333333333333, "p": 6.103515625e-05, "n": 15, "none": None}
    assert tables.to_json({"sum": 0.1 + 0.2}) == tables.to_json({"sum": 0.3})
