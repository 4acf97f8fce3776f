"""Figure 4: mean and standard deviation of each model's test error under both protocols, beside the paper's if any."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from digitpairs import paper, tables
from digitpairs.analysis.inference import summarise
from digitpairs.reporting import palette
from digitpairs.reporting.intervals import LABEL
from digitpairs.reporting.style import new_figure

READS = ("final",)
CAPTION = "Mean test error with its standard deviation over rounds: thin, around the thick interval of the mean."
MARKERS = "os^"  # of the protocols, then the paper


def draw(*, final: pd.DataFrame, source: str) -> Figure:
    """Draw a dot for each model and protocol, and one for the paper, with the interval and the standard deviation.

    The paper's results are those on the data of `source`. Whiskers end at zero, below which there is no error.
    """
    by_protocol = tables.by_protocol(final)
    protocols = {protocol: by_protocol[protocol] for protocol in tables.PROTOCOLS if protocol in by_protocol}
    models = list(next(iter(protocols.values())))
    colours = palette.assign(models)
    dots: dict[
        str, dict[str, tuple[float, float, tuple[float, float]]]
    ] = {}  # series: model: mean, deviation, interval
    for protocol, by_model in protocols.items():
        summaries = {model: summarise(by_model[model]["test_error"]) for model in models}
        n = " or ".join(map(str, sorted({summary.n for summary in summaries.values()})))
        dots[f"{protocol}, n = {n}"] = {model: (s.mean, s.std, s.interval) for model, s in summaries.items()}
    published = {model: result for model, result in paper.published(source).items() if model in models}
    if published:
        none = (np.nan, np.nan)
        dots[f"paper, n = {paper.ROUNDS}"] = {m: (r.test_error, r.test_error_std, none) for m, r in published.items()}
    figure = new_figure(max(6.0, 1.2 * len(models) + 1.5), 4.2)
    axes = figure.subplots()
    width = 0.75 / len(dots)
    legend = []
    for series, (label, known) in enumerate(dots.items()):
        marker = MARKERS[-1] if label.startswith("paper") else MARKERS[series]
        legend.append(Line2D([], [], color="0.3", marker=marker, linestyle="", label=label))
        for model, (mean, std, (low, high)) in known.items():
            x = models.index(model) + (series - (len(dots) - 1) / 2) * width
            axes.plot([x], [mean], color=colours[model], marker=marker, markersize=6)
            axes.vlines(x, max(0, mean - std), mean + std, color=colours[model], linewidth=1)
            axes.vlines(x, max(0, low), high, color=colours[model], linewidth=3)
            text = "diverged" if np.isnan(mean) else f"{mean:.4f}"
            top = np.nanmax([0, mean, mean + std, high])
            axes.annotate(text, (x, top), (0, 4), textcoords="offset points", ha="center", fontsize=9, rotation=90)
    legend.append(Line2D([], [], color="0.3", linewidth=3, label=LABEL))
    legend.append(Line2D([], [], color="0.3", linewidth=1, label="standard deviation"))
    axes.set_xticks(range(len(models)), models)
    axes.set_xlim(-0.6, len(models) - 0.4)
    axes.margins(y=0.14)
    axes.set(ylabel=f"Mean test error ({palette.UNIT})", ylim=(0, None))
    axes.grid(axis="y")
    figure.legend(handles=legend, loc="outside lower center", ncols=3)
    return figure
