"""Many networks of one model trained as one: every block of `layers.py` for a stack of networks.

No operation mixes networks, so each takes the steps that it would take alone. Rows are (nets, rows, features), images
(height, width, nets, images, channels). All convolutions are matrix products, on a CPU much faster than grouped
convolutions (benchmarks/README.md has the measurements behind each odd-looking line):

- the first one multiplies the windows of the images, unrolled once for a whole dataset;
- those over 6x6 images are computed by Winograd's minimal filtering F(4x4, 3x3), a quarter of the products (Lavin and
  Gray, 2016); the points 0, +-2/3, +-3/2 and infinity keep its rounding within three times that of a plain sum.

With BatchNorm *before* the activation, normalisation, ReLU and pooling are one autograd function, on exact identities:

- gamma * z is monotonous in z, so max-pool comes first and the affine map and the ReLU see a quarter of the elements; a
  negative gamma is folded into the weights;
- BatchNorm subtracts the mean, so a bias before it has no effect and a gradient of exactly zero;
- the batch statistics of the first convolution, and their gradient, follow from the moments of the windows, computed
  once for each image.
"""

import functools
from collections.abc import Sequence
from copy import deepcopy
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from digitpairs.networks.layers import ConvBlock, DenseBlock, Flatten, Outputs, PairNet, Separate, rows
from digitpairs.networks.products import matmul, product

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
        """Gather pairs by an index (nets, pairs): (pairs, branches, ...) -> (nets, pairs*branches, ...)."""
        return Windows(
            *(
                x.flatten(1).index_select(0, index.flatten()).view(len(index), -1, *x.shape[2:])
                for x in (self.columns, self.moments)
            )
        )


def unroll(images: Tensor) -> Tensor:
    """(H, W, ..., C) -> (H-2, W-2, ..., 9C): the 3x3 windows, each in the order height, width, channel."""
    windows = images.unfold(0, KERNEL, 1).unfold(1, KERNEL, 1)  # (H-2, W-2, ..., C, 3, 3), a view
    return windows.movedim(-3, -1).flatten(-3)


def prepare(pairs: Tensor, branches: int) -> Windows:
    """Unroll standardised pairs (pairs, 2, H, W) once: columns (pairs, branches, 4, h, w, K), h = (H-2)/2."""
    images = rows(pairs, branches).permute(2, 3, 0, 1)
    columns = torch.stack(quarters(unroll(images))).permute(3, 0, 1, 2, 4).contiguous()
    exact = columns.flatten(1, 3).double()
    moments = torch.cat([exact.sum(1), matmul(exact.mT, exact).flatten(1)], dim=1)
    return Windows(columns.unflatten(0, (-1, branches)), moments.unflatten(0, (-1, branches)))


def quarters(images: Tensor) -> list[Tensor]:
    """Four views (h, w, ...) of (2h, 2w, ...): the elements of each pooled pixel, in reading order."""
    split = images.unflatten(1, (-1, 2)).unflatten(0, (-1, 2))
    return [split[:, i, :, j] for i in range(2) for j in range(2)]


def largest(views: Sequence[Tensor]) -> Tensor:
    """Return the element-wise maximum of four views."""
    return torch.maximum(torch.maximum(views[0], views[1]), torch.maximum(views[2], views[3]))


def route(views: Sequence[Tensor], best: Tensor, gradient: Tensor) -> None:
    """Move the gradient into four views, to the elements that won the max-pool; all others become zero.

    The first of equal elements wins, as in `torch.max_pool2d`. Selecting by `threshold_backward` on the distance to
    the best costs a fifth of `torch.where`.
    """
    for position, view in enumerate(views):
        view.sub_(best)
        torch.ops.aten.threshold_backward.grad_input(gradient, view, -TINY, grad_input=view)
        if position < len(views) - 1:
            gradient.sub_(view)  # once an element has won, nothing is left for the later ones


@functools.cache
def winograd(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return the matrices of F(4x4, 3x3) for flattened images, kernels and results: 36x36, 36x9 and 16x36.

    A polynomial of degree 5 is known by its values at five points and its leading coefficient ("infinity"); the
    correlation with a kernel is the transpose of the product of polynomials (Lavin and Gray, 2016, section 4).
    """
    points = [Fraction(0), Fraction(2, 3), Fraction(-2, 3), Fraction(3, 2), Fraction(-3, 2)]

    def values(degree: int) -> Tensor:
        at_points = [[float(point) ** power for power in range(degree + 1)] for point in points]
        return torch.tensor([*at_points, [0.0] * degree + [1.0]], dtype=torch.float64)

    # The inverse of `values(5)`, transposed: polynomials that are 1 at one point, or at infinity, and 0 at the others.
    others = [[other for other in points if other != point] for point in points]
    inverse = [[*vanishing(rest, point), 0.0] for point, rest in zip(points, others, strict=True)]
    image = torch.tensor([*inverse, vanishing(points)], dtype=torch.float64)
    kernel, result = values(2), values(3).T
    size = torch.from_numpy(np.sqrt((image * image).sum(1, keepdim=True).numpy()))  # torch's is MKL's
    image, kernel = image / size, kernel * size
    image, kernel, result = (torch.kron(m, m).to(device, dtype) for m in (image, kernel, result))
    return image, kernel, result


def vanishing(points: Sequence[Fraction], one: Fraction | None = None) -> list[float]:
    """Return the coefficients, lowest first, of the polynomial that is 0 at the points, and 1 at `one` or monic."""
    zero, scale, coefficients = Fraction(0), Fraction(1), [Fraction(1)]
    for point in points:
        coefficients = [a - point * b for a, b in zip([zero, *coefficients], [*coefficients, zero], strict=True)]
        scale = scale if one is None else scale * (one - point)
    return [float(coefficient / scale) for coefficient in coefficients]


def transformed(matrix: Tensor, x: Tensor) -> Tensor:
    """Multiply x (nets, k, n), for each network alone, by a matrix (m, k): (m, nets, n)."""
    result = x.new_empty(len(matrix), len(x), x.shape[2])
    matmul(matrix, x, out=result.transpose(0, 1))
    return result


class _Winograd(torch.autograd.Function):
    """Convolution of 6x6 images (6, 6, nets, images, C) with weights (nets, 9C, C'): (4, 4, nets, images, C')."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor) -> Tensor:
        nets, count, channels = images.shape[2:]
        to_image, to_kernel, from_product = winograd(images.dtype, images.device)
        patches = matmul(to_image, images.reshape(36, nets, -1).transpose(0, 1)).view(nets, 36, count, channels)
        kernels = matmul(to_kernel, weight.view(nets, KERNEL * KERNEL, -1)).view(nets, 36, channels, -1)
        products = matmul(patches, kernels)
        ctx.save_for_backward(patches, kernels)
        return transformed(from_product, products.flatten(2)).view(4, 4, nets, count, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        patches, kernels = ctx.saved_tensors
        nets, _, count, channels = patches.shape
        to_image, to_kernel, from_product = winograd(gradient.dtype, gradient.device)
        d_products = matmul(from_product.T, gradient.reshape(16, nets, -1).transpose(0, 1)).view(nets, 36, count, -1)
        d_images = transformed(to_image.T, matmul(d_products, kernels.mT).flatten(2))
        d_weight = matmul(to_kernel.T, matmul(patches.mT, d_products).flatten(2))
        return d_images.view(6, 6, nets, count, channels), d_weight.view(nets, KERNEL * KERNEL * channels, -1)


def convolve(images: Windows | Tensor, weight: Tensor) -> Tensor:
    """Convolve windows or images (H, W, nets, images, C) with weights (nets, 9C, C'): (H-2, W-2, nets, images, C')."""
    if isinstance(images, Windows):
        quartered = product(images.columns.flatten(1, 4), weight).unflatten(1, images.columns.shape[1:5])
        rejoined: Tensor = quartered.unflatten(2, (2, 2)).permute(4, 2, 5, 3, 0, 1, 6).flatten(2, 3).flatten(0, 1)
        return rejoined
    height, width, _, count, _ = images.shape
    if (height, width) == (6, 6):
        result: Tensor = _Winograd.apply(images, weight)  # type: ignore[no-untyped-call]
        return result
    columns = unroll(images).permute(2, 0, 1, 3, 4).flatten(1, 3)
    z: Tensor = product(columns, weight).unflatten(1, (height - 2, width - 2, count))
    return z.permute(1, 2, 0, 3, 4)


def pooled(images: Windows | Tensor, weight: Tensor) -> Tensor:
    """Convolve and max-pool 2 without a gradient: (h, w, nets, images, C')."""
    if isinstance(images, Windows):
        z: Tensor = matmul(images.columns.flatten(1, 4), weight).unflatten(1, images.columns.shape[1:5])
        return z.flatten(3).amax(2).view(*z.shape[:2], *z.shape[3:]).permute(2, 3, 0, 1, 4).contiguous()
    return largest(quarters(convolve(images, weight)))


class _MaxPool(torch.autograd.Function):
    """Max-pool 2 of images (H, W, ...)."""

    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        best = largest(quarters(images))
        ctx.save_for_backward(images, best)
        return best

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        images, best = ctx.saved_tensors
        routed: Tensor = images.clone()
        route(quarters(routed), best, gradient.clone())
        return routed


class _FirstConvBlock(torch.autograd.Function):
    """Convolution, BatchNorm, ReLU and max-pool over the windows of images, which need no gradient."""

    @staticmethod
    def forward(
        ctx: Any, columns: Tensor, moments: Tensor, weight: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        nets, k, channels = weight.shape
        sign = signs(gamma)
        weight = weight * sign
        z = matmul(columns.view(nets, -1, k), weight)
        moments = moments.sum(1) / z.shape[1]
        mean = moments[:, None, :k]
        covariance = moments[:, k:].view(nets, k, k) - mean.mT * mean
        mean, covariance = mean.to(z.dtype), covariance.to(z.dtype)
        z_mean = matmul(mean, weight)
        spread = matmul(covariance, weight)
        variance = (weight * spread).sum(1, keepdim=True)
        inverse = torch.rsqrt(variance + EPS)
        scale = gamma * sign * inverse
        images, height, width = columns.shape[1], *columns.shape[3:5]
        z = z.view(nets, images, 4, -1)
        best = z.amax(2).view(nets, images, -1, channels)
        y = z.new_empty(height * width, nets, images, channels)
        torch.addcmul(beta - z_mean * scale, best.permute(2, 0, 1, 3), scale, out=y).relu_()
        ctx.save_for_backward(columns, mean, spread, z, best, y, z_mean, inverse, scale, sign)
        z_mean = sign * z_mean
        ctx.mark_non_differentiable(z_mean, variance)
        return y.view(height, width, nets, images, channels), z_mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        columns, mean, spread, z, best, y, z_mean, inverse, scale, sign = ctx.saved_tensors
        nets, images, _, channels = best.shape
        gradient = torch.ops.aten.threshold_backward(gradient.reshape(y.shape), y, 0)
        gradient = gradient.permute(1, 2, 0, 3).reshape(nets, -1, channels)
        d_beta = gradient.sum(1, keepdim=True)
        best = best.view(nets, -1, channels)
        d_gamma = (best - z_mean).mul_(gradient).sum(1, keepdim=True) * inverse
        gradient.mul_(scale)
        route(z.unbind(2), best.view(nets, images, -1), gradient.view(nets, images, -1))
        d_weight = matmul(columns.view(nets, -1, columns.shape[-1]).mT, z.view(nets, -1, channels))
        d_weight -= scale * (mean.mT * d_beta + spread * (inverse * d_gamma))
        return None, None, d_weight * sign, torch.zeros_like(d_beta), d_gamma * sign, d_beta


class _Norm(torch.autograd.Function):
    """BatchNorm with gamma >= 0, max-pool if `pool`, and ReLU: z (..., nets, rows, C) -> y, mean and variance of z."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor, pool: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        z, mean, variance = centre(z)
        inverse = torch.rsqrt(variance + EPS)
        scale = gamma * inverse
        best = largest(quarters(z)) if pool else z
        y = torch.addcmul(beta, best, scale).relu_()
        ctx.save_for_backward(z, best, y, inverse, scale)
        ctx.pool = pool
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        z, best, y, inverse, scale = ctx.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradient, y, 0)
        d_beta = total(gradient)
        d_gamma = total(best * gradient) * inverse
        d_z = torch.addcmul(d_beta, z, inverse * d_gamma).mul_(scale / -count(z))
        gradient = gradient * scale
        if ctx.pool:
            route(quarters(z), best, gradient)
        return d_z.add_(z if ctx.pool else gradient), torch.zeros_like(d_beta), d_gamma, d_beta, None


class _ReluNorm(torch.autograd.Function):
    """Bias, ReLU and BatchNorm of z (..., nets, rows, C): y, and mean and variance after the ReLU."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        active = (z + bias).relu_()
        centred, mean, variance = centre(active)
        inverse = torch.rsqrt(variance + EPS)
        ctx.save_for_backward(active, centred, inverse, gamma * inverse)
        ctx.mark_non_differentiable(mean, variance)
        return torch.addcmul(beta, centred, gamma * inverse), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        active, centred, inverse, scale = ctx.saved_tensors
        d_beta = total(gradient)
        d_gamma = total(centred * gradient) * inverse
        d_active = torch.addcmul(d_beta, centred, inverse * d_gamma).mul_(-1 / count(active)).add_(gradient).mul_(scale)
        d_z = torch.ops.aten.threshold_backward(d_active, active, 0)
        return d_z, total(d_z), d_gamma, d_beta


def total(z: Tensor) -> Tensor:
    """Sum z (..., nets, rows, C) for each network and channel: (nets, 1, C)."""
    rows = z.sum(-2, keepdim=True)
    return rows.flatten(0, -4).sum(0) if z.dim() > 3 else rows


def count(z: Tensor) -> int:
    """Count the values of z (..., nets, rows, C) for each network and channel."""
    return z.numel() // (z.shape[-3] * z.shape[-1])


def centre(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return z (..., nets, rows, C) less its mean, the mean and the variance, both (nets, 1, C)."""
    mean = total(z) / count(z)
    z = z - mean
    return z, mean, total(z * z) / count(z)


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
        return product(x, self.weight) + self.bias


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

    def track(self, mean: Tensor, variance: Tensor, size: int) -> None:
        """Move the running statistics towards a batch's; variance becomes the unbiased one, as in torch."""
        with torch.no_grad():
            # Not `lerp_`: it rounds by an element's place in the tensor, so by how many networks there are.
            self.running_mean.mul_(1 - MOMENTUM).add_(mean * MOMENTUM)
            self.running_var.mul_(1 - MOMENTUM).add_(variance * (MOMENTUM * size / (size - 1)))

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return scale and shift, both (nets, 1, C), by which the running statistics normalise."""
        scale = self.gamma * torch.rsqrt(self.running_var + EPS)
        return scale, self.beta - self.running_mean * scale


class StackedBlock(nn.Module):
    """Base of convolutional and dense blocks: a layer and its BatchNorm, before or after the activation."""

    def __init__(self, layers: Sequence[Any], blocks: Sequence[Any]):
        super().__init__()
        self.layer = StackedLinear(layers)
        self.norm = StackedNorm([block.norm for block in blocks])
        self.before = blocks[0].batch_norm == "before"

    def activate(self, z: Tensor) -> Tensor:
        """Add the bias to z (..., nets, rows, C) and apply BatchNorm and ReLU, or the other way round."""
        if self.training:
            y: Tensor
            y, mean, variance = _ReluNorm.apply(z, self.layer.bias, self.norm.gamma, self.norm.beta)  # type: ignore[no-untyped-call]
            self.norm.track(mean, variance, count(z))
            return y
        scale, shift = self.norm.affine()
        if self.before:
            return torch.addcmul(self.layer.bias * scale + shift, z, scale).relu_()
        return torch.addcmul(shift, F.relu(z + self.layer.bias), scale)

    def normed(self, z: Tensor, sign: Tensor, pool: bool) -> Tensor:
        """Apply BatchNorm, max-pool if `pool`, and ReLU to z, whose weights were multiplied by gamma's `sign`."""
        y: Tensor
        y, mean, variance = _Norm.apply(z, self.layer.bias, self.norm.gamma * sign, self.norm.beta, pool)  # type: ignore[no-untyped-call]
        self.norm.track(mean * sign + self.layer.bias, variance, count(z))
        return y


class StackedConvBlock(StackedBlock):
    """Many `ConvBlock`s."""

    def __init__(self, blocks: Sequence[ConvBlock]):
        super().__init__([block.conv for block in blocks], blocks)
        self.pool = blocks[0].pool

    def write_to(self, block: ConvBlock, net: int) -> None:
        """Copy one network's block into an ordinary one."""
        self.layer.write_to(block.conv, net)
        self.norm.write_to(block.norm, net)

    def forward(self, x: Windows | Tensor) -> Tensor:
        """Windows, or images (H, W, nets, images, C), -> (h, w, nets, images, C'), as `ConvBlock`."""
        weight, bias, gamma, beta = self.layer.weight, self.layer.bias, self.norm.gamma, self.norm.beta
        if not self.before:
            z = self.activate(convolve(x, weight))
            return _MaxPool.apply(z) if self.pool else z  # type: ignore[no-untyped-call]
        if not self.training:
            scale, shift = self.norm.affine()
            z = (pooled if self.pool else convolve)(x, weight * scale)
            return z.add_(bias * scale + shift).relu_()
        if isinstance(x, Windows) and self.pool:
            y: Tensor
            y, mean, variance = _FirstConvBlock.apply(*x, weight, bias, gamma, beta)  # type: ignore[no-untyped-call]
            self.norm.track(mean + bias, variance, 4 * count(y))
            return y
        sign = signs(gamma)
        return self.normed(convolve(x, weight * sign), sign, self.pool)


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
        if self.before and self.training:
            sign = signs(self.norm.gamma)
            return self.normed(product(x, self.layer.weight * sign), sign, pool=False)
        return self.activate(product(x, self.layer.weight))


def signs(gamma: Tensor) -> Tensor:
    """Return 1 or -1 for each gamma."""
    return torch.copysign(torch.ones_like(gamma), gamma.detach())


class StackedFlatten(nn.Module):
    """(H, W, nets, images, C) -> (nets, images, H*W*C)."""

    def __init__(self, layers: Sequence[Flatten]):
        super().__init__()

    def write_to(self, layer: Flatten, net: int) -> None:
        """There is nothing to copy."""

    def forward(self, images: Tensor) -> Tensor:
        """Apply the layer."""
        return images.permute(2, 3, 0, 1, 4).flatten(2)


class StackedSeparate(nn.Module):
    """Many `Separate`s: their trunks as a stack of twice as many networks, each with its branch of the pairs."""

    def __init__(self, layers: Sequence[Separate]):
        super().__init__()
        self.trunk = deepcopy(layers[0].first)
        replace_layers(self.trunk, [trunk for layer in layers for trunk in (layer.first, layer.second)])

    def write_to(self, layer: Separate, net: int) -> None:
        """Copy one network's trunks into ordinary ones."""
        write_layers(self.trunk, layer.first, 2 * net)
        write_layers(self.trunk, layer.second, 2 * net + 1)

    def forward(self, pairs: Windows) -> Tensor:
        """Windows of pairs' images (nets, pairs*2, ...) -> (nets, pairs*2, outputs)."""
        branches = Windows(*(x.unflatten(1, (-1, 2)).transpose(1, 2).flatten(0, 1).contiguous() for x in pairs))
        features: Tensor = self.trunk(branches).unflatten(0, (-1, 2)).transpose(1, 2).flatten(1, 2)
        return features


STACKED: dict[type[nn.Module], Any] = {
    ConvBlock: StackedConvBlock,
    DenseBlock: StackedDenseBlock,
    Flatten: StackedFlatten,
    nn.Linear: StackedLinear,
    Separate: StackedSeparate,
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
            raise TypeError(
                f"an ensemble knows no layer {type(layer).__name__}; known: {[t.__name__ for t in STACKED]}"
            )
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
