"""The command-line arguments of the scripts that measure what the claims compare, and the study that they name."""

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

from digitpairs import models, tables
from digitpairs.analysis.measures import Study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `read` takes."""
    parser.add_argument("--final", type=Path, required=True, help="csv: final rounds of all protocols and models")
    parser.add_argument("--curves", type=Path, required=True, help="csv: their learning curves")
    parser.add_argument("--grid", type=Path, required=True, help="csv: one row a cell and round")
    parser.add_argument("--selection", type=Path, required=True, help="json: the chosen configurations")
    parser.add_argument("--train", type=json.loads, required=True, help="json: the section `train` of params.yaml")
    parser.add_argument("--ablations", type=Path, nargs="?", help="csv, if any: rounds at other values of `train`")
    parser.add_argument("--fresh", type=Path, nargs="?", help="csv, if any: the rounds that decide, after all others")
    parser.add_argument("--test-pairs", type=int, required=True, help="number of test pairs of a dataset")


def read(args: argparse.Namespace) -> Study:
    """Read the study that the arguments name."""
    selection = json.loads(args.selection.read_text(encoding="utf-8"))
    return Study(
        final=tables.by_protocol(pd.read_csv(args.final)),
        curves=tables.by_protocol(pd.read_csv(args.curves)),
        grid=pd.read_csv(args.grid),
        selection=selection,
        parameters={model: count_parameters(model, args.train) for model in selection},
        ablations=pd.read_csv(args.ablations) if args.ablations else None,
        n_test=args.test_pairs,
        fresh=tables.by_protocol(pd.read_csv(args.fresh), "arm") if args.fresh else {},
        batch_norm=args.train["batch_norm"],
    )


def count_parameters(model: str, train: dict[str, Any]) -> int:
    """Count the parameters of a model made with the values of `train`."""
    net = models.load(model)(**{key: train[key] for key in models.options(model)})
    return sum(parameter.numel() for parameter in net.parameters())
