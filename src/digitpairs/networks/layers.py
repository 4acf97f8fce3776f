"""The blocks that the paper's networks are made of (section II.D), as ordinary `torch.nn` modules.

`ensemble.py` holds the same blocks for many networks at once; a test proves that both take the same training steps.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Outputs(NamedTuple):
    """Logits of the answers (..., pairs, 2) and, with two branches, of the digits (..., pairs, 2, 10)."""

    logits: Tensor
    digit_logits: Tensor | None = None


class ConvBlock(nn.Module):
    """3x3 convolution, BatchNorm, ReLU and, if `pool`, max-pool 2: (images, C, H, W) -> (images, C', h, w).

    h = (H-2)/2 with the pool and H-2 without; w likewise.
    """

    def __init__(self, in_channels: int, out_channels: int, batch_norm: str, pool: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3)
        self.norm = nn.BatchNorm2d(out_channels)
        self.batch_norm = batch_norm
        self.pool = pool

    def forward(self, images: Tensor) -> Tensor:
        """Apply the block."""
        z = self.conv(images)
        z = F.relu(self.norm(z)) if self.batch_norm == "before" else self.norm(F.relu(z))
        return F.max_pool2d(z, 2) if self.pool else z


class DenseBlock(nn.Module):
    """Fully connected layer, BatchNorm and ReLU: (rows, in_features) -> (rows, out_features)."""

    def __init__(self, in_features: int, out_features: int, batch_norm: str):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.norm = nn.BatchNorm1d(out_features)
        self.batch_norm = batch_norm

    def forward(self, rows: Tensor) -> Tensor:
        """Apply the block."""
        z = self.linear(rows)
        return F.relu(self.norm(z)) if self.batch_norm == "before" else self.norm(F.relu(z))


class Flatten(nn.Module):
    """(images, C, H, W) -> (images, H*W*C): channels last, the order in which an ensemble keeps its images."""

    def forward(self, images: Tensor) -> Tensor:
        """Apply the layer."""
        return images.movedim(1, -1).flatten(1)


class Separate(nn.Module):
    """A trunk for each of two branches: the first and second images of pairs (pairs*2, ...) -> (pairs*2, outputs)."""

    def __init__(self, first: nn.Module, second: nn.Module):
        super().__init__()
        self.first, self.second = first, second

    def forward(self, images: Tensor) -> Tensor:
        """Apply each trunk to its images; they stay in the order of the pairs."""
        first, second = images.unflatten(0, (-1, 2)).unbind(1)
        return torch.stack([self.first(first), self.second(second)], dim=1).flatten(0, 1)


def trunk(channels: int, outputs: int, batch_norm: str) -> nn.Sequential:
    """Build the LeNet-like stack of section II.D: (images, channels, 14, 14) -> (images, outputs)."""
    return nn.Sequential(
        ConvBlock(channels, 32, batch_norm),
        ConvBlock(32, 64, batch_norm),
        Flatten(),
        DenseBlock(256, 128, batch_norm),
        DenseBlock(128, 90, batch_norm),
        nn.Linear(90, outputs),
    )


class PairNet(nn.Module):
    """Base of all models: a classifier of pairs of images, 1 where the first digit is at most the second.

    A model sets `branches` and `trunk`, and defines `compare`. With two branches, a pair's images are two rows of the
    trunk's batch and share weights and BatchNorm statistics (unless the trunk is `Separate`). With one, they are two
    channels of one row. `compare` gets rows in the order of the pairs, below the leading dimensions of an ensemble.
    """

    branches: int
    trunk: nn.Module

    def compare(self, features: Tensor) -> Outputs:
        """Turn the trunk's features (..., pairs*branches, outputs) into outputs for each pair."""
        raise NotImplementedError

    def loss(self, outputs: Outputs, targets: Tensor, digits: Tensor) -> Tensor:
        """Cross entropy (section II.C), the mean over pairs: (...).

        `targets` is (..., pairs) of 0 and 1, `digits` (..., pairs, 2) of 0 to 9.
        """
        return cross_entropy(outputs.logits, targets)

    def forward(self, pairs: Tensor) -> Outputs:
        """Compare the standardised pairs (pairs, 2, 14, 14)."""
        return self.compare(self.trunk(rows(pairs, self.branches)))


def rows(pairs: Tensor, branches: int) -> Tensor:
    """Reshape pairs to the trunk's batch: (pairs, 2, H, W) -> (pairs*branches, 2/branches, H, W)."""
    return pairs.reshape(len(pairs) * branches, 2 // branches, *pairs.shape[2:])


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Cross entropy of logits (..., rows, classes) against classes (..., rows), the mean over rows: (...)."""
    losses = F.cross_entropy(logits.flatten(0, -2), classes.flatten(), reduction="none")
    return losses.view(classes.shape).mean(-1)
