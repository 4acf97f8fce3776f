"""Where the variance between rounds comes from: deviations of data sets, initialisations, orders, and the rest."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from digitpairs.analysis.components import RESIDUAL
from digitpairs.reporting import intervals
from digitpairs.reporting.palette import UNIT
from digitpairs.reporting.style import new_figure, note

READS = ("statistics",)
CAPTION = (
    "Where the variance comes from: the deviation of the test error between data sets, initialisations and orders of "
    "the pairs, crossed, and what belongs to none of them alone; with 95% intervals."
)


def draw(*, statistics: Mapping[str, Any]) -> Figure:
    """Draw each component's deviation with its interval, a mark for each model."""
    models = {model: row["components"] for model, row in statistics["variance"].items() if row["components"]}
    if not models:
        return note("No component to show: it takes two data sets without a diverged round.")
    figure = new_figure(9, 3.6)
    axes = figure.subplots()
    names = sorted(next(iter(models.values())), key=lambda name: (name == RESIDUAL, name.count(" x ")))
    looks = intervals.Looks(statistics)
    legend = []
    for place, (model, components) in enumerate(models.items()):
        rows = [{key: max(0.0, components[name][key]) ** 0.5 for key in ("estimate", "low", "high")} for name in names]
        shift = 0.6 * ((place + 0.5) / len(models) - 0.5)
        style: dict[str, Any] = {"color": looks.colours[model], "marker": looks.markers[model], "linestyle": ""}
        middle = [row["estimate"] for row in rows]
        sides = np.abs([[row[bound] - row["estimate"] for row in rows] for bound in ("low", "high")])
        axes.errorbar(np.arange(len(names)) + shift, middle, sides, capsize=3, **style)
        legend.append(Line2D([], [], label=model, **style))
    axes.set_xticks(range(len(names)), [name.replace(" x ", "\nx ") for name in names])
    largest = max(max(0.0, row["estimate"]) for components in models.values() for row in components.values()) ** 0.5
    axes.set(ylabel=f"Deviation of the test error\n({UNIT})", ylim=(0, min(axes.get_ylim()[1], 4 * largest) or None))
    axes.grid(axis="y")
    figure.legend(handles=[*legend, intervals.key()], loc="outside lower center", ncols=len(legend) + 1)
    return figure
