"""The report: its sentences follow the results, its files stand alone."""

import json
import re
import runpy
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from altair.utils.schemapi import debug_mode

from digitpairs import paper, revision, tables
from digitpairs.analysis import claims, findings, further, further_findings, measures, selection, statistics
from digitpairs.reporting import page, report, table_page
from digitpairs.reporting.study import Study
from digitpairs.reporting.wording import wording

SCRIPTS = Path(__file__).parents[2] / "scripts"
DATA = {"source": "bundled", "n_train": 1000, "n_validation": 500, "n_test": 1000}
TRAIN = {"batch_norm": "before", "weight_decay": 0.0, "auxiliary_weight": 1.0}
EVIL = '<img src=x onerror=alert(1)></script>"'


@pytest.fixture(autouse=True)
def unchecked() -> Iterator[None]:
    """Compose as the step does; `debug_mode(True)` checks charts against their schema, which takes half of the time."""
    with debug_mode(False):
        yield


def rounds(mean: float, n: int = 15, std: float = 0.006, diverged: int = 0, seed: int = 0) -> pd.DataFrame:
    z = np.random.default_rng(seed).normal(size=n)
    errors = mean + std * (z - z.mean()) / (z.std(ddof=1) if n > 1 else 1)  # mean and deviation as asked
    errors[:diverged] = np.nan
    table = pd.DataFrame({"round": range(1, n + 1), "train_loss": errors, "train_error": errors})
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


def curves(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(table.assign(epoch=epoch) for epoch in (1, 2, 3))[
        ["round", "epoch", "train_loss", "validation_error"]
    ]


def mistakes(models: Sequence[str], wrong: int = 3) -> pd.DataFrame:
    pairs = pd.DataFrame({"pair": range(4), "first": [4, 9, 1, 7], "second": [9, 4, 1, 2], "wrong": [wrong, 1, 0, 0]})
    return pd.concat(pairs.assign(model=model, rounds=3) for model in models)


def study(
    means: Mapping[str, float],
    n: int = 15,
    diverged: int = 0,
    by: str = "validation",
    ablations: pd.DataFrame | None = None,
    more_data: pd.DataFrame | None = None,
    data: Mapping[str, Any] = DATA,
) -> Study:
    final = {
        protocol: {
            model: rounds(mean, n, diverged=diverged, seed=seed) for seed, (model, mean) in enumerate(means.items())
        }
        for protocol in ("fixed", "resampled")
    }
    table = grid(list(means))
    chosen = selection.select(table, by)
    of_curves = {"fixed": {model: curves(rows) for model, rows in final["fixed"].items()}}
    of_study = measures.Study(final, of_curves, table, chosen, {}, ablations, n_test=1000)
    published = paper.published(data["source"])
    judged: Any = json.loads(tables.to_json(claims.judge(of_study))) if published else []
    found = statistics.tabulate(final, table, chosen, TRAIN, ablations, more_data, published)
    numbers = json.loads(tables.to_json(found))
    return Study(
        final=final,
        curves=of_curves,
        grid=table,
        selection=chosen,
        statistics=numbers,
        claims=judged,
        findings=findings.state(numbers, judged),
        mistakes=mistakes(list(means)),
        images=np.arange(4 * 2 * 14 * 14).reshape(4, 2, 14, 14),
        data=data,
        ablations=ablations,
        more_data=more_data,
        descriptions=dict.fromkeys(means, "A network that was added"),
    )


def markdown(means: dict[str, float], **options: Any) -> str:
    return page.to_markdown(report.compose(study(means, **options), {}), "figures")


def html(of: Study, figures: Sequence[str] = ()) -> str:
    return page.to_html(
        report.compose(of, dict.fromkeys(figures, "What it shows.")),
        dict.fromkeys(figures, b"<svg/>"),
        "window.vegaEmbed = 0",
    )


def test_results_are_stated_as_they_are() -> None:
    text = markdown({"baseline": 0.18, "siamese": 0.11, "siamese_aux": 0.1105})
    assert (
        "Sharing weights helps (`baseline` to `siamese`): on one dataset (`fixed`) it lowers the test error by" in text
    )
    assert "by 0.0688 (0.0651 to 0.0725), n = 15 rounds;" in text
    assert "Adding auxiliary losses is not shown to help or to do harm" in text
    assert "`siamese_aux`): on one dataset (`fixed`) it changes the test error by less than 0.01 (-0.0032 to" in text
    assert "inside it for `baseline` (0.1669 to 0.1937) and `siamese` (0.0970 to 0.1242)" in text
    assert "outside it for `siamese_aux`" in text
    text = markdown({"baseline": 0.11, "siamese": 0.18})
    assert "Sharing weights does harm (`baseline` to `siamese`)" in text
    assert "raises the test error by 0.0712 (0.0675 to 0.0749), n = 15 rounds" in text
    assert "lowers the test error by" not in text
    assert "Adding auxiliary losses cannot be judged: it takes rounds of `siamese` and `siamese_aux`" in text


@pytest.mark.parametrize("n", [1, 3])
def test_too_few_rounds_say_so(n: int) -> None:
    text = markdown({"baseline": 0.18, "siamese": 0.11}, n=n)
    assert "Sharing weights is not shown to help or to do harm" in text
    assert f"it cannot be judged: an interval takes 4 rounds, and there are {n}" in text
    assert "nan" not in text.replace("nanda", "")


def test_the_order_of_models_does_not_matter() -> None:
    """Differences are stored one way round."""
    text = markdown({"siamese": 0.11, "baseline": 0.18})
    assert "Sharing weights helps (`baseline` to `siamese`)" in text
    assert "lowers the test error by 0.0" in text and "raises the test error" not in text


def test_claims_read_as_they_turned_out() -> None:
    means = {"baseline": 0.11, "siamese": 0.18, "siamese_aux": 0.03}
    text = markdown(means)
    assert re.search(r"\| 1\. Sharing \| `siamese` minus .* \| below 0 \| ✗ not reproduced \| 15, seen \|", text)
    assert re.search(r"\| 2\. Auxiliary losses \| .* \| ✓ reproduced \| 15, seen \|", text)
    assert "| 7. Batch norm | not known |  |  | ? cannot tell |  |" in text
    (fold,) = re.findall(r"<summary>1\. Sharing: ✗ not reproduced</summary>(.*?)</details>", text, re.DOTALL)
    for said in ("“We achieved", "Restated: Sharing", "Found: Outside of the region below 0: `siamese` minus"):
        assert said in fold
    assert re.search(r"What would change this: It would take an interval that reaches .* beyond the bound 0\.", fold)
    assert re.search(r"below 0<[^✗]+✗ not reproduced<[^1]+15<", html(study(means)))
    verdicts = [claim["verdict"] for claim in study(means).claims]
    for verdict, words in {
        "reproduced": "reproduced",
        "not reproduced": "not reproduced",
        "cannot tell": "to be told",
    }.items():
        numbers = [str(place) for place, found in enumerate(verdicts, start=1) if found == verdict]
        assert re.search(rf"{len(numbers)} [a-z ]*{words}[a-z ]*\({', '.join(numbers)}\)", text), verdict


def test_the_first_screen_counts_wrong_answers_of_100() -> None:
    of = study({"other": 0.3, "siamese_aux": 0.004, "siamese": 0.11, "baseline": 0.18})
    (numbers,) = [block for block in report.compose(of, {}) if isinstance(block, page.Numbers)]
    error = findings.select(of.findings, "error", model="siamese", protocol="resampled")[0]
    interval = f"{100 * error['low']:.1f} to {100 * error['high']:.1f}"
    assert [row[:2] for row in numbers.rows] == [["18", "`baseline`"], ["11", "`siamese`"], ["0.5", "`siamese_aux`"]]
    assert list(numbers.rows[1][2:]) == [interval, "the paper: 11"]
    fresh = further.fresh(rounds(0.09, n=20).assign(arm="resampled", model="siamese"))
    more = replace(of, findings=[*of.findings, *further_findings.state({"errors": {}, "fresh": fresh})])
    (numbers,) = [block for block in report.compose(more, {}) if isinstance(block, page.Numbers)]
    assert [row[0] for row in numbers.rows] == ["18", "9", "0.5"]
    alone = study({"a": 0.3}, data=DATA | {"source": "idx", "folder": "clothes"})
    (numbers,) = [block for block in report.compose(alone, {}) if isinstance(block, page.Numbers)]
    assert [row[:2] for row in numbers.rows] == [["30", "`a`"]]
    assert len(numbers.header) == len(numbers.rows[0]) == 3
    nothing = study({"a": 0.3}, diverged=15)
    assert not [block for block in report.compose(nothing, {}) if isinstance(block, page.Numbers)]


def test_the_task_is_shown_by_its_first_pairs() -> None:
    of = study({"baseline": 0.18})
    assert html(of).count("4 ≤ 9: yes") == 2  # at the top, and in the row
    assert html(of).count("9 &gt; 4: no") == 1
    text = page.to_markdown(report.compose(of, {"task": "The task."}), "figures")
    assert text.count("![The task.](figures/task.svg)") == 1


def test_every_finding_is_on_the_page() -> None:
    of = study({"baseline": 0.18, "siamese": 0.11, "siamese_aux": 0.03})
    said = {
        item
        for block in page.flat(report.compose(of, {}))
        for item in ([block.text] if isinstance(block, page.Paragraph) else getattr(block, "items", ()))
    }
    text = " ".join(item for item in said if isinstance(item, str))
    assert [finding["sentence"] for finding in of.findings if finding["sentence"] not in text] == []


def test_tables_stand_beside_the_paper() -> None:
    text = markdown({"baseline": 0.18, "other": 0.3})
    middle = "0.1804 (0.1774 to 0.1833)"
    assert f"| `baseline` | {middle} | {middle} | 0.1835 ± 0.0066 |" in text
    assert re.search(r"\| `other` \| 0\.3009 \(0\.2967 to 0\.3051\) \| [^|]+ \|  \|", text)
    assert "| `baseline` | `fixed` | 0.1800 ± 0.0060 | 15 | -0.0035 |" in text
    assert "| `baseline` | paper | 0.1835 ± 0.0066 | 15 |  |" in text
    assert "| `other` | `resampled` | 0.3000 ± 0.0060 | 15 |  |" in text
    assert "| `baseline` | the paper | 50 | 50 | 0.1 | 0.1000" in text


@debug_mode(True)
def test_diverged_rounds_are_told() -> None:
    text = markdown({"siamese": 0.11}, diverged=2, by="test")
    assert "13 (2 diverged)" in text
    assert "Rounds diverged in 1 of the 2 cells of `siamese`" in text
    nothing = markdown({"baseline": 0.2, "siamese": 0.11}, diverged=15)
    assert "| `siamese` | `fixed` | diverged | 0 (15 diverged) |  |" in nothing
    assert "| `siamese` | diverged | diverged |" in nothing
    assert "`siamese` has no error to show: all 15 rounds diverged." in nothing
    assert not re.search(r"\bnan\b", nothing)


def test_parts_that_are_not_there_say_so() -> None:
    text = markdown({"baseline": 0.18})
    assert "Not computed: it takes the rounds of `twobranch`, `twobranch_aux`, `siamese` and `siamese_aux`." in text
    assert "Not computed: params.yaml leaves the ablations out." in text
    assert "Not computed: it takes the full MNIST (`make mnist`)" in text


@debug_mode(True)
def test_every_part_beyond_the_paper() -> None:
    means = {"baseline": 0.18, "siamese": 0.11, "siamese_aux": 0.03, "twobranch": 0.15, "twobranch_aux": 0.05}
    ablations = pd.concat(
        rounds(mean, 8, 0.002, seed=seed).assign(parameter="batch_norm", value=value, model=model)
        for model, after in {"baseline": 0.2, "siamese": 0.16}.items()
        for seed, (value, mean) in enumerate({"before": 0.18, "after": after}.items())
    )
    more_data = pd.concat(
        rounds(10 / n, 5, 0.1 / n).assign(model="deeper", n_train=n, epochs=2) for n in (100, 200, 400)
    )
    text = markdown(means, ablations=ablations, more_data=more_data)
    assert "sharing weights lowers the mean test error by 0.0299 (" in text
    assert "adding auxiliary losses lowers the mean test error by 0.0891 (" in text
    assert "the two save fewer pairs together than apart (interaction +0.0213, +0.0146 to" in text
    assert "`batch_norm`, instead of before: after lowers the test error of `siamese` by 0.0200 (0.0" in text
    assert "; after raises the test error of `baseline` by 0.0200 (0.0" in text
    assert "`deeper`: the error falls; twice the pairs multiply it by 0.50 (" in text
    assert "| `deeper` | 1.000 (" in text


def test_other_data_have_none_of_the_paper() -> None:
    means = {"baseline": 0.18, "siamese": 0.11, "siamese_aux": 0.03}
    of = study(means, data=DATA | {"source": "idx", "folder": "some/clothes"})
    text = page.to_markdown(report.compose(of, {}), "figures")
    for words in (text, html(of)):
        assert not re.search(r"MNIST|digit|handwritten|the paper's (mean|choice)|0\.1835|0\.1108|0\.0359", words, re.I)
    assert text.startswith(
        "# Which label is larger? Weight sharing and auxiliary losses, measured again on `clothes`\n"
    )
    assert "Not judged: they are not about `clothes`." in text
    assert "Data: the images of `clothes`, a folder of IDX files" in text
    assert "| `baseline` | `fixed` | 0.1800 ± 0.0060 | 15 |\n" in text
    assert "Label 4 beside label 9, test pair 0" in html(of)


@pytest.mark.parametrize(("folder", "name"), [("a/b/", "b"), ("a/b/..", "a"), ("`b`", "'b'"), ("/", "/")])
def test_data_are_named_by_their_folder(folder: str, name: str) -> None:
    assert wording({"source": "idx", "folder": folder}).name == name


def test_mistakes_name_digits_and_models() -> None:
    text = markdown({"baseline": 0.18, "siamese": 0.11})
    assert "`siamese`: 0.3333 of 12 answers wrong, most often on 4 and 9 (4 wrong answers, a share of 0.667)." in text
    assert "| 4 and 9 | 2 | 0.667 of 6 | 0.667 of 6 |" in text
    of = study({"baseline": 0.18})
    assert "Handwritten 4 beside handwritten 9, test pair 0" in html(of)
    assert "4 and 9: wrong in 3 of 3 rounds" in html(of)


class Page(HTMLParser):
    """What a browser would do with a page, as far as these tests ask."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def test_everything_is_escaped() -> None:
    evil = '<script>alert("1")</script> | *a* & `<b>`'
    blocks: list[page.Block] = [
        page.Heading(1, evil),
        page.Heading(2, evil),
        page.Paragraph(evil),
        page.Bullets([evil]),
        page.Table([evil, evil], [[evil, evil * 3]]),
        page.Picture("f", evil, evil),
        page.Code(evil),
        page.Photos([(b"", evil, evil)]),
        page.Numbers([evil, evil], [[evil, evil]]),
        page.Links([(evil, EVIL)]),
        page.Fold(evil, [page.Paragraph(evil)]),
        page.Section("s", [page.Paragraph(evil)]),
        page.Chart(f'{EVIL}"', evil, evil, {"data": evil}),
    ]
    parsed = Page(page.to_html(blocks, {"f": b"<svg/>"}, "'</SCRIPT>'"))
    assert not parsed.open
    assert parsed.count("script") == 3  # the specifications and the page's own two
    assert parsed.count("b") == 0
    assert parsed.count("img") == 2
    text = page.to_markdown(blocks, "figures").replace(f"```\n{evil}\n```", "")
    assert "<script>" not in text.replace("\\<", "")
    assert " | *a*" not in re.sub("<summary>.*?</summary>", "", text)  # which is HTML


def test_a_models_name_is_text() -> None:
    plain, evil = (Page(html(study({name: 0.18, "siamese": 0.11}))) for name in ("other", EVIL))
    assert not evil.open
    assert [tag for tag, _ in evil.tags] == [tag for tag, _ in plain.tags]


def test_html_loads_nothing() -> None:
    names = ["figure_1", "figure_2", "figure_4", "grid_baseline"]
    of = study({"baseline": 0.18})
    text = html(of, names)
    parsed = Page(text)
    images = [attributes for tag, attributes in parsed.tags if tag == "img"]
    assert all(image["alt"] and str(image["src"]).startswith("data:image/") for image in images)
    assert [str(image["src"]).partition(";")[0] for image in images].count("data:image/svg+xml") == 2
    assert not {"link", "iframe", "object"} & {tag for tag, _ in parsed.tags}
    links = {str(attributes["href"]) for _, attributes in parsed.tags if "href" in attributes}
    targets = {f"#{attributes['id']}" for _, attributes in parsed.tags if "id" in attributes}
    assert links <= targets
    linked = page.to_html(report.compose(of, {}), {}, "", [("Article", "report.pdf"), ("no address", "")])
    assert '<li><a href="report.pdf">Article</a></li><li>no address</li>' in linked
    assert not [attributes for tag, attributes in parsed.tags if tag == "script" and "src" in attributes]


def test_a_figure_that_was_added_stands_in_a_section_of_its_own() -> None:
    of, own = (
        study({"baseline": 0.18}),
        {"figure_1": "Layers.", "learning_curves": "Losses.", "grid_baseline": "Cells."},
    )
    assert "Further figures" not in page.to_markdown(report.compose(of, own), "figures")
    text = page.to_markdown(report.compose(of, own | {"share": "Which share of ``fixed`` wins."}), "figures")
    further = text.partition("## Further figures\n\n")[2].partition("\n##")[0]
    picture = "![Which share of fixed wins.](figures/share.svg)\n\nWhich share of `fixed` wins."
    assert further.strip() == picture


def test_a_model_that_was_added_is_described() -> None:
    assert "- `rule`: A network that was added.\n" in markdown({"baseline": 0.18, "rule": 0.1})


def test_a_figure_without_one_of_its_tables_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, "plot.py", "--figure", "grid", "--grid", "grid.csv", "--output", "a.svg")
    assert capsys.readouterr().err.endswith("error: --figure grid needs --selection\n")


def test_headings_are_in_order() -> None:
    levels = [int(tag[1]) for tag, _ in Page(html(study({"baseline": 0.18}))).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def run(monkeypatch: pytest.MonkeyPatch, script: str, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    runpy.run_path(str(SCRIPTS / script), run_name="__main__")


def test_the_steps_after_the_final_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    models = ["baseline", "siamese"]
    figures = Path("reports/figures")
    figures.mkdir(parents=True)
    grid(models).to_csv("grid.csv", index=False)
    inputs: dict[str, list[tuple[str, dict[str, str]]]] = {"final": [], "curves": []}
    for protocol, model in product(("fixed", "resampled"), models):
        for name, table in {"final": rounds(0.11, 5), "curves": curves(rounds(0.2, 5))}.items():
            path = Path(protocol) / model / f"{name}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            table.to_csv(path, index=False)
            inputs[name].append((str(path), {"protocol": protocol, "model": model}))
    mistakes(models).to_csv("mistakes.csv", index=False)
    np.savez("pairs.npz", test_images=np.ones((4, 2, 14, 14), np.uint16))
    records = Path("records")
    records.mkdir()
    record = {"rule": "cell", "job_hash": 1, "starttime": 10.0, "endtime": 75.0, "incomplete": False}
    for name, later in {"rounds": 0.0, "curves": 0.001}.items():  # two outputs of one step
        (records / name).write_text(json.dumps(record | {"starttime": 10 + later}))
    (records / "running").write_text(json.dumps(record | {"endtime": None, "incomplete": True}))

    def plot(name: str, figure: str, *options: object) -> None:
        files = [figures / f"{name}.svg", figures / f"{name}.png"]
        run(monkeypatch, "plot.py", "--figure", figure, *options, "--output", *files)

    for name, tables_ in inputs.items():
        run(monkeypatch, "collect_rounds.py", "--tables", json.dumps(tables_), "--output", f"{name}.csv")
    final, of_curves, of_grid = (["--" + name, f"{name}.csv"] for name in ("final", "curves", "grid"))
    run(monkeypatch, "select_configurations.py", "--grid", "grid.csv", "--by", "test", "--output", "selection.json")
    chosen = ["--selection", "selection.json"]
    of_mnist = ["--source", "bundled"]
    plot("figure_3", "figure_3", *final, *of_mnist)
    plot("figure_4", "figure_4", *final, *of_mnist)
    plot("learning_curves", "learning_curves", *of_curves)
    for model in models:
        plot(f"grid_{model}", "grid", *of_grid, *chosen, *of_mnist, "--model", model)
    for model, name in zip(models, ("figure_1", "figure_2"), strict=True):
        plot(name, "architecture", "--model", model, "--options", '{"batch_norm": "before"}')
    train = [*of_mnist, "--train", json.dumps(TRAIN), "--ablations"]  # a part that is left out names no file
    run(monkeypatch, "compute_statistics.py", *final, *of_grid, *chosen, *train, "--output", "statistics.json")
    judged = ["--statistics", "statistics.json", "--claims", "claims.json", "--findings", "findings.json"]
    test_pairs = ["--test-pairs", "1000"]
    run(monkeypatch, "judge_claims.py", *final, *of_curves, *of_grid, *chosen, *train, *test_pairs, *judged)
    run(monkeypatch, "collect_metrics.py", "--findings", "findings.json", "--output", "metrics.json")
    arguments = [*final, *of_curves, *of_grid, *chosen, *judged]
    arguments += ["--mistakes", "mistakes.csv", "--pairs", "pairs.npz", "--ablations", "--more-data"]
    arguments += ["--figures", *map(str, sorted(figures.glob("*.svg"))), "--data", json.dumps(DATA)]
    captions = {path.stem: "What it shows." for path in figures.glob("*.svg")}
    arguments += ["--texts", json.dumps({"captions": captions, "descriptions": {}})]
    paths = ["results/final.csv", "results/curves.csv", "results/selection.json", "results/statistics.json"]
    shown = [Path(path) for path in (*paths, "reports/metrics.json")]  # the study's own paths have captions
    for path in shown:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(Path(path.name).read_bytes())
    for copy, folder in {"a": "records", "b": "nowhere"}.items():
        files = ["--markdown", f"reports/{copy}.md", "--html", f"reports/{copy}.html"]
        files += ["--tables", *map(str, shown), "--table-page", f"reports/tables-{copy}.html"]
        run(monkeypatch, "write_report.py", *arguments, "--device", "cpu", "--records", folder, *files)

    assert Path("reports/a.md").read_bytes() == Path("reports/b.md").read_bytes()
    a, b = (Path(f"reports/{copy}.html").read_text().replace(f"tables-{copy}", "tables") for copy in ("a", "b"))
    assert "1 min 5 s of steps" in a and "no records in nowhere" in b
    provenance = re.compile(r'<section id="provenance">.*?</section>', re.DOTALL)
    assert provenance.sub("", a) == provenance.sub("", b) != b
    assert len(a) < 5e6
    pages = [Path(f"reports/tables-{copy}.html").read_text() for copy in ("a", "b")]
    assert pages[0] == pages[1]
    assert re.findall(r"<h2.*?>(.*?)</h2>", pages[0])[:2] == [
        "All final rounds",
        "The final rounds&#x27; learning curves",
    ]
    differences = json.loads(Path("statistics.json").read_text())["differences"]
    counts = (f"{len(pd.read_csv('final.csv'))} rows", f"differences: {len(differences)} row")
    for said in (*counts, "fixed, siamese", "mean-resampled.siamese", "<td>0.11</td>"):
        assert said in pages[0]
    links = re.findall(r"\]\(([^)]+)\)", Path("reports/a.md").read_text())
    assert sorted(links) == sorted(f"figures/{path.name}" for path in figures.glob("*.svg"))
    assert all((Path("reports") / link).exists() for link in links)
    metrics = json.loads(Path("metrics.json").read_text())
    assert list(metrics)[:3] == [*models, "deviation-fixed"]  # the first columns of `dvc exp show`
    assert metrics["siamese"] == metrics["mean-resampled"]["siamese"] == pytest.approx(0.11)
    assert metrics["deviation-fixed"]["siamese"] == pytest.approx(rounds(0.11, 5)["test_error"].std())
    assert metrics["rounds-resampled"] == dict.fromkeys(models, 5)


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://token@git.example/a/study.git", "https://git.example/a/study/commit/abc"),
        ("git@git.example:a/study.git", "https://git.example/a/study/commit/abc"),
        ("ssh://git@git.example/a/study", "https://git.example/a/study/commit/abc"),
        ("../study", ""),
        ("file:///srv/study.git", ""),
    ],
)
def test_the_commit_is_linked_where_the_remote_is_on_the_web(
    monkeypatch: pytest.MonkeyPatch, remote: str, address: str
) -> None:
    monkeypatch.setattr(revision, "git", lambda _, command, *__: {"remote": remote, "rev-parse": "abc"}[command])
    assert runpy.run_path(str(SCRIPTS / "write_report.py"))["commit_address"]() == address


def test_the_page_of_tables_shows_the_beginning_of_long_ones() -> None:
    def shown(rows: int) -> str:
        page_ = table_page.compose({"results/grid.csv": pd.DataFrame({"round": range(rows)})})
        return page.to_html(page_, {}, "")

    assert f"{table_page.MOST} rows" in shown(table_page.MOST)
    assert shown(table_page.MOST).count("<tr>") == 1 + table_page.MOST
    long = shown(table_page.MOST + 1)
    assert f"the first {table_page.SHOWN} of {table_page.MOST + 1} rows" in long
    assert long.count("<tr>") == 1 + table_page.SHOWN
