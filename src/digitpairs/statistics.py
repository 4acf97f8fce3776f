"""Statistics over rounds, and the study's tables of them. A diverged round (NaN) is left out and counted.

Intervals are Student's t: with 15 rounds they hold what they promise for errors like ours, where percentile and BCa
bootstraps do not (`tests/unit/test_statistics.py` simulates it). Tests of differences flip signs instead of ranking as
Wilcoxon's does: they test the mean, which the interval is of, they are exact, and ties (errors are multiples of one
pair) need no correction.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit  # the t quantile; scipy.stats.t.ppf calls it too, but takes a second to import

from digitpairs import paper
from digitpairs.selection import CONFIGURATION, RULES

LEVEL = 0.95
EXACT = 16  # rounds of which all 2^n sign flips are tried; a seeded sample of as many flips stands for those of more
TEST = "sign-flip permutation"
METHODS = {
    "interval": "Student's t over rounds, 95%; that of rounds which share a dataset speaks for that dataset alone",
    "test": f"two-sided {TEST} of the mean difference, exact up to {EXACT} rounds",
    "correction": (
        "Holm; a family is a protocol's pairs of models, a protocol's two-factor effects, or an ablated parameter's "
        "values and models"
    ),
    "effect_size": "paired d_z: mean difference over the standard deviation of the differences",
}
NAN = float("nan")

Tables = Mapping[str, Mapping[str, pd.DataFrame]]  # {protocol: {model: one row a round}}


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


class Estimate(NamedTuple):
    """A number with its interval, from `n` rounds or pairs of rounds; `p` is of the hypothesis that it is zero."""

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
    """Estimate the mean of one value a round, shape (rounds,), and test whether it is zero."""
    summary = summarise(values, level)
    return Estimate(summary.mean, *summary.interval, summary.n, summary.diverged, sign_flip(values))


def by_round(tables: Iterable[pd.DataFrame], column: str = "test_error") -> NDArray[np.float64]:
    """Return a column of several tables side by side, shape (rounds, tables), for the rounds that all of them have."""
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
    """Turn an estimate of a logarithm into one of the number; a bound beyond what a float holds is none (NaN)."""
    low, high = (np.exp(bound) if abs(bound) < 700 else NAN for bound in (value.low, value.high))
    return value._replace(estimate=float(np.exp(value.estimate)), low=float(low), high=float(high))


def without_extremes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out, of finite rounds, those in which a column is farthest from its median, shape (rounds, columns)."""
    finite = values[~np.isnan(values).any(axis=1)]
    if len(finite) == 0:
        return finite
    return np.delete(finite, np.abs(finite - np.median(finite, axis=0)).argmax(axis=0), axis=0)


def tabulate(
    final: Tables,
    grid: pd.DataFrame,
    selection: Mapping[str, Any],
    train: Mapping[str, Any],
    ablations: pd.DataFrame | None = None,
    more_data: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Compute what statistics.json holds, from the tables of the workflow.

    `selection` is what `selection.select` returns, `train` params.yaml's section, whose values the ablations are held
    against. Errors are fractions of pairs. What the tables do not hold is absent or NaN.
    """
    return {
        "methods": METHODS,
        "errors": {p: {m: _error(m, rounds) for m, rounds in by.items()} for p, by in final.items()},
        "differences": [row for protocol, by in final.items() for row in differences(protocol, by)],
        "optimism": optimism(final, grid, selection),
        "two_factors": {p: effects for p, by in final.items() if (effects := two_factors(by))},
        "ablations": [] if ablations is None else ablation_effects(ablations, train),
        "more_data": {} if more_data is None else power_laws(more_data),
    }


def _error(model: str, rounds: pd.DataFrame) -> dict[str, Any]:
    """Summarise test errors beside the paper's mean, and say whether that is one that our rounds predict.

    The paper's rounds share a dataset that is not ours: only a prediction from rounds on new pairs allows for that.
    """
    summary = summarise(rounds["test_error"])
    low, high = summary.prediction
    published = paper.RESULTS[model].test_error if model in paper.RESULTS else None
    return _summary(summary) | {
        "prediction_low": low,
        "prediction_high": high,
        "paper": published,
        "paper_in_prediction": None if published is None or np.isnan(low) else low <= published <= high,
    }


def _summary(summary: Summary) -> dict[str, Any]:
    low, high = summary.interval
    return {
        "estimate": summary.mean,
        "std": summary.std,
        "low": low,
        "high": high,
        "n": summary.n,
        "diverged": summary.diverged,
    }


def _tested(values: ArrayLike) -> dict[str, Any]:
    """Estimate and test a mean difference, with its effect size."""
    summary = summarise(values)
    size = summary.mean / summary.std if summary.std > 0 else NAN
    return estimate(values)._asdict() | {"effect_size": size, "test": TEST}


def _corrected(family: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Add `p_holm` to each member of a family of tests."""
    members = list(family)
    for member, p in zip(members, holm(member["p"] for member in members), strict=True):
        yield member | {"p_holm": p}


def differences(protocol: str, by_model: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Compare the test errors of all pairs of models, paired over a protocol's rounds."""
    pairs = list(combinations(by_model, 2))
    tests = _corrected(_tested(paired(by_model[first], by_model[second])) for first, second in pairs)
    return [
        {"protocol": protocol, "first": first, "second": second} | test
        for (first, second), test in zip(pairs, tests, strict=True)
    ]


def cell(grid: pd.DataFrame, model: str, configuration: Mapping[str, Any]) -> pd.DataFrame:
    """Return the grid's rounds of one configuration."""
    at = grid[CONFIGURATION] == [configuration[key] for key in CONFIGURATION]
    return grid[at.all(axis=1) & (grid["model"] == model)]


def fresh_rounds(final: Tables, model: str, choice: Mapping[str, Any], rule: str) -> pd.DataFrame | None:
    """Return the rounds on new pairs at the configuration that a rule chose, None if there are none."""
    same = all(choice[rule][key] == choice["chosen"][key] for key in CONFIGURATION)
    return final.get("resampled" if same else f"resampled_by_{rule}", {}).get(model)


def optimism(final: Tables, grid: pd.DataFrame, selection: Mapping[str, Any]) -> dict[str, Any]:
    """Hold each rule's choice, as the grid shows its test error, against its error on new pairs.

    The interval of a rule's optimism (fresh minus apparent: positive looks too good) is the fresh rounds' prediction
    of one more round on its own pairs: the grid's rounds share one dataset, whose own effect no number of
    initialisations averages out. It is a little too wide, since the apparent error averages several initialisations.
    `test_minus_validation` compares the rules' choices on the same pairs, where that effect cancels: as the grid shows
    them (the test rule cannot lose there) and on new pairs.
    """
    return {model: _optimism(final, grid, model, choice) for model, choice in selection.items()}


def _optimism(final: Tables, grid: pd.DataFrame, model: str, choice: Mapping[str, Any]) -> dict[str, Any]:
    apparent = {rule: cell(grid, model, choice[rule]) for rule in RULES}
    fresh = {rule: fresh_rounds(final, model, choice, rule) for rule in RULES}
    entry: dict[str, Any] = {
        "same_configuration": all(choice["test"][key] == choice["validation"][key] for key in CONFIGURATION),
        "test_minus_validation": {"apparent": _tested(paired(apparent["validation"], apparent["test"]))},
    }
    if fresh["validation"] is not None and fresh["test"] is not None:
        entry["test_minus_validation"]["fresh"] = _tested(paired(fresh["validation"], fresh["test"]))
    for rule in RULES:
        shown = summarise(apparent[rule]["test_error"])
        entry[rule] = {
            "configuration": {key: choice[rule][key] for key in CONFIGURATION},
            "apparent": _summary(shown),
        }
        rounds = fresh[rule]
        if rounds is not None:
            found = summarise(rounds["test_error"])
            low, high = (bound - shown.mean for bound in found.prediction)
            entry[rule]["fresh"] = _summary(found)
            entry[rule]["optimism"] = Estimate(found.mean - shown.mean, low, high, found.n, found.diverged)._asdict()
    return entry


FACTORS = ("twobranch", "twobranch_aux", "siamese", "siamese_aux")
# Contrasts of the 2 x 2 design over `FACTORS`: weights separate or shared, without or with auxiliary losses.
CONTRASTS = {"sharing": (-0.5, -0.5, 0.5, 0.5), "auxiliary": (-0.5, 0.5, -0.5, 0.5), "interaction": (1, -1, -1, 1)}


def two_factors(by_model: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Estimate main effects and interaction of sharing weights and auxiliary losses from each round's contrasts.

    Negative main effects lower the test error; a positive interaction says that the methods add less together than
    apart. Empty without the four models.
    """
    if not set(FACTORS) <= set(by_model):
        return {}
    errors = by_round(by_model[model] for model in FACTORS)
    effects = _corrected(_tested(errors @ np.array(weights)) for weights in CONTRASTS.values())
    return dict(zip(CONTRASTS, effects, strict=True))


def ablated(ablations: pd.DataFrame | None, parameter: str, model: str) -> dict[float | str, pd.DataFrame]:
    """Return a model's rounds at each value of an ablated parameter, in their order; empty if there are none."""
    if ablations is None:
        return {}
    rows = ablations[(ablations["parameter"] == parameter) & (ablations["model"] == model)]
    return {_number_or_text(value): table for value, table in rows.groupby("value", sort=False)}


def _number_or_text(value: Any) -> float | str:
    """Read a value of a column that holds numbers and words."""
    try:
        return float(value)
    except ValueError:
        return str(value)


def ablation_effects(ablations: pd.DataFrame, train: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Compare each value of a training parameter with the study's own, paired over (model, round)."""
    rows: list[dict[str, Any]] = []
    for parameter in ablations["parameter"].unique():
        family = []
        for model in ablations["model"].unique():
            of_value = ablated(ablations, parameter, model)
            reference = of_value.pop(train[parameter], None)
            if reference is not None:
                key = {"parameter": parameter, "reference": train[parameter], "model": model}
                family += [key | {"value": v} | _tested(paired(reference, rounds)) for v, rounds in of_value.items()]
        rows += _corrected(family)
    return rows


def power_laws(more_data: pd.DataFrame) -> dict[str, Any]:
    """Fit error = scale * n_train^-exponent to each model, a line in logarithms for each round.

    There is no floor in the law: few sizes, each seen by few rounds, do not tell a floor from a smaller exponent.
    `departure` is the farthest that a size's geometric mean lies from the law, relative to it. Rounds with a diverged
    or an errorless size have no logarithm and are left out of the fit. Rounds of a size share their pairs, so the
    exponent's interval allows for initialisations only.
    """
    return {str(model): _power_law(table) for model, table in more_data.groupby("model", sort=False)}


def _power_law(table: pd.DataFrame) -> dict[str, Any]:
    errors = table.pivot(index="n_train", columns="round", values="test_error")
    points = [{"n_train": size} | _summary(summarise(row)) for size, row in errors.iterrows()]
    law: dict[str, Any] = {"points": points, "exponent": Estimate(NAN, NAN, NAN, 0)._asdict()}
    fitted = errors.loc[:, (errors > 0).all()]
    if len(errors) > 1 and fitted.shape[1]:
        sizes, logs = np.log(fitted.index.to_numpy(dtype=float)), np.log(fitted.to_numpy())
        slopes, levels = np.polyfit(sizes, logs, 1)
        exponent = estimate(-slopes)._replace(diverged=errors.shape[1] - len(slopes), p=NAN)
        residuals = logs.mean(axis=1) - (slopes.mean() * sizes + levels.mean())
        law |= {
            "exponent": exponent._asdict(),
            "scale": float(np.exp(levels.mean())),
            "departure": float(np.abs(np.expm1(residuals)).max()),
        }
    return law
