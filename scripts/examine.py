"""Compute the study's statistics and test the paper's claims."""

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

from digitpairs import errors, models, tables
from digitpairs.analysis import claims, findings
from digitpairs.files import write_atomically


def count_parameters(model: str, train: dict[str, Any]) -> int:
    """Count a model's parameters on its definition."""
    net = models.load(model)(**{key: train[key] for key in models.options(model)})
    return sum(parameter.numel() for parameter in net.parameters())


def main() -> None:
    """Parse arguments, compute, write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="+", type=Path, metavar="ROUNDS_CSV", help=".../{protocol}/{model}/rounds.csv")
    parser.add_argument(
        "--curves", nargs="+", type=Path, required=True, metavar="CURVES_CSV", help=".../{protocol}/{model}/curves.csv"
    )
    parser.add_argument("--grid", type=Path, required=True, help="csv: all cells' rounds")
    parser.add_argument("--selection", type=Path, required=True, help="json: the chosen configurations")
    parser.add_argument("--train", type=json.loads, required=True, help="params.yaml's section of that name, as JSON")
    parser.add_argument("--ablations", type=Path, nargs="?", help="csv: rounds at other values of what `train` holds")
    parser.add_argument("--more-data", type=Path, nargs="?", help="csv: rounds with more training pairs")
    parser.add_argument("--statistics", type=Path, required=True, help="json to write: intervals and tests")
    parser.add_argument("--claims", type=Path, required=True, help="json to write: verdicts on the paper's claims")
    args = parser.parse_args()

    final, curves = tables.read_final(args.rounds), tables.read_final(args.curves)
    grid = pd.read_csv(args.grid)
    selection = json.loads(args.selection.read_text(encoding="utf-8"))
    ablations = pd.read_csv(args.ablations) if args.ablations else None
    more_data = pd.read_csv(args.more_data) if args.more_data else None
    parameters = {model: count_parameters(model, args.train) for model in selection}

    numbers = findings.tabulate(final, grid, selection, args.train, ablations, more_data)
    study = claims.Study(final, curves, grid, selection, parameters, ablations)
    verdicts: Any = claims.examine(study)  # a list, where `to_json` asks for an object
    write_atomically(args.statistics, tables.to_json(numbers).encode())
    write_atomically(args.claims, tables.to_json(verdicts).encode())


if __name__ == "__main__":
    errors.run(main)
