"""Training on a GPU: the learning rates and rounds of one model and batch size as one stack of networks.

A GPU is kept waiting by a step's hundreds of short kernels, not by their work. So an epoch is recorded once as a CUDA
graph and replayed: every number that it needs lies in the GPU's memory, no step waits for the processor. And learning
rates are stacked beside rounds: four cost little more than one.

On a GPU, a network's bits depend on the shapes that it is computed in, not on what its neighbours are. So a stack
always has room for `SLOTS` learning rates, and the last one fills what is left: a cell's bits do not depend on which
others are trained with it, or were before.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from digitpairs.networks.ensemble import Ensemble, winograd
from digitpairs.networks.layers import cross_entropy
from digitpairs.training.run import Configuration, Dataset, crossed, generator, initialise, learning_rate

SLOTS = 4  # learning rates of a stack of the grid, as many as Table I has
AHEAD = 25  # epochs whose shuffles are made and moved at once


class Adam:
    """Adam (section II.C) by torch's fused kernel, with a learning rate for each slot, which lie on the device.

    Parameters are (slots * rounds, ...), or twice as many networks where branches have weights of their own.
    """

    def __init__(self, parameters: dict[str, torch.nn.Parameter], configurations: Sequence[Configuration]):
        self.about, slots = configurations[0], len(configurations)
        first = next(iter(parameters.values()))
        sizes = [parameter.numel() for parameter in parameters.values()]
        vectors = torch.zeros(4, sum(sizes), device=first.device)
        self.gradients = vectors[1]
        self.steps = torch.zeros((), device=first.device)
        self.rates = torch.zeros(slots, device=first.device)
        self.moments: dict[str, Tensor] = {}
        # For each slot: its part of all values, gradients and moments.
        self.slots: list[tuple[list[Tensor], ...]] = [([], [], [], []) for _ in configurations]
        for (name, parameter), *parts in zip(parameters.items(), *(v.split(sizes) for v in vectors), strict=True):
            views = [part.view_as(parameter) for part in parts]
            value, gradient, self.moments[f"{name}.exp_avg"], self.moments[f"{name}.exp_avg_sq"] = views
            value.copy_(parameter.detach())
            parameter.data, parameter.grad = value, gradient
            for view, *lists in zip(views, *self.slots, strict=True):
                for part, whose in zip(view.chunk(slots), lists, strict=True):
                    whose.append(part)

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters by their gradients, and set these to zero."""
        self.steps += 1
        for slot, (values, gradients, exp_avg, exp_avg_sq) in enumerate(self.slots):
            torch._fused_adam_(
                values,
                gradients,
                exp_avg,
                exp_avg_sq,
                [],
                [self.steps] * len(values),
                lr=self.rates[slot],
                beta1=0.9,
                beta2=self.about.beta2,
                weight_decay=self.about.weight_decay,
                eps=self.about.epsilon,
                amsgrad=False,
                maximize=False,
            )
        self.gradients.zero_()


class Stack:
    """The networks of some configurations, which differ in their learning rate alone, and of some rounds each."""

    def __init__(
        self, configurations: Sequence[Configuration], rounds: Sequence[int], data: Dataset, device: str
    ) -> None:
        self.configurations, self.rounds, self.data, self.device = configurations, rounds, data, device
        self.epoch = 0
        self.ensemble = Ensemble([initialise(c, round_) for c in configurations for round_ in rounds]).to(device)
        self.optimizer = Adam(dict(self.ensemble.named_parameters()), configurations)
        self.order = torch.zeros(self.ensemble.size, data.pairs, dtype=torch.long, device=device)
        self.losses = torch.zeros(self.ensemble.size, device=device)
        self._rates: list[float] = []
        self._orders: tuple[int, Tensor] = (0, self.order[:0])
        self._replay: Callable[[], None] | None = None

    def train_epoch(self, epochs: int) -> Tensor:
        """Train for one more of `epochs` epochs; return each network's mean main loss: (slots * rounds)."""
        rates = [learning_rate(c, self.epoch, epochs) for c in self.configurations]
        if rates != self._rates:  # a copy from the processor waits for the GPU
            self.optimizer.rates.copy_(torch.tensor(rates))
            self._rates = rates
        self.epoch += 1
        self.order.copy_(self._next_order(epochs).repeat(len(self.configurations), 1))
        self.ensemble.train()
        if self._replay is None:
            self._replay = self._record()
        self._replay()
        return self.losses / self.data.pairs

    def compute_epoch(self, batches: int | None = None) -> None:
        """Do what an epoch, or its first batches, does on the device; nothing in it needs the processor."""
        self.losses.zero_()
        size = self.configurations[0].batch_size
        for windows, targets, digits in itertools.islice(self.data.batches(self.order, size), batches):
            outputs = self.ensemble(windows)
            self.ensemble.loss(outputs, targets, digits).sum().backward()
            self.optimizer.step()
            self.losses += cross_entropy(outputs.logits.detach(), targets) * targets.shape[1]

    def _next_order(self, epochs: int) -> Tensor:
        """Return the order of this epoch's pairs for each round: (rounds, pairs)."""
        first, orders = self._orders
        if not first <= self.epoch < first + len(orders):
            c, first = self.configurations[0], self.epoch
            shuffles = [
                [generator(c, crossed(c, r)[1], epoch).permutation(self.data.pairs) for r in self.rounds]
                for epoch in range(first, min(epochs, first + AHEAD - 1) + 1)
            ]
            orders = torch.from_numpy(np.array(shuffles)).to(self.order.device)
            self._orders = first, orders
        return orders[self.epoch - first]

    def _record(self) -> Callable[[], None]:
        """Record an epoch as a CUDA graph; return what replays it. On a processor, compute it each time."""
        if self.device == "cpu":
            return self.compute_epoch
        changed = [*self.optimizer.moments.values(), self.optimizer.gradients, self.optimizer.steps]
        changed += [*self.ensemble.parameters(), *self.ensemble.buffers()]
        kept = [tensor.detach().clone() for tensor in changed]
        winograd(torch.float32, self.losses.device)  # made on the processor, at the first use
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # what libraries make at their first use cannot be recorded
            self.compute_epoch(None if self.data.pairs % self.configurations[0].batch_size else 2)  # each shape
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):  # graphs of one stream share what cuBLAS works in
            self.compute_epoch()
        with torch.no_grad():
            for tensor, value in zip(changed, kept, strict=True):
                tensor.copy_(value)
        ends = itertools.cycle([torch.cuda.Event(), torch.cuda.Event()])

        def replay() -> None:
            end = next(ends)
            end.synchronize()  # with the epoch before the last: what is told of progress is never far ahead
            graph.replay()
            end.record()

        return replay

    def state(self, slot: int) -> dict[str, Tensor]:
        """Return a slot's state as `Run.state` has it, each (rounds, values)."""
        rounds = len(self.rounds)
        own = slice(slot * rounds, (slot + 1) * rounds)
        done = {"epoch": torch.tensor(float(self.epoch)), "steps": self.optimizer.steps}
        tensors = self.ensemble.state_dict() | self.optimizer.moments
        return {name: tensor.reshape(self.ensemble.size, -1)[own] for name, tensor in tensors.items()} | {
            name: number.expand(rounds, 1) for name, number in done.items()
        }

    def resume(self, states: Sequence[dict[str, Tensor]]) -> None:
        """Continue from states of all slots after the same number of epochs."""
        for name, tensor in (self.ensemble.state_dict() | self.optimizer.moments).items():
            tensor.copy_(torch.cat([state[name] for state in states]).view_as(tensor))
        self.optimizer.steps.copy_(states[0]["steps"][0, 0])
        self.epoch = int(states[0]["epoch"][0, 0])
