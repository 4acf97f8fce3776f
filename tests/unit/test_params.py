"""params.yaml: what is accepted, and that every mistake gets one line with file, key, value and what is allowed."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from digitpairs import models
from digitpairs.errors import StudyError
from digitpairs.params import load_params

PARAMS = Path(__file__).parents[2] / "params.yaml"
SHIPPED = PARAMS.read_text()
FURTHER = ("fresh", "least_error", "variance", "spikes", "other_data")
TEXT = SHIPPED.partition("# Further parts")[0] + "".join(f"{part}: null\n" for part in FURTHER)
RATES = "[0.001, 0.005, 0.01, 0.1]"


def edited(tmp_path: Path, old: str, new: str) -> Path:
    assert old in TEXT
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(old, new, 1))
    return path


def message(path: Path) -> str:
    with pytest.raises(StudyError) as error:
        load_params(path)
    text = str(error.value)
    assert len(text.splitlines()) == 1
    assert len(text) < 1000
    assert text.startswith(str(path))
    return text


def test_the_paper_s_study() -> None:
    params = load_params(PARAMS)
    assert (params.seed, params.data.source, params.data.folder) == (0, "bundled", None)
    assert (params.data.n_train, params.data.n_validation, params.data.n_test) == (1000, 500, 1000)
    assert (params.train.batch_norm, params.train.auxiliary_weight, params.train.device) == ("before", 1.0, "cpu")
    assert (params.grid.rounds, params.select.by, params.final.rounds) == (10, "validation", 15)
    grids = [params.grid.models[model] for model in ("baseline", "siamese", "siamese_aux")]
    assert sum(len(grid.epochs) * len(grid.batch_size) * len(grid.learning_rate) for grid in grids) == 96


def test_two_factors_are_tuned_with_equal_effort() -> None:
    grids = load_params(PARAMS).grid.models
    assert grids["siamese"] == grids["siamese_aux"] == grids["twobranch"] == grids["twobranch_aux"]


@pytest.mark.parametrize("part", ["ablations", "more_data", *FURTHER])
def test_parts_beyond_the_paper_can_be_left_out(tmp_path: Path, part: str) -> None:
    content = yaml.safe_load(SHIPPED)
    path = tmp_path / "params.yaml"
    for change in ({part: None}, {}):
        path.write_text(yaml.safe_dump({key: content[key] for key in content if key != part} | change))
        assert getattr(load_params(path), part) is None


def test_optional_keys_have_defaults(tmp_path: Path) -> None:
    content = yaml.safe_load(SHIPPED)
    del content["train"]["device"]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    assert load_params(path) == load_params(PARAMS)


@pytest.mark.parametrize("rates", ["[1e-2, 1E-3, 1, 5.e-3, .2]", "[1, 0.2, 0.01, 0.005, 1.0e-3]"])
def test_numbers_in_any_notation_and_order(tmp_path: Path, rates: str) -> None:
    grid = load_params(edited(tmp_path, RATES, rates)).grid.models["baseline"]
    assert grid.learning_rate == [0.001, 0.005, 0.01, 0.2, 1.0]
    assert all(isinstance(rate, float) for rate in grid.learning_rate)


def test_the_order_of_models_never_matters(tmp_path: Path) -> None:
    content = yaml.safe_load(TEXT)
    content["grid"] = dict(reversed(content["grid"].items()))
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    assert list(load_params(path).grid.models) == list(load_params(PARAMS).grid.models)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("source: bundled", "source: idx\n  folder: digits"),
        ("source: bundled", "source: mnist\n  folder: digits"),
        ("source: bundled", "source: mnist"),
        ("device: cpu", "device: auto"),
        ("n_train: 1000", "n_train: 100"),  # one batch
        ("n_train: 1000", "n_train: 902"),  # a last batch of 2
        ("seed: 0", f"seed: {2**32 - 1}"),
    ],
)
def test_accepted(tmp_path: Path, old: str, new: str) -> None:
    load_params(edited(tmp_path, old, new))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # unknown and missing keys
        (
            "seed: 0",
            "sead: 0",
            ["sead is an unknown key", "seed, data, train, grid", "seed is missing"],
        ),
        ("n_test: 1000", "n_test: 1000\n  n_tset: 1", ["data.n_tset is an unknown key", "n_validation, n_test"]),
        ("    epochs:", "    epoch: [1]\n    epochs:", ["grid.baseline.epoch ", "epochs, batch_size, learning_rate"]),
        ("  n_test: 1000\n", "", ["data.n_test is missing"]),
        (
            "ablations:",
            "ablations:\n  dropout: [0.5]",
            ["ablations.dropout is an unknown key", "weight_decay"],
        ),
        ("  rounds: 10\n", "", ["grid.rounds is missing"]),
        ("seed: 0", "seed: 0\nseed: 1", ["'seed' is given twice", "line 3"]),
        ("seed: 0", "seed: 0\n3: 4", ["3", "should be strings"]),
        # wrong types
        ("seed: 0", "seed: true", ["seed = True should be a valid integer"]),
        ("seed: 0", "seed: '10'", ["seed = '10' should be a valid integer"]),
        ("seed: 0", "seed: 1.0", ["seed = 1.0 should be a valid integer"]),
        ("seed: 0", "seed:", ["seed = None should be a valid integer"]),
        ("weight_decay: 0.0", "weight_decay: '0.1'", ["train.weight_decay = '0.1' should be a valid number"]),
        ("weight_decay: 0.0", "weight_decay: false", ["train.weight_decay = False should be a valid number"]),
        ("[25, 50, 100, 150]", "[25, 50, true]", ["grid.baseline.epochs[2] = True should be a valid integer"]),
        ("[25, 50, 100, 150]", "25", ["grid.baseline.epochs = 25 should be a valid list"]),
        ("select:", "select: 3\nx:", ["select = 3 should be a valid dictionary"]),
        ("source: bundled", "source: idx\n  folder: ''", ["data.folder = '' should have at least 1 character"]),
        # ranges
        ("seed: 0", "seed: -1", ["seed = -1 should be greater than or equal to 0"]),
        ("seed: 0", f"seed: {2**32}", [f"seed = {2**32} should be less than {2**32}"]),
        ("seed: 0", "seed: 0x" + "f" * 5000, ["seed = (int too long to print)"]),
        ("n_train: 1000", "n_train: 0", ["data.n_train = 0 should be greater than or equal to 1"]),
        ("rounds: 10", "rounds: 0", ["grid.rounds = 0 should be greater than or equal to 1"]),
        ("rounds: 15", "rounds: -3", ["final.rounds = -3 should be greater than or equal to 1"]),
        ("rounds: 15", "rounds: 1" + "0" * 30, ["final.rounds = 1", "should be less than"]),
        ("[25, 50, 100, 150]", "[0]", ["grid.baseline.epochs[0] = 0 should be greater"]),
        ("[25, 50, 100]", "[-50]", ["grid.baseline.batch_size[0] = -50 should be greater"]),
        (RATES, "[0.1, 0]", ["grid.baseline.learning_rate[1] = 0 should be greater than 0"]),
        (RATES, "[.nan]", ["grid.baseline.learning_rate[0] = nan should be a finite number"]),
        (RATES, "[1e400]", ["grid.baseline.learning_rate[0] = inf should be a finite number"]),
        ("auxiliary_weight: 1.0", "auxiliary_weight: -0.5", ["train.auxiliary_weight = -0.5 should be greater"]),
        # names
        ("source: bundled", "source: cifar", ["data.source = 'cifar'", "'bundled', 'mnist' or 'idx'"]),
        ("batch_norm: before", "batch_norm: never", ["train.batch_norm = 'never'", "'before' or 'after'"]),
        ("device: cpu", "device: tpu", ["train.device = 'tpu'", "'cpu', 'cuda' or 'auto'"]),
        ("by: validation", "by: train", ["select.by = 'train'", "'validation' or 'test'"]),
        ("  baseline:", "  basline:", ["grid.basline is an unknown model", ", ".join(models.names())]),
        ("grid:", "grid: {rounds: 1}\nx:", ["grid = ", "at least one model of", ", ".join(models.names())]),
        ("batch_norm: [before, after]", "batch_norm: [never]", ["ablations.batch_norm[0] = 'never'"]),
        ("models: [baseline", "models: [lenet", ["ablations.models[0] = 'lenet'", ", ".join(models.names())]),
        ("    deeper: ", "    deepest: ", ["more_data.configurations.deepest", ", ".join(models.names())]),
        # lists
        ("[25, 50, 100, 150]", "[]", ["grid.baseline.epochs = [] should have at least 1 item"]),
        ("[25, 50, 100, 150]", "[5, 7, 5]", ["grid.baseline.epochs = [5, 7, 5]", "each value once, not 5 twice"]),
        (RATES, "[0.01, 1e-2]", ["grid.baseline.learning_rate = [0.01, 0.01]", "each value once, not 0.01 twice"]),
        (RATES, "[1, 1.0]", ["grid.baseline.learning_rate = [1, 1.0]", "each value once"]),
        # between keys
        ("source: bundled", "source: idx", ["data.folder is missing", "'idx'"]),
        (
            "source: bundled",
            "source: bundled\n  folder: digits",
            ["data.folder = 'digits' is not allowed"],
        ),
        ("[25, 50, 100]", "[1001]", ["grid.baseline.batch_size = 1001 should be at most data.n_train = 1000"]),
        ("[25, 50, 100]", "[999]", ["grid.baseline.batch_size = 999", "last batch of 1", "BatchNorm"]),
        ("[25, 50, 100]", "[1]", ["grid.baseline.batch_size = 1 ", "last batch of 1", "BatchNorm"]),
        ("n_train: 1000", "n_train: 1", ["grid.baseline.batch_size = 25 should be at most", "n_train = 1;"]),
        ("n_train: 1000", "n_train: 901", ["grid.baseline.batch_size = 25 ", "n_train = 901", "and 8 more"]),
        ("models: [baseline", "models: [deeper", ["ablations.models: deeper should be a model of the grid; allowed"]),
        ("deeper: siamese_aux", "deeper: deeper", ["configurations.deeper = deeper should be a model of the grid"]),
        ("rounds: 10               #", "rounds: 16 #", ["ablations.rounds = 16 should be at most final.rounds = 15"]),
        (
            "least_error: null",
            "least_error: {rounds: 2, ablation_rounds: 3, epochs: 1, batch_size: 50, learning_rate: 0.01, "
            "one_cycle: true, weight_decay: 0, dropout: 0, label_smoothing: 0, shift: 1, distortion: 0}",
            ["least_error.ablation_rounds = 3 should be at most least_error.rounds = 2"],
        ),
        ("least_error: null", "least_error: {}", ["least_error.rounds is missing"]),
        (
            "fresh: null",
            "fresh: {resampled: {siamese: 3}, block: 3, blocks: 3}",
            ["fresh.blocks is an unknown key", "resampled, fixed, batch_norm, block, pairings"],
        ),
        (
            "fresh: null",
            "fresh: {resampled: {baseline: 3}, batch_norm: 4, block: 3}",
            ["fresh.batch_norm = 4 should be at most fresh.resampled.baseline = 3"],
        ),
        (
            "fresh: null",
            "fresh: {resampled: {deeper: 3}, batch_norm: 2, block: 3}",
            ["at most fresh.resampled.baseline = 0", "fresh.resampled.deeper should be a model of the grid; allowed"],
        ),
        (
            "variance: null",
            "variance: {models: [deeper], datasets: 1, initialisations: 2, orders: 2}",
            ["variance.datasets = 1 should be greater than or equal to 2"],
        ),
        (
            "variance: null",
            "variance: {models: [deeper], datasets: 2, initialisations: 2, orders: 2}",
            ["variance.models: deeper should be a model of the grid; allowed are baseline"],
        ),
        (
            "spikes: null",
            "spikes: {model: deeper, rounds: 2, beta2: [1.0]}",
            ["spikes.beta2[0] = 1.0 should be less than 1"],
        ),
        (
            "spikes: null",
            "spikes: {model: deeper, rounds: 2}",
            ["spikes.model = deeper should be a model of the grid"],
        ),
        (
            "spikes: null",
            "spikes: {model: siamese, rounds: 2, decay: [100, 101]}",
            ["spikes.decay: 101 should be at most 100: grid.siamese.epochs has no more"],
        ),
        ("source: bundled", "source: idx\n  folder: ~/digits", ["data.folder = '~/digits' should be a path without ~"]),
        (
            "other_data: null",
            "other_data: {models: [siamese], sets: 15, rounds: 2}",
            ["other_data.sets = 15 should be less than or equal to 14"],
        ),
        ("n_test: 5000", "n_test: 5001", ["more_data.n_test = 5001 should be at most 5000"]),
        ("{250: 100", "{29501: 1", ["more_data.epochs: 29501 pairs should be at most 29500"]),
        ("{250: 100", "{60: 1", ["grid.siamese.batch_size = 100 should be at most more_data.epochs: 60 pairs"]),
        # not YAML, or more than plain YAML
        ("seed: 0", "seed: [1", ["not valid YAML", "line"]),
        ("seed: 0", "seed: " + "[" * 20000, ["not valid YAML"]),
        ("seed: 0", "seed: 2001-99-99", ["not valid YAML"]),
        ("seed: 0", "seed: " + "9" * 5000, ["not valid YAML"]),
        ("seed: 0", "seed: !!int x", ["not valid YAML"]),
        ("seed: 0", "seed: !!python/object/apply:os.system ['exit 1']", ["not valid YAML", "python/object", "line 2"]),
        ("seed: 0", "seed: &a [*a]", ["seed = [[...]] should be a valid integer"]),
        ("seed: 0", "seed: 0\n---\nseed: 1", ["not valid YAML", "another document"]),
        ("seed: 0", '"a\\nb": 0', ["'a\\nb' is an unknown key"]),
        ("seed: 0", '"\\ud800": 0', ["should be a valid string"]),
        ("seed: 0", "\0", ["not valid YAML"]),
    ],
)
def test_refused(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    text = message(edited(tmp_path, old, new))
    assert [part for part in expected if part not in text] == [], text


@pytest.mark.parametrize("content", [b"", b"- 1", b"text", b"3", bytes(range(256)), b"\x1f\x8b\x08\xff", b"\xff\xfea"])
def test_other_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    message(path)


def test_no_file(tmp_path: Path) -> None:
    assert "No such file" in message(tmp_path / "params.yaml")
    assert "directory" in message(tmp_path)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary() | st.just(10**400)
)
STRUCTURES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=8,
)
SECTIONS = yaml.safe_load(TEXT)
KEYS = [(section,) for section in SECTIONS] + [
    (section, key) for section, content in SECTIONS.items() if isinstance(content, dict) for key in content
]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.sampled_from(KEYS) | st.just(()), junk=STRUCTURES)
@example(keys=("data", "n_train"), junk=10**4000)
@example(keys=(), junk={"\x85": {"\u2028": None}})
def test_any_structure_is_read_or_refused_in_one_line(tmp_path: Path, keys: tuple[str, ...], junk: object) -> None:
    content: Any = copy.deepcopy(SECTIONS)
    section = content
    for key in keys[:-1]:
        section = section[key]
    if keys:
        section[keys[-1]] = junk
    else:
        content = junk
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    try:
        load_params(path)
    except StudyError as error:
        assert len(str(error).splitlines()) == 1
