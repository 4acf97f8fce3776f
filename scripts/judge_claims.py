"""Test the paper's claims on the study's rounds."""

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

from digitpairs import errors, models, paper, tables
from digitpairs.analysis import claims
from digitpairs.files import write_atomically


def count_parameters(model: str, train: dict[str, Any]) -> int:
    """Count the parameters of a model made with the values of `train`."""
    net = models.load(model)(**{key: train[key] for key in models.options(model)})
    return sum(parameter.numel() for parameter in net.parameters())


def main() -> None:
    """Parse arguments, test each claim, write the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--final", type=Path, required=True, help="csv: final rounds of all protocols and models")
    parser.add_argument("--curves", type=Path, required=True, help="csv: their learning curves")
    parser.add_argument("--grid", type=Path, required=True, help="csv: one row a cell and round")
    parser.add_argument("--selection", type=Path, required=True, help="json: the chosen configurations")
    parser.add_argument("--source", required=True, help="`data.source` of params.yaml: other data have no claims")
    parser.add_argument("--train", type=json.loads, required=True, help="json: the section `train` of params.yaml")
    parser.add_argument("--ablations", type=Path, nargs="?", help="csv, if any: rounds at other values of `train`")
    parser.add_argument("--output", type=Path, required=True, help="json: the claims with their verdicts")
    args = parser.parse_args()
    selection = json.loads(args.selection.read_text(encoding="utf-8"))
    study = claims.Study(
        final=tables.by_protocol(pd.read_csv(args.final)),
        curves=tables.by_protocol(pd.read_csv(args.curves)),
        grid=pd.read_csv(args.grid),
        selection=selection,
        parameters={model: count_parameters(model, args.train) for model in selection},
        ablations=pd.read_csv(args.ablations) if args.ablations else None,
    )
    found = claims.judge(study) if paper.published(args.source) else []
    write_atomically(args.output, tables.to_json(found).encode())


if __name__ == "__main__":
    errors.run(main)
