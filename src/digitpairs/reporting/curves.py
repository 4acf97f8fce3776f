"""Learning curves: their columns with labels, and the rounds that are drawn."""

import pandas as pd

from digitpairs.reporting.palette import UNIT

LABELS = {"train_loss": "Training loss (nats, log scale)", "validation_error": f"Validation error ({UNIT})"}


def whole_rounds(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of rounds that did not diverge."""
    return table.groupby("round").filter(lambda one_round: bool(one_round["train_loss"].notna().all()))
