"""The schema of params.yaml. Light on purpose: the Snakefile imports it at every start."""

import os
import re
import reprlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from digitpairs import models, paper
from digitpairs.errors import StudyError


def _each_once(values: list[Any]) -> list[Any]:
    """Sort, so that the order in the file never matters, and refuse duplicates (0.01 and 1e-2 are the same)."""
    for value, count in Counter(values).items():
        if count > 1:
            message = "should hold each value once, not {value} twice"
            raise PydanticCustomError("duplicate", message, {"value": str(value)})
    return sorted(values)


def _known_model(name: str) -> str:
    if name not in models.names() or name.startswith("_"):  # what several models share
        allowed = ", ".join(known for known in models.names() if not known.startswith("_"))
        raise PydanticCustomError("model", "is an unknown model; allowed are {allowed}", {"allowed": allowed})
    if not re.fullmatch("[a-z0-9_]+", name):  # as files and rules name it
        raise PydanticCustomError("model", "should be a module's name of a to z, 0 to 9 and _")
    return name


def _possible_folder(folder: str) -> str:
    """Refuse invalid folder names: too long, with control characters, ~, or braces that Snakemake would replace."""
    if re.search("[{}]|<.*>", folder):
        raise PydanticCustomError(
            "folder", "should be a path without {, } and <...>: Snakemake replaces what they hold"
        )
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", folder):
        raise PydanticCustomError("folder", "should be a path without control characters")
    if folder.startswith("~"):
        raise PydanticCustomError("folder", "should be a path without ~, which a shell alone replaces")
    if max(len(part) for part in os.fsencode(folder).split(b"/")) > 255 or len(os.fsencode(folder)) > 4000:
        raise PydanticCustomError("folder", "should be a path of at most 4000 bytes, 255 for each folder")
    return folder


Value = TypeVar("Value")
Once = Annotated[list[Value], AfterValidator(_each_once)]
Some = Annotated[Once[Value], Field(min_length=1)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
Rounds = Annotated[int, Field(ge=1, le=10_000)]  # each final round has a file of pairs
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0)]
Model = Annotated[str, AfterValidator(_known_model)]
Folder = Annotated[str, Field(min_length=1), AfterValidator(_possible_folder)]
BUNDLED_PAIRS = 2_500  # two images each
MNIST_PAIRS = {"train": 30_000, "test": 5_000}
SET_PAIRS = 2_500  # of the 5,000 digits of a set of other_data
MOST_CELLS = 1_000_000  # beyond what Snakemake plans in the memory of one machine


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Data(_Section):
    """Source of the digits, and numbers of pairs."""

    source: Literal["bundled", "mnist", "idx"]
    folder: Folder | None = None
    n_train: Count
    n_validation: Count
    n_test: Count


class Train(_Section):
    """Training parameters of all models."""

    weight_decay: Weight
    auxiliary_weight: Weight
    batch_norm: Literal["before", "after"]
    device: Literal["cpu", "cuda", "auto"] = "cpu"


class Grid(_Section):
    """The search space of one model (paper, Table I); values ascend, whatever their order in the file."""

    epochs: Some[Count]
    batch_size: Some[Count]
    learning_rate: Some[Rate]


class GridSearch(_Section):
    """The rounds of each cell, and one `Grid` per model."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[Model, Grid] = Field(init=False)

    rounds: Rounds

    @property
    def models(self) -> dict[str, Grid]:
        """The grids by model name, in the names' order."""
        return dict(sorted(self.__pydantic_extra__.items()))

    @model_validator(mode="after")
    def _some_model(self) -> Self:
        if not self.models:
            allowed = ", ".join(models.names())
            raise PydanticCustomError("models", "should hold at least one model of {allowed}", {"allowed": allowed})
        return self


class Select(_Section):
    """Which error chooses a model's configuration."""

    by: Literal["validation", "test"]


class Final(_Section):
    """The rounds of the chosen configurations (paper, IV)."""

    rounds: Rounds


class Ablations(_Section):
    """Values of `train` to try one at a time, all else as chosen; the study's own value is the reference."""

    rounds: Rounds
    models: Some[Model]
    batch_norm: Once[Literal["before", "after"]] = []
    weight_decay: Once[Weight] = []
    auxiliary_weight: Once[Weight] = []


class MoreData(_Section):
    """Error against the number of training pairs, drawn from the full MNIST."""

    folder: Folder | None = None
    rounds: Rounds
    n_validation: Count
    n_test: Count
    epochs: Annotated[dict[Count, Count], Field(min_length=1)]  # by the number of training pairs
    configurations: Annotated[dict[Model, str], Field(min_length=1)]  # a model and whose configuration it takes


class Fresh(_Section):
    """Rounds after those of `final` and of the grid, which decide. More rounds train only the new blocks."""

    resampled: Annotated[dict[Model, Rounds], Field(min_length=1)]  # on new pairs, by model
    fixed: dict[Model, Rounds] = {}  # final ones on the grid's dataset, and as many of the grid's chosen cell
    batch_norm: Annotated[int, Field(ge=0, le=10_000)] = 0  # of the baseline with the other place, on new pairs
    block: Rounds  # rounds that one step trains
    pairings: Annotated[int, Field(ge=0, le=1000)] = 0  # of each round's test images


class LeastError(_Section):
    """The least error of one network at the study's number of training pairs: a recipe (training/recipe.py)."""

    rounds: Rounds
    ablation_rounds: Annotated[int, Field(ge=0)] = 0  # of them, with each part left out in turn
    epochs: Count
    batch_size: Count
    learning_rate: Rate
    one_cycle: bool
    weight_decay: Weight
    dropout: Share
    label_smoothing: Share
    shift: Weight
    distortion: Weight


class Variance(_Section):
    """Data sets, initialisations and orders of the pairs, crossed, for the chosen configurations."""

    models: Some[Model]
    epochs: Count | None = None  # null: as many as were chosen
    datasets: Annotated[int, Field(ge=2, le=10_000)]
    initialisations: Annotated[int, Field(ge=2, le=1000)]
    orders: Annotated[int, Field(ge=2, le=1000)]


class Spikes(_Section):
    """Values of Adam to try one at a time, all else as chosen: how often do rounds end in a loss spike?"""

    model: Model
    rounds: Rounds
    learning_rate: Once[Rate] = []
    beta2: Once[Share] = []
    epsilon: Once[Rate] = []
    decay: Once[Annotated[int, Field(ge=0)]] = []  # last epochs


class OtherData(_Section):
    """Disjoint sets of 5,000 digits of the full MNIST, several rounds each, for the chosen configurations."""

    models: Some[Model]
    sets: Annotated[int, Field(ge=2, le=14)]
    rounds: Annotated[int, Field(ge=2, le=1000)]  # of each set


class Params(_Section):
    """The whole of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data: Data
    train: Train
    grid: GridSearch
    select: Select
    final: Final
    ablations: Ablations | None = None
    more_data: MoreData | None = None
    fresh: Fresh | None = None
    least_error: LeastError | None = None
    variance: Variance | None = None
    spikes: Spikes | None = None
    other_data: OtherData | None = None


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads numbers as YAML 1.2 does, and so as DVC does, and refuses a key that is given twice.

    1e-2 is a number; what is one in YAML 1.1 alone, such as 010 (8) and 1:30 (90), is text, which no key allows.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    problem = f"key {reprlib.repr(key.value)} is given twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Insert the content of merge keys (<<); each key once, or nested ones would multiply without end."""
        super().flatten_mapping(node)
        by_key = {key.value if isinstance(key, yaml.ScalarNode) else id(key): (key, value) for key, value in node.value}
        node.value = list(by_key.values())


INT, FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (INT, FLOAT)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(INT, re.compile(r"(?:[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    FLOAT,
    re.compile(
        r"(?:[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+.0123456789"),
)


def load_params(path: str | Path) -> Params:
    """Read and validate params.yaml.

    Raises `StudyError` for whatever is wrong with the file: one line that names file, key, value and what is allowed.
    """
    try:
        with Path(path).open("rb") as stream:
            content = _Loader(stream).get_single_data()
        params = Params.model_validate(content)
    except ValidationError as error:
        problems = [_describe(detail) for detail in error.errors(include_url=False)]
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {error.strerror}") from error
    except Exception as error:  # PyYAML passes on what int(), datetime() and the recursion limit raise
        raise StudyError(f"{path}: not valid YAML: {_one_line(error)}") from error
    else:
        problems = list(_conflicts(params))
        if not problems:
            return params
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    raise StudyError(_one_line(f"{path}: {'; '.join(problems[:3])}{more}"))


def _conflicts(params: Params) -> Iterator[str]:
    """Yield conflicts between keys that are each valid."""
    data = params.data
    if data.source == "idx" and data.folder is None:
        yield "data.folder is missing; data.source = 'idx' needs a folder of IDX files"
    if data.source == "bundled" and data.folder is not None:
        yield f"data.folder = {_shorten(data.folder)} is not allowed with data.source = 'bundled'"
    yield from _pairs(data)
    cells = sum(
        len(grid.epochs) * len(grid.batch_size) * len(grid.learning_rate) for grid in params.grid.models.values()
    )
    if cells > MOST_CELLS:
        yield f"grid has {cells} cells; allowed are at most {MOST_CELLS}"
    for model in params.grid.models:
        yield from _batches(params.grid.models[model], model, f"data.n_train = {data.n_train}", data.n_train)
    if params.ablations:
        if params.ablations.rounds > params.final.rounds:
            most = f"final.rounds = {params.final.rounds}, with which they are compared"
            yield f"ablations.rounds = {params.ablations.rounds} should be at most {most}"
        for model in params.ablations.models:
            yield from _in_grid(params, f"ablations.models: {model}", model)
    if (more := params.more_data) and data.source in paper.SOURCES:  # it is skipped with other data
        if more.n_test > MNIST_PAIRS["test"]:
            yield f"more_data.n_test = {more.n_test} should be at most {MNIST_PAIRS['test']}: MNIST has no more"
        for n in more.epochs:
            if n + more.n_validation > MNIST_PAIRS["train"]:
                left = MNIST_PAIRS["train"] - more.n_validation
                yield f"more_data.epochs: {n} pairs should be at most {left}: MNIST has no more beside n_validation"
        for model, other in more.configurations.items():
            yield from _in_grid(params, f"more_data.configurations.{model} = {other}", other)
            for n in more.epochs if other in params.grid.models else []:
                yield from _batches(params.grid.models[other], other, f"more_data.epochs: {n} pairs", n)
    yield from _beyond(params)


def _beyond(params: Params) -> Iterator[str]:
    """Yield conflicts of the parts beyond the paper with the rest of the study."""
    if (least := params.least_error) and least.ablation_rounds > least.rounds:
        yield (
            f"least_error.ablation_rounds = {least.ablation_rounds} should be at most "
            f"least_error.rounds = {least.rounds}, with which they are compared"
        )
    if fresh := params.fresh:
        most = fresh.resampled.get("baseline", 0)
        if fresh.batch_norm > most:
            yield (
                f"fresh.batch_norm = {fresh.batch_norm} should be at most fresh.resampled.baseline = {most}, "
                "with which they are compared"
            )
        for arm in ("resampled", "fixed"):
            for model in getattr(fresh, arm):
                yield from _in_grid(params, f"fresh.{arm}.{model}", model)
    for name in ("variance", "other_data"):
        for model in getattr(params, name).models if getattr(params, name) else ():
            yield from _in_grid(params, f"{name}.models: {model}", model)
    if spikes := params.spikes:
        yield from _in_grid(params, f"spikes.model = {spikes.model}", spikes.model)
        grid = params.grid.models.get(spikes.model)
        for last in spikes.decay:
            if grid and last > (most := grid.epochs[-1]):
                yield f"spikes.decay: {last} should be at most {most}: grid.{spikes.model}.epochs has no more"
    asked = params.data.n_train + params.data.n_validation + params.data.n_test
    if params.other_data and params.data.source in paper.SOURCES and asked > SET_PAIRS:
        keys = "data.n_train + data.n_validation + data.n_test"
        yield f"{keys} = {asked} should be at most {SET_PAIRS}: a set of other_data has no more; null leaves it out"


def _pairs(data: Data) -> Iterator[str]:
    """Yield requests for more pairs than a source of known size has."""
    pools: dict[tuple[str, ...], int] = {}
    if data.source == "bundled":
        pools = {("test", "validation", "train"): BUNDLED_PAIRS}
    elif data.source == "mnist":
        pools = {("test",): MNIST_PAIRS["test"], ("validation", "train"): MNIST_PAIRS["train"]}
    for splits, most in pools.items():
        asked = sum(getattr(data, f"n_{split}") for split in splits)
        if asked > most:
            keys = " + ".join(f"data.n_{split}" for split in splits)
            yield f"{keys} = {asked} should be at most {most}: data.source = {data.source!r} has no more"


def _batches(grid: Grid, model: str, pairs: str, n_train: int) -> Iterator[str]:
    """Yield batch sizes that `n_train` pairs do not allow."""
    for size in grid.batch_size:
        key = f"grid.{model}.batch_size = {size}"
        if size > n_train:
            yield f"{key} should be at most {pairs}"
        elif (n_train - 1) % size == 0:
            yield f"{key} should not leave a last batch of 1 with {pairs}: BatchNorm cannot train on one pair"


def _in_grid(params: Params, key: str, model: str) -> Iterator[str]:
    if model not in params.grid.models:
        yield f"{key} should be a model of the grid; allowed are {', '.join(params.grid.models)}"


def _describe(detail: ErrorDetails) -> str:
    """Describe one invalid value: 'data.n_train = 0 should be greater than or equal to 1'."""
    key = "".join(
        f"[{part}]" if isinstance(part, int) else f".{_name(part)}" for part in detail["loc"] if part != "[key]"
    )
    key = key.removeprefix(".") or "the content"
    match detail["type"]:
        case "missing":
            return f"{key} is missing"
        case "extra_forbidden":
            return f"{key} is an unknown key; allowed are {_allowed_keys(detail['loc'])}"
        case "model" if isinstance(detail["loc"][-1], str):  # the input is the model's name, which the key says already
            return f"{key} {detail['msg']}"
    message = re.sub(r"^\w+ (?=should)| or instance of \w+", "", detail["msg"])
    return f"{key} = {_shorten(detail['input'])} {message}"


def _allowed_keys(loc: tuple[int | str, ...]) -> str:
    section: Any = Params
    for part in loc[:-1]:
        field = section.model_fields.get(part)
        section = field.annotation if field else Grid  # what is no field is a model's name
        section = next((kind for kind in get_args(section) if kind is not type(None)), section)  # of `Section | None`
    return ", ".join(section.model_fields)


def _name(part: str) -> str:
    return part if part.isidentifier() and len(part) < 40 else _shorten(part)


def _shorten(value: object) -> str:
    """Return a repr of at most a few words, however large the value is."""
    short = reprlib.Repr()
    short.maxlevel = 1
    try:
        return short.repr(value)
    except ValueError:  # Python prints no integer of more than 4300 digits
        return f"({type(value).__name__} too long to print)"


def _one_line(message: object) -> str:
    return " ".join(str(message).split())
