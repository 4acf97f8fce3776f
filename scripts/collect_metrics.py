"""Collect the study's headline numbers: test error of each model's chosen configuration under both protocols."""

import argparse
import json
from pathlib import Path
from typing import Any

from digitpairs import errors, tables
from digitpairs.analysis import inference
from digitpairs.files import write_atomically


def main() -> None:
    """Parse arguments, summarise the final rounds, write the metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="+", type=Path, metavar="ROUNDS_CSV", help=".../{protocol}/{model}/rounds.csv")
    parser.add_argument("--selection", type=Path, required=True, help="json: the chosen configurations")
    parser.add_argument("--output", type=Path, required=True, help="json: one entry a model")
    args = parser.parse_args()
    final = tables.read_final(args.rounds)
    selection = json.loads(args.selection.read_text(encoding="utf-8"))
    metrics: dict[str, Any] = {}
    for model in final["fixed"]:
        fixed, resampled = (inference.summarise(final[p][model]["test_error"]) for p in ("fixed", "resampled"))
        metrics[model] = selection[model]["chosen"] | {
            "n_rounds": fixed.n,
            "test_error": fixed.mean,
            "test_error_std": fixed.std,
            "validation_error": inference.summarise(final["fixed"][model]["validation_error"]).mean,
            "resampled_test_error": resampled.mean,
            "resampled_test_error_std": resampled.std,
        }
    write_atomically(args.output, tables.to_json(metrics).encode())


if __name__ == "__main__":
    errors.run(main)
