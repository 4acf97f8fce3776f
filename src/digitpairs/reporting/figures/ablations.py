"""Ablations: the change of the test error from the study's own value, a panel for each parameter."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from digitpairs.reporting import intervals
from digitpairs.reporting.palette import UNIT
from digitpairs.reporting.style import new_figure, note

READS = ("statistics",)
CAPTION = (
    "Ablations: change of the test error, interquartile mean of rounds in pairs, from the study's own value, the zero "
    "line, for each parameter, value and network. Scales differ between panels."
)
PARAMETERS = {
    "auxiliary_weight": "Weight of the auxiliary losses",
    "batch_norm": "Place of BatchNorm",
    "weight_decay": "Weight decay",
}


def draw(*, statistics: Mapping[str, Any]) -> Figure:
    """Draw each model's paired change with its interval."""
    rows = pd.DataFrame(statistics["ablations"])
    if rows.empty:
        return note("Nothing was ablated.")
    parameters = list(rows["parameter"].unique())
    values = {parameter: list(table["value"].unique()) for parameter, table in rows.groupby("parameter")}
    looks = intervals.Looks(statistics)
    order = [model for model in looks.models if (rows["model"] == model).any()]
    figure = new_figure(9, 4.2)
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
            legend[model] = looks.points(axes, np.array(x) + shift, found.to_dict("records"), model)
        reference = _value(table["reference"].iloc[0])
        axes.set(title=f"Zero line: {reference}", xlim=(-0.6, len(values[parameter]) - 0.4))
        axes.set_xticks(range(len(values[parameter])), [_value(value) for value in values[parameter]])
        axes.set_xlabel(PARAMETERS.get(parameter, parameter))
        axes.grid(axis="y")
    panels[0].set_ylabel(f"Change of the test error ({UNIT})")
    handles = [legend[model] for model in order] + [intervals.key()]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return figure


def _value(value: Any) -> str:
    """Write a parameter's value."""
    return value if isinstance(value, str) else f"{value:g}"
