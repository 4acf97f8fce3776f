"""Typeset the study as a two-column article in the manner of the paper."""

import argparse
import json
from pathlib import Path

import pandas as pd

from digitpairs import errors, revision
from digitpairs.files import write_atomically
from digitpairs.params import Params
from digitpairs.reporting import article

ROOT = Path(__file__).parents[1]
RESULTS = ("statistics", "claims", "findings", "selection")


def main() -> None:
    """Parse arguments, typeset, write the article."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--statistics", type=Path, required=True, help="json: intervals and tests")
    parser.add_argument("--claims", type=Path, required=True, help="json: verdicts on the paper's claims")
    parser.add_argument("--findings", type=Path, required=True, help="json: every finding in a sentence")
    parser.add_argument("--selection", type=Path, required=True, help="json: the chosen configurations")
    parser.add_argument("--grid", type=Path, required=True, help="csv: one row a cell and round")
    parser.add_argument(
        "--params", type=Params.model_validate_json, required=True, help="json: the study's params.yaml"
    )
    parser.add_argument(
        "--texts", type=json.loads, required=True, help="json: captions of figures, added models' texts"
    )
    parser.add_argument("--figures", nargs="+", type=Path, required=True, help="the figures, .svg, that exist")
    parser.add_argument("--output", type=Path, required=True, help="file: .pdf")
    args = parser.parse_args()
    results = {name: json.loads(getattr(args, name).read_text(encoding="utf-8")) for name in RESULTS}
    figures = {path.stem: path.read_bytes() for path in args.figures}
    made = revision.made_from(ROOT, "%h of %cs")
    pdf = article.typeset(results, pd.read_csv(args.grid), args.params, figures, args.texts, made)
    write_atomically(args.output, pdf)


if __name__ == "__main__":
    errors.run(main)
