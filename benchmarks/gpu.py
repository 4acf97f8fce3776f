"""Check and measure training on a GPU, in under four minutes. Needs torch, numpy and this repository's files.

Speeds stand beside the ordinary loop and `torch.func.vmap` on the same card, variants taking turns. Then: kernels a
step and how long the GPU works; whether two runs give the same bits, and recorded epochs those of epochs that are not;
the whole grid of Table I in one process; and how its test errors agree with another grid's, by default the study's.
"""

import argparse
import csv
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable
from math import isnan
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from digitpairs.networks import kernels

kernels.set_environment()

import torch
from rivals import ordinary, vmapped
from torch import Tensor

from digitpairs import models
from digitpairs.data.pairs import Splits, load_pairs
from digitpairs.training.evaluation import evaluate
from digitpairs.training.run import Configuration, Dataset
from digitpairs.training.stack import Stack

ROOT = Path(__file__).resolve().parent.parent
ROUNDS, RATES = 10, (0.001, 0.005, 0.01, 0.1)
TABLE_1 = {  # epochs and batch sizes, as params.yaml has them; reading that takes another library
    "baseline": ((25, 50, 100, 150), (25, 50, 100)),
    "siamese": ((25, 50, 100), (50, 100)),
    "siamese_aux": ((25, 50, 100), (50, 100)),
}
TIMED = [("baseline", 25), ("baseline", 100), ("siamese", 50), ("siamese_aux", 50), ("siamese_aux", 100)]
OPTIONS = {"batch_norm": "before", "auxiliary_weight": 1.0}
EPOCHS = 10**6  # more than any run: the learning rate does not fall


def make_stack(model: str, batch_size: int, splits: Splits, device: str) -> Stack:
    """Return the cells of a model and batch size as one stack."""
    options = own_options(model)
    kinds = [Configuration(model, options, batch_size, rate, 0.0, 0, "grid") for rate in RATES]
    data = Dataset([splits.train], models.load(model).branches, device)
    return Stack(kinds, range(1, ROUNDS + 1), data, device)


def own_options(model: str) -> dict[str, Any]:
    """Return the options that a model has."""
    return {name: OPTIONS[name] for name in models.options(model)}


def wait(device: str) -> None:
    """Wait for all that the device was given to do."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(function: Callable[[], object], device: str) -> float:
    """Measure one call, to the end of what it starts."""
    wait(device)
    start = time.perf_counter()
    function()
    wait(device)
    return time.perf_counter() - start


def speeds(model: str, batch_size: int, splits: Splits, repetitions: int, device: str) -> dict[str, Any]:
    """Return milliseconds of an epoch of one network, and how many times as fast as the others ours is.

    Ours and vmap train as many networks at once. The ordinary loop's convolutions use TF32, as torch does by default.
    """
    stack = make_stack(model, batch_size, splits, device)
    size = stack.ensemble.size
    nets = [models.load(model)(**own_options(model)) for _ in range(1 + size)]
    variants: dict[str, tuple[Callable[[], object], int]] = {
        "ordinary loop": (ordinary(nets[0], splits.train, batch_size, device), 1),
        "vmap": (vmapped(nets[1:], splits.train, batch_size, device), size),
        "ours": (lambda: stack.train_epoch(EPOCHS), size),
    }
    taken: dict[str, list[float]] = defaultdict(list)
    for repetition in range(repetitions + 1):
        for name, (function, count) in variants.items():
            value = seconds(function, device) / count
            if repetition:  # the first one warms up, and records the epoch
                taken[name].append(value)
    ratios = {
        name: [other / own for other, own in zip(values, taken["ours"], strict=True)] for name, values in taken.items()
    }
    return {
        "model": model,
        "batch_size": batch_size,
        "networks": size,
        "repetitions": repetitions,
        "milliseconds_per_model_epoch": {name: 1000 * median(values) for name, values in taken.items()},
        "times_as_fast_as": {
            name: {"median": median(values), "min": min(values), "max": max(values)}
            for name, values in ratios.items()
            if name != "ours"
        },
    }


def busy(model: str, batch_size: int, splits: Splits, device: str) -> dict[str, Any]:
    """Return the kernels of a step, and the share of an epoch's time in which the GPU works on one.

    The profiler makes the pauses between kernels longer, so the time is that of other epochs, without it.
    """
    stack = make_stack(model, batch_size, splits, device)
    stack.train_epoch(EPOCHS)
    epochs = 3

    def train() -> None:
        for _ in range(epochs):
            stack.train_epoch(EPOCHS)

    taken = median(seconds(train, device) for _ in range(5))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        train()
        wait(device)
    spans = sorted(
        (event.time_range.start, event.time_range.end) for event in profile.events() if event.device_type.name == "CUDA"
    )
    worked, until = 0.0, 0.0
    for start, end in spans:
        worked += max(0.0, end - max(start, until))
        until = max(until, end)
    steps = epochs * -(-stack.data.pairs // batch_size)
    return {
        "model": model,
        "batch_size": batch_size,
        "kernels_per_step": len(spans) / steps,
        "share_of_time_busy": worked / 1e6 / taken,
    }


def digest(stack: Stack) -> str:
    """Return a digest of all parameters and statistics."""
    found = hashlib.sha256()
    for tensor in stack.ensemble.state_dict().values():
        found.update(tensor.cpu().numpy().tobytes())
    return found.hexdigest()[:12]


def bits(model: str, batch_size: int, splits: Splits, device: str) -> dict[str, Any]:
    """Return digests of a few epochs: twice recorded, once step by step."""
    found = {}
    for way in ("recorded", "recorded again", "step by step"):
        stack = make_stack(model, batch_size, splits, device)
        if way == "step by step":
            stack._replay = stack.compute_epoch
        for _ in range(3):
            stack.train_epoch(EPOCHS)
        found[way] = digest(stack)
    return {"model": model, "batch_size": batch_size, "digests": found, "same": len(set(found.values())) == 1}


def whole_grid(splits: Splits, device: str) -> tuple[float, dict[tuple[str, int, float, int], list[float]]]:
    """Train and evaluate all cells of Table I in this process; return the seconds and each cell's test errors."""
    errors: dict[tuple[str, int, int], Tensor] = {}
    start = time.perf_counter()
    work = []
    evaluated = {}
    for model, (epochs, sizes) in TABLE_1.items():
        evaluated[model] = [Dataset([split], models.load(model).branches, device) for split in splits]
        for size in sizes:
            stream = torch.cuda.Stream() if device == "cuda" else None
            work.append((model, size, epochs, make_stack(model, size, splits, device), stream))
    wait(device)
    for epoch in range(1, 1 + max(max(epochs) for epochs, _ in TABLE_1.values())):
        for model, size, epochs, stack, stream in work:
            if epoch > max(epochs):
                continue
            # Epochs are recorded on the default stream, and replayed side by side.
            with torch.cuda.stream(stream if epoch > 1 else None):
                stack.train_epoch(EPOCHS)
                if epoch in epochs:
                    *_, errors[model, size, epoch] = (evaluate(stack.ensemble, data)[1] for data in evaluated[model])
        if epoch == 1:
            wait(device)
    wait(device)
    taken = time.perf_counter() - start
    cells = {
        (model, size, rate, epoch): own.tolist()
        for (model, size, epoch), found in errors.items()
        for rate, own in zip(RATES, found.cpu().view(len(RATES), ROUNDS), strict=True)
    }
    return taken, cells


def agreement(cells: dict[tuple[str, int, float, int], list[float]], reference: Path) -> list[dict[str, Any]]:
    """Return, for each model, the mean over its cells of our mean test error minus the reference's, with its interval.

    The interval is the normal one of 95 % over cells, which share pairs and rounds: a description, not a test.
    """
    others: dict[tuple[str, int, float, int], list[float]] = defaultdict(list)
    with reference.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = (row["model"], int(row["batch_size"]), float(row["learning_rate"]), int(row["epochs"]))
            others[key].append(float(row["test_error"] or "nan"))
    found = []
    for model in TABLE_1:
        pairs = [(fmean(own), fmean(others[key])) for key, own in cells.items() if key[0] == model and key in others]
        differences = [own - other for own, other in pairs if not isnan(own - other)]  # nan: training diverged
        if len(differences) < 2:
            continue
        spread = 1.96 * stdev(differences) / len(differences) ** 0.5
        mean = fmean(differences)
        found.append(
            {"model": model, "cells": len(differences), "mean": mean, "interval": [mean - spread, mean + spread]}
        )
    return found


def main() -> None:
    """Parse arguments, measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, default=ROOT / "data/pairs/seed~0.npz", help="the study's first dataset")
    parser.add_argument("--reference", type=Path, default=ROOT / "results/grid.csv", help="rounds of another grid")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--skip-grid", action="store_true", help="leave out the grid: it takes most of the time")
    parser.add_argument("--device", default="cuda", help="cpu to try the same code where no GPU is, slowly")
    parser.add_argument("--output", type=Path, help="a JSON file")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("error: torch sees no GPU here")
    torch.set_num_threads(1)
    splits = load_pairs(args.pairs)
    card = torch.cuda.get_device_name() if args.device == "cuda" else "the processor"
    results: dict[str, Any] = {"card": card, "torch": torch.__version__, "speeds": [], "busy": [], "bits": []}

    def say(kind: str, result: Any) -> None:
        if kind in results:
            results[kind].append(result)
        else:
            results[kind] = result
        print(kind, json.dumps(result), flush=True)
        if args.output:  # at once: what fails later loses nothing
            args.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")

    print(card, torch.__version__, flush=True)
    for model, size in TIMED:
        say("bits", bits(model, size, splits, args.device))
        say("speeds", speeds(model, size, splits, args.repetitions, args.device))
        if args.device == "cuda":
            say("busy", busy(model, size, splits, args.device))
    if not args.skip_grid:
        taken, cells = whole_grid(splits, args.device)
        say("grid", {"cells": len(cells), "rounds": ROUNDS, "seconds": taken})
        if args.reference.exists():
            say("agreement", agreement(cells, args.reference))
        else:
            print(f"agreement: not known, as {args.reference} is not there", flush=True)


if __name__ == "__main__":
    main()
