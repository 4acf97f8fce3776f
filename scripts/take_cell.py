"""Take a cell's rounds from the table of a stack of learning rates and numbers of epochs."""

import argparse
import csv
import io
from pathlib import Path

from digitpairs import errors
from digitpairs.files import write_atomically

KEYS = ("learning_rate", "epochs")


def main() -> None:
    """Parse arguments, write the cell's table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", type=Path, required=True, help="stack.csv of train_stack.py")
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="rounds.csv")
    args = parser.parse_args()
    columns, *rows = csv.reader(io.StringIO(args.stack.read_text(encoding="utf-8")))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns[len(KEYS) :])
    for rate, epochs, *row in rows:
        if (float(rate), int(epochs)) == (args.learning_rate, args.epochs):
            table.writerow(row)
    write_atomically(args.output, text.getvalue().encode())


if __name__ == "__main__":
    errors.run(main)
