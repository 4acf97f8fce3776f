"""Intervals and tests over rounds. A diverged round (NaN) is left out and counted.

Intervals are Student's t: with 15 rounds their coverage is nominal for errors like ours, where percentile and BCa
bootstraps' is not (`tests/unit/test_inference.py` simulates it). Tests of differences are sign-flip permutation tests:
unlike Wilcoxon's, they test the mean, as the interval does; they are exact, and need no correction for ties.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit  # the t quantile; scipy.stats.t.ppf calls it too, but takes a second to import

LEVEL = 0.95
EXACT = 16  # rounds of which all 2^n sign flips are tried; a seeded sample of as many flips stands for those of more
TEST = "sign-flip permutation"
NAN = float("nan")


class Summary(NamedTuple):
    """Summary of `n` rounds; NaN where `n` is too small."""

    n: int
    diverged: int
    mean: float
    std: float  # ddof = 1
    interval: tuple[float, float]  # of the mean
    prediction: tuple[float, float]  # of one more round

    def __str__(self) -> str:
        """Return mean ± standard deviation and the number of rounds."""
        std = f" ± {self.std:.4f}" if self.n > 1 else ""
        diverged = f", {self.diverged} diverged" if self.diverged else ""
        return (f"{self.mean:.4f}{std} " if self.n else "") + f"(n = {self.n}{diverged})"


class Estimate(NamedTuple):
    """A number with its interval, from `n` rounds or pairs of rounds; `p` tests the hypothesis of zero."""

    estimate: float
    low: float
    high: float
    n: int
    diverged: int = 0
    p: float = NAN


def summarise(values: ArrayLike, level: float = LEVEL) -> Summary:
    """Summarise one value a round, shape (rounds,), with t-intervals of the mean and of one more round.

    Both intervals suppose that rounds are independent and about normal.
    """
    rounds = np.asarray(values, dtype=float)
    finite = rounds[~np.isnan(rounds)]
    n = len(finite)
    mean = float(finite.mean()) if n else NAN
    std = float(finite.std(ddof=1)) if n > 1 else NAN
    half = _t(n - 1, level) * std / n**0.5 if n > 1 else NAN
    wide = half * (n + 1) ** 0.5
    return Summary(n, len(rounds) - n, mean, std, (mean - half, mean + half), (mean - wide, mean + wide))


def difference_interval(a: Summary, b: Summary, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval of mean(b) - mean(a) by Welch's unequal-variance t (NaN with fewer than two rounds)."""
    if min(a.n, b.n) < 2:
        return NAN, NAN
    var_a, var_b = a.std**2 / a.n, b.std**2 / b.n
    difference, variance = b.mean - a.mean, var_a + var_b
    if variance == 0:  # all rounds equal: the degrees of freedom are 0/0
        return difference, difference
    freedom = variance**2 / (var_a**2 / (a.n - 1) + var_b**2 / (b.n - 1))
    half = _t(freedom, level) * variance**0.5
    return difference - half, difference + half


def _t(freedom: float, level: float) -> float:
    return float(stdtrit(freedom, (1 + level) / 2))


def estimate(values: ArrayLike, level: float = LEVEL) -> Estimate:
    """Estimate the mean of one value a round, shape (rounds,), and test it against zero."""
    summary = summarise(values, level)
    return Estimate(summary.mean, *summary.interval, summary.n, summary.diverged, sign_flip(values))


def by_round(tables: Iterable[pd.DataFrame], column: str = "test_error") -> NDArray[np.float64]:
    """Return a column of several tables side by side, shape (rounds, tables), for the rounds in all of them."""
    columns = [table.set_index("round")[column] for table in tables]
    return pd.concat(columns, axis=1, join="inner").to_numpy(dtype=float)


def paired(first: pd.DataFrame, second: pd.DataFrame) -> NDArray[np.float64]:
    """Return test error, second minus first, shape (rounds,); NaN where either diverged."""
    errors = by_round([first, second])
    return errors[:, 1] - errors[:, 0]


def sign_flip(differences: ArrayLike) -> float:
    """Return the two-sided p-value of a mean difference of zero, shape (rounds,); NaN without differences.

    Fisher's permutation test of pairs: without an effect, a difference is as likely to have the other sign.
    """
    values = np.asarray(differences, dtype=float)
    values = values[~np.isnan(values)]
    n = len(values)
    if n == 0:
        return NAN
    if n <= EXACT:
        sums = np.zeros(1)
        for value in values:
            sums = np.concatenate([sums + value, sums - value])
    else:
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (2**EXACT, n))
        signs[0] = 1  # the observed signs count as one of the flips, so that p is never zero
        sums = signs @ values
    rounding = 1e-9 * np.abs(values).sum()  # sums that differ by rounding alone are equal
    return float((np.abs(sums) >= abs(values.sum()) - rounding).mean())


def holm(p_values: Iterable[float]) -> list[float]:
    """Correct p-values for their number by Holm (1979), in their order; NaN stays NaN and does not count."""
    p = np.asarray(list(p_values), dtype=float)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]  # NaN sorts last
    corrected = np.full(len(p), NAN)
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return [float(value) for value in corrected]


def deviation_ratio(pairs: NDArray[np.float64], level: float = LEVEL) -> Estimate:
    """Estimate the ratio of standard deviations, second column over first, of paired rounds, shape (rounds, 2).

    The interval is the jackknife's of the log of the ratio (Miller 1968), with Student's t: unlike the F-interval it
    does not suppose normal rounds, and it allows for pairs. One wild round widens it instead of deciding it.
    """
    finite = pairs[~np.isnan(pairs).any(axis=1)]
    n = len(finite)
    nothing = Estimate(NAN, NAN, NAN, n, len(pairs) - n)
    if n < 3 or (finite == finite[0]).all(axis=0).any():
        return nothing
    whole = _log_ratio(finite)
    without = np.array([_log_ratio(np.delete(finite, i, axis=0)) for i in range(n)])
    half = NAN  # where all rounds but one are equal
    if np.isfinite(without).all():
        half = _t(n - 1, level) * ((n - 1) / n * ((without - without.mean()) ** 2).sum()) ** 0.5
    return exponential(nothing._replace(estimate=whole, low=whole - half, high=whole + half))


def _log_ratio(pairs: NDArray[np.float64]) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = np.log(pairs.std(axis=0, ddof=1))
        return float(second - first)


def exponential(value: Estimate) -> Estimate:
    """Return the exponential of an estimate; a bound beyond a float is NaN."""
    low, high = (np.exp(bound) if abs(bound) < 700 else NAN for bound in (value.low, value.high))
    return value._replace(estimate=float(np.exp(value.estimate)), low=float(low), high=float(high))


def without_extremes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Drop, for each column, the round farthest from its median; shape (rounds, columns), finite rounds only."""
    finite = values[~np.isnan(values).any(axis=1)]
    if len(finite) == 0:
        return finite
    return np.delete(finite, np.abs(finite - np.median(finite, axis=0)).argmax(axis=0), axis=0)


def to_dict(summary: Summary) -> dict[str, Any]:
    """Return a summary as statistics.json has it."""
    low, high = summary.interval
    return {
        "estimate": summary.mean,
        "std": summary.std,
        "low": low,
        "high": high,
        "n": summary.n,
        "diverged": summary.diverged,
    }


def tested(values: ArrayLike) -> dict[str, Any]:
    """Estimate and test a mean difference, with its effect size."""
    summary = summarise(values)
    size = summary.mean / summary.std if summary.std > 0 else NAN
    return estimate(values)._asdict() | {"effect_size": size, "test": TEST}


def corrected(family: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Add `p_holm` to each member of a family of tests."""
    members = list(family)
    for member, p in zip(members, holm(member["p"] for member in members), strict=True):
        yield member | {"p_holm": p}
