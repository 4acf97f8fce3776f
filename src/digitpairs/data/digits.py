"""Single digits, as every source returns them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Digits(NamedTuple):
    """Single digits: images `n x 28 x 28` (grey values 0 to 255) and labels `n` (0 to 9), both uint8."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


class Pools(NamedTuple):
    """Digits to draw splits from: all from `train`, or test pairs from `test` where the source has one."""

    train: Digits
    test: Digits | None
