"""Paths of the grid search's cells.

`snakemake.utils.Paramspace` does the same from a pandas table; importing pandas would take a second at each start.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

CELL = "{model}/batch_size~{batch_size}/learning_rate~{learning_rate}/epochs~{epochs}"


def cells(grid: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield model, batch_size, learning_rate and epochs of each cell of {model: {hyperparameter: values}}."""
    for model, values in grid.items():
        names = ("batch_size", "learning_rate", "epochs")
        for combination in product(*(values[name] for name in names)):
            yield {"model": model, **dict(zip(names, combination, strict=True))}
