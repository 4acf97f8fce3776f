"""Compute the study's statistics: intervals, tests, power laws."""

import argparse
import json
from pathlib import Path

import pandas as pd

from digitpairs import errors, paper, tables
from digitpairs.analysis import further, statistics
from digitpairs.files import write_atomically


def main() -> None:
    """Parse arguments, compute, write the statistics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--final", type=Path, required=True, help="csv: final rounds of all protocols and models")
    parser.add_argument("--grid", type=Path, required=True, help="csv: one row a cell and round")
    parser.add_argument("--selection", type=Path, required=True, help="json: the chosen configurations")
    parser.add_argument("--source", required=True, help="`data.source` of params.yaml: other data have no paper")
    parser.add_argument("--train", type=json.loads, required=True, help="json: the section `train` of params.yaml")
    parser.add_argument("--ablations", type=Path, nargs="?", help="csv, if any: rounds at other values of `train`")
    parser.add_argument("--more-data", type=Path, nargs="?", help="csv, if any: rounds with more training pairs")
    parser.add_argument("--further", type=json.loads, default={}, help="json: {part: csv} of the further parts")
    parser.add_argument("--output", type=Path, required=True, help="json: statistics by kind")
    args = parser.parse_args()
    parts = {name: pd.read_csv(path) for name, path in args.further.items()}
    found = further.tabulate(parts) | statistics.tabulate(
        tables.by_protocol(pd.read_csv(args.final)),
        pd.read_csv(args.grid),
        json.loads(args.selection.read_text(encoding="utf-8")),
        args.train,
        pd.read_csv(args.ablations) if args.ablations else None,
        pd.read_csv(args.more_data) if args.more_data else None,
        paper.published(args.source),
    )
    write_atomically(args.output, tables.to_json(found).encode())


if __name__ == "__main__":
    errors.run(main)
