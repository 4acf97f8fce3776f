"""The proof that a network trained inside an ensemble is the network that it would be if it were trained alone.

"Alone" is the textbook loop: an ordinary `nn.Module`, autograd, `torch.optim.Adam`. All images are real digits: their
constant background makes ties in max-pool, where implementations differ, an everyday event.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from operations import NoProducts
from torch import Tensor, nn

from digitpairs import models
from digitpairs.data.bundled import load_bundled
from digitpairs.data.pairs import Pairs, Splits, load_pairs, make_pairs, to_npz
from digitpairs.networks import products
from digitpairs.networks.ensemble import Ensemble, prepare, winograd
from digitpairs.networks.layers import PairNet
from digitpairs.training.evaluation import evaluate
from digitpairs.training.rounds import train_rounds
from digitpairs.training.run import Configuration, Dataset, Run, initialise

OPTIONS = {"batch_norm": "before", "auxiliary_weight": 0.5}
each_model = pytest.mark.parametrize("model", models.names())
each_kind = pytest.mark.parametrize(("model", "batch_norm"), list(product(models.names(), ["before", "after"])))


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    path = tmp_path_factory.mktemp("data") / "pairs.npz"
    path.write_bytes(to_npz(make_pairs(load_bundled(), 500, 100, 1000, seed=0)))
    return load_pairs(path)


def take(pairs: Pairs, index: Any) -> Pairs:
    return Pairs(pairs.images[index], pairs.digits[index], pairs.targets[index])


def first(pairs: Pairs, count: int) -> Pairs:
    return take(pairs, slice(count))


def in_float64(pairs: Pairs) -> Pairs:
    return pairs._replace(images=pairs.images.astype(np.float64))


def options(model: str, batch_norm: str) -> dict[str, Any]:
    return {key: (OPTIONS | {"batch_norm": batch_norm})[key] for key in models.options(model)}


def make_net(model: str, batch_norm: str, seed: int) -> PairNet:
    """A network far from its start: gammas of both signs, statistics that are not 0 and 1."""
    torch.manual_seed(seed)
    net = models.load(model)(**options(model, batch_norm))
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (norm.weight, norm.bias, norm.running_mean):
                nn.init.normal_(tensor, std=0.5)  # type: ignore[arg-type]
            nn.init.uniform_(norm.running_var, 0.5, 2)  # type: ignore[arg-type]
    return net


def train_alone(net: PairNet, optimizer: torch.optim.Optimizer, pairs: Pairs, orders: Tensor, batch_size: int) -> None:
    """Train an ordinary network, one epoch for each order (epochs, pairs)."""
    images, digits, targets = map(torch.from_numpy, pairs)
    net.train()
    for order in orders:
        for batch in order.split(batch_size):
            optimizer.zero_grad()
            net.loss(net(images[batch]), targets[batch], digits[batch]).backward()
            optimizer.step()


def train_together(
    ensemble: Ensemble, optimizer: torch.optim.Optimizer, pairs: Pairs, orders: Tensor, batch_size: int
) -> None:
    """Train an ensemble, one epoch for each of orders (epochs, nets, pairs)."""
    data = Dataset([pairs], ensemble.branches)
    ensemble.train()
    for order in orders:
        for windows, targets, digits in data.batches(order, batch_size):
            optimizer.zero_grad()
            ensemble.loss(ensemble(windows), targets, digits).sum().backward()
            optimizer.step()


def random_orders(epochs: int, nets: int, pairs: int) -> Tensor:
    return torch.stack([torch.randperm(pairs) for _ in range(epochs * nets)]).view(epochs, nets, pairs)


def logits_together(ensemble: Ensemble, pairs: Pairs) -> Tensor:
    """Logits (nets, pairs, 2) in evaluation mode."""
    order = torch.arange(len(pairs.targets)).expand(ensemble.size, -1)
    (windows, _, _) = next(Dataset([pairs], ensemble.branches).batches(order, len(pairs.targets)))
    with torch.no_grad():
        logits: Tensor = ensemble.eval()(windows).logits
    return logits


def tensors(net: nn.Module) -> dict[str, Tensor]:
    """Weights and statistics; `num_batches_tracked` is left out, nothing reads it."""
    return {name: tensor for name, tensor in net.state_dict().items() if not name.endswith("num_batches_tracked")}


def configuration(model: str, batch_norm: str, learning_rate: float = 0.01) -> Configuration:
    return Configuration(model, options(model, batch_norm), 10, learning_rate, 0.0, 0, "grid")


def assert_same_bits(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    for name in expected:
        torch.testing.assert_close(actual[name], expected[name], rtol=0, atol=0, equal_nan=True, msg=name)


# The same steps


def assert_same_steps(
    nets: list[PairNet], optimizer: Callable[[Iterator[nn.Parameter]], torch.optim.Optimizer], pairs: Pairs, epochs: int
) -> None:
    """Train networks together and each alone, in batches of 10, and compare what became of them."""
    orders = random_orders(epochs, len(nets), len(pairs.targets))
    ensemble = Ensemble(nets)
    train_together(ensemble, optimizer(ensemble.parameters()), pairs, orders, 10)
    logits = logits_together(ensemble, pairs)
    for i, net in enumerate(nets):
        before = deepcopy(tensors(net))
        train_alone(net, optimizer(net.parameters()), pairs, orders[:, i], 10)
        after = tensors(net)
        assert all((before[name] - after[name]).norm() > 1e-5 for name in before if name.endswith("weight"))
        torch.testing.assert_close(tensors(ensemble.net(i)), after, rtol=1e-8, atol=1e-7)
        torch.testing.assert_close(logits[i], net.eval()(torch.from_numpy(pairs.images)).logits, rtol=1e-8, atol=1e-6)


@each_kind
def test_same_gradients_in_float64(splits: Splits, model: str, batch_norm: str) -> None:
    """A step of gradient descent shows the gradient's size, to which Adam is blind."""
    for start in range(0, 40, 10):
        pairs = in_float64(take(splits.train, slice(start, start + 10)))
        nets = [make_net(model, batch_norm, seed).double() for seed in range(start, start + 3)]
        assert_same_steps(nets, partial(torch.optim.SGD, lr=1.0), pairs, epochs=1)


@each_kind
def test_same_steps_of_adam_in_float64(splits: Splits, model: str, batch_norm: str) -> None:
    """Two epochs of 10, 10 and 5 pairs."""
    nets = [make_net(model, batch_norm, seed).double() for seed in range(3)]
    assert_same_steps(nets, partial(torch.optim.Adam, lr=0.001), in_float64(first(splits.train, 25)), epochs=2)


@each_model
def test_the_first_of_equals_wins_the_max_pool(model: str) -> None:
    """Windows that differ give the same value in the first convolution: who wins decides about its gradient."""
    rng = np.random.default_rng(0)
    images = rng.integers(2, size=(10, 2, 14, 14)).astype(np.float32)
    digits = rng.integers(10, size=(10, 2))
    pairs = in_float64(Pairs(images, digits, (digits[:, 0] <= digits[:, 1]).astype(np.int64)))
    net = make_net(model, "before", 0).double()
    with torch.no_grad():
        for weight in (
            layer.weight for layer in net.modules() if isinstance(layer, nn.Conv2d) and layer.in_channels < 3
        ):
            place = torch.from_numpy(rng.integers(weight[0].numel(), size=len(weight)))
            weight.zero_().flatten(1).scatter_(1, place.unsqueeze(1), 1.0)  # each channel looks at one pixel
    assert_same_steps([net], partial(torch.optim.SGD, lr=1.0), pairs, epochs=1)


@each_kind
def test_same_steps_in_float32(splits: Splits, model: str, batch_norm: str) -> None:
    """Three steps of a real run keep to the exact course: that of an ordinary network in float64.

    Difference and course are compared as vectors, a tensor at a time. 3e-5 is common, for ordinary networks in float32
    as well: a gamma of 1 that went 0.003 is rounded to a 1e-5th of that. But rounding may also tip a ReLU or a
    max-pool, in either kind of network, in up to a third of the rounds. So the closest of five rounds counts: an error
    of the engine is in all of them.

    Biases before BatchNorm are left out, and the running means that they shift. Their gradient is zero (after a ReLU:
    where it lets everything pass). An ordinary network finds rounding noise instead, which Adam scales up to steps of
    the learning rate; BatchNorm takes it out again.
    """
    pairs, rounds = first(splits.train, 110), range(1, 6)
    kind = configuration(model, batch_norm)._replace(batch_size=50, learning_rate=0.001)
    run = Run(kind, rounds)
    run.train_epoch(Dataset([pairs], run.ensemble.branches))
    orders = run.shuffles(110)
    differences = defaultdict(list)
    for i, round_ in enumerate(rounds):
        net = initialise(kind, round_).double()
        start = deepcopy(tensors(net))
        train_alone(net, torch.optim.Adam(net.parameters(), 0.001), in_float64(pairs), orders[None, i], 50)
        together = tensors(run.ensemble.net(i))
        for name, exact in tensors(net).items():
            if not name.endswith(("conv.bias", "linear.bias", "running_mean")):
                differences[name].append(((together[name] - exact).norm() / (exact - start[name]).norm()).item())
    assert {name: values for name, values in differences.items() if min(values) > 1e-3} == {}


def test_same_errors_after_training(splits: Splits) -> None:
    """Three rounds of five epochs: rounding has led to other networks by then, which must be as good.

    Gradients and steps of every kind are compared above, the loop around them in test_training.py.

    Test errors of rounds deviate by 0.008; the mean of three and the other mean of three differ by less than three
    standard errors.
    """
    kind, rounds = configuration("siamese_aux", "after")._replace(batch_size=50), range(1, 4)
    run = Run(kind, rounds)
    train, test = (Dataset([pairs], run.ensemble.branches) for pairs in (splits.train, splits.test))
    orders = []
    for _ in range(5):
        run.train_epoch(train)
        orders.append(run.shuffles(len(splits.train.targets)))
    errors = []
    for i, round_ in enumerate(rounds):
        net = initialise(kind, round_)
        train_alone(net, torch.optim.Adam(net.parameters(), 0.01), splits.train, torch.stack(orders)[:, i], 50)
        answers = net.eval()(torch.from_numpy(splits.test.images)).logits.argmax(1).numpy()
        errors.append((answers != splits.test.targets).mean())
    assert np.mean(errors) < 0.3
    assert abs(evaluate(run.ensemble, test)[1].mean() - np.mean(errors)) < 3 * 0.008 * np.sqrt(2 / 3)


# No network depends on its neighbours


@each_kind
@pytest.mark.parametrize("batch_size", [10, 25])
def test_neighbours_and_their_number_change_no_bit(
    splits: Splits, model: str, batch_norm: str, batch_size: int
) -> None:
    """Odd sizes, because what fills no SIMD register may be rounded in another way."""
    few = splits._replace(train=first(splits.train, 45), test=first(splits.test, 130))
    kind = configuration(model, batch_norm)._replace(batch_size=batch_size)
    seven = train_rounds(kind, [few], 7, 2, report=lambda _: None)
    for count in (1, 3):
        fewer = train_rounds(kind, [few], count, 2, report=lambda _: None)
        assert fewer.errors == seven.errors[:count]
        assert_same_bits({name: x[:count] for name, x in seven.state.tensors.items()}, fewer.state.tensors)
    run = Run(kind, [6, 2, 7])
    data = Dataset([few.train], run.ensemble.branches)
    for _ in range(2):
        run.train_epoch(data)
    for i, round_ in enumerate(run.rounds):
        assert_same_bits(tensors(run.ensemble.net(i)), tensors(seven.nets[round_ - 1]))


@each_kind
def test_a_diverged_network_leaves_its_neighbours_alone(splits: Splits, model: str, batch_norm: str) -> None:
    pairs = first(splits.train, 25)
    nets = [make_net(model, batch_norm, seed) for seed in range(3)]
    orders = random_orders(2, 3, 25)
    results = []
    for value in (1.0, torch.nan, torch.inf):
        with torch.no_grad():
            next(nets[1].parameters())[0] = value
        ensemble = Ensemble(nets)
        train_together(ensemble, torch.optim.Adam(ensemble.parameters()), pairs, orders, 10)
        results.append((ensemble, logits_together(ensemble, pairs)))
    for ensemble, logits in results[1:]:
        assert logits[1].isnan().all()
        for i in (0, 2):
            torch.testing.assert_close(logits[i], results[0][1][i], rtol=0, atol=0)
            assert_same_bits(tensors(ensemble.net(i)), tensors(results[0][0].net(i)))


# The networks themselves


@pytest.mark.parametrize(
    ("model", "parameters", "channels", "outputs", "head"),
    [("baseline", 64420, 2, 2, []), ("siamese", 67112, 1, 10, [90, 2]), ("siamese_aux", 67112, 1, 10, [90, 2])],
)
def test_the_paper_s_architecture(
    model: str, parameters: int, channels: int, outputs: int, head: list[int], splits: Splits
) -> None:
    net = make_net(model, "before", 0)
    assert sum(parameter.numel() for parameter in net.parameters()) == parameters
    assert sum(parameter.numel() for parameter in Ensemble([net, net]).parameters()) == 2 * parameters
    shapes = []
    for layer in (*net.trunk.children(), *getattr(net, "head", [])):
        layer.register_forward_hook(lambda _, inputs, output: shapes.append((*inputs[0].shape[1:], *output.shape)))
    result = net(torch.from_numpy(splits.test.images[:8]))
    rows = 8 * net.branches
    trunk = [
        (channels, 14, 14, rows, 32, 6, 6),
        (32, 6, 6, rows, 64, 2, 2),
        (64, 2, 2, rows, 256),
        (256, rows, 128),
        (128, rows, 90),
        (90, rows, outputs),
    ]
    assert shapes == trunk + [(width, 8, out) for width, out in pairwise([20, *head])]
    assert result.logits.shape == (8, 2)
    assert (result.digit_logits is None) == (net.branches == 1)
    if result.digit_logits is not None:
        assert result.digit_logits.shape == (8, 2, 10)


@pytest.mark.parametrize("batch_norm", ["before", "after"])
@pytest.mark.parametrize("model", ["siamese", "siamese_aux"])
def test_both_images_of_a_pair_share_batch_statistics(splits: Splits, model: str, batch_norm: str) -> None:
    """B pairs are one batch of 2B images: neither one batch for each branch nor statistics moved twice."""
    pairs = first(splits.train, 20)
    net = initialise(configuration(model, batch_norm), 1)
    conv = net.get_submodule("trunk.0.conv")
    z = conv(torch.from_numpy(pairs.images).flatten(0, 1).unsqueeze(1)).detach()
    z = z if batch_norm == "before" else z.relu()
    ensemble = Ensemble([net, net])
    train_together(ensemble, torch.optim.SGD(ensemble.parameters(), 0.1), pairs, random_orders(1, 2, 20), 20)
    train_alone(net, torch.optim.SGD(net.parameters(), 0.1), pairs, random_orders(1, 1, 20)[:, 0], 20)
    for trained in (net, ensemble.net(0), ensemble.net(1)):
        state = trained.get_submodule("trunk.0").state_dict()
        torch.testing.assert_close(state["norm.running_mean"], 0.1 * z.mean((0, 2, 3)))
        torch.testing.assert_close(state["norm.running_var"], 0.9 + 0.1 * z.var((0, 2, 3)))


def test_separate_branches_see_their_own_images(splits: Splits) -> None:
    """Each trunk has its own weights, and statistics of its own images only."""
    pairs = first(splits.train, 20)
    net = initialise(configuration("twobranch", "before"), 1)
    branches = [net.get_submodule(f"trunk.{name}.0.conv") for name in ("first", "second")]
    assert not torch.equal(*(conv.get_parameter("weight") for conv in branches))
    outputs = [conv(torch.from_numpy(pairs.images)[:, i : i + 1]).detach() for i, conv in enumerate(branches)]
    ensemble = Ensemble([net, net])
    train_together(ensemble, torch.optim.SGD(ensemble.parameters(), 0.1), pairs, random_orders(1, 2, 20), 20)
    for name, z in zip(("first", "second"), outputs, strict=True):
        mean = ensemble.net(1).get_submodule(f"trunk.{name}.0.norm").get_buffer("running_mean")
        torch.testing.assert_close(mean, 0.1 * z.mean((0, 2, 3)))


def test_two_branches_start_as_the_siamese_network_does() -> None:
    """The two factors of the design are compared round by round."""
    siamese, twobranch = (initialise(configuration(model, "before"), 1) for model in ("siamese", "twobranch"))
    assert_same_bits(tensors(twobranch.get_submodule("trunk.first")), tensors(siamese.get_submodule("trunk")))
    assert_same_bits(tensors(twobranch.get_submodule("head")), tensors(siamese.get_submodule("head")))


@each_model
def test_pairs_in_another_order(splits: Splits, model: str) -> None:
    """What `compare` sees is in the order of the pairs."""
    ensemble = Ensemble([make_net(model, "before", seed) for seed in range(2)])
    pairs = first(splits.test, 30)
    order = np.random.default_rng(0).permutation(30)
    torch.testing.assert_close(
        logits_together(ensemble, take(pairs, order)), logits_together(ensemble, pairs)[:, order]
    )


def test_an_unknown_layer_is_refused() -> None:
    net = make_net("baseline", "before", 0)
    assert isinstance(net.trunk, nn.Sequential)
    net.trunk.insert(3, nn.Dropout())  # without parameters: nothing to stack
    Ensemble([net, net])
    net.trunk.insert(3, nn.Sequential(nn.LayerNorm(256)))
    with pytest.raises(TypeError, match=r"no layer LayerNorm; known: .*ConvBlock.*Linear"):
        Ensemble([net, net])


# Windows


@pytest.mark.parametrize("branches", [1, 2])
def test_windows_and_their_moments(splits: Splits, branches: int) -> None:
    images = torch.from_numpy(splits.train.images[:12])
    channels = 2 // branches
    prepared = prepare(images, branches)
    unfolded = F.unfold(images.view(-1, channels, 14, 14), 3)  # (images, channel*place, window)
    windows = unfolded.view(-1, channels, 9, 144).permute(0, 3, 2, 1).flatten(2)  # (images, window, place*channel)
    k = 9 * channels
    assert prepared.columns.shape == (12, branches, 4, 6, 6, k)
    columns = prepared.columns.view(-1, 2, 2, 6, 6, k).permute(0, 3, 1, 4, 2, 5)  # to image rows and columns
    torch.testing.assert_close(columns.reshape(-1, 144, k), windows, rtol=0, atol=0)
    exact = windows.double()
    moments = torch.cat([exact.sum(1), torch.einsum("iwa,iwb->iab", exact, exact).flatten(1)], dim=1)
    torch.testing.assert_close(prepared.moments.flatten(0, 1), moments, rtol=1e-12, atol=1e-9)


# Products


@each_kind
def test_no_product_of_a_step_or_an_evaluation_is_torch_s(splits: Splits, model: str, batch_norm: str) -> None:
    kind = configuration(model, batch_norm)
    nets = [initialise(kind, round_) for round_ in (1, 2)]
    winograd.cache_clear()
    with NoProducts() as mode:
        run = Run(kind, [1, 2])
        data = Dataset([first(splits.train, 20)], run.ensemble.branches)
        run.train_epoch(data)
        evaluate(run.ensemble, data)
    assert {"_fused_adam_", "_log_softmax", "threshold_backward"} <= mode.seen
    with pytest.raises(AssertionError, match="conv"), NoProducts():
        nets[0](torch.from_numpy(splits.train.images[:2]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_products(dtype: torch.dtype) -> None:
    """Of stacks in any layout, with gradients, and into strided memory."""
    a, b = torch.randn(3, 5, 4, dtype=dtype, requires_grad=True), torch.randn(3, 6, 5, dtype=dtype, requires_grad=True)
    result = products.product(a.mT, b.mT)
    torch.testing.assert_close(result, a.mT @ b.mT)
    upstream = torch.randn_like(result)
    gradients = [torch.autograd.grad(x, (a, b), upstream) for x in (result, a.mT @ b.mT)]
    torch.testing.assert_close(*gradients)
    out = torch.zeros(4, 3, 7, dtype=dtype)
    products.matmul(a.mT, b.mT, out=out[..., :6].transpose(0, 1))
    torch.testing.assert_close(out[..., :6].transpose(0, 1), result)
    assert not out[..., 6].any()
    assert products.product(a.detach().mT, b.mT).requires_grad
