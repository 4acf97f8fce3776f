"""How pages speak of the data: of MNIST as the paper does, of other data by their folder's name and as labels."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from digitpairs import paper


class Wording(NamedTuple):
    """Words for the data of a study; those of the paper alone have its numbers and statements beside them."""

    name: str
    of_the_paper: bool
    label: str  # what is compared, in the singular
    look: str  # what a network looks at
    question: str  # what it answers


def wording(data: Mapping[str, Any]) -> Wording:
    """Return the words for the section `data` of params.yaml."""
    if data["source"] in paper.SOURCES:
        question = "the first is at most the second"
        return Wording("MNIST", True, "digit", "two handwritten digits", question)
    folder = data["folder"]
    name = Path(os.path.abspath(folder)).name or folder  # noqa: PTH100 - a link keeps its own name
    name = name.replace("`", "'")  # a backtick would mark code
    return Wording(name, False, "label", "two images", "the label of the first is at most that of the second")
