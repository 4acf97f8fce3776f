"""The interface for users of the study's results: trained networks, ready to compare pairs."""

from pathlib import Path

from digitpairs import models
from digitpairs.errors import StudyError
from digitpairs.networks.layers import PairNet
from digitpairs.training.states import load


def load_models(path: str | Path) -> list[PairNet]:
    """Return every round's trained network, ready to compare pairs.

    `path` is a `rounds.safetensors` of the final rounds. A network takes standardised pairs (pairs, 2, 14, 14), as
    `digitpairs.data.pairs.load_pairs` returns them; `net(pairs).logits.argmax(-1)` is 1 where the first digit is at
    most the second.

    Raises `StudyError` for a damaged file and one that holds no networks.
    """
    tensors, about = load(Path(path))
    if about.get("model") not in models.names():
        raise StudyError(f"{path}: model = {about.get('model')!r}; allowed are {', '.join(models.names())}")
    nets = []
    for round_ in range(len(next(iter(tensors.values())))):
        net = models.load(about["model"])(**about["options"])
        try:
            net.load_state_dict({name: tensor[round_] for name, tensor in tensors.items()})
        except RuntimeError as error:  # a state to continue from, or a model that was edited since
            raise StudyError(f"{path}: holds no networks of {about['model']} as its module defines it now") from error
        nets.append(net.eval())
    return nets


def load_model(path: str | Path, round: int) -> PairNet:
    """Return one round's trained network of `load_models`; `round` counts from 1.

    Raises `StudyError` as `load_models`, and for a round that the file does not hold.
    """
    nets = load_models(path)
    if not 1 <= round <= len(nets):
        raise StudyError(f"{path}: round = {round}; allowed are 1 to {len(nets)}")
    return nets[round - 1]
