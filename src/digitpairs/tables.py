"""Tables (CSV) and JSON, as the study's steps exchange them."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from digitpairs.errors import StudyError

Tables = Mapping[str, Mapping[str, pd.DataFrame]]  # {protocol: {model: rows}}
PROTOCOLS = ("fixed", "resampled")  # of the final rounds at the study's own choice
PAIRED_ANEW = "paired_anew_error"  # of a fresh round: the mean over several pairings of its test images


def by_protocol(table: pd.DataFrame, column: str = "protocol") -> dict[str, dict[str, pd.DataFrame]]:
    """Split final.csv or curves.csv into {protocol: {model: rows}}, in the order of the rows; fresh.csv by its arms."""
    return {
        str(protocol): {
            str(model): rows.drop(columns=[column, "model"]).reset_index(drop=True)
            for model, rows in of_protocol.groupby("model", sort=False)
        }
        for protocol, of_protocol in table.groupby(column, sort=False)
    }


def by_value(ablations: pd.DataFrame | None, parameter: str, model: str) -> dict[float | str, pd.DataFrame]:
    """Return a model's rows of ablations.csv at each value of a parameter, in their order; empty if there are none."""
    if ablations is None:
        return {}
    rows = ablations[(ablations["parameter"] == parameter) & (ablations["model"] == model)]
    return {_number_or_text(value): table for value, table in rows.groupby("value", sort=False)}


def _number_or_text(value: Any) -> float | str:
    """Parse a value of a column of numbers and words."""
    try:
        return float(value)
    except ValueError:
        return str(value)


def stack(tables: Iterable[tuple[Mapping[str, Any], Path]], rounds: int | None = None) -> bytes:
    """Return one CSV of many, each row led by its table's key; numbers stay as written.

    `tables` yields each table's key, {column: value}, and its path; of each, the first `rounds` rows are kept.

    Raises `StudyError` where columns differ.
    """
    text = io.StringIO()
    stacked = csv.writer(text, lineterminator="\n")
    columns: list[str] = []
    for key, path in tables:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        if not columns:
            columns = header
            stacked.writerow([*key, *columns])
        if header != columns:
            raise StudyError(f"{path}: columns are {','.join(header)}, not {','.join(columns)}")
        stacked.writerows([*key.values(), *row] for row in rows[:rounds])
    return text.getvalue().encode()


def to_json(results: dict[str, Any] | list[Any], sort: bool = True) -> str:
    """Write results as JSON, the same bytes for the same results; keys are sorted, or in their order.

    Numbers have twelve digits: on the last three or four, processors differ. NaN, which JSON lacks, becomes null.
    """
    return json.dumps(_plain(results), indent=2, sort_keys=sort, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case float():
            return None if math.isnan(value) else float(f"{value:.12g}")
    return value
