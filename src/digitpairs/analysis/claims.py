"""The paper's claims, each tested on the study's own rounds.

A claim is a list of comparisons, each with an interval and a rule that says when the interval supports the claim and
when it excludes it. The claim is reproduced if every comparison supports it, not reproduced if one excludes it, and
open otherwise, as with too few rounds.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isnan
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from digitpairs import paper
from digitpairs.analysis import selection
from digitpairs.analysis.inference import (
    LEVEL,
    NAN,
    Estimate,
    by_round,
    deviation_ratio,
    difference_interval,
    estimate,
    exponential,
    paired,
    summarise,
    without_extremes,
)
from digitpairs.analysis.selection import cell
from digitpairs.tables import PROTOCOLS, Tables, by_value

# Margins of equivalence, fixed before looking at results.
SIMILAR = 0.01  # of an error: one pair in a hundred, 1.5 times the paper's deviations, a seventh of its effects
SIMILAR_GAINS = 0.02  # of a difference between two differences, hence twice as much
OVERFIT = 0.05  # test minus training error: more than the whole error of the paper's best network
GROWN = 1.5  # ratio of standard deviations: 15 rounds each tell apart no less than a factor of 1.7
SLIGHTLY = 1.1  # ratio of numbers of parameters

# The claimed gain of each method. Section IV prints 0.7-0.8; the errors that it reports differ by 0.0727 and 0.0749.
GAIN = (0.07, 0.08)

REPRODUCED, NOT_REPRODUCED, CANNOT_TELL = "reproduced", "not reproduced", "cannot tell"
SIAMESE = ("siamese", "siamese_aux")
SHOWN = 6  # comparisons named in one sentence


class Judgement(NamedTuple):
    """The verdict of one interval; support wins, where a margin allows both."""

    supports: bool
    excludes: bool


Rule = Callable[[Estimate], Judgement]


def below(bound: float, margin: float = 0) -> Rule:
    """Support an interval below bound + margin; exclude one at or above the bound."""
    return lambda value: Judgement(value.high < bound + margin, value.low >= bound)


def above(bound: float, margin: float = 0) -> Rule:
    """Support an interval above bound - margin; exclude one at or below the bound."""
    return lambda value: Judgement(value.low > bound - margin, value.high <= bound)


def within(margin: float) -> Rule:
    """Support an interval within ±margin, which shows equivalence; exclude one outside."""
    return lambda value: Judgement(
        -margin < value.low and value.high < margin, value.low >= margin or value.high <= -margin
    )


def reaches(low: float, high: float) -> Rule:
    """Support an interval that overlaps low..high; exclude one that does not."""
    return lambda value: Judgement(value.low <= high and value.high >= low, value.low > high or value.high < low)


@dataclass(frozen=True)
class Comparison:
    """A number behind a claim, its estimate at a confidence level, and the rule for its interval."""

    what: str
    measure: Callable[[float], Estimate]
    rule: Rule | None  # None: shown, and decides nothing
    unit: str = "error"  # fraction of pairs, or "ratio"
    picked_from: int = 1  # the number of candidates of which this one favours the exclusion most


@dataclass(frozen=True)
class Check:
    """The test of a claim: its method, its rules in words, its comparisons, and the sentences of the verdicts."""

    how: str
    supports: str
    excludes: str
    comparisons: Sequence[Comparison]
    reproduced: str
    not_reproduced: str
    needs: str
    remark: str = ""
    sampled: bool = True  # False: counted, so that there is no interval


@dataclass(frozen=True)
class Study:
    """The study's tables: as for `findings.tabulate`; `curves` is {protocol: {model: rows of round and epoch}}.

    `parameters` is the number of parameters of each model.
    """

    final: Tables
    curves: Tables
    grid: pd.DataFrame
    selection: Mapping[str, Any]
    parameters: Mapping[str, int]
    ablations: pd.DataFrame | None = None


class Claim(NamedTuple):
    """A conclusion of the paper, in our words, its place in the paper, and its test."""

    claim: str
    place: str
    check: Callable[[Study], Check]


def judge(study: Study) -> list[dict[str, Any]]:
    """Test each of the paper's claims and return the content of claims.json."""
    return [
        {"number": number, "claim": claim.claim, "place": claim.place} | conclude(claim.check(study))
        for number, claim in enumerate(CLAIMS, start=1)
    ]


def conclude(check: Check) -> dict[str, Any]:
    """Measure a check's comparisons and decide.

    Support needs no correction for several comparisons, since all of them must agree (an intersection-union test).
    One is enough to exclude, so that is decided on wider intervals, by Bonferroni: in at most 5% of studies does one of
    them miss the truth on a given side. Up to two comparisons, these are the 95% intervals themselves.
    """
    deciding = [comparison for comparison in check.comparisons if comparison.rule]
    count = sum(comparison.picked_from for comparison in deciding)
    strict = max(LEVEL, 1 - 2 * (1 - LEVEL) / max(count, 1))
    measured = [(comparison, comparison.measure(LEVEL)) for comparison in check.comparisons]
    supporting, excluding, undecided = [], [], []
    for comparison, value in measured:
        if comparison.rule and comparison.rule(value).supports:
            supporting.append((comparison, value))
        elif comparison.rule and comparison.rule(comparison.measure(strict)).excludes:
            excluding.append((comparison, value))
        elif comparison.rule:
            undecided.append((comparison, value))
    if excluding:
        verdict, because = NOT_REPRODUCED, f"{check.not_reproduced}: {_say(excluding)}."
    elif all(isnan(value.low) for _, value in undecided) and (undecided or not supporting):
        verdict, because = CANNOT_TELL, f"It needs {check.needs}."
    elif undecided:
        verdict, because = CANNOT_TELL, f"These intervals leave it open: {_say(undecided)}."
    else:
        verdict, because = REPRODUCED, f"{check.reproduced}: {_say(supporting)}."
    corrected = f"; to exclude, it takes {100 * strict:.4g}%, for {count} comparisons" if strict > LEVEL else ""
    intervals = f" ({100 * LEVEL:g}% intervals{corrected})" if check.sampled else ""
    return {
        "test": (
            f"{check.how}; reproduced if {check.supports}, not reproduced if {check.excludes}, otherwise cannot tell"
            f"{intervals}."
        ),
        "effects": [
            {"what": comparison.what, "unit": comparison.unit} | value._asdict() for comparison, value in measured
        ],
        "verdict": verdict,
        "because": " ".join(filter(None, [because, check.remark])),
    }


def _say(measured: Sequence[tuple[Comparison, Estimate]]) -> str:
    """Format comparisons: name, estimate, interval."""
    said = []
    for comparison, value in measured[:SHOWN]:
        form = ".2f" if comparison.unit == "ratio" else "+.4f"
        number = "unknown" if isnan(value.estimate) else f"{value.estimate:{form}}"
        interval = "" if isnan(value.low) else f" ({value.low:{form}} to {value.high:{form}})"
        said.append(f"{comparison.what} {number}{interval}")
    more = len(measured) - len(said)
    return "; ".join([*said, f"and {more} more"] if more else said)


def _mean(values: ArrayLike) -> Callable[[float], Estimate]:
    """Measure the mean of one value a round, and test it against zero."""
    return partial(estimate, values)


def _size(values: ArrayLike) -> Callable[[float], Estimate]:
    """Measure the mean of one value a round, without a test of zero."""
    return lambda level: estimate(values, level)._replace(p=NAN)


def _errors(study: Study, protocol: str, models: Sequence[str]) -> NDArray[np.float64]:
    """Return the models' test errors, shape (rounds, models): no rows without one of the models."""
    by_model = study.final.get(protocol, {})
    if not set(models) <= set(by_model):
        return np.empty((0, len(models)))
    return by_round(by_model[model] for model in models)


def _change(study: Study, protocol: str, first: str, second: str) -> Comparison:
    """Compare two models' test errors, for a claim that the second's is the smaller."""
    values = _errors(study, protocol, [first, second]) @ [-1, 1]
    return Comparison(f"`{second}` minus `{first}` in `{protocol}`", _mean(values), below(0))


def sharing_helps(study: Study) -> Check:
    """Claim 1. Two branches with separate weights, if there, differ from `siamese` by the sharing alone."""
    others = ["baseline", *(["twobranch"] if "twobranch" in study.selection else [])]
    return Check(
        how="Test error of `siamese` minus that of the network without sharing, paired over rounds",
        supports="every interval lies below zero",
        excludes="one lies above",
        comparisons=[_change(study, protocol, other, "siamese") for other in others for protocol in PROTOCOLS],
        reproduced="The network that shares weights has the smaller test error",
        not_reproduced="Sharing weights does not lower the test error everywhere",
        needs="two rounds or more of `baseline` and `siamese` in both protocols",
        remark=(
            "" if len(others) > 1 else "`baseline` has no branches, so this compares more than the sharing of weights."
        ),
    )


def auxiliary_losses_help(study: Study) -> Check:
    """Claim 2."""
    return Check(
        how="Test error of `siamese_aux` minus that of `siamese`, paired over rounds",
        supports="every interval lies below zero",
        excludes="one lies above",
        comparisons=[_change(study, protocol, "siamese", "siamese_aux") for protocol in PROTOCOLS],
        reproduced="Auxiliary losses lower the test error of the network that shares weights",
        not_reproduced="Auxiliary losses do not lower the test error everywhere",
        needs="two rounds or more of `siamese` and `siamese_aux` in both protocols",
    )


def gains_are_equal(study: Study) -> Check:
    """Claim 3. Only rounds on new pairs speak for the paper's pairs, so only they are held against its numbers."""
    models = list(paper.RESULTS)
    gains = {"sharing": [1, -1, 0], "auxiliary losses": [0, 1, -1]}
    low, high = GAIN
    fresh = _errors(study, "resampled", models)
    return Check(
        how=(
            "The gain of auxiliary losses minus that of sharing weights, paired over rounds, and each gain on new pairs"
        ),
        supports=f"the differences lie within ±{SIMILAR_GAINS} and the gains' intervals reach {low} to {high}",
        excludes=f"a difference lies beyond ±{SIMILAR_GAINS} or a gain's interval lies outside {low} to {high}",
        comparisons=[
            *(
                Comparison(
                    f"gain of auxiliary losses minus gain of sharing in `{protocol}`",
                    _size(_errors(study, protocol, models) @ [-1, 2, -1]),
                    within(SIMILAR_GAINS),
                )
                for protocol in PROTOCOLS
            ),
            *(
                Comparison(f"gain of {method} in `resampled`", _size(fresh @ weights), reaches(low, high))
                for method, weights in gains.items()
            ),
        ],
        reproduced="The gains are about equal, and of the size that the paper gives",
        not_reproduced="The gains differ, or are not of the paper's size",
        needs=f"two rounds or more of {_names(models)} in both protocols",
    )


def _names(models: Iterable[str]) -> str:
    return ", ".join(f"`{model}`" for model in models)


def deviation_does_not_grow(study: Study) -> Check:
    """Claim 4. The ratios without extreme rounds show the effect of one outlier; their intervals are a little short."""
    errors = {(p, model): _errors(study, p, ["baseline", model]) for p in PROTOCOLS for model in SIAMESE}
    whole = [
        Comparison(
            f"`{model}` over `baseline` in `{protocol}`",
            partial(deviation_ratio, pairs),
            below(1, margin=GROWN - 1),
            "ratio",
        )
        for (protocol, model), pairs in errors.items()
    ]
    without = [
        Comparison(
            f"`{model}` over `baseline` in `{protocol}`, without the most extreme round of either",
            partial(deviation_ratio, without_extremes(pairs)),
            None,
            "ratio",
        )
        for (protocol, model), pairs in errors.items()
    ]
    ratios = [f"{value:.2f}" for comparison in without if not isnan(value := comparison.measure(LEVEL).estimate)]
    return Check(
        how=(
            "Ratio of the standard deviations of the test error over rounds, with a jackknife interval, which does not "
            "suppose normal rounds"
        ),
        supports=f"every interval lies below {GROWN}",
        excludes="another lies above 1",
        comparisons=[*whole, *without],
        reproduced="The deviation does not grow",
        not_reproduced="The deviation grows",
        needs="three rounds or more of `baseline`, `siamese` and `siamese_aux` in both protocols",
        remark=f"Without the most extreme round of either network: {', '.join(ratios)}." if ratios else "",
    )


def best_configurations(study: Study) -> Check:
    """Claim 5. Leave-one-out over rounds removes the luck of the best of many cells."""
    comparisons = []
    ranks = []
    for model, result in paper.RESULTS.items():
        grid = study.grid[study.grid["model"] == model]
        own = cell(grid, model, result._asdict())
        comparisons.append(Comparison(f"`{model}`", _mean(_loss(grid, own)), below(0, margin=SIMILAR)))
        if len(own):
            means = selection.cells(grid)["test_error"]
            rank = int((means < own["test_error"].mean() - 1e-9).sum()) + 1
            ranks.append(f"{rank} of {len(means)} for `{model}`")
    return Check(
        how=(
            "Test error at the paper's configuration minus that at ours, over grid rounds; for each round, ours is "
            "chosen by the validation error of the other rounds, so that the best of many cells gains nothing by luck"
        ),
        supports=f"every interval lies below {SIMILAR}",
        excludes="another lies above zero",
        comparisons=comparisons,
        reproduced="The paper's configurations do as well as ours",
        not_reproduced="A paper's configuration does worse than ours",
        needs=f"two rounds or more of the paper's configurations of {_names(paper.RESULTS)} in the grid",
        remark=f"By mean test error, the paper's configuration ranks {', '.join(ranks)}." if ranks else "",
    )


def _loss(grid: pd.DataFrame, own: pd.DataFrame) -> NDArray[np.float64]:
    """Return, for each round, `own`'s test error minus that of the configuration which all other rounds choose."""
    losses = []
    for number, error in own[["round", "test_error"]].itertuples(index=False):
        others = grid[grid["round"] != number]
        if len(others):
            [(model, choice)] = selection.select(others, "validation").items()
            ours = cell(grid, model, choice["chosen"])
            losses.extend(error - ours.loc[ours["round"] == number, "test_error"])
    return np.array(losses)


def preferences(study: Study) -> Check:
    """Claim 6. Only values that both grids hold are compared: the siamese grid has no batches of 25."""
    preferred = {
        (model, key): _log_preferences(study.grid, model, key)
        for model in SIAMESE
        for key in ("learning_rate", "batch_size")
    }
    rules = {"learning_rate": below(1), "batch_size": above(1)}
    return Check(
        how=(
            "In each grid round, the learning rate and the batch size with the smallest mean test error over the "
            "other settings that both grids hold, as a ratio to the baseline's (geometric mean, paired over rounds)"
        ),
        supports="every ratio of learning rates lies below 1 and every ratio of batch sizes above",
        excludes="one lies at 1 or on the other side",
        comparisons=[
            Comparison(
                f"{key.replace('_', ' ')} of `{model}` over `baseline`", partial(_ratio, logs), rules[key], "ratio"
            )
            for (model, key), logs in preferred.items()
        ],
        reproduced="Siamese networks prefer lower learning rates and larger batches",
        not_reproduced="Siamese networks do not prefer both lower learning rates and larger batches",
        needs="two rounds or more of a grid in which the networks share two learning rates and batch sizes",
    )


def _ratio(logs: NDArray[np.float64], at: float) -> Estimate:
    """Measure a geometric mean of ratios from their logarithms."""
    return exponential(estimate(logs, at))


def _log_preferences(grid: pd.DataFrame, model: str, key: str) -> NDArray[np.float64]:
    """Return each round's log ratio of the preferred value, the model's over the baseline's, shape (rounds,)."""
    both = grid[grid["model"].isin(["baseline", model])]
    for name in selection.CONFIGURATION:
        both = both[both.groupby(name)["model"].transform("nunique") == 2]
    if both[key].nunique() < 2:
        return np.empty(0)
    means = both.groupby(["model", "round", key])["test_error"].agg(lambda errors: errors.mean(skipna=False))
    # A value with a diverged round is never preferred; rounding keeps ties equal, of which the smaller value is taken.
    best = means.round(12).dropna().unstack(key).idxmin(axis=1).unstack("model").dropna()
    ratios = best[model] / best["baseline"]
    return np.log(ratios.to_numpy(dtype=float))  # type: ignore[no-any-return]


def batch_norm_before(study: Study) -> Check:
    """Claim 7. The paper says so of the baseline, which therefore decides."""
    changes = {"baseline": np.empty(0)}
    for model in study.selection:
        rounds = by_value(study.ablations, "batch_norm", model)
        if {"before", "after"} <= set(rounds):
            changes[model] = paired(rounds["before"], rounds["after"])
    return Check(
        how=(
            "Test error with batch normalisation after the activation minus that before it, paired over rounds on new "
            "pairs; the baseline decides, of which the paper says it, and the other networks are shown"
        ),
        supports="the baseline's interval lies above zero",
        excludes="it lies below",
        comparisons=[
            Comparison(f"after minus before, `{model}`", _mean(values), above(0) if model == "baseline" else None)
            for model, values in changes.items()
        ],
        reproduced="The baseline does better with batch normalisation before the activation",
        not_reproduced="The baseline does not do better with batch normalisation before the activation",
        needs="two rounds or more of `baseline` with batch normalisation before and after the activation (ablations)",
    )


def no_overfitting(study: Study) -> Check:
    """Claim 8."""
    gaps, rises = [], []
    for model in paper.RESULTS:
        rounds = study.final.get("resampled", {}).get(model)
        gap = np.empty(0) if rounds is None else (rounds["test_error"] - rounds["train_error"]).to_numpy()
        gaps.append(Comparison(f"test minus training error of `{model}`", _size(gap), below(OVERFIT)))
        curves = study.curves.get("fixed", {}).get(model)
        rise = np.empty(0) if curves is None else _rise(curves)
        what = f"late rise of the validation error of `{model}`"
        rises.append(Comparison(what, _size(rise), below(0, margin=SIMILAR)))
    decays = [found for model in paper.RESULTS if (found := _best_decay(study, model))]
    flat = all(comparison.measure(LEVEL).high < SIMILAR for comparison in rises)
    useless = len(decays) > 0 and all(comparison.measure(LEVEL).low > -SIMILAR for comparison in decays)
    remarks = {
        "The validation error does not rise late in training.": flat,
        "No weight decay that was tried gains much.": useless,
        "Weight decay was not varied.": not decays,
    }
    return Check(
        how=(
            "Test minus training error on new pairs; validation error in the last quarter of the epochs minus that in "
            "the quarter before, on one dataset; and, where it was varied, test error with the best weight decay minus "
            "that without"
        ),
        supports=(
            f"every gap lies below {OVERFIT}, every rise below {SIMILAR} and every change by weight decay "
            f"above -{SIMILAR}"
        ),
        excludes=f"a gap lies above {OVERFIT}, another rise above zero or another change by weight decay below zero",
        comparisons=[*gaps, *rises, *decays],
        reproduced="No network overfits much",
        not_reproduced="By these measures a network overfits or needs L2 regularisation",
        needs=f"two rounds or more of {_names(paper.RESULTS)} with learning curves",
        remark=" ".join(remark for remark, applies in remarks.items() if applies),
    )


def _rise(curves: pd.DataFrame) -> NDArray[np.float64]:
    """Return each round's mean validation error in the last quarter of epochs minus that in the quarter before.

    Epochs without a measurement are left out; a round without one in either quarter is NaN.
    """
    quarter = np.ceil(4 * curves["epoch"] / curves["epoch"].max())
    means = curves.groupby(["round", quarter])["validation_error"].mean().unstack()
    return means.reindex(columns=[3, 4]).to_numpy(dtype=float) @ [-1, 1]


def _best_decay(study: Study, model: str) -> Comparison | None:
    """Compare the weight decay with the smallest mean test error with none; None without such rounds."""
    rounds = by_value(study.ablations, "weight_decay", model)
    without = rounds.pop(0.0, None)
    changes = [] if without is None else [(value, paired(without, table)) for value, table in rounds.items()]
    if not changes:
        return None
    value, change = min(changes, key=lambda item: np.nan_to_num(summarise(item[1]).mean, nan=np.inf))
    what = f"weight decay {value:g} minus none, `{model}`"
    return Comparison(what, _mean(change), above(0, margin=SIMILAR), picked_from=len(changes))


def fewer_parameters(study: Study) -> Check:
    """Claim 9. Parameters are counted, without an interval."""
    counts = study.parameters

    def ratio(model: str, at: float) -> Estimate:
        known = {model, "baseline"} <= set(counts)
        return Estimate(counts[model] / counts["baseline"] if known else NAN, NAN, NAN, 0)

    def rule(value: Estimate) -> Judgement:
        slightly = 1 < value.estimate <= SLIGHTLY
        return Judgement(slightly, not slightly and not isnan(value.estimate))

    listed = [f"{counts[model]:,} of `{model}`" for model in paper.RESULTS if model in counts]
    return Check(
        how="Number of parameters of the siamese networks over the baseline's, counted on their definitions",
        supports=f"every ratio is above 1 and at most {SLIGHTLY}",
        excludes="one is not",
        comparisons=[
            Comparison(f"parameters of `{model}` over `baseline`", partial(ratio, model), rule, "ratio")
            for model in SIAMESE
        ],
        reproduced="The baseline has slightly fewer parameters",
        not_reproduced="The baseline does not have slightly fewer parameters",
        needs="the definitions of `baseline`, `siamese` and `siamese_aux`",
        remark=f"Counted: {', '.join(listed)}." if listed else "",
        sampled=False,
    )


def final_agrees_with_grid(study: Study) -> Check:
    """Claim 10. Other initialisations at the same configuration and pairs: unpaired, hence Welch's interval."""

    def difference(model: str, at: float) -> Estimate:
        rounds = study.final.get("fixed", {}).get(model)
        if rounds is None or model not in study.selection:
            return estimate([], at)
        grid = summarise(cell(study.grid, model, study.selection[model]["chosen"])["test_error"])
        final = summarise(rounds["test_error"])
        interval = difference_interval(grid, final, at)
        # Fewer than two rounds on either side are too few.
        n = grid.n + final.n if min(grid.n, final.n) > 1 else 0
        return Estimate(final.mean - grid.mean, *interval, n, grid.diverged + final.diverged)

    return Check(
        how=(
            "Test error of the final rounds on one dataset minus that of the grid's rounds at the same configuration, "
            "both on the same pairs from other initialisations (Welch)"
        ),
        supports=f"every interval lies within ±{SIMILAR}",
        excludes="one lies outside",
        comparisons=[
            Comparison(f"final minus grid, `{model}`", partial(difference, model), within(SIMILAR))
            for model in paper.RESULTS
        ],
        reproduced="The final rounds agree with the grid's",
        not_reproduced="The final rounds do not agree with the grid's",
        needs=f"two rounds or more of {_names(paper.RESULTS)} in the grid and in `fixed`",
    )


CLAIMS = (
    Claim(
        "Sharing weights between the branches lowers the test error.",
        "Section IV, Figures 3 and 4; Section V",
        sharing_helps,
    ),
    Claim(
        "Auxiliary losses lower the test error further.",
        "Section IV, Figures 3 and 4; Section V",
        auxiliary_losses_help,
    ),
    Claim(
        "Both methods gain about the same, 0.07 to 0.08 each.",
        "Section IV (printed as 0.7-0.8); Section V",
        gains_are_equal,
    ),
    Claim(
        "The smaller errors do not come with a larger standard deviation over rounds than the baseline's.",
        "Section IV, Figure 4; Section V",
        deviation_does_not_grow,
    ),
    Claim(
        "The best epochs, batch size and learning rate are 50, 50, 0.1 for the baseline and 50, 100, 0.01 for "
        "both siamese networks.",
        "Section III.A, Table I",
        best_configurations,
    ),
    Claim(
        "Siamese networks do best with lower learning rates and larger batches than the baseline.",
        "Section III.A",
        preferences,
    ),
    Claim(
        "Batch normalisation works better before the activation than after it.",
        "Section II.D.1",
        batch_norm_before,
    ),
    Claim(
        "No network overfits much, so that L2 regularisation is not needed.",
        "Section III.A",
        no_overfitting,
    ),
    Claim(
        "The baseline has slightly fewer parameters than the siamese networks.",
        "Section IV",
        fewer_parameters,
    ),
    Claim(
        "The final rounds agree with the grid search's errors at the same configurations.",
        "Section IV",
        final_agrees_with_grid,
    ),
)
