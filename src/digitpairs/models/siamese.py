"""The siamese network (section II.D.2, Figure 2): one trunk reads each image, a head compares its outputs."""

import torch.nn.functional as F
from torch import Tensor, nn

from digitpairs.networks.layers import DenseBlock, Outputs, PairNet, trunk

OPTIONS = ("batch_norm",)


class Net(PairNet):
    """67,112 parameters."""

    branches = 2

    def __init__(self, batch_norm: str):
        super().__init__()
        self.trunk = trunk(channels=1, outputs=10, batch_norm=batch_norm)
        self.head = nn.Sequential(DenseBlock(20, 90, batch_norm), nn.Linear(90, 2))

    def compare(self, features: Tensor) -> Outputs:
        """Give the head both images' ten outputs after a ReLU; the digits' logits are those before it."""
        digit_logits = features.unflatten(-2, (-1, self.branches))
        return Outputs(self.head(F.relu(digit_logits).flatten(-2)), digit_logits)
