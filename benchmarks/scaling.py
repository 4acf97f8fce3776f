"""Measure what more rounds, more pairs and more cells cost: CPU seconds, peak memory, and the exponent of each."""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import linear_regression
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def measure(command: Sequence[str | Path], folder: Path) -> dict[str, float]:
    """Run a command in a folder; return its CPU and wall seconds and peak memory in bytes, as GNU time tells them."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "SNAKEMAKE_OUTPUT_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    note = folder / "time"
    timed = ["time", "-q", "-o", str(note), "-f", "%U %S %e %M", *map(str, command)]
    run = subprocess.run(timed, cwd=folder, env=environment, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"failed: {' '.join(map(str, command))}\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
    user, system, wall, kilobytes = map(float, note.read_text(encoding="utf-8").split())
    return {"cpu_seconds": user + system, "wall_seconds": wall, "peak_memory_bytes": kilobytes * 1024}


def exponent(points: dict[int, dict[str, float]], base: float = 0.0) -> float:
    """Return the slope of log(CPU seconds - base) against log(size), by least squares."""
    x = [math.log(size) for size in points]
    y = [math.log(point["cpu_seconds"] - base) for point in points.values()]
    return linear_regression(x, y).slope


def pairs(folder: Path, n_train: int, mnist: Path | None) -> Path:
    """Make pairs of the size asked for, from the bundled digits where these suffice."""
    output = folder / f"{n_train}.npz"
    source = ["--source=bundled"] if n_train <= 2300 else ["--source=mnist", f"--folder={mnist}"]
    sizes = [f"--n-train={n_train}", "--n-validation=100", "--n-test=100", "--seed=0"]
    measure([sys.executable, ROOT / "scripts" / "make_pairs.py", *source, *sizes, f"--output={output}"], folder)
    return output


def train(folder: Path, rounds: int, n_train: int, mnist: Path | None) -> dict[str, float]:
    """Train the baseline for two epochs of batches of 100."""
    arguments = {
        "stream": "grid",
        "pairs": pairs(folder, n_train, mnist),
        "model": "baseline",
        "options": '{"batch_norm": "before"}',
        "batch-size": 100,
        "learning-rate": 0.01,
        "weight-decay": 0.0,
        "seed": 0,
        "rounds": rounds,
        "epochs": 2,
        "output": folder / "rounds.csv",
    }
    spelled = [f"--{name}={value}" for name, value in arguments.items()]
    return measure([sys.executable, ROOT / "scripts" / "train.py", *spelled], folder)


def dry_run(folder: Path, cells: int) -> dict[str, float]:
    """Ask Snakemake what a study with so many cells of one model would run."""
    study = folder / f"study-{cells}"
    study.mkdir()
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    rates = [round(1e-4 * (i + 1), 6) for i in range(cells // 10)]
    baseline = {"epochs": [25, 50, 75, 100, 150], "batch_size": [25, 50], "learning_rate": rates}
    params["grid"] = {"rounds": 10, "baseline": baseline}
    (study / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    figures = measure([BIN / "snakemake", "--snakefile", ROOT / "Snakefile", "--dry-run", "--quiet"], study)
    shutil.rmtree(study)
    return figures


def main() -> None:
    """Parse arguments, measure, print tables, write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", type=Path, help="folder of the full MNIST, for more than 2,300 training pairs")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "scaling.json")
    args = parser.parse_args()
    mnist = args.mnist.resolve() if args.mnist else None
    sizes = [250, 1000, 2000] + ([8000, 29000] if mnist else [])
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start_up = measure([sys.executable, "-c", "import torch, numpy"], folder)["cpu_seconds"]
        series: list[tuple[str, list[int], Callable[[int], dict[str, float]], float]] = [
            ("rounds", [1, 3, 10, 30, 100], lambda rounds: train(folder, rounds, 1000, mnist), start_up),
            ("n_train", sizes, lambda n: train(folder, 10, n, mnist), start_up),
            ("cells, dry run", [100, 1000, 10000], lambda cells: dry_run(folder, cells), 0.0),
        ]
        for title, values, function, base in series:
            points = {}
            for value in values:
                points[value] = function(value)
                print(
                    f"{title:16} {value:6} {points[value]['cpu_seconds']:8.2f} CPU s"
                    f" {points[value]['wall_seconds']:8.2f} s {points[value]['peak_memory_bytes'] / 1e6:8.0f} MB",
                    flush=True,
                )
            results[title] = {"points": points, "exponent": exponent(points, base)}
            print(f"{title:16} exponent {results[title]['exponent']:.2f}")
    args.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
