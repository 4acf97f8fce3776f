"""A deeper siamese network with auxiliary losses (outlook of section V): a convolution for the second max-pool."""

from torch import nn

from digitpairs.models import siamese_aux
from digitpairs.networks.layers import ConvBlock, DenseBlock, Flatten

OPTIONS = ("batch_norm", "auxiliary_weight")


class Net(siamese_aux.Net):
    """The third convolution turns 4x4 images into 2x2 ones, as the max-pool does, so all that follows is the same."""

    def __init__(self, batch_norm: str, auxiliary_weight: float):
        super().__init__(batch_norm, auxiliary_weight)
        self.trunk = nn.Sequential(
            ConvBlock(1, 32, batch_norm),
            ConvBlock(32, 64, batch_norm, pool=False),
            ConvBlock(64, 64, batch_norm, pool=False),
            Flatten(),
            DenseBlock(256, 128, batch_norm),
            DenseBlock(128, 90, batch_norm),
            nn.Linear(90, 10),
        )
