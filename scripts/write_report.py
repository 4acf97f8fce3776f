"""Write the report twice from the same content: Markdown for GitHub and one self-contained HTML file."""

import argparse
import json
import os
from pathlib import Path

import pandas as pd

from digitpairs import errors, report, selection, tables
from digitpairs.files import write_atomically


def main() -> None:
    """Parse arguments, write the report in both formats."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="+", type=Path, metavar="ROUNDS_CSV", help=".../{protocol}/{model}/rounds.csv")
    parser.add_argument("--grid", type=Path, required=True, help="csv: one row a cell and round")
    parser.add_argument("--selection", type=Path, required=True, help="json: the chosen configurations")
    parser.add_argument("--figures", nargs="+", type=Path, required=True, help="the figures, .svg, all in one folder")
    parser.add_argument("--data", type=json.loads, required=True, help="json: the section `data` of params.yaml")
    parser.add_argument("--markdown", type=Path, required=True, help="output: refers to the figures' files")
    parser.add_argument("--html", type=Path, required=True, help="output: contains the figures")
    args = parser.parse_args()
    figures = {path.stem: path.read_bytes() for path in args.figures}
    blocks = report.compose(
        tables.read_final(args.rounds),
        json.loads(args.selection.read_text(encoding="utf-8")),
        selection.cells(pd.read_csv(args.grid)),
        args.data,
        figures,
    )
    folder = Path(os.path.relpath(args.figures[0].parent, args.markdown.parent)).as_posix()
    write_atomically(args.markdown, report.to_markdown(blocks, folder).encode())
    write_atomically(args.html, report.to_html(blocks, figures).encode())


if __name__ == "__main__":
    errors.run(main)
