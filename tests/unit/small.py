"""A small study's params, for tests of what is planned."""

import shlex
from pathlib import Path
from typing import Any

import yaml

from digitpairs.params import Params
from digitpairs.plan import FURTHER

ROOT = Path(__file__).parents[2]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
GRID = {"epochs": [2, 4], "batch_size": [20], "learning_rate": [0.01, 0.1]}
RECIPE: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 20,
    "learning_rate": 0.01,
    "one_cycle": True,
    "weight_decay": 0.0,
    "dropout": 0.3,
    "label_smoothing": 0.05,
    "shift": 1.0,
    "distortion": 0.0,
}


def study(**changed: Any) -> Params:
    """Return a study with a grid of two models and nothing beyond the paper, but for what is changed."""
    small = {"grid": {"rounds": 2, "baseline": GRID, "siamese_aux": GRID}}
    beyond = dict.fromkeys(["ablations", "more_data", *FURTHER])
    return Params.model_validate(PARAMS | small | beyond | changed)


def options(text: str) -> dict[str, str]:
    """Read command-line options."""
    return dict(item.removeprefix("--").split("=", 1) for item in shlex.split(text))
