"""The measures behind the claims: from the study's tables to one number a round.

A measure returns the rounds of each effect, by its name: the values of paired rounds, shape (rounds,), or two sets of
rounds that have no pairs, or a number that is counted. What the study lacks is empty, or NaN.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from digitpairs import paper
from digitpairs.analysis import selection
from digitpairs.analysis.inference import NAN, Estimate, by_round, interquartile_mean, paired, unpaired
from digitpairs.analysis.selection import cell
from digitpairs.tables import PAIRED_ANEW, Tables, by_value

SIAMESE = ("siamese", "siamese_aux")
NOTHING = np.empty(0)

Values = NDArray[np.float64]
Rounds = Values | tuple[Values, Values] | float


@dataclass(frozen=True)
class Study:
    """The study's tables, as for `statistics.tabulate`; `curves` is {protocol: {model: rows of round and epoch}}.

    `parameters` is the number of parameters of each model, `n_test` that of a dataset's test pairs, `batch_norm` the
    study's own place of batch normalisation. `fresh` is {arm: {model: rounds}}: those decide where there are any.
    """

    final: Tables
    curves: Tables
    grid: pd.DataFrame
    selection: Mapping[str, Any]
    parameters: Mapping[str, int]
    ablations: pd.DataFrame | None = None
    n_test: int = field(kw_only=True)
    fresh: Tables = field(default_factory=dict)
    batch_norm: str = "before"

    @property
    def on_new_pairs(self) -> Mapping[str, pd.DataFrame]:
        """The rounds on new pairs that decide, by model: fresh ones, or the final ones, which were seen before."""
        return self.fresh.get("resampled") or self.final.get("resampled", {})


Cell = tuple[float, float, float]  # epochs, batch size, learning rate
Measure = Callable[[Study], Mapping[str, Rounds]]


def estimate(rounds: Rounds) -> Estimate:
    """Estimate an effect from its rounds; what is counted is its own interval, of no rounds."""
    if isinstance(rounds, float):
        return Estimate(rounds, rounds, rounds, 0)
    return unpaired(*rounds) if isinstance(rounds, tuple) else interquartile_mean(rounds)


def _errors(study: Study, models: Sequence[str], *, own: bool = False) -> Values:
    """Return the models' test errors on new pairs, shape (rounds, models): no rows without one of the models.

    `own` asks for those on a round's own test pairs, whatever else was measured.
    """
    by_model = study.on_new_pairs
    if not set(models) <= set(by_model):
        return np.empty((0, len(models)))
    return by_round(by_model[model] if own else steady(by_model[model]) for model in models)


def steady(rounds: pd.DataFrame) -> pd.DataFrame:
    """Return rounds with the test error on their test images paired anew, where it was measured, as their test error.

    Both have the same mean, and the mean over several pairings has less noise.
    """
    return rounds.assign(test_error=rounds[PAIRED_ANEW]) if PAIRED_ANEW in rounds else rounds


def change(study: Study, first: str, second: str) -> dict[str, Rounds]:
    """Return the test error of one model minus that of another."""
    return {f"`{second}` minus `{first}`": _errors(study, [first, second]) @ [-1, 1]}


def sharing(study: Study) -> dict[str, Rounds]:
    """Return what sharing changes: from `baseline`, and from branches with separate weights where they are there."""
    without = ["baseline", *(["twobranch"] if "twobranch" in study.on_new_pairs else [])]
    return {effect: rounds for first in without for effect, rounds in change(study, first, "siamese").items()}


auxiliary_losses = partial(change, first="siamese", second="siamese_aux")


def difference_of_gains(study: Study) -> dict[str, Rounds]:
    """Return the gain of auxiliary losses minus that of sharing."""
    return {"gain of auxiliary losses minus gain of sharing": _errors(study, list(paper.RESULTS)) @ [-1, 2, -1]}


def gains(study: Study) -> dict[str, Rounds]:
    """Return each method's gain."""
    errors = _errors(study, list(paper.RESULTS))
    return {"gain of sharing": errors @ [1, -1, 0], "gain of auxiliary losses": errors @ [0, 1, -1]}


def overdispersion(study: Study) -> dict[str, Rounds]:
    """Return how much farther a model's rounds lie from their median than the baseline's, in units of binomial noise.

    A round on `n_test` test pairs of its own has binomial noise, which shrinks with the error: raw deviations show that
    alone. Without other scatter, the distance of a round from its model's median, over that noise's deviation
    sqrt(e (1 - e) / n_test), has a mean of 0.8 for every model. Rounds of `fixed` share their test pairs, for which no
    such unit is known.
    """
    found: dict[str, Rounds] = {}
    for model in SIAMESE:
        errors = _errors(study, ["baseline", model], own=True)
        errors = errors[~np.isnan(errors).any(axis=1)]
        centres = np.median(errors, axis=0) if len(errors) else np.full(2, 0.5)
        noise = np.sqrt(centres * (1 - centres) / study.n_test)
        scaled = np.divide(np.abs(errors - centres), noise, out=np.zeros_like(errors), where=noise > 0)
        found[f"scatter of `{model}` minus that of `baseline`"] = scaled @ [-1, 1]
    return found


def loss_at_the_papers_configuration(study: Study) -> dict[str, Rounds]:
    """Return the test error at the paper's configuration minus that at ours, over grid rounds.

    For each round, ours is chosen by the validation error of the other rounds, so that the best of many cells gains
    nothing by luck.
    """
    found: dict[str, Rounds] = {}
    for model, result in paper.RESULTS.items():
        grid = study.grid[study.grid["model"] == model]
        own = cell(grid, model, result._asdict())
        ours = _chosen_by_the_others(grid, model)
        losses = [error - ours.get(number, NAN) for number, error in own[["round", "test_error"]].to_numpy()]
        found[f"the paper's configuration minus ours, `{model}`"] = np.array(losses)
    return found


def _chosen_by_the_others(grid: pd.DataFrame, model: str) -> dict[int, float]:
    """Return each round's test error at the configuration that a model's other rounds choose, if there are others.

    All rounds but one are given as if they were a model of their own: one call that chooses for many takes less time.
    """
    rounds = grid["round"].unique()
    if len(rounds) < 2:
        return {}
    others = pd.concat([grid[grid["round"] != number].assign(model=str(number)) for number in rounds])
    errors: dict[int, float] = {}
    for number, choice in selection.select(others, "validation").items():
        at = cell(grid[grid["round"] == int(number)], model, choice["chosen"])
        errors[int(number)] = float(at["test_error"].iloc[0])
    return errors


def lower_rate(study: Study) -> dict[str, Rounds]:
    """Return how much more a siamese network gains by the paper's lower learning rate than the baseline."""
    low, high = (paper.RESULTS[model].learning_rate for model in ("siamese", "baseline"))
    return _beyond_the_baseline(
        study, f"learning rate {low:g} instead of {high:g}", lambda e, b, rate: (e, b, high) if rate == low else None
    )


def larger_batches(study: Study) -> dict[str, Rounds]:
    """Return how much more a siamese network gains by the paper's larger batches than the baseline, at as many updates.

    At as many epochs, larger batches make fewer updates: twice the batch size is compared at twice the epochs.
    """
    large, small = (paper.RESULTS[model].batch_size for model in ("siamese", "baseline"))
    return _beyond_the_baseline(
        study,
        f"batches of {large} instead of {small} at as many updates",
        lambda epochs, batch, rate: (epochs * small / large, small, rate) if batch == large else None,
    )


def _beyond_the_baseline(
    study: Study, what: str, counterpart: Callable[[float, float, float], Cell | None]
) -> dict[str, Rounds]:
    """Return, per grid round, the mean change from each cell's counterpart, a siamese network's minus the baseline's.

    `counterpart` takes epochs, batch size and learning rate. Only pairs of cells that both grids hold are compared.
    """
    errors = study.grid.pivot(index="round", columns=["model", *selection.CONFIGURATION], values="test_error")
    found: dict[str, Rounds] = {}
    for model in SIAMESE:
        both: list[set[Any]] = [{key[1:] for key in errors.columns if key[0] == name} for name in ("baseline", model)]
        shared = set.intersection(*both)
        pairs = [(at, other) for at in sorted(shared) if (other := counterpart(*at)) and other in shared]
        rounds = NOTHING
        if pairs:
            changes = [
                [errors[(name, *at)] - errors[(name, *other)] for at, other in pairs] for name in ("baseline", model)
            ]
            baseline, own = np.array(changes).mean(axis=1)  # NaN where a cell of the round diverged
            rounds = own - baseline
        found[f"{what}, `{model}` minus `baseline`"] = rounds
    return found


def batch_norm_after(study: Study) -> dict[str, Rounds]:
    """Return the baseline's test error with batch normalisation after the activation minus that before it."""
    if fresh := study.fresh.get("batch_norm"):  # the other place; the study's own is that of all other rounds
        sign = 1 if study.batch_norm == "before" else -1
        before, after = steady(study.on_new_pairs["baseline"]), steady(fresh["baseline"])
        return {"after minus before, `baseline`": sign * paired(before, after)}
    rounds = by_value(study.ablations, "batch_norm", "baseline")
    there = {"before", "after"} <= set(rounds)
    return {"after minus before, `baseline`": paired(rounds["before"], rounds["after"]) if there else NOTHING}


def late_rise(study: Study) -> dict[str, Rounds]:
    """Return the validation error of the last quarter of the epochs minus that of the quarter before, on one dataset.

    Epochs without a measurement are left out; a round without one in either quarter is NaN.
    """
    found: dict[str, Rounds] = {}
    for model in paper.RESULTS:
        curves = study.curves.get("fixed", {}).get(model)
        rise = NOTHING
        if curves is not None:
            quarter = np.ceil(4 * curves["epoch"] / curves["epoch"].max())
            means = curves.groupby(["round", quarter])["validation_error"].mean().unstack()
            rise = means.reindex(columns=[3, 4]).to_numpy(dtype=float) @ [-1, 1]
        found[f"late rise of the validation error of `{model}`"] = rise
    return found


def weight_decay(study: Study) -> dict[str, Rounds]:
    """Return the test error with each weight decay that was tried minus that with none."""
    found: dict[str, Rounds] = {}
    for model in paper.RESULTS:
        rounds = by_value(study.ablations, "weight_decay", model)
        without = rounds.pop(0.0, None)
        if without is None or not rounds:
            found[f"weight decay minus none, `{model}`"] = NOTHING
        else:
            found |= {
                f"weight decay {v:g} minus none, `{model}`": paired(without, table) for v, table in rounds.items()
            }
    return found


def parameters(study: Study) -> dict[str, Rounds]:
    """Return the siamese networks' number of parameters over the baseline's, counted on their definitions."""
    counts = study.parameters
    return {
        f"parameters of `{model}` over `baseline`": (
            counts[model] / counts["baseline"] if {model, "baseline"} <= set(counts) else NAN
        )
        for model in SIAMESE
    }


def final_after_grid(study: Study) -> dict[str, Rounds]:
    """Return the grid's rounds and the final ones of the chosen configurations, on the same pairs."""
    found: dict[str, Rounds] = {}
    for model in paper.RESULTS:
        if study.fresh.get("fixed"):
            both = [study.fresh[arm].get(model) for arm in ("grid", "fixed")]
        else:
            choice = study.selection.get(model)
            grid = cell(study.grid, model, choice["chosen"]) if choice else None
            both = [grid, study.final.get("fixed", {}).get(model)]
        first, second = (NOTHING if t is None else steady(t)["test_error"].to_numpy(dtype=float) for t in both)
        found[f"final minus grid, `{model}`"] = (first, second)
    return found
