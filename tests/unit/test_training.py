"""Runs of rounds: what they depend on, how they continue, what they report. All pairs are real digits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from digitpairs import models
from digitpairs.data.bundled import load_bundled
from digitpairs.data.pairs import Pairs, Splits, load_pairs, make_pairs, to_npz
from digitpairs.errors import StudyError
from digitpairs.networks.ensemble import Ensemble
from digitpairs.networks.layers import PairNet, cross_entropy
from digitpairs.training import states
from digitpairs.training.evaluation import evaluate
from digitpairs.training.rounds import IMAGES, Trained, groups, train_rounds
from digitpairs.training.run import Configuration, Dataset, Run, choose_device, initialise

KIND = Configuration("baseline", {"batch_norm": "before"}, 25, 0.01, 0.0, 0, "grid")
each_model = pytest.mark.parametrize("model", models.names())


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> list[Splits]:
    """Three datasets of 60 training, 30 validation and 130 test pairs."""
    path = tmp_path_factory.mktemp("data") / "pairs.npz"
    loaded = []
    for seed in range(3):
        path.write_bytes(to_npz(make_pairs(load_bundled(), 60, 30, 130, seed)))
        loaded.append(load_pairs(path))
    return loaded


def of_model(model: str, **changes: Any) -> Configuration:
    options = {"batch_norm": "before", "auxiliary_weight": 1.0}
    return KIND._replace(model=model, options={key: options[key] for key in models.options(model)}, **changes)


def train(
    kind: Configuration, datasets: list[Splits], rounds: int, epochs: int, report: Any = lambda _: None, **more: Any
) -> Trained:
    return train_rounds(kind, datasets, rounds, epochs, report=report, **more)


def assert_same(actual: Trained, expected: Trained) -> None:
    """Bit for bit, NaN equal to NaN."""
    np.testing.assert_array_equal(actual.errors, expected.errors)
    assert actual.state.keys() == expected.state.keys()
    weights = (states.stack_nets(trained.nets) for trained in (actual, expected))
    for tensors, others in ((actual.state, expected.state), tuple(weights)):
        for name, tensor in tensors.items():
            torch.testing.assert_close(tensor, others[name], rtol=0, atol=0, equal_nan=True, msg=name)


# What a round depends on


CHANGES: list[dict[str, Any]] = [{"seed": 1}, {"stream": "final"}]
OTHERS: list[dict[str, Any]] = [{"batch_size": 10}, {"learning_rate": 1.0}, {"weight_decay": 1.0}]


def shuffles(kind: Configuration, rounds: list[int], epoch: int, pairs: int = 60) -> list[list[int]]:
    run = Run(kind, rounds)
    run.epoch = epoch
    orders: list[list[int]] = run.shuffles(pairs).tolist()
    return orders


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
    curves = part.curves
    for epochs in (3, 4):
        states.save(tmp_path / "state", part.state)
        part = train(kind, datasets[:1], 3, epochs, resumed=states.load(tmp_path / "state")[0], curves=True)
        curves += part.curves
    assert_same(part, whole)
    assert sorted(curves) == whole.curves
    assert_same(train(kind, datasets[:1], 3, 4, resumed=whole.state), whole)  # nothing left to do


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
    states.save(tmp_path / "state", part.state)
    trained = train(kind, datasets[:1], 2, 3, curves=True, resumed=states.load(tmp_path / "state")[0])
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
