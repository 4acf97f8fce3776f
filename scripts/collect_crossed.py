"""Collect rounds of initialisations crossed with orders, on several datasets, into one tidy table."""

import argparse
import io
import json
from pathlib import Path

import pandas as pd

from digitpairs import errors, tables
from digitpairs.files import write_atomically


def main() -> None:
    """Parse arguments, read the tables, write one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=json.loads, required=True, help="json: [[path, {column: value}], ...]")
    parser.add_argument("--initialisations", type=int, required=True, help="as in training, which crosses them")
    parser.add_argument("--output", type=Path, required=True, help="csv: one row a round")
    args = parser.parse_args()
    found = ((key, Path(path)) for path, key in args.tables)
    rows = pd.read_csv(io.BytesIO(tables.stack(found)), float_precision="round_trip")
    at, before = rows.columns.tolist().index("round"), rows.pop("round") - 1
    # As `training.run.crossed` numbers them.
    rows.insert(at, "initialisation", 1 + before % args.initialisations)
    rows.insert(at + 1, "order", 1 + before // args.initialisations)
    write_atomically(args.output, rows.to_csv(index=False, na_rep="nan", lineterminator="\n").encode())


if __name__ == "__main__":
    errors.run(main)
