"""The findings of the further parts, from their numbers in statistics.json, stated as `findings` does."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from digitpairs.analysis.claims import CANNOT_TELL
from digitpairs.analysis.findings import LOWER, SAME, Finding, Row, between, listed, missing, size, told
from digitpairs.analysis.inference import LEVEL

LARGE = 0.5  # share of the variance from which on a seed counts for most
COMPONENTS = {"dataset": "data sets", "initialisation": "initialisations", "order": "orders"}
PARAMETERS = {
    "learning_rate": "a learning rate of {:g}",
    "beta2": "a beta2 of {:g}",
    "epsilon": "an epsilon of {:g}",
    "decay": "a learning rate that falls over the last {:g} epochs",
}
LEFT_OUT = {
    "shift": "shifts",
    "distortion": "distortions",
    "dropout": "dropout",
    "label_smoothing": "label smoothing",
    "weight_decay": "weight decay",
    "one_cycle": "the one-cycle rate",
}


def state(statistics: Row) -> list[Finding]:
    """State the findings of the parts that there are, from the content of statistics.json."""
    fresh: Mapping[str, Row] = statistics.get("fresh", {})
    return [
        *(_fresh(model, row) for model, row in fresh.items()),
        *_least_error(statistics.get("least_error", {}), statistics["errors"].get("resampled", {}) | fresh),
        *_variance(statistics.get("variance", {})),
        *_spikes(statistics.get("spikes", {})),
        *_other_data(statistics.get("other_data", {})),
    ]


def _fresh(model: str, row: Row) -> Finding:
    own, anew, spike = row, row["paired_anew"], row["spike"]
    steady = anew if anew["interquartile_mean"]["n"] else own  # the measure of the claims
    middle = steady["interquartile_mean"]
    said = f"has no error to show: {missing(middle)}"
    if middle["n"]:
        said = f"misses {_in_100(middle)}, the interquartile mean beside a mean of {steady['estimate']:.4f}"
        if steady is anew:
            said += ", on test images that are paired anew several times"
            said += f"; on a round's own pairs alone {own['interquartile_mean']['estimate']:.4f}"
        if own["std"] is not None:
            said += f", with a deviation of {own['std']:.4f} over rounds"
    if spike["n"]:
        said += f"; {spike['spikes']} of {spike['n']} rounds end in a loss spike ({between(spike, '.3f')})"
    return _finding("fresh", f"In fresh rounds, `{model}` {said}.", middle, model=model)


def _least_error(parts: Mapping[str, Row], errors: Mapping[str, Row]) -> Iterator[Finding]:
    """State the recipe's error, what each of its parts gives, and how far below the study's best network it lies."""
    if not parts:
        return
    whole = parts["nothing"]["error"]
    if whole["low"] is None:
        said = f"The recipe for the least error cannot be judged: {missing(whole)}."
    else:
        said = f"One network trained by the recipe on as many pairs misses {_in_100(whole)} on new pairs, in the mean."
    yield _finding("least_error", said, whole, left_out="nothing")
    best: Row = min(({**row, "model": model} for model, row in errors.items()), key=_or_one, default={})
    if whole["estimate"] and best.get("estimate"):
        said = (
            f"Beside it, `{best['model']}`, the best of the study's own networks, misses {_in_100(best)}, in the mean "
        )
        said += "over new pairs."
        yield _finding("least_error", said, {}, left_out="all")
    if changes := {LEFT_OUT[part]: row["change"] for part, row in parts.items() if part != "nothing"}:
        sure = [name for name, row in changes.items() if row["low"] is not None and row["p_holm"] < 1 - LEVEL]
        said = "; ".join(f"{name} {_change(row)}" for name, row in changes.items())
        said = f"What the error changes by without a part of the recipe: {said}. Corrected for their number, "
        said += f"{listed(sure) if sure else 'none'} can be told from no change."
        yield _finding("least_error", said, {}, left_out="each")


def _change(row: Row) -> str:
    if row["low"] is None:
        return f"cannot be compared ({missing(row)})"
    return f"{row['estimate']:+.4f} ({between(row, '+.4f')}, n = {row['n']} rounds)"


def _or_one(row: Row) -> float:
    return 1.0 if row["estimate"] is None else float(row["estimate"])


def _variance(models: Mapping[str, Row]) -> Iterator[Finding]:
    """State where each model's variance comes from, and how much of it a seed decides on any data set."""
    seeds = {model: row["seed"] for model, row in models.items() if row["seed"]}
    for model, row in models.items():
        found = row["components"]
        if not found:
            yield _finding("variance", f"Where the variance of `{model}` comes from cannot be told.", {}, model=model)
            continue
        variances = {name: max(0.0, component["estimate"]) for name, component in found.items()}
        total = sum(variances.values()) or 1.0
        shares = {name: 100 * value / total for name, value in variances.items()}
        first, *main = [f"{shares[name]:.0f}% between {word}" for name, word in COMPONENTS.items()]
        rest = 100 - sum(shares[name] for name in COMPONENTS)
        said = f"The test error of `{model}` has a deviation of {total**0.5:.4f} over rounds; of its variance, "
        said += f"{listed([first.replace('%', '% lie'), *main])}; {rest:.0f}% belong to none of them alone."
        yield _finding("variance", said, {"shares": shares}, model=model)
    if seeds:
        parts = [f"{_share(row)} in `{model}`" for model, row in seeds.items()]
        said = "All that a seed decides on any data set, initialisation and order together, carries, of the variance, "
        said += f"{listed(parts)}, in rounds as these."
        yield _finding("variance", said, {}, model=None)
        found = [f"`{model}`" for model, row in seeds.items() if row["low"] > 0]
        minor = max(row["high"] for row in seeds.values()) < LARGE
        said = f"Some seeds are better than others for {listed(found)}" if found else "No seed is shown to be better"
        said += ", but the data set and chance carry most of the variance" if minor else ""
        said += ": one that does well on a data set need not on the next." if minor else "."
        yield _finding("variance", said, {}, model=None)


def _spikes(parameters: Mapping[str, Sequence[Row]]) -> Iterator[Finding]:
    """State how often rounds spike, at which values that differs, and what to set."""
    rows = [(name, row) for name, values in parameters.items() for row in values]
    own = next((row for _, row in rows if row["chosen"]), None)
    if own is None:
        return
    late, ended = own["late"], own["ended"]
    said = f"As the study trains, no round shows how often losses spike: {missing(own['error'])}."
    if late["n"]:
        said = f"As the study trains, {late['spikes']} of {late['n']} rounds have a loss spike at a measured epoch of "
        said += f"the second half of training ({between(late, '.2f')}), and {ended['spikes']} end in one "
        said += f"({between(ended, '.2f')})."
    yield _finding("spikes", said, late, value=None)
    others = [(PARAMETERS[name].format(row["value"]), row) for name, row in rows if not row["chosen"]]
    for words, row in others:
        found = row["late"]
        said = f"With {words}, {missing(row['error'])}."
        if found["n"]:
            said = f"With {words}, {found['spikes']} of {found['n']} do ({between(found, '.2f')}), and the test error "
            said += f"{_changes(row['change'])}."
        yield _finding("spikes", said, found, value=words)
    sure = [(words, row["late"]["estimate"] - late["estimate"]) for words, row in others if _is_told(row)]
    calmer = [words for words, change in sure if change < 0]
    wilder = [words for words, change in sure if change > 0]
    kept = {words: row["change"] for words, row in others if words in calmer and told(row["change"]) in (LOWER, SAME)}
    parts = [f"{listed(calmer)} {_makes(calmer)} spikes rarer"] if calmer else []
    parts += [f"{listed(wilder)} {_makes(wilder)} them more frequent"] if wilder else []
    said = f"{'; '.join(parts)}." if parts else "No value that was tried changes their frequency for certain."
    if kept:
        most = max(0.0, *(row["high"] for row in kept.values()))
        said += (
            f" With {listed([*kept])}, the error rises by {most:.4f} at most: set that where a spike would cost more."
        )
    yield _finding("spikes", said[0].upper() + said[1:], {}, value="advice")
    if kept:
        words, row = min((other for other in others if other[0] in kept), key=lambda it: it[1]["late"]["spikes"])
        few = row["late"]
        said = f"Against loss spikes, train with {words}: {few['spikes']} of {few['n']} rounds have a late one "
        said += f"instead of {late['spikes']}, and the error rises by {max(0.0, row['change']['high']):.4f} at most."
        yield _finding("advice", said, {}, about="spikes")


def _is_told(row: Row) -> bool:
    p = row["late_change"]["p_holm"]
    return p is not None and bool(p < 1 - LEVEL)


def _share(row: Row) -> str:
    return f"{100 * max(0.0, row['estimate']):.0f}% ({100 * row['low']:.0f} to {100 * min(1.0, row['high']):.0f}%)"


def _makes(words: Sequence[str]) -> str:
    return "makes" if len(words) == 1 else "make"


def _changes(row: Row) -> str:
    if row["low"] is None:
        return f"cannot be compared: {missing(row)}"
    if told(row) == CANNOT_TELL:
        return f"is not told apart ({between(row, '+.4f')})"
    if told(row) == SAME:
        return f"is the same within {max(abs(row['low']), abs(row['high'])):.4f}"
    return f"{'falls' if told(row) == LOWER else 'rises'} by {size(row)}"


def _other_data(rows: Mapping[str, Row]) -> Iterator[Finding]:
    """State errors and gains on other data, and how much data sets differ."""
    for name, row in rows.items():
        mean, between, within = (row[key] for key in ("mean", "between", "within"))
        gain = name in ("sharing", "auxiliary losses")
        numbers = {"n": row["sets"], "diverged": row["diverged"]} | mean
        what = f"the gain of {name}" if gain else f"the error of `{name}`"
        if mean["low"] is None:
            yield _finding(
                "other_data", f"On other sets of digits, {what} cannot be told: it takes two sets.", numbers, about=name
            )
            continue
        said = f"On {row['sets']} disjoint sets of MNIST's digits, {what} is {_with_ends(mean, gain)}"
        if between["low"] is not None:
            said += f"; sets differ by a deviation of {max(0.0, between['estimate']) ** 0.5:.4f}"
            said += f" ({between['low'] ** 0.5:.4f} to {between['high'] ** 0.5:.4f}), rounds on one set by "
            said += f"{within['estimate'] ** 0.5:.4f}"
        if count := row["without"]["spikes"]:
            ended = "1 round that ends" if count == 1 else f"{count} rounds that end"
            said += f"; without {ended} in a loss spike, it is {_with_ends(row['without'], gain)}"
        yield _finding("other_data", f"{said}.", numbers, about=name)


def _with_ends(row: Row, gain: bool) -> str:
    """Spell an error, or as a gain the change of one, with its interval."""
    if row["low"] is None:
        return "not known"
    value, *ends = (-row[key] if gain else row[key] for key in ("estimate", "low", "high"))
    return f"{value:.4f} ({min(ends):.4f} to {max(ends):.4f})"


def _in_100(row: Row) -> str:
    interval = "" if row["low"] is None else f" ({between(row)})"
    return f"{100 * row['estimate']:.1f} of 100 pairs: {row['estimate']:.4f}{interval}, n = {row['n']} rounds"


def _finding(kind: str, sentence: str, numbers: Row, **about: Any) -> Finding:
    known = {name: numbers[name] for name in ("estimate", "low", "high", "n", "diverged", "shares") if name in numbers}
    return {"kind": kind, "verdict": None, **about, **known, "sentence": sentence}
