"""Draw what goes beyond the paper: sharing x auxiliary losses, ablations, or the error with more training pairs."""

import argparse
import json
from pathlib import Path

from digitpairs import errors
from digitpairs.files import write_atomically
from digitpairs.reporting import figures

FIGURES = {"two_factors": figures.two_factors, "ablations": figures.ablations, "more_data": figures.more_data}


def main() -> None:
    """Parse arguments, draw, write the figure in each format asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--statistics", type=Path, required=True, help="json: intervals and tests")
    parser.add_argument("--show", choices=FIGURES, required=True)
    parser.add_argument("--output", nargs="+", type=Path, required=True, help="files: .svg, .png")
    args = parser.parse_args()
    figure = FIGURES[args.show](json.loads(args.statistics.read_text(encoding="utf-8")))
    for path in args.output:
        write_atomically(path, figures.render(figure, path.suffix))


if __name__ == "__main__":
    errors.run(main)
