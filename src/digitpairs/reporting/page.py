"""A report as a list of blocks, and two ways to write it: Markdown for GitHub and one HTML file that loads nothing.

Text may hold `code` between backticks and nothing else: all of it is escaped, in both formats. The page's Content
Security Policy lets a browser run the page's own two scripts, told by their digests, and nothing else.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LONG = 40  # characters; a longer cell of a table wraps
COLUMNS = 4  # of a table that a phone has room for


@dataclass
class Heading:
    """A heading; level 1 is the title, level 2 begins a section, which the page's navigation lists."""

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
    """A figure, by name, with a caption and an alternative text."""

    name: str
    caption: str
    alt: str


@dataclass
class Chart:
    """An interactive chart: a Vega-Lite specification; in Markdown the pictures, if there are any."""

    name: str
    caption: str
    alt: str
    spec: Mapping[str, Any]
    pictures: Sequence[Picture] = ()


@dataclass
class Photos:
    """Small images: PNG, caption and alternative text of each; in Markdown the pictures, if there are any."""

    items: Sequence[tuple[bytes, str, str]]
    name: str = ""  # a class of its own in the page's style
    pictures: Sequence[Picture] = ()


@dataclass
class Numbers:
    """A few large numbers, each with its label and notes; in Markdown a table, under `header`."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]  # number, label, notes


@dataclass
class Links:
    """Links, on the page alone: text and address of each; without an address, text."""

    items: Sequence[tuple[str, str]]


@dataclass
class Code:
    """Commands."""

    text: str


@dataclass
class Fold:
    """Blocks that are shown on demand, under a summary."""

    summary: str
    blocks: "Sequence[Block]"


@dataclass
class Section:
    """Blocks in an element with an id, on the page alone."""

    name: str
    blocks: "Sequence[Block]"


Block = Heading | Paragraph | Bullets | Table | Picture | Chart | Photos | Numbers | Links | Code | Fold | Section


def _inline(text: str, plain: Callable[[str], str], code: Callable[[str], str]) -> str:
    """Apply `code` to the text between backticks and `plain` to the rest."""
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
            case Chart(pictures=pictures) | Photos(pictures=pictures) if pictures:
                parts.append(to_markdown(pictures, folder).rstrip())
            case Numbers(header, rows):
                parts.append(
                    to_markdown(
                        [Table(header, [[label, number, *notes] for number, label, *notes in rows])], folder
                    ).rstrip()
                )
            case Fold(summary, inner) if content := to_markdown(inner, folder).strip():
                parts.append(f"<details><summary>{_html_text(summary)}</summary>\n\n{content}\n\n</details>")
            case Code(content):
                parts.append(f"```\n{content}\n```")
    return "\n\n".join(filter(None, parts)) + "\n"


def to_html(
    blocks: Sequence[Block], figures: Mapping[str, bytes], runtime: str, links: Sequence[tuple[str, str]] = ()
) -> str:
    """Write the report as one HTML file that loads nothing.

    `figures` is {name: SVG}; `runtime` is JavaScript that defines `vegaEmbed`; `links` stand at the top.
    """
    title = next(block.text for block in blocks if isinstance(block, Heading))
    sections = [block for block in flat(blocks) if isinstance(block, Heading) and block.level == 2]
    # A script ends at the first `</script`, wherever that stands.
    scripts = [re.sub("</(?=script)", r"<\\/", script, flags=re.IGNORECASE) for script in (runtime, START)]
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    specs = {block.name: block.spec for block in flat(blocks) if isinstance(block, Chart)}
    return PAGE.format(
        title=html.escape(title.replace("`", "")),
        policy=" ".join(f"'sha256-{digest}'" for digest in digests),
        style=STYLE,
        heading=_html_text(title),
        links=_html([Links(links)], {}),
        contents="".join(f'<li><a href="#{_slug(block.text)}">{_html_text(block.text)}</a></li>' for block in sections),
        body=_html(blocks, figures),
        # Nothing in it can end the element or begin another: no `<` is left.
        specs=json.dumps(specs, separators=(",", ":"), sort_keys=True, allow_nan=False).replace("<", "\\u003c"),
        runtime=scripts[0],
        start=scripts[1],
    )


def flat(blocks: Iterable[Block]) -> Iterable[Block]:
    """Yield blocks and those inside them."""
    for block in blocks:
        yield block
        if isinstance(block, Fold | Section):
            yield from flat(block.blocks)


def _plain(value: str) -> str:
    """Escape text; a hyphen that leads a number is a minus, at which no line breaks."""
    return re.sub(r"(?<![^\s(])-(?=\d)", "\N{MINUS SIGN}", html.escape(value))


def _html_text(value: str) -> str:
    return _inline(value, _plain, lambda s: f"<code>{html.escape(s)}</code>")


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _html(blocks: Iterable[Block], figures: Mapping[str, bytes]) -> str:
    parts = []
    for block in blocks:
        match block:
            case Heading(1, _):
                pass  # the page's header
            case Heading(level, title):
                parts.append(f'<h{level} id="{_slug(title)}">{_html_text(title)}</h{level}>')
            case Paragraph(content):
                parts.append(f"<p>{_html_text(content)}</p>")
            case Bullets(items):
                parts.append(
                    "<ul>" + "".join(f"<li>{_html_text(item)}</li>" for item in items) + "</ul>" if items else ""
                )
            case Table(header, rows):
                parts.append(_html_table(header, rows))
            case Picture(name, caption, alt):
                source = "data:image/svg+xml;base64," + base64.b64encode(figures[name]).decode()
                parts.append(
                    f'<figure><div class="wide" tabindex="0"><img src="{source}" alt="{_plain(alt)}"></div>'
                    f"<figcaption>{_html_text(caption)}</figcaption></figure>"
                )
            case Chart(name, caption, alt):
                name = html.escape(name)
                parts.append(
                    f'<figure data-chart="{name}"><div class="inputs" id="inputs-{name}"></div>'
                    # Vega gives the element that it draws in a role and a label of its own.
                    f'<div class="picture" role="img" aria-label="{_plain(alt)}">'
                    f'<div class="chart" id="chart-{name}"></div></div>'
                    f"<figcaption>{_html_text(caption)}</figcaption></figure>"
                )
            case Photos(items, name):
                photos = "".join(map(_html_photo, items))
                parts.append(f'<ul class="photos {html.escape(name)}">{photos}</ul>' if items else "")
            case Numbers(_, rows):
                parts.append('<ul class="numbers">' + "".join(map(_html_number, rows)) + "</ul>" if rows else "")
            case Links(items):
                parts.append('<ul class="links">' + "".join(map(_html_link, items)) + "</ul>" if items else "")
            case Code(content):
                parts.append(f'<pre tabindex="0"><code>{html.escape(content)}</code></pre>')
            case Fold(summary, inner):
                parts.append(f"<details><summary>{_html_text(summary)}</summary>\n{_html(inner, figures)}\n</details>")
            case Section(name, inner):
                parts.append(f'<section id="{html.escape(name)}">\n{_html(inner, figures)}\n</section>')
    return "\n".join(filter(None, parts))


def _html_photo(item: tuple[bytes, str, str]) -> str:
    content, caption, alt = item
    source = "data:image/png;base64," + base64.b64encode(content).decode()
    return f'<li><img src="{source}" alt="{_plain(alt)}"><span>{_html_text(caption)}</span></li>'


def _html_number(row: Sequence[str]) -> str:
    number, label, *notes = row
    small = "".join(f"<small>{_html_text(note)}</small>" for note in notes if note)
    return f"<li><strong>{_html_text(number)}</strong><span>{_html_text(label)}</span>{small}</li>"


def _html_link(item: tuple[str, str]) -> str:
    text, address = item
    return (
        f'<li><a href="{html.escape(address)}">{_html_text(text)}</a></li>'
        if address
        else f"<li>{_html_text(text)}</li>"
    )


def _html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table; one too wide for a phone becomes cards there, with explicit roles, which that CSS would undo."""
    wraps = len(header) > COLUMNS or any(len(cell) > LONG for row in rows for cell in row)

    def role(name: str) -> str:
        return f' role="{name}"' if wraps else ""

    def long(value: str) -> str:
        return ' class="long"' if len(value) > LONG else ""

    def cell(label: str, value: str) -> str:
        text = _html_text(value)
        if wraps:  # but no line within an interval
            text = re.sub(r"\(([^ ()]+) to ([^ ()]+)\)", r"(\1&nbsp;to&nbsp;\2)", text)
        labelled = f' data-label="{html.escape(label.replace("`", ""))}"' if wraps else ""
        return f"<td{role('cell')}{long(value)}{labelled}>{text}</td>"

    def row(cells: Sequence[str]) -> str:
        rest = "".join(cell(label, value) for label, value in zip(header[1:], cells[1:], strict=True))
        first = f'<th scope="row"{role("rowheader")}{long(cells[0])}>{_html_text(cells[0])}</th>'
        return f"<tr{role('row')}>{first}{rest}</tr>"

    head = "".join(f'<th scope="col"{role("columnheader")}>{_html_text(name)}</th>' for name in header)
    body = "\n".join(map(row, rows))
    cards = ' class="cards"' if wraps else ""
    # A wide table scrolls by itself, by keyboard as well.
    return (
        f'<div class="wide" tabindex="0"><table{role("table")}{cards}>'
        f"<thead{role('rowgroup')}><tr{role('row')}>{head}</tr></thead>\n"
        f"<tbody{role('rowgroup')}>{body}</tbody></table></div>"
    )


STYLE = """\
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --line: #d8d8d8; --soft: #f4f4f4; --link: #0b57a4;
  scroll-padding-top: 3.5rem; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #161616; --line: #444; --soft: #242424; --link: #8ab8ff; }
  figure .wide > img { filter: invert(1) hue-rotate(180deg); mix-blend-mode: screen; }
}
body { margin: 0; color: var(--ink); background: var(--paper); font: 1rem/1.55 system-ui, sans-serif;
  overflow-wrap: break-word; }
.page { max-width: 60rem; margin: 0 auto; padding: 0 1rem 1rem; }
a { color: var(--link); }
a:focus-visible, select:focus-visible, summary:focus-visible, [tabindex]:focus-visible {
  outline: 3px solid var(--link); outline-offset: 2px; }
h1 { line-height: 1.2; }
h2 { margin-top: 3rem; line-height: 1.25; border-top: 1px solid var(--line); padding-top: 1rem; }
h3 { margin-top: 2rem; }
nav { position: sticky; top: 0; z-index: 1; background: var(--paper); border-bottom: 1px solid var(--line);
  font-size: .92rem; }
nav ul { position: relative; display: flex; gap: 0 1.1rem; overflow-x: auto; margin: 0; padding: 0 1rem;
  list-style: none; scrollbar-width: none; }
nav a { display: block; padding: .55rem 0; white-space: nowrap; text-decoration: none; }
nav a:hover, nav a[aria-current] { text-decoration: underline; text-underline-offset: .2em; }
nav a[aria-current] { font-weight: bold; color: var(--ink); }
@media (min-width: 1100px) {
  :root { scroll-padding-top: 0; }
  body { display: grid; grid-template-columns: 14rem minmax(0, 60rem); justify-content: center; column-gap: 2rem; }
  .page { margin: 0; width: 100%; box-sizing: border-box; }
  nav { border: 0; align-self: start; max-height: 100vh; display: flex; }
  nav ul { display: block; overflow: hidden auto; padding: 1.6rem 0 1.6rem 1rem; }
  nav a { white-space: normal; padding: .22rem 0; line-height: 1.35; }
}
.links { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; list-style: none; font-size: .95rem; }
.links a, .links li { overflow-wrap: anywhere; }
.numbers { display: grid; grid-template-columns: repeat(3, 1fr); gap: 1rem; padding: 0; margin: 1.2rem 0; clear: both;
  list-style: none; line-height: 1.35; }
.numbers strong { display: block; font-size: clamp(2.6rem, 9vw, 4.2rem); line-height: 1.05;
  font-variant-numeric: tabular-nums; }
.numbers span, .numbers small { display: block; }
.numbers small { font-size: .82rem; opacity: .85; }
.skip { position: absolute; left: -999rem; z-index: 2; }
.skip:focus { left: 1rem; background: var(--paper); padding: .5rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .92em; }
pre { padding: .8rem; overflow-x: auto; background: var(--soft); }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .95rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { border-bottom-width: 2px; vertical-align: bottom; }
tbody th { font-weight: normal; }
.long { min-width: 10rem; overflow-wrap: anywhere; }
details { margin: .6rem 0; }
summary { cursor: pointer; color: var(--link); padding: .2rem 0; }
details > :not(summary) { margin-left: 1rem; }
figure { margin: 1.5rem 0 2rem; }
figure .wide > img { display: block; max-width: 100%; height: auto; margin: auto; }
figcaption { margin-top: .4rem; font-size: .92rem; }
.chart { width: 100%; min-height: 5rem; color: var(--ink); }
.chart.vega-embed { display: block; padding: 0; }
.chart svg { display: block; overflow: visible; max-width: 100%; }
.chart g.mark-text { pointer-events: none; }
.inputs form { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin-bottom: .6rem; }
.inputs select { font: inherit; padding: .25rem .4rem; max-width: 100%; color: var(--ink); background: var(--soft);
  border: 1px solid var(--ink); border-radius: .25rem; }
#vg-tooltip-element.vg-tooltip.custom-theme { color: var(--ink); background: var(--paper); font: .85rem/1.4 inherit;
  border: 1px solid var(--line); box-shadow: 0 1px 6px #0006; padding: .5rem; max-width: min(24rem, 90vw); }
#vg-tooltip-element table tr td { white-space: normal; max-width: 16rem; overflow-wrap: anywhere; border: 0;
  padding: .1rem .4rem; color: var(--ink); }
#vg-tooltip-element table tr td.key { color: var(--ink); opacity: .8; white-space: nowrap; }
.photos { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 1rem; padding: 0;
  list-style: none; font-size: .9rem; line-height: 1.35; }
.photos img { display: block; width: 100%; image-rendering: pixelated; margin-bottom: .3rem; }
.pair { display: block; width: 11rem; margin: 0 auto; }
@media (min-width: 40rem) { .pair { float: right; margin: .3rem 0 1rem 2rem; } }
footer { margin-top: 3rem; border-top: 1px solid var(--line); font-size: .92rem; }
@media (max-width: 40rem) {
  .cards thead { position: absolute; left: -999rem; }
  .cards, .cards tbody, .cards tr, .cards th, .cards td { display: block; }
  .cards tr { border-bottom: 2px solid var(--line); padding: .5rem 0; }
  .cards th, .cards td { min-width: 0; border: 0; padding: .1rem 0; overflow-wrap: anywhere; }
  .cards tbody th { font-weight: bold; }
  .cards td::before { content: attr(data-label) ": "; opacity: .8; }
  .cards td:empty { display: none; }
  table:not(.cards) { font-size: .8rem; }
  table:not(.cards) :is(th, td) { padding: .3rem .35rem; }
  .photos { grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); }
  figure .wide:focus > img { max-width: none; width: 46rem; }
  figure .wide + figcaption::after { content: " Tap the figure to enlarge it."; }
}
@media print { nav, .skip { display: none; } body { display: block; } }
"""
# Charts are drawn one after the other, so that the first is there soon. The interpreter of expressions (`ast`) does
# without `eval`, which the page's policy forbids.
START = """\
(() => {
  const revision = document.querySelector("#provenance td");
  const link = document.querySelector('.links [href="#provenance"]');
  if (revision && link) link.textContent += " " + revision.textContent.slice(0, 10);
  const entries = new Map([...document.querySelectorAll("nav a")].map(entry => [entry.hash.slice(1), entry]));
  const headings = [...document.querySelectorAll("h2")], bar = document.querySelector("nav ul");
  let current;
  const mark = () => {
    const passed = headings.filter(heading => heading.getBoundingClientRect().top < innerHeight / 3);
    const entry = passed.length ? entries.get(passed[passed.length - 1].id) : undefined;
    if (entry === current) return;
    if (current) current.removeAttribute("aria-current");
    current = entry;
    if (!entry) return;
    entry.setAttribute("aria-current", "true");
    bar.scrollTo(entry.offsetLeft - bar.clientWidth / 3, entry.offsetTop - bar.clientHeight / 2);
  };
  addEventListener("scroll", mark, {passive: true});
  mark();
})();
(async () => {
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const tooltip = {theme: "custom"};
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const name = figure.dataset.chart, spec = specs[name], place = document.getElementById("chart-" + name);
    const panels = spec.usermeta && spec.usermeta.panels;
    if (panels) spec.spec.width = Math.min(340, Math.floor((place.clientWidth - 90) / panels));
    const bind = document.getElementById("inputs-" + name);
    try {
      await vegaEmbed(place, spec, {actions: false, renderer: "svg", ast: true, bind, tooltip});
      figure.dataset.drawn = Math.round(performance.now());
    } catch (error) {
      console.error(error);
      place.textContent = "This chart could not be drawn.";
    }
    await new Promise(resolve => setTimeout(resolve));
  }
  document.documentElement.dataset.ready = "yes";
})();
"""
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
script-src {policy}; base-uri 'none'; form-action 'none'">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<nav aria-label="Contents"><ul>{contents}</ul></nav>
<div class="page">
<header>
<h1>{heading}</h1>
{links}
<noscript><p>A script draws the charts, which this browser does not run. The tables hold their numbers.</p></noscript>
</header>
<main id="content">
{body}
</main>
</div>
<script type="application/json" id="specs">{specs}</script>
<script>{runtime}</script>
<script>{start}</script>
</body>
</html>
"""
