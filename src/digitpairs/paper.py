"""The numbers that the paper reports; its claims stand beside their tests, in `analysis.claims`."""

from collections.abc import Mapping
from typing import NamedTuple


class Result(NamedTuple):
    """Test error over 15 rounds (section IV) at the configuration that the grid search chose (section III.A)."""

    test_error: float
    test_error_std: float
    epochs: int
    batch_size: int
    learning_rate: float


SOURCES = ("bundled", "mnist")  # of `data.source`: those of the paper's data
ROUNDS = 15
RESULTS = {
    "baseline": Result(0.1835, 0.0066, 50, 50, 0.1),
    "siamese": Result(0.1108, 0.0057, 50, 100, 0.01),
    "siamese_aux": Result(0.0359, 0.0058, 50, 100, 0.01),
}


def published(source: str) -> Mapping[str, Result]:
    """Return the paper's results by model where `data.source` is of its data, MNIST; of any other data it has none."""
    return RESULTS if source in SOURCES else {}
