"""Draw a model's architecture (Figures 1 and 2) from its definition."""

import argparse
import json
from pathlib import Path

from digitpairs import errors, models
from digitpairs.files import write_atomically
from digitpairs.reporting import architecture, figures


def main() -> None:
    """Parse arguments, run the network once, draw, write the figure in each format asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--options", type=json.loads, required=True, help="json: what the model's Net takes")
    parser.add_argument("--output", nargs="+", type=Path, required=True, help="files: .svg, .png")
    args = parser.parse_args()
    figure = architecture.draw(architecture.trace(models.load(args.model)(**args.options)), args.model)
    for path in args.output:
        write_atomically(path, figures.render(figure, path.suffix))


if __name__ == "__main__":
    errors.run(main)
