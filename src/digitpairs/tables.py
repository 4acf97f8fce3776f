"""Tables and JSON as the study's steps exchange them."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from digitpairs.errors import StudyError


def read_final(paths: Iterable[Path]) -> dict[str, dict[str, pd.DataFrame]]:
    """Read the tables `.../{protocol}/{model}/*.csv` into {protocol: {model: table}}, in the order of the paths."""
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    for path in paths:
        tables.setdefault(path.parts[-3], {})[path.parts[-2]] = pd.read_csv(path)
    return tables


def stack(tables: Iterable[tuple[Mapping[str, Any], Path]], rounds: int | None = None) -> bytes:
    """Return one CSV of many `rounds.csv`, each row led by what tells its table apart; numbers stay as written.

    `tables` yields {column: value} and the table's path; `rounds` keeps only so many rows of each.

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


def to_json(results: dict[str, Any]) -> str:
    """Write results as JSON, the same bytes for the same results.

    Numbers have twelve digits: on the last three or four, processors differ. NaN, which JSON lacks, becomes null.
    """
    return json.dumps(_plain(results), indent=2, sort_keys=True, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case float():
            return None if math.isnan(value) else float(f"{value:.12g}")
    return value
