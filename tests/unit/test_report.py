"""The report: its sentences follow the results, its files stand alone."""

import json
import re
import runpy
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from digitpairs import report, selection

SCRIPTS = Path(__file__).parents[2] / "scripts"
DATA = {"source": "bundled", "n_train": 1000, "n_validation": 500, "n_test": 1000}


def rounds(mean: float, n: int = 15, std: float = 0.006, diverged: int = 0) -> pd.DataFrame:
    z = np.random.default_rng(0).normal(size=n)
    errors = mean + std * (z - z.mean()) / (z.std(ddof=1) if n > 1 else 1)  # mean and deviation as asked
    errors[:diverged] = np.nan
    table = pd.DataFrame({"round": range(n), "train_loss": errors, "train_error": errors})
    return table.assign(validation_error=errors, test_error=errors)


def grid(models: Sequence[str]) -> pd.DataFrame:
    cells = [(50, 50, 0.1), (50, 100, 0.01)]
    return pd.concat(
        rounds(0.1, 10, diverged=lr == 0.1 and model == "siamese").assign(
            model=model, epochs=e, batch_size=b, learning_rate=lr
        )
        for model in models
        for e, b, lr in cells
    )


def compose(means: dict[str, float], n: int = 15, figures: Sequence[str] = ()) -> list[report.Block]:
    final = {protocol: {model: rounds(mean, n) for model, mean in means.items()} for protocol in ("fixed", "resampled")}
    table = grid(list(means))
    return report.compose(final, selection.select(table, "validation"), selection.cells(table), DATA, figures)


def markdown(means: dict[str, float], n: int = 15) -> str:
    return report.to_markdown(compose(means, n), "figures")


def test_results_are_stated_as_they_are() -> None:
    text = markdown({"baseline": 0.18, "siamese": 0.11, "siamese_aux": 0.1105})
    assert "`siamese`): on one dataset (`fixed`) it lowers the test error by 0.0700, from 0.1800 to 0.1100" in text
    assert "`siamese_aux`): on one dataset (`fixed`) it makes no difference that these rounds can tell" in text
    assert "inside the range" in text and "`siamese` (0.0967 to 0.1233)" in text
    assert "outside the range" in text
    text = markdown({"baseline": 0.11, "siamese": 0.18})
    assert "raises the test error by 0.0700, from 0.1100 to 0.1800 (95% interval 0.0655 to 0.0745)" in text
    assert "lowers" not in text and "auxiliary losses (`siamese` to" not in text
    assert "cannot be judged from so few rounds" in markdown({"baseline": 0.18, "siamese": 0.11}, n=1)


def test_tables_stand_beside_the_paper() -> None:
    text = markdown({"baseline": 0.18, "other": 0.3})
    assert "| `baseline` | `fixed` | 0.1800 ± 0.0060 | 0.1767 to 0.1833 | 15 | -0.0035 |" in text
    assert "| `baseline` | paper | 0.1835 ± 0.0066 |  | 15 |  |" in text
    assert "| `other` | `resampled` | 0.3000 ± 0.0060 | 0.2967 to 0.3033 | 15 |  |" in text
    assert "| `baseline` | the paper | 50 | 50 | 0.1 | 0.1000" in text


def test_diverged_rounds_are_told() -> None:
    final = {p: {"siamese": rounds(0.11, diverged=2)} for p in ("fixed", "resampled")}
    table = grid(["siamese"])
    text = report.to_markdown(
        report.compose(final, selection.select(table, "test"), selection.cells(table), DATA, []), "figures"
    )
    assert "13 (2 diverged)" in text
    assert "Rounds diverged in 1 of the 2 cells of `siamese`" in text


class Page(HTMLParser):
    """What a browser would do with a page, as far as these tests ask."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_everything_is_escaped() -> None:
    evil = '<script>alert("1")</script> | *a* & `<b>`'
    blocks: list[report.Block] = [
        report.Heading(1, evil),
        report.Paragraph(evil),
        report.Bullets([evil]),
        report.Table([evil], [[evil]]),
        report.Picture("f", evil, evil),
        report.Code(evil),
    ]
    page = Page(report.to_html(blocks, {"f": b"<svg/>"}))
    assert not page.open
    assert not {"script", "b"} & {tag for tag, _ in page.tags}
    text = report.to_markdown(blocks[:5], "figures")
    assert "<script>" not in text.replace("\\<", "")
    assert " | *a*" not in text


def test_html_loads_nothing() -> None:
    names = ["figure_1", "figure_4", "grid_baseline"]
    blocks = compose({"baseline": 0.18}, figures=names)
    page = Page(report.to_html(blocks, dict.fromkeys(names, b"<svg/>")))
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 3
    assert all(image["alt"] and str(image["src"]).startswith("data:image/svg+xml;base64,") for image in images)
    assert not {"link", "script", "iframe"} & {tag for tag, _ in page.tags}
    assert not [attributes for _, attributes in page.tags if "href" in attributes]


def run(monkeypatch: pytest.MonkeyPatch, script: str, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    runpy.run_path(str(SCRIPTS / script), run_name="__main__")


def test_the_steps_after_the_final_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    models = ["baseline", "siamese"]
    figures = Path("reports/figures")
    figures.mkdir(parents=True)
    grid(models).to_csv("grid.csv", index=False)
    final: dict[str, list[Path]] = {"fixed": [], "resampled": []}
    for protocol, paths in final.items():
        for model in models:
            path = Path(protocol) / model / "rounds.csv"
            path.parent.mkdir(parents=True)
            rounds(0.11, 5).to_csv(path, index=False)
            paths.append(path)
    everything = [*final["fixed"], *final["resampled"]]
    curves = [path.with_name("curves.csv") for path in final["fixed"]]
    for path in curves:
        pd.concat(rounds(0.2, 5).assign(epoch=epoch) for epoch in (1, 2, 3)).to_csv(path, index=False)

    def output(name: str) -> list[Path]:
        return [figures / f"{name}.svg", figures / f"{name}.png"]

    run(monkeypatch, "select_configurations.py", "--grid", "grid.csv", "--by", "test", "--output", "selection.json")
    chosen = ["--selection", "selection.json"]
    run(monkeypatch, "collect_metrics.py", *everything, *chosen, "--output", "metrics.json")
    run(monkeypatch, "plot_rounds.py", "--show", "rounds", *final["fixed"], "--output", *output("figure_3"))
    run(monkeypatch, "plot_rounds.py", "--show", "means", *everything, "--output", *output("figure_4"))
    run(monkeypatch, "plot_curves.py", *curves, "--output", *output("learning_curves"))
    for model in models:
        options = ["--grid", "grid.csv", *chosen, "--model", model]
        run(monkeypatch, "plot_grid.py", *options, "--output", *output(f"grid_{model}"))
    for model, name in zip(models, ("figure_1", "figure_2"), strict=True):
        options = ["--model", model, "--options", '{"batch_norm": "before"}']
        run(monkeypatch, "plot_architecture.py", *options, "--output", *output(name))
    for copy in ("a", "b"):
        inputs: list[object] = [
            "--grid",
            "grid.csv",
            *chosen,
            "--data",
            json.dumps(DATA),
            "--figures",
            *sorted(figures.glob("*.svg")),
        ]
        files = ["--markdown", f"reports/{copy}.md", "--html", f"reports/{copy}.html"]
        run(monkeypatch, "write_report.py", *everything, *inputs, *files)

    assert Path("reports/a.md").read_bytes() == Path("reports/b.md").read_bytes()
    assert Path("reports/a.html").read_bytes() == Path("reports/b.html").read_bytes()
    links = re.findall(r"\]\(([^)]+)\)", Path("reports/a.md").read_text())
    assert sorted(links) == sorted(f"figures/{path.name}" for path in figures.glob("*.svg"))
    assert all((Path("reports") / link).exists() for link in links)
    metrics = json.loads(Path("metrics.json").read_text())
    assert metrics["siamese"] == {
        "batch_size": 100,
        "epochs": 50,
        "learning_rate": 0.01,
        "n_rounds": 5,
        "test_error": pytest.approx(0.11),
        "test_error_std": pytest.approx(pd.read_csv(everything[0])["test_error"].std()),
        "validation_error": pytest.approx(0.11),
        "resampled_test_error": pytest.approx(0.11),
        "resampled_test_error_std": metrics["siamese"]["test_error_std"],
    }
