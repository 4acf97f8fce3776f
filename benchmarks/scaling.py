"""Measure what more rounds, more pairs and more cells cost: seconds, peak memory, and the exponent of each; plot them.

What more cells cost is what Snakemake and DVC cost: there, a script that trains nothing stands in for `train.py`.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import linear_regression
from typing import Any

import matplotlib.pyplot as plt
import yaml

from digitpairs.networks import kernels
from digitpairs.plan import FURTHER

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
TRAINING = ("rounds", "training pairs")  # what grows where training is measured; elsewhere it is the workflow


def measure(command: Sequence[str | Path], folder: Path) -> dict[str, float]:
    """Run a command in a folder; return its CPU and wall seconds and peak memory in bytes, as GNU time tells them."""
    environment = kernels.environment(os.environ) | {
        "PYTHONPATH": str(ROOT / "src"),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "SNAKEMAKE_OUTPUT_CACHE": str(folder / "cache"),
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


INSTANT = """import sys
open(sys.argv[-1], "w").write("round,train_loss,train_error,validation_error,test_error\\n1,0.5,0.2,0.2,0.2\\n")
"""


def workflow(folder: Path, cells: int) -> dict[str, dict[str, float]]:
    """Measure commands on a study with so many cells of one model: before it ran, its run, and when nothing changed."""
    project = folder / f"study-{cells}"
    for name in ("profiles", "rules", "scripts", "src"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "Snakefile", project / "Snakefile")
    (project / "scripts" / "train.py").write_text(INSTANT, encoding="utf-8")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    rates = [round(1e-4 * (i + 1), 6) for i in range(cells // 10)]
    baseline = {"epochs": [25, 50, 75, 100, 150], "batch_size": [25, 50], "learning_rate": rates}
    params |= {"grid": {"rounds": 10, "baseline": baseline}, **dict.fromkeys(["ablations", "more_data", *FURTHER])}
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    measure([BIN / "dvc", "init", "--quiet", "--no-scm"], project)
    table = ["snakemake", "results/grid.csv", "--quiet"]
    commands = {
        "snakemake, dry run": [*table, "rules", "--dry-run"],
        "snakemake, cells that train nothing": [*table, "all", "--cores", "2"],
        "snakemake, nothing to do": [*table, "all", "--cores", "2"],
        "dvc add": ["dvc", "add", "--quiet", "results", ".snakemake/metadata"],
        "dvc status": ["dvc", "status", "--quiet"],
    }
    measured = {title: measure([BIN / name, *arguments], project) for title, (name, *arguments) in commands.items()}
    shutil.rmtree(project)
    return measured


def plot(results: dict[str, Any], path: Path) -> None:
    """Draw seconds against size on logarithmic axes: what is trained on the left, the workflow on the right."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    for title, series in results.items():
        training = title in TRAINING
        seconds = [point["cpu_seconds" if training else "wall_seconds"] for point in series["points"].values()]
        axes[0 if training else 1].loglog(list(series["points"]), seconds, marker="o", label=title)
    for axis, x, y in zip(axes, ("Rounds, or training pairs", "Cells"), ("CPU time (s)", "Wall time (s)"), strict=True):
        axis.set(xlabel=x, ylabel=y)
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    figure.savefig(path)


def main() -> None:
    """Parse arguments, measure, print tables, write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", type=Path, help="folder of the full MNIST, for more than 2,300 training pairs")
    parser.add_argument("--rounds", type=int, nargs="*", default=[1, 3, 10, 30, 100])
    parser.add_argument("--pairs", type=int, nargs="*", default=[250, 1000, 2000], help="of the bundled digits")
    parser.add_argument("--mnist-pairs", type=int, nargs="*", default=[8000, 29500])
    parser.add_argument("--cells", type=int, nargs="*", default=[100, 1000, 10000], help="multiples of 10")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "scaling.json")
    args = parser.parse_args()
    mnist = args.mnist.resolve() if args.mnist else None
    results: dict[str, Any] = {}
    print("| what grows | size | CPU s | wall s | peak memory, MB |\n| --- | --- | --- | --- | --- |")

    def note(title: str, size: int, point: dict[str, float]) -> None:
        results.setdefault(title, {"points": {}})["points"][size] = point
        cpu, wall, memory = point["cpu_seconds"], point["wall_seconds"], point["peak_memory_bytes"] / 1e6
        print(f"| {title} | {size:,} | {cpu:.1f} | {wall:.1f} | {memory:.0f} |", flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start_up = measure([sys.executable, "-c", "import torch, numpy"], folder)["cpu_seconds"]
        for rounds in args.rounds:
            note("rounds", rounds, train(folder, rounds, 1000, mnist))
        for n_train in args.pairs + (args.mnist_pairs if mnist else []):
            note("training pairs", n_train, train(folder, 10, n_train, mnist))
        for cells in args.cells:
            for title, point in workflow(folder, cells).items():
                note(title, cells, point)
    for title, series in results.items():
        base = start_up if title in TRAINING else 0.0
        if len(series["points"]) > 1:
            series["exponent"] = exponent(series["points"], base)
            print(f"{title}: CPU time grows with exponent {series['exponent']:.2f}")
    args.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    plot(results, args.output.with_suffix(".svg"))


if __name__ == "__main__":
    main()
