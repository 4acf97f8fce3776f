"""The looks of the models, the same in every figure and chart: this module needs no drawing library."""

from collections.abc import Iterable, Sequence
from itertools import cycle

UNIT = "fraction of pairs"

KNOWN = ("baseline", "siamese", "siamese_aux", "twobranch", "twobranch_aux", "deeper")  # their looks never change
BLACK = "#000000"
# Of the known models Okabe and Ito's (2008) palette; of others its black, then colours of Tol's (2021) muted scheme.
COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    *(BLACK, "#332288", "#882255", "#999933", "#44AA99"),
)
MARKERS = "os^Dv<>PXph"  # matplotlib's


def assign(models: Iterable[str], looks: Sequence[str] = COLOURS) -> dict[str, str]:
    """Return {model: look}. A known model has its own; the others take the remaining looks in turn, in their order."""
    others = cycle(looks[len(KNOWN) :])
    return {model: looks[KNOWN.index(model)] if model in KNOWN else next(others) for model in models}
