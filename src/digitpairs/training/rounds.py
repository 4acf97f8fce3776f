"""All rounds of one configuration: trained a group at a time, then evaluated."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from digitpairs import models
from digitpairs.data.pairs import Splits, pair_anew
from digitpairs.networks.layers import PairNet
from digitpairs.training.evaluation import evaluate
from digitpairs.training.run import Configuration, Dataset, Run, learning_rate
from digitpairs.training.states import State

# Images that the networks of a group read in one step on a CPU: more fall out of the processor's cache, fewer leave
# most of the time to Python. One network alone may read more.
IMAGES = 600
REPORT_SECONDS = 5.0
KEEP_SECONDS = 60.0  # of training that a stop may cost

ERRORS = ("round", "train_loss", "train_error", "validation_error", "test_error")
PAIRED_ANEW = "paired_anew_error"  # the mean over pairings of the test images, beside `ERRORS`
CURVES = ("round", "epoch", "train_loss", "validation_error")
EACH_EPOCH, EACH_FIFTH = 10, 5  # learning curves have points at all of the first ten epochs, then at each fifth one


class Trained(NamedTuple):
    """Results of training: rows of the tables `ERRORS` and `CURVES`, each round's network, and the state to resume.

    With pairings, rows of errors end with `PAIRED_ANEW`.
    """

    errors: list[tuple[float, ...]]
    curves: list[tuple[float, ...]]
    nets: list[PairNet]
    state: State


class Progress:
    """Tells every few seconds, and at the end of each group of rounds, how far a run is and when it will end."""

    def __init__(self, rounds: int, epochs: int, resumed: int, report: Callable[[str], None]):
        self.rounds, self.epochs, self.report = rounds, epochs, report
        self.trained, self.left = 0, rounds * epochs - resumed  # epochs, summed over the rounds
        self.started = self.spoke = time.monotonic()

    def after_epoch(self, group: range, epoch: int, losses: Tensor) -> None:
        """Count an epoch of a group of rounds."""
        self.trained += len(group)
        self.left -= len(group)
        now = time.monotonic()
        if now < self.spoke + REPORT_SECONDS and epoch < self.epochs:
            return
        self.spoke = now
        pace = (now - self.started) / self.trained
        self.report(
            f"rounds {group[0]} to {group[-1]} of {self.rounds}: epoch {epoch} of {self.epochs}, "
            f"mean loss {losses.mean():.4g}, {1000 * pace:.0f} ms a round and epoch, {pace * self.left:.0f} s to go"
        )


def train_rounds(
    configuration: Configuration,
    datasets: Sequence[Splits],
    rounds: int,
    epochs: int,
    *,
    first: int = 1,
    pairings: int = 0,
    device: str = "cpu",
    resumed: State | None = None,
    keep: Callable[[State], None] | None = None,
    curves: bool = False,
    report: Callable[[str], None] = print,
) -> Trained:
    """Train `rounds` rounds to `epochs` epochs, on one dataset or on one for each, and evaluate them.

    `first` is the number of the first round, which decides its random numbers. `pairings` asks for the mean test error
    over so many pairings of the test images.

    `curves` asks for validation errors after each of the first ten epochs, each fifth one and the last, beside the mean
    main loss of that epoch's training batches.

    `keep` is given the run's state between epochs, at least once a minute if these are shorter. `resumed` is such a
    state, or the last one of a run to fewer epochs that was the same in all else. A continued run returns the same bits
    as an uninterrupted one.
    """
    branches = models.load(configuration.model).branches
    parts = groups(rounds, configuration.batch_size * branches, device)
    kept_points = resumed.curves.tolist() if resumed else []
    points = [(int(round_), int(epoch), *rest) for round_, epoch, *rest in kept_points if has_point(epoch, epochs)]
    states = resumed.split(parts) if resumed else []  # of each group that has begun
    progress = Progress(rounds, epochs, sum(int(state["epoch"].sum()) for state in states), report)
    trained = Trained([], points, [], State.join(states, points))
    kept = time.monotonic()

    def prepared(own: Sequence[Splits]) -> list[Dataset]:
        anew = [[pair_anew(splits.test, 1 + i) for splits in own] for i in range(pairings)]
        return [Dataset(split, branches, device) for split in (*zip(*own, strict=True), *anew)]

    if len(datasets) == 1:
        train, validation, test, *anew = prepared(datasets)
    for number, group in enumerate(parts):
        if len(datasets) > 1:
            train, validation, test, *anew = prepared(datasets[group.start - 1 : group.stop - 1])
        numbers = range(group.start + first - 1, group.stop + first - 1)
        run = Run(configuration, numbers, device)
        if number < len(states):
            run.resume(states[number])
        while run.epoch < epochs:
            started = time.monotonic()
            run.optimizer.learning_rate = learning_rate(configuration, run.epoch, epochs)
            losses = run.train_epoch(train)
            if curves and has_point(run.epoch, epochs):
                errors = evaluate(run.ensemble, validation)[1]
                epoch = [run.epoch] * len(group)
                points.extend(zip(numbers, epoch, losses.tolist(), errors.tolist(), strict=True))
            progress.after_epoch(group, run.epoch, losses)
            now = time.monotonic()
            if keep and now + (now - started) > kept + KEEP_SECONDS:  # the next epoch may take as long as this one
                states[number : number + 1] = [run.state()]
                keep(State.join(states, points))
                kept = now
        states[number : number + 1] = [run.state()]
        train_loss, train_error = evaluate(run.ensemble, train)
        others = [evaluate(run.ensemble, split)[1] for split in (validation, test)]
        if anew:
            # Summed one by one: a sum over a dimension takes an order that depends on the shape.
            total = torch.zeros_like(train_error)
            for split in anew:
                total += evaluate(run.ensemble, split)[1]
            others.append(total / pairings)
        columns = torch.stack([train_loss, train_error, *others], dim=1).tolist()
        trained.errors.extend((round_, *values) for round_, values in zip(numbers, columns, strict=True))
        trained.nets.extend(run.ensemble.net(i) for i in range(len(group)))
    points.sort(key=lambda row: row[:2])
    return trained._replace(state=State.join(states, points))


def has_point(epoch: float, epochs: int) -> bool:
    """Return True where the learning curve of a run of `epochs` epochs has a point."""
    return epoch <= EACH_EPOCH or epoch % EACH_FIFTH == 0 or epoch == epochs


def groups(rounds: int, images: int, device: str = "cpu") -> list[range]:
    """Split 1..`rounds` into ranges, as even as can be, that are trained together; a network reads `images` a step."""
    size = rounds if device == "cuda" else max(1, IMAGES // images)
    count = -(-rounds // size)
    return [range(1 + rounds * i // count, 1 + rounds * (i + 1) // count) for i in range(count)]
