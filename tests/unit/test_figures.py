"""Figures: what they show, at the edges of what a study may hold."""

import json
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from torch import nn

from digitpairs import models, paper, tables
from digitpairs.analysis import factors, findings, selection
from digitpairs.errors import StudyError
from digitpairs.models import baseline
from digitpairs.networks.layers import PairNet, trunk
from digitpairs.reporting import architecture, figures

OPTIONS = {"batch_norm": "before", "auxiliary_weight": 1.0}
TRAIN = OPTIONS | {"weight_decay": 0.0}


def net(model: str, **changes: str) -> PairNet:
    return models.load(model)(**{key: (OPTIONS | changes)[key] for key in models.options(model)})


def rounds(mean: float, n: int = 15, diverged: int = 0) -> pd.DataFrame:
    errors = np.random.default_rng(0).normal(mean, 0.006, n)
    errors[:diverged] = np.nan
    return pd.DataFrame({"round": range(n), "test_error": errors})


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
    assert figures.render(architecture.draw(layers, model), ".svg").startswith(b"<?xml")


def test_branches_merge() -> None:
    layers = architecture.trace(net("siamese"))
    assert [layer.branches for layer in layers] == [2] * 9 + [1] * 3
    assert (layers[9].name, layers[9].shape) == ("concatenate", (20,))


def test_a_change_in_the_code_changes_the_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = figures.render(architecture.draw(architecture.trace(net("baseline")), "baseline"), ".svg")

    def wider(channels: int, outputs: int, batch_norm: str) -> nn.Sequential:
        layers = trunk(channels, outputs, batch_norm)
        layers[4].linear, layers[4].norm = nn.Linear(128, 77), nn.BatchNorm1d(77)
        layers[5] = nn.Linear(77, outputs)
        return layers

    monkeypatch.setattr(baseline, "trunk", wider)
    layers = architecture.trace(net("baseline"))
    assert layers[-2].shape == (77,)
    assert figures.render(architecture.draw(layers, "baseline"), ".svg") != before


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_figures_are_the_same_bytes_each_time(suffix: str) -> None:
    first, second = (
        figures.render(figures.test_error_by_round({"baseline": rounds(0.18), "siamese": rounds(0.11)}), suffix)
        for _ in range(2)
    )
    assert first == second
    assert b"<dc:date>" not in first


def test_rounds_and_means_tell_n_and_divergence() -> None:
    tables = {"baseline": rounds(0.18), "siamese": rounds(0.11, diverged=2), "other": rounds(0.05)}
    text = labels(figures.test_error_by_round(tables))
    assert text[0].startswith("baseline: 0.1") and text[0].endswith("(n = 15)")
    assert text[1].endswith("(n = 13, 2 diverged)")
    assert text[3:] == ["the paper's mean (n = 15)", "diverged round"]
    text = labels(figures.mean_test_error({"fixed": tables, "resampled": {model: rounds(0.1) for model in tables}}))
    assert text == ["fixed, n = 13 or 15", "resampled, n = 15", "paper, n = 15"]


def test_means_are_drawn_as_high_as_they_are() -> None:
    tables = {model: rounds(0.1) for model in paper.RESULTS}
    (axes,) = figures.mean_test_error({"fixed": tables}).axes
    heights = [bar.get_height() for bar in axes.patches]  # type: ignore[attr-defined]
    assert heights[:3] == [pytest.approx(table["test_error"].mean()) for table in tables.values()]
    assert heights[3:] == [result.test_error for result in paper.RESULTS.values()]
    assert axes.get_ylim()[0] == 0


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("diverged", [0, 1])
def test_few_rounds_can_be_drawn(n: int, diverged: int) -> None:
    tables = {"baseline": rounds(0.18, n), "new": rounds(0.1, n, diverged)}
    curves = {
        model: pd.concat(table.assign(epoch=e, train_loss=table["test_error"], validation_error=0.5) for e in (1, 2))
        for model, table in tables.items()
    }
    for figure in (
        figures.test_error_by_round(tables),
        figures.mean_test_error({"fixed": tables, "resampled": tables}),
        figures.learning_curves(curves),
    ):
        figures.render(figure, ".png")
    assert labels(figure)[1] == (f"new (n = {n - diverged}, 1 diverged)" if diverged else f"new (n = {n})")


@pytest.mark.parametrize("epochs", [[1], [25, 50], [10, 20, 30, 40, 50]])
def test_the_grid_marks_choice_and_divergence(epochs: list[int]) -> None:
    table = pd.DataFrame(
        {"model": "baseline", "epochs": e, "batch_size": b, "learning_rate": rate, "round": number, "train_loss": x}
        | {"train_error": x, "validation_error": x, "test_error": x}
        for e, b, rate, number in product(epochs, (50, 100), (0.01, 0.1), range(3))
        for x in [float("nan") if (rate, number) == (0.1, 0) else b / 1000 + e / 1000]
    )
    figure = figures.grid_heat_maps(selection.cells(table), selection.select(table, "test")["baseline"])
    figures.render(figure, ".svg")
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == [f"Epochs: {e}" for e in epochs]
    texts = sorted(text.get_text() for text in panels[0].texts)
    assert texts == sorted([f"{0.05 + epochs[0] / 1000:.3f}", f"{0.1 + epochs[0] / 1000:.3f}", "1/3", "1/3"])
    assert len(panels[0].patches) == 4 + 2  # cells, and the frames of both rules
    assert labels(figure)[-1] == "k/n: k of n rounds diverged"
    assert ("the paper's choice" in labels(figure)) == (50 in epochs)


def results(n: int = 15, diverged: int = 0, **changed: Any) -> dict[str, Any]:
    """What statistics.json holds, of errors that are known."""
    means = {"siamese": 0.1, "siamese_aux": 0.03, "twobranch": 0.15, "twobranch_aux": 0.05}
    final = {
        protocol: {m: rounds(mean, n, diverged) for m, mean in means.items()} for protocol in ("fixed", "resampled")
    }
    changes: list[tuple[str, Any, float]] = [
        ("batch_norm", "before", 0),
        ("batch_norm", "after", 0.02),
        ("weight_decay", 0.0, 0),
        ("weight_decay", 1e-5, 0.01),
        ("weight_decay", 1e-3, -0.01),
    ]
    ablations: pd.DataFrame = pd.concat(
        rounds(0.1 + change, n).assign(parameter=parameter, value=value, model=model)
        for model in ("siamese", "siamese_aux")
        for parameter, value, change in changes
    )
    more = pd.concat(
        rounds(0.1 * size**-0.5, n, diverged).assign(model=model, n_train=250 * size)
        for model in ("siamese", "deeper")
        for size in (1, 4, 16)
    )
    table = findings.tabulate(final, pd.DataFrame(), {}, TRAIN, ablations, more)
    written: dict[str, Any] = json.loads(tables.to_json(table | changed))
    return written


def test_two_factors_are_drawn_as_they_are() -> None:
    figure = figures.two_factors(results())
    figures.render(figure, ".svg")
    fixed, resampled, effects = figure.axes
    assert [axes.get_title() for axes in (fixed, resampled)] == ["fixed, n = 15", "resampled, n = 15"]
    assert fixed.get_ylim() == resampled.get_ylim() and fixed.get_ylim()[0] == 0
    heights = [line.get_ydata() for line in fixed.lines if len(line.get_xdata()) == 2]  # type: ignore[arg-type]
    assert np.diff(heights[0])[0] == pytest.approx(-0.05)
    assert sorted(text.get_text() for text in fixed.texts) == sorted(factors.FACTORS)
    assert [label.get_text() for label in effects.get_yticklabels()] == [
        "sharing\nweights",
        "auxiliary\nlosses",
        "interaction",
    ]
    assert labels(figure)[-1] == "95% interval"


def test_ablations_have_a_zero_line_and_tell_n() -> None:
    figure = figures.ablations(results())
    figures.render(figure, ".svg")
    assert [axes.get_title() for axes in figure.axes] == ["Zero line: before", "Zero line: 0"]
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["1e-05", "0.001"]
    assert all(axes.get_ylim()[0] <= 0 <= axes.get_ylim()[1] for axes in figure.axes)
    assert labels(figure) == ["siamese (n = 15)", "siamese_aux (n = 15)", "95% interval"]


def test_more_data_shows_the_law() -> None:
    table = results(n=5)
    figure = figures.more_data(table)
    figures.render(figure, ".svg")
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    exponent = table["more_data"]["siamese"]["exponent"]
    law = f"{exponent['estimate']:.2f} ({exponent['low']:.2f} to {exponent['high']:.2f})"
    assert labels(figure)[0] == f"siamese: exponent {law}, n = 5"
    assert labels(figure)[1].startswith("deeper: ")


def test_a_model_has_one_colour() -> None:
    table = results()
    keys = [figure.legends[0].get_lines() for figure in (figures.ablations(table), figures.more_data(table))]
    first, second = (
        {str(line.get_label()).split()[0].rstrip(":"): line.get_color() for line in lines} for lines in keys
    )
    assert first["siamese"] == second["siamese"] == figures.colour(0)
    assert second["deeper"] == figures.colour(4)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("diverged", [0, 1])
def test_few_rounds_beyond_the_paper_can_be_drawn(n: int, diverged: int) -> None:
    table = results(n, diverged)
    for draw in (figures.two_factors, figures.ablations, figures.more_data):
        figures.render(draw(table), ".svg")


def test_no_errors_and_bounds_below_zero_can_be_drawn_on_a_log_scale() -> None:
    table = results(n=3)
    points = table["more_data"]["siamese"]["points"]
    points[0]["low"] = -0.1
    points[2] |= {"estimate": 0.0, "low": 0.0, "high": 0.0}
    (axes,) = figures.more_data(table).axes
    assert axes.get_ylim()[0] > 0
    assert any(line.get_marker() == "v" for line in axes.lines)


@pytest.mark.parametrize("part", ["two_factors", "ablations", "more_data"])
def test_a_part_that_is_not_there_is_named(part: str) -> None:
    empty: Any = [] if part == "ablations" else {}
    with pytest.raises(StudyError, match=rf"^statistics: {part} is empty; it needs .+$"):
        getattr(figures, part)(results(**{part: empty}))
