"""Figures: what they show, at the edges of what a study may hold."""

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from torch import nn

import exactrun
from digitpairs import models, paper, tables
from digitpairs.analysis import factors, selection, statistics
from digitpairs.models import baseline
from digitpairs.networks.layers import PairNet, trunk
from digitpairs.reporting import charts, palette
from digitpairs.reporting.figures import (
    ablations,
    architecture,
    choosing,
    figure_3,
    figure_4,
    learning_curves,
    least_error,
    more_data,
    other_data,
    spikes,
    task,
    two_factors,
    variance,
)
from digitpairs.reporting.figures import grid as heat_maps
from digitpairs.reporting.style import render

ROOT = Path(__file__).parents[2]
FIGURES: list[ModuleType] = [
    *(ablations, architecture, choosing, figure_3, figure_4, heat_maps, learning_curves, least_error, more_data),
    *(other_data, spikes, task, two_factors, variance),
]
OPTIONS = {"batch_norm": "before", "auxiliary_weight": 1.0}
TRAIN = OPTIONS | {"weight_decay": 0.0}
LOSSES = {"train_loss": 0.1, "validation_error": 0.1}


def net(model: str, **changes: str) -> PairNet:
    return models.load(model)(**{key: (OPTIONS | changes)[key] for key in models.options(model)})


def rounds(mean: float, n: int = 15, diverged: int = 0) -> pd.DataFrame:
    errors = np.random.default_rng(0).normal(mean, 0.006, n)
    errors[:diverged] = np.nan
    return pd.DataFrame({"round": range(n), "test_error": errors})


def tidy(by_protocol: Mapping[str, Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """Make final.csv of {protocol: {model: rounds}}, or curves.csv of curves."""
    return pd.concat(
        table.assign(protocol=protocol, model=model)
        for protocol, by_model in by_protocol.items()
        for model, table in by_model.items()
    )


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("model", models.names())
@pytest.mark.parametrize("batch_norm", ["before", "after"])
def test_the_architecture_is_the_models(model: str, batch_norm: str) -> None:
    network = net(model, batch_norm=batch_norm)
    layers = architecture.trace(network)
    assert sum(layer.parameters for layer in layers) == sum(p.numel() for p in network.parameters())
    assert layers[0].shape == (2 // network.branches, 14, 14)
    assert layers[-1].shape == (2,)
    assert layers[1].after == (["BatchNorm", "ReLU"] if batch_norm == "before" else ["ReLU", "BatchNorm"])
    options = {key: (OPTIONS | {"batch_norm": batch_norm})[key] for key in models.options(model)}
    drawn = render(architecture.draw(model=model, options=options), ".svg")
    assert drawn.startswith(b"<?xml") and drawn == render(architecture.diagram(layers, model), ".svg")


def test_branches_merge() -> None:
    layers = architecture.trace(net("siamese"))
    assert [layer.branches for layer in layers] == [2] * 9 + [1] * 3
    assert (layers[9].name, layers[9].shape) == ("concatenate", (20,))


def test_a_change_in_the_code_changes_the_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = render(architecture.diagram(architecture.trace(net("baseline")), "baseline"), ".svg")

    def wider(channels: int, outputs: int, batch_norm: str) -> nn.Sequential:
        layers = trunk(channels, outputs, batch_norm)
        layers[4].linear, layers[4].norm = nn.Linear(128, 77), nn.BatchNorm1d(77)
        layers[5] = nn.Linear(77, outputs)
        return layers

    monkeypatch.setattr(baseline, "trunk", wider)
    layers = architecture.trace(net("baseline"))
    assert layers[-2].shape == (77,)
    assert render(architecture.diagram(layers, "baseline"), ".svg") != before


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_figures_are_the_same_bytes_each_time(suffix: str) -> None:
    final = tidy({"fixed": {"baseline": rounds(0.18), "siamese": rounds(0.11)}})
    first, second = (render(figure_3.draw(final=final, source="bundled"), suffix) for _ in range(2))
    assert first == second
    assert b"<dc:date>" not in first


def test_rounds_and_means_tell_n_and_divergence() -> None:
    by_model = {"baseline": rounds(0.18), "siamese": rounds(0.11, diverged=2), "other": rounds(0.05)}
    final = tidy({"fixed": by_model, "resampled": {model: rounds(0.1) for model in by_model}})
    text = labels(figure_3.draw(final=final, source="bundled"))
    assert text[0].startswith("baseline: 0.1") and text[0].endswith("(n = 15)")
    assert text[1].endswith("(n = 13, 2 diverged)")
    assert text[3:] == ["the paper's mean (n = 15)", "diverged round"]
    by_test = tidy({"resampled_by_test": {"siamese": rounds(0.2)}})  # rounds of another choice are not shown
    text = labels(figure_4.draw(final=pd.concat([final, by_test]), source="bundled"))
    assert text == ["fixed, n = 13 or 15", "resampled, n = 15", "paper, n = 15", "95% interval", "standard deviation"]


def test_other_data_have_none_of_the_papers_numbers() -> None:
    by_model = {model: rounds(0.1) for model in paper.RESULTS}
    final = tidy({"fixed": by_model, "resampled": by_model})
    by_round, means = figure_3.draw(final=final, source="idx"), figure_4.draw(final=final, source="idx")
    assert labels(by_round)[-1].startswith("siamese_aux: ")
    assert labels(means)[:3] == ["fixed, n = 15", "resampled, n = 15", "95% interval"]
    assert "--" not in {line.get_linestyle() for line in by_round.axes[0].lines}


def test_means_are_drawn_as_high_as_they_are() -> None:
    by_model = {model: rounds(0.1) for model in paper.RESULTS}
    (axes,) = figure_4.draw(final=tidy({"fixed": by_model}), source="bundled").axes
    heights = [float(np.asarray(dot.get_ydata())[0]) for dot in axes.lines]
    assert heights[:3] == [pytest.approx(table["test_error"].mean()) for table in by_model.values()]
    assert heights[3:] == [result.test_error for result in paper.RESULTS.values()]
    assert axes.get_ylim()[0] == 0


def test_no_whisker_shows_an_error_below_zero() -> None:
    final = tidy({"fixed": {"siamese": rounds(0.02).assign(test_error=[*[0.0] * 14, 0.3])}})
    (axes,) = figure_4.draw(final=final, source="idx").axes
    ends = [float(y) for lines in axes.collections for path in lines.get_paths() for _, y in np.asarray(path.vertices)]
    assert min(ends) == 0 < max(ends)
    chart = charts.mean_errors(
        [{"model": "siamese", "source": "fixed", "mean": 0.02, "std": 0.08, "low": 0.001, "high": 0.06, "n": 15}],
        ["siamese"],
    )
    assert "max(0, datum.mean - datum.std)" in json.dumps(chart)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("diverged", [0, 1])
def test_few_rounds_can_be_drawn(n: int, diverged: int) -> None:
    by_model = {"baseline": rounds(0.18, n), "new": rounds(0.1, n, diverged)}
    final = tidy({"fixed": by_model, "resampled": by_model})
    curves = {
        model: pd.concat(table.assign(epoch=e, train_loss=table["test_error"], validation_error=0.5) for e in (1, 2))
        for model, table in by_model.items()
    }
    for figure in (
        figure_3.draw(final=final, source="bundled"),
        figure_4.draw(final=final, source="bundled"),
        learning_curves.draw(curves=tidy({"fixed": curves})),
    ):
        render(figure, ".png")
    assert labels(figure)[1] == (f"new (n = {n - diverged}, 1 diverged)" if diverged else f"new (n = {n})")


def test_a_study_whose_rounds_all_diverged_can_be_drawn() -> None:
    gone = rounds(0.1, 5, diverged=5).assign(train_loss=np.nan, validation_error=np.nan, train_error=np.nan)
    by_model = {"baseline": gone, "new": gone}
    final = tidy({"fixed": by_model, "resampled": by_model})
    curves = {model: pd.concat(table.assign(epoch=e) for e in (1, 2)) for model, table in by_model.items()}
    grid = gone.assign(model="baseline", epochs=50, batch_size=50, learning_rate=0.1)
    choice = selection.select(grid, "validation")
    for figure in (
        figure_3.draw(final=final, source="bundled"),
        figure_4.draw(final=final, source="idx"),
        learning_curves.draw(curves=tidy({"fixed": curves})),
        heat_maps.draw(grid=grid, selection=choice, model="baseline", source="bundled"),
        *(part.draw(statistics=results(5, 5)) for part in (two_factors, ablations, more_data)),
    ):
        assert render(figure, ".png")


@pytest.mark.parametrize("epochs", [[1], [25, 50], [10, 20, 30, 40, 50]])
def test_the_grid_marks_choice_and_divergence(epochs: list[int]) -> None:
    table = pd.DataFrame(
        {"model": "baseline", "epochs": e, "batch_size": b, "learning_rate": rate, "round": number, "train_loss": x}
        | {"train_error": x, "validation_error": x, "test_error": x}
        for e, b, rate, number in product(epochs, (50, 100), (0.01, 0.1), range(3))
        for x in [float("nan") if (rate, number) == (0.1, 0) else b / 1000 + e / 1000]
    )
    choice = selection.select(table, "test")
    other = table.assign(model="siamese", batch_size=7)  # another model's cells are not shown
    figure = heat_maps.draw(grid=pd.concat([table, other]), selection=choice, model="baseline", source="bundled")
    render(figure, ".svg")
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == [f"Epochs: {e}" for e in epochs]
    texts = sorted(text.get_text() for text in panels[0].texts)
    assert texts == sorted([f"{0.05 + epochs[0] / 1000:.3f}", f"{0.1 + epochs[0] / 1000:.3f}", "1/3", "1/3"])
    assert len(panels[0].patches) == 4 + 2  # cells, and the frames of both rules
    assert labels(figure)[-1] == "k/n: k of n rounds diverged"
    assert ("the paper's choice" in labels(figure)) == (50 in epochs)


@pytest.mark.parametrize("n", [1, 20])
def test_the_task_shows_pairs_and_their_answers(n: int) -> None:
    digits = np.random.default_rng(0).integers(0, 10, (n, 2))
    figure = task.draw(pairs={"test_images": np.ones((n, 2, 14, 14), np.uint16), "test_digits": digits})
    render(figure, ".svg")
    shown = [panel.get_supxlabel() for panel in figure.subfigs]
    assert len(shown) == min(n, task.SHOWN)
    for text, (first, second) in zip(shown, digits.tolist(), strict=False):
        assert text == (
            f"{first} \N{LESS-THAN OR EQUAL TO} {second}: yes" if first <= second else f"{first} > {second}: no"
        )


def results(n: int = 15, diverged: int = 0, **changed: Any) -> dict[str, Any]:
    """What statistics.json holds, of errors that are known."""
    means = {"siamese": 0.1, "siamese_aux": 0.03, "twobranch": 0.15, "twobranch_aux": 0.05}
    final = {
        protocol: {m: rounds(mean, n, diverged).assign(train_loss=0.1, train_error=0.0) for m, mean in means.items()}
        for protocol in ("fixed", "resampled")
    }
    changes: list[tuple[str, Any, float]] = [
        ("batch_norm", "before", 0),
        ("batch_norm", "after", 0.02),
        ("weight_decay", 0.0, 0),
        ("weight_decay", 1e-5, 0.01),
        ("weight_decay", 1e-3, -0.01),
    ]
    ablated: pd.DataFrame = pd.concat(
        rounds(0.1 + change, n).assign(parameter=parameter, value=value, model=model)
        for model in ("siamese", "siamese_aux")
        for parameter, value, change in changes
    )
    more = pd.concat(
        rounds(0.1 * size**-0.5, n, diverged).assign(model=model, n_train=250 * size)
        for model in ("siamese", "deeper")
        for size in (1, 4, 16)
    )
    table = statistics.tabulate(final, pd.DataFrame(), {}, TRAIN, ablated, more)
    written: dict[str, Any] = json.loads(tables.to_json(table | changed))
    return written


def test_two_factors_are_drawn_as_they_are() -> None:
    figure = two_factors.draw(statistics=results())
    render(figure, ".svg")
    fixed, resampled, effects = figure.axes
    assert [axes.get_title() for axes in (fixed, resampled)] == ["fixed, n = 15", "resampled, n = 15"]
    assert fixed.get_ylim() == resampled.get_ylim() and fixed.get_ylim()[0] == 0
    heights = [line.get_ydata() for line in fixed.lines if len(line.get_xdata()) == 2]  # type: ignore[arg-type]
    assert np.diff(heights[0])[0] == pytest.approx(-0.05)
    assert sorted(text.get_text() for text in fixed.texts) == sorted(factors.DESIGN)
    assert [label.get_text() for label in effects.get_yticklabels()] == [
        "sharing\nweights",
        "auxiliary\nlosses",
        "interaction",
    ]
    assert labels(figure)[-1] == "95% interval"


def test_ablations_have_a_zero_line_and_tell_n() -> None:
    figure = ablations.draw(statistics=results())
    render(figure, ".svg")
    assert [axes.get_title() for axes in figure.axes] == ["Zero line: before", "Zero line: 0"]
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["1e-05", "0.001"]
    assert all(axes.get_ylim()[0] <= 0 <= axes.get_ylim()[1] for axes in figure.axes)
    assert labels(figure) == ["siamese (n = 15)", "siamese_aux (n = 15)", "95% interval"]


def test_more_data_shows_the_law() -> None:
    table = results(n=5)
    figure = more_data.draw(statistics=table)
    render(figure, ".svg")
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    exponent = table["more_data"]["siamese"]["exponent"]
    law = f"{exponent['estimate']:.2f} ({exponent['low']:.2f} to {exponent['high']:.2f})"
    assert labels(figure)[0] == f"siamese: exponent {law}, n = 5"
    assert labels(figure)[1].startswith("deeper: ")


def test_a_model_has_one_look_in_all_figures_and_charts() -> None:
    table = results()
    of_figures = [ablations.draw(statistics=table), more_data.draw(statistics=table)]
    final = tidy({"fixed": {"siamese": rounds(0.1), "deeper": rounds(0.05)}})
    of_figures += [
        figure_3.draw(final=final, source="bundled"),
        learning_curves.draw(curves=final.assign(epoch=1, **LOSSES)),
    ]
    for figure in of_figures:
        for line in figure.legends[0].get_lines():
            model = str(line.get_label()).split()[0].rstrip(":")
            if model in palette.KNOWN:
                place = palette.KNOWN.index(model)
                assert line.get_color() == palette.COLOURS[place]
                assert line.get_marker() in (palette.MARKERS[place], "None")
    chart = charts.errors_by_round({"fixed": {"siamese": rounds(0.1)}}, ["a", "siamese"], paper.RESULTS)
    colours = [part["encoding"]["color"]["scale"] for part in chart["layer"] if "color" in part["encoding"]]
    assert [dict(zip(scale["domain"], scale["range"], strict=True))["siamese"] for scale in colours] == ["#D55E00"] * 4


def test_other_models_do_not_change_a_models_look() -> None:
    among = palette.assign(["a", "baseline", "b", "siamese", "c"])
    for model, colour in among.items():
        assert palette.assign([model]) == {model: colour}
    known = {palette.COLOURS[place] for place in range(len(palette.KNOWN))}
    others = [str(i) for i in range(60)]
    assert not known & {*palette.assign(others).values()}
    looks = {
        model: (colour, palette.assign([model], palette.MARKERS)[model])
        for model, colour in palette.assign(others).items()
    }
    assert len({*looks.values()}) > 25  # of 35: colour and marker do not go together
    assert len(palette.MARKERS) > len(palette.KNOWN) < len(charts.SHAPES)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("diverged", [0, 1])
def test_few_rounds_beyond_the_paper_can_be_drawn(n: int, diverged: int) -> None:
    table = results(n, diverged)
    for figure in (two_factors, ablations, more_data):
        render(figure.draw(statistics=table), ".svg")


def test_no_errors_and_bounds_below_zero_can_be_drawn_on_a_log_scale() -> None:
    table = results(n=3)
    points = table["more_data"]["siamese"]["points"]
    points[0]["low"] = -0.1
    points[2] |= {"estimate": 0.0, "low": 0.0, "high": 0.0}
    (axes,) = more_data.draw(statistics=table).axes
    assert axes.get_ylim()[0] > 0
    assert any(line.get_marker() == "v" for line in axes.lines)


@pytest.mark.parametrize("figure", [two_factors, ablations, more_data], ids=lambda figure: figure.__name__)
def test_a_part_that_is_not_there_is_named(figure: ModuleType) -> None:
    part = figure.__name__.rpartition(".")[2]
    empty: Any = [] if figure is ablations else {}
    (said,) = figure.draw(statistics=results(**{part: empty})).texts
    assert said.get_text().endswith(".")


HOSTILE = """
font.family: serif
text.usetex: True
axes.facecolor: red
axes.formatter.use_locale: True
lines.linewidth: 9
savefig.transparent: True
svg.fonttype: none
"""


def test_the_machine_does_not_reach_a_figure(tmp_path: Path) -> None:
    """Neither backend, matplotlibrc, fonts, style sheets nor locale."""
    table = tidy({"fixed": {"baseline": rounds(0.18), "siamese": rounds(0.11)}}).assign(**LOSSES)
    pd.concat(table.assign(epoch=epoch) for epoch in (1, 2)).to_csv(tmp_path / "curves.csv", index=False)
    config = tmp_path / "config"
    for path in ("plain", "hostile", "config/stylelib"):
        (tmp_path / path).mkdir(parents=True)
    for path in ("hostile/matplotlibrc", "config/matplotlibrc", "config/stylelib/classic.mplstyle"):
        (tmp_path / path).write_text(HOSTILE)
    fonts = config / f"fontlist-v{font_manager.FontManager.__version__}.json"
    font_manager.json_dump(font_manager.fontManager, fonts)  # a system may have other fonts of these names
    fonts.write_text(fonts.read_text().replace("DejaVuSans.ttf", "DejaVuSerif.ttf"))
    options = ["--figure", "learning_curves", "--curves", "../curves.csv", "--output", "a.svg", "a.png"]
    drawn = []
    for folder, changed in {
        "plain": {},
        "hostile": {
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "MPLCONFIGDIR": str(config),
            "MATPLOTLIBRC": str(config),
            "LC_ALL": "de_DE.UTF-8",
            "LANG": "de_DE.UTF-8",
        },
    }.items():
        place = tmp_path / folder
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", **changed}
        subprocess.run([sys.executable, str(ROOT / "scripts/plot.py"), *options], cwd=place, env=env, check=True)
        drawn.append([(place / file).read_bytes() for file in ("a.svg", "a.png")])
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.__name__)
def test_a_figure_takes_the_tables_that_it_reads(figure: ModuleType) -> None:
    assert set(figure.READS) <= {"pairs", "final", "curves", "grid", "selection", "statistics"}
    taken = set(inspect.signature(figure.draw).parameters)
    assert taken - {"model", "options", "source"} == set(figure.READS)


def test_every_figure_is_tested() -> None:
    assert [figure.__name__.rpartition(".")[2] for figure in FIGURES] == [path.stem for path in figure_files()]


def code(script: str, *others: str) -> set[str]:
    """Return the names of the modules that a step runs."""
    return {item.partition("=")[0] for item in exactrun.code(f"scripts/{script}", *others, root=ROOT).split()}


def test_an_edit_of_a_figure_redraws_that_figure_alone() -> None:
    figures = {f"digitpairs.reporting.figures.{path.stem}": path for path in figure_files()}
    for script in ("plot.py", "write_report.py", "typeset_article.py"):
        assert not figures.keys() & code(script)
    for name, path in figures.items():
        assert figures.keys() & code("plot.py", str(path.relative_to(ROOT))) == {name}


def figure_files() -> list[Path]:
    return sorted((ROOT / "src/digitpairs/reporting/figures").glob("[!_]*.py"))
