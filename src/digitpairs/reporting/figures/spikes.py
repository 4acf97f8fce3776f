"""Loss spikes against the values of Adam: how often a round spikes late, and what becomes of the error."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from digitpairs.reporting import intervals
from digitpairs.reporting.palette import UNIT
from digitpairs.reporting.style import new_figure, note

READS = ("statistics",)
CAPTION = (
    "Loss spikes: probability that a round spikes in the second half of its training, and test error, at values of "
    "Adam, one changed at a time; with 95% intervals. Filled: the values of the study."
)
LABELS = {
    "learning_rate": "learning rate {:g}",
    "beta2": "beta2 {:g}",
    "epsilon": "epsilon {:g}",
    "decay": "rate falls over last {:g} epochs",
}


def draw(*, statistics: Mapping[str, Any]) -> Figure:
    """Draw probabilities and errors with their intervals, a row for each value; the chosen values share one row."""
    rows = [(LABELS[name].format(row["value"]), row) for name, of in statistics["spikes"].items() for row in of]
    if not rows:
        return note("No value of Adam was tried.")
    own = next(row for _, row in rows if row["chosen"])
    shown = [("as the study trains", own), *((label, row) for label, row in rows if not row["chosen"])]
    figure = new_figure(9, 1.1 + 0.36 * len(shown))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, key in zip(panels, ("late", "error"), strict=True):
        for place, (_, row) in enumerate(shown):
            middle, sides = intervals.bars([row[key]])
            fill = "0.15" if row["chosen"] else "white"
            axes.errorbar(middle, [place], xerr=sides, fmt="o", color="0.15", markerfacecolor=fill, capsize=4)
        axes.set(xlim=(0, None))
        axes.locator_params(axis="x", nbins=4)
        axes.grid(axis="x")
    panels[0].set_yticks(range(len(shown)), [f"{label} (n = {row['late']['n']})" for label, row in shown])
    panels[0].set(ylim=(len(shown) - 0.4, -0.6))
    panels[0].set_xlabel("Probability of a late spike")
    panels[1].set_xlabel(f"Test error ({UNIT}),\ninterquartile mean")
    return figure
