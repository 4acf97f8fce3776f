"""The report in headless Chromium: it is drawn, answers to the keyboard, can be read by everyone, and loads nothing.

So does Snakemake's own, `snakemake --report`, as far as that is ours.
"""

import io
import json
import os
import re
import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page, Route, ViewportSize, sync_playwright
from studies import Study

from digitpairs import tables
from digitpairs.analysis import claims, findings, measures, selection, statistics

pytestmark = pytest.mark.xdist_group("browser")  # they share a browser
ROOT = Path(__file__).parents[2]
PATIENCE = 120_000  # milliseconds, for a busy machine
EVIL = "z<img src=x onerror=alert(1)>'\""  # a model's name that is a program in HTML
MEANS = {"baseline": 0.18, "siamese": 0.1, "siamese_aux": 0.03, "twobranch": 0.15, "twobranch_aux": 0.05, EVIL: 0.2}
MODELS = list(MEANS)
TRAIN = {"batch_norm": "before", "weight_decay": 0.0, "auxiliary_weight": 1.0}
CHARTS = {
    "effects",
    "forest_error",
    "forest_noise",
    "forest_ratio",
    "means",
    "rounds",
    "factors",
    "grid",
    "optimism",
    "train_loss",
    "validation_error",
    "confusions",
    "ablations",
    "more_data",
}
PHONE: ViewportSize = {"width": 390, "height": 844}


def rounds(mean: float, n: int, seed: int) -> pd.DataFrame:
    error = np.clip(np.random.default_rng(seed).normal(mean, 0.1 * mean, n), 0.001, 1).round(3)
    loss = {"train_loss": error / 10, "train_error": error / 20}
    return pd.DataFrame({"round": np.arange(1, n + 1), **loss, "validation_error": error, "test_error": 1.1 * error})


def final(protocol: str, model: str) -> pd.DataFrame:
    table = rounds(MEANS[model], 5, seed=len(protocol) + MODELS.index(model))
    if model == EVIL and protocol == "resampled":
        table.loc[2, table.columns[1:]] = np.nan  # a diverged round
    return table


def write_report(folder: Path) -> Path:
    """Write a small study's files, and its report from them as the workflow does."""
    study = {p: {m: final(p, m) for m in MODELS} for p in ("fixed", "resampled", "resampled_by_test")}
    curves = {
        model: pd.concat(
            table.assign(epoch=epoch, train_loss=table["train_loss"] / epoch)[
                ["round", "epoch", "train_loss", "validation_error"]
            ]
            for epoch in range(1, 9)
        )
        for model, table in study["fixed"].items()
    }
    grid = pd.concat(
        rounds(MEANS[model] * factor, 3, seed=batch + epochs).assign(
            model=model, batch_size=batch, learning_rate=rate, epochs=epochs
        )
        for model in MODELS
        for epochs in (25, 50, 100)
        for batch in (50, 100)
        for rate, factor in ((0.001, 1.3), (0.01, 1.1), (0.1, 1.2))
    )
    at = (grid[["model", "epochs", "learning_rate", "round"]] == ["siamese", 25, 0.1, 1]).all(axis=1)
    grid.loc[at, ["train_loss", "train_error", "validation_error", "test_error"]] = np.nan
    ablations = pd.concat(
        rounds(MEANS[model] * factor, 4, seed=place).assign(parameter=parameter, value=value, model=model)
        for parameter, values in {
            "batch_norm": {"before": 1.0, "after": 1.3},
            "weight_decay": {"0.0": 1.0, "0.001": 1.1},
        }.items()
        for place, (value, factor) in enumerate(values.items())
        for model in ("baseline", "siamese_aux")
    )
    more_data = pd.concat(
        rounds(10 / size, 3, seed=size).assign(model=model, n_train=size, epochs=2)
        for model in ("baseline", "deeper")
        for size in (100, 400, 1600)
    )
    rng = np.random.default_rng(0)
    digits = rng.integers(0, 10, (60, 2))
    mistakes = pd.concat(
        pd.DataFrame({"model": model, "pair": range(60), "first": digits[:, 0], "second": digits[:, 1]}).assign(
            wrong=rng.binomial(5, min(1, 2 * MEANS[model]), 60), rounds=5
        )
        for model in MODELS
    )
    chosen = selection.select(grid, "validation")
    numbers = statistics.tabulate(study, grid, chosen, TRAIN, ablations, more_data)
    counts = dict.fromkeys(MODELS, 1000)
    found: Any = claims.judge(measures.Study(study, {"fixed": curves}, grid, chosen, counts, ablations, n_test=1000))
    results = {"selection": json.dumps(chosen), "statistics": tables.to_json(numbers), "claims": tables.to_json(found)}
    stated = findings.state(json.loads(results["statistics"]), json.loads(results["claims"]))
    results["findings"] = tables.to_json(stated)
    for name, text in results.items():
        (folder / f"{name}.json").write_text(text)
    for name, table in {"grid": grid, "mistakes": mistakes, "ablations": ablations, "more_data": more_data}.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    for name, by_protocol in {"final": study, "curves": {"fixed": curves}}.items():
        pd.concat(
            table.assign(protocol=protocol, model=model)
            for protocol, by_model in by_protocol.items()
            for model, table in by_model.items()
        ).to_csv(folder / f"{name}.csv", index=False)
    np.savez(folder / "pairs.npz", test_images=rng.integers(0, 1021, (60, 2, 14, 14), dtype=np.uint16))
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="600" height="200"><circle cx="9" cy="9" r="9"/></svg>'
    (folder / "figure_1.svg").write_text(svg)
    data = {"source": "bundled", "n_train": 100, "n_validation": 50, "n_test": 60}
    texts = {"captions": {"figure_1": "What it shows."}, "descriptions": {EVIL: "A network with an evil name"}}
    arguments: list[object] = ["--data", json.dumps(data), "--texts", json.dumps(texts)]
    for name in ("final", "curves", "grid", "mistakes", "ablations", "more_data"):
        arguments += [f"--{name.replace('_', '-')}", folder / f"{name}.csv"]
    for file in ("selection.json", "statistics.json", "claims.json", "findings.json", "pairs.npz"):
        arguments += [f"--{file.partition('.')[0]}", folder / file]
    arguments += ["--figures", folder / "figure_1.svg", "--records", folder / "records"]
    (folder / "results").mkdir()  # titles are told by the study's own paths
    grid.to_csv(folder / "results/grid.csv", index=False)
    arguments += ["--tables", folder / "results/grid.csv", "--table-page", folder / "tables.html"]
    arguments += ["--device", "cpu", "--markdown", folder / "README.md", "--html", folder / "report.html"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["write_report.py", *map(str, arguments)])
        runpy.run_path(str(ROOT / "scripts/write_report.py"), run_name="__main__")
    return folder / "report.html"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        reason = "Chromium is not installed"
        pytest.fail(reason) if os.getenv("CI") else pytest.skip(reason)
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=arguments, timeout=PATIENCE)
        yield chromium
        chromium.close()


class Opened:
    """A page that is drawn, with all that it said and asked for."""

    def __init__(self, context: BrowserContext, report: Path, drawn: str = "html[data-ready]"):
        self.said: list[str] = []
        self.requests: list[str] = []
        context.set_default_timeout(PATIENCE)
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"exception: {error}"))
        self.page.on("dialog", self.dismiss)
        self.page.route("**/*", self.refuse)
        self.url = report.as_uri()
        self.page.goto(self.url)
        self.page.wait_for_selector(drawn)

    def dismiss(self, dialog: Dialog) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def refuse(self, route: Route) -> None:
        self.requests.append(route.request.url)
        if route.request.url == self.url:
            route.continue_()
        else:
            route.abort()

    def drawing(self, chart: str) -> str:
        return self.page.locator(f"#chart-{chart} svg").inner_html()


@pytest.fixture(scope="module")
def desktop(browser: Browser, report: Path) -> Iterator[Opened]:
    """The page on a desktop, drawn once: each test that changes a chart has a chart of its own."""
    context = browser.new_context(viewport={"width": 1100, "height": 900})
    yield Opened(context, report)
    context.close()


@pytest.fixture(scope="module")
def phone(browser: Browser, report: Path) -> Iterator[Opened]:
    """The page on a phone, drawn once."""
    context = browser.new_context(viewport=PHONE, has_touch=True)
    yield Opened(context, report)
    context.close()


@pytest.fixture
def opened(desktop: Opened) -> Iterator[Opened]:
    """The page in light, at its top, every fold shut, as a reader finds it but for the charts' choices."""
    yield desktop
    restore(desktop)


@pytest.fixture(params=["desktop", "phone"])
def anywhere(request: pytest.FixtureRequest, desktop: Opened, phone: Opened) -> Iterator[Opened]:
    """The page on a desktop, and on a phone."""
    yield {"desktop": desktop, "phone": phone}[request.param]
    restore(desktop, phone)


def restore(*pages: Opened) -> None:
    for opened in pages:
        opened.page.emulate_media(color_scheme="light")
        opened.page.mouse.move(0, 0)
        opened.page.evaluate(
            "document.querySelectorAll('details').forEach(fold => { fold.open = false; }); scrollTo(0, 0)"
        )


def test_every_chart_is_drawn_and_nothing_is_loaded(opened: Opened) -> None:
    assert opened.said == []
    assert opened.requests == [opened.url]
    figures = opened.page.locator("figure[data-chart]")
    drawn = figures.evaluate_all("all => all.map(each => [each.dataset.chart, each.dataset.drawn])")
    assert {name for name, at in drawn if at} == CHARTS
    for name in CHARTS:
        chart = opened.page.locator(f"#chart-{name}")
        assert len(opened.page.locator(f"[role=img]:has(> #chart-{name})").get_attribute("aria-label") or "") > 60
        assert chart.locator("svg g[class*='mark-'] path, svg g[class*='mark-'] line").count() > 5, name
        assert "NaN" not in opened.drawing(name) and "undefined" not in opened.drawing(name), name
    assert opened.page.evaluate("[...document.images].every(image => image.alt && image.naturalWidth > 0)")


def test_the_file_is_small_and_the_first_chart_is_drawn_first(opened: Opened, report: Path) -> None:
    assert report.stat().st_size < 2e6
    drawn = opened.page.locator("figure[data-chart]").evaluate_all("all => all.map(each => Number(each.dataset.drawn))")
    assert 0 < drawn[0] == min(drawn)


def choose_next(opened: Opened, chart: str, label: str, key: str = "ArrowDown") -> tuple[str, str]:
    """Choose a select's next option by keyboard, or the one that another key leads to; return both drawings."""
    select = opened.page.locator(f"#inputs-{chart}").get_by_label(label)
    before, value = opened.drawing(chart), select.input_value()
    select.focus()
    opened.page.keyboard.press(key)
    assert select.input_value() != value
    opened.page.wait_for_function(
        "([name, before]) => document.querySelector(`#chart-${name} svg`).innerHTML !== before", arg=[chart, before]
    )
    return before, opened.drawing(chart)


def test_the_keyboard_changes_the_heat_map(opened: Opened) -> None:
    numbers = opened.page.locator("#chart-grid g.mark-text.role-mark text")
    before = [text for text in numbers.all_text_contents() if re.fullmatch(r"\d\.\d{3}", text)]
    choose_next(opened, "grid", "Metric")
    after = [text for text in numbers.all_text_contents() if re.fullmatch(r"\d\.\d{3}", text)]
    assert len(before) == len(after) == 18  # one in each cell
    assert before != after
    choose_next(opened, "grid", "Model")
    assert ">1/3<" in opened.drawing("grid")  # siamese: one of three rounds of a cell diverged
    opened.page.locator("#inputs-grid").get_by_label("Model").focus()
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.name") == "grid_metric"
    choose_next(opened, "grid", "Model", "ArrowUp")  # as it was, for the next test
    assert opened.said == []


@pytest.mark.parametrize(
    ("chart", "label"),
    [
        ("means", "Whiskers"),
        ("train_loss", "Model"),
        ("rounds", "Protocol"),
        ("factors", "Protocol"),
        ("confusions", "Model"),
        ("ablations", "Parameter"),
    ],
)
def test_the_keyboard_changes_the_other_charts(opened: Opened, chart: str, label: str) -> None:
    choose_next(opened, chart, label)
    assert opened.said == []


def tooltip(opened: Opened, mark: Locator) -> str:
    mark.scroll_into_view_if_needed()
    mark.hover(force=True)
    shown = opened.page.locator("#vg-tooltip-element.visible")
    shown.wait_for()
    return shown.inner_text()


def test_tooltips_name_rounds_and_n(opened: Opened) -> None:
    cell = tooltip(opened, opened.page.locator("#chart-grid g.mark-rect path").first)
    assert "Rounds" in cell and "n (rounds)" in cell and "baseline" in cell
    assert len(re.findall(r"\b0\.\d+", cell.partition("Rounds")[2])) >= 3
    point = tooltip(opened, opened.page.locator("#chart-rounds g.mark-symbol path").first)
    assert "Test error" in point
    dot = opened.page.locator("#chart-means g.mark-symbol.role-mark path").last  # of the model whose name is a program
    assert EVIL in tooltip(opened, dot)
    assert opened.said == []
    assert opened.requests == [opened.url]


def brightness(colour: str) -> float:
    return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3


def test_dark_mode_reaches_page_and_charts(opened: Opened) -> None:
    looks = """() => {
        const label = document.querySelector("#chart-rounds g.role-axis-label text");
        return [getComputedStyle(document.body).backgroundColor, getComputedStyle(label).fill];
    }"""
    page, label = opened.page.evaluate(looks)
    assert brightness(page) > 200 > 80 > brightness(label)
    opened.page.emulate_media(color_scheme="dark")
    page, label = opened.page.evaluate(looks)
    assert brightness(page) < 60 < 180 < brightness(label)
    picture = opened.page.locator("figure .wide img").first  # black on white in its file
    picture.scroll_into_view_if_needed()
    with Image.open(io.BytesIO(picture.screenshot())) as shot:
        corner = shot.convert("RGB").getpixel((shot.width - 2, shot.height - 2))
    assert f"rgb{corner}" == page


def test_a_phone_shows_it_without_scrolling_sideways(phone: Opened) -> None:
    page = phone.page
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    beyond = page.evaluate(
        """width => [...document.querySelectorAll(".chart svg text")].filter(text => {
            const box = text.getBoundingClientRect();
            return box.width && (box.right > width + 1 || box.left < -1);
        }).map(text => text.textContent)""",
        PHONE["width"],
    )
    assert [text for text in beyond if "onerror" not in text] == []
    cut = "all => all.filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.innerText)"
    assert [text for text in page.locator(".wide").evaluate_all(cut) if "onerror" not in text] == []


def test_the_contents_stay_and_show_the_place(anywhere: Opened) -> None:
    page = anywhere.page
    size = page.viewport_size
    assert size
    page.get_by_role("navigation").get_by_role("link", name="Method").click()
    page.wait_for_function("document.querySelector('nav [aria-current]')?.textContent === 'Method'")
    assert page.evaluate("scrollY") > 1000
    current = page.locator("nav [aria-current]").bounding_box()
    heading = page.locator("#method").bounding_box()
    assert current and heading
    assert 0 <= current["y"] < size["height"] and 0 <= current["x"] < size["width"]
    beside = size["width"] > PHONE["width"]
    assert heading["x"] > current["x"] + current["width"] if beside else heading["y"] > current["y"] + current["height"]


def test_numbers_have_true_minus_signs(opened: Opened) -> None:
    """In text and drawings, names and commands left out."""
    opened.page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    text = opened.page.evaluate(
        """() => {
            const copy = document.body.cloneNode(true);
            copy.querySelectorAll("code, script, pre").forEach(each => each.remove());
            return copy.textContent + [...copy.querySelectorAll("[aria-label]")].map(each => each.ariaLabel).join(" ");
        }"""
    )
    assert re.findall(r"(?<![\w-])-\.?\d.{9}", text) == []
    assert text.count("\N{MINUS SIGN}") > 50
    assert "\N{MINUS SIGN}" in tooltip(
        opened, opened.page.locator("#chart-forest_error g.mark-symbol.role-mark path").first
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_shuts_anyone_out(anywhere: Opened, scheme: Any) -> None:
    """Run axe-core with every fold open."""
    page = anywhere.page
    page.emulate_media(color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    found = Axe().run(page).response["violations"]
    assert [(rule["id"], rule["impact"], rule["nodes"][0]["html"][:200]) for rule in found] == []


def test_snakemakes_own_report_has_every_figure_and_table(browser: Browser, study: Study) -> None:
    study.run("snakemake", "--report", "page.html")
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    opened = Opened(context, study.path / "page.html", drawn="text=Figures")
    results: Any = opened.page.evaluate("results")
    figures = {str(path.relative_to(study.path)) for path in study.path.glob("reports/figures/*.svg")}
    tables = {f"results/{name}.csv" for name in ("final", "curves", "grid", "mistakes")} | {"reports/metrics.json"}
    tables |= {f"results/{name}.json" for name in ("selection", "statistics", "claims", "findings")}
    assert results.keys() == figures | tables | {
        f"reports/{name}" for name in ("report.html", "report.pdf", "tables.html")
    }
    captions = {path: re.sub("<[^>]+>", "", result["caption"]).strip() for path, result in results.items()}
    assert [path for path, caption in captions.items() if not re.fullmatch(r"[A-Z][^{}\n]+\.", caption)] == []
    assert len(set(captions.values())) == len(captions)
    titles = {title for result in results.values() for title in result["labels"].values()}
    assert titles >= {"Figure 1. The network baseline", "The grid of siamese_aux", "All cells of the grid search"}
    runtimes: Any = opened.page.evaluate("runtimes_spec.data.values")
    assert len(runtimes) > 20
    assert min(job["runtime"] for job in runtimes) > 0.01
    shown = {
        "Figures": "Figure 4. Mean test error with its standard deviation over rounds",
        "Tables": "All tables, to read here",
        "Reports": "Interactive page",
    }
    for category, label in shown.items():
        opened.page.get_by_text(category, exact=True).click()
        opened.page.get_by_text(label, exact=True).wait_for()
        opened.page.locator("tr", has_text=label).locator("[iconname=eye]").click()
        if category == "Figures":
            opened.page.wait_for_function("[...document.images].some(image => image.naturalWidth > 300)")
        if category == "Tables":
            frame = opened.page.frame_locator("iframe")
            for fold in frame.locator("summary").all():
                fold.click()
            frame.get_by_role("cell", name="siamese_aux", exact=True).first.wait_for()
        opened.page.get_by_text("Results", exact=True).click()
    assert [line for line in opened.said if not line.startswith("warning: cdn.tailwindcss.com")] == []
    assert opened.requests == [opened.url]
    context.close()


def test_dvcs_plots_show_every_model_without_a_network(browser: Browser, study: Study) -> None:
    page = study.path / ".venv/plots.html"
    study.run("python", "scripts/write_plots_page.py", "--output", str(page), PYTHONPATH="src")
    study.dvc("config", "--local", "plots.html_template", "../.venv/plots.html")
    study.set("train.auxiliary_weight", 0.5)
    study.snakemake()
    study.dvc("plots", "diff", "HEAD")
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    opened = Opened(context, study.path / "dvc_plots/index.html", drawn=".vega-embed canvas, .vega-embed svg")
    assert opened.requests == [opened.url]
    assert not [line for line in opened.said if "error" in line.lower()]
    plots = opened.page.locator(".vega-embed")
    assert plots.count() == 3  # the test errors, the learning curves, the grid
    context.close()
