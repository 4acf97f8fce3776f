"""Matrix products that give the same bits on any x86-64 processor with AVX2 and FMA.

On a CPU, numpy computes them by OpenBLAS with the kernels that `kernels.py` asks for: torch's own come from MKL, which
takes other kernels on processors of different makers. On a GPU, torch does. All of training multiplies here.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def matmul(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Multiply matrices (..., m, k) and (..., k, n) to (..., m, n), without a gradient; leading dimensions broadcast.

    `out` may be strided. BLAS multiplies each matrix of a stack by itself, so its neighbours change no bit of it.
    """
    if a.device.type != "cpu":
        return torch.matmul(a, b, out=out)
    if out is None:
        stack: tuple[int, ...] = a.shape[:-2]
        if stack != b.shape[:-2]:
            stack = np.broadcast_shapes(stack, b.shape[:-2])  # torch's own imports sympy: 0.7 seconds
        out = a.new_empty(*stack, a.shape[-2], b.shape[-1])  # torch aligns memory, numpy does not
    on_cpu(a.detach(), b.detach(), out)
    return out


def on_cpu(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Multiply on the tensors' own memory."""
    with np.errstate(all="ignore"):  # a network may diverge
        np.matmul(a.numpy(), b.numpy(), out=out.numpy())


class _Product(torch.autograd.Function):
    """Stacks of matrices (stack, m, k) and (stack, k, n)."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return matmul(a, b)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        for_a, for_b = ctx.needs_input_grad
        return matmul(gradient, b.mT) if for_a else None, matmul(a.mT, gradient) if for_b else None


def product(a: Tensor, b: Tensor) -> Tensor:
    """Multiply stacks of matrices (stack, m, k) and (stack, k, n) to (stack, m, n), with a gradient."""
    result: Tensor = _Product.apply(a, b)  # type: ignore[no-untyped-call]
    return result
