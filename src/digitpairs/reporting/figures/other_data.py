"""Errors and gains on other data: disjoint sets of digits, several rounds on each."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from digitpairs.analysis.further import METHODS
from digitpairs.reporting import intervals
from digitpairs.reporting.palette import UNIT
from digitpairs.reporting.style import new_figure, note

READS = ("statistics",)
CAPTION = (
    "Other data: mean test error, and gain of each method, over disjoint sets of 5,000 digits, with 95% intervals "
    "(black), and the range of two deviations in which sets lie (grey)."
)


def draw(*, statistics: Mapping[str, Any]) -> Figure:
    """Draw means over sets with their intervals, and how far sets lie from them."""
    known = {name: row for name, row in statistics["other_data"].items() if row["mean"]["estimate"] is not None}
    rows = dict(sorted(known.items(), key=lambda item: item[0] in METHODS))  # gains last
    if not rows:
        return note("No error on other data to show.")
    figure = new_figure(9, 0.9 + 0.42 * len(rows))
    axes = figure.subplots()
    axes.axvline(0, color="0.4", linewidth=1)
    for place, row in enumerate(rows.values()):
        middle, between = row["mean"]["estimate"], row["between"]["estimate"]
        if between is not None:
            half = 2 * max(0.0, between) ** 0.5
            axes.plot([middle - half, middle + half], [place, place], color="0.75", linewidth=6, solid_capstyle="butt")
        axes.errorbar(*_point(row["mean"], place), fmt="o", color="0.15", capsize=4)
    sets = {name: f"{'gain of ' if name in METHODS else ''}{name} ({row['sets']} sets)" for name, row in rows.items()}
    axes.set_yticks(range(len(rows)), list(sets.values()))
    axes.set(ylim=(len(rows) - 0.4, -0.6))
    axes.set_xlabel(f"Test error, and its change by each method ({UNIT})")
    axes.grid(axis="x")
    return figure


def _point(row: Mapping[str, Any], place: int) -> tuple[list[float], list[int], None, list[list[float]]]:
    middle, sides = intervals.bars([row])
    return middle, [place], None, sides
