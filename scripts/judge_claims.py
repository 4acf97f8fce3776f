"""Judge the paper's claims by the study's rounds, and state all findings."""

import argparse
import json
from pathlib import Path

from digitpairs import errors, paper, tables
from digitpairs.analysis import claims, findings, further_findings, inputs
from digitpairs.files import write_atomically


def main() -> None:
    """Parse arguments, judge each claim, write verdicts and findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    inputs.add_arguments(parser)
    parser.add_argument("--source", required=True, help="`data.source` of params.yaml: other data have no claims")
    parser.add_argument("--statistics", type=Path, required=True, help="json: intervals and tests")
    parser.add_argument("--claims", type=Path, required=True, help="output, json: the claims with their verdicts")
    parser.add_argument("--findings", type=Path, required=True, help="output, json: every finding in a sentence")
    args = parser.parse_args()
    judged = tables.to_json(claims.judge(inputs.read(args)) if paper.published(args.source) else [])
    write_atomically(args.claims, judged.encode())
    statistics = json.loads(args.statistics.read_text(encoding="utf-8"))
    stated = [*findings.state(statistics, json.loads(judged)), *further_findings.state(statistics)]
    write_atomically(args.findings, tables.to_json(stated).encode())


if __name__ == "__main__":
    errors.run(main)
