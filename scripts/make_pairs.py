"""Make the training, validation and test pairs of a dataset seed, or of several that follow each other."""

import argparse
from pathlib import Path

from digitpairs.data.disjoint import disjoint_set
from digitpairs.data.pairs import make_pairs, to_npz
from digitpairs.data.sources import load_source
from digitpairs.errors import run
from digitpairs.files import write_atomically


def main() -> None:
    """Parse arguments, draw the pairs, write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, help="bundled, mnist or idx")
    parser.add_argument("--folder", nargs="?", type=Path, help="folder of IDX files")
    parser.add_argument("--set", type=int, help="take one of the source's disjoint sets of digits; all, if not given")
    parser.add_argument("--n-train", type=int, required=True, help="pairs to train on")
    parser.add_argument("--n-validation", type=int, required=True, help="pairs to choose configurations by")
    parser.add_argument("--n-test", type=int, required=True, help="pairs to report errors on")
    parser.add_argument("--seed", type=int, required=True, help="which pairs are drawn")
    parser.add_argument("--datasets", type=int, help="make as many, of this seed and of those that follow, in a folder")
    parser.add_argument("--output", type=Path, required=True, help="npz file to write, or folder with --datasets")
    args = parser.parse_args()

    pools = load_source(args.source, args.folder)
    if args.set:
        pools = disjoint_set(pools, args.set)
    for seed in range(args.seed, args.seed + (args.datasets or 1)):
        arrays = make_pairs(pools, args.n_train, args.n_validation, args.n_test, seed)
        write_atomically(args.output / f"seed~{seed}.npz" if args.datasets else args.output, to_npz(arrays))


run(main)
