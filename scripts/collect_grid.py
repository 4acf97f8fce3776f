"""Collect the rounds of all cells into one tidy table, sorted by value."""

import argparse
import csv
import re
from pathlib import Path

from digitpairs import errors

ROUNDS = ["round", "train_loss", "train_error", "validation_error", "test_error"]
CELL = re.compile(r"([^/]+)/batch_size~([^/]+)/learning_rate~([^/]+)/epochs~([^/]+)/")


def read(path: str) -> list[list[str | int | float]]:
    """Return a cell's rows with model and configuration, from its path, in front; figures stay as they were written."""
    match = CELL.search(path)
    if not match:
        raise errors.StudyError(f"{path}: not {{model}}/batch_size~{{b}}/learning_rate~{{lr}}/epochs~{{e}}/rounds.csv")
    model, batch_size, learning_rate, epochs = match.groups()
    with Path(path).open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    if header != ROUNDS:
        raise errors.StudyError(f"{path}: columns are {','.join(header)}, not {','.join(ROUNDS)}")
    cell = [model, int(batch_size), float(learning_rate), int(epochs)]
    return [[*cell, int(number), *values] for number, *values in rows]


def main() -> None:
    """Parse arguments, read the cells, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", metavar="CELL_CSV", help=".../{model}/batch_size~{b}/.../rounds.csv")
    parser.add_argument("--list", type=Path, help="a file with one more path a line: there may be too many to type")
    parser.add_argument("--output", type=Path, required=True, help="csv: one row a cell and round")
    args = parser.parse_args()
    paths = args.cells + (args.list.read_text(encoding="utf-8").split("\n") if args.list else [])
    rows = sorted((row for path in paths if path for row in read(path)), key=lambda row: row[:5])
    with args.output.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["model", "batch_size", "learning_rate", "epochs", *ROUNDS])
        table.writerows(rows)


if __name__ == "__main__":
    errors.run(main)
