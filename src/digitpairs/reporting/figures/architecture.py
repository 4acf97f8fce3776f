"""The architecture of a model (Figures 1 and 2), drawn from the layers that a forward pass runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from torch import Tensor
from torch.overrides import TorchFunctionMode

from digitpairs import models
from digitpairs.networks.layers import PairNet
from digitpairs.reporting.style import new_figure

READS = ()
CAPTION = "The network ``{model}``, drawn from its definition in code."
BRANCH_DISTANCE = 2.1
TIMES = "\N{MULTIPLICATION SIGN}"
FUNCTIONS_AFTER = {"batch_norm": "BatchNorm", "relu": "ReLU"}


@dataclass
class Layer:
    """One step of the forward pass."""

    name: str
    shape: tuple[int, ...]  # of its output: (channels, height, width) or (features,)
    branches: int  # rows that one pair has here
    parameters: int = 0
    after: list[str] = field(default_factory=list)  # BatchNorm and ReLU, in the order in which they are applied


class _Recorder(TorchFunctionMode):
    """Record the layers that run inside the context."""

    def __init__(self, image: Tensor):
        super().__init__()
        self.layers = [Layer("input", tuple(image.shape[1:]), branches=1)]

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a function of torch and record it if it is a layer."""
        result = function(*args, **(kwargs or {}))
        name = getattr(function, "__name__", "")
        if name in ("conv2d", "linear"):
            self._reshaped(args[0])
            kernel = args[1].shape[2:]
            label = f"conv {kernel[0]}{TIMES}{kernel[1]}" if name == "conv2d" else "fully\nconnected"
            self._add(label, result, parameters=sum(t.numel() for t in args[1:3] if t is not None))
        elif name == "max_pool2d":
            self._add(f"max-pool {args[1]}{TIMES}{args[1]}", result)
        elif name in FUNCTIONS_AFTER:
            self.layers[-1].after.append(FUNCTIONS_AFTER[name])
            if name == "batch_norm":
                self.layers[-1].parameters += sum(kwargs[key].numel() for key in ("weight", "bias"))
        return result

    def _add(self, name: str, result: Tensor, parameters: int = 0) -> None:
        self.layers.append(Layer(name, tuple(result.shape[1:]), len(result), parameters))

    def _reshaped(self, tensor: Tensor) -> None:
        """Record a reshape between the last layer's output and the next one's input."""
        before, shape = self.layers[-1], tuple(tensor.shape[1:])
        if before.name == "input":
            self.layers = [Layer("input", shape, len(tensor))]
        elif len(tensor) < before.branches:
            self._add("concatenate", tensor)
        elif shape != before.shape:
            self._add("flatten", tensor)


def draw(*, model: str, options: Mapping[str, Any]) -> Figure:
    """Draw a model; `options` are the arguments of its `Net`."""
    return diagram(trace(models.load(model)(**options)), model)


def trace(net: PairNet, shape: tuple[int, int, int] = (2, 14, 14)) -> list[Layer]:
    """Run a network on one pair of images of a shape (2, height, width) and return its layers in order."""
    pair = torch.zeros(1, *shape)
    recorder = _Recorder(pair)
    with torch.no_grad(), recorder:
        net.eval()(pair)
    return recorder.layers


def diagram(layers: Sequence[Layer], title: str) -> Figure:
    """Draw layers from left to right, a line for each branch: (C, H, W) as a box, (features,) as a bar.

    Sides of boxes are in proportion to pixels; depths and bars to the square root of channels and features.
    """
    branches = layers[0].branches
    half = BRANCH_DISTANCE * (branches - 1) / 2
    bottom, top = min(-half - 0.55, -1.3), half + 0.75
    figure = new_figure(0.95 * len(layers), 0.95 * (top - bottom) + 0.4)
    axes = figure.subplots()
    axes.set(xlim=(-0.5, len(layers) - 0.5), ylim=(bottom, top), aspect="equal")
    axes.set_axis_off()
    axes.set_title(f"{title}: {sum(layer.parameters for layer in layers):,} parameters, counted at each layer")
    text: dict[str, Any] = {"ha": "center", "fontsize": 9, "linespacing": 1.2}
    arrow = {"arrowstyle": "->", "color": "0.4", "shrinkA": 1, "shrinkB": 1}
    ends: list[tuple[float, float]] = []  # where the arrows of the layer before start
    for x, layer in enumerate(layers):
        centres = [BRANCH_DISTANCE * (branch - (layer.branches - 1) / 2) for branch in range(layer.branches)]
        for branch, y in enumerate(centres):
            left, right, top = _shape(axes, x, y, layer, layers)
            axes.text(x, top + 0.05, TIMES.join(map(str, layer.shape)), va="bottom", **text)
            for start in ends if len(ends) != len(centres) else ends[branch : branch + 1]:
                axes.annotate("", (left, y), start, arrowprops=arrow)
        ends = [(right, y) for y in centres]
        lines = [layer.name, *layer.after, *([f"{layer.parameters:,}"] if layer.parameters else [])]
        if layer.name == "input" and branches > 1:
            lines = [f"{branches} images,", "the same", "weights"]
        # What branches have in common stands between them, once.
        y, align = (0.0, "center") if layer.branches > 1 else (-0.58, "top")
        axes.text(x, y, "\n".join(lines), va=align, **text)
    return figure


def _shape(axes: Axes, x: float, y: float, layer: Layer, layers: Sequence[Layer]) -> tuple[float, float, float]:
    """Draw a layer's output around (x, y) and return its left, right and top."""
    similar = [other.shape for other in layers if len(other.shape) == len(layer.shape)]
    share = (layer.shape[0] / max(shape[0] for shape in similar)) ** 0.5
    if len(layer.shape) == 1:
        width, height, depth, colour = 0.12, 0.9 * share, 0.0, "#F3D9A4"
    else:
        largest = max(max(shape[1:]) for shape in similar)
        height, width = (0.6 * pixels / largest for pixels in layer.shape[1:])
        depth, colour = 0.26 * share, "#BFD7EA" if layer.parameters else "0.9"
    left, right, bottom, top = (
        x - (width + depth) / 2,
        x + (width + depth) / 2,
        y - (height + depth) / 2,
        y + (height + depth) / 2,
    )
    front = [(left, bottom), (left + width, bottom), (left + width, bottom + height), (left, bottom + height)]
    lid = [front[3], front[2], (right, top), (left + depth, top)]
    side = [front[1], front[2], (right, top), (right, bottom + depth)]
    for face in [lid, side, front] if depth else [front]:
        axes.add_patch(Polygon(face, facecolor=colour, edgecolor="0.25", linewidth=0.8, joinstyle="round"))
    return left, right, top
