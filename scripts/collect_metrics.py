"""Collect the study's headline numbers: the test error of each model's final rounds, under both protocols."""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from digitpairs import errors, tables
from digitpairs.analysis import inference
from digitpairs.files import write_atomically


def main() -> None:
    """Parse arguments, summarise the final rounds, write the metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--final", type=Path, required=True, help="csv: final rounds of all protocols and models")
    parser.add_argument("--output", type=Path, required=True, help="json: test errors by model, then further numbers")
    args = parser.parse_args()
    final = tables.by_protocol(pd.read_csv(args.final))
    rounds = {
        protocol: {model: inference.summarise(table["test_error"]) for model, table in final[protocol].items()}
        for protocol in tables.PROTOCOLS
    }
    # `dvc exp show` has a column for each number, in this order. No model's name has a hyphen.
    metrics: dict[str, Any] = {model: found.mean for model, found in rounds["fixed"].items()}
    for protocol, by_model in rounds.items():
        if protocol != "fixed":
            metrics[f"mean-{protocol}"] = {model: found.mean for model, found in by_model.items()}
        metrics[f"deviation-{protocol}"] = {model: found.std for model, found in by_model.items()}
        metrics[f"rounds-{protocol}"] = {model: found.n for model, found in by_model.items()}
    write_atomically(args.output, tables.to_json(metrics, sort=False).encode())


if __name__ == "__main__":
    errors.run(main)
