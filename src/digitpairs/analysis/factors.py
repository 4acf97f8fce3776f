"""The 2 x 2 design: weights separate or shared, without or with auxiliary losses."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from digitpairs.analysis.inference import by_round, compare, corrected

DESIGN = ("twobranch", "twobranch_aux", "siamese", "siamese_aux")
# Contrasts of the 2 x 2 design over `DESIGN`: weights separate or shared, without or with auxiliary losses.
CONTRASTS = {"sharing": (-0.5, -0.5, 0.5, 0.5), "auxiliary": (-0.5, 0.5, -0.5, 0.5), "interaction": (1, -1, -1, 1)}


def two_factors(by_model: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Estimate main effects and interaction of sharing weights and auxiliary losses from each round's contrasts.

    Negative main effects lower the test error; a positive interaction says that the methods add less together than
    apart. Empty without the four models.
    """
    if not set(DESIGN) <= set(by_model):
        return {}
    errors = by_round(by_model[model] for model in DESIGN)
    effects = corrected(compare(errors @ np.array(weights)) for weights in CONTRASTS.values())
    return dict(zip(CONTRASTS, effects, strict=True))
