"""Collect the rounds of all cells into one tidy table, sorted by value."""

import argparse
import json
from pathlib import Path

from digitpairs import errors, tables
from digitpairs.cells import CELL, cells
from digitpairs.files import write_atomically


def main() -> None:
    """Parse arguments, read the cells, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help=f"of the cells {CELL}/rounds.csv")
    parser.add_argument("--grid", type=json.loads, required=True, help="json: {model: {hyperparameter: values}}")
    parser.add_argument("--output", type=Path, required=True, help="csv: one row a cell and round")
    args = parser.parse_args()
    found = ((cell, args.folder / CELL.format_map(cell) / "rounds.csv") for cell in cells(args.grid))
    write_atomically(args.output, tables.stack(found))


if __name__ == "__main__":
    errors.run(main)
