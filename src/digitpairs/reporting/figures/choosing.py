"""How stable the choice from the grid is: how often each cell would be chosen from rounds drawn anew."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from digitpairs.analysis.choosing import DRAWS
from digitpairs.reporting import palette
from digitpairs.reporting.style import new_figure, note

READS = ("statistics",)
CAPTION = (
    "Choosing: how often each cell of the grid would be chosen, were its rounds drawn anew, of the cells chosen most "
    "often, with their mean errors. Filled: the cell that the study chose."
)


def draw(*, statistics: Mapping[str, Any]) -> Figure:
    """Draw the share of each of the cells that are chosen most often, a panel for each model."""
    models = {model: entry for model, entry in statistics["optimism"].items() if entry["stability"]["often"]}
    if not models:
        return note("No choice to show: rounds diverged in every cell of the grid.")
    colours = palette.assign(models)
    figure = new_figure(9, 1.5 + 0.75 * len(models))
    panels = figure.subplots(len(models), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (model, entry) in zip(panels, models.items(), strict=True):
        often = entry["stability"]["often"]
        for place, cell in enumerate(often):
            ink = colours[model]
            fill = ink if cell["chosen"] else "white"
            axes.barh(place, 100 * cell["frequency"], color=fill, edgecolor=ink, height=0.72)
            name = f"{cell['epochs']:g}, {cell['batch_size']:g}, {cell['learning_rate']:g}: {cell['error']:.4f}"
            axes.annotate(
                name, (100 * cell["frequency"], place), (4, 0), textcoords="offset points", va="center", size=8
            )
        axes.set(yticks=[], ylabel=model, ylim=(len(often) - 0.4, -0.6))
        axes.yaxis.label.set(rotation=0, ha="right", va="center")
        axes.grid(axis="x")
    panels[-1].set(xlim=(0, 130), xticks=range(0, 101, 20))
    panels[-1].set_xlabel(
        f"Chosen in % of {DRAWS:,} grids drawn anew; beside it epochs, batch size, learning rate: error"
    )
    return figure
