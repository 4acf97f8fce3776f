"""Choose each model's configuration from the grid, by validation error and by the paper's rule."""

import argparse
from pathlib import Path

from digitpairs import errors, selection, tables


def main() -> None:
    """Parse arguments, choose, write the choice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", type=Path, required=True, help="csv: one row a cell and round")
    parser.add_argument("--by", choices=selection.RULES, required=True, help="the rule that the final rounds follow")
    parser.add_argument("--output", type=Path, required=True, help="json: both choices for each model")
    args = parser.parse_args()
    choice = selection.select(tables.read_table(args.grid), args.by)
    args.output.write_text(tables.to_json(choice), encoding="utf-8")


if __name__ == "__main__":
    errors.run(main)
