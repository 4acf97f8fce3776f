"""The article: the workflow's results, typeset by Typst from the template `article.typ`.

Typst reads the results itself, from a temporary folder. Nothing else is there to be read: no file of the system, no
font but those that Typst brings, no package.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pandas as pd
import typst

from digitpairs import paper
from digitpairs.analysis import selection
from digitpairs.analysis.inference import LEVEL
from digitpairs.errors import StudyError
from digitpairs.params import Params
from digitpairs.reporting.parts import SECTIONS
from digitpairs.reporting.wording import wording

TEMPLATE = Path(__file__).with_name("article.typ")
PAGES = 8  # and one for each two of the further parts
DISPENSABLE = ("grid_", "learning_curves")  # beginnings of figures' names, in the order in which they make room


def typeset(
    results: Mapping[str, Any],
    grid: pd.DataFrame,
    params: Params,
    figures: Mapping[str, bytes],
    texts: Mapping[str, Mapping[str, str]],
    revision: str = "unknown",
) -> bytes:
    """Return the article as PDF, the same bytes for the same input.

    `revision` is the commit that it was made from, shown below the title. For comparisons without it, the PDF's
    keywords have the SHA-256 of the same article of an unknown revision.

    `results` is the content of statistics.json, claims.json, findings.json and selection.json, by stem. `figures`
    is {name: SVG}; those without a place in the template stand together in a section. `texts` has their `captions` by
    name, and `descriptions` of models that were added to the study. Beyond about `PAGES` pages, `DISPENSABLE` figures
    are left out.

    Raises `StudyError` where Typst refuses the input, such as a figure that is no SVG.
    """
    published = {model: result._asdict() for model, result in paper.published(params.data.source).items()}
    files = {
        **results,
        "params": _plain(params),
        "cells": selection.summarise_cells(grid)
        .astype(object)
        .where(lambda table: table.notna(), None)
        .to_dict("records"),
        "data": wording(params.data.model_dump())._asdict(),
        "texts": texts,
        "parts": {part: title for part, (title, _) in SECTIONS.items()},
        "paper": {"rounds": paper.ROUNDS, "results": published, "level": LEVEL},
    }
    shown = {name: f"{name}.svg" for name in figures}
    with TemporaryDirectory() as folder:
        root = Path(folder)
        main = root / TEMPLATE.name
        main.write_bytes(TEMPLATE.read_bytes())
        for name, image in figures.items():
            (root / shown[name]).write_bytes(image)
        for name, content in files.items():
            (root / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        most = PAGES + sum(bool(results["statistics"].get(part)) for part in SECTIONS) // 2
        for beginning in (*DISPENSABLE, None):
            (root / "figures.json").write_text(json.dumps(shown), encoding="utf-8")
            (root / "made.json").write_text(json.dumps({"revision": "unknown", "content": []}), encoding="utf-8")
            article, pages = _compile(main)
            if pages <= most or beginning is None:
                break
            shown = {name: file for name, file in shown.items() if not name.startswith(beginning)}
        if revision != "unknown":
            made = {"revision": revision, "content": [f"content:{hashlib.sha256(article).hexdigest()}"]}
            (root / "made.json").write_text(json.dumps(made), encoding="utf-8")
            article, _ = _compile(main)
        return article


def _compile(main: Path) -> tuple[bytes, int]:
    """Return the PDF/UA, which screen readers can read, and its number of pages."""
    compiler = typst.Compiler(main, root=main.parent, ignore_system_fonts=True)
    try:
        article = compiler.compile(format="pdf", pdf_standards="ua-1")
        pages = json.loads(compiler.query("<pages>", field="value", one=True))
    except typst.TypstError as error:
        raise StudyError(f"article: {error.message}") from error
    return cast(bytes, article), int(pages)


def _plain(params: Params) -> dict[str, Any]:
    """Return params.yaml's content with every default, the grid's models beside its rounds."""
    return params.model_dump() | {
        "grid": {"rounds": params.grid.rounds} | {m: grid.model_dump() for m, grid in params.grid.models.items()}
    }
