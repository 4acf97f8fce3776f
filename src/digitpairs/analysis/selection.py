"""The choice of a configuration for each model from the grid (section III.A)."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

CONFIGURATION = ["epochs", "batch_size", "learning_rate"]
RULES = ("validation", "test")


def summarise_cells(grid: pd.DataFrame) -> pd.DataFrame:
    """Summarise the grid, one row a round, to one row a cell, in order of value.

    The columns are `model`, `epochs`, `batch_size`, `learning_rate`, `n_rounds`, `diverged_rounds`, and mean and
    standard deviation (ddof = 1; NaN for one round) of the rounds that did not diverge: `validation_error`,
    `validation_error_std`, `test_error`, `test_error_std`.
    """
    errors = [f"{rule}_error" for rule in RULES]
    key = ["model", *CONFIGURATION]
    # Sorted, because a sum of floats depends on the order of its terms.
    rounds = grid.sort_values([*key, "round"]).groupby(key)
    table = pd.DataFrame({"n_rounds": rounds.size(), "diverged_rounds": rounds.size() - rounds["train_loss"].count()})
    for error in errors:
        # Errors are counts over a few hundred pairs or more: 12 decimals keep every count apart and make ties equal.
        table[error] = rounds[error].mean().round(12)
        table[f"{error}_std"] = rounds[error].std().round(12)
    return table.reset_index()


def select(grid: pd.DataFrame, by: str) -> dict[str, dict[str, Any]]:
    """Choose each model's configuration by validation error and, as the paper does, by test error.

    The smallest mean error wins, then the smaller deviation (section III.A); what is still tied is decided by cost:
    fewer epochs, the larger batch, the smaller learning rate. A cell with a diverged round is chosen only where every
    cell has one: of the cells with the fewest.

    Returns {model: {"by", "chosen", "validation", "test", "diverged"}}: `validation` and `test` hold the cell that the
    rule chooses with its errors, `chosen` the configuration alone that the rule `by` chooses, `diverged` the cells
    with diverged rounds.
    """
    selection: dict[str, dict[str, Any]] = {}
    for model, table in summarise_cells(grid).groupby("model"):
        diverged = table["diverged_rounds"] > 0
        fewest = table[table["diverged_rounds"] == table["diverged_rounds"].min()]
        chosen = {rule: _best(fewest, rule) for rule in RULES}
        selection[str(model)] = {
            "by": by,
            "chosen": {key: chosen[by][key] for key in CONFIGURATION},
            "diverged": table.loc[diverged, [*CONFIGURATION, "diverged_rounds"]].to_dict("records"),
            **chosen,
        }
    return selection


def _best(table: pd.DataFrame, rule: str) -> dict[str, Any]:
    order = [f"{rule}_error", f"{rule}_error_std", *CONFIGURATION]
    best = table.sort_values(order, ascending=[True, True, True, False, True]).iloc[:1]
    return best.drop(columns=["model", "diverged_rounds"]).to_dict("records")[0]  # type: ignore[return-value]


def cell(grid: pd.DataFrame, model: str, configuration: Mapping[str, Any]) -> pd.DataFrame:
    """Return the grid's rounds of one configuration."""
    at = grid[CONFIGURATION] == [configuration[key] for key in CONFIGURATION]
    return grid[at.all(axis=1) & (grid["model"] == model)]
