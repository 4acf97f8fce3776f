"""The sections of the further parts: the sentences that findings.json has of each, a figure, and numbers on demand."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from digitpairs.reporting.page import Block, Bullets, Fold, Heading, Paragraph, Picture, Table

SECTIONS = {
    "fresh": ("Fresh rounds", "Rounds that were run after the regions of the claims had been fixed: those decide."),
    "least_error": (
        "The least error",
        "One network, trained on no further data: how small an error does a recipe reach? A siamese trunk is taught "
        "the digits alone. The recipe's values were chosen on other digits.",
    ),
    "variance": ("Is there a good seed?", "Data sets, initialisations and orders of the pairs, each with each."),
    "spikes": (
        "Loss spikes and Adam",
        "How often a round spikes, at one value of Adam at a time. docs/rounds.md tells of a first look at fewer.",
    ),
    "other_data": (
        "Other data",
        "Sets that share no digit, several rounds on each. One digit in 14 of MNIST's is one of the study's own.",
    ),
}


def compose(
    statistics: Mapping[str, Any], stated: Sequence[Mapping[str, Any]], pictures: Mapping[str, Picture]
) -> list[Block]:
    """Return a section for each part that the study has, and one line that names those which it leaves out."""
    blocks: list[Block] = []
    for part, (title, about) in SECTIONS.items():
        if statistics.get(part):
            rows = [finding for finding in stated if finding["kind"] == part]
            blocks += [Heading(2, title), Paragraph(about), Bullets([row["sentence"] for row in rows])]
            blocks += [picture for name, picture in pictures.items() if name == part]
            blocks += _numbers(rows)
    left_out = [f"`{part}`" for part in SECTIONS if not statistics.get(part)]
    if left_out:
        blocks += [Heading(2, "Further parts"), Paragraph(f"Not computed here: {', '.join(left_out)}.")]
    return blocks


def _numbers(rows: Iterable[Mapping[str, Any]]) -> list[Block]:
    """Tabulate the findings that have a number, with intervals and rounds."""
    known = [row for row in rows if row.get("low") is not None]
    header = ["What", "Estimate", "95% interval", "n"]
    cells = [[_what(row), f"{row['estimate']:.4f}", f"{row['low']:.4f} to {row['high']:.4f}", _n(row)] for row in known]
    return [Fold("The numbers", [Table(header, cells)])] if cells else []


def _what(row: Mapping[str, Any]) -> str:
    about = next((row[key] for key in ("model", "about", "value", "left_out") if row.get(key)), "as the study trains")
    return "the whole recipe" if about == "nothing" else f"{about}"


def _n(row: Mapping[str, Any]) -> str:
    return f"{row['n']}" if "n" in row else ""
