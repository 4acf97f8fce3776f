"""Train all rounds of one configuration, from the start or from an earlier state, and report their errors."""

import argparse
import csv
import functools
import hashlib
import io
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from digitpairs import errors, models
from digitpairs.data.pairs import load_pairs
from digitpairs.files import write_atomically
from digitpairs.networks import kernels
from digitpairs.training.rounds import CURVES, ERRORS, PAIRED_ANEW, train_rounds
from digitpairs.training.run import Configuration, choose_device, keep_freed_memory
from digitpairs.training.states import StateFolder, save, stack_nets

OUTPUTS = {
    "rounds.csv": "one row a round",
    "curves.csv": "one row a round and epoch of the learning curves",
    "rounds.safetensors": "each round's network",
}


def to_csv(columns: Iterable[str], rows: Iterable[Iterable[float]]) -> bytes:
    """Return a table as CSV; each number in the fewest digits that give it back."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    return text.getvalue().encode()


def main() -> None:
    """Parse arguments, train, write the output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", nargs="+", type=Path, required=True, help="one dataset, or one for each round")
    parser.add_argument("--model", required=True, choices=models.names())
    parser.add_argument("--options", type=json.loads, required=True, help="the model's options, as JSON")
    parser.add_argument("--batch-size", type=int, required=True, help="pairs")
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--weight-decay", type=float, required=True)
    parser.add_argument("--beta2", type=float, default=0.999, help="of Adam; default: %(default)s")
    parser.add_argument("--epsilon", type=float, default=1e-8, help="of Adam; default: %(default)s")
    parser.add_argument("--decay", type=int, default=0, help="last epochs in which the learning rate falls linearly")
    parser.add_argument("--initialisations", type=int, default=0, help="to cross with orders of the pairs")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--stream", choices=["grid", "final"], required=True, help="which random numbers")
    parser.add_argument("--first-round", type=int, default=1, help="its number; default: %(default)s")
    parser.add_argument("--rounds", type=int, required=True, help="how many")
    parser.add_argument("--pairings", type=int, default=0, help="of the test images, for one more column of errors")
    parser.add_argument("--epochs", type=int, required=True, help="in all, with those of an earlier state")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto")
    parser.add_argument("--output", nargs="+", type=Path, required=True, help=f"files to write, of {OUTPUTS}")
    parser.add_argument("--states", type=Path, help="folder to keep states in, and to continue from the latest one")
    args = parser.parse_args()
    output = {path.name: path for path in args.output}
    if unknown := output.keys() - OUTPUTS:
        parser.error(f"--output: unknown {', '.join(unknown)}; allowed are {', '.join(OUTPUTS)}")

    torch.set_num_threads(1)
    keep_freed_memory()
    configuration = Configuration(**{name: getattr(args, name) for name in Configuration._fields})
    device, curves = choose_device(args.device), "curves.csv" in output
    report = functools.partial(print, flush=True)  # the log is read while it is written
    if warning := kernels.warning():
        report(warning)
    datasets, states = [load_pairs(path) for path in args.pairs], None
    if args.states:
        about = configuration._asdict() | {
            "first": args.first_round,
            "rounds": args.rounds,
            "curves": curves,
            "device": device,
            "pairs": [hashlib.sha256(path.read_bytes()).hexdigest() for path in args.pairs],
            "kernels": kernels.loaded(),
            # Without decay, a run to fewer epochs is the beginning of one to more.
            "schedule": args.epochs if args.decay else 0,
            "versions": [np.__version__, torch.__version__],
        }
        states = StateFolder(args.states, args.epochs, about, report)
    trained = train_rounds(
        configuration,
        datasets,
        args.rounds,
        args.epochs,
        first=args.first_round,
        pairings=args.pairings,
        device=device,
        resumed=states.latest() if states else None,
        keep=states.keep if states else None,
        curves=curves,
        report=report,
    )
    if states:
        states.finish(trained.state)
    if path := output.get("rounds.safetensors"):
        save(path, stack_nets(trained.nets), model=args.model, options=args.options)
    if path := output.get("curves.csv"):
        write_atomically(path, to_csv(CURVES, trained.curves))
    if path := output.get("rounds.csv"):
        write_atomically(path, to_csv([*ERRORS, *([PAIRED_ANEW] if args.pairings else [])], trained.errors))


if __name__ == "__main__":
    kernels.pin()
    errors.run(main)
