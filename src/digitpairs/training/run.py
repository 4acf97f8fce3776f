"""Training of a group of rounds as one ensemble.

Initial weights come from (seed, stream, round), shuffles from (seed, stream, round, epoch). So a run that is continued
equals one that was not interrupted, and a round does not depend on the rounds trained beside it, bit for bit.
"""

import ctypes
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from digitpairs import models
from digitpairs.data.pairs import Pairs
from digitpairs.errors import StudyError
from digitpairs.networks.ensemble import Ensemble, Windows, prepare
from digitpairs.networks.layers import PairNet, cross_entropy

PADDING = 64  # elements: no SIMD kernel takes more at once
STREAMS = {"grid": 0, "final": 1}  # final rounds differ from those by which their configuration was chosen


class Configuration(NamedTuple):
    """Model and hyperparameters: all that a round depends on besides its data and the number of epochs."""

    model: str
    options: dict[str, Any]  # of the model's Net
    batch_size: int
    learning_rate: float
    weight_decay: float
    seed: int
    stream: str
    beta2: float = 0.999  # of Adam
    epsilon: float = 1e-8  # of Adam
    decay: int = 0  # the last epochs, over which the learning rate falls linearly towards zero
    initialisations: int = 0  # crossed with orders of pairs: see `crossed`; 0: each round has its own of both


class Dataset:
    """Pairs unrolled for one model: one dataset for all networks, or one for each."""

    def __init__(self, datasets: Sequence[Pairs], branches: int, device: str = "cpu"):
        self.pairs = len(datasets[0].targets)
        self.offsets = torch.arange(len(datasets), device=device).unsqueeze(1) * self.pairs
        parts = [prepare(torch.from_numpy(d.images), branches) for d in datasets]
        self.windows = Windows(*(torch.cat(part).to(device) for part in zip(*parts, strict=True)))
        self.targets = torch.from_numpy(np.concatenate([d.targets for d in datasets])).to(device)
        self.digits = torch.from_numpy(np.concatenate([d.digits for d in datasets])).to(device)

    def batches(self, order: Tensor, size: int) -> Iterator[tuple[Windows, Tensor, Tensor]]:
        """Yield windows, targets (nets, rows) and digits (nets, rows, 2), in the order (nets, pairs)."""
        for index in (order + self.offsets).split(size, dim=1):
            yield self.windows.take(index), self.targets[index], self.digits[index]


class Adam:
    """Adam (section II.C) by torch's fused kernel, as `torch.optim.Adam(..., fused=True)` calls it.

    Called directly because `torch.optim` imports torch's compiler: two seconds of every job. All parameters move into
    one vector, each padded to whole SIMD registers: the kernel rounds the elements that do not fill one differently,
    and which they are would depend on how many networks there are.
    """

    def __init__(self, parameters: dict[str, nn.Parameter], configuration: Configuration):
        self.learning_rate, self.weight_decay = configuration.learning_rate, configuration.weight_decay
        self.beta2, self.epsilon = configuration.beta2, configuration.epsilon
        padded = [-(-parameter.numel() // PADDING) * PADDING for parameter in parameters.values()]
        first = next(iter(parameters.values()))
        vectors = torch.zeros(4, sum(padded), dtype=first.dtype, device=first.device)
        self.values, self.gradients, self.exp_avg, self.exp_avg_sq = vectors
        self.steps = torch.zeros((), device=first.device)
        self.moments: dict[str, Tensor] = {}
        for (name, parameter), *parts in zip(parameters.items(), *(v.split(padded) for v in vectors), strict=True):
            views = [part[: parameter.numel()].view_as(parameter) for part in parts]
            value, gradient, self.moments[f"{name}.exp_avg"], self.moments[f"{name}.exp_avg_sq"] = views
            value.copy_(parameter.detach())
            parameter.data, parameter.grad = value, gradient

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters by their gradients, and set these to zero."""
        self.steps += 1
        torch._fused_adam_(
            [self.values],
            [self.gradients],
            [self.exp_avg],
            [self.exp_avg_sq],
            [],
            [self.steps],
            lr=self.learning_rate,
            beta1=0.9,
            beta2=self.beta2,
            weight_decay=self.weight_decay,
            eps=self.epsilon,
            amsgrad=False,
            maximize=False,
        )
        self.gradients.zero_()


class Run:
    """The networks of some rounds, their optimizer, and the epochs done."""

    def __init__(self, configuration: Configuration, rounds: Sequence[int], device: str = "cpu"):
        self.configuration, self.rounds, self.epoch = configuration, rounds, 0
        self.device = device
        self.ensemble = Ensemble([initialise(configuration, round_) for round_ in rounds]).to(device)
        self.optimizer = Adam(dict(self.ensemble.named_parameters()), configuration)

    def train_epoch(self, data: Dataset) -> Tensor:
        """Train for one more epoch; return each network's mean main loss over its batches: (nets)."""
        self.epoch += 1
        self.ensemble.train()
        losses = torch.zeros(len(self.rounds), device=self.device)
        for windows, targets, digits in data.batches(self.shuffles(data.pairs), self.configuration.batch_size):
            outputs = self.ensemble(windows)
            self.ensemble.loss(outputs, targets, digits).sum().backward()
            self.optimizer.step()
            losses += cross_entropy(outputs.logits.detach(), targets) * targets.shape[1]
        return losses / data.pairs

    def shuffles(self, pairs: int) -> Tensor:
        """Return the order of this epoch's pairs for each network: (nets, pairs)."""
        c = self.configuration
        orders = [generator(c, crossed(c, round_)[1], self.epoch).permutation(pairs) for round_ in self.rounds]
        return torch.from_numpy(np.stack(orders)).to(self.device)

    def state(self) -> dict[str, Tensor]:
        """Return weights, BatchNorm statistics, Adam's moments, and the epochs and steps done, each (nets, values)."""
        nets = len(self.rounds)
        done = {"epoch": torch.tensor(float(self.epoch)), "steps": self.optimizer.steps}
        tensors = self.ensemble.state_dict() | self.optimizer.moments
        return {name: tensor.reshape(nets, -1) for name, tensor in tensors.items()} | {
            name: number.expand(nets, 1) for name, number in done.items()
        }

    def resume(self, state: dict[str, Tensor]) -> None:
        """Continue from the `state()` of a run of the same rounds."""
        for name, tensor in (self.ensemble.state_dict() | self.optimizer.moments).items():
            tensor.copy_(state[name].view_as(tensor))
        self.optimizer.steps.copy_(state["steps"][0, 0])
        self.epoch = int(state["epoch"][0, 0])


def initialise(configuration: Configuration, round_: int) -> PairNet:
    """Return a round's network before training, initialised as torch does."""
    with torch.random.fork_rng(devices=[]):
        number, _ = crossed(configuration, round_)
        torch.manual_seed(int(generator(configuration, number, 0).integers(2**63)))
        return models.load(configuration.model)(**configuration.options)


def learning_rate(configuration: Configuration, epoch: int, epochs: int) -> float:
    """Return the learning rate that follows `epoch` of `epochs` epochs."""
    return configuration.learning_rate * min(1.0, (epochs - epoch) / (configuration.decay + 1))


def crossed(configuration: Configuration, round_: int) -> tuple[int, int]:
    """Return the numbers of a round's initialisation and of its orders of pairs.

    With n initialisations crossed, rounds 1 to n begin with each of them, n + 1 to 2n with the same and other orders.
    """
    n = configuration.initialisations
    return (1 + (round_ - 1) % n, 1 + (round_ - 1) // n) if n else (round_, round_)


def generator(configuration: Configuration, round_: int, epoch: int) -> np.random.Generator:
    """Return the source of randomness of a round's epoch; epoch 0 is the initialisation."""
    return np.random.default_rng([configuration.seed, STREAMS[configuration.stream], round_, epoch])


def choose_device(name: str) -> str:
    """Return `cpu` or `cuda` for `train.device`; `auto` takes a GPU where there is one.

    Raises `StudyError` where `cuda` is asked for and not there.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise StudyError("params.yaml: train.device = 'cuda', but torch sees no GPU here; allowed are 'cpu' and 'auto'")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"


def keep_freed_memory() -> None:
    """Let glibc keep freed memory: what is returned to the system costs a page fault for each page later."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # not on other C libraries
        libc.mallopt(ctypes.c_int(-1), ctypes.c_int(1 << 30))  # M_TRIM_THRESHOLD
        libc.mallopt(ctypes.c_int(-3), ctypes.c_int(1 << 25))  # M_MMAP_THRESHOLD, the largest that it accepts
