"""What a choice from the grid is worth: how stable it is, if other values bracket it, how much it flatters."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from digitpairs.analysis.inference import Estimate, interquartile_mean
from digitpairs.analysis.selection import CONFIGURATION, cell

DRAWS = 2000
SHOWN = 5
NEAR = 0.01  # of the least mean error: cells that no ten rounds tell apart


def stability(grid: pd.DataFrame, model: str, rule: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return how often a model's `chosen` cell would be chosen again, by a bootstrap over the grid's rounds.

    `frequency` is the share of `DRAWS` sets of rounds, drawn with replacement and the same for all cells, from which
    `selection.select` would choose that cell by the errors of `rule`, `cells` the number of cells that are ever chosen,
    `tied` that of cells within `NEAR` of the best, `often` the `SHOWN` cells that are chosen most often, with mean
    errors. Cells with a diverged round are left out, as `select` does where it can.
    """
    errors = _by_cell(grid, model, f"{rule}_error")
    if errors.empty:
        return {"frequency": float("nan"), "cells": 0, "tied": 0, "often": []}
    values = errors.to_numpy()
    n = values.shape[1]
    shares = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), DRAWS).T / n
    drawn = (values @ shares).round(12)
    around = values - values.mean(axis=1, keepdims=True)
    variances = (around**2 @ shares - (around @ shares) ** 2).round(12)
    # Of equal means the least deviation, of ties the first, which is the cheapest.
    best = np.where(drawn == drawn.min(axis=0), variances, np.inf).argmin(axis=0)
    means = values.mean(axis=1).round(12)
    frequencies = np.bincount(best, minlength=len(values)) / DRAWS
    own = errors.index.get_loc(tuple(chosen[key] for key in CONFIGURATION))
    most = [place for place in np.argsort(-frequencies, kind="stable")[:SHOWN] if frequencies[place]]
    return {
        "frequency": float(frequencies[own]),
        "cells": len(np.unique(best)),
        "tied": int((means <= means.min() + NEAR).sum()),
        "often": [
            dict(zip(CONFIGURATION, map(float, errors.index[place]), strict=True))
            | {"frequency": float(frequencies[place]), "error": float(means[place]), "chosen": bool(place == own)}
            for place in most
        ],
    }


def edges(grid: pd.DataFrame, model: str, configuration: Mapping[str, Any]) -> dict[str, str]:
    """Return which values of a configuration are the smallest or the largest of several that were tried."""
    tried = grid[grid["model"] == model]
    found = {}
    for key in CONFIGURATION:
        least, most = tried[key].min(), tried[key].max()
        if least < most and configuration[key] in (least, most):
            found[key] = "smallest" if configuration[key] == least else "largest"
    return found


def flattery(grid: pd.DataFrame, model: str, chosen: Mapping[str, Any]) -> Estimate:
    """Estimate by how much the test error of the cell `chosen` by it is too low, over the grid's rounds.

    Validation minus test error at that cell, less the mean of that difference over the cells within `NEAR` of the best:
    the difference of the two sets of pairs cancels, and what is left is the luck of the choice. It takes no further
    training.
    """
    test, validation = (_by_cell(grid, model, f"{rule}_error") for rule in ("test", "validation"))
    if test.empty:
        return interquartile_mean([])
    near = test.mean(axis=1) <= test.mean(axis=1).min() + NEAR
    others = (validation - test)[near].mean(axis=0)
    own = cell(grid, model, chosen).set_index("round")
    return interquartile_mean(own["validation_error"] - own["test_error"] - others)


def _by_cell(grid: pd.DataFrame, model: str, column: str) -> pd.DataFrame:
    """Return a column of a model's cells, shape (cells, rounds), cheapest first, without cells that diverged."""
    table = grid[grid["model"] == model].pivot(index=CONFIGURATION, columns="round", values=column).dropna()
    return table.sort_index(level=CONFIGURATION, ascending=[True, False, True])
