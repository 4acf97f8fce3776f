"""The siamese network with separate weights in its branches: a trunk for each image, not one for both."""

from digitpairs.models import siamese
from digitpairs.networks.layers import Separate, trunk

OPTIONS = ("batch_norm",)


class Net(siamese.Net):
    """Round by round, head and first trunk start where those of `siamese` do."""

    def __init__(self, batch_norm: str):
        super().__init__(batch_norm)
        self.trunk = Separate(self.trunk, trunk(channels=1, outputs=10, batch_norm=batch_norm))
