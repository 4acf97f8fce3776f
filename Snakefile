# The study, in the order in which data flows: digits -> cells of the grid -> selection -> final rounds -> report.
# params.yaml says what is computed; every value that a step depends on stands in its `params`.
import functools
import hashlib
import json
import os
import shlex
import sys
from pathlib import Path

import platformdirs

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "src"))

from digitpairs import models, provenance, reruns
from digitpairs.cells import CELL, cells
from digitpairs.errors import StudyError
from digitpairs.params import load_params

try:
    study = load_params("params.yaml")
except StudyError as error:
    sys.exit(f"error: {error}")  # a WorkflowError would add where it was raised

# A cell is computed once per machine: an exported SNAKEMAKE_OUTPUT_CACHE may name a folder that a team shares.
CACHE = os.environ.setdefault("SNAKEMAKE_OUTPUT_CACHE", platformdirs.user_cache_dir("digitpairs/cells"))
STATES = Path(CACHE, "states")
STATES.mkdir(parents=True, exist_ok=True)
reruns.install()

# Each step runs the code beside this Snakefile with the Python that runs Snakemake, on one thread. Where things lie is
# told by the environment: Snakemake records commands, and records are shared.
os.environ.update(
    PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.getenv('PATH')}",
    PYTHONPATH=str(ROOT / "src"),
    SCRIPTS=str(ROOT / "scripts"),
    STATES=str(STATES),
    OMP_NUM_THREADS="1",
    GLIBC_TUNABLES="glibc.malloc.hugetlb=1",  # large pages, where the system has them: 4 % of training
)

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
PAIRS = expand("data/pairs/seed~{seed}.npz", seed=range(study.seed, study.seed + 1 + study.final.rounds))
CELLS = [f"results/grid/{CELL.format_map(cell)}/rounds.csv" for cell in cells(GRID)]
FINAL = "results/final/{protocol}/{model}/"
FINAL_FILES = ["rounds.csv", "curves.csv", "rounds.safetensors"]
FINAL_ROUNDS = expand(f"{FINAL}rounds.csv", protocol=PROTOCOLS, model=MODELS)
FIXED_ROUNDS = expand("results/final/fixed/{model}/rounds.csv", model=MODELS)
ARCHITECTURES = {"1": "baseline", "2": "siamese"}  # the paper's Figures 1 and 2


@functools.cache
def code(script, *others):
    """Digest the code that a step runs, so that an edit reruns it whatever the files' times say."""
    return provenance.code(f"scripts/{script}", *others, root=ROOT)


def module(model):
    """Name the file that defines a model."""
    return models.path(model).relative_to(ROOT)


def arguments(**values):
    """Spell values as command-line options, each beside its name.

    Snakemake compares a rule's params as a set of values: bare, 500 and 1000 could swap places unnoticed.
    """
    return shlex.join(f"--{name.replace('_', '-')}={value}" for name, value in values.items() if value is not None)


@functools.cache
def options(model):
    """Name the values of `train` that a model uses, so that no other value reruns it."""
    train = study.train.model_dump()
    return json.dumps({key: train[key] for key in models.options(model)})


def training(model, **configuration):
    """Spell what a training run depends on, besides its pairs and its code."""
    return arguments(
        model=model,
        options=options(model),
        **configuration,
        weight_decay=study.train.weight_decay,
        seed=study.seed,
        device=study.train.device,
    )


def training_code(wildcards):
    """Digest the code that trains a model, without the other models' modules."""
    return code("train.py", module(wildcards.model))


def cell_training(wildcards):
    """Spell the training run that a cell is a stage of."""
    configuration = {key: wildcards[key] for key in ("batch_size", "learning_rate")}
    return training(wildcards.model, **configuration, rounds=study.grid.rounds)


def run(wildcards):
    """Identify that training run by all that its numbers depend on, besides its pairs and when it ends."""
    return hashlib.sha256(f"{cell_training(wildcards)} {training_code(wildcards)}".encode()).hexdigest()


def chosen(wildcards):
    """Read a model's chosen configuration, once it is chosen."""
    selection = checkpoints.select.get().output[0]
    return json.loads(Path(selection).read_text(encoding="utf-8"))[wildcards.model]["chosen"]


def final_pairs(wildcards):
    """Name the dataset that all final rounds share, or one for each round that nothing else has used."""
    chosen(wildcards)  # final rounds wait for the selection
    return PAIRS[:1] if wildcards.protocol == "fixed" else PAIRS[1:]


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
        expand("reports/figures/{figure}.{format}", figure=FIGURES, format=["svg", "png"]),
        # What these are made of, too: otherwise nobody would notice that a file of it is gone.
        PAIRS,
        CELLS,
        "results/grid.csv",
        "results/selection.json",
        expand(f"{FINAL}{{file}}", protocol=PROTOCOLS, model=MODELS, file=FINAL_FILES),


rule pairs:
    input:
        sorted(Path(study.data.folder).glob("*-ubyte*")) if study.data.folder else [],
    output:
        update("data/pairs/seed~{seed}.npz"),  # kept if a mistake in `data` is noticed only now
    log:
        "logs/pairs/seed~{seed}.log",
    params:
        arguments=lambda wildcards: arguments(**study.data.model_dump(), seed=wildcards.seed),
        code=code("make_pairs.py"),
    shell:
        'python "$SCRIPTS"/make_pairs.py {params.arguments} --output {output:q} > {log:q} 2>&1'


# The cells of one training run are its stages: each continues from the latest state that an earlier one left beside the
# cell cache. A state is no input: with or without it, a cell's numbers are the same, so new epochs rerun no other cell.
rule cell:
    input:
        PAIRS[0],
    output:
        f"results/grid/{CELL}/rounds.csv",
    log:
        f"logs/grid/{CELL}.log",
    cache: "omit-software"
    # Fewer epochs first, so that there is a state to continue from.
    priority: lambda wildcards: -int(wildcards.epochs)
    params:
        arguments=cell_training,
        epochs=lambda wildcards: arguments(epochs=wildcards.epochs),
        run=run,
        code=training_code,
    shell:
        'python "$SCRIPTS"/train.py --stream grid {params.arguments} {params.epochs} --pairs {input:q}'
        ' --states "$STATES"/{params.run} --output {output:q} > {log:q} 2>&1'


rule grid:
    input:
        CELLS,
    output:
        "results/grid.csv",
    log:
        "logs/grid.log",
    params:
        arguments=arguments(grid=json.dumps(GRID)),
        code=code("collect_grid.py"),
    shell:
        'python "$SCRIPTS"/collect_grid.py --folder results/grid {params.arguments} --output {output:q}'
        " > {log:q} 2>&1"


checkpoint select:
    input:
        "results/grid.csv",
    output:
        "results/selection.json",
    log:
        "logs/selection.log",
    params:
        arguments=arguments(by=study.select.by),
        code=code("select_configurations.py"),
    shell:
        'python "$SCRIPTS"/select_configurations.py --grid {input:q} {params.arguments} --output {output:q}'
        " > {log:q} 2>&1"


rule final:
    input:
        pairs=final_pairs,
    output:
        multiext(FINAL, *FINAL_FILES),
    log:
        "logs/final/{protocol}/{model}.log",
    cache: "omit-software"
    params:
        arguments=lambda wildcards: training(wildcards.model, **chosen(wildcards), rounds=study.final.rounds),
        code=training_code,
    shell:
        'python "$SCRIPTS"/train.py --stream final {params.arguments} --pairs {input.pairs:q}'
        " --output {output:q} > {log:q} 2>&1"


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
        'python "$SCRIPTS"/collect_metrics.py {input.rounds:q} --selection {input.selection:q} --output {output:q}'
        " > {log:q} 2>&1"


rule architecture:
    output:
        multiext("reports/figures/figure_{number}", ".svg", ".png"),
    log:
        "logs/figures/figure_{number}.log",
    wildcard_constraints:
        number="[12]",
    params:
        arguments=lambda wildcards: arguments(
            model=ARCHITECTURES[wildcards.number], options=options(ARCHITECTURES[wildcards.number])
        ),
        code=lambda wildcards: code("plot_architecture.py", module(ARCHITECTURES[wildcards.number])),
    shell:
        'python "$SCRIPTS"/plot_architecture.py {params.arguments} --output {output:q}' " > {log:q} 2>&1"


rule rounds:
    input:
        lambda wildcards: FIXED_ROUNDS if wildcards.number == "3" else FINAL_ROUNDS,
    output:
        multiext("reports/figures/figure_{number}", ".svg", ".png"),
    log:
        "logs/figures/figure_{number}.log",
    wildcard_constraints:
        number="[34]",
    params:
        arguments=lambda wildcards: arguments(show={"3": "rounds", "4": "means"}[wildcards.number]),
        code=code("plot_rounds.py"),
    shell:
        'python "$SCRIPTS"/plot_rounds.py {input:q} {params.arguments} --output {output:q} > {log:q} 2>&1'


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
        'python "$SCRIPTS"/plot_curves.py {input:q} --output {output:q} > {log:q} 2>&1'


rule heat_maps:
    input:
        grid="results/grid.csv",
        selection="results/selection.json",
    output:
        multiext("reports/figures/grid_{model}", ".svg", ".png"),
    log:
        "logs/figures/grid_{model}.log",
    params:
        arguments=lambda wildcards: arguments(model=wildcards.model),
        code=code("plot_grid.py"),
    shell:
        'python "$SCRIPTS"/plot_grid.py --grid {input.grid:q} --selection {input.selection:q}'
        " {params.arguments} --output {output:q} > {log:q} 2>&1"


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
        arguments=arguments(data=json.dumps(study.data.model_dump())),
        code=code("write_report.py"),
    shell:
        'python "$SCRIPTS"/write_report.py {input.rounds:q} --grid {input.grid:q} --selection {input.selection:q}'
        " --figures {input.figures:q} {params.arguments} --markdown {output.markdown:q} --html {output.html:q}"
        " > {log:q} 2>&1"
