"""Draw a figure of the study: a module of `digitpairs.reporting.figures`, which tells the tables that it reads."""

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from digitpairs import errors
from digitpairs.files import write_atomically
from digitpairs.reporting import figures, style


def read(path: Path) -> Any:
    """Read a table, .csv, the arrays of an .npz file, or a .json file."""
    match path.suffix:
        case ".csv":
            return pd.read_csv(path)
        case ".npz":
            with np.load(path) as arrays:
                return dict(arrays)
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Parse arguments, draw, write the figure in each format asked for."""
    names = sorted(path.stem for path in Path(*figures.__path__).glob("[!_]*.py"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", choices=names, required=True, help="the module that draws it")
    parser.add_argument("--model", help="of an architecture or a grid")
    parser.add_argument("--source", help="of a figure that shows the paper's numbers: `data.source` of params.yaml")
    parser.add_argument("--options", type=json.loads, help="json: the arguments of that model's Net")
    parser.add_argument("--pairs", type=Path, help="npz: the dataset of the grid and of fixed rounds")
    parser.add_argument("--final", type=Path, help="csv: final rounds of all protocols and models")
    parser.add_argument("--curves", type=Path, help="csv: their learning curves")
    parser.add_argument("--grid", type=Path, help="csv: one row a cell and round")
    parser.add_argument("--selection", type=Path, help="json: the chosen configurations")
    parser.add_argument("--statistics", type=Path, help="json: intervals and tests")
    parser.add_argument("--output", nargs="+", type=Path, required=True, help="files: .svg, .png")
    args = parser.parse_args()
    # Computed, so that an edit of one figure's module redraws no other: a rule names the module for `exactrun.code`.
    module = importlib.import_module(f"{figures.__name__}.{args.figure}")
    if missing := [f"--{name}" for name in module.READS if getattr(args, name) is None]:
        parser.error(f"--figure {args.figure} needs {' and '.join(missing)}")
    given = {name: value for name in ("model", "source", "options") if (value := getattr(args, name)) is not None}
    figure = module.draw(**given, **{name: read(getattr(args, name)) for name in module.READS})
    for path in args.output:
        write_atomically(path, style.render(figure, path.suffix))


if __name__ == "__main__":
    errors.run(main)
