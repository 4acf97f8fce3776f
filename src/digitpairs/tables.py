"""Tables and JSON as the study's steps exchange them."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd


def read_final(paths: Iterable[Path]) -> dict[str, dict[str, pd.DataFrame]]:
    """Read the tables `.../{protocol}/{model}/*.csv` into {protocol: {model: table}}, in the order of the paths."""
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    for path in paths:
        tables.setdefault(path.parts[-3], {})[path.parts[-2]] = pd.read_csv(path)
    return tables


def to_json(results: dict[str, Any]) -> str:
    """Write results as JSON, the same bytes for the same results; NaN, which JSON lacks, becomes null."""
    return json.dumps(_without_nan(results), indent=2, sort_keys=True, allow_nan=False) + "\n"


def _without_nan(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_nan(item) for key, item in value.items()}
        case list():
            return [_without_nan(item) for item in value]
        case float() if math.isnan(value):
            return None
    return value
