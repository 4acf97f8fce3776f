# The study, in the order in which data flows: digits -> cells of the grid -> selection -> final rounds -> report.
# params.yaml says what is computed; every value that a step depends on stands in its `params`.
import functools
import hashlib
import json
import math
import os
import shlex
import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "src"))

from snakemake.logging import logger

import exactrun
from digitpairs import folders, models
from digitpairs.cells import CELL, cells
from digitpairs.errors import StudyError
from digitpairs.reproduction.origin import instructions
from digitpairs.params import load_params

try:
    study = load_params("params.yaml")
except StudyError as error:
    sys.exit(f"error: {error}")  # a WorkflowError would add where it was raised

# A cell is computed once per machine: an exported SNAKEMAKE_OUTPUT_CACHE may name a folder that a team shares.
CACHE = os.environ.setdefault("SNAKEMAKE_OUTPUT_CACHE", str(folders.CELLS))
STATES = Path(CACHE, "states")
STATES.mkdir(parents=True, exist_ok=True)
exactrun.install(unversioned="results/final/resampled.*/rounds.safetensors")  # as .dvcignore says

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
os.environ.update(instructions() | os.environ)  # others may be exported: docs/reproducibility.md

# Where the full MNIST is looked for: the user's cache folder, or where params.yaml says.
if study.more_data:
    MNIST = Path(study.more_data.folder or folders.MNIST)
    MNIST_IS_HERE = len(list(MNIST.glob("*-idx[13]-ubyte*"))) >= 4
    os.environ.update(MNIST=str(MNIST))
    if workflow.is_main_process and not MNIST_IS_HERE:
        logger.warning(f"more_data: not computed, the full MNIST is not in {MNIST} (`make mnist` fetches it)")

MODELS = list(study.grid.models)
GRID = {model: values.model_dump() for model, values in study.grid.models.items()}
PROTOCOLS = ["fixed", "resampled"]
N_PAIRS = study.data.n_train + study.data.n_validation + study.data.n_test
PAIRS = expand("data/pairs/seed~{seed}.npz", seed=range(study.seed, study.seed + 1 + study.final.rounds))
CELLS = [f"results/grid/{CELL.format_map(cell)}/rounds.csv" for cell in cells(GRID)]
FINAL = "results/final/{protocol}/{model}/"
FINAL_FILES = ["rounds.csv", "curves.csv", "rounds.safetensors"]
FINAL_ROUNDS = expand(f"{FINAL}rounds.csv", protocol=PROTOCOLS, model=MODELS)
FIXED_ROUNDS, CURVES, WEIGHTS = (expand(f"{FINAL}{file}", protocol="fixed", model=MODELS) for file in FINAL_FILES)
ABLATION = "results/ablations/{parameter}~{value}/{model}/rounds.csv"
MORE_DATA = "results/more_data/{model}/n_train~{n_train}/rounds.csv"
# Parts beyond the paper, which params.yaml may leave out. Where the full MNIST is not there, the table that was made of
# it, if there is one, stays as it is.
ABLATIONS = ["results/ablations.csv"] if study.ablations else []
MORE_DATA_TABLE = ["results/more_data.csv"]
if not (study.more_data and (MNIST_IS_HERE or Path(*MORE_DATA_TABLE).exists())):
    MORE_DATA_TABLE = []
FACTORS = {"siamese", "siamese_aux", "twobranch", "twobranch_aux"}
FINDINGS = [
    *(["two_factors"] if FACTORS <= set(MODELS) else []),
    *(["ablations"] if ABLATIONS else []),
    *(["more_data"] if MORE_DATA_TABLE else []),
]
FIGURES = [
    "figure_1",
    "figure_2",
    "figure_3",
    "figure_4",
    "learning_curves",
    *(f"grid_{model}" for model in MODELS),
    *FINDINGS,
]
CAPTIONS = "src/digitpairs/reporting/captions.rst"
ARCHITECTURES = {"1": "baseline", "2": "siamese"}  # the paper's Figures 1 and 2


@functools.cache
def code(script, *others):
    """Digest the code that a step runs, so that an edit reruns it whatever the files' times say."""
    return exactrun.code(f"scripts/{script}", *others, root=ROOT)


def module(model):
    """Name the file that defines a model."""
    return models.path(model).relative_to(ROOT)


def arguments(**values):
    """Spell values as command-line options, each beside its name.

    Snakemake compares a rule's params as a set of values: bare, 500 and 1000 could swap places unnoticed.
    """
    return shlex.join(f"--{name.replace('_', '-')}={value}" for name, value in values.items() if value is not None)


@functools.cache
def options(model, **changed):
    """Name the values of `train` that a model uses, so that no other value reruns it."""
    train = study.train.model_dump() | changed
    return json.dumps({key: train[key] for key in models.options(model)})


def training(model, configuration, rounds, changed=None):
    """Spell what a training run depends on, besides its pairs and its code; `changed` are values of `train`."""
    changed = changed or {}
    return arguments(
        model=model,
        options=options(model, **changed),
        **configuration,
        rounds=rounds,
        weight_decay=changed.get("weight_decay", study.train.weight_decay),
        seed=study.seed,
        device=study.train.device,
    )


def training_code(wildcards):
    """Digest the code that trains a model, without the other models' modules."""
    return code("train.py", module(wildcards.model))


def cell_training(wildcards):
    """Spell the training run that a cell is a stage of."""
    configuration = {key: wildcards[key] for key in ("batch_size", "learning_rate")}
    return training(wildcards.model, configuration, study.grid.rounds)


def run(wildcards):
    """Identify that training run by all that its numbers depend on, besides its pairs and when it ends."""
    return hashlib.sha256(f"{cell_training(wildcards)} {training_code(wildcards)}".encode()).hexdigest()


def chosen(model, by="chosen"):
    """Read a model's chosen configuration, once it is chosen."""
    selection = json.loads(Path(checkpoints.select.get().output[0]).read_text(encoding="utf-8"))
    return {key: selection[model][by][key] for key in ("batch_size", "epochs", "learning_rate")}


def final_training(wildcards):
    """Spell the final rounds of the configuration that the study chose, or of the one that the paper's rule chooses."""
    configuration = chosen(wildcards.model, "test" if wildcards.protocol == "resampled_by_test" else "chosen")
    return training(wildcards.model, configuration, study.final.rounds)


def final_pairs(wildcards):
    """Name the dataset that all final rounds share, or one for each round that nothing else has used."""
    chosen(wildcards.model)  # final rounds wait for the selection
    return PAIRS[:1] if wildcards.protocol == "fixed" else PAIRS[1:]


def by_test_rounds(_):
    """Name the final rounds of the configurations that the paper's rule chooses, where the study chose another one."""
    different = [model for model in MODELS if chosen(model, "test") != chosen(model)]
    return expand(f"{FINAL}rounds.csv", protocol="resampled_by_test", model=different)


def ablation_training(wildcards):
    """Spell the final rounds with one value of `train` changed."""
    value = wildcards.value if wildcards.parameter == "batch_norm" else float(wildcards.value)
    return training(wildcards.model, chosen(wildcards.model), study.ablations.rounds, {wildcards.parameter: value})


def ablation_pairs(wildcards):
    """Name the datasets of the final rounds that an ablation's rounds are compared with."""
    chosen(wildcards.model)
    return PAIRS[1 : 1 + study.ablations.rounds]


def ablations():
    """Yield each ablation's table and what tells it apart; with the study's own value, the final rounds are its table."""
    for parameter in ("batch_norm", "weight_decay", "auxiliary_weight") if study.ablations else ():
        own = getattr(study.train, parameter)
        for value in sorted({own, *getattr(study.ablations, parameter)}):
            for model in study.ablations.models:
                if parameter in ("weight_decay", *models.options(model)):
                    key = {"parameter": parameter, "value": value, "model": model}
                    yield (
                        f"results/final/resampled/{model}/rounds.csv" if value == own else ABLATION.format(**key)
                    ), key


def more_data_training(wildcards):
    """Spell a training run on more pairs, with the batch size and learning rate that a model of the grid chose."""
    n_train = int(wildcards.n_train)
    configuration = chosen(study.more_data.configurations[wildcards.model]) | {
        "epochs": study.more_data.epochs[n_train]
    }
    return training(wildcards.model, configuration, study.more_data.rounds)


def more_pairs(wildcards):
    """Name the dataset of so many training pairs."""
    chosen(study.more_data.configurations[wildcards.model])
    return "data/more_pairs/n_train~{n_train}.npz"


def more_data():
    """Yield the table of each model and number of pairs and what tells it apart."""
    for model in study.more_data.configurations:
        for n_train, epochs in sorted(study.more_data.epochs.items()):
            key = {"model": model, "n_train": n_train}
            yield MORE_DATA.format(**key), key | {"epochs": epochs}


def shown(result, category, **labels):
    """Mark a result for `snakemake --report`."""
    return report(result, caption=CAPTIONS, category=category, labels=labels)


def drawn(path, figure):
    """Name the files of a figure, and mark one of them."""
    return [shown(f"{path}.svg", "Figures", figure=figure), f"{path}.png"]


# How a rule trains rounds of one configuration from their start.
TRAIN = (
    'python "$SCRIPTS"/train.py --stream final {params.arguments} --pairs {input.pairs:q}'
    " --output {output:q} > {log:q} 2>&1"
)


def minutes(epochs, batch_size, rounds, n_train=study.data.n_train):
    """Limit a training run's time: three times what the slowest model took here, and five minutes to start.

    A pair of a round took 0.17 ms, and a step, however small, 5 ms.
    """
    seconds = int(epochs) * n_train * (0.17e-3 * rounds + 5e-3 / int(batch_size))
    return 5 + math.ceil(3 * seconds / 60)


def longest(model):
    """Name the configuration of a model's grid that trains longest: which one will be chosen is not known yet."""
    values = study.grid.models[model]
    return {"epochs": max(values.epochs), "batch_size": min(values.batch_size)}


def heavier_first(wildcards):
    """Let the models that params.yaml names last start first: they build on the ones before and take longer.

    What starts last should be short: at the end, no other step keeps the other cores busy.
    """
    return MODELS.index(wildcards.model)


def more_data_minutes(wildcards):
    """Limit the time of a training run on more pairs."""
    n_train = int(wildcards.n_train)
    configuration = longest(study.more_data.configurations[wildcards.model]) | {
        "epochs": study.more_data.epochs[n_train]
    }
    return minutes(**configuration, rounds=study.more_data.rounds, n_train=n_train)


def megabytes(n_pairs):
    """Limit a training run's memory, by the pairs of all its datasets.

    It took 650 MB, half of them for Snakemake, and less than 30 for 1,000 pairs.
    """
    return 1000 + math.ceil(0.03 * n_pairs)


# On a cluster, training is submitted, and again with higher limits if it fails. All else takes a minute: it runs where
# Snakemake runs.
localrules:
    all,
    pairs,
    grid,
    select,
    ablations,
    mistakes,
    examine,
    metrics,
    architecture,
    rounds,
    curves,
    heat_maps,
    findings,
    report,
    article,


wildcard_constraints:
    model="[a-z0-9_]+",
    seed="[0-9]+",
    batch_size="[0-9]+",
    epochs="[0-9]+",
    protocol="|".join([*PROTOCOLS, "resampled_by_test"]),
    parameter="[a-z_]+",
    value="[a-z0-9.+-]+",
    n_train="[0-9]+",
    finding="two_factors|ablations|more_data",


rule all:
    input:
        "reports/report.html",
        "reports/report.pdf",
        "reports/README.md",
        "reports/metrics.json",
        expand("reports/figures/{figure}.{format}", figure=FIGURES, format=["svg", "png"]),
        # What these are made of, too: otherwise nobody would notice that a file of it is gone.
        PAIRS,
        CELLS,
        "results/grid.csv",
        "results/selection.json",
        expand(f"{FINAL}{{file}}", protocol=PROTOCOLS, model=MODELS, file=FINAL_FILES[:2]),
        WEIGHTS,
        by_test_rounds,
        list(dict.fromkeys(table for table, _ in ablations())),
        MORE_DATA_TABLE,


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
    resources:
        mem_mb=lambda _, attempt: attempt * megabytes(N_PAIRS),
        runtime=lambda wildcards, attempt: (
            attempt * minutes(wildcards.epochs, wildcards.batch_size, study.grid.rounds)
        ),
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
        shown("results/grid.csv", "Tables", table="grid search"),
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
        shown("results/selection.json", "Tables", table="chosen configurations"),
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
    priority: heavier_first
    resources:
        mem_mb=lambda _, attempt: attempt * megabytes(N_PAIRS * study.final.rounds),
        runtime=lambda wildcards, attempt: attempt * minutes(**longest(wildcards.model), rounds=study.final.rounds),
    params:
        arguments=final_training,
        code=training_code,
    shell:
        TRAIN


rule ablation:
    input:
        pairs=ablation_pairs,
    output:
        ABLATION,
    log:
        "logs/ablations/{parameter}~{value}/{model}.log",
    cache: "omit-software"
    priority: heavier_first
    resources:
        mem_mb=lambda _, attempt: attempt * megabytes(N_PAIRS * study.ablations.rounds),
        runtime=lambda wildcards, attempt: attempt * minutes(**longest(wildcards.model), rounds=study.ablations.rounds),
    params:
        arguments=ablation_training,
        code=training_code,
    shell:
        TRAIN


rule ablations:
    input:
        list(dict.fromkeys(table for table, _ in ablations())),
    output:
        shown("results/ablations.csv", "Tables", table="ablations"),
    log:
        "logs/ablations.log",
    params:
        arguments=lambda _: arguments(tables=json.dumps(list(ablations())), rounds=study.ablations.rounds),
        code=code("collect_rounds.py"),
    shell:
        'python "$SCRIPTS"/collect_rounds.py {params.arguments} --output {output:q} > {log:q} 2>&1'


if study.more_data and MNIST_IS_HERE:

    localrules:
        more_pairs,
        more_data,

    # Neither versioned nor pushed: they hold most of MNIST. MNIST's content is known, so where it lies changes nothing.
    rule more_pairs:
        output:
            temp("data/more_pairs/n_train~{n_train}.npz"),
        log:
            "logs/more_pairs/n_train~{n_train}.log",
        params:
            arguments=lambda wildcards: arguments(
                source="mnist",
                n_train=wildcards.n_train,
                n_validation=study.more_data.n_validation,
                n_test=study.more_data.n_test,
                seed=study.seed,
            ),
            code=code("make_pairs.py"),
        shell:
            'python "$SCRIPTS/make_pairs.py" {params.arguments} --folder="$MNIST" --output {output:q} > {log:q} 2>&1'

    rule larger_cell:
        input:
            pairs=more_pairs,
        output:
            MORE_DATA,
        log:
            "logs/more_data/{model}/n_train~{n_train}.log",
        cache: "omit-software"
        resources:
            mem_mb=lambda wildcards, attempt: (
                attempt * megabytes(int(wildcards.n_train) + study.more_data.n_validation + study.more_data.n_test)
            ),
            runtime=lambda wildcards, attempt: attempt * more_data_minutes(wildcards),
        params:
            arguments=more_data_training,
            code=training_code,
        shell:
            TRAIN

    rule more_data:
        input:
            [table for table, _ in more_data()],
        output:
            shown("results/more_data.csv", "Tables", table="more training pairs"),
        log:
            "logs/more_data.log",
        params:
            arguments=arguments(tables=json.dumps(list(more_data()))),
            code=code("collect_rounds.py"),
        shell:
            'python "$SCRIPTS"/collect_rounds.py {params.arguments} --output {output:q} > {log:q} 2>&1'


rule mistakes:
    input:
        weights=WEIGHTS,
        pairs=PAIRS[0],
    output:
        shown("results/mistakes.csv", "Tables", table="mistakes"),
    log:
        "logs/mistakes.log",
    params:
        code=code("find_mistakes.py", *map(module, MODELS)),
    shell:
        'python "$SCRIPTS"/find_mistakes.py {input.weights:q} --pairs {input.pairs:q} --output {output:q} > {log:q} 2>&1'


rule examine:
    input:
        rounds=FINAL_ROUNDS,
        by_test=by_test_rounds,
        curves=CURVES,
        grid="results/grid.csv",
        selection="results/selection.json",
        ablations=ABLATIONS,
        more_data=MORE_DATA_TABLE,
    output:
        statistics=shown("results/statistics.json", "Tables", table="intervals and tests"),
        claims=shown("results/claims.json", "Tables", table="the paper's statements"),
    log:
        "logs/examine.log",
    params:
        # By name: an ablation's reference value, and what the networks whose parameters are counted are made with.
        arguments=arguments(train=study.train.model_dump_json(exclude={"device"})),
        code=code("examine.py", *map(module, MODELS)),
    shell:
        'python "$SCRIPTS"/examine.py {input.rounds:q} {input.by_test:q} --curves {input.curves:q} --grid {input.grid:q}'
        " --selection {input.selection:q} --ablations {input.ablations:q} --more-data {input.more_data:q}"
        " --statistics {output.statistics:q} --claims {output.claims:q} {params.arguments} > {log:q} 2>&1"


rule metrics:
    input:
        rounds=FINAL_ROUNDS,
        selection="results/selection.json",
    output:
        shown("reports/metrics.json", "Tables", table="headline numbers"),
    log:
        "logs/metrics.log",
    params:
        code=code("collect_metrics.py"),
    shell:
        'python "$SCRIPTS"/collect_metrics.py {input.rounds:q} --selection {input.selection:q} --output {output:q}'
        " > {log:q} 2>&1"


rule architecture:
    output:
        drawn("reports/figures/figure_{number}", figure="Figure {number}"),
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
        'python "$SCRIPTS"/plot_architecture.py {params.arguments} --output {output:q} > {log:q} 2>&1'


rule rounds:
    input:
        lambda wildcards: FIXED_ROUNDS if wildcards.number == "3" else FINAL_ROUNDS,
    output:
        drawn("reports/figures/figure_{number}", figure="Figure {number}"),
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
        CURVES,
    output:
        drawn("reports/figures/learning_curves", figure="learning curves"),
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
        drawn("reports/figures/grid_{model}", figure="grid of {model}"),
    log:
        "logs/figures/grid_{model}.log",
    params:
        arguments=lambda wildcards: arguments(model=wildcards.model),
        code=code("plot_grid.py"),
    shell:
        'python "$SCRIPTS"/plot_grid.py --grid {input.grid:q} --selection {input.selection:q}'
        " {params.arguments} --output {output:q} > {log:q} 2>&1"


rule findings:
    input:
        "results/statistics.json",
    output:
        drawn("reports/figures/{finding}", figure="{finding}"),
    log:
        "logs/figures/{finding}.log",
    params:
        arguments=lambda wildcards: arguments(show=wildcards.finding),
        code=code("plot_statistics.py"),
    shell:
        'python "$SCRIPTS"/plot_statistics.py --statistics {input:q} {params.arguments} --output {output:q} > {log:q} 2>&1'


rule report:
    input:
        rounds=FINAL_ROUNDS,
        by_test=by_test_rounds,
        curves=CURVES,
        grid="results/grid.csv",
        selection="results/selection.json",
        statistics="results/statistics.json",
        claims="results/claims.json",
        mistakes="results/mistakes.csv",
        pairs=PAIRS[0],
        ablations=ABLATIONS,
        more_data=MORE_DATA_TABLE,
        figures=expand("reports/figures/{figure}.svg", figure=FIGURES),
    output:
        markdown="reports/README.md",
        html=shown("reports/report.html", "Reports", report="interactive page"),
    log:
        "logs/report.log",
    params:
        arguments=arguments(data=json.dumps(study.data.model_dump())),
        code=code("write_report.py", CAPTIONS),
    shell:
        'python "$SCRIPTS"/write_report.py {input.rounds:q} {input.by_test:q} --curves {input.curves:q} --grid {input.grid:q}'
        " --selection {input.selection:q} --statistics {input.statistics:q} --claims {input.claims:q}"
        " --mistakes {input.mistakes:q} --pairs {input.pairs:q} --ablations {input.ablations:q}"
        " --more-data {input.more_data:q} --figures {input.figures:q} --records .snakemake/metadata {params.arguments}"
        " --markdown {output.markdown:q} --html {output.html:q} > {log:q} 2>&1"


rule article:
    input:
        statistics="results/statistics.json",
        claims="results/claims.json",
        selection="results/selection.json",
        grid="results/grid.csv",
        metrics="reports/metrics.json",
        figures=expand("reports/figures/{figure}.svg", figure=FIGURES),
    output:
        shown("reports/report.pdf", "Reports", report="article"),
    log:
        "logs/article.log",
    params:
        arguments=arguments(params=json.dumps(study.model_dump(), sort_keys=True)),
        code=code("typeset_article.py", "src/digitpairs/reporting/article.typ"),
    shell:
        'python "$SCRIPTS"/typeset_article.py --statistics {input.statistics:q} --claims {input.claims:q}'
        " --selection {input.selection:q} --grid {input.grid:q} --metrics {input.metrics:q} {params.arguments}"
        " --figures {input.figures:q} --output {output:q} > {log:q} 2>&1"
