"""Collect the rounds of several training runs into one tidy table."""

import argparse
import json
from pathlib import Path

from digitpairs import errors, tables
from digitpairs.files import write_atomically


def main() -> None:
    """Parse arguments, read the tables, write one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=json.loads, required=True, help="json: [[path, {column: value}], ...]")
    parser.add_argument("--rounds", type=int, help="of each table; all, if not given")
    parser.add_argument("--output", type=Path, required=True, help="csv: one row a training run and round")
    args = parser.parse_args()
    found = ((key, Path(path)) for path, key in args.tables)
    write_atomically(args.output, tables.stack(found, args.rounds))


if __name__ == "__main__":
    errors.run(main)
