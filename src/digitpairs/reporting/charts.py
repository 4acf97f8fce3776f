"""The report's interactive charts: functions take tables and return Vega-Lite specifications.

Models have the colours of the figures. Text, axes and rules are drawn in `currentColor`, so that a chart follows the
page into dark mode. Names from files are data, never part of an expression.
"""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

import altair as alt
import pandas as pd
from altair.utils import schemapi

from digitpairs import paper
from digitpairs.analysis import factors
from digitpairs.analysis.claims import CANNOT_TELL, NOT_REPRODUCED, REPRODUCED
from digitpairs.analysis.inference import interquartile_mean
from digitpairs.analysis.selection import CONFIGURATION, RULES, summarise_cells
from digitpairs.reporting import palette
from digitpairs.reporting.curves import LABELS, whole_rounds
from digitpairs.reporting.palette import UNIT

Spec = dict[str, Any]
Row = Mapping[str, Any]

INK = "currentColor"
COLUMNS = alt.expr("width < 420 ? 2 : 3")  # of a legend, which otherwise leaves a phone's screen
SHAPES = (  # of the known models, then of others
    *("circle", "square", "triangle-up", "diamond", "triangle-down", "cross"),
    *("triangle-right", "triangle-left", "wedge", "arrow"),
)
TEXT: dict[str, Any] = {
    "labelColor": INK,
    "titleColor": INK,
    "labelFontSize": 12,
    "titleFontSize": 12.5,
    "titleFontWeight": "normal",
}
SILENT: dict[str, Any] = {"aria": False}  # the page describes each chart as one image
LINES: dict[str, Any] = {"domainColor": INK, "tickColor": INK, "gridColor": INK, "gridOpacity": 0.15}
CONFIG: dict[str, Any] = {
    "mark": SILENT,
    "font": "system-ui, sans-serif",
    "background": "transparent",
    "view": {"stroke": None},
    "axis": SILENT | TEXT | LINES | {"labelLimit": 130},
    "header": TEXT,
    "legend": SILENT
    | TEXT
    | {"orient": "top", "symbolSize": 90, "labelLimit": 240, "columnPadding": 14, "titleLimit": 300},
    "text": {"color": INK, "fontSize": 12},
    "rule": {"color": INK},
}
METRICS = {
    "validation_error": "Validation error",
    "test_error": "Test error",
    "train_error": "Training error",
    "train_loss": "Training loss (nats)",
    "test_error_std": "Test error, standard deviation over rounds",
}
FRAMES = {"V": "best by validation error", "T": "best by test error", "P": "the paper's choice"}
PAPER = "the paper"
NAME, LINE = 52, 14  # of the names in a forest plot: characters of a line, pixels of its height


def _whiskers(base: alt.Chart, rows: Sequence[Row], *ends: Any) -> list[alt.Chart]:
    """Return the layer of the rows' intervals, or none where too few rounds gave any: Vega would warn of its axis."""
    known = any(row["low"] is not None and isfinite(row["low"]) for row in rows)
    return [base.mark_rule(strokeWidth=2).encode(*ends)] if known else []


def _zero(opacity: float = 1) -> alt.Chart:
    zero: alt.Chart = alt.Chart(_data([{}])).mark_rule(strokeDash=[4, 3], opacity=opacity).encode(x=alt.datum(0))
    return zero


def effects(rows: Sequence[Row]) -> Spec:
    """Draw each method's change of the test error with its interval, beside the published change.

    Rows have `method`, `source` (a protocol or the paper), `estimate`, `low`, `high`, in pairs of 100, and `n`.
    """
    sources = list(dict.fromkeys(row["source"] for row in rows))
    y = alt.Y("method:N").title(None).sort(None).axis(labelExpr="split(datum.label, ' ')")
    y_offset = alt.YOffset("source:N").sort(sources)
    base = alt.Chart(_data(rows)).encode(y, y_offset)
    point = base.mark_point(filled=True, size=90, color=INK, opacity=1).encode(
        alt.X("estimate:Q").title(["Change of wrong answers in 100 pairs;", "below zero is better"]).axis(tickCount=6),
        alt.Shape("source:N").sort(sources).title(None),
        tooltip=[
            alt.Tooltip("method:N", title="Method"),
            alt.Tooltip("source:N", title="Rounds"),
            alt.Tooltip("estimate:Q", title="Change in 100 pairs", format="+.1f"),
            *_interval("+.1f"),
        ],
    )
    intervals = _whiskers(base, rows, alt.X("low:Q"), alt.X2("high:Q"))
    return _spec(alt.layer(_zero(), *intervals, point), height=26 * len(rows))


def mean_errors(rows: Sequence[Row], models: Sequence[str]) -> Spec:
    """Draw Figure 4: mean test errors, with a choice of whiskers: interval of the mean or standard deviation.

    Rows have `model`, `source`, `mean`, `std`, `low`, `high` and `n`.
    """
    sources = list(dict.fromkeys(row["source"] for row in rows))
    bars = {"interval": "95% interval of the mean", "deviation": "standard deviation over rounds"}
    choice = _select("means_whiskers", "Whiskers: ", bars)
    base = (
        alt.Chart(_data(rows))
        .transform_calculate(
            from_="means_whiskers == 'interval' ? datum.low : max(0, datum.mean - datum.std)",
            to="means_whiskers == 'interval' ? datum.high : datum.mean + datum.std",
            end="isValid(datum.to) ? max(datum.to, datum.mean) : datum.mean",
        )
        .encode(
            alt.Y("model:N").sort(list(models)).title(None).scale(paddingInner=0.25),
            alt.YOffset("source:N").sort(sources),
            _colour(models),
        )
    )
    whisker = base.mark_rule(strokeWidth=2).encode(
        alt.X("from_:Q").title(f"Mean test error ({UNIT})").axis(tickCount=6).scale(zero=True), alt.X2("to:Q")
    )
    point = base.mark_point(filled=True, size=80, opacity=1).encode(
        alt.X("mean:Q"),
        alt.Shape("source:N").sort(sources).title(None).legend(symbolFillColor=INK),
        tooltip=[
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("source:N", title="Rounds"),
            alt.Tooltip("mean:Q", title="Mean test error", format=".4f"),
            alt.Tooltip("std:Q", title="Standard deviation", format=".4f"),
            *_interval(),
        ],
    )
    label = base.mark_text(align="left", dx=8, fontSize=11).encode(
        alt.X("end:Q"), alt.Text("mean:Q", format=".4f"), color=alt.value(INK)
    )
    return _spec(alt.layer(whisker, point, label).add_params(choice), height=24 * len(rows))


def forest(rows: Sequence[Row], axis: str, form: str) -> Spec:
    """Draw effects with their intervals against their regions, which are shaded, under the name of each claim.

    Rows have `claim`, `effect`, `estimate`, `low`, `high`, `n`, `region` and `verdict`. Names stand above the
    intervals, so that a phone has room for both; places are in pixels.
    """
    ends = [float(value) for row in rows for value in (row["low"], row["high"], *row["region"]) if value is not None]
    margin = 0.06 * (max(ends) - min(ends))
    first, last = min(ends) - margin, max(ends) + margin
    titles, placed, top = [], [], 0
    for place, row in enumerate(rows):
        if place == 0 or rows[place - 1]["claim"] != row["claim"]:
            titles.append({"claim": row["claim"], "y": top + 16})
            top += 26
        name = textwrap.wrap(row["effect"].replace("`", ""), NAME)
        bottom = top + LINE * len(name) + 22
        low, high = (end if bound is None else bound for bound, end in zip(row["region"], (first, last), strict=True))
        bounds = {"from": low, "to": high, "top": top, "bottom": bottom, "y": bottom - 11}
        placed.append({**row, **bounds, "name": "\n".join(name), "above": top + 12})
        top = bottom
    base = alt.Chart(_data(placed))
    down: dict[str, Any] = {"scale": alt.Scale(domain=[0, top], reverse=True, nice=False, zero=False), "axis": None}
    scale = alt.Scale(domain=[first, last], nice=False, zero=False)
    region = base.mark_rect(color=INK, opacity=0.1).encode(
        alt.X("from:Q", scale=scale).title(axis).axis(tickCount=5, grid=False),
        alt.X2("to:Q"),
        alt.Y("top:Q", **down),
        alt.Y2("bottom:Q"),
    )
    text: dict[str, Any] = {"align": "left", "x": 2}
    title = alt.Chart(_data(titles)).mark_text(**text, fontSize=13, fontWeight="bold")
    name = base.mark_text(**text, fontSize=11, lineBreak="\n", lineHeight=LINE)
    interval = base.mark_rule(strokeWidth=2).encode(alt.X("low:Q"), alt.X2("high:Q"), alt.Y("y:Q", **down))
    point = base.mark_point(filled=True, size=80, opacity=1, color=INK).encode(
        alt.X("estimate:Q"),
        alt.Y("y:Q", **down),
        alt.Shape("verdict:N")
        .scale(domain=[REPRODUCED, NOT_REPRODUCED, CANNOT_TELL], range=["circle", "cross", "diamond"])
        .title(None)
        .legend(columns=COLUMNS),
        tooltip=[
            alt.Tooltip("claim:N", title="Claim"),
            alt.Tooltip("effect:N", title="Effect"),
            alt.Tooltip("estimate:Q", title="Estimate", format=form),
            *_interval(form),
            alt.Tooltip("verdict:N", title="Verdict"),
        ],
    )
    named = [
        title.encode(alt.Y("y:Q", **down), alt.Text("claim:N")),
        name.encode(alt.Y("above:Q", **down), alt.Text("name:N")),
    ]
    zero = [_zero(0.4)] if first < 0 < last else []
    return _spec(alt.layer(region, *zero, interval, point, *named), height=top)


def errors_by_round(
    final: Mapping[str, Mapping[str, pd.DataFrame]], models: Sequence[str], published: Mapping[str, paper.Result]
) -> Spec:
    """Draw Figure 3: test error over rounds, with a choice of protocol; dashed, the published means."""
    rows = [
        {"protocol": protocol, "model": model, "round": row.round, "error": row.test_error}
        for protocol, by_model in final.items()
        for model, table in by_model.items()
        for row in table.itertuples()
    ]
    shown = {str(row["model"]) for row in rows}
    numbers = [float(str(row["round"])) for row in rows]
    choice = _select("rounds_protocol", "Protocol: ", {protocol: protocol for protocol in final})
    base = (
        alt.Chart(_data(rows))
        .transform_filter("datum.protocol == rounds_protocol")
        .encode(
            alt.X("round:Q")
            .title("Round")
            .axis(format="d", tickMinStep=1, grid=False)
            .scale(domain=[min(numbers) - 0.5, max(numbers) + 0.5], nice=False),
            _colour(models, shown),
        )
    )
    tooltip = [
        alt.Tooltip("model:N", title="Model"),
        alt.Tooltip("round:Q", title="Round"),
        alt.Tooltip("error:Q", title="Test error", format=".4f"),
    ]
    error = alt.Y("error:Q").title(f"Test error ({UNIT})").axis(tickCount=6)
    line = base.mark_line(strokeWidth=1.2).encode(error)
    point = (
        base.transform_filter("isValid(datum.error)")
        .mark_point(filled=True, size=70, opacity=1)
        .encode(error, _shape(models, shown), tooltip=tooltip)
    )
    diverged = (
        base.transform_filter("!isValid(datum.error)")
        .mark_point(shape="cross", angle=45, filled=True, size=110, opacity=1)
        .encode(y=alt.value(6), tooltip=[*tooltip[:2], alt.Tooltip("mark:N", title="Diverged")])
        .transform_calculate(mark="'yes'")
    )
    known = [
        {"model": model, "error": published[model].test_error, "n": paper.ROUNDS}
        for model in models
        if model in published
    ]
    means = (
        alt.Chart(_data(known))
        .mark_rule(strokeDash=[6, 4], strokeWidth=1.5)
        .encode(
            alt.Y("error:Q"),
            _colour(models, shown),
            tooltip=[
                alt.Tooltip("model:N", title="The paper's mean"),
                alt.Tooltip("error:Q", title="Test error", format=".4f"),
                alt.Tooltip("n:Q", title="n"),
            ],
        )
    )
    layers = [*([means] if known else []), line, point, diverged]
    return _spec(alt.layer(*layers).add_params(choice), height=320)


def learning_curve(curves: Mapping[str, pd.DataFrame], column: str, models: Sequence[str]) -> Spec:
    """Draw a column of the learning curves, one model at a time: mean and range over rounds that did not diverge."""
    rows: list[dict[str, Any]] = []
    for model, table in curves.items():
        whole = whole_rounds(table).dropna(subset=[column])
        by_epoch = whole.groupby("epoch")[column].agg(["mean", "min", "max", "size"])
        if column == "train_loss":
            by_epoch = by_epoch[by_epoch["mean"] > 0]
            by_epoch["min"] = by_epoch["min"].where(by_epoch["min"] > 0, by_epoch["mean"])  # a log axis has no zero
        rows += by_epoch.reset_index().assign(model=model).to_dict("records")  # type: ignore[arg-type]
    if not rows:
        rows = [{"model": "", "epoch": 1, "mean": 1, "min": 1, "max": 1, "size": 0}]
    # The same axes for all models.
    least, most = min(row["min"] for row in rows), max(row["max"] for row in rows)
    y = alt.Y("mean:Q").title(LABELS[column]).axis(tickCount=5).scale(domain=[0, most])
    if column == "train_loss":
        y = y.scale(type="log", domain=[least, most]).axis(format="~g", tickCount=5, labelOverlap=True)
    last = max(row["epoch"] for row in rows)
    choice = _select(f"{column}_model", "Model: ", {model: model for model in _in_order(models, curves)})
    base = (
        alt.Chart(_data(rows))
        .transform_filter(f"datum.model == {column}_model")
        .encode(
            alt.X("epoch:Q")
            .title("Epoch")
            .axis(format="d", tickMinStep=1, grid=False, tickCount=6)
            .scale(domain=[1, last], nice=False),
            _colour(models),
        )
    )
    band = base.mark_area(opacity=0.15).encode(alt.Y("min:Q"), alt.Y2("max:Q"))
    line = base.mark_line(strokeWidth=1.8).encode(y)
    target = base.mark_point(size=80, opacity=0, filled=True).encode(
        alt.Y("mean:Q"),
        tooltip=[
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("epoch:Q", title="Epoch"),
            alt.Tooltip("mean:Q", title="Mean", format=".4~g"),
            alt.Tooltip("min:Q", title="Smallest", format=".4~g"),
            alt.Tooltip("max:Q", title="Largest", format=".4~g"),
            alt.Tooltip("size:Q", title="n (rounds)"),
        ],
    )
    return _spec(alt.layer(band, line, target).add_params(choice), height=280)


def grid_heat_map(grid: pd.DataFrame, selection: Mapping[str, Any], published: Mapping[str, paper.Result]) -> Spec:
    """Draw the grid with a choice of model and metric, a panel for each number of epochs.

    A cell's tooltip lists its rounds; letters (`FRAMES`) mark the chosen cells. As in the figures, a cell with a
    diverged round has no colour and says how many diverged.
    """
    models = list(selection)
    columns = [*(metric for metric in METRICS if metric in grid), "test_error_std"]
    lists = grid.sort_values("round").groupby(["model", *CONFIGURATION])
    rows = []
    for cell in summarise_cells(grid).to_dict("records"):
        rounds = lists.get_group((cell["model"], *(cell[name] for name in CONFIGURATION)))
        row = {name: cell[name] for name in ("model", *CONFIGURATION, "diverged_rounds", "n_rounds")}
        for metric in columns:
            shown = rounds[metric.removesuffix("_std")]
            row[metric] = shown.std() if metric.endswith("_std") else shown.mean()
            row[f"{metric}_rounds"] = "  ".join("diverged" if pd.isna(value) else f"{value:.4g}" for value in shown)
        if cell["diverged_rounds"]:
            row |= dict.fromkeys(columns)
        choices = [selection[cell["model"]][rule] if cell["model"] in selection else {} for rule in RULES]
        choices.append(published[cell["model"]]._asdict() if cell["model"] in published else {})
        row["frames"] = " ".join(
            letter
            for letter, choice in zip(FRAMES, choices, strict=True)
            if choice and all(choice[name] == cell[name] for name in CONFIGURATION)
        )
        rows.append(row)
    base = alt.Chart().encode(
        alt.X("batch_size:O").title("Batch size (pairs)").axis(labelAngle=0),
        alt.Y("learning_rate:O").title("Learning rate").sort("descending"),
    )
    tooltip = [
        alt.Tooltip("model:N", title="Model"),
        *(alt.Tooltip(f"{name}:Q", title=name.capitalize().replace("_", " ")) for name in CONFIGURATION),
        alt.Tooltip("shown:Q", title="Mean (or deviation)", format=".4f"),
        alt.Tooltip("rounds:N", title="Rounds"),
        alt.Tooltip("n_rounds:Q", title="n (rounds)"),
        alt.Tooltip("diverged_rounds:Q", title="Diverged rounds"),
    ]
    fill = (
        alt.Color("shown:Q")
        .scale(scheme="cividis", reverse=True, zero=False)
        .title(None)
        .legend(gradientLength=220, gradientThickness=12, format=".3~g", tickCount=4)
    )
    rect = base.mark_rect(stroke="white", strokeWidth=0.5).encode(fill, tooltip=tooltip)
    empty = (
        base.transform_filter("datum.diverged_rounds > 0")
        .mark_rect(fill="#bbb", fillOpacity=0.35, stroke=INK, strokeDash=[3, 3], strokeWidth=0.7)
        .encode(tooltip=tooltip)
    )
    ink = alt.condition("datum.place > 0.55", alt.value("white"), alt.value("black"))
    number = (
        base.transform_filter("datum.diverged_rounds == 0")
        .mark_text(fontSize=12, dy=alt.expr("datum.frames ? -7 : 0"))
        .encode(alt.Text("shown:Q", format=".3f"), color=ink)
    )
    letters = base.mark_text(fontSize=12, fontWeight="bold", dy=9).encode(alt.Text("frames:N"), color=ink)
    count = (
        base.transform_filter("datum.diverged_rounds > 0")
        .transform_calculate(text="datum.diverged_rounds + '/' + datum.n_rounds")
        .mark_text(fontSize=12)
        .encode(alt.Text("text:N"))
    )
    labels = {metric: METRICS[metric] for metric in columns}
    chart = (
        alt.layer(rect, empty, number, letters, count, data=_data(rows))
        .properties(width=300, height=alt.Step(38))
        .facet(alt.Facet("epochs:O").title("Epochs"), columns=2)
        .transform_filter("datum.model == grid_model")
        .transform_calculate(shown="datum[grid_metric]", rounds="datum[grid_metric + '_rounds']")
        .transform_joinaggregate(least="min(shown)", most="max(shown)")
        .transform_calculate(
            place="datum.most > datum.least ? (datum.shown - datum.least) / (datum.most - datum.least) : 0"
        )
        .add_params(
            _select("grid_model", "Model: ", {model: model for model in models}),
            _select("grid_metric", "Metric: ", labels),
        )
    )
    # The page fits the panels' width to the screen: Vega-Lite does so for single charts only.
    spec: Spec = chart.configure(**CONFIG).to_dict()
    return spec | {"usermeta": {"panels": 2}}


def confusions(mistakes: pd.DataFrame, label: str) -> Spec:
    """Draw the error matrix with a choice of model: the share of wrong answers for each two of what `label` says.

    Rows have `model`, `first`, `second`, `pairs`, `wrong`, `answers` and `share`; the scale is the same for all models.
    """
    models = list(mistakes["model"].unique())
    base = (
        alt.Chart(_data(mistakes.to_dict("records")))
        .transform_joinaggregate(most="max(share)")
        .transform_filter("datum.model == confusions_model")
        .encode(
            alt.X("second:O").title(f"Second {label}").axis(labelAngle=0, orient="top"),
            alt.Y("first:O").title(f"First {label}"),
        )
    )
    most = float(mistakes["share"].max())
    rect = base.mark_rect(stroke="white", strokeWidth=0.5).encode(
        alt.Color("share:Q")
        .scale(scheme="cividis", reverse=True, domain=[0, most or 1])
        .title("Share of answers that are wrong")
        .legend(orient="bottom", gradientLength=220, gradientThickness=12, format=".2~g", tickCount=4),
        tooltip=[
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("first:O", title=f"First {label}"),
            alt.Tooltip("second:O", title=f"Second {label}"),
            alt.Tooltip("share:Q", title="Share wrong", format=".3f"),
            alt.Tooltip("wrong:Q", title="Wrong answers"),
            alt.Tooltip("answers:Q", title="n (answers)"),
            alt.Tooltip("pairs:Q", title="Test pairs"),
        ],
    )
    text = (
        base.transform_filter("datum.share > 0")
        .mark_text(fontSize=10)
        .encode(
            alt.Text("share:Q", format=".2f"),
            color=alt.condition("datum.share > 0.55 * datum.most", alt.value("white"), alt.value("black")),
        )
    )
    choice = _select("confusions_model", "Model: ", {model: model for model in models})
    return _spec(alt.layer(rect, text).add_params(choice), height=320)


def two_factors(errors: Mapping[str, Mapping[str, Row]], models: Sequence[str]) -> Spec:
    """Draw the four networks of the 2 x 2 design with a choice of protocol; parallel lines: no interaction.

    `errors` is that part of statistics.json.
    """
    separate, separate_aux, shared, shared_aux = factors.DESIGN
    rows = [
        {
            "protocol": protocol,
            "model": model,
            "weights": "shared" if model in (shared, shared_aux) else "separate",
            "losses": "with auxiliary losses" if model in (separate_aux, shared_aux) else "without",
            **{key: by_model[model]["interquartile_mean"][key] for key in ("estimate", "low", "high", "n")},
        }
        for protocol, by_model in errors.items()
        for model in (separate, shared, separate_aux, shared_aux)
    ]
    base = (
        alt.Chart(_data(rows))
        .transform_filter("datum.protocol == factors_protocol")
        .encode(
            alt.X("weights:N").title("Weights of the two branches").axis(labelAngle=0).scale(type="point", padding=0.7)
        )
    )
    y = alt.Y("estimate:Q").title(f"Test error ({UNIT}), interquartile mean").axis(tickCount=6).scale(zero=True)
    line = base.mark_line(strokeWidth=1.5, color=INK).encode(
        y,
        alt.StrokeDash("losses:N")
        .title("Losses")
        .scale(domain=["without", "with auxiliary losses"], range=[[1, 0], [5, 4]]),
    )
    intervals = _whiskers(base, rows, alt.Y("low:Q"), alt.Y2("high:Q"))
    point = base.mark_point(filled=True, size=110, opacity=1).encode(
        y,
        _colour(models),
        tooltip=[
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("estimate:Q", title="Test error, interquartile mean", format=".4f"),
            *_interval(),
        ],
    )
    name = base.mark_text(align="left", dx=9, dy=-9).encode(y, alt.Text("model:N"))
    choice = _select("factors_protocol", "Protocol: ", {protocol: protocol for protocol in errors})
    return _spec(alt.layer(line, *intervals, point, name).add_params(choice), height=280)


def ablations(table: pd.DataFrame, models: Sequence[str]) -> Spec:
    """Draw the interquartile mean of each model's test error at each value, with a choice of parameter."""
    rows = []
    for (parameter, value, model), rounds in table.groupby(["parameter", "value", "model"], sort=False):
        found = interquartile_mean(rounds["test_error"])
        rows.append(
            {
                "parameter": parameter,
                "value": str(value),
                "model": model,
                **{key: getattr(found, key) for key in ("estimate", "low", "high", "n")},
            }
        )
    shown = {str(row["model"]) for row in rows}
    parameters = list(dict.fromkeys(str(row["parameter"]) for row in rows))
    choice = _select("ablations_parameter", "Parameter: ", {name: name for name in parameters})
    y = alt.Y("value:N").sort(None).title("Value").scale(paddingInner=0.3)
    base = (
        alt.Chart(_data(rows))
        .transform_filter("datum.parameter == ablations_parameter")
        .encode(y, alt.YOffset("model:N").sort(list(models)), _colour(models, shown))
    )
    intervals = _whiskers(base, rows, alt.X("low:Q"), alt.X2("high:Q"))
    point = base.mark_point(filled=True, size=80, opacity=1).encode(
        alt.X("estimate:Q")
        .title([f"Test error ({UNIT}),", "interquartile mean and its 95% interval"])
        .scale(zero=True)
        .axis(tickCount=6),
        _shape(models, shown),
        tooltip=[
            alt.Tooltip("parameter:N", title="Parameter"),
            alt.Tooltip("value:N", title="Value"),
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("estimate:Q", title="Test error, interquartile mean", format=".4f"),
            *_interval(),
        ],
    )
    most = max(Counter(row["parameter"] for row in rows).values())
    return _spec(alt.layer(*intervals, point).add_params(choice), height=18 * most)


def power_laws(table: pd.DataFrame, laws: Mapping[str, Any], models: Sequence[str]) -> Spec:
    """Draw test error against the number of training pairs, both logarithmic: rounds, means, intervals and laws.

    `laws` is `more_data` of statistics.json. Errors of zero are left out.
    """
    rounds = [
        row for row in table[["model", "n_train", "round", "test_error"]].to_dict("records") if row["test_error"] > 0
    ]
    points = [
        {"model": model} | {key: point[key] for key in ("n_train", "estimate", "low", "high", "n")}
        for model, law in laws.items()
        for point in law["points"]
        if point["estimate"]
    ]
    for point in points:
        if point["low"] is not None and point["low"] <= 0:
            point["low"] = min(row["test_error"] for row in rounds)
    lines = [
        {"model": model, "n_train": n, "error": law["scale"] * n ** -law["exponent"]["estimate"]}
        for model, law in laws.items()
        if law.get("scale")
        for n in (law["points"][0]["n_train"], law["points"][-1]["n_train"])
    ]
    x = (
        alt.X("n_train:Q")
        .title("Training pairs (log scale)")
        .scale(type="log", nice=False, padding=12)
        .axis(values=sorted({int(n) for n in table["n_train"]}), format=",d", grid=False, labelOverlap=True)
    )
    y_axis: dict[str, Any] = {"format": "~g", "labelOverlap": True}
    tooltip = [
        alt.Tooltip("model:N", title="Model"),
        alt.Tooltip("n_train:Q", title="Training pairs", format=",d"),
    ]
    single = (
        alt.Chart(_data(rounds))
        .mark_point(size=22, opacity=0.6, filled=True)
        .encode(
            x,
            alt.Y("test_error:Q")
            .scale(type="log", nice=False, padding=10)
            .title(f"Test error ({UNIT}, log scale)")
            .axis(**y_axis),
            _colour(models, laws),
            tooltip=[
                *tooltip,
                alt.Tooltip("round:Q", title="Round"),
                alt.Tooltip("test_error:Q", title="Test error", format=".4f"),
            ],
        )
    )
    law = alt.Chart(_data(lines)).mark_line(strokeDash=[6, 4]).encode(x, alt.Y("error:Q"), _colour(models, laws))
    base = alt.Chart(_data(points)).encode(x, _colour(models, laws))
    intervals = _whiskers(base, points, alt.Y("low:Q"), alt.Y2("high:Q"))
    mean = base.mark_point(filled=True, size=100, opacity=1).encode(
        alt.Y("estimate:Q"),
        _shape(models, laws),
        tooltip=[*tooltip, alt.Tooltip("estimate:Q", title="Mean test error", format=".4f"), *_interval()],
    )
    return _spec(alt.layer(single, law, *intervals, mean), height=340)


def optimism(rows: Sequence[Row], models: Sequence[str]) -> Spec:
    """Draw the optimism of each rule's choice; rows have `model`, `rule` and an estimate with its interval."""
    base = alt.Chart(_data(rows)).encode(
        alt.Y("model:N").sort(list(models)).title(None).scale(paddingInner=0.3),
        alt.YOffset("rule:N").sort(list(RULES)),
        _colour(models),
    )
    intervals = _whiskers(base, rows, alt.X("low:Q"), alt.X2("high:Q"))
    point = base.mark_point(filled=True, size=90, opacity=1).encode(
        alt.X("estimate:Q").title(
            ["Error on new pairs minus that in the", f"grid ({UNIT}); above", "zero: it looked too good"]
        ),
        alt.Shape("rule:N").sort(list(RULES)).title("Chosen by the error on").legend(symbolFillColor=INK),
        tooltip=[
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("rule:N", title="Chosen by"),
            alt.Tooltip("estimate:Q", title="Optimism", format="+.4f"),
            *_interval("+.4f"),
        ],
    )
    return _spec(alt.layer(_zero(), *intervals, point), height=24 * len(rows))


def _spec(chart: alt.LayerChart | alt.FacetChart, height: int) -> Spec:
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    whole = chart.properties(width="container", height=height, autosize=fit).configure(**CONFIG)
    spec: Spec = whole.to_dict(validate=schemapi.DEBUG_MODE)
    return spec


def _data(rows: Sequence[Mapping[Any, Any]]) -> alt.InlineData:
    """Inline rows with six decimals, more than an error has; NaN becomes null."""
    text = pd.DataFrame([dict(row) for row in rows]).to_json(orient="records", double_precision=6)
    return alt.InlineData(values=json.loads(text) or [{}])


def _select(name: str, label: str, options: Mapping[str, str]) -> alt.Parameter:
    """Return a parameter set by a native select element, which the keyboard reaches; `options` is {value: label}."""
    values = list(options)
    binding = alt.binding_select(options=values, labels=list(options.values()), name=label)
    return alt.param(name=name, value=values[0], bind=binding)


def _colour(models: Sequence[str], shown: Iterable[str] | None = None) -> alt.Color:
    """Encode the model as its colour; the legend lists the models in `shown`, None: no legend."""
    scale = alt.Color("model:N").scale(domain=list(models), range=_range(models)).title(None)
    if shown is None:
        return scale.legend(None)
    return scale.legend(columns=COLUMNS, symbolOpacity=1, values=_in_order(models, shown))


def _shape(models: Sequence[str], shown: Iterable[str]) -> alt.Shape:
    shapes = list(palette.assign(models, SHAPES).values())
    shape = alt.Shape("model:N").scale(domain=list(models), range=shapes).title(None)
    return shape.legend(columns=COLUMNS, symbolOpacity=1, values=_in_order(models, shown))


def _range(models: Sequence[str]) -> list[str]:
    """Return the models' colours, with the page's ink in place of black."""
    return [INK if colour == palette.BLACK else colour for colour in palette.assign(models).values()]


def _in_order(models: Sequence[str], shown: Iterable[str]) -> list[str]:
    wanted = set(shown)
    return [model for model in models if model in wanted]


def _interval(form: str = ".4f") -> list[alt.Tooltip]:
    return [
        alt.Tooltip("low:Q", title="95% interval from", format=form),
        alt.Tooltip("high:Q", title="to", format=form),
        alt.Tooltip("n:Q", title="n (rounds)"),
    ]
