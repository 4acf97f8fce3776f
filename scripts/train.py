"""Train all rounds of one configuration, from the start or from an earlier state, and report their errors."""

import argparse
import csv
import hashlib
import io
import json
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from digitpairs import errors, models
from digitpairs.data.pairs import load_pairs
from digitpairs.files import write_atomically
from digitpairs.training.rounds import CURVES, ERRORS, train_rounds
from digitpairs.training.run import Configuration, choose_device, keep_freed_memory
from digitpairs.training.states import load, save, stack_nets

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


def earlier_state(folder: Path, epochs: int) -> dict[str, Tensor] | None:
    """Return the state after the most epochs short of `epochs` that is there and intact."""
    for earlier in sorted((int(path.stem) for path in folder.glob("*.state")), reverse=True):
        if earlier < epochs:
            try:
                state, _ = load(folder / f"{earlier}.state")
            except errors.StudyError as error:
                print(f"{error}; it is not used")
            else:
                print(f"continues after {earlier} epochs")
                return state
    return None


def main() -> None:
    """Parse arguments, train, write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", nargs="+", type=Path, required=True, help="one dataset, or one for each round")
    parser.add_argument("--model", required=True, choices=models.names())
    parser.add_argument("--options", type=json.loads, required=True, help="the model's options, as JSON")
    parser.add_argument("--batch-size", type=int, required=True, help="pairs")
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--weight-decay", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--stream", choices=["grid", "final"], required=True, help="which random numbers")
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True, help="in all, with those of an earlier state")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto")
    parser.add_argument("--output", nargs="+", type=Path, required=True, help=f"files to write, of {OUTPUTS}")
    parser.add_argument(
        "--states", type=Path, help="folder of this run's states, to continue from the latest and add one"
    )
    args = parser.parse_args()
    output = {path.name: path for path in args.output}
    if unknown := output.keys() - OUTPUTS:
        parser.error(f"--output: unknown {', '.join(unknown)}; allowed are {', '.join(OUTPUTS)}")

    torch.set_num_threads(1)
    keep_freed_memory()
    configuration = Configuration(
        args.model, args.options, args.batch_size, args.learning_rate, args.weight_decay, args.seed, args.stream
    )
    # The folder's name says all but which pairs the run is trained on.
    states = args.states and args.states / hashlib.sha256(args.pairs[0].read_bytes()).hexdigest()
    trained = train_rounds(
        configuration,
        [load_pairs(path) for path in args.pairs],
        args.rounds,
        args.epochs,
        device=choose_device(args.device),
        resumed=earlier_state(states, args.epochs) if states else None,
        curves="curves.csv" in output,
    )
    if states:
        save(states / f"{args.epochs}.state", trained.state)
    if path := output.get("rounds.safetensors"):
        save(path, stack_nets(trained.nets), model=args.model, options=args.options)
    if path := output.get("curves.csv"):
        write_atomically(path, to_csv(CURVES, trained.curves))
    if path := output.get("rounds.csv"):
        write_atomically(path, to_csv(ERRORS, trained.errors))


if __name__ == "__main__":
    errors.run(main)
