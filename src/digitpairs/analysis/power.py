"""The number of rounds that a verdict takes, worked out from rounds that are there, before fresh ones are run."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from digitpairs.analysis import claims, measures
from digitpairs.analysis.claims import CANNOT_TELL, NOT_REPRODUCED, REPRODUCED, Region
from digitpairs.analysis.inference import Estimate
from digitpairs.analysis.measures import Rounds, Study

CHANCE = 0.9
ROUNDS = (10, 15, 20, 30, 45, 60, 80, 100, 150, 200, 300, 500, 1000)  # tried
DRAWS = 400  # studies drawn for each: the deviation of a chance of 0.9 is 0.015


class Need(NamedTuple):
    """The rounds that a comparison needs for its verdict; None where `ROUNDS` are not enough or nothing is known."""

    claim: str
    effect: str
    now: Estimate
    region: Region
    likely: str  # the verdict, were the truth what it looks like now
    rounds: int | None


def needs(study: Study) -> Iterator[Need]:
    """Work out the rounds that each comparison of each claim needs."""
    for claim in claims.CLAIMS:
        for region, measure in claim.parts:
            for effect, rounds in measure(study).items():
                now = measures.estimate(rounds)
                yield Need(claim.id, effect, now, region, likely(now, region), rounds_needed(rounds, region))


def likely(now: Estimate, region: Region) -> str:
    """Return the verdict that ever more rounds would reach, were the truth the present estimate."""
    return claims.verdict(now.estimate, now.estimate, region)


def rounds_needed(rounds: Rounds, region: Region, seed: int = 0) -> int | None:
    """Return the least of `ROUNDS` at which the likely verdict has a chance of `CHANCE`; 0 for what is counted.

    Fresh rounds are drawn from those that are there, with replacement, as many of either set where rounds have no
    pairs. None where no number is enough, since the truth seems to lie at a bound, or where there are no rounds.
    """
    expected = likely(measures.estimate(rounds), region)
    if isinstance(rounds, float):
        return 0 if expected != CANNOT_TELL else None
    if expected == CANNOT_TELL:
        return None
    rng = np.random.default_rng(seed)
    for n in ROUNDS:
        hits = 0
        for _ in range(DRAWS):
            if isinstance(rounds, tuple):
                found = measures.estimate((rng.choice(rounds[0], n), rng.choice(rounds[1], n)))
            else:
                found = measures.estimate(rng.choice(rounds, n))
            hits += claims.verdict(found.low, found.high, region) == expected
        if hits >= CHANCE * DRAWS:
            return n
    return None


def of_claim(comparisons: list[Need]) -> int | None:
    """Return the rounds that a claim's verdict needs: all of its comparisons, or the first that contradicts it."""
    against = [need.rounds for need in comparisons if need.likely == NOT_REPRODUCED]
    if against:
        return min((n for n in against if n is not None), default=None)
    if any(need.rounds is None or need.likely != REPRODUCED for need in comparisons):
        return None
    return max(need.rounds for need in comparisons if need.rounds is not None)
