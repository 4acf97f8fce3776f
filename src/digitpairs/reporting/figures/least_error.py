"""The least error at as many training pairs: the recipe, and what each of its parts gives."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from digitpairs.analysis.further import WHOLE
from digitpairs.reporting import intervals
from digitpairs.reporting.palette import UNIT
from digitpairs.reporting.style import new_figure, note

READS = ("statistics",)
CAPTION = (
    "The least error: change of the test error where one part of the recipe is left out, on the same pairs; "
    "interquartile means with intervals."
)


def draw(*, statistics: Mapping[str, Any]) -> Figure:
    """Draw the change of the error without each part, with its interval."""
    changes = {part: row["change"] for part, row in statistics["least_error"].items() if part != WHOLE}
    if not changes:
        return note("No part of the recipe was left out.")
    figure = new_figure(9, 0.9 + 0.42 * len(changes))
    axes = figure.subplots()
    middle, sides = intervals.bars(list(changes.values()))
    axes.axvline(0, color="0.4", linewidth=1)
    axes.errorbar(middle, range(len(changes)), xerr=sides, fmt="o", color="0.15", capsize=4)
    labels = [f"{part.replace('_', ' ')} (n = {row['n']})" for part, row in changes.items()]
    axes.set_yticks(range(len(changes)), labels)
    axes.set(ylim=(len(changes) - 0.4, -0.6))
    axes.set_xlabel(f"Change of the test error without it ({UNIT})")
    axes.grid(axis="x")
    return figure
