"""A model's grid: the mean validation error of each cell, a panel for each number of epochs."""

from collections.abc import Mapping
from math import ceil
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from digitpairs import paper
from digitpairs.analysis.selection import CONFIGURATION, summarise_cells
from digitpairs.reporting.palette import UNIT
from digitpairs.reporting.style import new_figure

READS = ("grid", "selection")
CAPTION = "The grid of ``{model}``: mean validation error of each cell; frames mark the chosen cells."


def draw(*, grid: pd.DataFrame, selection: Mapping[str, Any], model: str, source: str) -> Figure:
    """Draw heat maps of learning rate and batch size.

    Frames mark the cells that each rule chooses and, if `source` is of its data, the paper's. A cell with a diverged
    round is hatched.
    """
    table, choice = summarise_cells(grid[grid["model"] == model]), selection[model]
    epochs, batch_sizes, rates = (sorted(table[name].unique()) for name in CONFIGURATION)
    frames = {
        "best by validation": (choice["validation"], "#D55E00", "-"),
        "best by test (the paper's rule)": (choice["test"], "#000000", "--"),
    }
    published = paper.published(source).get(model)
    if published and (table[CONFIGURATION] == [getattr(published, name) for name in CONFIGURATION]).all(axis=1).any():
        frames["the paper's choice"] = (published._asdict(), "#882255", ":")
    columns = min(4, len(epochs))
    lines = ceil(len(epochs) / columns)
    width, height = max(1.6, 0.65 * len(batch_sizes) + 0.2), 0.42 * len(rates) + 0.7
    size = (max(6.4, columns * width + 1.8), lines * height + 1)
    figure = new_figure(*size)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    finite = table["validation_error"].where(table["diverged_rounds"] == 0)
    colours = mpl.colormaps["cividis_r"]
    norm = mpl.colors.Normalize(finite.min(), finite.max())
    for axes, number in zip(panels.flat, epochs, strict=False):
        axes.set(title=f"Epochs: {number}", xlim=(-0.5, len(batch_sizes) - 0.5), ylim=(-0.5, len(rates) - 0.5))
        axes.set_xticks(range(len(batch_sizes)), batch_sizes)
        axes.set_yticks(range(len(rates)), [f"{rate:g}" for rate in rates])
        axes.tick_params(length=0, labelsize=11)
        axes.spines[:].set_visible(False)
        for cell in table[table["epochs"] == number].itertuples():
            x, y = batch_sizes.index(cell.batch_size), rates.index(cell.learning_rate)
            _heat_map_cell(axes, x, y, cell, colours(norm(cell.validation_error)))
            for inset, (chosen, edge, line) in enumerate(frames.values(), start=1):
                if all(chosen[name] == getattr(cell, name) for name in CONFIGURATION):
                    d = 0.05 * inset - 0.5
                    axes.add_patch(Rectangle((x + d, y + d), -2 * d, -2 * d, **_frame(edge, line)))
    for axes in panels.flat[len(epochs) :]:
        axes.set_axis_off()
    for axes in panels[-1]:
        axes.set_xlabel("Batch size (pairs)", fontsize=11)
    for axes in panels[:, 0]:
        axes.set_ylabel("Learning rate", fontsize=11)
    n = " or ".join(str(count) for count in sorted(table["n_rounds"].unique()))
    figure.suptitle(f"{model}: mean validation error, n = {n} rounds a cell", fontsize=12)
    scale = mpl.cm.ScalarMappable(norm, colours)
    figure.colorbar(scale, ax=panels, label=f"Validation error\n({UNIT})").outline.set_visible(False)
    legend = [Patch(label=label, **_frame(edge, line)) for label, (_, edge, line) in frames.items()]
    if table["diverged_rounds"].any():
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
    axes.text(x, y, text, ha="center", va="center", color=ink, fontsize=12, bbox=halo)
