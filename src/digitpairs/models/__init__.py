"""One module per model; its class `Net` is the model. Nothing here imports torch: the Snakefile asks for names only."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from digitpairs.literals import words

if TYPE_CHECKING:
    from digitpairs.networks.layers import PairNet

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of all models, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def path(name: str) -> Path:
    """Return the file that defines a model."""
    return FOLDER / f"{name}.py"


def options(name: str) -> list[str]:
    """Return the keys of params.yaml's `train` that the model's `Net` takes: `OPTIONS` in its module.

    Read without running the module, so that a model is rerun only for a parameter that it uses. Raises `ValueError`
    where the module has no such line.
    """
    return list(words(path(name), "OPTIONS"))


def load(name: str) -> "type[PairNet]":
    """Import a model's module and return its class."""
    net: type[PairNet] = importlib.import_module(f"{__name__}.{name}").Net
    return net
