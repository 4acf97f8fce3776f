"""The network with two separate trunks, each taught which digit it reads by an auxiliary loss of its own."""

from digitpairs.models import siamese_aux, twobranch

OPTIONS = ("batch_norm", "auxiliary_weight")


class Net(siamese_aux.Net, twobranch.Net):
    """The loss of `siamese_aux` on the branches of `twobranch`."""
