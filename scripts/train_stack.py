"""Train configurations that differ in their learning rate as one stack, on a GPU, and report their rounds' errors.

The table stack.csv has the rounds of all learning rates and numbers of epochs. The files of train.py are those of one
learning rate and number of epochs.
"""

import argparse
import functools
import hashlib
import itertools
import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from train import OUTPUTS, to_csv  # type: ignore[import-not-found]  # the script beside this one

from digitpairs import devices, errors, models
from digitpairs.data.pairs import load_pairs
from digitpairs.errors import StudyError
from digitpairs.files import write_atomically
from digitpairs.networks import kernels
from digitpairs.training.rounds import CURVES, ERRORS, PAIRED_ANEW
from digitpairs.training.run import Configuration, choose_device
from digitpairs.training.stack import SLOTS
from digitpairs.training.stacks import Member, train_stacks
from digitpairs.training.states import StateFolder, save, stack_nets

TABLE = "stack.csv"


def main() -> None:
    """Parse arguments, train, write the output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", nargs="+", type=Path, required=True, help="one dataset, or one for each round")
    parser.add_argument("--model", required=True, choices=models.names())
    parser.add_argument("--options", type=json.loads, required=True, help="the model's options, as JSON")
    parser.add_argument("--batch-size", type=int, required=True, help="pairs")
    parser.add_argument("--learning-rate", type=json.loads, required=True, help="a number, or a list as JSON")
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
    parser.add_argument("--epochs", type=json.loads, required=True, help="a number, or a list as JSON")
    parser.add_argument("--device", default="cuda", help="cuda; cpu to try the same steps without a GPU")
    parser.add_argument("--output", nargs="+", type=Path, required=True, help=f"{TABLE}, or files of {OUTPUTS}")
    parser.add_argument("--states", type=Path, help="folder to keep states in, and to continue from the latest ones")
    args = parser.parse_args()
    output = {path.name: path for path in args.output}
    if unknown := output.keys() - {TABLE, *OUTPUTS}:
        parser.error(f"--output: unknown {', '.join(unknown)}; allowed are {', '.join([TABLE, *OUTPUTS])}")
    rates, ends = (value if isinstance(value, list) else [value] for value in (args.learning_rate, args.epochs))
    if TABLE not in output and len(rates) * len(ends) > 1:
        parser.error(f"--output: several learning rates or numbers of epochs go to {TABLE}")

    torch.set_num_threads(1)
    device, report = choose_device(args.device), functools.partial(print, flush=True)
    with ExitStack() as held:
        try:
            if device == "cuda":
                take_card(held, report)
            train(args, rates, ends, output, device, report)
        except torch.AcceleratorError as error:
            raise StudyError(f"the GPU failed: {str(error).splitlines()[0]}") from error
        except RuntimeError as error:  # cuBLAS says in its own way that there is no memory
            if not isinstance(error, torch.cuda.OutOfMemoryError) and "CUBLAS_STATUS_ALLOC_FAILED" not in str(error):
                raise
            raise StudyError(
                f"not enough memory on the GPU for {args.model}: run fewer steps at once (--cores)"
            ) from error


def take_card(held: ExitStack, report: Callable[[str], None]) -> None:
    """Choose one of the GPUs until the stack ends, and tell which."""
    usable = [n for n in range(torch.cuda.device_count()) if torch.cuda.get_device_capability(n) >= devices.OLDEST]
    torch.cuda.set_device(usable[held.enter_context(devices.card(len(usable)))])
    report(f"on {torch.cuda.get_device_name()}")
    # Exported variables choose other kernels, with other bits.
    torch.backends.cuda.preferred_blas_library("cublas")
    torch.cuda.tunable.enable(False)


def train(
    args: argparse.Namespace,
    rates: list[float],
    ends: list[int],
    output: dict[str, Path],
    device: str,
    report: Callable[[str], None],
) -> None:
    """Train the learning rates and write each file of `output`, by its name."""
    slots = SLOTS if TABLE in output else 1
    about = {
        "first": args.first_round,
        "rounds": args.rounds,
        "curves": "curves.csv" in output,
        "device": device,
        "slots": slots,
        "card": torch.cuda.get_device_name() if device == "cuda" else "",
        "pairs": [hashlib.sha256(path.read_bytes()).hexdigest() for path in args.pairs],
        # Without decay, a run to fewer epochs is the beginning of one to more.
        "schedule": max(ends) if args.decay else 0,
        "versions": [torch.__version__],
    }

    def member(rate: float) -> Member:
        values = {name: getattr(args, name) for name in Configuration._fields}
        configuration = Configuration(**values | {"learning_rate": rate})
        own = configuration._asdict() | about
        folder = (lambda epochs: StateFolder(args.states, epochs, own, report)) if args.states else None
        return Member(configuration, folder)

    trained = train_stacks(
        [member(rate) for rate in rates],
        [load_pairs(path) for path in args.pairs],
        args.rounds,
        ends,
        slots=slots,
        first=args.first_round,
        pairings=args.pairings,
        device=device,
        curves="curves.csv" in output,
        with_nets="rounds.safetensors" in output,
        report=report,
    )
    columns = [*ERRORS, *([PAIRED_ANEW] if args.pairings else [])]
    if path := output.get(TABLE):
        rows = ([rate, end, *row] for rate, end in itertools.product(rates, ends) for row in trained[rate, end].errors)
        write_atomically(path, to_csv(["learning_rate", "epochs", *columns], rows))
    last = trained[rates[-1], max(ends)]
    if path := output.get("rounds.safetensors"):
        save(path, stack_nets(last.nets), model=args.model, options=args.options)
    if path := output.get("curves.csv"):
        write_atomically(path, to_csv(CURVES, last.curves))
    if path := output.get("rounds.csv"):
        write_atomically(path, to_csv(columns, last.errors))


if __name__ == "__main__":
    kernels.pin()
    errors.run(main)
