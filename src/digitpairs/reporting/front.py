"""The report's first screen: what the study found, in three numbers, a chart and advice for practice."""

from collections.abc import Mapping
from math import isnan, nan
from typing import Any

import numpy as np

from digitpairs import paper
from digitpairs.analysis import findings
from digitpairs.reporting import charts, style
from digitpairs.reporting.page import Block, Bullets, Chart, Fold, Heading, Numbers, Paragraph, Photos, Picture
from digitpairs.reporting.study import P, Study, number

MOST = 3  # large numbers
ROW = 6  # pairs in a row
KINDS = {  # of findings, in the order in which the register has them
    "method": "What each of the two methods does",
    "factors": "Sharing and auxiliary losses, apart and together",
    "error": "The error of each network",
    "prediction": "The paper's errors beside the next round expected here",
    "paper": "The error at the paper's own configurations",
    "spike": "Loss spikes",
    "pairs": "How many pairs of networks differ",
    "difference": "Each two networks compared",
    "factor": "Each effect of the two-factor design",
    "choice": "Choosing by test error or by validation error",
    "selection": "How stable each choice from the grid is",
    "parameter": "What each training parameter does",
    "ablation": "Each value of a training parameter",
    "law": "More training pairs",
}


def minute(study: Study) -> list[Block]:
    """Give the main errors as large numbers, each method's effect as a chart, the conclusion, and advice."""
    advice: list[Block] = [Bullets(said)] if (said := study.sentences("advice")) else []
    return [
        *_errors(study),
        *_effects(study),
        Paragraph(" ".join(study.sentences("conclusion") + study.sentences("tally"))),
        *([Heading(3, "Advice for practice"), *advice] if advice else []),
    ]


def _errors(study: Study) -> list[Block]:
    """Return the wrong answers of 100 pairs of the first few models, the paper's first, on new pairs if there are.

    Of rounds on new pairs, a model's fresh ones come first: they are the most.
    """
    by_protocol = {p: findings.select(study.findings, "error", protocol=p) for p in ("resampled", "fixed")}
    protocol = "resampled" if by_protocol["resampled"] else "fixed"
    fresh = findings.select(study.findings, "fresh") if protocol == "resampled" else []
    found = {f["model"]: f for f in (*by_protocol[protocol], *fresh) if not isnan(number(f["estimate"]))}
    order = [*paper.RESULTS, *study.models]
    errors = [*found.values()]
    errors.sort(key=lambda finding: order.index(finding["model"]))
    rows = []
    for finding in errors[:MOST]:
        model, result = finding["model"], study.published.get(finding["model"])
        interval = "" if finding["low"] is None else f"{100 * finding['low']:.1f} to {100 * finding['high']:.1f}"
        theirs = f"the paper: {_whole(result.test_error)}" if result else ""
        rows.append([_whole(finding["estimate"]), f"`{model}`", interval, theirs])
    if not rows:
        return []
    where = findings.WHERE[protocol]
    n = " or ".join(f"{n}" for n in sorted({finding["n"] for finding in errors[:MOST]}))
    lead = f"Of 100 pairs, so many get a wrong answer in a typical round ({where}; below, the {P:g}% interval of the "
    lead += f"interquartile mean from n = {n} rounds):"
    columns = 4 if any(row[-1] for row in rows) else 3
    header = ["Network", "Wrong answers of 100", f"{P:g}% interval", "The paper"]
    return [Paragraph(lead), Numbers(header[:columns], [row[:columns] for row in rows])]


def _whole(error: float) -> str:
    """Return an error as whole pairs of 100, of less than one with a decimal."""
    return f"{100 * error:.0f}" if error >= 0.01 else f"{100 * error:.1f}"


def _effects(study: Study) -> list[Block]:
    rows = [
        {"method": finding["method"], "source": source} | row
        for finding in findings.select(study.findings, "method")
        for pair in [(finding["first"], finding["second"])]
        for source, row in {**_differences(study, *pair), **_published(study, *pair)}.items()
        if not isnan(row["estimate"])
    ]
    if not rows:
        return []
    said = "; ".join(
        f"{row['method']}, {row['source']}: {row['estimate']:+.1f}"
        + ("" if isnan(row["low"]) else f" ({row['low']:+.1f} to {row['high']:+.1f})")
        for row in rows
    )
    n = " or ".join(f"{n}" for n in sorted({row["n"] for row in rows if row["source"] != charts.PAPER}))
    beside = f", beside the difference of the paper's means (n = {paper.ROUNDS}, no interval given)"
    caption = (
        f"How many more or fewer of 100 pairs get a wrong answer with each method: interquartile mean over n = {n} "
        f"rounds with its {P:g}% interval{beside if study.published else ''}."
    )
    return [Chart("effects", caption, f"{caption} {said}", charts.effects(rows))]


def _differences(study: Study, first: str, second: str) -> dict[str, dict[str, Any]]:
    """Return each protocol's paired change of wrong answers in 100 from one model to another."""
    return {
        row["protocol"]: {key: 100 * number(row[key]) for key in ("estimate", "low", "high")} | {"n": row["n"]}
        for row in findings.select(study.findings, "difference", first=first, second=second)
    }


def _published(study: Study, first: str, second: str) -> dict[str, dict[str, Any]]:
    results = study.published
    if not {first, second} <= results.keys():
        return {}
    change = 100 * (results[second].test_error - results[first].test_error)
    return {charts.PAPER: {"estimate": change, "low": nan, "high": nan, "n": paper.ROUNDS}}


def pair(study: Study, pictures: Mapping[str, Picture]) -> list[Block]:
    """Show one pair of the task with its answer, in Markdown the task's picture."""
    return [Photos(_pairs(study)[:1], "pair", [picture for name, picture in pictures.items() if name == "task"])]


def row_of_pairs(study: Study) -> list[Block]:
    """Show the task as a row of pairs, each with its answer."""
    return [Photos(_pairs(study))]


def _pairs(study: Study) -> list[tuple[bytes, str, str]]:
    """Return the first test pairs as images, each with its answer."""
    known = study.mistakes.drop_duplicates("pair").sort_values("pair").head(ROW)
    items = []
    for place, first, second in known[["pair", "first", "second"]].to_numpy():
        image = style.grey_png(np.hstack(list(study.images[int(place)])), study.images.max())
        answer = f"{first} \N{LESS-THAN OR EQUAL TO} {second}: yes" if first <= second else f"{first} > {second}: no"
        items.append((image, answer, f"{study.words.label.capitalize()} {first} beside {study.words.label} {second}"))
    return items


def register(study: Study) -> list[Block]:
    """List all findings in words, by kind; claims, advice and what the first screen says stand there."""
    elsewhere = ("claim", "advice", "conclusion", "tally")
    kinds = [kind for kind in dict.fromkeys([*KINDS, *(f["kind"] for f in study.findings)]) if kind not in elsewhere]
    folds = {kind: study.sentences(kind) for kind in kinds}
    return [
        Paragraph("Each finding is one sentence, and stands in `results/findings.json` with its numbers and verdict."),
        *(
            Fold(f"{KINDS.get(kind, kind.capitalize())} ({len(said)})", [Bullets(said)])
            for kind, said in folds.items()
            if said
        ),
    ]
