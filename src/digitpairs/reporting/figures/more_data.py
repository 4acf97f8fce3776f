"""Test error against the number of training pairs, with each model's power law."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from digitpairs.reporting import intervals
from digitpairs.reporting.palette import UNIT
from digitpairs.reporting.style import new_figure, note

READS = ("statistics",)
CAPTION = (
    "Test error against the number of training pairs, with each model's power law. Points are moved sideways a little, "
    "so that intervals do not cover each other."
)


def draw(*, statistics: Mapping[str, Any]) -> Figure:
    """Draw means with intervals and the fitted laws, both axes logarithmic.

    A mean of zero errors has no logarithm: it is an arrow at the lower edge.
    """
    laws = statistics["more_data"]
    if not laws:
        return note("Nothing was trained on more pairs.")
    figure = new_figure(9, 4)
    axes = figure.subplots()
    looks = intervals.Looks(statistics)
    everything = [bound for law in laws.values() for p in law["points"] for bound in (p["low"], p["estimate"])]
    floor = 0.8 * min((value for value in everything if value and value > 0), default=1e-3)
    sizes = sorted({point["n_train"] for law in laws.values() for point in law["points"]})
    shown = [model for model in looks.models if model in laws]
    for shift, model in enumerate(shown):
        law, ink = laws[model], looks.colours[model]
        beside = 1.04 ** (shift - (len(shown) - 1) / 2)  # so that intervals do not lie on each other
        points = [point for point in law["points"] if point["estimate"]]
        if points:
            # A bound below zero is off the scale: the bar then goes down to the edge.
            held = [
                point | {"low": max(point["low"], floor)} if point["low"] is not None else point for point in points
            ]
            looks.points(axes, [beside * point["n_train"] for point in points], held, model)
        for point in law["points"]:
            if point["estimate"] == 0:
                axes.plot(beside * point["n_train"], 0.02, "v", transform=axes.get_xaxis_transform(), color=ink)
        if law["exponent"]["estimate"] is not None and "scale" in law:
            x = np.array([law["points"][0]["n_train"], law["points"][-1]["n_train"]], dtype=float)
            axes.plot(x, law["scale"] * x ** -law["exponent"]["estimate"], color=ink, lw=1.3)
    axes.set(xscale="log", yscale="log", ylabel=f"Mean test error ({UNIT}, log scale)")
    axes.set_ylim(floor, None)
    axes.margins(x=0.07)
    axes.set_xlabel("Training pairs (log scale)")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=30, ha="right", rotation_mode="anchor")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid()
    legend = [
        Line2D([], [], color=looks.colours[m], marker=looks.markers[m], label=f"{m}: {_law(laws[m])}") for m in shown
    ]
    legend.append(intervals.key())
    figure.legend(handles=legend, loc="outside right center")
    return figure


def _law(law: Mapping[str, Any]) -> str:
    """Return a power law's exponent and its rounds as text."""
    exponent = law["exponent"]
    n = intervals.count(law["points"])
    if exponent["estimate"] is None:
        return f"no power law, {n}"
    interval = "" if exponent["low"] is None else f" ({exponent['low']:.2f} to {exponent['high']:.2f})"
    return f"exponent {exponent['estimate']:.2f}{interval}, {n}"
