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


def probability(rounds: pd.DataFrame) -> dict[str, Any]:
    """Estimate the probability of a spike, and the mean test error of the rounds without one."""
    marked = spiked(rounds)
    calm = rounds["test_error"][~marked]
    return proportion(int(marked.sum()), int(rounds["train_loss"].count()))._asdict() | {
        "spikes": int(marked.sum()),
        "without": to_dict(summarise(calm)),
    }
