"""Intervals and tests: against SciPy, published procedures and simulation."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from digitpairs.analysis import inference

NAN = float("nan")
Array = NDArray[np.float64]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_intervals_agree_with_scipy(level: float, values: list[float]) -> None:
    found = inference.summarise([*values, NAN], level)
    assert (found.n, found.diverged) == (len(values), 1)
    if found.std > 1e-9:  # scipy returns NaN for equal rounds
        low, high = scipy.stats.t.interval(level, found.n - 1, found.mean, found.std / found.n**0.5)
        assert found.interval == pytest.approx((low, high))
        assert inference.student_mean(values, level)[:3] == pytest.approx((found.mean, low, high))


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=4, max_size=20, unique=True),
    st.lists(st.floats(0, 1), min_size=4, max_size=20, unique=True),
)
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_interquartile_means_agree_with_scipy(level: float, first: list[float], second: list[float]) -> None:
    assert inference.interquartile_mean(first).estimate == pytest.approx(scipy.stats.trim_mean(first, 0.25))
    zeros = np.zeros(4)  # beside which a set of rounds is alone
    for a, b, ours in [
        (second, first, inference.unpaired(first, second, level)),
        (first, zeros, inference.interquartile_mean([*first, NAN], level)),
    ]:
        theirs = scipy.stats.ttest_ind(a, b, equal_var=False, trim=0.25)
        interval = theirs.confidence_interval(level)
        if ours.high - ours.low > 1e-6:
            assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))
            assert ours.p == pytest.approx(theirs.pvalue)
            assert ours.p < 1 - level or ours.low <= 0 <= ours.high


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
    assert np.isnan([one.std, *one.interval]).all()


@pytest.mark.parametrize("values", [[], [NAN, NAN], [0.1], [0.1, 0.2, 0.4, NAN]])
def test_too_few_rounds_have_no_interval(values: list[float]) -> None:
    alone, beside = inference.interquartile_mean(values), inference.unpaired(values, np.arange(9.0))
    assert np.isnan([alone.low, alone.high, alone.p, beside.low, beside.high, beside.p]).all()
    assert alone.n + alone.diverged == len(values)
    assert (beside.n, beside.diverged) == (alone.n, alone.diverged)


def test_equal_rounds_have_an_interval_without_length() -> None:
    same = inference.interquartile_mean([0.5] * 9 + [0.9])
    assert same[:3] == (0.5, 0.5, 0.5)
    assert same.p == 0
    assert inference.interquartile_mean(np.zeros(9)).p == 1
    assert inference.unpaired(np.zeros(9), np.ones(5))[:3] == (1, 1, 1)


def spiking(rng: np.random.Generator, n: int, deviation: float, rate: float) -> Array:
    """Errors beside their mean, some of them in a loss spike."""
    return rng.normal(0, deviation, n) + rng.uniform(0.03, 0.17, n) * (rng.random(n) < rate)


@pytest.mark.parametrize("n", [10, 15, 30, 60, 100])
@pytest.mark.parametrize(("deviation", "rate"), [(0.004, 0.06), (0.01, 0.035), (0.02, 0.02)])
def test_interquartile_means_hold_their_level_with_spikes(n: int, deviation: float, rate: float) -> None:
    """The smaller twin of the simulation in the docstring, of paired differences: either round may spike."""
    rng = np.random.default_rng(0)

    def pairs(count: int) -> Array:
        return spiking(rng, count, deviation, rate) - spiking(rng, count, 2 * deviation, rate)

    truth = scipy.stats.trim_mean(pairs(500_000), 0.25)
    intervals = np.array([inference.interquartile_mean(pairs(n))[1:3] for _ in range(3000)]).T
    assert 0.93 <= coverage(intervals, truth) <= 0.97


def test_unpaired_interquartile_means_hold_their_level_with_spikes() -> None:
    rng = np.random.default_rng(0)
    truth = scipy.stats.trim_mean(spiking(rng, 500_000, 0.004, 0.05), 0.25) - scipy.stats.trim_mean(
        spiking(rng, 500_000, 0.01, 0.05), 0.25
    )
    found = [inference.unpaired(spiking(rng, 10, 0.01, 0.05), spiking(rng, 30, 0.004, 0.05)) for _ in range(3000)]
    assert 0.93 <= coverage(np.array([value[1:3] for value in found]).T, truth) <= 0.97


@settings(deadline=None)
@given(st.lists(st.floats(-0.1, 0.1), min_size=10, max_size=30), st.integers(0, 9), st.floats(-1, 1))
def test_one_round_cannot_turn_an_interval(values: list[float], place: int, wild: float) -> None:
    """Whatever a round is replaced by, no interval goes from below a bound to above it."""
    before = inference.interquartile_mean(values)
    after = inference.interquartile_mean([*values[:place], wild, *values[place + 1 :]])
    least = 1e-12  # far below one pair: the square of a smaller difference may vanish, and with it the width
    assert after.low <= before.high + least and before.low <= after.high + least


@settings(deadline=None)
@given(st.integers(1, 40), st.data())
def test_probabilities_agree_with_scipy(n: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, n))
    exact = scipy.stats.binomtest(count, n).proportion_ci()
    assert inference.proportion(count, n)[:4] == pytest.approx((count / n, exact.low, exact.high, n))


def test_why_probabilities_are_not_wilsons() -> None:
    """At one spike in 400 rounds, Wilson's interval from sixty of them covers in 86 % of studies."""
    counts = np.arange(61)
    weights = scipy.stats.binom.pmf(counts, 60, 0.0025)
    wilson = [scipy.stats.binomtest(int(k), 60).proportion_ci(method="wilson") for k in counts]
    ours = [inference.proportion(int(k), 60) for k in counts]
    assert weights @ [ci.low <= 0.0025 <= ci.high for ci in wilson] < 0.9
    assert weights @ [value.low <= 0.0025 <= value.high for value in ours] >= 0.95
    assert np.isnan(inference.proportion(0, 0).low)


@pytest.mark.parametrize(("mean", "deviation"), [(0.18, 0.006), (0.03, 0.004), (0.01, 0.003)])
def test_a_prediction_of_an_error_covers_it_and_is_one(mean: float, deviation: float) -> None:
    rng = np.random.default_rng(0)
    samples = rng.binomial(1000, np.clip(rng.normal(mean, deviation, (3000, 16)), 0, 1)) / 1000
    intervals = np.array([inference.prediction(errors[:15]) for errors in samples]).T
    assert 0.93 <= coverage(intervals, samples[:, 15]) <= 0.97
    assert intervals.min() > 0
    assert inference.prediction([0.02] * 14 + [0.156])[0] > 0
    assert np.isnan(inference.prediction([0.2])).all()


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
