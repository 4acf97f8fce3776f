"""The findings: what the numbers of statistics.json and claims.json say, in one plain sentence each.

Whatever a reader opens renders these sentences and verdicts, and decides nothing itself. An effect is told, as lower or
higher, where its p, corrected for its family, is below 5 %. It is similar where its interval lies within one pair in a
hundred on either side of zero, and cannot be told otherwise.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, inf
from typing import Any

from digitpairs import paper
from digitpairs.analysis.choosing import NEAR
from digitpairs.analysis.claims import CANNOT_TELL, NOT_REPRODUCED, REPRODUCED, SIMILAR
from digitpairs.analysis.inference import LEAST, LEVEL

LOWER, HIGHER, SAME = "lower", "higher", "similar"
GUESSING = 0.4  # test error: always the same answer is wrong for 0.45 of the pairs
WHERE = {"fixed": "on one dataset", "resampled": "on new pairs in each round"}
# The paper's two methods, each the difference between two models (section II.D).
METHODS = {"Sharing weights": ("baseline", "siamese"), "Adding auxiliary losses": ("siamese", "siamese_aux")}
EFFECTS = {
    "sharing": "sharing weights",
    "auxiliary": "adding auxiliary losses",
    "interaction": "having both, beyond the sum of either",
}
VALUES = {"epochs": "number of epochs", "batch_size": "batch size", "learning_rate": "learning rate"}
SHOWN = 3  # comparisons named in one sentence
MANY = 100  # times as many rounds: no answer to wait for

Row = Mapping[str, Any]
Finding = dict[str, Any]


def state(statistics: Row, claims: Sequence[Row]) -> list[Finding]:
    """State the findings from the contents of statistics.json and claims.json, in which missing numbers are None.

    Each has `kind` and what tells it apart from others of its kind, `sentence`, `verdict`, and, of an effect,
    `direction`, `estimate`, `low`, `high`, `n`, `diverged` and `p_holm`. In a sentence, names of code stand between
    backticks. A claim has `change`, a sentence on what would change its verdict, and `effect`, the comparison that
    this is about. Of the kind "advice" are sentences for practice.
    """
    differences = [_turned(row) for row in statistics["differences"] if row["protocol"] in WHERE]
    effects = {protocol: by for protocol, by in statistics["two_factors"].items() if protocol in WHERE}
    return [
        *_methods(differences, [model for by in statistics["errors"].values() for model in by]),
        *(_factors(protocol, by) for protocol, by in effects.items()),
        *([_tally(claims), _conclusion(claims)] if claims else []),
        *(_claim(number, claim) for number, claim in enumerate(claims, start=1)),
        *_errors(statistics["errors"]),
        *_prediction(statistics["errors"].get("resampled", {})),
        *(_at_the_papers(model, row) for model, row in statistics["at_the_papers"].items()),
        *_pairs(differences),
        *_choices(statistics["optimism"]),
        *(_selection(model, entry) for model, entry in statistics["optimism"].items()),
        *_parameters(statistics["ablations"]),
        *_laws(statistics["more_data"]),
        *(
            _effect("difference", f"`{row['second']}` instead of `{row['first']}`, {WHERE[row['protocol']]},", row)
            for row in differences
        ),
        *(
            _effect("factor", f"{EFFECTS[name].capitalize()}, {WHERE[p]},", row | {"protocol": p, "effect": name})
            for p, by in effects.items()
            for name, row in by.items()
        ),
        *(_effect("ablation", _ablated(row), row) for row in statistics["ablations"]),
        *_advice(statistics, claims, differences, effects),
    ]


def select(findings: Iterable[Row], kind: str, **about: Any) -> list[Row]:
    """Return the findings of a kind about something, in their order."""
    return [f for f in findings if f["kind"] == kind and all(f.get(key) == value for key, value in about.items())]


def told(row: Row) -> str:
    """Return the verdict of an effect: lower, higher, similar or cannot tell."""
    low, high, p = row["low"], row["high"], row.get("p_holm", row.get("p"))
    if low is None:
        return CANNOT_TELL
    if p is not None and p < 1 - LEVEL:
        return LOWER if row["estimate"] < 0 else HIGHER
    return SAME if low > -SIMILAR and high < SIMILAR else CANNOT_TELL


def _effect(kind: str, subject: str, row: Row) -> Finding:
    """State the direction and size of a change of the test error, or that none is told."""
    return {
        **row,
        "kind": kind,
        "direction": _direction(row["estimate"]),
        "verdict": told(row),
        "sentence": f"{subject} {says(row)}.",
    }


def _direction(estimate: float | None) -> str | None:
    return LOWER if estimate and estimate < 0 else HIGHER if estimate else None


def says(row: Row, what: str = "the test error") -> str:
    """Say what an effect does to the test error, or that nothing is told."""
    verdict, n = told(row), f"n = {row['n']} rounds"
    if row["low"] is None:
        return f"cannot be judged: {missing(row)}"
    if verdict in (LOWER, HIGHER):
        verb = "lowers" if verdict == LOWER else "raises"
        return f"{verb} {what} by {size(row)}, {n}"
    if verdict == SAME:
        return f"changes {what} by less than {SIMILAR:g} ({between(row, '+.4f')}, {n})"
    corrected = "" if row["low"] <= 0 <= row["high"] else ", after correction for the number of comparisons"
    return f"makes no difference that these rounds can tell{corrected} ({between(row, '+.4f')}, {n})"


def size(row: Row) -> str:
    """Return the absolute value of a change with its interval, for a sentence that has the direction in words."""
    low, high = sorted((row["low"], row["high"]), key=abs)
    return f"{abs(row['estimate']):.4f} ({abs(low):.4f} to {abs(high):.4f})"


def between(row: Row, form: str = ".4f") -> str:
    """Return the bounds of an interval."""
    return f"{row['low']:{form}} to {row['high']:{form}}"


def missing(row: Row) -> str:
    """Say why there is no interval."""
    if row["n"] == 0:
        return f"all {row['diverged']} rounds diverged" if row.get("diverged") else "there are no such rounds"
    gone = f", {row['diverged']} diverged" if row.get("diverged") else ""
    return f"an interval takes {LEAST} rounds, and there are {row['n']}{gone}"


def _turned(row: Row) -> Row:
    """Turn a difference that the paper's methods make the other way round."""
    if (row["second"], row["first"]) not in METHODS.values() or row["estimate"] is None:
        return row
    turned = {"estimate": -row["estimate"], "mean": None if row["mean"] is None else -row["mean"]}
    if row["low"] is not None:
        turned |= {"low": -row["high"], "high": -row["low"]}
    return {**row, **turned, "first": row["second"], "second": row["first"]}


def _methods(differences: Iterable[Row], models: Sequence[str]) -> Iterable[Finding]:
    """State each method's effect, a clause for each protocol."""
    rows = list(differences)
    for method, (first, second) in METHODS.items():
        found = [row for row in rows if {row["first"], row["second"]} == {first, second}]
        ways = {told(row) for row in found}
        if not {first, second} <= set(models):
            verdict, words = CANNOT_TELL, f" cannot be judged: it takes rounds of `{first}` and `{second}`"
        elif ways == {LOWER}:
            verdict, words = LOWER, " helps"
        elif ways == {HIGHER}:
            verdict, words = HIGHER, " does harm"
        elif ways == {LOWER, HIGHER}:
            verdict, words = CANNOT_TELL, " helps under one protocol and does harm under the other"
        elif LOWER in ways or HIGHER in ways:
            way = "help" if LOWER in ways else "do harm"
            verdict, words = CANNOT_TELL, f" is shown to {way} under one protocol alone"
        else:
            verdict, words = CANNOT_TELL, " is not shown to help or to do harm"
        clauses = "; ".join(f"{WHERE[row['protocol']]} (`{row['protocol']}`) it {says(row)}" for row in found)
        path = f" (`{first}` to `{second}`): {clauses}" if clauses else ""
        yield {"kind": "method", "method": method, "first": first, "second": second, "verdict": verdict} | {
            "sentence": f"{method}{words}{path}."
        }


def _factors(protocol: str, by: Row) -> Finding:
    """State main effects and interaction of the 2 x 2 design, and which main effect is the larger."""
    said = [f"{EFFECTS[name]} {says(by[name], 'the mean test error')}" for name in ("sharing", "auxiliary")]
    row, way = by["interaction"], told(by["interaction"])
    if row["low"] is None:
        said.append("whether the two add up cannot be judged")
    else:
        sums = {HIGHER: "save fewer pairs together than apart", LOWER: "save more pairs together than apart"}
        words = sums.get(way, "add up, as far as these rounds can tell")
        said.append(f"the two {words} (interaction {row['estimate']:+.4f}, {between(row, '+.4f')})")
    sharing, auxiliary = by["sharing"], by["auxiliary"]
    if sharing["low"] is not None and auxiliary["low"] is not None:
        if auxiliary["high"] < sharing["low"]:
            said.append("auxiliary losses do more than sharing")
        elif sharing["high"] < auxiliary["low"]:
            said.append("sharing does more than auxiliary losses")
        else:
            said.append("neither does clearly more than the other")
    where = f"{WHERE[protocol].capitalize()} (`{protocol}`)"
    return {"kind": "factors", "protocol": protocol, "verdict": way, "sentence": f"{where}, {'; '.join(said)}."}


def _claim(number: int, claim: Row) -> Finding:
    """State the verdict on a claim and the comparisons behind it."""
    verdict = claim["verdict"]
    comparisons = claim["comparisons"]
    deciding = [c for c in comparisons if c["verdict"] == verdict]
    lead = {REPRODUCED: "Inside", NOT_REPRODUCED: "Outside of", CANNOT_TELL: "Across a bound of"}[verdict]
    by_region: dict[str, list[str]] = {}
    for comparison in deciding:
        if comparison["low"] is not None:
            by_region.setdefault(region(comparison["region"]), []).append(_compared(comparison, claim["unit"]))
    parts = [f"{lead} the region {bounds}: {_listed_some(which)}." for bounds, which in by_region.items()]
    unknown = [f"{c['effect']} ({missing(c)})" for c in comparisons if c["low"] is None]
    if unknown:
        parts.append(f"Not known: {_listed_some(unknown)}.")
    if claim["undecidable"]:
        parts.append(f"No number of rounds decides {claim['undecidable'][0].lower()}{claim['undecidable'][1:]}")
    return {
        "kind": "claim",
        "id": claim["id"],
        "number": number,
        "verdict": verdict,
        "fresh": claim["fresh"],
        "sentence": " ".join(parts),
        **_change(claim),
    }


def _compared(comparison: Row, unit: str) -> str:
    form = "+.4f" if unit == "error" else ".2f"
    interval = "" if comparison["low"] == comparison["high"] else f" ({between(comparison, form)})"
    return f"{comparison['effect']} {comparison['estimate']:{form}}{interval}"


def region(bounds: Sequence[float | None]) -> str:
    """Return a region in words."""
    low, high = bounds
    if low is None:
        return f"below {high:g}"
    return f"above {low:g}" if high is None else f"{low:g} to {high:g}"


def _tally(claims: Sequence[Row]) -> Finding:
    """Count the verdicts on the paper's claims."""
    words = {
        REPRODUCED: "reproduced",
        NOT_REPRODUCED: "not reproduced",
        CANNOT_TELL: "not to be told from these rounds",
    }
    parts = []
    for verdict, said in words.items():
        which = [str(number) for number, claim in enumerate(claims, start=1) if claim["verdict"] == verdict]
        if which:
            parts.append(f"{len(which)} {'is' if len(which) == 1 else 'are'} {said} ({', '.join(which)})")
    counts = {verdict: sum(claim["verdict"] == verdict for claim in claims) for verdict in words}
    sentence = f"Of the paper's {len(claims)} claims, {listed(parts)}."
    return {"kind": "tally", "verdict": None, "counts": counts, "sentence": sentence}


def _conclusion(claims: Sequence[Row]) -> Finding:
    """Conclude on the paper's main conclusion, its first two claims."""
    by_id = {claim["id"]: claim["verdict"] for claim in claims}
    both = {by_id.get("sharing", CANNOT_TELL), by_id.get("auxiliary-losses", CANNOT_TELL)}
    if both == {REPRODUCED}:
        verdict, said = REPRODUCED, "holds: both methods lower the error, on new pairs of the study's digits"
    elif NOT_REPRODUCED in both:
        verdict, said = NOT_REPRODUCED, "does not hold here as it stands"
    else:
        verdict, said = CANNOT_TELL, "that both methods lower the error, is not settled by these rounds"
    comma = "," if verdict == CANNOT_TELL else ""
    return {"kind": "conclusion", "verdict": verdict, "sentence": f"The paper's main conclusion{comma} {said}."}


def _errors(errors: Mapping[str, Mapping[str, Row]]) -> Iterable[Finding]:
    """State each model's error, and how often its training ends in a loss spike."""
    for protocol, by_model in errors.items():
        if protocol not in WHERE:
            continue
        where = WHERE[protocol].capitalize()
        for model, row in by_model.items():
            key = {"protocol": protocol, "model": model}
            middle, spike = row["interquartile_mean"], row["spike"]
            numbers = {name: middle[name] for name in ("estimate", "low", "high", "n", "diverged")}
            if middle["n"] == 0:
                said = f"has no error to show: {missing(middle)}"
            else:
                interval = f" ({between(middle)})" if middle["low"] is not None else ""
                lost = f", {middle['diverged']} diverged" if middle["diverged"] else ""
                said = f"misses {100 * middle['estimate']:.1f} of 100 pairs: {middle['estimate']:.4f}{interval}, the "
                said += f"interquartile mean of {middle['n']} rounds{lost}, beside a mean of {row['estimate']:.4f}"
                if not interval:
                    said += f"; {missing(middle)}"
                if middle["estimate"] >= GUESSING:
                    said += "; that is hardly better than guessing"
            verdict = CANNOT_TELL if middle["low"] is None else None
            numbers |= {"mean": row["estimate"], "std": row["std"]}
            yield {"kind": "error", "verdict": verdict, **key, **numbers, "sentence": f"{where}, `{model}` {said}."}
            numbers = {name: spike[name] for name in ("estimate", "low", "high", "n")}
            if spike["n"] == 0:
                said = "has no rounds to tell loss spikes from"
            else:
                said = f"ends in a loss spike in {spike['spikes']} of {spike['n']} rounds: a probability of "
                said += f"{spike['estimate']:.3f} ({between(spike, '.3f')})"
                if spike["spikes"] and spike["without"]["estimate"] is not None:
                    said += f"; without one, its mean error is {spike['without']['estimate']:.4f}"
            yield {"kind": "spike", "verdict": None, **key, **numbers, "sentence": f"{where}, `{model}` {said}."}


def _prediction(by_model: Mapping[str, Row]) -> Iterable[Finding]:
    """State for which models our rounds would have predicted the paper's mean."""
    known = {model: row for model, row in by_model.items() if row["paper_in_prediction"] is not None}
    parts = []
    for inside, word in ((True, "inside"), (False, "outside")):
        which = [
            f"`{model}` ({row['prediction_low']:.4f} to {row['prediction_high']:.4f})"
            for model, row in known.items()
            if row["paper_in_prediction"] is inside
        ]
        if which:
            parts.append(f"{word} it for {listed(which)}")
    if parts:
        yield {"kind": "prediction", "verdict": None} | {
            "sentence": f"The {100 * LEVEL:g}% range in which one more round on new pairs is expected has the paper's "
            f"mean {listed(parts)}. One round's range is wider than that of a mean, and its configuration is ours."
        }


def _at_the_papers(model: str, row: Row) -> Finding:
    """State our error at the paper's own configuration beside the paper's."""
    theirs = paper.RESULTS[model]
    ours = f"{row['estimate']:.4f}" if row["n"] else f"unknown ({missing(row)})"
    interval = (
        f" ({between(row)}, n = {row['n']} rounds, a mean of {row['mean']:.4f})" if row["low"] is not None else ""
    )
    return {"kind": "paper", "model": model, "verdict": None, **row} | {
        "sentence": f"At the paper's own configuration, the error of `{model}` is {ours}{interval} on our pairs, and "
        f"{theirs.test_error:.4f} ± {theirs.test_error_std:.4f} (n = {paper.ROUNDS}) on the paper's."
    }


def _pairs(differences: Iterable[Row]) -> Iterable[Finding]:
    """State how many pairs of models differ, and which cannot be told apart."""
    rows = list(differences)
    for protocol, where in WHERE.items():
        of_protocol = [row for row in rows if row["protocol"] == protocol]
        if of_protocol:
            apart = [row for row in of_protocol if told(row) in (LOWER, HIGHER)]
            close = [f"`{row['first']}` and `{row['second']}`" for row in of_protocol if row not in apart]
            said = f"{len(apart)} of {len(of_protocol)} pairs of networks differ"
            rest = f"; not told apart are {listed(close)}" if close else ""
            yield {"kind": "pairs", "protocol": protocol, "verdict": None} | {
                "sentence": f"{where.capitalize()}, {said}, corrected for their number{rest}."
            }


def _choices(optimism: Mapping[str, Row]) -> Iterable[Finding]:
    """Compare the test rule's choice with the validation rule's, in the grid and on new pairs."""
    if same := [f"`{model}`" for model, entry in optimism.items() if entry["same_configuration"]]:
        yield {"kind": "choice", "verdict": None, "sentence": f"Both rules choose the same cell for {listed(same)}."}
    for model, entry in optimism.items():
        if entry["same_configuration"]:
            continue
        change = entry["test_minus_validation"]
        grid, fresh = change["apparent"], change.get("fresh")
        lead = f"For `{model}`, choosing by test error instead of validation error"
        known = "" if grid["estimate"] is None else f" changes the test error in the grid by {grid['estimate']:+.4f};"
        if fresh is None:
            row, said = {}, "on new pairs it was not measured"
        else:
            row, said = fresh, f"on new pairs it {says(fresh)}"
        yield {
            **row,
            "kind": "choice",
            "model": model,
            "direction": _direction(row.get("estimate")),
            "verdict": told(row) if row else CANNOT_TELL,
            "sentence": f"{lead}{known} {said}.",
        }


def _selection(model: str, entry: Row) -> Finding:
    """State how stable the choice from the grid is, if it is bracketed, and how much it flatters."""
    stability, flattery = entry["stability"], entry["flattery"]
    if stability["frequency"] is None:
        again = f"The chosen cell of `{model}` has no rival: a round diverged in every cell"
    else:
        again = (
            f"The chosen cell of `{model}` is chosen again in {100 * stability['frequency']:.0f} of 100 grids of "
            f"rounds drawn anew, among {stability['cells']} cells, and {stability['tied']} lie within {NEAR:g} of the "
            "least error"
        )
    edges = [f"the {end} {VALUES[key]}" for key, end in entry["edges"].items()]
    bracket = (
        f"it has {listed(edges)} of those tried, which nothing brackets" if edges else "smaller and larger values "
    )
    bracket += "" if edges else "were tried on every side"
    if flattery["low"] is None:
        luck = f"how much the test error flatters its own choice cannot be judged: {missing(flattery)}"
    else:
        luck = f"the test error flatters its own choice by {flattery['estimate']:+.4f} ({between(flattery, '+.4f')}), "
        luck += "beside rivals that it flatters, too, so that this is a lower bound"
    numbers = {name: flattery[name] for name in ("estimate", "low", "high", "n", "diverged")}
    return {"kind": "selection", "model": model, "verdict": None, **numbers, "sentence": f"{again}; {bracket}; {luck}."}


def _ablated(row: Row) -> str:
    return f"`{row['parameter']}` {_value(row['value'])} instead of {_value(row['reference'])}, for `{row['model']}`,"


def _parameters(ablations: Sequence[Row]) -> Iterable[Finding]:
    """State what the other values of each training parameter change."""
    for parameter, reference in dict.fromkeys((row["parameter"], row["reference"]) for row in ablations):
        rows = [row for row in ablations if row["parameter"] == parameter]
        parts = []
        for way, verb in ((LOWER, "lowers"), (HIGHER, "raises")):
            parts += [
                f"{_value(row['value'])} {verb} the test error of `{row['model']}` by {size(row)}"
                for row in rows
                if told(row) == way
            ]
        same, open_ = (sum(told(row) == verdict for row in rows) for verdict in (SAME, CANNOT_TELL))
        if same:
            parts.append(f"{same} of {len(rows)} comparisons change it by less than {SIMILAR:g}")
        if open_:
            parts.append(f"{open_} of {len(rows)} cannot be told")
        yield {"kind": "parameter", "parameter": parameter, "verdict": None} | {
            "sentence": f"`{parameter}`, instead of {_value(reference)}: {'; '.join(parts)}."
        }


def _laws(laws: Mapping[str, Row]) -> Iterable[Finding]:
    """State how the error falls with the number of training pairs."""
    for model, law in laws.items():
        exponent = law["exponent"]
        if exponent["estimate"] is None:
            said = "no law could be fitted: it takes two sizes or more, and rounds with errors in each"
            verdict = CANNOT_TELL
        else:
            low, high = exponent["low"], exponent["high"]
            way = LOWER if low is not None and low > 0 else HIGHER if high is not None and high < 0 else CANNOT_TELL
            words = {LOWER: "falls", HIGHER: "rises", CANNOT_TELL: "neither falls nor rises for certain"}
            factors = "" if low is None else f" ({2**-high:.2f} to {2**-low:.2f})"
            said = f"the error {words[way]}; twice the pairs multiply it by {2 ** -exponent['estimate']:.2f}{factors}, "
            said += f"n = {exponent['n']} rounds, whose scatter alone it allows for"
            verdict = way
        numbers = {name: exponent[name] for name in ("estimate", "low", "high", "n", "diverged")}
        yield {"kind": "law", "model": model, "verdict": verdict, **numbers, "sentence": f"`{model}`: {said}."}


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else f"{value}"


def listed(items: Sequence[str]) -> str:
    """Join items as a sentence does."""
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))


def _listed_some(items: Sequence[str]) -> str:
    more = len(items) - SHOWN
    return "; ".join([*items[:SHOWN], f"and {more} more"] if more > 0 else items)


def _change(claim: Row) -> Finding:
    """State what would change a claim's verdict, and the comparison that is the first, or the last, to change.

    One interval outside of its region is enough, so of those inside the nearest to a bound decides, and of those
    outside the farthest.
    """
    known = [c for c in claim["comparisons"] if c["verdict"] == claim["verdict"] and c["low"] is not None]
    if not known:
        return {"effect": None, "change": f"Rounds that are not there decide it: {_absent(claim['comparisons'])}."}
    if claim["verdict"] == REPRODUCED:
        row = min(known, key=lambda c: min(_inside(c)))
        distance, bound = min(zip(_inside(row), row["region"], strict=True))
        if all(c["low"] == c["high"] for c in known):
            said = "Other networks alone would change it: what is counted is not estimated"
        else:
            said = f"An interval that leaves its region would change it; the nearest, of “{row['effect']}”, ends "
            said += f"{_length(distance, claim)} inside the bound {bound:g}"
    elif claim["verdict"] == NOT_REPRODUCED:
        row = max(known, key=lambda c: max(_outside(c)))
        distance, bound = max(zip(_outside(row), row["region"], strict=True))
        lead = "It would take an interval that reaches its region: that"
        if len(known) > 1:
            lead = f"It would take {len(known)} intervals that reach their regions; the farthest,"
        said = f"{lead} of “{row['effect']}”, ends {_length(distance, claim)} beyond the bound {bound:g}"
    else:
        row = max(known, key=lambda c: max(_rounds_needed(c)))
        rounds, bound = max(zip(_rounds_needed(row), row["region"], strict=True))
        inside = min(_inside({**row, "low": row["estimate"], "high": row["estimate"]})) > 0
        said = f"More rounds narrow the interval of “{row['effect']}”, which crosses the bound {bound:g}; about "
        said += (
            f"{rounds:,} instead of {row['n']} would put it {'inside' if inside else 'outside'}, if its estimate stays"
        )
        if rounds > MANY * row["n"]:
            said = f"More rounds hardly help: the estimate of “{row['effect']}” lies at the bound {bound:g}"
    absent = f". Rounds that are not there would help, too: {_absent(claim['comparisons'])}"
    if claim["verdict"] != CANNOT_TELL or not _absent(claim["comparisons"]):
        absent = ""
    return {"effect": row["effect"], "change": f"{said}{absent}."}


def _absent(comparisons: Iterable[Row]) -> str:
    absent = [f"{c['effect']} ({missing(c)})" for c in comparisons if c["low"] is None]
    return _listed_some(absent) if absent else ""


def _inside(row: Row) -> tuple[float, float]:
    """Return how far an interval lies inside the region's two bounds."""
    bottom, top = row["region"]
    return inf if bottom is None else row["low"] - bottom, inf if top is None else top - row["high"]


def _outside(row: Row) -> tuple[float, float]:
    """Return how far an interval lies outside of the region's two bounds; negative where it does not."""
    bottom, top = row["region"]
    return -inf if bottom is None else bottom - row["high"], -inf if top is None else row["low"] - top


def _rounds_needed(row: Row) -> tuple[int, int]:
    """Return how many rounds an interval takes to leave each bound, if its estimate and scatter stay."""
    counts = [0, 0]
    for place, bound in enumerate(row["region"]):
        if bound is not None and row["low"] <= bound <= row["high"]:
            side = row["high"] if bound > row["estimate"] else row["low"]
            distance = max(abs(bound - row["estimate"]), abs(side - row["estimate"]) / 1000)
            counts[place] = ceil(round(row["n"] * ((side - row["estimate"]) / distance) ** 2, 6))
    return counts[0], counts[1]


def _length(distance: float, claim: Row) -> str:
    return f"{distance:.4f}" if claim["unit"] == "error" else f"{distance:.2f}"


def _advice(statistics: Row, claims: Sequence[Row], differences: Iterable[Row], effects: Row) -> Iterable[Finding]:
    """Advise for practice, as far as verdicts carry it: what is not told gives no advice."""
    rows, verdicts = list(differences), {claim["id"]: claim["verdict"] for claim in claims}
    ways = {finding["method"]: finding["verdict"] for finding in _methods(rows, _models(statistics))}
    sharing, auxiliary = METHODS
    advice = {
        sharing: {
            LOWER: "Share the weights of two branches: {} fewer of 100 pairs are missed than by one network that sees "
            "both images",
            HIGHER: "Do not share the weights of the two branches: {} more of 100 pairs are missed with it",
        },
        auxiliary: {
            LOWER: "If each image has a label of its own, use it in auxiliary losses: {} fewer of 100 pairs are missed",
            HIGHER: "Do without auxiliary losses: {} more of 100 pairs are missed with them",
        },
    }
    for method, words in advice.items():
        if ways[method] in words:
            first, second = METHODS[method]
            row = next(r for r in reversed(rows) if (r["first"], r["second"]) == (first, second))
            said = words[ways[method]].format(_per_hundred(row["estimate"]))
            if method == sharing and ways[method] == LOWER:
                said += ", for few more parameters" if verdicts.get("parameters") == REPRODUCED else ""
                said += _than_without_sharing(claims)
            yield _advise(method, f"{said}.")
    if by := effects.get("resampled", effects.get("fixed")):
        one, other = by["sharing"], by["auxiliary"]
        if None not in (one["low"], other["low"]) and (told(one), told(other)) == (LOWER, LOWER):
            if other["high"] < one["low"]:
                yield _advise(
                    "factors", "If you can have one of the two alone, take auxiliary losses: they save more pairs."
                )
            elif one["high"] < other["low"]:
                yield _advise("factors", "If you can have one of the two alone, share weights: it saves more pairs.")
    yield from _advise_on_weight([row for row in statistics["ablations"] if row["parameter"] == "auxiliary_weight"])
    tied = [entry["stability"]["tied"] for entry in statistics["optimism"].values() if entry["stability"]["tied"]]
    if tied and min(tied) > 1:
        count = f"{min(tied)}" if min(tied) == max(tied) else f"{min(tied)} to {max(tied)}"
        said = f"Do not tune further than the noise: in each model's grid, {count} cells lie"
        yield _advise("tuning", f"{said} within {100 * NEAR:g} of 100 pairs of the best.")
    elif tied and max(tied) == 1:
        said = f"Search the grid: for no model does another cell come within {100 * NEAR:g} of 100 pairs of the best."
        yield _advise("tuning", said)


def _than_without_sharing(claims: Sequence[Row]) -> str:
    """Say what sharing gives to two branches, which the baseline has not, where that is known."""
    known = [
        comparison
        for claim in claims
        for comparison in claim["comparisons"]
        if comparison["effect"] == "`siamese` minus `twobranch`" and comparison["verdict"] == REPRODUCED
    ]
    return "".join(f", and {_per_hundred(row['estimate'])} fewer than by two that share none" for row in known)


def _advise(about: str, sentence: str) -> Finding:
    return {"kind": "advice", "about": about, "verdict": None, "sentence": sentence}


def _advise_on_weight(rows: Sequence[Row]) -> Iterable[Finding]:
    """Advise on the weight of auxiliary losses: the range around the study's own in which it does not matter."""
    better = [row for row in rows if told(row) == LOWER]
    if better:
        best = min(better, key=lambda row: row["estimate"])
        said = f"Tune the weight of auxiliary losses: {_value(best['value'])} instead of {_value(best['reference'])}"
        yield _advise(
            "weight", f"{said} lets `{best['model']}` miss {_per_hundred(best['estimate'])} fewer of 100 pairs."
        )
    elif rows:
        own = rows[0]["reference"]
        alike = {own, *(v for v in {r["value"] for r in rows} if all(told(r) == SAME for r in rows if r["value"] == v))}
        tried = sorted({own, *(row["value"] for row in rows)})
        low = high = tried.index(own)
        while low and tried[low - 1] in alike:
            low -= 1
        while high + 1 < len(tried) and tried[high + 1] in alike:
            high += 1
        if low < high:
            said = f"Do not tune the weight of auxiliary losses: from {tried[low]:g} to {tried[high]:g}"
            yield _advise("weight", f"{said} it changes the error by less than {100 * SIMILAR:g} of 100 pairs.")


def _models(statistics: Row) -> list[str]:
    return [model for by in statistics["errors"].values() for model in by]


def _per_hundred(change: float) -> str:
    """Return the size of a change in pairs of 100: whole ones, of less than one with a decimal."""
    pairs = 100 * abs(change)
    return f"{pairs:.0f}" if pairs >= 1 else f"{pairs:.1f}"
