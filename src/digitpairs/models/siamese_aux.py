"""The siamese network with auxiliary losses (section II.D.3): its trunk is also taught which digit it reads."""

from typing import cast

from torch import Tensor

from digitpairs.models import siamese
from digitpairs.networks.layers import Outputs, cross_entropy

OPTIONS = ("batch_norm", "auxiliary_weight")


class Net(siamese.Net):
    """67,112 parameters, as `siamese`: only the loss differs."""

    def __init__(self, batch_norm: str, auxiliary_weight: float):
        super().__init__(batch_norm)
        self.auxiliary_weight = auxiliary_weight

    def loss(self, outputs: Outputs, targets: Tensor, digits: Tensor) -> Tensor:
        """Main loss + auxiliary_weight * (the two branches' cross entropies against their digits)."""
        main = super().loss(outputs, targets, digits)
        # The mean over the rows of both branches, doubled, is the sum of the branches' means.
        auxiliary = 2 * cross_entropy(cast(Tensor, outputs.digit_logits).flatten(-3, -2), digits.flatten(-2))
        return main + self.auxiliary_weight * auxiliary
