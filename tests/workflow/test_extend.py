"""docs/extend.md, followed to the letter: a value, a model, a figure, a claim and other data, and what pages tell."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pypdf import PdfReader
from studies import ROOT, Study

FASHION = Path("/usr/share/datasets/fashion-mnist")
PAGE = (ROOT / "docs/extend.md").read_text(encoding="utf-8").partition("\n## A trained network")[0]
BLOCK = re.compile(r"(A new file|At the end of|In)\s`(\S+)`:\n\n```\w+\n(.*?)^```$", re.M | re.S)
_, *PARTS = re.split(r"^## (.+)\n", PAGE, flags=re.M)
SECTIONS = dict(zip(PARTS[::2], PARTS[1::2], strict=True))
# Of MNIST, and of the paper's numbers.
PAPERS = re.compile(r"mnist|digit|hand-?written|\b0\.(1835|1108|0359)\b|the paper's (mean|choice)|paper, n", re.I)


def follow(study: Study, section: str) -> None:
    """Do what a section of the page says."""
    blocks = BLOCK.findall(SECTIONS[section])
    assert len(blocks) == SECTIONS[section].count("```") / 2 > 0
    for place, file, text in blocks:
        path = study.path / file
        assert path.exists() != (place == "A new file")
        if place == "In":
            path.write_text(yaml.safe_dump(merged(study.params(), yaml.safe_load(text))), encoding="utf-8")
        else:
            with path.open("a", encoding="utf-8") as end:
                end.write(f"\n\n{text}" if place == "At the end of" else text)


def merged(settings: Any, more: Any) -> Any:
    """Return settings with more of them; what is no section is replaced."""
    if not isinstance(settings, dict):
        return more
    return settings | {key: merged(settings.get(key), value) for key, value in more.items()}


def pages(study: Study) -> dict[str, str]:
    """Return the text of each page that a reader opens, without marks of code; figures stand for themselves."""
    reports = study.path / "reports"
    html = (reports / "report.html").read_text()
    html = re.sub(r"<script>.*?</script>|<style>.*?</style>|base64,[\w+/=]+", "", html, flags=re.S)
    article = PdfReader(io.BytesIO((reports / "report.pdf").read_bytes()))
    texts = {
        "report.html": html,
        "README.md": (reports / "README.md").read_text(),
        "report.pdf": f"{article.metadata} " + "\n".join(page.extract_text() for page in article.pages),
        "metrics.json": (reports / "metrics.json").read_text(),
        # Letters are drawn as outlines; matplotlib writes beside them what they say.
        **{path.name: path.read_text() for path in (reports / "figures").glob("*.svg")},
    }
    return {name: re.sub(r"[`\\]|</?code>", "", text) for name, text in texts.items()}


def has(text: str, words: str) -> bool:
    """Look for words, wherever lines and words are broken."""
    return re.sub(r"\W+", "", words) in re.sub(r"\W+", "", text)


def test_the_page(study: Study, finished: Study) -> None:
    for addition in ("A value", "A model", "A figure", "A claim"):
        follow(study, addition)
    ran = study.snakemake()
    cells = {job for job in ran.jobs if job.startswith("results/grid/")}
    rule = {f"results/grid/rule/batch_size~50/learning_rate~0.01/epochs~{epochs}/rounds.csv" for epochs in (2, 4)}
    assert cells == rule | {"results/grid/siamese/batch_size~20/learning_rate~0.02/epochs~2/rounds.csv"}
    assert not {
        job for job in ran.jobs if job.startswith("data/") or re.search("final/.*/(baseline|siamese_aux)/", job)
    }
    claims = json.loads((study.path / "results/claims.json").read_text())
    assert len(claims) == len(json.loads((finished.path / "results/claims.json").read_text())) + 1
    of_all = pages(study)
    for page in ("report.html", "README.md", "report.pdf"):
        assert has(of_all[page], claims[-1]["ours"])
        assert has(of_all[page], "Spread of the test error over the resampled rounds")
        assert has(of_all[page], "A siamese trunk that names both classes")
    assert "](figures/spread.svg)" in (study.path / "reports/README.md").read_text()

    if not FASHION.is_dir():
        pytest.skip("Debian package dataset-fashion-mnist not installed")
    follow(study, "A data set")
    study.snakemake()
    assert json.loads((study.path / "results/claims.json").read_text()) == []
    of_all = pages(study)
    for page in ("report.html", "README.md", "report.pdf"):
        assert has(of_all[page], "A siamese trunk") and has(of_all[page], "Spread of the test error")
        assert "fashion-mnist" in of_all[page]
    for page, text in of_all.items():
        assert not PAPERS.search(re.sub(r"fashion-\s*mnist", "", text)), page
