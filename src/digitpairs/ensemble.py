"""Many networks of one model trained as one: every block of `layers.py` for a stack of networks at once.

Tensors have a leading dimension `nets`; no operation mixes networks, so each takes the steps that it would take alone.
Convolutions are matrix products over unrolled windows, in channels-last order: on a CPU, a batched sgemm beats grouped
convolutions (benchmarks/README.md has the measurements behind each odd-looking line).

With BatchNorm *before* the activation, a block is one autograd function, on three exact identities:
- gamma * z is monotonous in z, so max-pool comes first and the affine map and the ReLU see a quarter of the elements; a
  negative gamma is folded into the weights;
- BatchNorm subtracts the mean, so a bias before it has no effect and a gradient of exactly zero;
- where a block reads images that never change, batch statistics and their gradient follow from the moments of the
  unrolled windows, computed once for each image.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from digitpairs.layers import ConvBlock, DenseBlock, Flatten, Outputs, PairNet, rows

KERNEL = 3
EPS, MOMENTUM = 1e-5, 0.1  # the defaults of torch's BatchNorm
TINY = torch.finfo(torch.float32).tiny  # no two different numbers of any use are closer


class Windows(NamedTuple):
    """Images as the first convolution reads them; K = 9 * channels.

    `columns` (..., 4, h, w, K): the windows that max-pool compares stand at the same place of four slices.
    `moments` (..., K + K*K), float64: the sum of an image's windows, and of their outer products.
    """

    columns: Tensor
    moments: Tensor

    def take(self, index: Tensor) -> "Windows":
        """Select pairs by an index (nets, pairs): (pairs, branches, ...) -> (nets, pairs*branches, ...)."""
        return Windows(
            *(
                x.flatten(1).index_select(0, index.flatten()).view(len(index), -1, *x.shape[2:])
                for x in (self.columns, self.moments)
            )
        )


def unroll(images: Tensor) -> Tensor:
    """(images, H, W, C) -> (images, H-2, W-2, 9C): the 3x3 windows, each in the order height, width, channel."""
    windows = images.unfold(1, KERNEL, 1).unfold(2, KERNEL, 1)  # (images, H-2, W-2, C, 3, 3), a view
    return windows.permute(0, 1, 2, 4, 5, 3).flatten(3)


def prepare(pairs: Tensor, branches: int) -> Windows:
    """Unroll standardised pairs (pairs, 2, H, W) once: columns (pairs, branches, 4, h, w, K), h = (H-2)/2."""
    images = rows(pairs, branches).movedim(1, -1)
    columns = torch.stack(quarters(unroll(images).unsqueeze(0)), dim=3)[0].movedim(2, 1)
    exact = columns.flatten(1, 3).double()
    moments = torch.cat([exact.sum(1), (exact.mT @ exact).flatten(1)], dim=1)
    return Windows(columns.unflatten(0, (-1, branches)).contiguous(), moments.unflatten(0, (-1, branches)))


def quarters(z: Tensor) -> list[Tensor]:
    """Four views (nets, images, h, w, C) of (nets, images, 2h, 2w, C): each pooled pixel's elements, in reading order."""
    split = z.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
    return [split[:, :, :, i, :, j] for i in range(2) for j in range(2)]


def largest(views: Sequence[Tensor]) -> Tensor:
    """Return the element-wise maximum of four views."""
    return torch.maximum(torch.maximum(views[0], views[1]), torch.maximum(views[2], views[3]))


def route(views: Sequence[Tensor], best: Tensor, gradient: Tensor) -> None:
    """Overwrite four views with the gradient where an element won the max-pool, elsewhere with zero.

    The first of equal elements wins, as in `torch.max_pool2d`. Selecting by `threshold_backward` on the distance to
    the best costs a fifth of `torch.where`.
    """
    for position, view in enumerate(views):
        view.sub_(best)
        torch.ops.aten.threshold_backward.grad_input(gradient, view, -TINY, grad_input=view)
        if position < len(views) - 1:
            gradient = gradient - view  # once an element has won, nothing is left for the later ones


class _MaxPool(torch.autograd.Function):
    """Max-pool 2 over the four slices of (nets, images, 4, ...)."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        best = z.amax(2)
        ctx.save_for_backward(z, best)
        return best

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        z, best = ctx.saved_tensors
        routed: Tensor = z.clone()
        route(routed.unbind(2), best, gradient)
        return routed


class _FirstConvBlock(torch.autograd.Function):
    """Convolution, BatchNorm, ReLU and max-pool over the windows of images, which need no gradient."""

    @staticmethod
    def forward(
        ctx: Any, columns: Tensor, moments: Tensor, weight: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        nets, k, channels = weight.shape
        sign = torch.copysign(torch.ones_like(gamma), gamma)
        weight = weight * sign
        z = torch.bmm(columns.view(nets, -1, k), weight)
        moments = moments.sum(1) / z.shape[1]
        mean = moments[:, None, :k]
        covariance = moments[:, k:].view(nets, k, k) - mean.mT * mean
        mean, covariance = mean.to(z.dtype), covariance.to(z.dtype)
        z_mean = torch.bmm(mean, weight)
        spread = torch.bmm(covariance, weight)
        variance = (weight * spread).sum(1, keepdim=True)
        inverse = torch.rsqrt(variance + EPS)
        scale = gamma * sign * inverse
        z = z.view(*columns.shape[:3], -1)
        best = z.amax(2).view(nets, -1, channels)
        y = torch.addcmul(beta - z_mean * scale, best, scale).relu_()
        ctx.save_for_backward(columns, mean, spread, z, best, y, z_mean, inverse, scale, sign)
        z_mean = sign * z_mean
        ctx.mark_non_differentiable(z_mean, variance)
        return y, z_mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        columns, mean, spread, z, best, y, z_mean, inverse, scale, sign = ctx.saved_tensors
        nets, _, channels = y.shape
        gradient = torch.ops.aten.threshold_backward(gradient, y, 0)
        d_beta = gradient.sum(1, keepdim=True)
        d_gamma = (best - z_mean).mul_(gradient).sum(1, keepdim=True) * inverse
        gradient.mul_(scale)
        pooled = (*z.shape[:2], -1)
        route(z.unbind(2), best.view(pooled), gradient.view(pooled))
        d_weight = torch.bmm(columns.view(nets, -1, columns.shape[-1]).mT, z.view(nets, -1, channels))
        d_weight -= scale * (mean.mT * d_beta + spread * (inverse * d_gamma))
        return None, None, d_weight * sign, torch.zeros_like(d_beta), d_gamma * sign, d_beta


class _ConvBlock(torch.autograd.Function):
    """Convolution, BatchNorm, ReLU and max-pool over the output of another block."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        nets, count, height, width, _ = images.shape
        sign = torch.copysign(torch.ones_like(gamma), gamma)
        weight = weight * sign
        columns = unroll(images.flatten(0, 1)).view(nets, -1, weight.shape[1])
        z = torch.bmm(columns, weight)
        z_mean, variance = centre(z)
        inverse = torch.rsqrt(variance + EPS)
        scale = gamma * sign * inverse
        best = largest(quarters(z.view(nets, count, height - 2, width - 2, -1))).view(nets, -1, z.shape[2])
        y = torch.addcmul(beta, best, scale).relu_()
        ctx.save_for_backward(columns, weight, z, best, y, inverse, scale, sign)
        ctx.input_shape = images.shape
        z_mean = sign * z_mean
        ctx.mark_non_differentiable(z_mean, variance)
        return y, z_mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        columns, weight, z, best, y, inverse, scale, sign = ctx.saved_tensors
        nets, count, height, width, channels = ctx.input_shape
        gradient = torch.ops.aten.threshold_backward(gradient, y, 0)
        d_beta = gradient.sum(1, keepdim=True)
        d_gamma = (best * gradient).sum(1, keepdim=True) * inverse
        d_z = torch.addcmul(d_beta, z, inverse * d_gamma).mul_(scale / -z.shape[1])
        gradient.mul_(scale)
        views = quarters(z.view(nets, count, height - 2, width - 2, -1))
        route(views, best.view_as(views[0]), gradient.view_as(views[0]))
        d_z += z
        d_weight = torch.bmm(columns.mT, d_z)
        # One product for each place in the window keeps the sums contiguous: five times as fast as one product for all.
        d_images = d_z.new_zeros(ctx.input_shape)
        for place, part in enumerate(weight.split(channels, dim=1)):
            i, j = divmod(place, KERNEL)
            shifted = d_images[:, :, i : i + height - 2, j : j + width - 2]
            shifted += torch.bmm(d_z, part.mT).view_as(shifted)
        return d_images, d_weight * sign, torch.zeros_like(d_beta), d_gamma * sign, d_beta


class _DenseBlock(torch.autograd.Function):
    """Fully connected layer, BatchNorm and ReLU."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        z = torch.bmm(x, weight)
        z_mean, variance = centre(z)
        inverse = torch.rsqrt(variance + EPS)
        scale = gamma * inverse
        y = torch.addcmul(beta, z, scale).relu_()
        ctx.save_for_backward(x, weight, z, y, inverse, scale)
        ctx.mark_non_differentiable(z_mean, variance)
        return y, z_mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        x, weight, z, y, inverse, scale = ctx.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradient, y, 0)
        d_beta = gradient.sum(1, keepdim=True)
        d_gamma = (z * gradient).sum(1, keepdim=True) * inverse
        d_z = torch.addcmul(d_beta, z, inverse * d_gamma).mul_(-1 / z.shape[1]).add_(gradient).mul_(scale)
        return torch.bmm(d_z, weight.mT), torch.bmm(x.mT, d_z), torch.zeros_like(d_beta), d_gamma, d_beta


def centre(z: Tensor) -> tuple[Tensor, Tensor]:
    """Subtract the mean over rows from z (nets, rows, C) in place; return mean and variance (nets, 1, C)."""
    mean = z.mean(1, keepdim=True)
    z.sub_(mean)
    return mean, (z * z).mean(1, keepdim=True)


class StackedLinear(nn.Module):
    """Many `nn.Linear` or `nn.Conv2d`: weight (nets, in, out), bias (nets, 1, out); `in` counts a window's values."""

    def __init__(self, layers: Sequence[Any]):
        super().__init__()
        weights = [layer.weight.detach() for layer in layers]
        # A convolution's (out, channel, height, width) becomes (height*width*channel, out), as `unroll` orders windows.
        self.weight = nn.Parameter(torch.stack([w.movedim(1, -1).flatten(1).T for w in weights]).contiguous())
        self.bias = nn.Parameter(stack([layer.bias for layer in layers]))

    def write_to(self, layer: Any, net: int) -> None:
        """Copy the weights of one network into an ordinary layer."""
        channels_last = layer.weight.movedim(1, -1)
        channels_last.copy_(self.weight[net].T.view(channels_last.shape))
        layer.bias.copy_(self.bias[net, 0])

    def forward(self, x: Tensor) -> Tensor:
        """(nets, rows, in) -> (nets, rows, out)."""
        return torch.baddbmm(self.bias, x, self.weight)


class StackedNorm(nn.Module):
    """Many BatchNorms: parameters and running statistics (nets, 1, C)."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, norms: Sequence[Any]):
        super().__init__()
        self.gamma = nn.Parameter(stack([norm.weight for norm in norms]))
        self.beta = nn.Parameter(stack([norm.bias for norm in norms]))
        self.register_buffer("running_mean", stack([norm.running_mean for norm in norms]))
        self.register_buffer("running_var", stack([norm.running_var for norm in norms]))

    def write_to(self, norm: Any, net: int) -> None:
        """Copy parameters and statistics of one network into an ordinary layer."""
        ordinary = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        for target, source in zip(ordinary, (self.gamma, self.beta, self.running_mean, self.running_var), strict=True):
            target.copy_(source[net, 0])

    def track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics towards a batch's; variance becomes the unbiased one, as in torch."""
        with torch.no_grad():
            self.running_mean.lerp_(mean, MOMENTUM)
            self.running_var.lerp_(variance * (count / (count - 1)), MOMENTUM)

    def forward(self, z: Tensor) -> Tensor:
        """Normalise z (nets, rows, C)."""
        if not self.training:
            scale = self.gamma * torch.rsqrt(self.running_var + EPS)
            return torch.addcmul(self.beta - self.running_mean * scale, z, scale)
        mean = z.mean(1, keepdim=True)
        centred = z - mean
        variance = (centred * centred).mean(1, keepdim=True)
        self.track(mean, variance, z.shape[1])
        return torch.addcmul(self.beta, centred, self.gamma * torch.rsqrt(variance + EPS))


class StackedBlock(nn.Module):
    """What convolutional and dense blocks share: a layer, its BatchNorm and where that stands."""

    def __init__(self, layers: Sequence[Any], blocks: Sequence[Any]):
        super().__init__()
        self.layer = StackedLinear(layers)
        self.norm = StackedNorm([block.norm for block in blocks])
        self.fused = blocks[0].batch_norm == "before"

    def activate(self, z: Tensor) -> Tensor:
        """BatchNorm and ReLU, or the other way round."""
        return F.relu(self.norm(z)) if self.fused else self.norm(F.relu(z))

    def apply_fused(self, function: type[torch.autograd.Function], *inputs: Tensor, count: int) -> Tensor:
        """Run a block's autograd function over `count` values a channel, and track its statistics."""
        y, mean, variance = function.apply(*inputs, self.layer.weight, self.layer.bias, self.norm.gamma, self.norm.beta)  # type: ignore[no-untyped-call]
        self.norm.track(mean + self.layer.bias, variance, count)
        return y


class StackedConvBlock(StackedBlock):
    """Many `ConvBlock`s."""

    def __init__(self, blocks: Sequence[ConvBlock]):
        super().__init__([block.conv for block in blocks], blocks)

    def write_to(self, block: ConvBlock, net: int) -> None:
        """Copy one network's block into an ordinary one."""
        self.layer.write_to(block.conv, net)
        self.norm.write_to(block.norm, net)

    def forward(self, x: Windows | Tensor) -> Tensor:
        """Windows, or images (nets, images, H, W, C), -> (nets, images, (H-2)/2, (W-2)/2, C')."""
        if isinstance(x, Windows):
            images, height, width = x.columns.shape[1], *x.columns.shape[3:5]
        else:
            images, height, width = x.shape[1], (x.shape[2] - 2) // 2, (x.shape[3] - 2) // 2
        if self.fused and self.training:
            function, inputs = (_FirstConvBlock, x) if isinstance(x, Windows) else (_ConvBlock, (x,))
            y = self.apply_fused(function, *inputs, count=images * 4 * height * width)
        else:
            columns = x.columns if isinstance(x, Windows) else self.unrolled(x)
            z = self.layer(columns.flatten(1, 4).expand(len(self.layer.weight), -1, -1))
            y = _MaxPool.apply(self.activate(z).unflatten(1, (images, 4, height * width)))  # type: ignore[no-untyped-call]
        return y.view(len(y), images, height, width, -1)

    @staticmethod
    def unrolled(images: Tensor) -> Tensor:
        """Unroll images in the order of `Windows.columns`."""
        columns = unroll(images.flatten(0, 1)).unflatten(0, images.shape[:2])
        return torch.stack(quarters(columns), dim=2)


class StackedDenseBlock(StackedBlock):
    """Many `DenseBlock`s."""

    def __init__(self, blocks: Sequence[DenseBlock]):
        super().__init__([block.linear for block in blocks], blocks)

    def write_to(self, block: DenseBlock, net: int) -> None:
        """Copy one network's block into an ordinary one."""
        self.layer.write_to(block.linear, net)
        self.norm.write_to(block.norm, net)

    def forward(self, x: Tensor) -> Tensor:
        """(nets, rows, in) -> (nets, rows, out)."""
        if self.fused and self.training:
            return self.apply_fused(_DenseBlock, x, count=x.shape[1])
        return self.activate(self.layer(x))


class StackedFlatten(nn.Module):
    """(nets, images, H, W, C) -> (nets, images, H*W*C)."""

    def __init__(self, layers: Sequence[Flatten]):
        super().__init__()

    def write_to(self, layer: Flatten, net: int) -> None:
        """There is nothing to copy."""

    def forward(self, images: Tensor) -> Tensor:
        """Apply the layer."""
        return images.flatten(2)


STACKED: dict[type[nn.Module], Any] = {
    ConvBlock: StackedConvBlock,
    DenseBlock: StackedDenseBlock,
    Flatten: StackedFlatten,
    nn.Linear: StackedLinear,
}


class Ensemble(nn.Module):
    """Networks of one model as one module; `net(i)` gives one back.

    Raises `TypeError` where a model uses a layer with parameters that is not in `STACKED`.
    """

    def __init__(self, nets: Sequence[PairNet]):
        super().__init__()
        self.size = len(nets)
        self.branches = nets[0].branches
        self.template = [nets[0]]  # in a list, so that its parameters are not the ensemble's
        self.stacked = deepcopy(nets[0])
        replace_layers(self.stacked, nets)

    def forward(self, pairs: Windows) -> Outputs:
        """Compare pairs: logits (nets, pairs, 2)."""
        return self.stacked.compare(self.stacked.trunk(pairs))

    def loss(self, outputs: Outputs, targets: Tensor, digits: Tensor) -> Tensor:
        """Each network's loss: (nets). The gradient of their sum is, for each network, that of its own."""
        return self.stacked.loss(outputs, targets, digits)

    @torch.no_grad()
    def net(self, i: int) -> PairNet:
        """Return network i as an ordinary module."""
        net = deepcopy(self.template[0])
        write_layers(self.stacked, net, i)
        return net


def replace_layers(target: nn.Module, sources: Sequence[nn.Module]) -> None:
    """Replace each layer below `target` by the stack of the same layers of `sources`."""
    for name, layer in sources[0].named_children():
        layers = [source.get_submodule(name) for source in sources]
        if type(layer) in STACKED:
            setattr(target, name, STACKED[type(layer)](layers))
        elif list(layer.parameters(recurse=False)):
            raise TypeError(f"an ensemble knows no layer {type(layer).__name__}; known: {[t.__name__ for t in STACKED]}")
        else:
            replace_layers(target.get_submodule(name), layers)


def write_layers(stacked: nn.Module, target: nn.Module, i: int) -> None:
    """Copy network i's layers, below `stacked`, into an ordinary module of the same structure."""
    for name, layer in target.named_children():
        source: Any = stacked.get_submodule(name)
        if type(layer) in STACKED:
            source.write_to(layer, i)
        else:
            write_layers(source, layer, i)


def stack(tensors: Sequence[Any]) -> Tensor:
    """Stack vectors (C) of many networks to (nets, 1, C)."""
    return torch.stack([tensor.detach() for tensor in tensors]).unsqueeze(1)
