"""All learning rates and numbers of epochs of a model and batch size: trained as stacks, then evaluated."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch

from digitpairs import models
from digitpairs.data.pairs import Splits, pair_anew
from digitpairs.networks.layers import PairNet
from digitpairs.training.evaluation import evaluate
from digitpairs.training.rounds import KEEP_SECONDS, Progress, has_point
from digitpairs.training.run import Configuration, Dataset
from digitpairs.training.stack import SLOTS, Stack
from digitpairs.training.states import State, StateFolder


class Results(NamedTuple):
    """Rows of the tables `ERRORS` and `CURVES`, and each round's network; as in `Trained`."""

    errors: list[tuple[float, ...]]
    curves: list[tuple[float, ...]]
    nets: list[PairNet]


class Member(NamedTuple):
    """A configuration of a stack, and where its states are kept, by the number of epochs."""

    configuration: Configuration
    folder: Callable[[int], StateFolder] | None = None

    def has_begun(self) -> bool:
        """Return True if states of it are kept."""
        return self.folder is not None and any(self.folder(0).folder.glob("*"))

    def latest(self, epochs: int) -> State | None:
        """Return its latest state after no more than so many epochs."""
        return self.folder(epochs).latest() if self.folder else None


def train_stacks(
    members: Sequence[Member],
    datasets: Sequence[Splits],
    rounds: int,
    epochs: Sequence[int],
    *,
    slots: int = SLOTS,
    first: int = 1,
    pairings: int = 0,
    device: str = "cuda",
    curves: bool = False,
    with_nets: bool = True,
    report: Callable[[str], None] = print,
) -> dict[tuple[float, int], Results]:
    """Train configurations that differ in their learning rate, and evaluate them after each of some numbers of epochs.

    Returns, by learning rate and number of epochs, what `train_rounds` returns of one such run; if `with_nets`, the
    last one with its networks. All other arguments are those of `train_rounds`. The states of each end, and one a
    minute, are kept.
    """
    branches = models.load(members[0].configuration.model).branches
    numbers = range(first, first + rounds)
    anew = [[pair_anew(splits.test, 1 + i) for splits in datasets] for i in range(pairings)]
    splits = [Dataset(split, branches, device) for split in (*zip(*datasets, strict=True), *anew)]
    for data in splits:
        if len(datasets) > 1:
            data.offsets = data.offsets.repeat(slots, 1)
    results: dict[tuple[float, int], Results] = {}
    # A stack continues from states that all its members have: what is new trains in stacks of its own.
    begun = [member for member in members if member.has_begun()]
    new = [member for member in members if member not in begun]
    for some in (*_batched(begun, slots), *_batched(new, slots)):
        filled = [*some, *some[-1:] * (slots - len(some))]
        stack = Stack([member.configuration for member in filled], numbers, splits[0], device)
        points: list[list[tuple[float, ...]]] = [[] for _ in filled]
        for end in sorted(epochs):
            _train_to(stack, filled, end, splits[1], points, curves, report)
            last = with_nets and end == max(epochs)
            for slot, trained in enumerate(_evaluate(stack, splits, pairings, points, last)):
                if slot < len(some):
                    results[some[slot].configuration.learning_rate, end] = trained
    return results


def _batched(members: Sequence[Member], size: int) -> Iterator[list[Member]]:
    for start in range(0, len(members), size):
        yield list(members[start : start + size])


def _train_to(
    stack: Stack,
    members: Sequence[Member],
    end: int,
    validation: Dataset,
    points: list[list[tuple[float, ...]]],
    curves: bool,
    report: Callable[[str], None],
) -> None:
    """Train a stack to `end` epochs, from the latest states that all members have after as many epochs."""
    found = [member.latest(end) for member in members]
    states = [state for state in found if state]
    reached = {int(epoch) for state in states for epoch in state.tensors["epoch"].flatten()}
    if len(states) == len(members) and len(reached) == 1 and reached.pop() > stack.epoch:
        stack.resume([state.tensors for state in states])
        for own, state in zip(points, states, strict=True):
            own[:] = [(int(r), int(epoch), *rest) for r, epoch, *rest in state.curves.tolist() if has_point(epoch, end)]
    if stack.epoch == end:
        return
    rounds = len(stack.rounds)
    progress = Progress(rounds * len(members), end, rounds * len(members) * stack.epoch, report)
    kept = time.monotonic()
    while stack.epoch < end:
        losses = stack.train_epoch(end)
        if curves and has_point(stack.epoch, end):
            errors = evaluate(stack.ensemble, validation)[1].view(len(members), rounds).tolist()
            for own, of_loss, of_error in zip(points, losses.view(len(members), rounds).tolist(), errors, strict=True):
                own.extend(zip(stack.rounds, [stack.epoch] * rounds, of_loss, of_error, strict=True))
        progress.after_epoch(range(1, 1 + rounds * len(members)), stack.epoch, losses)
        if time.monotonic() > kept + KEEP_SECONDS and stack.epoch < end:
            _keep(stack, members, points, end, finished=False)
            kept = time.monotonic()
    _keep(stack, members, points, end, finished=True)


def _keep(
    stack: Stack, members: Sequence[Member], points: Sequence[Sequence[Any]], end: int, *, finished: bool
) -> None:
    for slot, member in enumerate(members):
        if member.folder and member not in members[:slot]:
            folder = member.folder(end)
            state = State.join([stack.state(slot)], points[slot])
            folder.finish(state) if finished else folder.keep(state)


def _evaluate(
    stack: Stack, splits: Sequence[Dataset], pairings: int, points: Sequence[Sequence[Any]], with_nets: bool
) -> Iterator[Results]:
    """Yield each slot's results."""
    rounds = len(stack.rounds)
    train_loss, train_error = evaluate(stack.ensemble, splits[0])
    validation, test, *anew = (evaluate(stack.ensemble, split)[1] for split in splits[1:])
    columns = [train_loss, train_error, validation, test]
    if anew:
        columns.append(torch.stack(anew).sum(0) / pairings)
    rows = torch.stack(columns, dim=1).view(-1, rounds, len(columns)).tolist()
    for slot, (own, curve) in enumerate(zip(rows, points, strict=True)):
        errors = [(round_, *values) for round_, values in zip(stack.rounds, own, strict=True)]
        nets: list[PairNet] = []
        if with_nets:
            nets = [stack.ensemble.net(slot * rounds + i) for i in range(rounds)]
        yield Results(errors, sorted(curve, key=lambda row: row[:2]), nets)
