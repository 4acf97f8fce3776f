"""Measure training against the ordinary PyTorch loop, `torch.func.vmap` and MKL's products and sgemm, on one thread.

All variants of a model and batch size take turns, so that a noisy machine slows all of them; times are CPU time, which
other processes change least. "MKL's products" is the same engine with torch's products. The whole grid's CPU time
is extrapolated from real cells: one process a cell, with start-up, evaluation and files.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, cast

from digitpairs.networks import kernels

kernels.pin()  # as a step runs

import torch
from rivals import ordinary, vmapped
from torch import Tensor, nn

from digitpairs import models, paper
from digitpairs.cells import cells
from digitpairs.data.bundled import load_bundled
from digitpairs.data.pairs import Pairs, load_pairs, make_pairs, to_npz
from digitpairs.networks import products
from digitpairs.networks.layers import PairNet
from digitpairs.params import load_params
from digitpairs.training.rounds import groups
from digitpairs.training.run import Configuration, Dataset, Run, keep_freed_memory

ROOT = Path(__file__).resolve().parent.parent
NETS = 10  # as many as the grid has rounds
SGEMM = 1024
JOBS = 3  # of each kind that is priced
FEW, MORE = 2, 10  # epochs: of a job from the start, and of one that continues it


def useful_flops(net: PairNet) -> float:
    """Count additions and multiplications for a pair: forward, and twice that backward, less the input's gradient."""
    counted: list[tuple[float, bool]] = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight = cast(Tensor, module.weight)
        counted.append((2.0 * weight[0].numel() * output.numel(), not counted))

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    pairs = 10
    net.eval()(torch.zeros(pairs, 2, 14, 14))
    for hook in hooks:
        hook.remove()
    return sum(flops * (2 if first else 3) for flops, first in counted) / pairs


def ours(configuration: Configuration, pairs: Pairs) -> Callable[[], None]:
    """Return an epoch of all networks as the study trains them, group by group."""
    branches = models.load(configuration.model).branches
    data = Dataset([pairs], branches)
    runs = [Run(configuration, group) for group in groups(NETS, configuration.batch_size * branches)]

    def epoch() -> None:
        for run in runs:
            run.train_epoch(data)

    return epoch


@contextmanager
def mkl_products() -> Iterator[None]:
    """Let torch, and so MKL, compute the products on a CPU."""

    def by_torch(a: Tensor, b: Tensor, out: Tensor) -> None:
        torch.matmul(a, b, out=out)

    by_numpy, products.on_cpu = products.on_cpu, by_torch
    try:
        yield
    finally:
        products.on_cpu = by_numpy


def with_mkl(epoch: Callable[[], None]) -> Callable[[], None]:
    """Return the same epoch with MKL's products."""

    def changed() -> None:
        with mkl_products():
            epoch()

    return changed


def seconds(function: Callable[[], object]) -> float:
    """Measure the CPU time of one call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def summary(values: list[float]) -> dict[str, float]:
    """Return median, least and greatest of repeated measurements."""
    return {"median": median(values), "min": min(values), "max": max(values)}


def compare(model: str, batch_size: int, pairs: Pairs, repetitions: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Let the variants take turns; return speeds, their ratios and the share of sgemm, each over the repetitions."""
    options = {name: settings[name] for name in models.options(model)}
    make = models.load(model)
    nets = [make(**options) for _ in range(NETS)]
    configuration = Configuration(model, options, batch_size, 0.01, 0.0, 0, "grid")
    flops = useful_flops(make(**options)) * len(pairs.targets)
    a, b = torch.randn(2, SGEMM, SGEMM)
    # Each variant with the number of networks that one call trains for an epoch.
    variants: dict[str, tuple[Callable[[], object], int]] = {
        "ordinary loop": (ordinary(make(**options), pairs, batch_size), 1),
        "vmap": (vmapped(nets, pairs, batch_size), NETS),
        "MKL's products": (with_mkl(ours(configuration, pairs)), NETS),
        "ours": (ours(configuration, pairs), NETS),
    }
    times: dict[str, list[float]] = {name: [] for name in variants}
    peaks: list[float] = []
    for repetition in range(repetitions + 1):
        peak = 10 * 2 * SGEMM**3 / seconds(lambda: [torch.mm(a, b) for _ in range(10)])
        taken = {name: seconds(function) / count for name, (function, count) in variants.items()}
        if repetition:  # the first one warms up
            peaks.append(peak)
            for name, value in taken.items():
                times[name].append(value)
    return {
        "model": model,
        "batch_size": batch_size,
        "repetitions": repetitions,
        "sgemm_gflops": summary([peak / 1e9 for peak in peaks]),
        "variants": {
            name: {
                "model_epochs_per_second": summary([1 / value for value in values]),
                "useful_gflops": summary([flops / value / 1e9 for value in values]),
                "share_of_sgemm": summary([flops / value / peak for value, peak in zip(values, peaks, strict=True)]),
            }
            for name, values in times.items()
        },
        "times_as_fast_as": {
            name: summary([other / own for other, own in zip(values, times["ours"], strict=True)])
            for name, values in times.items()
            if name != "ours"
        },
        "ordinary_seconds_per_model_epoch": median(times["ordinary loop"]),
    }


def cpu_seconds(command: list[str]) -> tuple[float, float]:
    """Run a command; return its CPU seconds and peak memory in bytes."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024.0


def price_job(arguments: dict[str, Any], states: Path) -> tuple[float, float]:
    """Run some jobs of one kind, each with states of its own; return median CPU seconds and greatest peak memory."""
    runs = []
    for repetition in range(JOBS):
        spelled = [f"--{name}={value}" for name, value in arguments.items()]
        spelled.append(f"--states={states / str(repetition)}")
        runs.append(cpu_seconds([sys.executable, str(ROOT / "scripts" / "train.py"), *spelled]))
    taken, peaks = zip(*runs, strict=True)
    return median(taken), max(peaks)


def measure_jobs(grid: dict[str, Any], rounds: int, settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Price real jobs: for each model and batch size, CPU seconds of any job and of each epoch, and peak memory.

    Jobs of a few epochs, and of more that continue them, give the line
    `start-up, evaluation and files + slope * epochs`.
    """
    prices: dict[str, Any] = {}
    for model, values in grid.items():
        for batch_size in values["batch_size"]:
            arguments = {
                "stream": "grid",
                "pairs": folder / "pairs.npz",
                "model": model,
                "options": json.dumps({name: settings[name] for name in models.options(model)}),
                "batch-size": batch_size,
                "learning-rate": 0.01,
                "weight-decay": 0.0,
                "seed": 0,
                "rounds": rounds,
                "output": folder / "rounds.csv",
            }
            states = folder / f"{model}-{batch_size}"
            few, few_peak = price_job(arguments | {"epochs": FEW}, states)
            more, more_peak = price_job(arguments | {"epochs": FEW + MORE}, states)
            slope = (more - few) / (MORE - FEW)
            prices[f"{model} {batch_size}"] = {
                "cpu_seconds_per_job": few - FEW * slope,
                "cpu_seconds_per_epoch_of_all_rounds": slope,
                "peak_memory_bytes": max(few_peak, more_peak),
            }
    return prices


def price_grid(grid: dict[str, Any], rounds: int, prices: dict[str, Any], loop: dict[str, float]) -> dict[str, Any]:
    """Add up all cells of the grid, ours and the ordinary pipeline's.

    Ours adds to each cell the epochs that the cell with fewer epochs has not done. The ordinary pipeline pays the same
    for any job, and trains all epochs of each round by the ordinary loop (seconds for an epoch of one network).
    """
    ours_total = training = ordinary_total = 0.0
    for cell in cells(grid):
        key = f"{cell['model']} {cell['batch_size']}"
        fewer = [epochs for epochs in grid[cell["model"]]["epochs"] if epochs < cell["epochs"]]
        slope = prices[key]["cpu_seconds_per_epoch_of_all_rounds"] * (cell["epochs"] - max(fewer, default=0))
        training += slope
        ours_total += prices[key]["cpu_seconds_per_job"] + slope
        ordinary_total += prices[key]["cpu_seconds_per_job"] + loop[key] * rounds * cell["epochs"]
    return {
        "cells": sum(1 for _ in cells(grid)),
        "rounds": rounds,
        "ours_cpu_seconds": ours_total,
        "ordinary_cpu_seconds": ordinary_total,
        "ordinary_over_ours": ordinary_total / ours_total,
        "share_not_training": 1 - training / ours_total,
    }


def main() -> None:
    """Parse arguments, measure, print the table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    study = load_params(ROOT / "params.yaml")
    settings = study.train.model_dump()
    grid = {model: values.model_dump() for model, values in study.grid.models.items() if model in paper.RESULTS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = make_pairs(load_bundled(), study.data.n_train, study.data.n_validation, study.data.n_test, study.seed)
        (folder / "pairs.npz").write_bytes(to_npz(made))
        # Jobs first: a child's peak memory counts the parent's at the time when it is started.
        prices = measure_jobs(grid, study.grid.rounds, settings, folder)
        pairs = load_pairs(folder / "pairs.npz").train
    comparisons = []
    print(f"{'model':12} {'batch':>5} {'variant':14} {'model-epochs/s':>15} {'GFLOP/s':>8} {'of sgemm':>18}")
    for model, values in grid.items():
        for batch_size in values["batch_size"]:
            result = compare(model, batch_size, pairs, args.repetitions, settings)
            comparisons.append(result)
            for variant, speed in result["variants"].items():
                share = speed["share_of_sgemm"]
                print(
                    f"{model:12} {batch_size:5} {variant:14} {speed['model_epochs_per_second']['median']:15.2f}"
                    f" {speed['useful_gflops']['median']:8.1f}"
                    f" {share['median']:6.2f} ({share['min']:.2f}-{share['max']:.2f})",
                    flush=True,
                )
            for variant, ratio in result["times_as_fast_as"].items():
                spread = f"({ratio['min']:.2f}-{ratio['max']:.2f})"
                print(f"{'':18} {variant} / ours {ratio['median']:.2f} {spread}", flush=True)
    loop = {f"{c['model']} {c['batch_size']}": c["ordinary_seconds_per_model_epoch"] for c in comparisons}
    whole = price_grid(grid, study.grid.rounds, prices, loop) | {"jobs": prices}
    print(json.dumps(whole, indent=2))
    machine: dict[str, Any] = {
        "processor": kernels.cpuinfo("model name") or platform.machine(),
        "torch": torch.__version__,
        "kernels": kernels.loaded(),
        "load": os.getloadavg()[0],  # processes that wanted to run in the last minute
    }
    results = {"machine": machine, "training": comparisons, "grid": whole}
    args.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
