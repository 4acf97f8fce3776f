"""Figure 4: mean and standard deviation of each model's test error under both protocols, beside the paper's if any."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from digitpairs import paper, tables
from digitpairs.analysis.inference import summarise
from digitpairs.reporting import palette
from digitpairs.reporting.style import new_figure

READS = ("final",)
CAPTION = "Mean test error with its standard deviation over rounds."


def draw(*, final: pd.DataFrame, source: str) -> Figure:
    """Draw a bar for each model and protocol, and one for the paper, with the standard deviation over rounds.

    The paper's results are those on the data of `source`.
    """
    by_protocol = tables.by_protocol(final)
    protocols = {protocol: by_protocol[protocol] for protocol in tables.PROTOCOLS if protocol in by_protocol}
    models = list(next(iter(protocols.values())))
    colours = list(palette.assign(models).values())
    bars: dict[str, list[tuple[int, float, float]]] = {}  # series: place of the model, mean, deviation
    for protocol, by_model in protocols.items():
        summaries = [summarise(by_model[model]["test_error"]) for model in models]
        n = " or ".join(map(str, sorted({summary.n for summary in summaries})))
        bars[f"{protocol}, n = {n}"] = [(place, s.mean, s.std) for place, s in enumerate(summaries)]
    published = paper.published(source)
    known = [(place, published[model]) for place, model in enumerate(models) if model in published]
    if known:
        bars[f"paper, n = {paper.ROUNDS}"] = [(place, r.test_error, r.test_error_std) for place, r in known]
    width = 0.8 / len(bars)
    figure = new_figure(max(6.0, 0.6 * len(models) * len(bars) + 1.5), 4.6)
    axes = figure.subplots()
    legend = []
    for series, (label, values) in enumerate(bars.items()):
        share = 0.0 if label.startswith("paper") else 0.45**series  # of the model's colour; the rest is white
        series_style: dict[str, Any] = {"label": label, "hatch": "" if share else "////"}
        legend.append(Patch(facecolor=_tint("0.3", share), edgecolor="0.3", **series_style))
        for place, mean, std in values:
            x = place + (series - (len(bars) - 1) / 2) * width
            face, edge = _tint(colours[place], share), colours[place]
            axes.bar(x, mean, 0.9 * width, facecolor=face, edgecolor=edge, **series_style)
            if not np.isnan(std):
                axes.errorbar(x, mean, std, color="0.15", capsize=3, linewidth=1)
            text = "diverged" if np.isnan(mean) else f"{mean:.4f}"
            top = np.nansum([mean, std])
            axes.annotate(text, (x, top), (0, 3), textcoords="offset points", ha="center", fontsize=8)
    axes.set_xticks(range(len(models)), models)
    axes.margins(y=0.1)
    axes.set(ylabel=f"Test error ({palette.UNIT}),\nmean ± standard deviation over rounds", ylim=(0, None))
    axes.grid(axis="y")
    figure.legend(handles=legend, loc="outside lower center", ncols=len(bars))
    return figure


def _tint(name: str, share: float) -> tuple[float, float, float]:
    """Mix a colour with white; `share` is the colour's."""
    red, green, blue = (1 - share * (1 - value) for value in to_rgb(name))
    return red, green, blue
