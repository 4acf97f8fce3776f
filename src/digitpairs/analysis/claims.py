"""The paper's claims: its words, ours, and the region in which an effect must lie.

One rule for all of them. A comparison is reproduced where its 95 % interval lies in the region, not reproduced where it
lies outside, and cannot be told otherwise. A claim is reproduced where all of its comparisons are, not reproduced where
one is not, and cannot be told otherwise. More rounds shorten intervals, so they never lower the chance of the right
verdict. Regions were fixed before the fresh rounds that are judged by them were run: docs/rounds.md. Where a model of
the claim has none of those, or a claim names no arm of them, rounds decide that were seen when its region was fixed.

All claims are judged on new pairs in each round but for the grid's own: rounds on one dataset speak for that one alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, TypedDict

from digitpairs.analysis import measures
from digitpairs.analysis.inference import Estimate
from digitpairs.analysis.measures import Measure, Study
from digitpairs.paper import RESULTS

REPRODUCED, NOT_REPRODUCED, CANNOT_TELL = "reproduced", "not reproduced", "cannot tell"

# One pair in a hundred: 1.5 times the paper's deviations over rounds, a seventh of the gains that it reports.
SIMILAR = 0.01
Region = tuple[float | None, float | None]  # open intervals; None: without a bound
LOWER: Region = (None, 0)


@dataclass(frozen=True)
class Claim:
    """A conclusion of the paper: its words (`claim`), where they stand, and how they are restated (`ours`).

    `parts` are the regions, each with the measure whose effects must lie in it; `reason` says why those regions.
    `undecidable` says what of the paper's words no number of rounds can decide, and why. `unit` is that of the effects:
    "error", a fraction of pairs, "ratio", or "noise", the deviation of binomial noise. `arm` names the fresh rounds
    that decide it, where each of `models` that the study trains has some.
    """

    id: str
    claim: str
    where: str
    ours: str
    parts: Sequence[tuple[Region, Measure]]
    reason: str
    undecidable: str | None = None
    unit: str = "error"
    arm: str | None = None
    models: Sequence[str] = tuple(RESULTS)


class Comparison(TypedDict):
    """An effect, its estimate with its 95 % interval, from `n` rounds, the region for it, and the verdict."""

    effect: str
    estimate: float
    low: float
    high: float
    n: int
    diverged: int
    region: list[float | None]
    verdict: str


def judge(study: Study) -> list[dict[str, Any]]:
    """Compare each claim with the study's rounds and return the content of claims.json."""
    return [_judge(claim, study) for claim in CLAIMS]


def _judge(claim: Claim, study: Study) -> dict[str, Any]:
    compared = set(claim.models) & set().union(*study.final.values())
    arm = claim.arm or ""
    fresh = arm in study.fresh and compared <= set(study.fresh[arm])
    if not fresh:  # never some comparisons of a claim by rounds that were seen before, and some by others
        study = replace(study, fresh={})
    comparisons = [
        _compare(effect, measures.estimate(rounds), region)
        for region, measure in claim.parts
        for effect, rounds in measure(study).items()
    ]
    return {
        "id": claim.id,
        "claim": claim.claim,
        "where": claim.where,
        "ours": claim.ours,
        "reason": claim.reason,
        "undecidable": claim.undecidable,
        "unit": claim.unit,
        "fresh": fresh,
        "verdict": conclude([comparison["verdict"] for comparison in comparisons]),
        "comparisons": comparisons,
    }


def _compare(effect: str, found: Estimate, region: Region) -> Comparison:
    return Comparison(
        effect=effect,
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        n=found.n,
        diverged=found.diverged,
        region=list(region),
        verdict=verdict(found.low, found.high, region),
    )


def verdict(low: float, high: float, region: Region) -> str:
    """Return the verdict of an interval: inside the region, outside of it, or neither; NaN is neither."""
    bottom, top = (-inf if region[0] is None else region[0], inf if region[1] is None else region[1])
    if bottom < low and high < top:
        return REPRODUCED
    return NOT_REPRODUCED if high <= bottom or low >= top else CANNOT_TELL


def conclude(verdicts: Sequence[str]) -> str:
    """Return the verdict of several comparisons: all, one, else."""
    if NOT_REPRODUCED in verdicts:
        return NOT_REPRODUCED
    return REPRODUCED if verdicts and set(verdicts) == {REPRODUCED} else CANNOT_TELL


CLAIMS = (
    Claim(
        id="sharing",
        claim="We achieved significant improvement in the siamese architecture with weight sharing.",
        where="Section IV, Figures 3 and 4; Section V",
        ours="Sharing weights lowers the test error on new pairs, also against two branches with separate weights "
        "where they are trained, since the baseline has no branches.",
        parts=[(LOWER, measures.sharing)],
        reason="An improvement is a change below zero; the paper names no least one.",
        arm="resampled",
        models=("baseline", "twobranch", "siamese"),
    ),
    Claim(
        id="auxiliary-losses",
        claim="An additional performance boost was obtained with our final architecture with the use of auxiliary "
        "losses.",
        where="Section IV, Figures 3 and 4; Section V",
        ours="Auxiliary losses lower the test error of the network that shares weights, on new pairs.",
        parts=[(LOWER, measures.auxiliary_losses)],
        reason="A boost is a change below zero; the paper names no least one.",
        arm="resampled",
        models=("siamese", "siamese_aux"),
    ),
    Claim(
        id="equal-gains",
        claim="The relative improvement in the error rate from the first to the second and second to the third are "
        "very similar at about 0.7-0.8.",
        where="Section IV; Section V",
        ours="Both methods lower the test error by about 0.07 to 0.08, the difference of the errors that the paper "
        "reports, and by the same amount. As shares of the error that is there, the paper's own gains are not equal: "
        "40% and 68%.",
        parts=[
            ((-2 * SIMILAR, 2 * SIMILAR), measures.difference_of_gains),
            ((0.07 - SIMILAR, 0.08 + SIMILAR), measures.gains),
        ],
        reason="A gain is about as printed within 0.01, one pair in a hundred. Two gains are similar within 0.02: each "
        "is a difference of errors, hence twice as much.",
        arm="resampled",
    ),
    Claim(
        id="deviation",
        claim="While we test error rate ameliorate significantly also the standard deviations for all the rounds even "
        "gets better compared to the baseline case.",
        where="Section IV, Figure 4; Section V",
        ours="The scatter of the rounds beyond the binomial noise of their test pairs does not grow. Raw deviations on "
        "1,000 pairs are mostly that noise, which shrinks with the error. Loss spikes are a finding of their own.",
        parts=[((None, 0.4), measures.overdispersion)],
        reason="Noise alone puts rounds 0.8 of its deviations from their median: half of that more would be a scatter "
        "of 1.5 times. Fifteen rounds of each, as the paper's, show none below 1.7 times. Typical rounds are compared, "
        "as for all claims: a few that stray far, which deviations show, do not turn this.",
        unit="noise",
        arm="resampled",
    ),
    Claim(
        id="best-configurations",
        claim="According to our grid search results 50, 50, 0.1; 50, 100, 0.01; 50, 100, 0.01 were the best number of "
        "epochs, mini batch size and learning rate for respectively the baseline, siamese and siamese with auxiliary "
        "losses architectures.",
        where="Section III.A, Table I",
        ours="The paper's configurations do as well as those that our validation pairs choose, within 0.01.",
        parts=[((None, SIMILAR), measures.loss_at_the_papers_configuration)],
        reason="A loss of one pair in a hundred is what a choice may cost: less than one cell's rounds scatter.",
        undecidable="Which configuration is the best: cells tie, and of equals none is the best, whatever the number "
        "of rounds. The grid's rounds rank cells for their one dataset.",
    ),
    Claim(
        id="preferences",
        claim="For the both the iterations of siamese architectures lower learning rate and higher batch size were "
        "found to be better compared to the baseline best hyper-parameters.",
        where="Section III.A",
        ours="A lower learning rate, and larger batches at as many updates, improve the siamese networks more than the "
        "baseline. At as many epochs, larger batches also make fewer updates.",
        parts=[(LOWER, measures.lower_rate), (LOWER, measures.larger_batches)],
        reason="To prefer it more than the baseline does is a change below the baseline's own. As for all claims, one "
        "interval outside decides, without a correction for how many there are.",
    ),
    Claim(
        id="batch-norm",
        claim="We also explored its placement after the activation layers but the conventional positioning of batch "
        "normalization yielded better results and was therefore kept.",
        where="Section II.D.1",
        ours="After the activation, batch normalisation raises the baseline's error by 0.005 or more.",
        parts=[((SIMILAR / 2, None), measures.batch_norm_after)],
        reason="Ten rounds of each placement, with the deviation of 0.0066 that the paper reports, show no difference "
        "below 0.005. That errors on test images paired anew decide was settled when these rounds had been seen once, "
        "by their own pairs alone: docs/rounds.md.",
        arm="batch_norm",
        models=("baseline",),
    ),
    Claim(
        id="overfitting",
        claim="None of our model was showing great sign of overfitting and therefore we decided not to implement [L2 "
        "regularisation].",
        where="Section III.A",
        ours="The validation error does not rise in the last quarter of training, and no weight decay lowers the test "
        "error, by 0.01 or more either.",
        parts=[((None, SIMILAR), measures.late_rise), ((-SIMILAR, None), measures.weight_decay)],
        reason="A great sign is one pair in a hundred or more; less is not worth another hyperparameter.",
        undecidable="What the gap between training and test error says: where a network makes no errors on its "
        "training pairs, the gap is the test error, however many rounds are run.",
    ),
    Claim(
        id="parameters",
        claim="[The baseline has] just a slightly lower number of trainable parameters of the others two "
        "architectures.",
        where="Section IV",
        ours="The siamese networks have more parameters than the baseline, by at most a tenth.",
        parts=[((1, 1.1), measures.parameters)],
        reason="Slightly is up to a tenth. Parameters are counted, so that there is no interval.",
        unit="ratio",
    ),
    Claim(
        id="agreement",
        claim="Compared to the optimal values in the grid searches the final results were very similar.",
        where="Section IV",
        ours="The final rounds' error is not above the grid's at the same configuration and pairs by 0.01 or more.",
        parts=[((None, SIMILAR), measures.final_after_grid)],
        reason="A grid search can only look too good, so one side is of interest: by one pair in a hundred. Where "
        "fresh rounds decide, those of the grid's cell were not chosen by their errors, so that agreement is what the "
        "same code should give; what a choice flatters is a finding of its own.",
        undecidable="Whether the paper's final rounds agree with its grid: it does not print the errors of the grid.",
        arm="fixed",
    ),
)
