"""The study's figures. Functions take tables and return matplotlib figures; `render` turns one into bytes.

A model has the same colour in all figures of a study: its place in the order in which the models are given.
"""

import io
from collections.abc import Mapping
from math import ceil
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from digitpairs import paper
from digitpairs.selection import CONFIGURATION
from digitpairs.statistics import summarise

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito (2008)
MARKERS = "os^Dv<>"
UNIT = "fraction of pairs"

mpl.rcParams.update(
    {
        "font.size": 10,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": "0.9",
        "legend.frameon": False,
        "svg.hashsalt": "digitpairs",  # ids of SVG elements are random without it
    }
)


def render(figure: Figure, suffix: str) -> bytes:
    """Return the file content for `.svg` or `.png` (160 dpi): the same bytes for the same figure."""
    metadata = {".svg": {"Date": None}, ".png": {"Software": None}}[suffix]
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix[1:], dpi=160, metadata=metadata)
    return buffer.getvalue()


def colour(place: int) -> str:
    """Return the colour of the model at a place in the study's order."""
    return COLOURS[place % len(COLOURS)]


def _tint(name: str, share: float) -> tuple[float, float, float]:
    red, green, blue = (1 - share * (1 - value) for value in mpl.colors.to_rgb(name))
    return red, green, blue


def _whole_numbers() -> MaxNLocator:
    return MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])


def test_error_by_round(rounds: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw Figure 3: test error over the rounds of each model, beside the paper's means.

    `rounds` is {model: table with `round` and `test_error`}; a diverged round (NaN) leaves a gap with a cross.
    """
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.subplots()
    for place, (model, table) in enumerate(rounds.items()):
        style: dict[str, Any] = {"color": colour(place), "linewidth": 1.2}
        label = f"{model}: {summarise(table['test_error'])}"
        axes.plot(table["round"], table["test_error"], marker=MARKERS[place % len(MARKERS)], label=label, **style)
        diverged = table.loc[table["test_error"].isna(), "round"]
        axes.plot(diverged, [0.97] * len(diverged), "x", transform=axes.get_xaxis_transform(), **style)
        if model in paper.RESULTS:
            axes.axhline(paper.RESULTS[model].test_error, linestyle="--", **style)
    handles = axes.get_legend_handles_labels()[0]
    if any(model in paper.RESULTS for model in rounds):
        handles.append(Line2D([], [], color="0.3", linestyle="--", label=f"the paper's mean (n = {paper.ROUNDS})"))
    if any(table["test_error"].isna().any() for table in rounds.values()):
        handles.append(Line2D([], [], color="0.3", linestyle="", marker="x", label="diverged round"))
    axes.margins(y=0.1)
    axes.set(xlabel="Round", ylabel=f"Test error ({UNIT})", ylim=(0, None))
    axes.xaxis.set_major_locator(_whole_numbers())
    axes.grid(axis="y")
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def mean_test_error(protocols: Mapping[str, Mapping[str, pd.DataFrame]]) -> Figure:
    """Draw Figure 4: mean and standard deviation of the test error for each model, beside the paper's.

    `protocols` is {protocol: {model: table with `test_error`}}.
    """
    models = list(next(iter(protocols.values())))
    bars: dict[str, list[tuple[int, float, float]]] = {}  # series: place of the model, mean, deviation
    for protocol, tables in protocols.items():
        summaries = [summarise(tables[model]["test_error"]) for model in models]
        n = " or ".join(map(str, sorted({summary.n for summary in summaries})))
        bars[f"{protocol}, n = {n}"] = [(place, s.mean, s.std) for place, s in enumerate(summaries)]
    known = [(place, paper.RESULTS[model]) for place, model in enumerate(models) if model in paper.RESULTS]
    if known:
        bars[f"paper, n = {paper.ROUNDS}"] = [(place, r.test_error, r.test_error_std) for place, r in known]
    width = 0.8 / len(bars)
    figure = Figure(figsize=(max(6.0, 0.6 * len(models) * len(bars) + 1.5), 4.6), layout="constrained")
    axes = figure.subplots()
    legend = []
    for series, (label, values) in enumerate(bars.items()):
        share = 0.0 if label.startswith("paper") else 0.45**series  # of the model's colour; the rest is white
        style: dict[str, Any] = {"label": label, "hatch": "" if share else "////"}
        legend.append(Patch(facecolor=_tint("0.3", share), edgecolor="0.3", **style))
        for place, mean, std in values:
            x = place + (series - (len(bars) - 1) / 2) * width
            face, edge = _tint(colour(place), share), colour(place)
            axes.bar(x, mean, 0.9 * width, facecolor=face, edgecolor=edge, **style)
            if not np.isnan(std):
                axes.errorbar(x, mean, std, color="0.15", capsize=3, linewidth=1)
            text = "diverged" if np.isnan(mean) else f"{mean:.4f}"
            top = np.nansum([mean, std])
            axes.annotate(text, (x, top), (0, 3), textcoords="offset points", ha="center", fontsize=8)
    axes.set_xticks(range(len(models)), models)
    axes.margins(y=0.1)
    axes.set(ylabel=f"Test error ({UNIT}),\nmean ± standard deviation over rounds", ylim=(0, None))
    axes.grid(axis="y")
    figure.legend(handles=legend, loc="outside lower center", ncols=len(bars))
    return figure


def learning_curves(curves: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw training loss and validation error against the epoch: mean over rounds, band from smallest to largest.

    `curves` is {model: table with `round`, `epoch`, `train_loss`, `validation_error`}; rounds that diverge are left
    out and counted in the legend.
    """
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    panels = figure.subplots(1, 2)
    columns = {"train_loss": "Training loss (nats, log scale)", "validation_error": f"Validation error ({UNIT})"}
    for place, (model, table) in enumerate(curves.items()):
        n = table["round"].nunique()
        whole = table.groupby("round").filter(lambda one_round: bool(one_round["train_loss"].notna().all()))
        left = whole["round"].nunique()
        label = f"{model} (n = {left}" + (f", {n - left} diverged)" if left < n else ")")
        for axes, column in zip(panels, columns, strict=True):
            by_epoch = whole.groupby("epoch")[column].agg(["mean", "min", "max"])
            axes.plot(by_epoch.index, by_epoch["mean"], color=colour(place), label=label)
            axes.fill_between(by_epoch.index, by_epoch["min"], by_epoch["max"], color=colour(place), alpha=0.2, lw=0)
    for axes, label in zip(panels, columns.values(), strict=True):
        axes.set(xlabel="Epoch", ylabel=label)
        axes.xaxis.set_major_locator(_whole_numbers())
        axes.grid(axis="y")
    panels[0].set_yscale("log")
    panels[1].set_ylim(0, None)
    figure.legend(handles=panels[0].get_lines(), loc="outside lower center", ncols=min(3, len(curves)))
    return figure


def grid_heat_maps(cells: pd.DataFrame, choice: Mapping[str, Any]) -> Figure:
    """Draw one model's grid: mean validation error for each learning rate and batch size, a panel for each epochs.

    `cells` are the model's rows of `selection.cells`, `choice` its entry of `selection.select`. Frames mark the cells
    that each rule chooses and the paper's; a diverged cell is hatched.
    """
    model = cells["model"].iloc[0]
    epochs, batch_sizes, rates = (sorted(cells[name].unique()) for name in CONFIGURATION)
    frames = {
        "best by validation": (choice["validation"], "#D55E00", "-"),
        "best by test (the paper's rule)": (choice["test"], "#000000", "--"),
    }
    published = paper.RESULTS.get(model)
    if published and (cells[CONFIGURATION] == [getattr(published, name) for name in CONFIGURATION]).all(axis=1).any():
        frames["the paper's choice"] = (published._asdict(), "#882255", ":")
    columns = min(4, len(epochs))
    lines = ceil(len(epochs) / columns)
    width, height = max(1.6, 0.65 * len(batch_sizes) + 0.2), 0.42 * len(rates) + 0.7
    size = (max(6.4, columns * width + 1.8), lines * height + 1)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    finite = cells["validation_error"].where(cells["diverged_rounds"] == 0)
    colours = mpl.colormaps["cividis_r"]
    norm = mpl.colors.Normalize(finite.min(), finite.max())
    for axes, number in zip(panels.flat, epochs, strict=False):
        axes.set(title=f"Epochs: {number}", xlim=(-0.5, len(batch_sizes) - 0.5), ylim=(-0.5, len(rates) - 0.5))
        axes.set_xticks(range(len(batch_sizes)), batch_sizes)
        axes.set_yticks(range(len(rates)), [f"{rate:g}" for rate in rates])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        for cell in cells[cells["epochs"] == number].itertuples():
            x, y = batch_sizes.index(cell.batch_size), rates.index(cell.learning_rate)
            _heat_map_cell(axes, x, y, cell, colours(norm(cell.validation_error)))
            for inset, (chosen, edge, line) in enumerate(frames.values(), start=1):
                if all(chosen[name] == getattr(cell, name) for name in CONFIGURATION):
                    d = 0.05 * inset - 0.5
                    axes.add_patch(Rectangle((x + d, y + d), -2 * d, -2 * d, **_frame(edge, line)))
    for axes in panels.flat[len(epochs) :]:
        axes.set_axis_off()
    for axes in panels[-1]:
        axes.set_xlabel("Batch size (pairs)", fontsize=9)
    for axes in panels[:, 0]:
        axes.set_ylabel("Learning rate", fontsize=9)
    n = " or ".join(str(count) for count in sorted(cells["n_rounds"].unique()))
    figure.suptitle(f"{model}: mean validation error, n = {n} rounds a cell", fontsize=10)
    scale = mpl.cm.ScalarMappable(norm, colours)
    figure.colorbar(scale, ax=panels, label=f"Validation error\n({UNIT})").outline.set_visible(False)
    legend = [Patch(label=label, **_frame(edge, line)) for label, (_, edge, line) in frames.items()]
    if cells["diverged_rounds"].any():
        legend.append(Patch(facecolor="white", edgecolor="0.6", hatch="////", label="k/n: k of n rounds diverged"))
    figure.legend(handles=legend, loc="outside lower center", ncols=min(2, len(legend)), handlelength=2.5)
    return figure


def _frame(edge: str, line: str) -> dict[str, Any]:
    halo = patheffects.withStroke(linewidth=4, foreground="white")  # seen on dark cells, too
    return {"fill": False, "linewidth": 2, "edgecolor": edge, "linestyle": line, "path_effects": [halo]}


def _heat_map_cell(axes: Axes, x: int, y: int, cell: Any, fill: tuple[float, float, float, float]) -> None:
    if cell.diverged_rounds:
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor="white", edgecolor="0.8", hatch="////", lw=0))
        text, ink = f"{cell.diverged_rounds}/{cell.n_rounds}", "black"
    else:
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=fill, edgecolor="white", lw=0.5))
        luminance = float(np.dot(fill[:3], (0.2126, 0.7152, 0.0722)))
        text, ink = f"{cell.validation_error:.3f}", "black" if luminance > 0.45 else "white"
    halo = {"facecolor": "white", "edgecolor": "none", "pad": 1} if cell.diverged_rounds else None
    axes.text(x, y, text, ha="center", va="center", color=ink, fontsize=8, bbox=halo)
