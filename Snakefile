# The study, in the order in which data flows: digits -> cells of the grid -> selection -> final rounds -> report.
# params.yaml says what is computed; every value that a step depends on stands in its `params`.
import json
import os
import sys
from pathlib import Path

import platformdirs

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "src"))

from digitpairs import models, provenance
from digitpairs.cells import CELL, cells
from digitpairs.errors import StudyError
from digitpairs.params import load_params

try:
    study = load_params("params.yaml")
except StudyError as error:
    raise WorkflowError(str(error)) from None

# A cell is computed once per machine: an exported SNAKEMAKE_OUTPUT_CACHE may name a folder that a team shares.
os.environ.setdefault("SNAKEMAKE_OUTPUT_CACHE", platformdirs.user_cache_dir("digitpairs/cells"))
Path(os.environ["SNAKEMAKE_OUTPUT_CACHE"]).mkdir(parents=True, exist_ok=True)

# Each step runs the code beside this Snakefile with the Python that runs Snakemake, on one thread.
SCRIPTS = ROOT / "scripts"
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ["PYTHONPATH"] = str(ROOT / "src")
os.environ["OMP_NUM_THREADS"] = "1"

MODELS = list(study.grid.models)
GRID = {model: values.model_dump() for model, values in study.grid.models.items()}
PROTOCOLS = ["fixed", "resampled"]
FIGURES = [
    "figure_1",
    "figure_2",
    "figure_3",
    "figure_4",
    "learning_curves",
    *(f"grid_{model}" for model in MODELS),
]
FINAL_ROUNDS = expand("results/final/{protocol}/{model}/rounds.csv", protocol=PROTOCOLS, model=MODELS)
FIXED_ROUNDS = expand("results/final/fixed/{model}/rounds.csv", model=MODELS)
ARCHITECTURES = {"1": "baseline", "2": "siamese"}  # the paper's Figures 1 and 2


def code(script, *others):
    """Digest the code that a step runs, so that an edit reruns it whatever the files' times say."""
    return provenance.code(f"scripts/{script}", *others, root=ROOT)


def module(model):
    """Name the file that defines a model."""
    return models.path(model).relative_to(ROOT)


def options(model):
    """Name the values of `train` that a model uses, so that no other value reruns it."""
    train = study.train.model_dump()
    return json.dumps({key: train[key] for key in models.options(model)})


def earlier_state(wildcards):
    """Find the state of the same run after fewer epochs, from which a cell continues."""
    fewer = [epochs for epochs in GRID[wildcards.model]["epochs"] if epochs < int(wildcards.epochs)]
    return expand(f"results/grid/{CELL}/rounds.state", **dict(wildcards, epochs=fewer[-1])) if fewer else []


def chosen(wildcards):
    """Read a model's chosen configuration, once it is chosen."""
    selection = checkpoints.select.get().output[0]
    return json.loads(Path(selection).read_text(encoding="utf-8"))[wildcards.model]["chosen"]


def final_pairs(wildcards):
    """Name the dataset that all final rounds share, or one for each round that nothing else has used."""
    chosen(wildcards)  # final rounds wait for the selection
    seeds = [study.seed] if wildcards.protocol == "fixed" else range(study.seed + 1, study.seed + 1 + study.final.rounds)
    return expand("data/pairs/seed~{seed}.npz", seed=seeds)


wildcard_constraints:
    model="[a-z0-9_]+",
    seed="[0-9]+",
    batch_size="[0-9]+",
    epochs="[0-9]+",
    protocol="|".join(PROTOCOLS),


rule all:
    input:
        "reports/report.html",
        "reports/README.md",
        "reports/metrics.json",
        expand("reports/figures/{figure}.png", figure=FIGURES),


rule pairs:
    output:
        "data/pairs/seed~{seed}.npz",
    log:
        "logs/pairs/seed~{seed}.log",
    params:
        **study.data.model_dump(exclude={"folder"}),
        folder=study.data.folder or [],
        seed=lambda wildcards: wildcards.seed,
        code=code("make_pairs.py"),
    shell:
        "python {SCRIPTS:q}/make_pairs.py --source {params.source:q} --folder {params.folder:q}"
        " --n-train {params.n_train} --n-validation {params.n_validation} --n-test {params.n_test}"
        " --seed {params.seed} --output {output:q} > {log:q} 2>&1"


rule cell:
    input:
        pairs=f"data/pairs/seed~{study.seed}.npz",
        state=earlier_state,
    output:
        multiext(f"results/grid/{CELL}/rounds", ".csv", ".state"),
    log:
        f"logs/grid/{CELL}.log",
    params:
        model=lambda wildcards: wildcards.model,
        options=lambda wildcards: options(wildcards.model),
        batch_size=lambda wildcards: wildcards.batch_size,
        learning_rate=lambda wildcards: wildcards.learning_rate,
        epochs=lambda wildcards: wildcards.epochs,
        rounds=study.grid.rounds,
        seed=study.seed,
        weight_decay=study.train.weight_decay,
        device=study.train.device,
        code=lambda wildcards: code("train.py", module(wildcards.model)),
    # The longest chains first, so that no core waits for one at the end.
    priority: lambda wildcards: GRID[wildcards.model]["epochs"][-1] - int(wildcards.epochs)
    cache: "omit-software"
    shell:
        "python {SCRIPTS:q}/train.py --stream grid --pairs {input.pairs:q} --model {params.model:q}"
        " --options {params.options:q} --batch-size {params.batch_size} --learning-rate {params.learning_rate}"
        " --weight-decay {params.weight_decay} --seed {params.seed} --rounds {params.rounds}"
        " --epochs {params.epochs} --device {params.device:q} --resume {input.state:q}"
        " --errors {output[0]:q} --state {output[1]:q} > {log:q} 2>&1"


rule grid:
    input:
        [f"results/grid/{CELL.format_map(cell)}/rounds.csv" for cell in cells(GRID)],
    output:
        "results/grid.csv",
    log:
        "logs/grid.log",
    params:
        grid=json.dumps(GRID),
        code=code("collect_grid.py"),
    shell:
        "python {SCRIPTS:q}/collect_grid.py --folder results/grid --grid {params.grid:q} --output {output:q}"
        " > {log:q} 2>&1"


checkpoint select:
    input:
        "results/grid.csv",
    output:
        "results/selection.json",
    log:
        "logs/selection.log",
    params:
        by=study.select.by,
        code=code("select_configurations.py"),
    shell:
        "python {SCRIPTS:q}/select_configurations.py --grid {input:q} --by {params.by:q} --output {output:q}"
        " > {log:q} 2>&1"


rule final:
    input:
        pairs=final_pairs,
    output:
        multiext("results/final/{protocol}/{model}/", "rounds.csv", "curves.csv", "rounds.safetensors"),
    log:
        "logs/final/{protocol}/{model}.log",
    params:
        model=lambda wildcards: wildcards.model,
        options=lambda wildcards: options(wildcards.model),
        batch_size=lambda wildcards: chosen(wildcards)["batch_size"],
        learning_rate=lambda wildcards: chosen(wildcards)["learning_rate"],
        epochs=lambda wildcards: chosen(wildcards)["epochs"],
        rounds=study.final.rounds,
        seed=study.seed,
        weight_decay=study.train.weight_decay,
        device=study.train.device,
        code=lambda wildcards: code("train.py", module(wildcards.model)),
    cache: "omit-software"
    shell:
        "python {SCRIPTS:q}/train.py --stream final --pairs {input.pairs:q} --model {params.model:q}"
        " --options {params.options:q} --batch-size {params.batch_size} --learning-rate {params.learning_rate}"
        " --weight-decay {params.weight_decay} --seed {params.seed} --rounds {params.rounds}"
        " --epochs {params.epochs} --device {params.device:q}"
        " --errors {output[0]:q} --curves {output[1]:q} --weights {output[2]:q} > {log:q} 2>&1"


rule metrics:
    input:
        rounds=FINAL_ROUNDS,
        selection="results/selection.json",
    output:
        "reports/metrics.json",
    log:
        "logs/metrics.log",
    params:
        code=code("collect_metrics.py"),
    shell:
        "python {SCRIPTS:q}/collect_metrics.py {input.rounds:q} --selection {input.selection:q} --output {output:q}"
        " > {log:q} 2>&1"


rule architecture:
    output:
        multiext("reports/figures/figure_{number}", ".svg", ".png"),
    log:
        "logs/figures/figure_{number}.log",
    wildcard_constraints:
        number="[12]",
    params:
        model=lambda wildcards: ARCHITECTURES[wildcards.number],
        options=lambda wildcards: options(ARCHITECTURES[wildcards.number]),
        code=lambda wildcards: code("plot_architecture.py", module(ARCHITECTURES[wildcards.number])),
    shell:
        "python {SCRIPTS:q}/plot_architecture.py --model {params.model:q} --options {params.options:q}"
        " --output {output:q} > {log:q} 2>&1"


rule rounds:
    input:
        FIXED_ROUNDS,
    output:
        multiext("reports/figures/figure_{number}", ".svg", ".png"),
    log:
        "logs/figures/figure_{number}.log",
    wildcard_constraints:
        number="[34]",
    params:
        show=lambda wildcards: {"3": "rounds", "4": "means"}[wildcards.number],
        code=code("plot_rounds.py"),
    shell:
        "python {SCRIPTS:q}/plot_rounds.py {input:q} --show {params.show} --output {output:q} > {log:q} 2>&1"


rule curves:
    input:
        expand("results/final/fixed/{model}/curves.csv", model=MODELS),
    output:
        multiext("reports/figures/learning_curves", ".svg", ".png"),
    log:
        "logs/figures/learning_curves.log",
    params:
        code=code("plot_curves.py"),
    shell:
        "python {SCRIPTS:q}/plot_curves.py {input:q} --output {output:q} > {log:q} 2>&1"


rule heat_maps:
    input:
        grid="results/grid.csv",
        selection="results/selection.json",
    output:
        multiext("reports/figures/grid_{model}", ".svg", ".png"),
    log:
        "logs/figures/grid_{model}.log",
    params:
        model=lambda wildcards: wildcards.model,
        code=code("plot_grid.py"),
    shell:
        "python {SCRIPTS:q}/plot_grid.py --grid {input.grid:q} --selection {input.selection:q}"
        " --model {params.model:q} --output {output:q} > {log:q} 2>&1"


rule report:
    input:
        rounds=FINAL_ROUNDS,
        grid="results/grid.csv",
        selection="results/selection.json",
        figures=expand("reports/figures/{figure}.svg", figure=FIGURES),
    output:
        markdown="reports/README.md",
        html="reports/report.html",
    log:
        "logs/report.log",
    params:
        data=json.dumps(study.data.model_dump()),
        code=code("write_report.py"),
    shell:
        "python {SCRIPTS:q}/write_report.py {input.rounds:q} --grid {input.grid:q} --selection {input.selection:q}"
        " --figures {input.figures:q} --data {params.data:q} --markdown {output.markdown:q} --html {output.html:q}"
        " > {log:q} 2>&1"
