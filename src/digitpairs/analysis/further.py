"""The numbers of the further parts in statistics.json: fresh rounds, loss spikes, variance, other data, least error.

Each function takes one table of the workflow. Errors are fractions of pairs.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from digitpairs.analysis import spikes
from digitpairs.analysis.components import CROSSED, other_data, seed_components, variance_components
from digitpairs.analysis.inference import (
    by_round,
    compare,
    corrected,
    interquartile_mean,
    paired,
    proportion,
    summarise,
    to_dict,
)
from digitpairs.tables import PAIRED_ANEW, by_protocol

METHODS = {"sharing": ("baseline", "siamese"), "auxiliary losses": ("siamese", "siamese_aux")}
WHOLE = "nothing"  # left out of the recipe


def tabulate(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Compute the numbers of each part from its table, {part: table}; a part without a table is empty."""
    return {name: compute(tables[name]) if name in tables else {} for name, compute in COMPUTED.items()}


def fresh(table: pd.DataFrame) -> dict[str, Any]:
    """Summarise fresh rounds on new pairs: {model: error, error on the test images paired anew, loss spikes}."""
    return {model: _fresh(rounds) for model, rounds in by_protocol(table, "arm").get("resampled", {}).items()}


def _fresh(rounds: pd.DataFrame) -> dict[str, Any]:
    anew = rounds.get(PAIRED_ANEW, pd.Series(dtype=float))
    return _means(rounds["test_error"]) | {"paired_anew": _means(anew), "spike": spikes.probability(rounds)}


def _means(errors: "pd.Series[Any]") -> dict[str, Any]:
    return to_dict(summarise(errors)) | {"interquartile_mean": interquartile_mean(errors)._asdict()}


def spike_rates(table: pd.DataFrame) -> dict[str, Any]:
    """Estimate how often rounds spike at each value of a parameter of Adam: {parameter: [row of a value]}.

    `late` is the probability that a round spikes at a measured epoch of its second half, `ended` that it ends in one.
    Both are compared with the chosen value, which all parameters share, over rounds on the same pairs: `change` is that
    of the error, `late_change` has the p of McNemar's exact test of `late`. Each is corrected for the number of values.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    tests: dict[str, list[dict[str, Any]]] = {"change": [], "late_change": []}
    for parameter, rows in table.groupby("parameter", sort=False):
        reference = rows[rows["chosen"]]
        found[str(parameter)] = []
        for value, rounds in rows.groupby("value"):
            row = {
                "value": float(str(value)),
                "chosen": bool(rounds["chosen"].all()),
                "late": _share(rounds["late_spikes"] > 0, rounds),
                "ended": _share(spikes.spiked(rounds), rounds),
                "error": interquartile_mean(rounds["test_error"])._asdict(),
            }
            found[str(parameter)].append(row)
            if not row["chosen"]:
                tests["change"].append({"of": row} | compare(paired(reference, rounds)))
                tests["late_change"].append({"of": row, "p": _mcnemar(reference, rounds)})
    for name, family in tests.items():
        for test in corrected(family):
            test.pop("of")[name] = test
    return found


def _mcnemar(first: pd.DataFrame, second: pd.DataFrame) -> float:
    """Return the p of McNemar's exact test: rounds that spike at one value alone, at either as often by chance.

    A round that diverged at one of them tells nothing.
    """
    spike = [(rounds["late_spikes"] > 0).where(rounds["train_loss"].notna()) for rounds in (first, second)]
    both = by_round([rounds.assign(spike=it) for rounds, it in zip((first, second), spike, strict=True)], "spike")
    either = [int(np.sum(row)) for row in ((both[:, 0] > both[:, 1]), (both[:, 1] > both[:, 0]))]
    return float(binomtest(either[0], sum(either)).pvalue) if sum(either) else 1.0


def _share(marked: Any, rounds: pd.DataFrame) -> dict[str, Any]:
    count = int(np.asarray(marked).sum())
    return proportion(count, int(rounds["train_loss"].count()))._asdict() | {"spikes": count}


def variance(table: pd.DataFrame) -> dict[str, Any]:
    """Estimate where the variance between rounds comes from: {model: levels, mean, diverged, components, seed}.

    `seed` is the share of the variance that belongs to all that a seed decides, whatever the data set.
    """
    found = {}
    seeds = seed_components(table)
    for model, components in variance_components(table).items():
        rows = table[table["model"] == model]
        total = sum(max(0.0, component.estimate) for component in seeds[model].values()) or 1.0
        found[model] = {
            "levels": {factor: int(rows[factor].nunique()) for factor in CROSSED},
            "mean": float(rows["test_error"].mean()),
            "diverged": int(rows["test_error"].isna().sum()),
            "components": {name: component._asdict() for name, component in components.items()},
            "seed": {key: value / total for key, value in seeds[model]["seed"]._asdict().items()} if components else {},
        }
    return found


def others(table: pd.DataFrame) -> dict[str, Any]:
    """Estimate errors, and gains of both methods, on disjoint sets of digits.

    Returns {name: mean, between, within, sets, and the mean `without` the rounds that end in a loss spike}.
    """
    models = (rows for _, rows in table.groupby("model", sort=False))
    calm_rounds = (rows.assign(test_error=rows["test_error"].mask(spikes.spiked(rows))) for rows in models)
    calm = other_data(pd.concat(calm_rounds), METHODS)
    return {
        name: found._asdict()
        | {key: getattr(found, key)._asdict() for key in ("mean", "between", "within")}
        | {"without": calm[name].mean._asdict() | {"spikes": calm[name].diverged - found.diverged}}
        for name, found in other_data(table, METHODS).items()
    }


def least_error(table: pd.DataFrame) -> dict[str, Any]:
    """Summarise the recipe, and what each part of it gives: {part left out: error, change of the error}."""
    by_part = {str(part): rounds for part, rounds in table.groupby("left_out", sort=False)}
    whole = by_part[WHOLE]
    parts = {part: rounds for part, rounds in by_part.items() if part != WHOLE}
    changes = corrected(compare(paired(whole, rounds)) for rounds in parts.values())
    return {WHOLE: {"error": _means(whole["test_error"])}} | {
        part: {"error": _means(rounds["test_error"]), "change": change}
        for (part, rounds), change in zip(parts.items(), changes, strict=True)
    }


COMPUTED = {
    "fresh": fresh,
    "least_error": least_error,
    "variance": variance,
    "spikes": spike_rates,
    "other_data": others,
}
