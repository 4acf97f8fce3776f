"""The looks of the models, the same in every figure and chart: this module needs no drawing library."""

import zlib
from collections.abc import Iterable, Sequence

UNIT = "fraction of pairs"

KNOWN = ("baseline", "siamese", "siamese_aux", "twobranch", "twobranch_aux", "deeper")  # their looks never change
BLACK = "#000000"
# Of the known models Okabe and Ito's (2008) palette; of others its black, then colours of Tol's (2021) muted scheme.
COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    *(BLACK, "#AA4499", "#999933", "#44AA99", "#CC6677", "#882255", "#DDCC77"),
)
MARKERS = "os^Dv<>PXph"  # matplotlib's


def assign(models: Iterable[str], looks: Sequence[str] = COLOURS) -> dict[str, str]:
    """Return {model: look}, which never depends on the other models.

    A known model has its own; the name of any other picks one of the rest. There are 7 such colours and 5 markers, so
    that two of these models seldom share both.
    """
    others = looks[len(KNOWN) :]
    return {
        model: looks[KNOWN.index(model)] if model in KNOWN else others[zlib.crc32(model.encode()) % len(others)]
        for model in models
    }
