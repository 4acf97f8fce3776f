"""Learning curves of the chosen configurations, `fixed` protocol: training loss and validation error by epoch."""

import pandas as pd
from matplotlib.figure import Figure

from digitpairs import tables
from digitpairs.reporting.curves import LABELS, whole_rounds
from digitpairs.reporting.palette import assign
from digitpairs.reporting.style import new_figure, whole_numbers

READS = ("curves",)
CAPTION = (
    "Learning curves of the chosen configurations, ``fixed`` protocol: mean over rounds, and the band from the "
    "smallest to the largest round. Training loss: cross entropy of the pairs in the epoch's batches, without "
    "auxiliary losses."
)


def draw(*, curves: pd.DataFrame) -> Figure:
    """Draw the mean over rounds in a band from the smallest to the largest.

    Rounds that diverge are left out, and counted in the legend.
    """
    by_model = tables.by_protocol(curves)["fixed"]
    colours = assign(by_model)
    figure = new_figure(9, 4.4)
    panels = figure.subplots(1, 2)
    for model, table in by_model.items():
        n = table["round"].nunique()
        whole = whole_rounds(table)
        left = whole["round"].nunique()
        label = f"{model} (n = {left}" + (f", {n - left} diverged)" if left < n else ")")
        for axes, column in zip(panels, LABELS, strict=True):
            by_epoch = whole.groupby("epoch")[column].agg(["mean", "min", "max"])
            axes.plot(by_epoch.index, by_epoch["mean"], color=colours[model], label=label)
            axes.fill_between(by_epoch.index, by_epoch["min"], by_epoch["max"], color=colours[model], alpha=0.2, lw=0)
    for axes, label in zip(panels, LABELS.values(), strict=True):
        axes.set(xlabel="Epoch", ylabel=label)
        axes.xaxis.set_major_locator(whole_numbers())
        axes.grid(axis="y")
    if any((line.get_ydata() > 0).any() for line in panels[0].get_lines()):  # else there is nothing to draw
        panels[0].set_yscale("log")
    panels[1].set_ylim(0, None)
    figure.legend(handles=panels[0].get_lines(), loc="outside lower center", ncols=min(3, len(by_model)))
    return figure
