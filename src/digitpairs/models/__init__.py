"""One module per model; its class `Net` is the model. Nothing here imports torch: the Snakefile asks for names only."""

import ast
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

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
    """Return the keys of params.yaml's `train` that the model's `Net` takes, from the `OPTIONS` in its module.

    Read without running the module, so that a model is rerun only for a parameter that it uses.
    """
    for node in ast.parse(path(name).read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="OPTIONS")], value=value):
                return list(ast.literal_eval(value))
    raise ValueError(f"{path(name)}: no line OPTIONS = (...) that names the keys of `train` which Net takes")


def load(name: str) -> "type[PairNet]":
    """Import a model's module and return its class."""
    net: type[PairNet] = importlib.import_module(f"{__name__}.{name}").Net
    return net
