"""The least error at 1,000 training pairs: a siamese trunk that is taught the digits, by a recipe of today's means.

Beyond the paper. The answer follows from both digits' probabilities; the training images are distorted anew in each
epoch. All random numbers come from (seed, round, epoch), so a round does not depend on the rounds trained beside it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from digitpairs.data.pairs import Pairs, Splits
from digitpairs.networks.ensemble import Ensemble
from digitpairs.networks.layers import ConvBlock, DenseBlock, Flatten, Outputs, PairNet
from digitpairs.training.evaluation import evaluate
from digitpairs.training.rounds import groups
from digitpairs.training.run import Adam, Configuration, Dataset

PARTS = ("shift", "distortion", "dropout", "label_smoothing", "weight_decay", "one_cycle")  # zero leaves one out
STREAM = 2  # beside those of `run.STREAMS`
WARM_UP = 0.3  # of all steps, in which the one-cycle rate rises


class Recipe(NamedTuple):
    """All that a round depends on besides its pairs."""

    epochs: int
    batch_size: int  # pairs
    learning_rate: float  # the highest of the cycle
    one_cycle: bool  # or a constant rate, the mean of the cycle
    weight_decay: float
    dropout: float  # share of the inputs of each dense layer
    label_smoothing: float  # share of the label that all ten digits share
    shift: float  # pixels of 14x14, the most in each direction
    distortion: float  # the most that an entry of the image's affine map differs from the identity's
    seed: int


class Dropout(nn.Module):
    """Dropout in an ensemble; masks come from a generator for each network, given before each epoch."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share
        self.generators: Sequence[np.random.Generator] = []

    def forward(self, rows: Tensor) -> Tensor:
        """(nets, rows, features) -> the same, with a share of zeros in training."""
        if not (self.training and self.share):
            return rows
        kept = [g.random(rows.shape[1:], dtype=np.float32) >= self.share for g in self.generators]
        return rows * torch.from_numpy(np.stack(kept)).div(1 - self.share)


class Net(PairNet):
    """The trunk of section II.D with dropout; it names both digits, and probability compares them."""

    branches = 2

    def __init__(self, dropout: float, label_smoothing: float):
        super().__init__()
        self.label_smoothing = label_smoothing
        self.trunk = nn.Sequential(
            ConvBlock(1, 32, "before"),
            ConvBlock(32, 64, "before"),
            Flatten(),
            Dropout(dropout),
            DenseBlock(256, 128, "before"),
            Dropout(dropout),
            DenseBlock(128, 90, "before"),
            Dropout(dropout),
            nn.Linear(90, 10),
        )

    def compare(self, features: Tensor) -> Outputs:
        """Return the logs of P(a > b) and P(a <= b) = sum over i <= j of p_a(i) p_b(j), beside the digits' logits."""
        digit_logits = features.unflatten(-2, (-1, self.branches))
        first, second = F.softmax(digit_logits.detach(), -1).unbind(-2)
        at_most = (first.cumsum(-1) * second).sum(-1).clamp(1e-6, 1 - 1e-6)
        # torch's `log` is MKL's, which processors round differently.
        logs = torch.log1p(torch.stack([-at_most, at_most - 1], -1).double())
        return Outputs(logs.to(features.dtype), digit_logits)

    def loss(self, outputs: Outputs, targets: Tensor, digits: Tensor) -> Tensor:
        """Cross entropy of both digits, with smoothed labels, the mean over images: (nets)."""
        logits = cast(Tensor, outputs.digit_logits)
        losses = F.cross_entropy(
            logits.flatten(0, -2), digits.flatten(), reduction="none", label_smoothing=self.label_smoothing
        )
        return losses.view(len(logits), -1).mean(-1)


def generator(recipe: Recipe, round_: int, epoch: int) -> np.random.Generator:
    """Return the source of randomness of a round's epoch; epoch 0 is the initialisation."""
    return np.random.default_rng([recipe.seed, STREAM, round_, epoch])


def initialise(recipe: Recipe, round_: int) -> Net:
    """Return a round's network before training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(recipe, round_, 0).integers(2**63)))
        return Net(recipe.dropout, recipe.label_smoothing)


def rates(recipe: Recipe, steps: int) -> NDArray[np.float64]:
    """Return each step's learning rate: a linear rise and a linear fall (Smith and Topin, 2018), or their mean."""
    peak = WARM_UP * steps
    step = np.arange(steps) + 0.5
    cycle = recipe.learning_rate * np.minimum(step / peak, (steps - step) / (steps - peak))
    return cycle if recipe.one_cycle else np.full(steps, recipe.learning_rate / 2)


def distort(pairs: Pairs, recipe: Recipe, rng: np.random.Generator) -> Pairs:
    """Move each image by a random affine map of its own about its centre.

    The map is drawn entry by entry: no sine, which processors round differently. Cubic interpolation blurs less than
    bilinear, and test images are not blurred. Beyond its edge an image goes on as at the edge.
    """
    if not (recipe.shift or recipe.distortion):
        return pairs
    images = torch.from_numpy(pairs.images).view(-1, 1, *pairs.images.shape[2:])
    size = images.shape[-1]
    draws = rng.uniform(-1, 1, (len(images), 6)).astype(np.float32)
    matrix = torch.from_numpy(recipe.distortion * draws[:, :4]) + torch.eye(2).flatten()
    shift = torch.from_numpy(recipe.shift * draws[:, 4:] * 2 / size)  # an image is 2 wide for `grid_sample`
    at = ((torch.arange(size) + 0.5) * 2 / size - 1).view(1, size)
    xx, xy, yx, yy = matrix.view(-1, 4, 1, 1).unbind(1)
    x = xx * at + xy * at.mT + shift[:, :1, None]
    y = yx * at + yy * at.mT + shift[:, 1:, None]
    grid = torch.stack([x, y], -1)
    moved = F.grid_sample(images, grid, mode="bicubic", padding_mode="border", align_corners=False)
    return pairs._replace(images=moved.view(pairs.images.shape).numpy())


def train_rounds(
    recipe: Recipe, datasets: Sequence[Splits], report: Callable[[str], None] = print
) -> list[tuple[float, ...]]:
    """Train a round on each dataset, some at a time as one ensemble; return rows of `rounds.ERRORS`."""
    rows: list[tuple[float, ...]] = []
    for numbers in groups(len(datasets), 2 * recipe.batch_size):
        own = datasets[numbers.start - 1 : numbers.stop - 1]
        ensemble = train(recipe, [splits.train for splits in own], numbers)
        train_loss, train_error = evaluate(ensemble, Dataset([splits.train for splits in own], Net.branches))
        validation, test = (
            evaluate(ensemble, Dataset(split, Net.branches))[1]
            for split in ([splits.validation for splits in own], [splits.test for splits in own])
        )
        columns = torch.stack([train_loss, train_error, validation, test], 1).tolist()
        rows.extend((round_, *values) for round_, values in zip(numbers, columns, strict=True))
        report(f"rounds {numbers[0]} to {numbers[-1]} of {len(datasets)}: mean test error {test.mean():.4f}")
    return rows


def train(recipe: Recipe, pairs: Sequence[Pairs], rounds: Sequence[int]) -> Ensemble:
    """Train the networks of some rounds, each on pairs of its own."""
    ensemble = Ensemble([initialise(recipe, round_) for round_ in rounds])
    kind = Configuration("", {}, recipe.batch_size, recipe.learning_rate, recipe.weight_decay, recipe.seed, "")
    optimizer = Adam(dict(ensemble.named_parameters()), kind)
    count = len(pairs[0].targets)
    batches = -(-count // recipe.batch_size)
    schedule = iter(rates(recipe, recipe.epochs * batches).tolist())
    ensemble.train()
    for epoch in range(1, recipe.epochs + 1):
        generators = [generator(recipe, round_, epoch) for round_ in rounds]
        order = torch.from_numpy(np.stack([rng.permutation(count) for rng in generators]))
        data = Dataset([distort(own, recipe, rng) for own, rng in zip(pairs, generators, strict=True)], Net.branches)
        for layer in ensemble.modules():
            if isinstance(layer, Dropout):
                layer.generators = generators
        for windows, targets, digits in data.batches(order, recipe.batch_size):
            ensemble.loss(ensemble(windows), targets, digits).sum().backward()
            optimizer.learning_rate = next(schedule)
            optimizer.step()
    return ensemble
