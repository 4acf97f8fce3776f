"""The task: pairs of the test set and their answers."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from digitpairs.reporting.style import new_figure

READS = ("pairs",)
CAPTION = "The task: is the first at most the second? Pairs of the test set, with their answers."
SHOWN = 6


def draw(*, pairs: Mapping[str, NDArray[Any]]) -> Figure:
    """Draw the first pairs of the test set, each with its answer."""
    images, digits = (pairs[f"test_{name}"][:SHOWN] for name in ("images", "digits"))
    figure = new_figure(9, 1.1)
    panels = figure.subfigures(1, len(images), wspace=0.08, squeeze=False)[0]
    for panel, pair, (first, second) in zip(panels, images, digits.tolist(), strict=True):
        for axes, image in zip(panel.subplots(1, 2), pair, strict=True):
            axes.imshow(image, cmap="gray", vmin=0, vmax=images.max(), interpolation="nearest")
            axes.set_axis_off()
        holds = first <= second
        sign, answer = ("\N{LESS-THAN OR EQUAL TO}", "yes") if holds else (">", "no")
        panel.supxlabel(f"{first} {sign} {second}: {answer}", color="#0072B2" if holds else "#D55E00", fontsize=11)
    return figure
