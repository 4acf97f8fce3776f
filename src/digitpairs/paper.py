"""The numbers that the paper reports; its claims stand beside their tests, in `analysis.claims`."""

from typing import NamedTuple


class Result(NamedTuple):
    """Test error over 15 rounds (section IV) at the configuration that the grid search chose (section III.A)."""

    test_error: float
    test_error_std: float
    epochs: int
    batch_size: int
    learning_rate: float


ROUNDS = 15
RESULTS = {
    "baseline": Result(0.1835, 0.0066, 50, 50, 0.1),
    "siamese": Result(0.1108, 0.0057, 50, 100, 0.01),
    "siamese_aux": Result(0.0359, 0.0058, 50, 100, 0.01),
}
