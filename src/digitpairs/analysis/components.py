"""Where the variance between rounds comes from: components of variance by the method of moments, with intervals.

Intervals are generalised ones (Weerahandi 1993; for sums and differences of mean squares: Hannig, Iyer and Patterson
2006): each mean square stands for a variance times a chi-squared variable over its degrees of freedom, and all of them
are drawn anew. They suppose normal effects. With four levels of a factor they are wide, as they should be.
`tests/unit/test_components.py` simulates their coverage.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from digitpairs.analysis.inference import LEVEL, NAN

DRAWS = 20_000
RESIDUAL = "residual"
CROSSED = ("dataset", "initialisation", "order")


class Component(NamedTuple):
    """A component of variance or a mean, with its interval; a component's estimate may be negative, its bounds not."""

    estimate: float
    low: float
    high: float


class Between(NamedTuple):
    """A mean over data sets that are a sample of all, the variance between them, and the one between a set's rounds."""

    mean: Component
    between: Component
    within: Component
    sets: int
    diverged: int  # rounds left out


def crossed_components(
    errors: NDArray[np.float64], factors: Sequence[str], level: float = LEVEL
) -> dict[str, Component]:
    """Estimate the variance of each crossed random factor and interaction, from one value for each combination.

    `errors` has a dimension for each of `factors`. Interactions are named "a x b"; the highest one cannot be told from
    the noise of a single round and is the `residual`. Raises `ValueError` for a factor of fewer than two levels.
    """
    if min(errors.shape) < 2 or len(factors) != errors.ndim:
        raise ValueError(f"{len(factors)} factors with {errors.shape} levels; allowed are two levels or more of each")
    sets = [s for size in range(1, errors.ndim + 1) for s in itertools.combinations(range(errors.ndim), size)]
    squares = {s: _sum_of_squares(errors, s) for s in sets}
    freedom = {s: int(np.prod([errors.shape[i] - 1 for i in s])) for s in sets}
    components = {}
    for own in sets:
        # The expected mean square of a set sums the components of all sets that contain it: inclusion and exclusion.
        signs = {s: (-1.0) ** (len(s) - len(own)) for s in sets if set(own) <= set(s)}
        repeats = np.prod([n for i, n in enumerate(errors.shape) if i not in own])
        terms = [(sign / repeats, squares[s] / freedom[s], freedom[s]) for s, sign in signs.items()]
        name = RESIDUAL if len(own) == errors.ndim else " x ".join(factors[i] for i in own)
        components[name] = _combine(terms, level)
    return components


def _sum_of_squares(errors: NDArray[np.float64], own: tuple[int, ...]) -> float:
    effect = errors
    for axis in range(errors.ndim):
        mean = effect.mean(axis, keepdims=True)
        effect = effect - mean if axis in own else np.broadcast_to(mean, effect.shape)
    return float((effect**2).sum())


def _combine(terms: Sequence[tuple[float, float, int]], level: float) -> Component:
    """Return the sum of coefficient times mean square, given as (coefficient, mean square, degrees of freedom)."""
    rng = np.random.default_rng(0)
    estimate = sum(coefficient * square for coefficient, square, _ in terms)
    draws = sum(c * square * freedom / rng.chisquare(freedom, DRAWS) for c, square, freedom in terms)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Component(float(estimate), max(0.0, float(low)), max(0.0, float(high)))


def between_sets(errors: NDArray[np.float64], level: float = LEVEL) -> Between:
    """Fit a random intercept for each data set: errors (sets, rounds), NaN for a diverged round.

    The mean over data sets has Student's t over the sets' means, exact for as many rounds in each; the components are
    those of the one-way analysis of variance, which for a balanced design are also REML's where they are positive.
    NaN with fewer than two sets, or no set with two rounds.
    """
    finite = ~np.isnan(errors)
    errors, kept = errors[finite.any(1)], finite[finite.any(1)]
    n, diverged = kept.sum(1), int((~finite).sum())
    sets, total = len(errors), int(n.sum())
    nothing = Component(NAN, NAN, NAN)
    if sets < 2:
        return Between(nothing, nothing, nothing, sets, diverged)
    means = np.nanmean(errors, axis=1)
    half = stdtrit(sets - 1, (1 + level) / 2) * means.std(ddof=1) / sets**0.5
    mean = Component(float(means.mean()), float(means.mean() - half), float(means.mean() + half))
    if total == sets:
        return Between(mean, nothing, nothing, sets, diverged)
    within = float(np.nansum((errors - means[:, None]) ** 2) / (total - sets))
    grand = float((n * means).sum() / total)
    between = float((n * (means - grand) ** 2).sum() / (sets - 1))
    size = (total - (n**2).sum() / total) / (sets - 1)  # rounds of a set, where all have as many
    return Between(
        mean,
        _combine([(1 / size, between, sets - 1), (-1 / size, within, total - sets)], level),
        _combine([(1.0, within, total - sets)], level),
        sets,
        diverged,
    )


def variance_components(crossed: pd.DataFrame, column: str = "test_error") -> dict[str, dict[str, Component]]:
    """Estimate each model's components from rows of variance.csv: {model: {factor: component}}.

    A data set with a diverged round is left out. A model with fewer than two data sets has no components.
    """
    return {model: _crossed(errors, CROSSED) for model, errors in _arrays(crossed, column).items()}


def seed_components(crossed: pd.DataFrame, column: str = "test_error") -> dict[str, dict[str, Component]]:
    """As `variance_components`, with all that a seed decides, initialisation and order, as one factor, `seed`.

    It has a level for each pair of them, so that its component is known far better than either's.
    """
    found = {}
    for model, errors in _arrays(crossed, column).items():
        datasets, *seeds = errors.shape
        found[model] = _crossed(errors.reshape(datasets, np.prod(seeds, dtype=int)), (CROSSED[0], "seed"))
    return found


def _arrays(crossed: pd.DataFrame, column: str) -> dict[str, NDArray[np.float64]]:
    """Return each model's values, with a dimension for each factor, of the data sets without a diverged round."""
    found = {}
    for model, rows in crossed.groupby("model", sort=False):
        whole = rows[~rows["dataset"].isin(rows["dataset"][rows[column].isna()])].sort_values(list(CROSSED))
        shape = [whole[factor].nunique() for factor in CROSSED]
        found[str(model)] = whole[column].to_numpy(dtype=float).reshape(shape)
    return found


def _crossed(errors: NDArray[np.float64], factors: Sequence[str]) -> dict[str, Component]:
    return crossed_components(errors, factors) if min(errors.shape) > 1 else {}


def by_set(rows: pd.DataFrame, column: str = "test_error") -> NDArray[np.float64]:
    """Return one model's rows of other_data.csv as an array (sets, rounds), for `between_sets`."""
    place = rows.groupby("set")["round"].rank().astype(int)
    return rows.assign(place=place).pivot(index="set", columns="place", values=column).to_numpy(dtype=float)


def other_data(table: pd.DataFrame, gains: Mapping[str, tuple[str, str]]) -> dict[str, Between]:
    """Estimate errors of all models, and gains {name: (model, better model)}, on data sets that are a sample of all.

    Gains are differences of rounds on the same pairs, better minus first, so negative ones lower the error. A gain
    without both of its models is left out.
    """
    errors = {str(model): by_set(rows) for model, rows in table.groupby("model", sort=False)}
    both = {name: pair for name, pair in gains.items() if set(pair) <= set(errors)}
    differences = {name: errors[better] - errors[first] for name, (first, better) in both.items()}
    return {name: between_sets(values) for name, values in (errors | differences).items()}
