"""Statistics over rounds. A diverged round (NaN) is left out and counted."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit  # the t quantile; scipy.stats.t.ppf calls it too, but takes a second to import

LEVEL = 0.95


class Summary(NamedTuple):
    """Rounds in short: what cannot be estimated from `n` rounds is NaN."""

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


def summarise(values: ArrayLike) -> Summary:
    """Summarise one value a round, shape (rounds,), with 95% t-intervals of the mean and of one more round.

    Both intervals suppose that rounds are independent and about normal.
    """
    rounds = np.asarray(values, dtype=float)
    finite = rounds[~np.isnan(rounds)]
    n = len(finite)
    mean = float(finite.mean()) if n else float("nan")
    std = float(finite.std(ddof=1)) if n > 1 else float("nan")
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * std / n**0.5 if n > 1 else float("nan")
    wide = half * (n + 1) ** 0.5
    return Summary(n, len(rounds) - n, mean, std, (mean - half, mean + half), (mean - wide, mean + wide))


def difference_interval(a: Summary, b: Summary) -> tuple[float, float]:
    """Return the 95% interval of mean(b) - mean(a) by Welch's unequal-variance t (NaN with fewer than two rounds)."""
    if min(a.n, b.n) < 2:
        return float("nan"), float("nan")
    var_a, var_b = a.std**2 / a.n, b.std**2 / b.n
    difference, variance = b.mean - a.mean, var_a + var_b
    if variance == 0:  # all rounds equal: the degrees of freedom are 0/0
        return difference, difference
    freedom = variance**2 / (var_a**2 / (a.n - 1) + var_b**2 / (b.n - 1))
    half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * variance**0.5
    return difference - half, difference + half
