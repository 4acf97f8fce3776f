"""Collect the rounds of several values of Adam into one tidy table, with the spikes of their learning curves."""

import argparse
import io
import json
from pathlib import Path

import pandas as pd

from digitpairs import errors, tables
from digitpairs.analysis import spikes
from digitpairs.files import write_atomically


def main() -> None:
    """Parse arguments, read the tables, write one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folders", type=json.loads, required=True, help="json: [[folder, {column: value}], ...]")
    parser.add_argument("--output", type=Path, required=True, help="csv: one row a training run and round")
    args = parser.parse_args()
    found = [(key, Path(folder)) for folder, key in args.folders]
    content = tables.stack((key, folder / "rounds.csv") for key, folder in found)
    rows = pd.read_csv(io.BytesIO(content), float_precision="round_trip")
    late = pd.concat([spikes.late(pd.read_csv(folder / "curves.csv")) for _, folder in found])
    rows["late_spikes"] = late.to_numpy()
    write_atomically(args.output, rows.to_csv(index=False, na_rep="nan", lineterminator="\n").encode())


if __name__ == "__main__":
    errors.run(main)
