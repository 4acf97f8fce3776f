"""Draw training loss and validation error against the epoch for the chosen configurations of one protocol."""

import argparse
from pathlib import Path

from digitpairs import errors, tables
from digitpairs.files import write_atomically
from digitpairs.reporting import figures


def main() -> None:
    """Parse arguments, draw, write the figure in each format asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("curves", nargs="+", type=Path, metavar="CURVES_CSV", help=".../{protocol}/{model}/curves.csv")
    parser.add_argument("--output", nargs="+", type=Path, required=True, help="files: .svg, .png")
    args = parser.parse_args()
    (curves,) = tables.read_final(args.curves).values()
    figure = figures.learning_curves(curves)
    for path in args.output:
        write_atomically(path, figures.render(figure, path.suffix))


if __name__ == "__main__":
    errors.run(main)
