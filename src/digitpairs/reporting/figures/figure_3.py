"""Figure 3: the test error of each round of the `fixed` protocol, beside the paper's means if it has any."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from digitpairs import paper, tables
from digitpairs.analysis.inference import summarise
from digitpairs.reporting import palette
from digitpairs.reporting.style import new_figure, whole_numbers

READS = ("final",)
CAPTION = "Test error over the rounds of the ``fixed`` protocol."


def draw(*, final: pd.DataFrame, source: str) -> Figure:
    """Draw test error over rounds; a diverged round leaves a gap with a cross.

    The paper's means are those on the data of `source`.
    """
    rounds = tables.by_protocol(final)["fixed"]
    published = paper.published(source)
    colours, markers = palette.assign(rounds), palette.assign(rounds, palette.MARKERS)
    figure = new_figure(8, 4.8)
    axes = figure.subplots()
    for model, table in rounds.items():
        style: dict[str, Any] = {"color": colours[model], "linewidth": 1.2}
        label = f"{model}: {summarise(table['test_error'])}"
        axes.plot(table["round"], table["test_error"], marker=markers[model], label=label, **style)
        diverged = table.loc[table["test_error"].isna(), "round"]
        axes.plot(diverged, [0.97] * len(diverged), "x", transform=axes.get_xaxis_transform(), **style)
        if model in published:
            axes.axhline(published[model].test_error, linestyle="--", **style)
    handles = axes.get_legend_handles_labels()[0]
    if any(model in published for model in rounds):
        handles.append(Line2D([], [], color="0.3", linestyle="--", label=f"the paper's mean (n = {paper.ROUNDS})"))
    if any(table["test_error"].isna().any() for table in rounds.values()):
        handles.append(Line2D([], [], color="0.3", linestyle="", marker="x", label="diverged round"))
    axes.margins(y=0.1)
    axes.set(xlabel="Round", ylabel=f"Test error ({palette.UNIT})", ylim=(0, None))
    axes.xaxis.set_major_locator(whole_numbers())
    axes.grid(axis="y")
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure
