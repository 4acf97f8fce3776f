"""The report's section on the paper's claims: one table of verdicts, all effects, and each claim at length."""

from collections.abc import Mapping
from typing import Any

from digitpairs.analysis import claims, findings
from digitpairs.reporting import charts
from digitpairs.reporting.page import Block, Chart, Fold, Paragraph, Table
from digitpairs.reporting.study import P, Study, estimate_text

MARKS = {claims.REPRODUCED: "✓", claims.NOT_REPRODUCED: "✗", claims.CANNOT_TELL: "?"}
UNITS = {
    "error": "change of the test error (fraction of pairs)",
    "noise": "in deviations of binomial noise",
    "ratio": "ratio",
}


def judged(study: Study) -> list[Block]:
    """Tabulate the verdicts, draw all effects against their regions, and tell each claim at length, folded."""
    pairs = list(zip(findings.select(study.findings, "claim"), study.claims, strict=True))
    return [
        Paragraph(
            f"A claim is reproduced where the {P:g}% interval of each of its comparisons lies in its region, not "
            "reproduced where one lies outside, and cannot be told otherwise. Regions were fixed before the fresh "
            "rounds were run; rounds marked as seen were there before. The table has the comparison on which each "
            "verdict hangs."
        ),
        Table(
            ["Claim", "Effect", f"Estimate ({P:g}% interval)", "Region", "Verdict", "Rounds"],
            [_row(finding, claim) for finding, claim in pairs],
        ),
        *_forests(pairs),
        *(_at_length(finding, claim) for finding, claim in pairs),
    ]


def _title(finding: Mapping[str, Any], claim: Mapping[str, Any]) -> str:
    return f"{finding['number']}. {claim['id'].replace('-', ' ').capitalize()}"


def _verdict(of: Mapping[str, Any]) -> str:
    return f"{MARKS[of['verdict']]} {of['verdict']}"


def _numbers(comparison: Mapping[str, Any], unit: str) -> list[str]:
    """Return the estimate with its interval, and the region, as text."""
    if comparison["low"] == comparison["high"]:
        shown = "" if comparison["estimate"] is None else f"{comparison['estimate']:.2f}"
    else:
        shown = estimate_text(comparison, "+.4f" if unit == "error" else "+.2f")
    return [shown, findings.region(comparison["region"])]


def _row(finding: Mapping[str, Any], claim: Mapping[str, Any]) -> list[str]:
    comparison = next((c for c in claim["comparisons"] if c["effect"] == finding["effect"]), None)
    if comparison is None:
        return [_title(finding, claim), "not known", "", "", _verdict(finding), ""]
    more = len(claim["comparisons"]) - 1
    effect = comparison["effect"] + (f" (and {more} more)" if more else "")
    numbers = _numbers(comparison, claim["unit"])
    rounds = f"{comparison['n']}, {'fresh' if claim['fresh'] else 'seen'}" if comparison["n"] else "counted"
    return [_title(finding, claim), effect, *numbers, _verdict(finding), rounds]


def _forests(pairs: list[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> list[Block]:
    """Draw the effects of all claims, a chart for each unit."""
    blocks: list[Block] = []
    for unit, axis in UNITS.items():
        rows = [
            {"claim": _title(finding, claim), **comparison}
            for finding, claim in pairs
            for comparison in claim["comparisons"]
            if claim["unit"] == unit and comparison["low"] is not None
        ]
        if rows:
            caption = f"Effects of the claims against their regions (shaded), with {P:g}% intervals: {axis}."
            said = "; ".join(
                f"{row['effect']} {' in '.join(_numbers(row, unit))}: {row['verdict']}".replace("`", "") for row in rows
            )
            form = "+.4f" if unit == "error" else ".2f"
            spec = charts.forest(rows, axis[0].upper() + axis[1:], form)
            blocks.append(Chart(f"forest_{unit}", caption, f"{caption} {said}", spec))
    return blocks


def _at_length(finding: Mapping[str, Any], claim: Mapping[str, Any]) -> Fold:
    """Tell a claim: the paper's words, ours, the region's reason, what was found, and what would change it."""
    header = ["Comparison", f"Estimate ({P:g}% interval)", "Region", "Verdict", "n (rounds)"]
    rows = [[c["effect"], *_numbers(c, claim["unit"]), _verdict(c), str(c["n"] or "")] for c in claim["comparisons"]]
    return Fold(
        f"{_title(finding, claim)}: {_verdict(finding)}",
        [
            Paragraph(f"“{claim['claim']}” ({claim['where']})"),
            Paragraph(f"Restated: {claim['ours']}"),
            Paragraph(f"The region: {claim['reason']}"),
            Paragraph(f"Found: {finding['sentence']}"),
            Paragraph(f"What would change this: {finding['change']}"),
            Table(header, rows),
        ],
    )
