"""What the study's training is measured against: the ordinary loop, and `torch.func.vmap`. Needs torch alone."""

from collections.abc import Callable

import torch
from torch import Tensor

from digitpairs.data.pairs import Pairs
from digitpairs.networks.layers import PairNet


def ordinary(net: PairNet, pairs: Pairs, batch_size: int, device: str = "cpu") -> Callable[[], None]:
    """Return an epoch as a course project writes it: one network, default Adam, batches by index."""
    images, digits, targets = (torch.from_numpy(array).to(device) for array in pairs)
    optimizer = torch.optim.Adam(net.to(device).parameters(), lr=0.01)
    net.train()

    def epoch() -> None:
        for index in torch.randperm(len(images), device=device).split(batch_size):
            loss = net.loss(net(images[index]), targets[index], digits[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def vmapped(nets: list[PairNet], pairs: Pairs, batch_size: int, device: str = "cpu") -> Callable[[], None]:
    """Return an epoch of several networks under `torch.func.vmap`, which allows no running statistics."""
    images, digits, targets = (torch.from_numpy(array).to(device) for array in pairs)
    for net in nets:
        torch.func.replace_all_batch_norm_modules_(net.to(device).train())
    parameters, buffers = torch.func.stack_module_state(nets)
    optimizer = torch.optim.Adam(parameters.values(), lr=0.01)

    def loss(p: dict[str, Tensor], b: dict[str, Tensor], x: Tensor, t: Tensor, d: Tensor) -> Tensor:
        return nets[0].loss(torch.func.functional_call(nets[0], (p, b), (x,)), t, d)

    gradients = torch.func.vmap(torch.func.grad(loss), randomness="error")

    def epoch() -> None:
        orders = torch.stack([torch.randperm(len(images), device=device) for _ in nets])
        for index in orders.split(batch_size, dim=1):
            found = gradients(parameters, buffers, images[index], targets[index], digits[index])
            for name, parameter in parameters.items():
                parameter.grad = found[name]
            optimizer.step()

    return epoch
