"""Weights on disk: what is read is what was written, or an error."""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from digitpairs import models
from digitpairs.api import load_model
from digitpairs.data.pairs import Pairs
from digitpairs.errors import StudyError
from digitpairs.networks.ensemble import Ensemble
from digitpairs.networks.layers import PairNet
from digitpairs.training.run import Configuration, Dataset, initialise
from digitpairs.training.states import load, save, stack_nets

OPTIONS = {"batch_norm": "after", "auxiliary_weight": 0.5}


def options(model: str) -> dict[str, Any]:
    return {key: OPTIONS[key] for key in models.options(model)}


def make_nets(model: str) -> list[PairNet]:
    configuration = Configuration(model, options(model), 10, 0.01, 0.0, 0, "final")
    nets = [initialise(configuration, round_).eval() for round_ in (1, 2, 3)]
    generator = torch.Generator().manual_seed(0)
    for net in nets:
        for tensor in net.buffers():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 2, generator=generator)  # statistics that differ between the networks
    return nets


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    return {
        "weight": torch.randn(3, 4, 5),
        "double": torch.tensor([1 / 3, torch.nan, -torch.inf, -0.0], dtype=torch.float64),
        "count": torch.tensor(2**40),
        "view": torch.arange(12.0).view(3, 4).T,
        "expanded": torch.tensor(1.5).expand(3),
        "empty": torch.zeros(0, 3),
    }


def assert_same(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert actual[name].dtype == tensor.dtype
        torch.testing.assert_close(actual[name], tensor, rtol=0, atol=0, equal_nan=True)


def test_round_trip(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "some.safetensors"
    about = {"model": "é", "options": {"a": [1, 2.5, None]}}
    save(path, tensors, **about)
    read, read_about = load(path)
    assert_same(read, tensors)
    assert read_about == about
    assert list(path.parent.iterdir()) == [path]


def test_the_same_tensors_give_the_same_bytes(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    """Whatever their order is, and that of what is known about them."""
    save(tmp_path / "1", tensors, a=1, b=2)
    save(tmp_path / "2", dict(reversed(tensors.items())), b=2, a=1)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    save(tmp_path / "2", tensors | {"count": torch.tensor(2**40 + 1)}, a=1, b=2)
    assert (tmp_path / "1").read_bytes() != (tmp_path / "2").read_bytes()


@pytest.mark.parametrize("model", models.names())
def test_load_model_gives_the_ensemble_s_networks(model: str, tmp_path: Path) -> None:
    nets = make_nets(model)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(20, 2, 14, 14)).astype(np.float32)
    data = Dataset([Pairs(images, np.zeros((20, 2), int), np.zeros(20, int))], nets[0].branches)
    windows, _, _ = next(data.batches(torch.arange(20).expand(3, -1), 20))
    ensemble = Ensemble(nets).eval()
    path = tmp_path / "rounds.safetensors"
    save(path, stack_nets([ensemble.net(i) for i in range(3)]), model=model, options=options(model))
    for i, net in enumerate(nets):
        loaded = load_model(str(path), i + 1)
        assert_same(loaded.state_dict(), net.state_dict())
        assert type(loaded) is models.load(model)
        assert not loaded.training
        torch.testing.assert_close(loaded(torch.from_numpy(images)).logits, ensemble(windows).logits[i])


@pytest.mark.parametrize("round_", [0, -1, 4])
def test_a_round_that_is_not_there(round_: int, tmp_path: Path) -> None:
    path = tmp_path / "rounds.safetensors"
    save(path, stack_nets(make_nets("baseline")), model="baseline", options=options("baseline"))
    with pytest.raises(StudyError, match=rf"^{path}: round = {round_}; allowed are 1 to 3$"):
        load_model(path, round_)


# Damage


def assert_refused(path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1


@pytest.fixture
def good(tmp_path: Path) -> bytes:
    save(tmp_path / "good", {"weight": torch.randn(20, 10), "bias": torch.randn(10)}, model="baseline", options={})
    return (tmp_path / "good").read_bytes()


def test_every_truncation_is_noticed(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged"
    for length in {*range(0, len(good), 7), len(good) - 1}:
        path.write_bytes(good[:length])
        assert_refused(path)
    path.write_bytes(good + b"\0")
    assert_refused(path)


def test_every_flipped_bit_is_noticed(good: bytes, tmp_path: Path) -> None:
    """In the header as in the numbers; what is read all the same is what was written."""
    path = tmp_path / "damaged"
    intact, about = load(tmp_path / "good")
    header = 8 + int.from_bytes(good[:8], "little")
    rng = np.random.default_rng(0)
    bits = [*rng.integers(8 * header, size=200), *rng.integers(8 * header, 8 * len(good), size=200)]
    unnoticed = []
    for bit in bits:
        damaged = bytearray(good)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            tensors, read_about = load(path)
        except StudyError as error:
            assert len(str(error).splitlines()) == 1
        else:
            assert_same(tensors, intact)
            unnoticed.append((bit // 8, read_about == about))
    assert unnoticed == []


def test_a_swap_of_equal_shapes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "swapped"
    save(path, {"a": torch.zeros(3), "b": torch.ones(3)})
    content = path.read_bytes()
    path.write_bytes(re.sub(rb'"(a|b)":', lambda match: b'"b":' if match[1] == b"a" else b'"a":', content))
    assert_refused(path)


class Payload:
    """Unpickling it creates a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("dump", [pickle.dump, torch.save])
def test_a_pickle_is_not_loaded(dump: Any, tmp_path: Path) -> None:
    path, trace = tmp_path / "rounds.safetensors", tmp_path / "trace"
    with path.open("wb") as file:
        dump(Payload(trace), file)
    assert_refused(path)
    with pytest.raises(StudyError, match=re.escape(str(path))):
        load_model(path, 1)
    assert not trace.exists()


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"digitpairs": "{"},
        {"digitpairs": "[]"},
        {"digitpairs": "{}"},
    ],
)
def test_other_safetensors_are_refused(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(safetensors.torch.save({"a": torch.zeros(3)}, metadata))
    assert_refused(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert_refused(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    assert_refused(tmp_path / "folder")


def test_a_state_is_no_model(tmp_path: Path) -> None:
    for about in ({}, {"model": "baseline", "options": {"batch_norm": "before"}}):
        save(tmp_path / "some.state", {"weight": torch.zeros(3)}, **about)
        with pytest.raises(StudyError, match=r"some.state"):
            load_model(tmp_path / "some.state", 1)
