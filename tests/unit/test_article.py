"""The article: what it says follows from the results, and nothing in them is run as markup."""

import io
import json
import re
import runpy
import sys
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pypdf import PdfReader

from digitpairs import paper, tables
from digitpairs.analysis import claims, findings, measures, selection, statistics
from digitpairs.errors import StudyError
from digitpairs.params import Params, load_params
from digitpairs.reporting import article
from digitpairs.reproduction.comparison import without_provenance

SCRIPTS = Path(__file__).parents[2] / "scripts"
MEANS = {"baseline": 0.18, "siamese": 0.11, "siamese_aux": 0.036, "twobranch": 0.15, "twobranch_aux": 0.06}
TRAIN = {"weight_decay": 0.0, "auxiliary_weight": 1.0, "batch_norm": "before"}
VALUES: dict[str, list[Any]] = {"epochs": [25, 50], "batch_size": [50], "learning_rate": [0.01, 0.1]}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="%dpt" height="%dpt"><rect width="9" height="9"/></svg>'
NAMES = ("figure_1", "figure_2", "figure_3", "figure_4", "learning_curves", "two_factors", "ablations", "more_data")


class Study:
    """A small study: its results as files hold them, with or without what goes beyond the paper."""

    def __init__(
        self, means: Mapping[str, float] = MEANS, n: int = 5, beyond: bool = True, diverged: str = "", **data: str
    ):
        self.settings: dict[str, Any] = {
            "seed": 0,
            "data": {"source": "bundled", "n_train": 1000, "n_validation": 500, "n_test": 1000} | data,
        }
        published = paper.published(self.settings["data"]["source"])
        models = list(means) if beyond else list(paper.RESULTS)
        rng = np.random.default_rng(0)

        def rounds(mean: float) -> pd.DataFrame:
            table = pd.DataFrame({"round": range(1, n + 1), "train_loss": 0.1, "train_error": 0.0})
            errors = mean + 0.002 * rng.normal(size=(2, n))
            return table.assign(validation_error=errors[0], test_error=errors[1])

        final = {protocol: {m: rounds(means[m]) for m in models} for protocol in ("fixed", "resampled")}
        for by_model in final.values() if diverged else ():
            by_model[diverged].loc[:, "train_loss":] = np.nan
        self.final = final
        self.grid = pd.concat(
            rounds(means[m] + 0.01 * (epochs < 50) + rate / 10).assign(
                model=m, epochs=epochs, batch_size=50, learning_rate=rate
            )
            for m, epochs, rate in product(models, VALUES["epochs"], VALUES["learning_rate"])
        )
        choice = selection.select(self.grid, "validation")
        ablations = pd.concat(
            rounds(means[m] + change).assign(parameter="batch_norm", value=value, model=m)
            for m, (value, change) in product(models, {"before": 0.0, "after": 0.02}.items())
        )
        more = pd.concat(
            rounds(means[m] * size**-0.4).assign(model=m, n_train=250 * size) for m in models for size in (1, 4, 16)
        )
        parts: Any = (ablations, more) if beyond else (None, None)
        self.ablations: pd.DataFrame | None
        self.more_data: pd.DataFrame | None
        self.ablations, self.more_data = parts
        study = measures.Study(final, {}, self.grid, choice, dict.fromkeys(models, 1000), parts[0], n_test=1000)
        results = {
            "statistics": statistics.tabulate(final, self.grid, choice, TRAIN, parts[0], parts[1], published),
            "claims": claims.judge(study) if published else [],
            "selection": choice,
        }
        self.results: dict[str, Any] = json.loads(tables.to_json(results))
        self.state()
        self.settings |= {
            "train": TRAIN,
            "grid": {"rounds": n} | dict.fromkeys(models, VALUES),
            "select": {"by": "validation"},
            "final": {"rounds": n},
        }
        names = [*NAMES[: 8 if beyond else 5], *(f"grid_{model}" for model in models)]
        self.figures: dict[str, bytes] = dict.fromkeys(names, SVG % (640, 360))
        captions = {name: f"What ``{name}`` shows." for name in names}
        self.texts = {"captions": captions, "descriptions": {"rule": "A network that was added"}}

    def state(self) -> None:
        """State the findings of results that were edited."""
        self.results["findings"] = findings.state(self.results["statistics"], self.results["claims"])

    def params(self, folder: Path) -> Params:
        file = folder / "params.yaml"
        file.write_text(yaml.safe_dump(self.settings), encoding="utf-8")
        return load_params(file)

    def pdf(self, folder: Path) -> bytes:
        return article.typeset(self.results, self.grid, self.params(folder), self.figures, self.texts)

    def text(self, folder: Path) -> str:
        return read(self.pdf(folder))


def read(pdf: bytes) -> str:
    """Return the text, without hyphenation, line ends and the numbers of pages."""
    reader = PdfReader(io.BytesIO(pdf))
    assert 0 < len(reader.pages) <= article.PAGES
    pages = [re.sub(r"\n\d+\s*$", "", page.extract_text()) for page in reader.pages]
    return re.sub(r"\s+", " ", re.sub(r"[\u00ad\u2010-]\n", "", "\n".join(pages)))


def test_the_article_says_what_the_results_do(tmp_path: Path) -> None:
    study = Study(n=12)
    text = study.text(tmp_path)
    errors = study.results["statistics"]["errors"]
    for model in MEANS:
        summary = errors["fixed"][model]
        assert f"{summary['estimate']:.4f} ± {summary['std']:.4f}" in text
        middle = summary["interquartile_mean"]
        assert f"{middle['estimate']:.4f} ({middle['low']:.4f} to {middle['high']:.4f})" in text
    for result in paper.RESULTS.values():
        assert f"{result.test_error:.4f} ± {result.test_error_std:.4f}" in text
    for heading in ("Abstract", "Introduction", "Method", "Results", "Discussion", "References"):
        assert heading.lower() in text.lower()
    for number in range(1, 8):
        assert f"Figure {number}." in text
    for numeral in ("I", "II", "III", "IV", "V"):
        assert f"Table {numeral}." in text
    sharing = study.results["statistics"]["two_factors"]["resampled"]["sharing"]
    assert f"sharing weights lowers the mean test error by {-sharing['estimate']:.4f}" in text
    assert "On new pairs in each round, 10 of 10 pairs of networks differ" in text
    assert "batch_norm, instead of before: after raises the test error of baseline by" in text
    exponent = study.results["statistics"]["more_data"]["siamese"]["exponent"]["estimate"]
    assert f"{exponent:.2f}" in text
    assert "main conclusion holds" in text


def test_without_what_goes_beyond_the_paper(tmp_path: Path) -> None:
    text = Study(beyond=False).text(tmp_path)
    assert "networks with separate branches are not part of this study" in text
    assert "No training parameter was varied" in text
    assert "not trained on more pairs" in text
    assert "Hestness" not in text and "Figure 7." not in text


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("reproduced", "reproduced", "main conclusion holds"),
        ("not reproduced", "reproduced", "main conclusion does not hold here as it stands"),
        ("cannot tell", "reproduced", "is not settled by these rounds"),
    ],
)
def test_a_failed_claim_reads_as_failed(tmp_path: Path, first: str, second: str, said: str) -> None:
    study = Study(beyond=False)
    for claim in study.results["claims"]:
        claim["verdict"] = "reproduced"
    study.results["claims"][0]["verdict"], study.results["claims"][1]["verdict"] = first, second
    study.state()
    text = study.text(tmp_path)
    assert said in text
    assert ("1 is not reproduced (1)" in text) == (first == "not reproduced")
    assert ("9 are reproduced" in text) == (first != "reproduced")


def test_errors_that_rise_read_as_risen(tmp_path: Path) -> None:
    text = Study({**MEANS, "siamese": 0.2, "siamese_aux": 0.25}).text(tmp_path)
    assert "Sharing weights does harm (baseline to siamese): on one dataset (fixed) it raises the test error by" in text
    assert "Adding auxiliary losses does harm (siamese to siamese_aux)" in text
    assert "main conclusion holds" not in text


@pytest.mark.parametrize("n", [1, 2])
def test_few_rounds_can_be_typeset(tmp_path: Path, n: int) -> None:
    text = Study(n=n).text(tmp_path)
    assert f"it cannot be judged: an interval takes 4 rounds, and there are {n}" in text
    assert "nan" not in text.lower().replace("nanda", "")


def test_diverged_rounds_are_counted(tmp_path: Path) -> None:
    study = Study()
    study.results["statistics"]["errors"]["resampled"]["siamese"] |= {"n": 4, "diverged": 1}
    study.grid.loc[(study.grid["model"] == "siamese") & (study.grid["epochs"] == 25), "train_loss"] = np.nan
    text = study.text(tmp_path)
    assert "(n = 4, 1 diverged)" in text
    assert "Of 20 cells, 2 held a round whose loss was not finite" in text


def test_strings_are_text(tmp_path: Path) -> None:
    study = Study(beyond=False)
    hostile = '#panic("run") $x^2$ *bold* <label> @paper \\ #sys.inputs ]'
    study.results["findings"][0]["sentence"] = hostile
    study.results["claims"][1]["ours"] = f"`{hostile}`"
    study.results["statistics"]["methods"]["test"] = hostile
    assert study.text(tmp_path).count(re.sub(r"\s+", " ", hostile)) >= 1
    assert study.text(tmp_path).count('#panic("run")') == 3


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = Study(), Study()
    second.figures = dict(reversed(second.figures.items()))
    assert first.pdf(tmp_path) == second.pdf(tmp_path)
    assert b"CreationDate" not in first.pdf(tmp_path)


def test_other_data_have_none_of_the_paper(tmp_path: Path) -> None:
    study = Study(source="idx", folder="some/clothes")
    study.results["statistics"]["more_data"] = {}  # whose pairs are MNIST's
    text = study.text(tmp_path)
    assert not re.search(r"MNIST|digit|handwritten|the paper's (mean|choice)|0\.1835|0\.1108|0\.0359", text, re.I)
    assert "A study of clothes, after the EE-559 report" in text
    assert "none is held against clothes" in text
    assert "claims" not in text


def test_additions_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*MEANS, "rule"):
        (tmp_path / f"{name}.py").touch()
    monkeypatch.setattr("digitpairs.models.FOLDER", tmp_path)
    study = Study({**MEANS, "rule": 0.05})
    study.figures["share"] = SVG % (640, 360)
    study.texts["captions"]["share"] = "What ``share`` shows."
    text = study.text(tmp_path)
    assert "rule was added to the study: A network that was added." in text
    found = re.search(r"Further figures (Figure \d+) was added to the study\.", text)
    assert found and f"{found[1]}. What share shows." in text


def test_figures_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(article, "PAGES", 7)
    study = Study()
    study.figures |= {name: SVG % (400, 560) for name in study.figures if name.startswith(("grid", "learning"))}
    text = study.text(tmp_path)
    assert "Mean validation error of each cell" not in text
    assert "Figure 4." in text


def test_a_figure_that_is_none_is_refused(tmp_path: Path) -> None:
    study = Study(beyond=False)
    study.figures["figure_3"] = b"no picture"
    with pytest.raises(StudyError, match=r"^article: .+$"):
        study.pdf(tmp_path)


def test_the_script_writes_what_the_library_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study()
    params = study.params(tmp_path).model_dump_json()
    study.grid.to_csv(tmp_path / "grid.csv", index=False)
    for name, content in study.results.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    for name, image in study.figures.items():
        (tmp_path / f"{name}.svg").write_bytes(image)
    files = {name: tmp_path / f"{name}.json" for name in study.results} | {"grid": tmp_path / "grid.csv"}
    inputs = [
        f"--params={params}",
        f"--texts={json.dumps(study.texts)}",
        *(f"--{name}={file}" for name, file in files.items()),
    ]
    pictures = ["--figures", *map(str, sorted(tmp_path.glob("*.svg")))]
    script = SCRIPTS / "typeset_article.py"
    monkeypatch.setattr(sys, "argv", [str(script), *inputs, *pictures, "--output", str(tmp_path / "report.pdf")])
    runpy.run_path(str(script), run_name="__main__")
    written, here = (tmp_path / "report.pdf").read_bytes(), study.pdf(tmp_path)
    assert without_provenance("report.pdf", written) == without_provenance("report.pdf", here)


def test_the_article_names_its_revision_and_is_compared_without(tmp_path: Path) -> None:
    study = Study()
    parts = study.results, study.grid, study.params(tmp_path), study.figures, study.texts
    unknown, one, other = (article.typeset(*parts, made) for made in ("unknown", "1a2b3c of 2026-01-02", "4d5e"))
    assert "Revision 1a2b3c of 2026-01-02" in read(one) and "Revision unknown" in read(unknown)
    assert one != other
    assert len({without_provenance("reports/report.pdf", pdf) for pdf in (unknown, one, other)}) == 1
    study.results["statistics"]["errors"]["fixed"]["siamese"]["estimate"] = 0.123
    changed = article.typeset(*parts, "4d5e")
    assert without_provenance("report.pdf", changed) != without_provenance("report.pdf", other)
