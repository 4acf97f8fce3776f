"""All rounds of one configuration: trained a group at a time, then evaluated."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from digitpairs import models
from digitpairs.data.pairs import Splits
from digitpairs.networks.layers import PairNet
from digitpairs.training.evaluation import evaluate
from digitpairs.training.run import Configuration, Dataset, Run

# Images that the networks of a group read in one step on a CPU: more fall out of the processor's cache, fewer leave
# most of the time to Python. One network alone may read more.
IMAGES = 600
REPORT_SECONDS = 5.0

ERRORS = ("round", "train_loss", "train_error", "validation_error", "test_error")
CURVES = ("round", "epoch", "train_loss", "validation_error")
EACH_EPOCH, EACH_FIFTH = 10, 5  # where a learning curve has points: all of the first ten epochs, then each fifth one


class Trained(NamedTuple):
    """What training left: rows of the tables `ERRORS` and `CURVES`, each round's network, and the state to resume."""

    errors: list[tuple[float, ...]]
    curves: list[tuple[float, ...]]
    nets: list[PairNet]
    state: dict[str, Tensor]


def train_rounds(
    configuration: Configuration,
    datasets: Sequence[Splits],
    rounds: int,
    epochs: int,
    *,
    device: str = "cpu",
    resumed: dict[str, Tensor] | None = None,
    curves: bool = False,
    report: Callable[[str], None] = print,
) -> Trained:
    """Train rounds 1..`rounds` to `epochs` epochs, on one dataset or on one for each, and evaluate them.

    `resumed` is the `state` of an earlier call with fewer epochs; `curves` asks for validation errors on the way, after
    each of the first ten epochs, each fifth one and the last, beside the mean main loss of that epoch's training
    batches. `report` is told of progress.
    """
    trained = Trained([], [], [], {})
    states = []
    branches = models.load(configuration.model).branches

    def prepared(own: Sequence[Splits]) -> list[Dataset]:
        return [Dataset(split, branches, device) for split in zip(*own, strict=True)]

    if len(datasets) == 1:
        train, validation, test = prepared(datasets)
    for group in groups(rounds, configuration.batch_size * branches, device):
        if len(datasets) > 1:
            train, validation, test = prepared(datasets[group.start - 1 : group.stop - 1])
        run = Run(configuration, group, device)
        if resumed:
            run.resume({name: tensor[group.start - 1 : group.stop - 1] for name, tensor in resumed.items()})
        first, started, spoke = run.epoch, time.monotonic(), 0.0
        while run.epoch < epochs:
            losses = run.train_epoch(train)
            if curves and (run.epoch <= EACH_EPOCH or run.epoch % EACH_FIFTH == 0 or run.epoch == epochs):
                errors = evaluate(run.ensemble, validation)[1]
                epoch = [run.epoch] * len(group)
                trained.curves.extend(zip(group, epoch, losses.tolist(), errors.tolist(), strict=True))
            seconds = time.monotonic() - started
            if seconds > spoke + REPORT_SECONDS or run.epoch == epochs:
                spoke = seconds
                pace = seconds / (run.epoch - first) / len(group)
                report(
                    f"rounds {group[0]} to {group[-1]} of {rounds}: epoch {run.epoch} of {epochs}, "
                    f"mean loss {losses.mean():.4g}, {1000 * pace:.0f} ms a round and epoch"
                )
        train_loss, train_error = evaluate(run.ensemble, train)
        others = [evaluate(run.ensemble, split)[1] for split in (validation, test)]
        columns = torch.stack([train_loss, train_error, *others], dim=1).tolist()
        trained.errors.extend((round_, *values) for round_, values in zip(group, columns, strict=True))
        trained.nets.extend(run.ensemble.net(i) for i in range(len(group)))
        states.append(run.state())
    trained.curves.sort(key=lambda row: row[:2])
    return trained._replace(state={name: torch.cat([state[name] for state in states]) for name in states[0]})


def groups(rounds: int, images: int, device: str = "cpu") -> list[range]:
    """Split 1..`rounds` into ranges, as even as can be, that are trained together; a network reads `images` a step."""
    size = rounds if device == "cuda" else max(1, IMAGES // images)
    count = -(-rounds // size)
    return [range(1 + rounds * i // count, 1 + rounds * (i + 1) // count) for i in range(count)]
