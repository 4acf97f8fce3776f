"""Answers, loss and error of an ensemble's networks."""

from collections.abc import Iterator

import torch
from torch import Tensor

from digitpairs.networks.ensemble import Ensemble
from digitpairs.networks.layers import cross_entropy
from digitpairs.training.run import Dataset

CHUNK = 50  # pairs that each network reads at once: the activations stay in the cache


@torch.no_grad()
def predict(ensemble: Ensemble, data: Dataset) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield logits (nets, rows, 2) and targets (nets, rows) of some pairs at a time, in their order."""
    ensemble.eval()
    order = torch.arange(data.pairs, device=data.targets.device).expand(ensemble.size, -1)
    for windows, targets, _ in data.batches(order, CHUNK):
        yield ensemble(windows).logits, targets


def evaluate(ensemble: Ensemble, data: Dataset) -> tuple[Tensor, Tensor]:
    """Return each network's main loss (cross entropy) and error (share of wrong pairs), both (nets).

    Both are NaN for a network whose loss is not finite: it diverged.
    """
    loss = torch.zeros(ensemble.size, dtype=torch.float64, device=data.targets.device)
    wrong = torch.zeros_like(loss)
    for logits, targets in predict(ensemble, data):
        loss += cross_entropy(logits, targets) * targets.shape[1]
        wrong += (logits.argmax(-1) != targets).sum(-1)
    loss, error = loss / data.pairs, wrong / data.pairs
    diverged = ~torch.isfinite(loss)
    return loss.masked_fill(diverged, torch.nan), error.masked_fill(diverged, torch.nan)
