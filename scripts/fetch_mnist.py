"""Download the full MNIST, verified, into a folder; what is there already stays."""

import argparse
from pathlib import Path

import platformdirs

from digitpairs import errors
from digitpairs.data.mnist import download


def main() -> None:
    """Parse arguments, fetch what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(platformdirs.user_cache_dir("digitpairs")) / "mnist"
    parser.add_argument("--folder", type=Path, default=default, help="default: %(default)s")
    args = parser.parse_args()
    download(args.folder)
    print(f"MNIST is in {args.folder}")


if __name__ == "__main__":
    errors.run(main)
