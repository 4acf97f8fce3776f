"""The baseline ConvNet (section II.D.1, Figure 1): both images as two channels of one network."""

from torch import Tensor

from digitpairs.networks.layers import Outputs, PairNet, trunk

OPTIONS = ("batch_norm",)


class Net(PairNet):
    """64,420 parameters."""

    branches = 1

    def __init__(self, batch_norm: str):
        super().__init__()
        self.trunk = trunk(channels=2, outputs=2, batch_norm=batch_norm)

    def compare(self, features: Tensor) -> Outputs:
        """Take the trunk's two outputs for the answer."""
        return Outputs(features)
