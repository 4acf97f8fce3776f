"""Draw Figure 3, test error over the rounds of one protocol, or Figure 4, means and deviations of several protocols."""

import argparse
from pathlib import Path

from digitpairs import errors, tables
from digitpairs.files import write_atomically
from digitpairs.reporting import figures


def main() -> None:
    """Parse arguments, draw, write the figure in each format asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="+", type=Path, metavar="ROUNDS_CSV", help=".../{protocol}/{model}/rounds.csv")
    parser.add_argument("--show", choices=("rounds", "means"), required=True, help="Figure 3 or Figure 4")
    parser.add_argument("--output", nargs="+", type=Path, required=True, help="files: .svg, .png")
    args = parser.parse_args()
    final = tables.read_final(args.rounds)
    if args.show == "rounds":
        (rounds,) = final.values()
        figure = figures.test_error_by_round(rounds)
    else:
        figure = figures.mean_test_error(final)
    for path in args.output:
        write_atomically(path, figures.render(figure, path.suffix))


if __name__ == "__main__":
    errors.run(main)
