"""Pairs of digits, made as the course's prologue makes them (paper, I and II.A)."""

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitpairs.data.digits import Digits, Pools
from digitpairs.errors import StudyError

STREAM = 0x70616972  # keeps the seeds of pairs and of pairings apart from those of training


class Pairs(NamedTuple):
    """One split of `n` pairs, ready for training.

    images: float32 `n x 2 x 14 x 14`, standardised; digits: int64 `n x 2`; targets: int64 `n`, 1 where the first digit
    is less than or equal to the second, else 0.
    """

    images: NDArray[np.float32]
    digits: NDArray[np.int64]
    targets: NDArray[np.int64]


class Splits(NamedTuple):
    """The three splits of a dataset; no two share an image."""

    train: Pairs
    validation: Pairs
    test: Pairs


def make_pairs(pools: Pools, n_train: int, n_validation: int, n_test: int, seed: int) -> dict[str, NDArray[Any]]:
    """Draw pairs for the three splits from a random permutation of each pool, two images at a time, none used twice.

    The test pairs are drawn first and the training pairs last, so that asking for more training pairs keeps all others.

    Returns, for each split in train, validation and test:
    `{split}_images` uint16 `n x 2 x 14 x 14`: sums of 2 x 2 pixels, 0 to 1020; a quarter of it is the average,
    `{split}_digits` uint8 `n x 2`, `{split}_targets` uint8 `n`, `{split}_indices` int32 `n x 2`: positions in the pool.

    Raises `StudyError` for fewer pairs than one, for more than a pool holds, and for a negative seed.
    """
    sizes = {"test": n_test, "validation": n_validation, "train": n_train}
    if min(sizes.values()) < 1 or seed < 0:
        given = ", ".join(f"data.n_{split} = {n}" for split, n in sizes.items())
        raise StudyError(f"{given}, seed = {seed}; allowed are 1 or more pairs and a seed of 0 or more")
    rng = np.random.default_rng([seed, STREAM])
    if pools.test is None:
        return _draw(pools.train, sizes, rng)
    n_test = sizes.pop("test")
    return _draw(pools.train, sizes, rng) | _draw(pools.test, {"test": n_test}, rng)


def _draw(pool: Digits, sizes: dict[str, int], rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    total, most = sum(sizes.values()), len(pool.labels) // 2
    if total > most:
        keys = " + ".join(f"data.n_{split}" for split in sizes)
        raise StudyError(f"{keys} = {total}; allowed are at most {most} (the source has {len(pool.labels)} images)")
    drawn = rng.permutation(len(pool.labels))[: 2 * total].reshape(total, 2)
    arrays: dict[str, NDArray[Any]] = {}
    for split, indices in zip(sizes, np.split(drawn, np.cumsum(list(sizes.values()))[:-1]), strict=True):
        digits = pool.labels[indices]
        images = pool.images[indices].reshape(-1, 2, 14, 2, 14, 2).sum(axis=(3, 5), dtype=np.uint16)
        arrays |= {
            f"{split}_images": images,
            f"{split}_digits": digits,
            f"{split}_targets": (digits[:, 0] <= digits[:, 1]).astype(np.uint8),
            f"{split}_indices": indices.astype(np.int32),
        }
    return arrays


def pair_anew(pairs: Pairs, pairing: int) -> Pairs:
    """Return as many pairs of the same images, put together in another random order; `pairing` counts from 1."""
    count = len(pairs.targets)
    order = np.random.default_rng([pairing, STREAM]).permutation(2 * count)
    images = pairs.images.reshape(2 * count, 1, *pairs.images.shape[2:])[order].reshape(pairs.images.shape)
    digits = pairs.digits.reshape(-1)[order].reshape(-1, 2)
    return Pairs(images, digits, (digits[:, 0] <= digits[:, 1]).astype(np.int64))


def to_npz(arrays: dict[str, NDArray[Any]]) -> bytes:
    """Return the content of a compressed npz file; the same arrays give the same bytes."""
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def load_pairs(path: Path) -> Splits:
    """Read pairs and standardise the images by the training tensor's mean and standard deviation (paper, II.A).

    The deviation is the unbiased one, as torch's `std`, computed in float64.

    Raises `StudyError` for a file that is missing, damaged or holds no pairs.
    """
    try:
        with np.load(path) as arrays:
            images = {split: arrays[f"{split}_images"].astype(np.float64) for split in Splits._fields}
            mean, std = images["train"].mean(), images["train"].std(ddof=1)
            if std == 0:
                raise ValueError("all training images are alike")
            return Splits(
                *(
                    Pairs(
                        ((images[split] - mean) / std).astype(np.float32),
                        arrays[f"{split}_digits"].astype(np.int64),
                        arrays[f"{split}_targets"].astype(np.int64),
                    )
                    for split in Splits._fields
                )
            )
    except Exception as error:  # damaged bytes can raise nearly anything in zipfile, zlib and numpy
        reason = " ".join(str(error).split())
        raise StudyError(f"{path}: not a file of pairs as make_pairs.py writes it ({reason}); make it again") from error
