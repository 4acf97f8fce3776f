"""Collect the rounds of all cells into one tidy table, sorted by value."""

import argparse
import csv
import io
import json
from pathlib import Path

from digitpairs import errors
from digitpairs.cells import CELL, cells
from digitpairs.files import write_atomically


def main() -> None:
    """Parse arguments, read the cells, write the table; figures stay as they were written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help=f"of the cells {CELL}/rounds.csv")
    parser.add_argument("--grid", type=json.loads, required=True, help="json: {model: {hyperparameter: values}}")
    parser.add_argument("--output", type=Path, required=True, help="csv: one row a cell and round")
    args = parser.parse_args()
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    columns: list[str] = []
    for cell in cells(args.grid):
        path = args.folder / CELL.format_map(cell) / "rounds.csv"
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        if not columns:
            columns = header
            table.writerow([*cell, *columns])
        if header != columns:
            raise errors.StudyError(f"{path}: columns are {','.join(header)}, not {','.join(columns)}")
        table.writerows([*cell.values(), *row] for row in rows)
    write_atomically(args.output, text.getvalue().encode())


if __name__ == "__main__":
    errors.run(main)
