"""Stacks of learning rates and rounds, on the processor in a GPU's place; on a GPU itself where there is one."""

import ctypes
import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from digitpairs import devices, models
from digitpairs.data.bundled import load_bundled
from digitpairs.data.pairs import Splits, load_pairs, make_pairs, to_npz
from digitpairs.errors import StudyError
from digitpairs.training.rounds import Trained, train_rounds
from digitpairs.training.run import Configuration, Dataset
from digitpairs.training.stack import SLOTS, Stack
from digitpairs.training.stacks import Member, train_stacks
from digitpairs.training.states import StateFolder

RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
HERE = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"))]
each_model = pytest.mark.parametrize("model", models.names())
each_device = pytest.mark.parametrize("device", HERE)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> list[Splits]:
    path, loaded = tmp_path_factory.mktemp("data") / "pairs.npz", []
    for seed in range(2):
        path.write_bytes(to_npz(make_pairs(load_bundled(), 60, 30, 50, seed)))
        loaded.append(load_pairs(path))
    return loaded


def configurations(model: str, rates: tuple[float, ...] = RATES[:2]) -> list[Configuration]:
    options = {"batch_norm": "before", "auxiliary_weight": 1.0}
    own = {key: options[key] for key in models.options(model)}
    return [Configuration(model, own, 25, rate, 1e-4, 0, "grid") for rate in rates]


def stacks(
    members: list[Member], datasets: list[Splits], epochs: list[int], device: str = "cpu", **more: Any
) -> dict[tuple[float, int], Trained]:
    return train_stacks(members, datasets, 2, epochs, device=device, report=lambda _: None, **more)


@each_model
@pytest.mark.parametrize("number", [1, 2])
@each_device
def test_a_stack_trains_what_each_configuration_trains_alone(
    datasets: list[Splits], model: str, number: int, device: str
) -> None:
    kinds, own = configurations(model), datasets[:number]
    stacked = stacks([Member(kind) for kind in kinds], own, [1, 2], device, curves=True, pairings=2, first=4)
    for kind in kinds:
        for epochs in (1, 2):
            here = stacked[kind.learning_rate, epochs]
            alone = train_rounds(kind, own, 2, epochs, curves=True, pairings=2, first=4, report=lambda _: None)
            close: dict[str, Any] = {"rtol": 0.02, "atol": 0.02} if device == "cuda" else {"rtol": 1e-5, "atol": 1e-9}
            np.testing.assert_allclose(here.errors, alone.errors, **close)
            np.testing.assert_allclose(here.curves, alone.curves, **close)


@each_device
def test_bits_depend_neither_on_neighbours_nor_on_stops(datasets: list[Splits], tmp_path: Path, device: str) -> None:
    """Five learning rates are two stacks; with others beside them, or continued, their bits are the same."""
    kinds = configurations("siamese_aux", RATES)

    def member(kind: Configuration) -> Member:
        return Member(kind, lambda epochs: StateFolder(tmp_path, epochs, kind._asdict(), lambda _: None))

    whole = stacks([Member(kind) for kind in kinds], datasets[:1], [1, 3], device)
    assert len(kinds) > SLOTS and len(whole) == 2 * len(kinds)
    parts = stacks([member(kind) for kind in kinds[2:]], datasets[:1], [1], device)
    parts |= stacks([member(kind) for kind in kinds[2:]], datasets[:1], [3], device)
    again = stacks([member(kind) for kind in kinds], datasets[:1], [1, 3], device)
    for (rate, epochs), trained in whole.items():
        assert repr(again[rate, epochs].errors) == repr(trained.errors)
        if rate in RATES[2:]:
            assert repr(parts[rate, epochs].errors) == repr(trained.errors)


@each_model
def test_nothing_in_an_epoch_needs_the_processor(
    datasets: list[Splits], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device `meta` has no numbers: whatever asks for one, or brings one from the processor, fails.

    Torch has no Adam for it, so what that would be given is looked at instead.
    """

    def adam(*tensors: list[torch.Tensor], lr: torch.Tensor, **_: Any) -> None:
        assert {tensor.device.type for tensor in [lr, *itertools.chain(*tensors)]} == {"meta"}

    monkeypatch.setattr(torch, "_fused_adam_", adam)
    kinds = configurations(model)
    data = Dataset([datasets[0].train], models.load(model).branches, "meta")
    stack = Stack(kinds, [1, 2], data, "meta")
    stack.compute_epoch(1)
    stack.compute_epoch()
    assert stack.losses.shape == (4,)
    assert stack.losses.device.type == "meta"


# Devices


def test_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.resolve("cpu") == ("cpu", False, "")
    monkeypatch.setenv("DIGITPAIRS_STACKS", "1")
    assert devices.resolve("cpu") == ("cpu", True, "")
    assert devices.resolve("cuda", elsewhere=True) == ("cuda", True, "")
    with pytest.raises(StudyError, match=r"^params.yaml: train.device = 'auto', .* allowed are 'cpu' and 'cuda'$"):
        devices.resolve("auto", elsewhere=True)
    if reason := devices.missing():
        assert devices.resolve("auto") == ("cpu", True, reason)
        with pytest.raises(StudyError, match=f"^params.yaml: train.device = 'cuda', but {reason}; allowed are"):
            devices.resolve("cuda")
    else:
        assert devices.resolve("auto") == devices.resolve("cuda") == ("cuda", True, "")


@dataclasses.dataclass
class Driver:
    """Answers as NVIDIA's driver does."""

    fails: int = 0
    cards: tuple[tuple[int, int], ...] = ()

    def cuInit(self, _: int) -> int:
        return self.fails

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = len(self.cards)
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, card: int) -> int:
        value._obj.value = self.cards[card][attribute - 75]
        return 0


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        (Driver(fails=100), "the driver finds no GPU here"),
        (Driver(), "the driver finds no GPU here"),
        (Driver(cards=((6, 1),)), "the GPU here is too old: compute capability 6.1, needed is 7.5"),
        (Driver(cards=((6, 1), (9, 0))), ""),
    ],
)
def test_what_the_driver_says(monkeypatch: pytest.MonkeyPatch, driver: Driver, reason: str) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    assert devices.missing() == reason


def test_runs_spread_over_cards() -> None:
    with devices.card(2) as first, devices.card(2) as second, devices.card(2) as third:
        assert sorted([first, second]) == [0, 1]
        assert third == first
    with devices.card(2) as first:
        assert first == 0
