"""Train rounds by the recipe for the least error, each on a dataset of its own, and report their errors."""

import argparse
import functools
import json
from pathlib import Path

import pandas as pd
import torch

from digitpairs import errors
from digitpairs.data.pairs import load_pairs
from digitpairs.files import write_atomically
from digitpairs.networks import kernels
from digitpairs.training.recipe import Recipe, train_rounds
from digitpairs.training.rounds import ERRORS
from digitpairs.training.run import keep_freed_memory


def main() -> None:
    """Parse arguments, train, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", type=json.loads, required=True, help="the fields of `Recipe`, as JSON")
    parser.add_argument("--pairs", nargs="+", type=Path, required=True, help="a dataset for each round")
    parser.add_argument("--output", type=Path, required=True, help="csv: one row a round")
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    report = functools.partial(print, flush=True)  # the log is read while it is written
    if warning := kernels.warning():
        report(warning)
    rows = train_rounds(Recipe(**args.recipe), [load_pairs(path) for path in args.pairs], report)
    table = pd.DataFrame(rows, columns=ERRORS).to_csv(index=False, na_rep="nan", lineterminator="\n")
    write_atomically(args.output, table.encode())


if __name__ == "__main__":
    kernels.pin()
    errors.run(main)
