"""The recipe for the least error: its parts, and what a round depends on. All pairs are real digits."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from operations import NoProducts

from digitpairs.data.pairs import Pairs, Splits
from digitpairs.params import LeastError
from digitpairs.training.recipe import (
    PARTS,
    STREAM,
    Dropout,
    Net,
    Recipe,
    distort,
    initialise,
    rates,
    train,
    train_rounds,
)
from digitpairs.training.rounds import ERRORS
from digitpairs.training.run import STREAMS
from digitpairs.training.states import stack_nets

RECIPE = Recipe(
    epochs=2,
    batch_size=25,
    learning_rate=0.01,
    one_cycle=True,
    weight_decay=1e-3,
    dropout=0.3,
    label_smoothing=0.05,
    shift=1.0,
    distortion=0.15,
    seed=0,
)


def weights(recipe: Recipe, pairs: list[Pairs], rounds: list[int]) -> dict[str, Any]:
    ensemble = train(recipe, pairs, rounds)
    return stack_nets([ensemble.net(i) for i in range(ensemble.size)])


def test_a_round_does_not_depend_on_those_beside_it(datasets: list[Splits]) -> None:
    pairs = [splits.train for splits in datasets]
    together, alone = weights(RECIPE, pairs, [1, 2, 3]), weights(RECIPE, pairs[1:2], [2])
    for name, tensor in alone.items():
        torch.testing.assert_close(tensor[0], together[name][1], rtol=0, atol=0, msg=name)


def test_a_round_has_the_same_bits_on_any_processor(datasets: list[Splits]) -> None:
    """As far as its operations tell: none of them is computed by what rounds differently on another one."""
    with NoProducts() as mode:
        train_rounds(RECIPE._replace(epochs=1), datasets[:2], report=lambda _: None)
    assert {"_log_softmax", "grid_sampler_2d", "log1p"} <= mode.seen


def test_all_random_numbers_depend_on_seed_and_round(datasets: list[Splits]) -> None:
    pairs = [datasets[0].train]
    bias = "trunk.8.bias"
    runs = (RECIPE, 1), (RECIPE, 2), (RECIPE._replace(seed=1), 1)
    found = [weights(recipe, pairs, [round_])[bias] for recipe, round_ in runs]
    assert all(not torch.equal(found[0], other) for other in found[1:])
    assert torch.equal(found[0], weights(RECIPE, pairs, [1])[bias])


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_left_out_by_zero(datasets: list[Splits], part: str) -> None:
    assert {*PARTS} < LeastError.model_fields.keys()
    pairs = [datasets[0].train]
    without = RECIPE._replace(**{part: type(getattr(RECIPE, part))(0)})
    assert not torch.equal(*(weights(recipe, pairs, [1])["trunk.8.weight"] for recipe in (RECIPE, without)))


def test_rounds_report_what_other_rounds_do(datasets: list[Splits]) -> None:
    rows = train_rounds(RECIPE._replace(epochs=25), datasets, report=lambda _: None)
    assert [row[0] for row in rows] == [1, 2, 3]
    assert {len(row) for row in rows} == {len(ERRORS)}
    errors = np.array([row[1:] for row in rows])
    assert (errors >= 0).all()
    # Always to answer yes is wrong for 45 of 100 pairs.
    assert errors[:, -1].mean() < 0.25


def test_the_answer_is_the_sum_of_probabilities() -> None:
    logits = torch.randn(1, 8, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    answers = initialise(RECIPE, 1).compare(logits).logits.exp()[0]
    for (first, second), (more, at_most) in zip(logits[0].softmax(-1).view(4, 2, 10), answers, strict=True):
        summed = sum(first[i] * second[j] for i in range(10) for j in range(i, 10))
        torch.testing.assert_close(at_most, summed)
        torch.testing.assert_close(more, 1 - summed)


def test_loss_is_the_digits_cross_entropy_with_smoothed_labels() -> None:
    net = Net(dropout=0.0, label_smoothing=0.1)
    logits = torch.randn(2, 6, 10, generator=torch.Generator().manual_seed(0))
    digits = torch.randint(10, (2, 3, 2), generator=torch.Generator().manual_seed(1))
    labels = 0.9 * torch.nn.functional.one_hot(digits.flatten(1), 10) + 0.01
    expected = -(labels * logits.log_softmax(-1)).sum(-1).mean(-1)
    torch.testing.assert_close(net.loss(net.compare(logits), torch.zeros(2, 3), digits), expected)


def keys(distance: NDArray[np.float64], a: float = -0.75) -> NDArray[np.float64]:
    """Weigh pixels by the cubic convolution kernel (Keys, 1981)."""
    d = np.abs(distance)
    near, far = (a + 2) * d**3 - (a + 3) * d**2 + 1, a * (d**3 - 5 * d**2 + 8 * d - 4)
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def test_distortion_is_an_affine_map_about_the_centre(datasets: list[Splits]) -> None:
    pairs = datasets[0].train
    moved = distort(pairs, RECIPE, np.random.default_rng(5)).images.reshape(-1, 14, 14)
    draws = np.random.default_rng(5).uniform(-1, 1, (120, 6))
    column, row = np.meshgrid(np.arange(14) - 6.5, np.arange(14) - 6.5)
    places = np.arange(-14, 28)  # beyond its edge an image goes on as at the edge
    for image, result, draw in list(zip(pairs.images.reshape(-1, 14, 14), moved, draws, strict=True))[:10]:
        (xx, xy), (yx, yy) = np.eye(2) + RECIPE.distortion * draw[:4].reshape(2, 2)
        x = xx * column + xy * row + RECIPE.shift * draw[4] + 6.5
        y = yx * column + yy * row + RECIPE.shift * draw[5] + 6.5
        inside = np.clip(places, 0, 13)
        weights_of_rows, weights_of_columns = keys(y[..., None] - places), keys(x[..., None] - places)
        expected = np.einsum("ijk,kl,ijl->ij", weights_of_rows, image[np.ix_(inside, inside)], weights_of_columns)
        np.testing.assert_allclose(result, expected, atol=1e-4)
    assert distort(pairs, RECIPE._replace(shift=0.0, distortion=0.0), np.random.default_rng(5)) is pairs


def test_dropout_zeroes_a_share_and_keeps_the_mean() -> None:
    layer = Dropout(0.3)
    layer.generators = [np.random.default_rng(i) for i in range(2)]
    rows = torch.ones(2, 200, 100)
    dropped = layer(rows)
    assert abs((dropped == 0).float().mean() - 0.3) < 0.01
    assert abs(dropped.mean() - 1) < 0.02
    assert not torch.equal(*dropped)
    assert layer.eval()(rows) is rows


def test_rate_rises_and_falls_or_keeps_its_mean() -> None:
    cycle, constant = (rates(RECIPE._replace(one_cycle=one), 1000) for one in (True, False))
    assert cycle.argmax() in (299, 300)
    assert cycle.max() == pytest.approx(RECIPE.learning_rate, rel=0.01)
    assert max(cycle[0], cycle[-1]) < 0.01 * RECIPE.learning_rate
    assert np.unique(constant).size == 1
    assert constant.mean() == pytest.approx(cycle.mean(), rel=0.01)


def test_its_random_numbers_are_no_other_rounds() -> None:
    assert STREAM not in STREAMS.values()
