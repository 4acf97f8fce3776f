"""The network with two separate trunks, each taught which digit it reads by an auxiliary loss of its own."""

from digitpairs.layers import Separate, trunk
from digitpairs.models import siamese_aux

OPTIONS = ("batch_norm", "auxiliary_weight")


class Net(siamese_aux.Net):
    """As `twobranch`: only the loss differs."""

    def __init__(self, batch_norm: str, auxiliary_weight: float):
        super().__init__(batch_norm, auxiliary_weight)
        self.trunk = Separate(self.trunk, trunk(channels=1, outputs=10, batch_norm=batch_norm))
