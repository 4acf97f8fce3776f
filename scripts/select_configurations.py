"""Choose each model's configuration from the grid, by validation error and by the paper's rule."""

import argparse
from pathlib import Path

import pandas as pd

from digitpairs import errors, tables
from digitpairs.analysis import selection
from digitpairs.files import write_atomically


def main() -> None:
    """Parse arguments, choose, write the choice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", type=Path, required=True, help="csv: one row a cell and round")
    parser.add_argument("--by", choices=selection.RULES, required=True, help="the rule that the final rounds follow")
    parser.add_argument("--output", type=Path, required=True, help="json: both choices for each model")
    args = parser.parse_args()
    choice = selection.select(pd.read_csv(args.grid), args.by)
    write_atomically(args.output, tables.to_json(choice).encode())


if __name__ == "__main__":
    errors.run(main)
