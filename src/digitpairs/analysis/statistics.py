"""The tables of statistics.json: errors, differences, optimism, the 2 x 2 design, ablations, power laws."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from digitpairs import paper
from digitpairs.analysis import choosing, spikes
from digitpairs.analysis.factors import two_factors
from digitpairs.analysis.inference import (
    NAN,
    TEST,
    Estimate,
    compare,
    corrected,
    interquartile_mean,
    paired,
    prediction,
    student_mean,
    summarise,
    to_dict,
)
from digitpairs.analysis.selection import CONFIGURATION, RULES, cell
from digitpairs.tables import Tables, by_value

HOW = {
    "comparison": (
        "interquartile mean of the differences, paired over rounds: a quarter of the rounds at either end is left out, "
        "so that one round that ends in a loss spike decides nothing"
    ),
    "interval": (
        "95%; of an interquartile mean by Tukey and McLaughlin, of a mean by Student, of a probability by Clopper and "
        "Pearson; that of rounds which share a dataset speaks for that dataset alone"
    ),
    "test": f"{TEST}, two-sided",
    "correction": (
        "Holm; a family is a protocol's pairs of models, a protocol's two-factor effects, or an ablated parameter's "
        "values and models"
    ),
    "loss spike": (
        f"a training loss after the last epoch above {spikes.LOSS} times the median of the configuration's rounds, "
        f"and a training error at least {spikes.ERROR:g} above the median"
    ),
}


def tabulate(
    final: Tables,
    grid: pd.DataFrame,
    selection: Mapping[str, Any],
    train: Mapping[str, Any],
    ablations: pd.DataFrame | None = None,
    more_data: pd.DataFrame | None = None,
    published: Mapping[str, paper.Result] = paper.RESULTS,
) -> dict[str, Any]:
    """Compute the content of statistics.json from the tables of the workflow.

    `selection` is the content of selection.json; `train` is the section of params.yaml, the reference of the ablations;
    `published` are the paper's results on these data, by model.
    Errors are fractions of pairs. Missing parts are empty, missing numbers NaN.
    """
    return {
        "methods": HOW,
        "errors": {p: {m: _error(rounds, published.get(m)) for m, rounds in by.items()} for p, by in final.items()},
        "differences": [row for protocol, by in final.items() for row in differences(protocol, by)],
        "optimism": optimism(final, grid, selection),
        "at_the_papers": at_the_papers(grid, selection, published),
        "two_factors": {p: effects for p, by in final.items() if (effects := two_factors(by))},
        "ablations": [] if ablations is None else ablation_effects(ablations, train),
        "more_data": {} if more_data is None else power_laws(more_data),
    }


def _error(rounds: pd.DataFrame, result: paper.Result | None) -> dict[str, Any]:
    """Summarise test errors and loss spikes, and test if the paper's mean lies in the errors' prediction interval.

    The paper's rounds share a dataset that is not ours: only a prediction from rounds on new pairs allows for that.
    """
    low, high = prediction(rounds["test_error"])
    published = result.test_error if result else None
    return to_dict(summarise(rounds["test_error"])) | {
        "interquartile_mean": interquartile_mean(rounds["test_error"])._asdict(),
        "spike": spikes.probability(rounds),
        "prediction_low": low,
        "prediction_high": high,
        "paper": published,
        "paper_in_prediction": None if published is None or np.isnan(low) else low <= published <= high,
    }


def differences(protocol: str, by_model: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Compare the test errors of all pairs of models, paired over a protocol's rounds."""
    pairs = list(combinations(by_model, 2))
    tests = corrected(compare(paired(by_model[first], by_model[second])) for first, second in pairs)
    return [
        {"protocol": protocol, "first": first, "second": second} | test
        for (first, second), test in zip(pairs, tests, strict=True)
    ]


def fresh_rounds(final: Tables, model: str, choice: Mapping[str, Any], rule: str) -> pd.DataFrame | None:
    """Return the rounds on new pairs at a rule's configuration, or None."""
    same = all(choice[rule][key] == choice["chosen"][key] for key in CONFIGURATION)
    return final.get("resampled" if same else f"resampled_by_{rule}", {}).get(model)


def at_the_papers(
    grid: pd.DataFrame, selection: Mapping[str, Any], published: Mapping[str, paper.Result]
) -> dict[str, Any]:
    """Estimate the test error of the grid's rounds at the paper's own configurations, where the grid has them."""
    rounds = {m: cell(grid, m, result._asdict()) for m, result in published.items() if m in selection}
    return {m: compare(table["test_error"]) for m, table in rounds.items() if len(table)}


def optimism(final: Tables, grid: pd.DataFrame, selection: Mapping[str, Any]) -> dict[str, Any]:
    """Compare the test error of each rule's choice in the grid with that on new pairs.

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
        "test_minus_validation": {"apparent": compare(paired(apparent["validation"], apparent["test"]))},
        "stability": choosing.stability(grid, model, choice["by"], choice["chosen"]),
        "edges": choosing.edges(grid, model, choice["chosen"]),
        "flattery": choosing.flattery(grid, model, choice["test"])._asdict(),
    }
    if fresh["validation"] is not None and fresh["test"] is not None:
        entry["test_minus_validation"]["fresh"] = compare(paired(fresh["validation"], fresh["test"]))
    for rule in RULES:
        shown = summarise(apparent[rule]["test_error"])
        entry[rule] = {
            "configuration": {key: choice[rule][key] for key in CONFIGURATION},
            "apparent": to_dict(shown),
        }
        rounds = fresh[rule]
        if rounds is not None:
            found = summarise(rounds["test_error"])
            low, high = (bound - shown.mean for bound in prediction(rounds["test_error"]))
            entry[rule]["fresh"] = to_dict(found)
            entry[rule]["optimism"] = Estimate(found.mean - shown.mean, low, high, found.n, found.diverged)._asdict()
    return entry


def ablation_effects(ablations: pd.DataFrame, train: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Compare each value of a training parameter with the study's own, paired over (model, round)."""
    rows: list[dict[str, Any]] = []
    for parameter in ablations["parameter"].unique():
        family = []
        for model in ablations["model"].unique():
            of_value = by_value(ablations, parameter, model)
            reference = of_value.pop(train[parameter], None)
            if reference is not None:
                key = {"parameter": parameter, "reference": train[parameter], "model": model}
                family += [key | {"value": v} | compare(paired(reference, rounds)) for v, rounds in of_value.items()]
        rows += corrected(family)
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
    points = [{"n_train": size} | to_dict(summarise(row)) for size, row in errors.iterrows()]
    law: dict[str, Any] = {"points": points, "exponent": Estimate(NAN, NAN, NAN, 0)._asdict()}
    fitted = errors.loc[:, (errors > 0).all()]
    if len(errors) > 1 and fitted.shape[1]:
        sizes, logs = np.log(fitted.index.to_numpy(dtype=float)), np.log(fitted.to_numpy())
        slopes, levels = np.polyfit(sizes, logs, 1)
        exponent = student_mean(-slopes)._replace(diverged=errors.shape[1] - len(slopes))
        residuals = logs.mean(axis=1) - (slopes.mean() * sizes + levels.mean())
        law |= {
            "exponent": exponent._asdict(),
            "scale": float(np.exp(levels.mean())),
            "departure": float(np.abs(np.expm1(residuals)).max()),
        }
    return law
