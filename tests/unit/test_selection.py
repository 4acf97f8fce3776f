"""The choice of configurations."""

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitpairs import tables
from digitpairs.analysis import selection


def grid(cells: dict[tuple[int, int, float], tuple[list[float], list[float]]], model: str = "baseline") -> pd.DataFrame:
    """Rows of cells (epochs, batch size, learning rate) from their validation and test errors."""
    return pd.DataFrame(
        {
            "model": model,
            "batch_size": batch_size,
            "learning_rate": rate,
            "epochs": epochs,
            "round": number,
            "train_loss": validation * 0 + 0.1,
            "train_error": 0.0,
            "validation_error": validation,
            "test_error": test,
        }
        for (epochs, batch_size, rate), rounds in cells.items()
        for number, (validation, test) in enumerate(zip(*rounds, strict=True))
    )


def chosen(table: pd.DataFrame, by: str = "validation") -> tuple[float, ...]:
    return tuple(selection.select(table, by)["baseline"]["chosen"][key] for key in selection.CONFIGURATION)


def test_each_rule_looks_at_its_own_error() -> None:
    table = grid({(25, 50, 0.1): ([0.1, 0.2], [0.4, 0.4]), (50, 50, 0.1): ([0.3, 0.3], [0.2, 0.3])})
    assert chosen(table, "validation") == (25, 50, 0.1)
    assert chosen(table, "test") == (50, 50, 0.1)
    entry = selection.select(table, "test")["baseline"]
    assert entry["validation"] == {
        "epochs": 25,
        "batch_size": 50,
        "learning_rate": 0.1,
        "n_rounds": 2,
        "validation_error": 0.15,
        "validation_error_std": pytest.approx(np.std([0.1, 0.2], ddof=1)),
        "test_error": 0.4,
        "test_error_std": 0.0,
    }


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        pytest.param({(99, 1, 1.0): [0.2, 0.2]}, {(1, 99, 0.1): [0.1, 0.3]}, id="smaller deviation"),
        pytest.param({(25, 50, 1.0): [0.1, 0.3]}, {(50, 99, 0.1): [0.3, 0.1]}, id="fewer epochs"),
        pytest.param({(25, 99, 1.0): [0.1, 0.3]}, {(25, 50, 0.1): [0.3, 0.1]}, id="larger batch"),
        pytest.param({(25, 50, 0.1): [0.1, 0.3]}, {(25, 50, 1.0): [0.3, 0.1]}, id="smaller learning rate"),
        # Equal counts of errors whose floating-point sums differ.
        pytest.param({(25, 50, 0.1): [0.1, 0.7, 0.2]}, {(50, 50, 0.1): [0.2, 0.1, 0.7]}, id="equal but for rounding"),
    ],
)
def test_ties(
    better: dict[tuple[int, int, float], list[float]], worse: dict[tuple[int, int, float], list[float]]
) -> None:
    table = grid({cell: (values, values) for cell, values in (better | worse).items()})
    assert chosen(table, "validation") == chosen(table, "test") == next(iter(better))


def test_a_diverged_cell_is_listed_and_never_chosen() -> None:
    nan = float("nan")
    table = grid({(25, 50, 0.1): ([0.0, nan], [0.0, nan]), (50, 50, 0.1): ([0.5, 0.5], [0.5, 0.5])})
    assert chosen(table) == chosen(table, "test") == (50, 50, 0.1)
    diverged = [{"epochs": 25, "batch_size": 50, "learning_rate": 0.1, "diverged_rounds": 1}]
    assert selection.select(table, "test")["baseline"]["diverged"] == diverged


def test_where_every_cell_diverged_one_with_the_fewest_such_rounds_is_chosen() -> None:
    nan = float("nan")
    table = grid({(25, 50, 0.1): ([0.0, nan, nan],) * 2, (50, 50, 0.1): ([0.5, 0.5, nan],) * 2})
    assert chosen(table) == chosen(table, "test") == (50, 50, 0.1)
    gone = selection.select(grid({(25, 50, 0.1): ([nan, nan],) * 2}), "validation")
    assert json.loads(tables.to_json(gone))["baseline"]["validation"]["validation_error"] is None
    assert len(gone["baseline"]["diverged"]) == 1


def test_one_round_has_no_deviation() -> None:
    table = grid({(25, 50, 0.1): ([0.25], [0.5])})
    assert json.loads(tables.to_json(selection.select(table, "test")))["baseline"]["test"]["test_error_std"] is None


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_the_order_of_rows_does_not_matter_and_no_diverged_cell_is_chosen(data: st.DataObject) -> None:
    share = st.integers(0, 50).map(lambda count: count / 500) | st.just(float("nan"))
    cells = {
        cell: data.draw(st.lists(share, min_size=3, max_size=3)) for cell in product((25, 50), (50, 100), (0.1, 1.0))
    }
    cells[(1, 1, 1.0)] = [0.1, 0.1, 0.1]  # at least one that can be chosen
    table = pd.concat([grid({k: (v, v[::-1]) for k, v in cells.items()}, model) for model in ("siamese", "baseline")])
    order = data.draw(st.permutations(range(len(table))))
    for by in selection.RULES:
        expected = tables.to_json(selection.select(table, by))
        assert tables.to_json(selection.select(table.iloc[order], by)) == expected
        chosen = [of_model[rule] for of_model in json.loads(expected).values() for rule in selection.RULES]
        assert all(cell["validation_error"] is not None for cell in chosen)  # none in which a round diverged
