"""Runs of rounds: what they depend on, how they continue, what they report. All pairs are real digits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from digitpairs import models
from digitpairs.data.pairs import Pairs, Splits, pair_anew
from digitpairs.errors import StudyError
from digitpairs.networks.ensemble import Ensemble
from digitpairs.networks.layers import PairNet, cross_entropy
from digitpairs.training import states
from digitpairs.training.evaluation import evaluate
from digitpairs.training.rounds import IMAGES, Trained, groups, train_rounds
from digitpairs.training.run import Configuration, Dataset, Run, choose_device, initialise, learning_rate

KIND = Configuration("baseline", {"batch_norm": "before"}, 25, 0.01, 0.0, 0, "grid")
each_model = pytest.mark.parametrize("model", models.names())


def of_model(model: str, **changes: Any) -> Configuration:
    options = {"batch_norm": "before", "auxiliary_weight": 1.0}
    return KIND._replace(model=model, options={key: options[key] for key in models.options(model)}, **changes)


def train(
    kind: Configuration, datasets: list[Splits], rounds: int, epochs: int, report: Any = lambda _: None, **more: Any
) -> Trained:
    return train_rounds(kind, datasets, rounds, epochs, report=report, **more)


def assert_same(actual: Trained, expected: Trained) -> None:
    """Bit for bit, NaN equal to NaN."""
    assert repr(actual.errors) == repr(expected.errors)  # as they are written: 1 is not 1.0, and NaN is NaN
    assert repr(actual.curves) == repr(expected.curves)
    np.testing.assert_array_equal(actual.state.curves, expected.state.curves)
    assert actual.state.tensors.keys() == expected.state.tensors.keys()
    weights = (states.stack_nets(trained.nets) for trained in (actual, expected))
    for tensors, others in ((actual.state.tensors, expected.state.tensors), tuple(weights)):
        for name, tensor in tensors.items():
            torch.testing.assert_close(tensor, others[name], rtol=0, atol=0, equal_nan=True, msg=name)


# What a round depends on


CHANGES: list[dict[str, Any]] = [{"seed": 1}, {"stream": "final"}]
OTHERS: list[dict[str, Any]] = [
    {"batch_size": 10},
    {"learning_rate": 1.0},
    {"weight_decay": 1.0},
    {"beta2": 0.9},
    {"epsilon": 1e-3},
    {"decay": 1},
]


def shuffles(kind: Configuration, rounds: list[int], epoch: int, pairs: int = 60) -> list[list[int]]:
    run = Run(kind, rounds)
    run.epoch = epoch
    orders: list[list[int]] = run.shuffles(pairs).tolist()
    return orders


def test_crossed_rounds_take_turns_with_initialisations_and_share_orders() -> None:
    kind, rounds = KIND._replace(initialisations=2), [1, 2, 3, 4]
    first = [str(initialise(kind, round_).state_dict()) for round_ in rounds]
    assert first[0] == first[2] != first[1] == first[3]
    orders = shuffles(kind, rounds, 1)
    assert orders[0] == orders[1] != orders[2] == orders[3]
    assert first[1] == str(initialise(KIND, 2).state_dict())


def test_the_learning_rate_falls_over_the_last_epochs() -> None:
    rates = [learning_rate(KIND._replace(learning_rate=0.3, decay=2), epoch, 5) for epoch in range(5)]
    assert rates == pytest.approx([0.3, 0.3, 0.3, 0.2, 0.1])


def test_shuffles_are_permutations_of_seed_stream_round_and_epoch() -> None:
    orders = [*shuffles(KIND, [1, 2], 1), *shuffles(KIND, [1, 2], 2)]
    for change in CHANGES:
        orders += shuffles(KIND._replace(**change), [1, 2], 1)
    assert all(sorted(order) == list(range(60)) for order in orders)
    assert len({tuple(order) for order in orders}) == len(orders) == 8
    assert shuffles(KIND, [7, 2], 1)[1] == orders[1]
    for change in OTHERS:
        assert shuffles(KIND._replace(**change), [1, 2], 1) == orders[:2]
    for model in models.names():
        assert shuffles(of_model(model), [1, 2], 1) == orders[:2]


def weights(net: PairNet) -> list[Tensor]:
    return [parameter.detach() for parameter in net.parameters()]


def test_initial_weights_depend_on_seed_stream_and_round() -> None:
    start = initialise(KIND, 1)
    others = [initialise(KIND, 2), *(initialise(KIND._replace(**change), 1) for change in CHANGES)]
    firsts = {net.get_parameter("trunk.0.conv.weight")[0, 0, 0, 0].item() for net in (start, *others)}
    assert len(firsts) == 4
    torch.manual_seed(1)  # torch's own generator has no part in it
    for change in OTHERS:
        torch.testing.assert_close(weights(initialise(KIND._replace(**change), 1)), weights(start), rtol=0, atol=0)
    state = torch.get_rng_state()
    run = Run(KIND, [3, 1])
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(weights(run.ensemble.net(1)), weights(start), rtol=0, atol=0)


def test_siamese_networks_start_alike() -> None:
    nets = [initialise(of_model(model), 3) for model in ("siamese", "siamese_aux")]
    torch.testing.assert_close(weights(nets[0]), weights(nets[1]), rtol=0, atol=0)


# Steps


@pytest.fixture
def in_float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@each_model
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_a_run_is_adam_over_shuffled_batches(
    datasets: list[Splits], in_float64: None, model: str, weight_decay: float
) -> None:
    """As `torch.optim.Adam` and an ordinary network do it, in float64; weight decay is Adam's own, not AdamW's."""
    pairs = datasets[0].train._replace(images=datasets[0].train.images.astype(np.float64))
    images, digits, targets = map(torch.from_numpy, pairs)
    kind = of_model(model, learning_rate=0.001, weight_decay=weight_decay)
    run = Run(kind, [4, 2])
    data = Dataset([pairs], run.ensemble.branches)
    nets = [initialise(kind, round_) for round_ in run.rounds]
    optimizers = [torch.optim.Adam(net.parameters(), 0.001, weight_decay=weight_decay) for net in nets]
    for _ in range(2):
        losses = run.train_epoch(data)
        for i, (net, optimizer) in enumerate(zip(nets, optimizers, strict=True)):
            loss = 0.0
            for batch in run.shuffles(60)[i].split(25):
                optimizer.zero_grad()
                outputs = net(images[batch])
                net.loss(outputs, targets[batch], digits[batch]).backward()
                optimizer.step()
                loss += torch.nn.functional.cross_entropy(outputs.logits, targets[batch], reduction="sum").item()
            assert losses[i].item() == pytest.approx(loss / 60, rel=1e-6)  # the main loss, without auxiliary ones
            torch.testing.assert_close(weights(run.ensemble.net(i)), weights(net), rtol=1e-7, atol=1e-7)


# Runs that continue


@each_model
@pytest.mark.parametrize("batch_size", [25, 250])  # 250: more than one group
def test_a_continued_run_is_the_uninterrupted_one(
    datasets: list[Splits], tmp_path: Path, model: str, batch_size: int
) -> None:
    kind = of_model(model, batch_size=batch_size)
    whole = train(kind, datasets[:1], 3, 4, curves=True)
    part = train(kind, datasets[:1], 3, 1, curves=True)
    for epochs in (3, 4):
        part = train(kind, datasets[:1], 3, epochs, resumed=written_and_read(part.state, tmp_path), curves=True)
    assert_same(part, whole)
    assert_same(train(kind, datasets[:1], 3, 4, resumed=whole.state, curves=True), whole)  # nothing left to do


def written_and_read(state: states.State, folder: Path) -> states.State:
    states.StateFolder(folder, 1, {}).finish(state)
    read = states.StateFolder(folder, 1, {}).latest()
    assert read
    return read


@pytest.mark.parametrize("batch_size", [25, 150])  # 150: groups of one and two
@pytest.mark.parametrize("own", [False, True])
def test_a_run_that_was_stopped_anywhere_continues_with_the_same_bits(
    datasets: list[Splits], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int, own: bool
) -> None:
    """Each state that a run keeps on its way, of a run that had itself been continued, is one to continue from."""
    kind = of_model("siamese_aux", batch_size=batch_size)
    pairs = datasets if own else datasets[:1]
    whole = train(kind, pairs, 3, 7, curves=True)
    monkeypatch.setattr("digitpairs.training.rounds.KEEP_SECONDS", -1.0)
    kept = list[states.State]()
    start = train(kind, pairs, 3, 4, curves=True).state
    train(kind, pairs, 3, 7, curves=True, resumed=start, keep=lambda state: kept.append(copied(state)))
    assert len(kept) == (6 if batch_size == 150 else 3)
    for state in kept:
        assert_same(train(kind, pairs, 3, 7, curves=True, resumed=written_and_read(state, tmp_path)), whole)
    first = list[states.State]()
    train(kind, pairs, 3, 7, curves=True, keep=lambda state: first.append(copied(state)))
    assert len(first[0].tensors["epoch"]) == (1 if batch_size == 150 else 3)  # what has not begun is not there
    assert_same(train(kind, pairs, 3, 7, curves=True, resumed=first[0]), whole)


@each_model
def test_rounds_in_blocks_are_the_rounds_in_one_run(datasets: list[Splits], model: str) -> None:
    kind = of_model(model)
    whole = train(kind, datasets, 3, 2, curves=True)
    blocks = [
        train(kind, datasets[first - 1 : first - 1 + rounds], rounds, 2, first=first, curves=True)
        for first, rounds in ((1, 1), (2, 2))
    ]
    assert [row for block in blocks for row in block.errors] == whole.errors
    assert sorted(row for block in blocks for row in block.curves) == whole.curves
    in_blocks = states.stack_nets([net for block in blocks for net in block.nets])
    for name, tensor in states.stack_nets(whole.nets).items():
        assert torch.equal(in_blocks[name], tensor)


@pytest.mark.parametrize("own", [False, True])
def test_test_images_are_paired_anew(datasets: list[Splits], own: bool) -> None:
    kind, given = of_model("siamese"), datasets[:2] if own else datasets[:1]
    plain, more = (train(kind, given, 2, 1, pairings=pairings) for pairings in (0, 2))
    assert [row[:-1] for row in more.errors] == plain.errors
    for i, row in enumerate(more.errors):
        test = (given[i] if own else given[0]).test
        errors = [
            evaluate(Ensemble([more.nets[i]]), Dataset([pair_anew(test, 1 + pairing)], 2))[1].item()
            for pairing in range(2)
        ]
        assert row[-1] == sum(errors) / 2 != row[-2]


def copied(state: states.State) -> states.State:
    """A run's state is a view of tensors that it goes on with."""
    return states.State({name: tensor.clone() for name, tensor in state.tensors.items()}, state.curves.clone())


def test_the_last_point_of_a_shorter_run_is_none_of_a_longer_one_s(datasets: list[Splits]) -> None:
    """Learning curves have points at each of the first ten epochs, each fifth one and the last."""
    short = train(KIND, datasets[:1], 1, 12, curves=True)
    assert [row[1] for row in short.curves] == [*range(1, 11), 12]
    continued = train(KIND, datasets[:1], 1, 16, curves=True, resumed=short.state)
    assert [row[1] for row in continued.curves] == [*range(1, 11), 15, 16]
    assert_same(continued, train(KIND, datasets[:1], 1, 16, curves=True))


def test_a_state_is_kept_once_a_minute(datasets: list[Splits], monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that each epoch moves on by 20 seconds."""
    now, kept = [0.0], list[float]()
    monkeypatch.setattr("digitpairs.training.rounds.time.monotonic", lambda: now[0])
    train_epoch = Run.train_epoch

    def slow(run: Run, data: Dataset) -> Tensor:
        now[0] += 20
        return train_epoch(run, data)

    monkeypatch.setattr(Run, "train_epoch", slow)
    reports = list[str]()
    train(KIND, datasets[:1], 2, 9, keep=lambda _: kept.append(now[0]), report=reports.append)
    assert kept == [60, 120, 180]
    start, end = reports[2].split("mean loss")
    assert start == "rounds 1 to 2 of 2: epoch 3 of 9, "
    assert end.endswith(", 10000 ms a round and epoch, 120 s to go")


def test_a_state_is_not_changed_by_the_run_that_continues_it(datasets: list[Splits]) -> None:
    part = train(KIND, datasets[:1], 2, 1)
    first = train(KIND, datasets[:1], 2, 2, resumed=part.state)
    assert_same(train(KIND, datasets[:1], 2, 2, resumed=part.state), first)


# Evaluation


def nets_and_plain(pairs: Pairs, kind: Configuration) -> tuple[list[PairNet], list[float], list[float]]:
    nets = [initialise(kind, round_).eval() for round_ in (1, 2, 3)]
    images, _, targets = map(torch.from_numpy, pairs)
    with torch.no_grad():
        logits = [net(images).logits for net in nets]
    losses = [torch.nn.functional.cross_entropy(x, targets).item() for x in logits]
    return nets, losses, [(x.argmax(1) != targets).double().mean().item() for x in logits]


@each_model
def test_evaluate(datasets: list[Splits], model: str) -> None:
    """130 pairs are no multiple of what is read at once; errors are counts, so they are exact."""
    nets, losses, errors = nets_and_plain(datasets[0].test, of_model(model))
    data = Dataset([datasets[0].test], nets[0].branches)
    loss, error = evaluate(Ensemble(nets), data)
    assert loss.tolist() == pytest.approx(losses, rel=1e-5)
    assert error.tolist() == errors
    with torch.no_grad():
        next(nets[1].parameters()).fill_(torch.nan)
        next(nets[2].parameters()).fill_(1e38)
    loss, error = evaluate(Ensemble(nets), data)
    np.testing.assert_array_equal(torch.isnan(loss), [False, True, True])
    np.testing.assert_array_equal(torch.isnan(error), [False, True, True])
    assert error[0] == errors[0]


def test_evaluate_each_network_on_its_own_pairs(datasets: list[Splits]) -> None:
    per_dataset = [nets_and_plain(splits.test, KIND) for splits in datasets]
    _, error = evaluate(Ensemble(per_dataset[0][0]), Dataset([splits.test for splits in datasets], 1))
    assert error.tolist() == [errors[i] for i, (_, _, errors) in enumerate(per_dataset)]


@pytest.mark.parametrize("leading", [(), (3,), (2, 3)])
def test_cross_entropy(leading: tuple[int, ...]) -> None:
    logits, classes = torch.randn(*leading, 7, 10), torch.randint(10, (*leading, 7))
    expected = -logits.log_softmax(-1).gather(-1, classes.unsqueeze(-1)).squeeze(-1).mean(-1)
    torch.testing.assert_close(cross_entropy(logits, classes), expected)


# All rounds of a configuration


@pytest.mark.parametrize("size", [1, 4, 5])
def test_groups_are_even_and_in_order(size: int) -> None:
    for rounds in range(1, 30):
        parts = groups(rounds, IMAGES // size)
        assert [round_ for part in parts for round_ in part] == list(range(1, rounds + 1))
        assert len(parts) == -(-rounds // size)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("batch_size", [25, 250])  # 250: groups of two and one
def test_one_dataset_or_one_for_each_round(datasets: list[Splits], batch_size: int) -> None:
    kind = KIND._replace(batch_size=batch_size)
    shared = [train(kind, [splits], 3, 2) for splits in datasets]
    own = train(kind, datasets, 3, 2)
    assert own.errors == [trained.errors[i] for i, trained in enumerate(shared)]
    assert len({trained.errors[0] for trained in shared}) == 3


@each_model
def test_tables(datasets: list[Splits], model: str) -> None:
    kind, reports = of_model(model, batch_size=100), list[str]()
    trained = train(kind, datasets[:1], 7, 3, curves=True, report=reports.append)
    assert [row[0] for row in trained.errors] == [1, 2, 3, 4, 5, 6, 7]
    assert [row[:2] for row in trained.curves] == [(round_, epoch) for round_ in range(1, 8) for epoch in (1, 2, 3)]
    assert [row[3] for row in trained.curves[2::3]] == [row[3] for row in trained.errors]
    for i, net in enumerate(trained.nets):
        for column, pairs in zip((2, 3, 4), datasets[0], strict=True):
            answers = net.eval()(torch.from_numpy(pairs.images)).logits.argmax(1).numpy()
            assert trained.errors[i][column] == (answers != pairs.targets).mean()
    assert all(0 <= error <= 1 for row in trained.errors for error in row[2:])
    losses = np.array([row[2] for row in trained.curves]).reshape(7, 3)
    assert (losses[:, 2] < losses[:, 0]).all()
    assert "of 7: epoch 3 of 3, mean loss 0." in reports[0]
    assert not train(kind, datasets[:1], 1, 1).curves


@each_model
@pytest.mark.parametrize("batch_norm", ["before", "after"])
def test_a_diverged_run_is_recorded(datasets: list[Splits], tmp_path: Path, model: str, batch_norm: str) -> None:
    kind = of_model(model, learning_rate=1e30)
    kind = kind._replace(options=kind.options | {"batch_norm": batch_norm})
    part = train(kind, datasets[:1], 2, 1, curves=True)
    trained = train(kind, datasets[:1], 2, 3, curves=True, resumed=written_and_read(part.state, tmp_path))
    for rows in (part.errors, trained.errors):
        np.testing.assert_array_equal(rows, [[1, *[np.nan] * 4], [2, *[np.nan] * 4]])
    assert np.isnan([row[3] for row in trained.curves]).all()


# Devices


def test_choose_device() -> None:
    assert choose_device("cpu") == "cpu"
    if torch.cuda.is_available():
        assert choose_device("auto") == choose_device("cuda") == "cuda"
    else:
        assert choose_device("auto") == "cpu"
        with pytest.raises(StudyError, match=r"^params.yaml: train.device = 'cuda', .*no GPU.* 'cpu' and 'auto'$"):
            choose_device("cuda")


@each_model
@pytest.mark.parametrize("batch_norm", ["before", "after"])
def test_training_stays_on_its_device(datasets: list[Splits], model: str, batch_norm: str) -> None:
    """The device `meta` refuses tensors of any other, and computes shapes alone."""
    kind = of_model(model)
    kind = kind._replace(options=kind.options | {"batch_norm": batch_norm})
    run = Run(kind, [1, 2], "meta")
    data = Dataset([splits.train for splits in datasets[:2]], run.ensemble.branches, "meta")
    results = [run.train_epoch(data), *evaluate(run.ensemble, data)]
    assert [(tensor.device.type, tensor.shape) for tensor in results] == [("meta", (2,))] * 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
@each_model
def test_training_on_a_gpu(datasets: list[Splits], model: str) -> None:
    kind = of_model(model, learning_rate=0.001)
    here, there = (np.array(train(kind, datasets, 3, 2, device=device).errors) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(there[:, 1], here[:, 1], rtol=0.02)


# States that are kept


@pytest.fixture
def state(datasets: list[Splits]) -> states.State:
    return train(KIND, datasets[:1], 2, 1, curves=True).state


def test_which_state_is_continued(state: states.State, tmp_path: Path) -> None:
    """A run's own state on the way, else the last one of a run to no more epochs; only of the same run."""
    said = list[str]()

    def folder(epochs: int, about: Any = None) -> states.StateFolder:
        return states.StateFolder(tmp_path, epochs, about or {"rounds": 2, "options": {"a": 1.5}}, said.append)

    def after(epochs: int) -> states.State:
        return state._replace(tensors=state.tensors | {"epoch": torch.full((2, 1), float(epochs))})

    assert folder(9).latest() is None
    folder(3).finish(after(3))
    folder(5).finish(after(5))
    folder(9).keep(after(4))
    assert [folder(epochs).latest() is None for epochs in (2, 3)] == [True, False]
    found = [folder(epochs).latest() for epochs in (3, 4, 5, 7, 9)]
    assert [int(one.tensors["epoch"][0]) for one in found if one] == [3, 3, 5, 5, 4]
    assert folder(9, {"rounds": 3, "options": {"a": 1.5}}).latest() is None
    assert said[-1] == "continues after 4 epochs"
    folder(9).finish(after(9))
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["3.state", "5.state", "9.state"]


@pytest.mark.parametrize("damage", ["cut", "other", "folder"])
def test_a_state_that_is_of_no_use_is_passed_over(state: states.State, tmp_path: Path, damage: str) -> None:
    said = list[str]()
    folder, other = (states.StateFolder(tmp_path, 3, {"rounds": rounds}, said.append) for rounds in (2, 3))
    states.StateFolder(tmp_path, 1, {"rounds": 2}).finish(state)
    folder.keep(state)
    if damage == "cut":
        folder.partial.write_bytes(folder.partial.read_bytes()[:-1])
    elif damage == "other":
        other.keep(state)
        other.partial.replace(folder.partial)
    else:
        folder.partial.unlink()
        folder.partial.mkdir()
    assert folder.latest()
    assert len(said) == 2
    assert said[0].startswith(f"{folder.partial}: ")
    assert said[0].endswith("; it is not used")


def test_a_folder_that_cannot_be_used(state: states.State, tmp_path: Path) -> None:
    """One line, however often a state would be kept; a file in the folder's place refuses root, too."""
    said = list[str]()
    (tmp_path / "states").touch()
    folder = states.StateFolder(tmp_path / "states", 3, {}, said.append)
    assert folder.latest() is None
    for _ in range(3):
        folder.keep(state)
    folder.finish(state)
    assert [line.endswith("; the run goes on without keeping its state") for line in said].count(True) == 1
    assert len(said) <= 2
