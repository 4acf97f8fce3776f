# Shared by all rules: params.yaml and the plan of the study, exact reruns, the environment of the steps.
import functools
import json
import os
import shlex
import sys
import warnings
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "src"))

from digitpairs.surroundings import unwanted

for variable in unwanted(os.environ):  # before `folders` reads where the user's caches are
    del os.environ[variable]
if sys.warnoptions:
    warnings.simplefilter("ignore")  # as errors, libraries' warnings would end Snakemake itself

from snakemake.logging import logger

import exactrun
from digitpairs import devices, folders, models, paper
from digitpairs.cells import CELL
from digitpairs.errors import StudyError
from digitpairs.networks import kernels
from digitpairs.params import load_params
from digitpairs.plan import (
    ABLATION,
    BY_TEST,
    CELL_ROUNDS,
    CROSSED,
    DATASET,
    FINAL,
    FINAL_FILES,
    FRESH,
    FURTHER,
    LARGER_CELL,
    LEAST_ERROR,
    MORE_PAIRS,
    NEW_PAIRS,
    OTHER,
    OTHER_PAIRS,
    PROTOCOLS,
    SPIKE,
    SPIKE_FILES,
    STACK,
    TABLES,
    Plan,
    arguments,
    files,
)
from digitpairs.runs import Runs, identity, megabytes, minutes

exactrun.install(unversioned="results/final/resampled.*/rounds.safetensors")  # as .dvcignore says

if config or workflow.configfiles:
    names = ", ".join([*map(os.path.relpath, workflow.configfiles), *workflow.config_settings.config])
    sys.exit(
        f"error: --config and --configfile change nothing here ({names}): edit params.yaml; a profile's `config` is one"
    )
try:
    study = load_params("params.yaml")
    # A cell is computed once per machine: an exported SNAKEMAKE_OUTPUT_CACHE may name a folder that a team shares.
    cache = folders.cell_cache(os.getenv("SNAKEMAKE_OUTPUT_CACHE"), instead=Path(".snakemake/cells"))
    # Snakemake has `nodes` where an executor gives steps to other machines. A process that it starts there for a step
    # does as the first one decided: the step may need no GPU, and so have none.
    told = study.train.device == "cuda" and not workflow.is_main_process
    device = devices.resolve(study.train.device, elsewhere=told or workflow.resource_settings.nodes is not None)
except StudyError as error:
    sys.exit(f"error: {error}")  # a WorkflowError would add where it was raised

# Each step runs the code beside this Snakefile with the Python that runs Snakemake, on one thread. Where things lie is
# told by the environment: Snakemake records commands, and records are shared.
STEPS = os.getenv("DIGITPAIRS_STEPS") or Path(sys.executable).parent  # tests may have a `python` that starts faster
if not Path(STEPS, "python").is_file():
    sys.exit(f"error: no `python` in {STEPS}, by which steps would start")
MNIST = Path((study.more_data and study.more_data.folder) or folders.MNIST)
os.environ.update(
    PATH=f"{STEPS}{os.pathsep}{os.getenv('PATH')}",
    PYTHONPATH=str(ROOT / "src"),
    SCRIPTS=str(ROOT / "scripts"),
    SNAKEMAKE_OUTPUT_CACHE=str(cache),
    STATES=str(cache / "states"),  # of training, to continue from
    MNIST=str(MNIST),
)
kernels.set_environment()  # exported variables change no number: docs/reproducibility.md

plan = Plan(
    study,
    has_mnist=len({path.name.removesuffix(".gz") for path in MNIST.glob("[!.]*-idx[13]-ubyte*")}) >= 4,
    has_more_data=Path("results/more_data.csv").exists(),
    has_other_data=Path(FURTHER["other_data"]).exists(),
)
try:
    plan.check()
    texts = {"captions": plan.captions, "descriptions": plan.descriptions}  # what added figures and models say
except StudyError as error:
    sys.exit(f"error: {error}")
if workflow.is_main_process:
    if not kernels.can_share():
        logger.warning("this processor is no x86-64 with AVX2 and FMA: numbers may differ from those of other machines")
    if device.reason:
        logger.warning(f"train.device: the processor: {device.reason}")
    why = f"the full MNIST is not in {MNIST}" + (" (`make mnist` fetches it)" if MNIST == folders.MNIST else "")
    if study.data.source not in paper.SOURCES:
        why = f"its pairs are of MNIST, and data.source = {study.data.source!r} is not"
    for part, trained, shown in (
        ("more_data", plan.trains_more_data, plan.shows_more_data),
        ("other_data", plan.trains_other_data, plan.shows_other_data),
    ):
        if getattr(study, part) and not trained:
            logger.warning(f"{part}: {'its table stays as it is' if shown else 'not computed'}: {why}")
    if leftovers := plan.leftovers(Path()):
        logger.warning(f"files of models that params.yaml does not name; to remove them: rm -r {shlex.join(leftovers)}")


def step(command):
    """Return the shell command that runs one of `scripts`, with its output in the rule's log."""
    return f'python "$SCRIPTS"/{command} > {{log:q}} 2>&1'


@functools.cache
def code(script, *others):
    """Digest the code that a step runs, so that an edit reruns it whatever the files' times say."""
    return exactrun.code(f"scripts/{script}", *others, root=ROOT)


def source(path):
    """Return a project file's path as `code` takes it."""
    return path.relative_to(ROOT)


MODEL_FILES = [source(models.path(model)) for model in plan.models]


def listed(result, kind, title=None, captions="captions"):
    """Mark a figure, table or report for `snakemake --report`; its title is the beginning of its caption, or as given."""

    def labels(wildcards):
        from digitpairs.reporting import titles  # which that report alone needs

        figure = plan.figures[wildcards.figure].caption if kind == "figure" else ""
        return {kind: title or titles.title(result.format_map(wildcards), figure)}

    captions = f"../src/digitpairs/reporting/{captions}.rst"
    return report(result, caption=captions, category=f"{kind.capitalize()}s", labels=labels)


wildcard_constraints:
    model="[a-z0-9_]+",
    seed="[0-9]+",
    batch_size="[0-9]+",
    epochs="[0-9]+",
    protocol="|".join([*PROTOCOLS, BY_TEST]),
    parameter="[a-z0-9_]+",
    value="[a-z0-9.+-]+",
    n_train="[0-9]+",
    arm="resampled|fixed|grid|batch_norm",
    first="[0-9]+",
    last="[0-9]+",
    left_out="[a-z_]+",
    dataset="[0-9]+",
    set="[0-9]+",
    figure="|".join(plan.figures),
