"""Download the full MNIST into a folder, verified; intact files are kept."""

import argparse
from pathlib import Path

from digitpairs import errors
from digitpairs.data.mnist import download
from digitpairs.folders import MNIST


def main() -> None:
    """Parse arguments, fetch missing files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=MNIST, help="default: %(default)s")
    args = parser.parse_args()
    download(args.folder)
    print(f"MNIST is in {args.folder}")


if __name__ == "__main__":
    errors.run(main)
