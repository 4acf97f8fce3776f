"""Collect the study's headline numbers for DVC: the test error of each model's final rounds, under both protocols."""

import argparse
import json
from pathlib import Path
from typing import Any

from digitpairs import errors, tables
from digitpairs.files import write_atomically


def main() -> None:
    """Parse arguments, pick the numbers of the findings, write the metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--findings", type=Path, required=True, help="json: every finding in a sentence, with numbers")
    parser.add_argument("--output", type=Path, required=True, help="json: test errors by model, then further numbers")
    args = parser.parse_args()
    rows = [row for row in json.loads(args.findings.read_text(encoding="utf-8")) if row["kind"] == "error"]

    def of(protocol: str, number: str) -> dict[str, Any]:
        return {row["model"]: row[number] for row in rows if row["protocol"] == protocol}

    # `dvc exp show` has a column for each number, in this order. No model's name has a hyphen.
    metrics: dict[str, Any] = of("fixed", "mean")
    for protocol in tables.PROTOCOLS:
        if protocol != "fixed":
            metrics[f"mean-{protocol}"] = of(protocol, "mean")
        metrics |= {f"deviation-{protocol}": of(protocol, "std"), f"rounds-{protocol}": of(protocol, "n")}
    write_atomically(args.output, tables.to_json(metrics, sort=False).encode())


if __name__ == "__main__":
    errors.run(main)
