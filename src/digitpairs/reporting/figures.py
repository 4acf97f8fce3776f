"""The study's figures. Functions take tables and return matplotlib figures; `render` turns one into bytes.

A model has the same colour in all figures of a study: its place in the order in which the models are given.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from digitpairs import paper
from digitpairs.analysis.factors import CONTRASTS, FACTORS
from digitpairs.analysis.inference import LEVEL, summarise
from digitpairs.analysis.selection import CONFIGURATION
from digitpairs.errors import StudyError

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


INTERVAL = f"{100 * LEVEL:g}% interval"
PARAMETERS = {
    "auxiliary_weight": "Weight of the auxiliary losses",
    "batch_norm": "Place of BatchNorm",
    "weight_decay": "Weight decay",
}


def two_factors(statistics: Mapping[str, Any]) -> Figure:
    """Draw the 2 x 2 design: means with intervals of the four networks, a panel for each protocol, and the effects.

    `statistics` is what `findings.tabulate` returns, read from JSON. Raises StudyError without the four networks.
    """
    protocols = [protocol for protocol in ("fixed", "resampled") if statistics["two_factors"].get(protocol)]
    if not protocols:
        raise StudyError(f"statistics: two_factors is empty; it needs the models {', '.join(FACTORS)} in params.yaml")
    figure = Figure(figsize=(9, 4.1), layout="constrained")
    panels = figure.subplots(1, len(protocols) + 1, width_ratios=[*[1.0] * len(protocols), 1.3])
    order = model_order(statistics)
    losses: dict[str, tuple[Literal["-", "--"], tuple[str, ...]]] = {
        "main loss only": ("-", FACTORS[::2]),
        "with auxiliary losses": ("--", FACTORS[1::2]),
    }
    keys = [Line2D([], [], color="0.3", linestyle=line, label=label) for label, (line, _) in losses.items()]
    for axes, protocol in zip(panels, protocols, strict=False):
        errors = statistics["errors"][protocol]
        for side, (line, models) in enumerate(losses.values()):
            x = np.arange(2) + 0.05 * (2 * side - 1)  # apart, so that intervals do not lie on each other
            axes.plot(x, _bars([errors[model] for model in models])[0], color="0.3", linestyle=line, lw=1.3, zorder=1)
            for at, model in zip(x, models, strict=True):
                place = order.index(model)
                axes.errorbar(
                    at, *_bars([errors[model]]), capsize=4, lw=1.6, color=colour(place), marker=_marker(place)
                )
                _name(axes, at, errors[model], model)
        axes.set(title=f"{protocol}, {_n(errors[model] for model in FACTORS)}", xlim=(-0.45, 1.45))
        axes.set_xticks([0, 1], ["separate", "shared"])
        axes.set_xlabel("Weights of the two branches")
        axes.grid(axis="y")
    top = max(axes.get_ylim()[1] for axes in panels[:-1])
    for axes in panels[:-1]:
        axes.set_ylim(0, 1.08 * top)
        axes.tick_params(labelleft=axes is panels[0])
    panels[0].set_ylabel(f"Mean test error ({UNIT})")
    _effects(panels[-1], {protocol: statistics["two_factors"][protocol] for protocol in protocols})
    keys += [*panels[-1].get_legend_handles_labels()[0], _interval_key()]
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
    names = {"sharing": "sharing\nweights", "auxiliary": "auxiliary\nlosses", "interaction": "interaction"}
    heights = np.arange(len(CONTRASTS))[::-1]
    for place, (protocol, by_effect) in enumerate(effects.items()):
        middles, bounds = _bars([by_effect[effect] for effect in CONTRASTS])
        style: dict[str, Any] = {"color": "0.15", "mfc": "0.15" if place == 0 else "white", "marker": "Dh"[place]}
        y = heights + 0.12 * (1 - 2 * place)
        axes.errorbar(middles, y, xerr=bounds, linestyle="", capsize=4, label=f"effect, {protocol}", **style)
    axes.axvline(0, color="0.4", linewidth=1)
    axes.set_yticks(heights, [names[effect] for effect in CONTRASTS])
    axes.set(title="Effects, paired over rounds", ylim=(-0.6, len(CONTRASTS) - 0.4))
    axes.set_xlabel(f"Change of the test error ({UNIT})")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="x")


def ablations(statistics: Mapping[str, Any]) -> Figure:
    """Draw the change of the test error from the study's own value, a panel for each ablated parameter.

    `statistics` is as for `two_factors`. Raises StudyError where nothing was ablated.
    """
    rows = pd.DataFrame(statistics["ablations"])
    if rows.empty:
        raise StudyError("statistics: ablations is empty; it needs the section ablations in params.yaml")
    parameters = list(rows["parameter"].unique())
    values = {parameter: list(table["value"].unique()) for parameter, table in rows.groupby("parameter")}
    order = [model for model in model_order(statistics) if (rows["model"] == model).any()]
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    widths = [len(values[parameter]) + 0.8 for parameter in parameters]
    panels = figure.subplots(1, len(parameters), width_ratios=widths, squeeze=False)[0]
    legend = {}
    for axes, parameter in zip(panels, parameters, strict=True):
        table = rows[rows["parameter"] == parameter]
        axes.axhline(0, color="0.4", linewidth=1)
        shown = [model for model in order if (table["model"] == model).any()]
        for place, model in enumerate(shown):
            found = table[table["model"] == model]
            x = [values[parameter].index(value) for value in found["value"]]
            shift = 0.6 * ((place + 0.5) / len(shown) - 0.5)
            legend[model] = _points(axes, np.array(x) + shift, found.to_dict("records"), model, statistics)
        reference = _value(table["reference"].iloc[0])
        axes.set(title=f"Zero line: {reference}", xlim=(-0.6, len(values[parameter]) - 0.4))
        axes.set_xticks(range(len(values[parameter])), [_value(value) for value in values[parameter]])
        axes.set_xlabel(PARAMETERS.get(parameter, parameter))
        axes.grid(axis="y")
    panels[0].set_ylabel(f"Change of the test error ({UNIT})")
    handles = [legend[model] for model in order] + [_interval_key()]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return figure


def more_data(statistics: Mapping[str, Any]) -> Figure:
    """Draw test error against the number of training pairs, both on log scales, with each model's power law.

    `statistics` is as for `two_factors`. A mean of zero errors has no logarithm: it is an arrow at the lower edge.
    Raises StudyError where nothing was trained on more data.
    """
    laws = statistics["more_data"]
    if not laws:
        raise StudyError("statistics: more_data is empty; it needs the section more_data in params.yaml, and MNIST")
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    order = model_order(statistics)
    everything = [bound for law in laws.values() for p in law["points"] for bound in (p["low"], p["estimate"])]
    floor = 0.8 * min((value for value in everything if value and value > 0), default=1e-3)
    sizes = sorted({point["n_train"] for law in laws.values() for point in law["points"]})
    shown = [model for model in order if model in laws]
    for shift, model in enumerate(shown):
        law, ink = laws[model], colour(order.index(model))
        beside = 1.04 ** (shift - (len(shown) - 1) / 2)  # so that intervals do not lie on each other
        points = [point for point in law["points"] if point["estimate"]]
        if points:
            # A bound below zero is off the scale: the bar then goes down to the edge.
            held = [
                point | {"low": max(point["low"], floor)} if point["low"] is not None else point for point in points
            ]
            _points(axes, [beside * point["n_train"] for point in points], held, model, statistics)
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
        Line2D([], [], color=colour(order.index(m)), marker=_marker(order.index(m)), label=f"{m}: {_law(laws[m])}")
        for m in shown
    ]
    legend.append(_interval_key())
    figure.legend(handles=legend, loc="outside right center")
    return figure


def model_order(statistics: Mapping[str, Any]) -> list[str]:
    """Return the models of a study's statistics in the order that gives them their colours.

    Those of the final rounds come first, by name as in params.yaml, so that they look as in the other figures.
    """
    final = sorted({model for by_model in statistics["errors"].values() for model in by_model})
    return [*final, *sorted(set(statistics["more_data"]) - set(final))]


def _marker(place: int) -> str:
    return MARKERS[place % len(MARKERS)]


def _bars(summaries: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[list[float]]]:
    """Return estimates, and how far their intervals go below and above them (no bar where there is none)."""
    middle = [float("nan") if s["estimate"] is None else s["estimate"] for s in summaries]
    sides = [
        [0.0 if s["low"] is None else sign * (s[bound] - s["estimate"]) for s in summaries]
        for bound, sign in (("low", -1), ("high", 1))
    ]
    return middle, sides


def _points(
    axes: Axes, x: Any, summaries: Sequence[Mapping[str, Any]], model: str, statistics: Mapping[str, Any]
) -> Line2D:
    """Draw a model's estimates with their intervals; return its key for the legend."""
    place = model_order(statistics).index(model)
    style: dict[str, Any] = {"color": colour(place), "marker": _marker(place), "linestyle": ""}
    axes.errorbar(x, *_bars(summaries), capsize=3, **style)
    return Line2D([], [], label=f"{model} ({_n(summaries)})", **style)


def _n(summaries: Iterable[Mapping[str, Any]]) -> str:
    """Say how many rounds there are, and how many diverged."""
    counts = {(summary["n"], summary["diverged"]) for summary in summaries}
    diverged = max(gone for _, gone in counts)
    n = " or ".join(str(n) for n in sorted({n for n, _ in counts}))
    return f"n = {n}" + (f", up to {diverged} diverged" if diverged else "")


def _law(law: Mapping[str, Any]) -> str:
    """Put a power law's exponent in words."""
    exponent = law["exponent"]
    n = _n(law["points"])
    if exponent["estimate"] is None:
        return f"no power law, {n}"
    interval = "" if exponent["low"] is None else f" ({exponent['low']:.2f} to {exponent['high']:.2f})"
    return f"exponent {exponent['estimate']:.2f}{interval}, {n}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _interval_key() -> Line2D:
    return Line2D([], [], color="0.3", marker="|", markersize=9, linestyle="-", label=INTERVAL)
