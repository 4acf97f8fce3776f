"""Disjoint sets of a source's digits: other data of the same kind, where new pairs of one set use its digits again."""

import numpy as np

from digitpairs.data.digits import Digits, Pools
from digitpairs.errors import StudyError

SIZE = 5_000  # digits of a set, as many as the source `bundled` has
STREAM = 0x73657473  # keeps these random numbers apart from all others


def disjoint_set(pools: Pools, number: int) -> Pools:
    """Return one of the sets into which all digits of both pools are cut, in one random order for all studies.

    `number` counts from 1; MNIST's 70,000 digits make 14 sets. Raises `StudyError` where there is no such set.
    """
    images, labels = (
        np.concatenate(parts) for parts in zip(*(pool for pool in pools if pool is not None), strict=True)
    )
    most = len(labels) // SIZE
    if not 1 <= number <= most:
        raise StudyError(f"set {number} of {len(labels)} digits; allowed are 1 to {most}, each of {SIZE}")
    order = np.random.default_rng(STREAM).permutation(len(labels))[(number - 1) * SIZE : number * SIZE]
    return Pools(Digits(images[order], labels[order]), test=None)
