"""The plan of the study: its files, figures and tables; its training runs are in `runs`.

Plain functions of params.yaml, without Snakemake and torch: the rules name them. Of models and figures they read the
modules' constants, and run none.
"""

import ast
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitpairs import models, paper
from digitpairs.cells import CELL, cells
from digitpairs.errors import StudyError
from digitpairs.literals import words
from digitpairs.reporting import palette

if TYPE_CHECKING:
    from digitpairs.params import Params

SOURCE = Path(__file__).parent
PROTOCOLS = words(SOURCE / "tables.py", "PROTOCOLS")
BY_TEST = "resampled_by_test"  # the configurations that the paper's rule chooses, where the study chose others

DATASET = "data/pairs/seed~{seed}.npz"
CELL_ROUNDS = f"results/grid/{CELL}/rounds.csv"
STACK = "results/grid/{model}/batch_size~{batch_size}/stack.csv"  # on a GPU: all cells of a model and batch size
FINAL = "results/final/{protocol}/{model}/"
FINAL_FILES = ("rounds.csv", "curves.csv", "rounds.safetensors")
ABLATION = "results/ablations/{parameter}~{value}/{model}/rounds.csv"
MORE_PAIRS = "data/more_pairs/n_train~{n_train}.npz"
LARGER_CELL = "results/more_data/{model}/n_train~{n_train}/rounds.csv"
# Folders with a dataset for each of several rounds, neither kept nor versioned: a dataset takes 0.5 MB, and a second to
# make again.
NEW_PAIRS = "data/new_pairs/rounds~{first}-{last}"
OTHER_PAIRS = "data/other_pairs/set~{set}"
FRESH = "results/fresh/{arm}/{model}/rounds~{first}-{last}/rounds.csv"
LEAST_ERROR = "results/least_error/left_out~{left_out}/rounds.csv"
CROSSED = "results/variance/{model}/dataset~{dataset}/rounds.csv"
SPIKE = "results/spikes/{parameter}~{value}/{model}/"
SPIKE_FILES = ("rounds.csv", "curves.csv")
OTHER = "results/other_data/{model}/set~{set}/rounds.csv"

TABLES = {  # the options of the scripts that read them
    "final": "results/final.csv",
    "curves": "results/curves.csv",
    "grid": "results/grid.csv",
    "selection": "results/selection.json",
    "statistics": "results/statistics.json",
}
FURTHER = {  # the tables of the further parts
    "fresh": "results/fresh.csv",
    "least_error": "results/least_error.csv",
    "variance": "results/variance.csv",
    "spikes": "results/spikes.csv",
    "other_data": "results/other_data.csv",
}
PARTS = words(SOURCE / "training/recipe.py", "PARTS")
DESIGN = words(SOURCE / "analysis/factors.py", "DESIGN")
ARCHITECTURES = {"figure_1": "baseline", "figure_2": "siamese"}  # the paper's Figures 1 and 2
OF_A_MODEL = ("architecture", "grid")  # modules that draw a figure for each of several models
BESIDE_THE_PAPER = ("figure_3", "figure_4", "grid")  # modules that show the paper's numbers, if they are of these data
FIGURE_MODULES = SOURCE / "reporting/figures"

Table = tuple[str, dict[str, Any]]  # a table's path, and {column: value} that tells it apart in a larger one


@dataclass(frozen=True)
class Figure:
    """A figure: the module of `reporting/figures` that draws it, and the arguments that it is drawn with."""

    module: str
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The module's file."""
        return FIGURE_MODULES / f"{self.module}.py"

    @property
    def code(self) -> list[Path]:
        """The files of its own code: its module, and that of the model that it shows."""
        return [self.path, *([models.path(self.values["model"])] if "options" in self.values else [])]

    @property
    def reads(self) -> tuple[str, ...]:
        """The tables that it shows, by their options: `READS` in its module."""
        return self._constant("READS")

    @property
    def caption(self) -> str:
        """What it shows, with code between double backticks: `CAPTION` in its module, where {model} is its model."""
        return "".join(self._constant("CAPTION")).replace("{model}", self.values.get("model", ""))

    def _constant(self, name: str) -> tuple[str, ...]:
        return _constant(self.path, name, "figure")


class Plan:
    """The plan for the params `study`.

    The parts `more_data` and `other_data` are computed where `has_mnist`, else their tables are kept where they are.
    """

    def __init__(
        self,
        study: "Params",
        *,
        has_mnist: bool = False,
        has_more_data: bool = False,
        has_other_data: bool = False,
    ):
        self.study = study
        of_mnist = study.data.source in paper.SOURCES
        self.trains_more_data = bool(study.more_data) and of_mnist and has_mnist
        self.shows_more_data = bool(study.more_data) and of_mnist and (has_mnist or has_more_data)
        self.trains_other_data = bool(study.other_data) and of_mnist and has_mnist
        self.shows_other_data = bool(study.other_data) and of_mnist and (has_mnist or has_other_data)

    @cached_property
    def grid(self) -> dict[str, dict[str, Any]]:
        """The grid search: {model: {hyperparameter: values}}."""
        return {model: values.model_dump() for model, values in self.study.grid.models.items()}

    @property
    def models(self) -> list[str]:
        """The models of the grid, by name."""
        return list(self.grid)

    @property
    def trained(self) -> set[str]:
        """All models that are trained: those of the grid, and those trained on more data alone."""
        return {*self.grid, *(self.study.more_data.configurations if self.study.more_data else ())}

    @property
    def n_pairs(self) -> int:
        """The pairs of one dataset, all splits together."""
        data = self.study.data
        return data.n_train + data.n_validation + data.n_test

    @cached_property
    def datasets(self) -> list[str]:
        """The datasets: the first for the grid and all fixed rounds, then one for each round on new pairs."""
        return [DATASET.format(seed=self.study.seed + i) for i in range(1 + self.study.final.rounds)]

    def dataset(self, number: int) -> str:
        """Return the dataset of a round on new pairs: those of the final rounds are kept, others made when needed."""
        kept = number <= self.study.final.rounds
        return DATASET.format(seed=self.study.seed + number) if kept else NEW_PAIRS.format(first=number, last=number)

    @cached_property
    def cells(self) -> list[str]:
        """The tables of the grid's cells."""
        return [CELL_ROUNDS.format_map(cell) for cell in cells(self.grid)]

    def final(self, file: str, protocols: Iterable[str] = PROTOCOLS) -> list[str]:
        """Return one file of the final rounds of each protocol and model."""
        return files(self._final(file, [(p, model) for p in protocols for model in self.models]))

    def final_tables(self, by_test: Iterable[str]) -> list[Table]:
        """Return all tables of final rounds; `by_test` names the models for which the paper's rule chose otherwise."""
        runs = [(protocol, model) for protocol in PROTOCOLS for model in self.models]
        return self._final("rounds.csv", [*runs, *((BY_TEST, model) for model in by_test)])

    def curves(self) -> list[Table]:
        """Return the tables of the learning curves."""
        return self._final("curves.csv", [("fixed", model) for model in self.models])

    def _final(self, file: str, runs: Iterable[tuple[str, str]]) -> list[Table]:
        keys = [{"protocol": protocol, "model": model} for protocol, model in runs]
        return [(FINAL.format_map(key) + file, key) for key in keys]

    @cached_property
    def ablations(self) -> list[Table]:
        """The tables of the ablations; of the study's own value, that is the table of the final rounds."""
        section = self.study.ablations
        if not section:
            return []
        tables: list[Table] = []
        for parameter in ("batch_norm", "weight_decay", "auxiliary_weight"):
            own = getattr(self.study.train, parameter)
            for value in sorted({own, *getattr(section, parameter)}):
                for model in section.models:
                    if parameter in ("weight_decay", *_options(model)):
                        key = {"parameter": parameter, "value": value, "model": model}
                        final = FINAL.format(protocol="resampled", model=model) + "rounds.csv"
                        tables.append((final if value == own else ABLATION.format_map(key), key))
        return tables

    @cached_property
    def more_data(self) -> list[Table]:
        """The tables of the rounds on more training pairs."""
        more = self.study.more_data
        if not more:
            return []
        tables: list[Table] = []
        for model in more.configurations:
            for n_train, epochs in sorted(more.epochs.items()):
                key = {"model": model, "n_train": n_train}
                tables.append((LARGER_CELL.format_map(key), key | {"epochs": epochs}))
        return tables

    @cached_property
    def fresh(self) -> list[Table]:
        """The tables of the fresh rounds, in blocks: those after the rounds that the other parts train."""
        section, final, grid = self.study.fresh, self.study.final.rounds, self.study.grid.rounds
        if not section:
            return []
        arms = [
            *(("resampled", model, final, rounds) for model, rounds in section.resampled.items()),
            *(("fixed", model, final, rounds) for model, rounds in section.fixed.items()),
            *(("grid", model, grid, rounds) for model, rounds in section.fixed.items()),
            ("batch_norm", "baseline", final, section.batch_norm),
        ]
        return [
            (FRESH.format(arm=arm, model=model, first=first, last=last), {"arm": arm, "model": model})
            for arm, model, before, rounds in arms
            for first, last in _blocks(before, rounds, section.block)
        ]

    @cached_property
    def least_error(self) -> list[Table]:
        """The tables of the recipe, whole and with each of its parts left out that it has."""
        section = self.study.least_error
        if not section:
            return []
        left_out = [part for part in PARTS if getattr(section, part)] if section.ablation_rounds else []
        return [(LEAST_ERROR.format(left_out=part), {"left_out": part}) for part in ("nothing", *left_out)]

    @cached_property
    def variance(self) -> list[Table]:
        """The tables of data sets crossed with initialisations and orders."""
        section = self.study.variance
        if not section:
            return []
        numbers = range(1, 1 + section.datasets)
        keys = [{"model": model, "dataset": number} for model in section.models for number in numbers]
        return [(CROSSED.format_map(key), key) for key in keys]

    def spikes(self, learning_rate: float) -> list[Table]:
        """Return the folders of loss spikes, one value changed at a time; `learning_rate` is the chosen one.

        The chosen configuration as it is stands in each parameter's rows, and is trained once.
        """
        section = self.study.spikes
        if not section:
            return []
        own = {"learning_rate": learning_rate, "beta2": 0.999, "epsilon": 1e-8, "decay": 0}
        tables: list[Table] = []
        for parameter, chosen in own.items():
            for value in sorted({chosen, *getattr(section, parameter)}):
                changed = {"parameter": parameter, "value": value}
                if value == chosen:
                    changed = {"parameter": "learning_rate", "value": learning_rate}
                key = {"parameter": parameter, "value": value, "model": section.model, "chosen": value == chosen}
                tables.append((SPIKE.format(**changed, model=section.model), key))
        return tables

    @cached_property
    def other_data(self) -> list[Table]:
        """The tables of the rounds on disjoint sets of digits."""
        section = self.study.other_data
        if not section:
            return []
        numbers = range(1, 1 + section.sets)
        keys = [{"model": model, "set": number} for model in section.models for number in numbers]
        return [(OTHER.format_map(key), key) for key in keys]

    @property
    def further(self) -> dict[str, str]:
        """The tables of the further parts that the study has, by part."""
        shown = {name: getattr(self.study, name) for name in FURTHER} | {"other_data": self.shows_other_data}
        return {name: path for name, path in FURTHER.items() if shown[name]}

    @property
    def further_rounds(self) -> list[str]:
        """The tables of single training runs of the further parts, but for those that wait for the selection."""
        others = self.other_data if self.trains_other_data else ()
        return files([*self.fresh, *self.least_error, *self.variance, *others])

    def leftovers(self, root: Path) -> list[str]:
        """Return folders and figures below `root` that belong to models which the study no longer has."""
        patterns = (
            *("results/grid/*", "results/final/*/*", "results/ablations/*/*", "results/more_data/*"),
            *("results/fresh/*/*", "results/variance/*", "results/spikes/*/*", "results/other_data/*"),
        )
        folders = [path for pattern in patterns for path in root.glob(pattern) if path.name not in self.trained]
        figures = [path for path in root.glob("reports/figures/grid_*.*") if path.stem not in self.figures]
        return sorted(path.relative_to(root).as_posix() for path in (*folders, *figures))

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """The figures by name: one of each module, and of those `OF_A_MODEL` one for each model."""
        beyond = {
            "two_factors": set(DESIGN) <= set(self.models),
            "ablations": any(key["value"] != getattr(self.study.train, key["parameter"]) for _, key in self.ablations),
            "more_data": self.shows_more_data,
            **{name: name in self.further for name in FURTHER},
            "least_error": len(self.least_error) > 1,  # with a part left out
        }
        modules = (path.stem for path in FIGURE_MODULES.glob("[!_]*.py"))
        single = {name: self._figure(name) for name in modules if name not in OF_A_MODEL and beyond.get(name, True)}
        architectures = {
            name: self._figure("architecture", model=model, options=self.options(model))
            for name, model in ARCHITECTURES.items()
        }
        grids = {f"grid_{model}": self._figure("grid", model=model) for model in self.models}
        return dict(sorted((single | architectures).items())) | grids

    def _figure(self, module: str, **values: str) -> Figure:
        beside = {"source": self.study.data.source} if module in BESIDE_THE_PAPER else {}
        return Figure(module, values | beside)

    @property
    def captions(self) -> dict[str, str]:
        """The captions of the figures, by name."""
        return {name: figure.caption for name, figure in self.figures.items()}

    @property
    def descriptions(self) -> dict[str, str]:
        """What each model is that was added to the study, which describes its own: the first line of its module."""
        return {model: _description(models.path(model)) for model in sorted(self.trained - {*palette.KNOWN})}

    def check(self) -> None:
        """Raise `StudyError` for a model that takes, or a figure that reads, what there is not."""
        for model in sorted(self.trained):
            _known(models.path(model), "OPTIONS", _options(model), type(self.study.train).model_fields)
        for figure in self.figures.values():
            _known(figure.path, "READS", figure.reads, self._shown_tables)

    @property
    def _shown_tables(self) -> dict[str, str]:
        """All that figures may read: {option: path}."""
        return TABLES | {"pairs": self.datasets[0]}

    def figure_input(self, name: str) -> dict[str, str]:
        """Return a figure's input: {option: path}."""
        paths = self._shown_tables
        return {option: paths[option] for option in self.figures[name].reads}

    def figure_arguments(self, name: str) -> str:
        """Return a figure's command-line arguments."""
        figure = self.figures[name]
        return arguments(figure=figure.module, **figure.values, **self.figure_input(name))

    def options(self, model: str, **changed: Any) -> str:
        """Return the values of `train` that a model uses, as JSON, so that no other value reruns it."""
        train = self.study.train.model_dump() | changed
        return json.dumps({key: train[key] for key in _options(model)})


def _blocks(before: int, rounds: int, size: int) -> list[tuple[int, int]]:
    """Return the first and last round of each block; the last block may be smaller."""
    last = before + rounds
    return [(first, min(first + size - 1, last)) for first in range(before + 1, last + 1, size)]


def _options(model: str) -> tuple[str, ...]:
    return _constant(models.path(model), "OPTIONS", "model")


@cache  # each cell asks, and it takes reading the module
def _constant(module: Path, name: str, of: str) -> tuple[str, ...]:
    try:
        return words(module, name)
    except SyntaxError as error:
        raise StudyError(f"{_shown(module)}: line {error.lineno}: {error.msg}") from error
    except ValueError as error:
        raise StudyError(f"{_shown(module)}: a {of}'s module needs {name}") from error


def _known(module: Path, constant: str, names: Iterable[str], allowed: Iterable[str]) -> None:
    for name in names:
        if name not in allowed:
            raise StudyError(f"{_shown(module)}: {constant} names {name!r}; allowed are {', '.join(allowed)}")


def _description(module: Path) -> str:
    """Return the first line of a module's docstring, without its full stop; the module is not run."""
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    if not text:
        raise StudyError(f"{_shown(module)}: a model's module needs a docstring, whose first line describes the model")
    return text.partition("\n")[0].removesuffix(".")


def _shown(module: Path) -> str:
    return module.relative_to(SOURCE.parents[1]).as_posix()


def files(tables: Iterable[Table]) -> list[str]:
    """Return the paths of tables, each once."""
    return list(dict.fromkeys(path for path, _ in tables))


def arguments(**values: Any) -> str:
    """Return values as command-line options, each beside its name.

    Snakemake compares a rule's params as a set of values: bare, 500 and 1000 could swap places unnoticed.
    """
    return shlex.join(f"--{name.replace('_', '-')}={value}" for name, value in values.items() if value is not None)
