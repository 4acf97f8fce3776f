"""Estimates with intervals, as statistics.json holds them, in figures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from digitpairs.analysis.inference import LEVEL
from digitpairs.reporting import palette

LABEL = f"{100 * LEVEL:g}% interval"


class Looks:
    """The colour and marker of each model in statistics.json."""

    def __init__(self, statistics: Mapping[str, Any]):
        # Those of the final rounds first, so that models which the palette does not know look as in the other figures.
        final = sorted({model for by_model in statistics["errors"].values() for model in by_model})
        self.models = [*final, *sorted(set(statistics["more_data"]) - set(final))]
        self.colours = palette.assign(self.models)
        self.markers = palette.assign(self.models, palette.MARKERS)

    def points(self, axes: Axes, x: Any, summaries: Sequence[Mapping[str, Any]], model: str) -> Line2D:
        """Draw a model's estimates with their intervals; return the entry of the legend."""
        style: dict[str, Any] = {"color": self.colours[model], "marker": self.markers[model], "linestyle": ""}
        axes.errorbar(x, *bars(summaries), capsize=3, **style)
        return Line2D([], [], label=f"{model} ({count(summaries)})", **style)


def bars(summaries: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[list[float]]]:
    """Return estimates, and the lengths of their intervals below and above (0 for an interval that is missing)."""
    middle = [float("nan") if s["estimate"] is None else s["estimate"] for s in summaries]
    sides = [
        [0.0 if s["low"] is None else sign * (s[bound] - s["estimate"]) for s in summaries]
        for bound, sign in (("low", -1), ("high", 1))
    ]
    return middle, sides


def count(summaries: Iterable[Mapping[str, Any]]) -> str:
    """Return the number of rounds, and of those that diverged, as text."""
    counts = {(summary["n"], summary["diverged"]) for summary in summaries}
    diverged = max(gone for _, gone in counts)
    n = " or ".join(str(n) for n in sorted({n for n, _ in counts}))
    return f"n = {n}" + (f", up to {diverged} diverged" if diverged else "")


def key() -> Line2D:
    """Return the legend's entry for intervals."""
    return Line2D([], [], color="0.3", marker="|", markersize=9, linestyle="-", label=LABEL)
