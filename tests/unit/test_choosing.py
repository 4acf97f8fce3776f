"""What a choice from the grid is worth, on grids that are made for it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from digitpairs.analysis import choosing
from digitpairs.analysis.selection import select

N = 10


def grid(
    errors: dict[tuple[int, int, float], np.ndarray], test: dict[tuple[int, int, float], np.ndarray] | None = None
) -> pd.DataFrame:
    """The grid of cells (epochs, batch size, learning rate) from their validation errors, and test errors if others."""
    return pd.concat(
        pd.DataFrame({"round": range(N), "validation_error": values, "test_error": (test or errors)[key]}).assign(
            model="siamese", epochs=key[0], batch_size=key[1], learning_rate=key[2], train_loss=values
        )
        for key, values in errors.items()
    )


def stability(table: pd.DataFrame) -> dict[str, Any]:
    """Return the stability of the study's choice by validation error."""
    chosen = select(table, "validation")["siamese"]["chosen"]
    return choosing.stability(table, "siamese", "validation", chosen)


def test_a_clear_choice_is_stable() -> None:
    noise = np.random.default_rng(0).normal(0, 0.002, (2, N))
    table = grid({(25, 50, 0.1): 0.1 + noise[0], (50, 50, 0.1): 0.2 + noise[1]})
    found = stability(table)
    cell = {"epochs": 25, "batch_size": 50, "learning_rate": 0.1, "frequency": 1, "chosen": True}
    assert found == {"frequency": 1, "cells": 1, "tied": 1, "often": [cell | {"error": pytest.approx(0.1, abs=0.01)}]}


def test_a_choice_among_equals_is_not() -> None:
    """Of four equal cells, the best of ten rounds is the best again in little more than a half."""
    rng = np.random.default_rng(0)
    tables = [grid({(e, 50, 0.1): rng.normal(0.1, 0.01, N) for e in (1, 2, 3, 4)}) for _ in range(60)]
    found = [stability(table) for table in tables]
    assert 0.5 < np.mean([entry["frequency"] for entry in found]) < 0.7
    assert np.mean([entry["tied"] for entry in found]) > 3
    often = found[0]["often"]
    assert len(often) == found[0]["cells"]
    assert sum(cell["frequency"] for cell in often) == pytest.approx(1)
    assert [cell["frequency"] for cell in often] == sorted((cell["frequency"] for cell in often), reverse=True)
    assert stability(tables[0]) == found[0]
    assert {cell["chosen"] for cell in often} == {True, False}


def test_ties_go_to_the_cheapest_and_diverged_cells_are_left_out() -> None:
    gone = np.full(N, 0.1)
    gone[3] = np.nan
    table = grid({(25, 50, 0.1): gone, (50, 50, 0.1): np.full(N, 0.2), (50, 100, 0.1): np.full(N, 0.2)})
    found = stability(table)
    assert (found["frequency"], found["cells"], found["tied"], len(found["often"])) == (1, 1, 2, 1)
    assert np.isnan(stability(grid({(25, 50, 0.1): gone}))["frequency"])
    assert np.isnan(choosing.flattery(grid({(25, 50, 0.1): gone}), "siamese", {}).low)


def test_of_equal_means_the_least_deviation_is_chosen_again() -> None:
    """As the study chooses; a rule without the deviation would count the other cell, which is cheaper."""
    uneven = np.where(np.arange(N) % 2, 0.02, 0.04)
    even = np.full(N, 0.03)
    found = stability(grid({(25, 50, 0.1): uneven, (50, 50, 0.1): even}))
    (own,) = (cell for cell in found["often"] if cell["chosen"])
    assert (own["epochs"], own["frequency"]) == (50, found["frequency"])
    lower = np.random.default_rng(0).multinomial(N, np.full(N, 1 / N), choosing.DRAWS) @ uneven < N * 0.03 - 1e-9
    assert found["frequency"] == pytest.approx(1 - lower.mean())


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ((50, 50, 0.1), {}),
        ((25, 50, 0.1), {"epochs": "smallest"}),
        ((100, 50, 1.0), {"epochs": "largest", "learning_rate": "largest"}),
    ],
)
def test_edges(configuration: tuple[int, int, float], expected: dict[str, str]) -> None:
    """A value that was the only one tried is no edge."""
    table = grid({(e, 50, rate): np.full(N, 0.1) for e in (25, 50, 100) for rate in (0.01, 0.1, 1.0)})
    names = ("epochs", "batch_size", "learning_rate")
    assert choosing.edges(table, "siamese", dict(zip(names, configuration, strict=True))) == expected


def test_flattery_is_the_luck_of_the_choice() -> None:
    """Of 30 equal cells whose own test pairs differ by chance, the chosen one's error is too low by that chance."""
    rng = np.random.default_rng(0)
    luck = dict(zip([(e, 50, 0.1) for e in range(1, 31)], rng.normal(0, 0.002, 30), strict=True))
    validation = {key: 0.1 + rng.normal(0, 0.001, N) for key in luck}
    table = grid(validation, {key: 0.12 + value + rng.normal(0, 0.001, N) for key, value in luck.items()})
    best = min(luck, key=lambda key: luck[key])
    found = choosing.flattery(table, "siamese", dict(zip(("epochs", "batch_size", "learning_rate"), best, strict=True)))
    assert found.low <= np.mean(list(luck.values())) - luck[best] <= found.high
    assert found.low > 0
