"""Loss spikes: rounds whose training fell apart at the end.

Adam's loss leaps now and then, far above where it was, and takes some epochs to come back. A round that ends in such a
leap has not learnt less: it was stopped at a bad moment. Its probability is a finding of its own.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from digitpairs.analysis.inference import proportion, summarise, to_dict

# Fixed before the rounds that are judged were run, from training alone: no test error is looked at.
LOSS = 10  # times the median of the configuration's rounds, so that none is marked for having converged less
RISE = 0.03  # of the loss, in nats: a confident wrong answer in a hundred costs as much
ERROR = 0.01  # above that median: one training pair in a hundred, which a leap between tiny losses does not cost


def spiked(rounds: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rounds of one configuration ended in a loss spike, shape (rounds,).

    A spike is a training loss above `LOSS` times the median of the configuration's rounds, with a training error at
    least `ERROR` above theirs, both after the last epoch. Where most rounds have not converged, the median is large and
    marks none. A diverged round (NaN) is none: it is counted apart.
    """
    loss, error = rounds["train_loss"], rounds["train_error"]
    leapt = (loss > LOSS * loss.median()) & (error >= error.median() + ERROR - 1e-9)  # rounding, of counts of pairs
    return leapt.to_numpy(dtype=bool)


def late(curves: pd.DataFrame) -> pd.Series:
    """Count the epochs of each round's second half whose training loss is a spike, by round.

    Of the epochs with a point in the learning curves. A spike is a loss above `LOSS` times the round's own median in
    those epochs, and at least `RISE` above it. A diverged round has none.
    """
    half = curves[curves["epoch"] > curves["epoch"].max() / 2]
    median = half.groupby("round")["train_loss"].transform("median")
    leapt = (half["train_loss"] > LOSS * median) & (half["train_loss"] >= median + RISE)
    counts: pd.Series = leapt.groupby(half["round"]).sum()
    return counts


def probability(rounds: pd.DataFrame) -> dict[str, Any]:
    """Estimate the probability of a spike, and the mean test error of the rounds without one."""
    marked = spiked(rounds)
    calm = rounds["test_error"][~marked]
    return proportion(int(marked.sum()), int(rounds["train_loss"].count()))._asdict() | {
        "spikes": int(marked.sum()),
        "without": to_dict(summarise(calm)),
    }
