"""Stacks of learning rates and rounds, on the processor in a GPU's place; on a GPU itself where there is one."""

import contextlib
import ctypes
import dataclasses
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from studies import ROOT
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from digitpairs import devices, models
from digitpairs.data.bundled import load_bundled
from digitpairs.data.pairs import Splits, load_pairs, make_pairs, to_npz
from digitpairs.errors import StudyError
from digitpairs.networks.ensemble import winograd
from digitpairs.training.rounds import train_rounds
from digitpairs.training.run import Configuration, Dataset
from digitpairs.training.stack import SLOTS, Stack
from digitpairs.training.stacks import Member, Results, train_stacks
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


def kept(kind: Configuration, folder: Path, report: Callable[[str], None] = lambda _: None) -> Member:
    return Member(kind, lambda epochs: StateFolder(folder, epochs, kind._asdict(), report))


def stacks(
    members: list[Member], datasets: list[Splits], epochs: list[int], device: str = "cpu", **more: Any
) -> dict[tuple[float, int], Results]:
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
            # A wrong answer more is 0.033 of the validation error.
            close: dict[str, Any] = {"rtol": 0.02, "atol": 0.1} if device == "cuda" else {"rtol": 1e-5, "atol": 1e-9}
            np.testing.assert_allclose(here.errors, alone.errors, **close)
            np.testing.assert_allclose(here.curves, alone.curves, **close)


@each_device
def test_bits_depend_neither_on_neighbours_nor_on_stops(datasets: list[Splits], tmp_path: Path, device: str) -> None:
    """Five learning rates are two stacks; with others beside them, or continued, their bits are the same."""
    kinds = configurations("siamese_aux", RATES)

    whole = stacks([Member(kind) for kind in kinds], datasets[:1], [1, 3], device)
    assert len(kinds) > SLOTS and len(whole) == 2 * len(kinds)
    parts = stacks([kept(kind, tmp_path) for kind in kinds[2:]], datasets[:1], [1], device)
    parts |= stacks([kept(kind, tmp_path) for kind in kinds[2:]], datasets[:1], [3], device)
    again = stacks([kept(kind, tmp_path) for kind in kinds], datasets[:1], [1, 3], device)
    for (rate, epochs), trained in whole.items():
        assert repr(again[rate, epochs].errors) == repr(trained.errors)
        if rate in RATES[2:]:
            assert repr(parts[rate, epochs].errors) == repr(trained.errors)


def test_a_killed_stack_continues(datasets: list[Splits], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds, begun, train_epoch = configurations("siamese_aux"), list[int](), Stack.train_epoch
    whole = stacks([Member(kind) for kind in kinds], datasets[:1], [4], curves=True)
    monkeypatch.setattr("digitpairs.training.stacks.KEEP_SECONDS", 0)

    def killed_once(stack: Stack, epochs: int) -> torch.Tensor:
        begun.append(stack.epoch)
        if begun == [0, 1, 2]:
            raise KeyboardInterrupt
        return train_epoch(stack, epochs)

    monkeypatch.setattr(Stack, "train_epoch", killed_once)
    members = [kept(kind, tmp_path) for kind in kinds]
    with pytest.raises(KeyboardInterrupt):
        stacks(members, datasets[:1], [4], curves=True)
    again = stacks(members, datasets[:1], [4], curves=True)
    assert begun == [0, 1, 2, 2, 3]
    for key, results in whole.items():
        assert repr(again[key][:2]) == repr(results[:2])


def test_what_is_new_trains_in_a_stack_of_its_own(datasets: list[Splits], tmp_path: Path) -> None:
    """A learning rate among others that were trained before trains alone; the others are only evaluated."""
    kinds, told = configurations("baseline", RATES), list[str]()
    first, second, *others = (kept(kind, tmp_path, told.append) for kind in kinds)
    stacks([first, *others], datasets[:1], [2])
    assert not told
    added = train_stacks([first, second, *others], datasets[:1], 2, [2], device="cpu", report=told.append)
    assert [line for line in told if "continues" in line] == ["continues after 2 epochs"] * SLOTS
    assert len([line for line in told if "epoch 2 of 2" in line]) == 1
    assert [rate for rate, _ in added] == [RATES[0], *RATES[2:], RATES[1]]


class OnDeviceOnly(TorchDispatchMode):
    """Fails at a tensor of the processor, wherever it comes from."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        found = {leaf.device.type for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)}
        assert found <= {"meta"}, f"{func} needs {found}"
        return result


@each_model
def test_nothing_in_an_epoch_needs_the_processor(
    datasets: list[Splits], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device `meta` has no numbers: whatever asks for one fails, and so does what brings one from the processor.

    Torch has no Adam for it, so what that would be given is looked at instead.
    """

    def adam(*tensors: list[torch.Tensor], lr: torch.Tensor, **_: Any) -> None:
        assert {tensor.device.type for tensor in [lr, *itertools.chain(*tensors)]} == {"meta"}

    monkeypatch.setattr(torch, "_fused_adam_", adam)
    kinds = configurations(model)
    data = Dataset([datasets[0].train], models.load(model).branches, "meta")
    stack = Stack(kinds, [1, 2], data, "meta")
    winograd(torch.float32, stack.losses.device)  # as before a recording
    with OnDeviceOnly():  # type: ignore[no-untyped-call]
        with pytest.raises(AssertionError, match="cpu"):
            torch.ones(2, device="meta") + torch.tensor(1.0)
        stack.compute_epoch(1)
        stack.compute_epoch()
    assert stack.losses.shape == (4,)
    assert stack.losses.device.type == "meta"


@pytest.mark.parametrize("batch_size", [20, 25])  # 60 pairs: full batches, and a smaller last one
def test_recorded_epochs(datasets: list[Splits], batch_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a recording changes is as before after it. CUDA has a stand-in: what it records, it only keeps."""
    kinds = [kind._replace(batch_size=batch_size) for kind in configurations("siamese_aux")]
    data = Dataset([datasets[0].train], models.load("siamese_aux").branches)
    plain, recorded = (Stack(kinds, [1, 2], data, "cpu") for _ in range(2))
    recorded.device = "cuda"
    epochs: list[Callable[[], None]] = []

    @contextlib.contextmanager
    def graph(_: Any, stream: Any) -> Iterator[None]:
        compute = recorded.compute_epoch
        monkeypatch.setattr(recorded, "compute_epoch", lambda: epochs.append(compute))
        yield

    some = SimpleNamespace(wait_stream=lambda _: None, synchronize=lambda: None, record=lambda: None)
    for name in ("Stream", "current_stream", "Event"):
        monkeypatch.setattr(torch.cuda, name, lambda: some)
    monkeypatch.setattr(torch.cuda, "stream", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: epochs[0]()))
    monkeypatch.setattr(torch.cuda, "graph", graph)
    for _ in range(3):
        assert torch.equal(plain.train_epoch(3), recorded.train_epoch(3))
    assert len(epochs) == 1
    for slot in range(2):
        mine, other = (stack.state(slot) for stack in (recorded, plain))
        assert all(torch.equal(mine[name], other[name]) for name in other)


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
    cuda: int = 13020

    def cuInit(self, _: int) -> int:
        return self.fails

    def cuDriverGetVersion(self, version: Any) -> int:
        version._obj.value = self.cuda
        return 0

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
        (Driver(cards=((9, 0),), cuda=12080), "the driver here is too old: it knows CUDA 12, torch needs 13"),
    ],
)
def test_what_the_driver_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, driver: Driver, reason: str) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").touch()
    version = tmp_path / "torch/version.py"
    version.write_text("cuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n")
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.syspath_prepend(tmp_path)
    assert devices.missing() == reason
    if not driver.fails:
        version.write_text("cuda: Optional[str] = None\n")
        assert devices.missing() == "torch is installed without CUDA here"


def test_cards_that_are_too_old_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import train_stack  # type: ignore[import-not-found]

    taken: list[int] = []
    for name, stand_in in {
        "device_count": lambda: 2,
        "get_device_capability": lambda n: ((6, 1), (9, 0))[n],
        "get_device_name": lambda: "a GPU",
        "set_device": taken.append,
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(torch.cuda.tunable, "enable", lambda _: None)
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        for held in (first, second):
            train_stack.take_card(held, lambda _: None)
    assert taken == [1, 1]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried ..."),
            r"^not enough memory on the GPU for siamese: run fewer",
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ..."), "^not enough memory on the GPU"),
        (
            torch.AcceleratorError("CUDA error: an illegal memory access\nCompile with ..."),
            r"^the GPU failed: .* access$",
        ),
        (RuntimeError("a fault of ours"), None),
    ],
)
def test_what_fails_on_a_gpu_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, error: RuntimeError, said: str | None
) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import train_stack

    def train(*_: Any) -> None:
        raise error

    monkeypatch.setattr(train_stack, "train", train)
    values = {"model": "siamese", "options": "{}", "batch-size": 25, "learning-rate": 0.01, "weight-decay": 0.0}
    values |= {
        "seed": 0,
        "stream": "grid",
        "rounds": 2,
        "epochs": 2,
        "device": "cpu",
        "pairs": "p",
        "output": "rounds.csv",
    }
    monkeypatch.setattr(sys, "argv", ["train_stack.py", *(f"--{name}={value}" for name, value in values.items())])
    with pytest.raises(StudyError if said else RuntimeError, match=said):
        train_stack.main()


def test_runs_spread_over_cards() -> None:
    with devices.card(2) as first, devices.card(2) as second, devices.card(2) as third:
        assert sorted([first, second]) == [0, 1]
        assert third == first
    with devices.card(2) as first:
        assert first == 0
