"""Loss spikes, told from training alone."""

import numpy as np
import pandas as pd
import pytest

from digitpairs.analysis import spikes

NAN = float("nan")


def rounds(losses: list[float], errors: list[float], test_errors: list[float] | None = None) -> pd.DataFrame:
    return pd.DataFrame({"train_loss": losses, "train_error": errors, "test_error": test_errors or errors})


@pytest.mark.parametrize(
    ("loss", "error", "spike"),
    [
        pytest.param(0.34, 0.105, True, id="a leap"),
        pytest.param(0.02, 0.01, True, id="one pair in a hundred"),
        pytest.param(0.02, 0.009, False, id="that costs nothing"),
        pytest.param(9e-4, 0.0, False, id="between tiny losses"),
        pytest.param(NAN, NAN, False, id="diverged"),
    ],
)
def test_a_spike_is_told_from_training(loss: float, error: float, spike: bool) -> None:
    table = rounds([1e-4, 2e-5, 5e-5, loss, 8e-5], [0, 0, 0, error, 0])
    assert spikes.spiked(table).tolist() == [False, False, False, spike, False]


def test_rounds_that_have_not_converged_are_none() -> None:
    table = rounds([0.05, 0.3, 0.6, 0.02, 0.4], [0.01, 0.1, 0.2, 0.0, 0.15])
    assert not spikes.spiked(table).any()


def test_a_model_that_never_learns_does_not_spike() -> None:
    table = rounds([0.69, 0.7, 0.72, 0.71], [0.45, 0.46, 0.5, 0.44])
    assert not spikes.spiked(table).any()
    assert not spikes.spiked(rounds([NAN] * 3, [NAN] * 3)).any()


def test_the_order_of_rounds_and_their_test_errors_do_not_matter() -> None:
    table = rounds([1e-4, 0.3, 1e-4], [0, 0.1, 0], [0.9, 0.02, 0.02])
    assert spikes.spiked(table).tolist() == [False, True, False]
    assert spikes.spiked(table.iloc[[1, 0, 2]]).tolist() == [True, False, False]


def test_probability_and_the_mean_without_spikes() -> None:
    found = spikes.probability(rounds([1e-4] * 8 + [0.3, NAN], [0] * 8 + [0.1, NAN], [*np.full(8, 0.02), 0.15, NAN]))
    assert (found["spikes"], found["n"], found["estimate"]) == (1, 9, pytest.approx(1 / 9))
    assert 0 < found["low"] < 1 / 9 < found["high"] < 0.5
    assert found["without"]["estimate"] == pytest.approx(0.02)
    assert (found["without"]["n"], found["without"]["diverged"]) == (8, 1)
