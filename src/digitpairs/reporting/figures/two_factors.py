"""The 2 x 2 design: test errors of the four networks, interquartile means, a panel for each protocol; the effects."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from digitpairs import tables
from digitpairs.analysis.factors import CONTRASTS, DESIGN
from digitpairs.reporting import intervals
from digitpairs.reporting.palette import UNIT
from digitpairs.reporting.style import new_figure, note

READS = ("statistics",)
CAPTION = (
    "Sharing and auxiliary losses, apart and together: interquartile mean of the test error of the four networks, and "
    "the effects. A negative effect lowers the error; a positive interaction says that the methods gain less together."
)
EFFECTS = {"sharing": "sharing\nweights", "auxiliary": "auxiliary\nlosses", "interaction": "interaction"}


def draw(*, statistics: Mapping[str, Any]) -> Figure:
    """Draw means and effects with their intervals."""
    protocols = [protocol for protocol in tables.PROTOCOLS if statistics["two_factors"].get(protocol)]
    if not protocols:
        return note(f"It takes rounds of {', '.join(DESIGN)}.")
    figure = new_figure(9, 4.1)
    panels = figure.subplots(1, len(protocols) + 1, width_ratios=[*[1.0] * len(protocols), 1.3])
    looks = intervals.Looks(statistics)
    losses: dict[str, tuple[Literal["-", "--"], tuple[str, ...]]] = {
        "main loss only": ("-", DESIGN[::2]),
        "with auxiliary losses": ("--", DESIGN[1::2]),
    }
    keys = [Line2D([], [], color="0.3", linestyle=line, label=label) for label, (line, _) in losses.items()]
    for axes, protocol in zip(panels, protocols, strict=False):
        errors = {model: row["interquartile_mean"] for model, row in statistics["errors"][protocol].items()}
        for side, (line, models) in enumerate(losses.values()):
            x = np.arange(2) + 0.05 * (2 * side - 1)  # apart, so that intervals do not lie on each other
            means, _ = intervals.bars([errors[model] for model in models])
            axes.plot(x, means, color="0.3", linestyle=line, lw=1.3, zorder=1)
            for at, model in zip(x, models, strict=True):
                look = {"color": looks.colours[model], "marker": looks.markers[model]}
                axes.errorbar(at, *intervals.bars([errors[model]]), capsize=4, lw=1.6, **look)
                _name(axes, at, errors[model], model)
        axes.set(title=f"{protocol}, {intervals.count(errors[model] for model in DESIGN)}", xlim=(-0.45, 1.45))
        axes.set_xticks([0, 1], ["separate", "shared"])
        axes.set_xlabel("Weights of the two branches")
        axes.grid(axis="y")
    top = max(axes.get_ylim()[1] for axes in panels[:-1])
    for axes in panels[:-1]:
        axes.set_ylim(0, 1.08 * top)
        axes.tick_params(labelleft=axes is panels[0])
    panels[0].set_ylabel(f"Test error ({UNIT}), interquartile mean")
    _effects(panels[-1], {protocol: statistics["two_factors"][protocol] for protocol in protocols})
    keys += [*panels[-1].get_legend_handles_labels()[0], intervals.key()]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), columnspacing=1.2)
    return figure


def _name(axes: Axes, x: float, summary: Mapping[str, Any], model: str) -> None:
    """Write a model's name above its interval."""
    top = summary["estimate"] if summary["high"] is None else summary["high"]
    if top is not None:
        text = axes.annotate(model, (x, top), (0, 4), textcoords="offset points", ha="center", fontsize=8)
        text.set_path_effects([patheffects.withStroke(linewidth=3, foreground="white")])  # read across a line, too


def _effects(axes: Axes, effects: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Draw each effect of the 2 x 2 design with its interval, a mark for each protocol: {protocol: {effect: ...}}."""
    heights = np.arange(len(CONTRASTS))[::-1]
    for place, (protocol, by_effect) in enumerate(effects.items()):
        middles, bounds = intervals.bars([by_effect[effect] for effect in CONTRASTS])
        look: dict[str, Any] = {"color": "0.15", "mfc": "0.15" if place == 0 else "white", "marker": "Dh"[place]}
        y = heights + 0.12 * (1 - 2 * place)
        axes.errorbar(middles, y, xerr=bounds, linestyle="", capsize=4, label=f"effect, {protocol}", **look)
    axes.axvline(0, color="0.4", linewidth=1)
    axes.set_yticks(heights, [EFFECTS[effect] for effect in CONTRASTS])
    axes.set(title="Effects, paired over rounds", ylim=(-0.6, len(CONTRASTS) - 0.4))
    axes.set_xlabel(f"Change of the test error ({UNIT})")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="x")
