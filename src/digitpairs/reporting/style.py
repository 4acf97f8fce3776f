"""The style of the figures, and their rendering to bytes that depend on matplotlib's version alone.

Import this module before matplotlib: nothing else that a machine brings may reach a figure (backend, matplotlibrc,
fonts, locale).
"""

import contextlib
import io
import os
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DATA = Path(str(distribution("matplotlib").locate_file("matplotlib/mpl-data")))
os.environ.pop("MPLBACKEND", None)  # matplotlib refuses to be imported with a backend that it does not know
with contextlib.chdir(DATA):  # the first matplotlibrc that it looks for is the working folder's: here, its own
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.font_manager import fontManager
    from matplotlib.image import imsave
    from matplotlib.ticker import MaxNLocator

mpl.rcdefaults()  # where it was imported before
mpl.rcParams.update(
    {
        "font.size": 10,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": "0.9",
        "legend.frameon": False,
        "svg.hashsalt": "digitpairs",  # ids of SVG elements are random without it
    }
)
# The system's fonts may have the names of those that matplotlib brings.
fontManager.ttflist.clear()
fontManager.afmlist.clear()
for font in sorted(DATA.glob("fonts/ttf/*.ttf")):
    fontManager.addfont(font)

DPI = 160  # of a .png, and of an image in an .svg
UNSIGNED: dict[str, Any] = {"Software": None}  # the same bytes from every version of matplotlib


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, sized in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def note(text: str) -> Figure:
    """Return a figure that says why it shows nothing: a study whose rounds all diverged has its page, too."""
    figure = new_figure(9, 0.8)
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def render(figure: Figure, suffix: str) -> bytes:
    """Return the file content for `.svg` or `.png`: the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.dpi = DPI
    # Not by `savefig`, which draws twice: once for the layout, and `draw` finds it, too.
    if suffix == ".svg":
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})  # type: ignore[no-untyped-call]
    else:
        FigureCanvasAgg(figure).print_png(buffer, metadata=UNSIGNED)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def grey_png(pixels: NDArray[np.integer[Any]], white: int) -> bytes:
    """Return an image, shape (height, width), as PNG; 0 is black."""
    buffer = io.BytesIO()
    imsave(buffer, pixels, vmin=0, vmax=white, cmap="gray", format="png", metadata=UNSIGNED)
    return buffer.getvalue()


def whole_numbers() -> MaxNLocator:
    """Return a locator of ticks at whole numbers."""
    return MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
