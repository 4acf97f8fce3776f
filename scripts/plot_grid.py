"""Draw one model's grid as heat maps of the mean validation error."""

import argparse
import json
from pathlib import Path

import pandas as pd

from digitpairs import errors
from digitpairs.analysis import selection
from digitpairs.files import write_atomically
from digitpairs.reporting import figures


def main() -> None:
    """Parse arguments, draw, write the figure in each format asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", type=Path, required=True, help="csv: one row a cell and round")
    parser.add_argument("--selection", type=Path, required=True, help="json: the chosen configurations")
    parser.add_argument("--model", required=True)
    parser.add_argument("--output", nargs="+", type=Path, required=True, help="files: .svg, .png")
    args = parser.parse_args()
    grid = pd.read_csv(args.grid)
    choice = json.loads(args.selection.read_text(encoding="utf-8"))
    figure = figures.grid_heat_maps(selection.cells(grid[grid["model"] == args.model]), choice[args.model])
    for path in args.output:
        write_atomically(path, figures.render(figure, path.suffix))


if __name__ == "__main__":
    errors.run(main)
