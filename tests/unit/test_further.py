"""The further parts: their numbers, what is said of them, and their figures, on tables that are made for it."""

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from digitpairs import tables
from digitpairs.analysis import findings, further, further_findings, spikes
from digitpairs.reporting import parts
from digitpairs.reporting.figures import choosing, least_error, other_data, variance
from digitpairs.reporting.figures import spikes as spike_figure
from digitpairs.reporting.page import Bullets, Heading, Picture, flat
from digitpairs.reporting.style import render

N = 12
FIGURES = {"least_error": least_error, "variance": variance, "spikes": spike_figure, "other_data": other_data}


def rounds(mean: float, n: int = N, seed: int = 0, std: float = 0.002, **columns: Any) -> pd.DataFrame:
    errors = mean + std * np.random.default_rng(seed).normal(size=n)
    table = pd.DataFrame({"round": range(1, n + 1), "train_loss": 0.001, "train_error": 0.0, "test_error": errors})
    return table.assign(**columns)


def crossed(model: str, **deviations: float) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    levels = {"dataset": 12, "initialisation": 4, "order": 4}
    effects = {name: deviations.get(name, 0.0) * rng.normal(size=n) for name, n in levels.items()}
    rows = [
        (d, i, o, 0.1 + effects["dataset"][d] + effects["initialisation"][i] + effects["order"][o])
        for d in range(12)
        for i in range(4)
        for o in range(4)
    ]
    table = pd.DataFrame(rows, columns=[*levels, "test_error"]).assign(model=model)
    table["test_error"] += deviations.get("rest", 0.01) * rng.normal(size=len(table))
    return table


def spiky(late: int, **columns: Any) -> pd.DataFrame:
    return rounds(0.03, late_spikes=[1] * late + [0] * (N - late), model="siamese_aux", **columns)


def sets(model: str, mean: float) -> pd.DataFrame:
    of_set = np.random.default_rng(2).normal(0, 0.01, 6)
    return pd.concat(
        rounds(mean + of_set[number], n=3, seed=number, model=model, set=number).assign(
            round=range(3 * number, 3 * number + 3)
        )
        for number in range(6)
    )


def study() -> dict[str, pd.DataFrame]:
    own = {"learning_rate": 0.01, "decay": 0.0}
    return {
        "fresh": pd.concat(
            rounds(mean, arm=arm, model=model, paired_anew_error=mean + 0.001)
            for arm in ("resampled", "grid")
            for model, mean in (("baseline", 0.18), ("siamese", 0.1))
        ),
        "least_error": pd.concat(
            rounds(0.011 + more, left_out=part) for part, more in (("nothing", 0), ("shift", 0.01), ("dropout", 0))
        ),
        "variance": pd.concat([crossed("baseline"), crossed("siamese", dataset=0.02)]),
        "spikes": pd.concat(
            [
                spiky(9, parameter="learning_rate", value=own["learning_rate"], chosen=True),
                spiky(8, parameter="learning_rate", value=0.005, chosen=False),
                spiky(9, parameter="decay", value=own["decay"], chosen=True),
                spiky(0, parameter="decay", value=50.0, chosen=False),
            ]
        ),
        "other_data": pd.concat([sets("baseline", 0.18), sets("siamese", 0.1), sets("siamese_aux", 0.03)]),
    }


def numbers(made: dict[str, pd.DataFrame], **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tables.to_json(further.tabulate(made) | {"errors": {}} | more))
    return found


def said(found: dict[str, Any], kind: str) -> str:
    return " ".join(row["sentence"] for row in findings.select(further_findings.state(found), kind))


def test_every_part_says_three_sentences_of_its_numbers() -> None:
    errors = {"resampled": {"siamese_aux": {"estimate": 0.022, "low": 0.021, "high": 0.023, "n": 12}}}
    found = numbers(study(), errors=errors)
    assert "In fresh rounds, `siamese` misses 10.1 of 100 pairs" in said(found, "fresh")
    assert "on a round's own pairs alone 0.1000, with a deviation of 0.0015 over rounds" in said(found, "fresh")
    assert "0 of 12 rounds end in a loss spike" in said(found, "fresh")
    least = said(found, "least_error")
    assert (
        "misses 1.1 of 100 pairs" in least
        and "`siamese_aux`, the best of the study's own networks, misses 2.2" in least
    )
    assert "without a part of the recipe: dropout +0.0000" in least
    assert "shifts +0.0100" in least and "shifts can be told from no change" in least
    assert "one that does well on a data set need not on the next" in said(found, "variance")
    shares = {f["model"]: f["shares"] for f in further_findings.state(found) if f.get("shares")}
    assert shares["siamese"]["dataset"] > 50 > shares["baseline"]["dataset"]
    for row in found["variance"].values():  # 16 seeds tell what four initialisations and four orders cannot
        assert 0 <= row["seed"]["low"] <= max(0, row["seed"]["estimate"]) < row["seed"]["high"] < 0.5
    assert "`siamese_aux` is 0.0" in said(found, "other_data") and "6 disjoint sets" in said(found, "other_data")
    assert "the gain of sharing is 0.0800" in said(found, "other_data")
    for kind in further.COMPUTED:
        assert len(findings.select(further_findings.state(found), kind)) >= (3 if kind != "fresh" else 2)


def test_what_to_set_against_spikes_is_what_makes_them_rarer_at_no_cost() -> None:
    made = study()
    text = said(numbers(made), "spikes")
    assert "9 of 12 rounds have a loss spike at a measured epoch of the second half" in text
    assert "falls over the last 50 epochs makes spikes rarer" in text
    assert "rate of 0.005 makes" not in text
    assert "set that where" in text
    advice = said(numbers(made), "advice")
    assert advice.startswith(
        "Against loss spikes, train with a learning rate that falls over the last 50 epochs: 0 of 12"
    )
    falls = (made["spikes"]["parameter"] == "decay") & ~made["spikes"]["chosen"]
    made["spikes"].loc[falls, "test_error"] += 0.05
    assert "set that where" not in said(numbers(made), "spikes")
    assert said(numbers(made), "advice") == ""
    made["spikes"].loc[falls, "late_spikes"] = 1
    assert "makes spikes rarer" not in said(numbers(made), "spikes")


def test_a_seed_that_matters_is_not_denied() -> None:
    found = numbers({"variance": crossed("baseline", initialisation=0.05)})
    assert "Some seeds are better than others for `baseline`." in said(found, "variance")
    assert "need not on the next" not in said(found, "variance")
    assert max(found["variance"]["baseline"]["components"]["initialisation"].values()) > 0.05**2 / 4


def test_other_data_without_the_rounds_that_end_in_a_spike() -> None:
    made = study()["other_data"].reset_index(drop=True)
    assert "loss spike" not in said(numbers({"other_data": made}), "other_data")
    first = made.index[made["model"] == "siamese_aux"][0]
    made.loc[first, ["train_loss", "train_error", "test_error"]] = [1.0, 0.2, 0.3]
    sentences = said(numbers({"other_data": made}), "other_data")
    assert re.search(r"`siamese_aux` is 0\.04.*; without 1 round that ends in a loss spike, it is 0\.0[23]", sentences)
    assert re.search(r"auxiliary losses is 0\.0.*; without 1 round that ends in a loss spike, it is 0\.07", sentences)
    assert sentences.count("loss spike") == 2


def test_parts_with_too_few_rounds_say_so() -> None:
    made = {
        "fresh": rounds(np.nan, arm="resampled", model="baseline"),
        "least_error": rounds(0.01, n=1, left_out="nothing"),
        "variance": crossed("baseline").query("dataset == 0"),
        "other_data": sets("baseline", 0.1).query("set == 0"),
    }
    found = numbers(made)
    assert "all 12 rounds diverged" in said(found, "fresh")
    assert "cannot be judged" in said(found, "least_error")
    assert "cannot be told" in said(found, "variance")
    assert "cannot be told" in said(found, "other_data")
    assert further_findings.state(numbers({})) == []


def test_parts_whose_rounds_diverged_say_so() -> None:
    made = study()
    of_rate = (made["spikes"]["parameter"] == "learning_rate") & ~made["spikes"]["chosen"]
    made["spikes"].loc[of_rate, ["train_loss", "train_error", "test_error", "late_spikes"]] = [np.nan] * 3 + [0]
    one = (made["variance"]["model"] == "siamese") & (made["variance"]["order"] == 1)
    made["variance"].loc[one, "test_error"] = np.nan  # one round of each data set
    found = numbers(made)
    assert "With a learning rate of 0.005, all 12 rounds diverged." in said(found, "spikes")
    assert "of 0.005 makes" not in said(found, "spikes")
    assert "Where the variance of `siamese` comes from cannot be told." in said(found, "variance")
    assert "`baseline` has a deviation of" in said(found, "variance")
    gone = dict.fromkeys(["train_loss", "test_error", "paired_anew_error"], np.nan)
    everything = {part: table.assign(**gone) for part, table in made.items()}
    everything["spikes"]["late_spikes"] = 0
    found = numbers(everything)
    assert "no round shows how often losses spike: all 12 rounds diverged" in said(found, "spikes")
    assert said(found, "advice") == ""
    for kind in further.COMPUTED:
        assert not re.search(r"\bnan\b|None", said(found, kind)), kind


def test_late_spikes_are_told_from_the_training_loss_alone() -> None:
    epochs = np.arange(5, 105, 5)
    calm = pd.DataFrame({"round": 1, "epoch": epochs, "train_loss": 1e-3, "validation_error": 0.5})
    early, late = calm.assign(round=2), calm.assign(round=3)
    early.loc[early["epoch"] == 50, "train_loss"] = 0.4
    late.loc[late["epoch"].isin([75, 80]), "train_loss"] = 0.4
    small = calm.assign(round=4)
    small.loc[small["epoch"] == 75, "train_loss"] = 0.02  # twenty times the median, and nothing
    found = spikes.late(pd.concat([calm, early, late, small, calm.assign(round=5, train_loss=np.nan)]))
    assert found.to_dict() == {1: 0, 2: 0, 3: 2, 4: 0, 5: 0}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_parts(name: str) -> None:
    figure = FIGURES[name]
    found = numbers(study(), errors={"resampled": {m: {} for m in ("baseline", "siamese")}}, more_data={})
    assert render(figure.draw(statistics=found), ".svg") == render(figure.draw(statistics=found), ".svg")
    made = {part: table.assign(train_loss=np.nan, test_error=np.nan) for part, table in study().items()}
    diverged = found | numbers({part: table.assign(late_spikes=0) for part, table in made.items()})
    for nothing in (diverged, found | {name: {}}):
        assert render(figure.draw(statistics=nothing), ".png")


def test_the_figure_of_choosing_names_cells() -> None:
    cell = {"epochs": 50.0, "batch_size": 100.0, "learning_rate": 0.01}
    often = [cell | {"frequency": 1.0, "error": 0.1, "chosen": True}]
    figure = choosing.draw(statistics={"optimism": {"siamese": {"stability": {"often": often}}}})
    assert [text.get_text() for text in figure.axes[0].texts] == ["50, 100, 0.01: 0.1000"]
    (said,) = choosing.draw(statistics={"optimism": {}}).texts
    assert said.get_text() == "No choice to show: rounds diverged in every cell of the grid."


def test_each_part_has_a_section_and_those_left_out_are_named() -> None:
    found = numbers(study() | {"variance": crossed("baseline")})
    stated = further_findings.state(found)
    pictures = {name: Picture(name, "Caption.", "Alt.") for name in ("spikes", "other")}
    blocks = list(flat(parts.compose(found | {"fresh": {}}, stated, pictures)))
    titles = [block.text for block in blocks if isinstance(block, Heading)]
    assert titles == ["The least error", "Is there a good seed?", "Loss spikes and Adam", "Other data", "Further parts"]
    shown = [sentence for block in blocks if isinstance(block, Bullets) for sentence in block.items]
    assert shown == [row["sentence"] for row in stated if row["kind"] not in ("fresh", "advice")]
    assert [block.name for block in blocks if isinstance(block, Picture)] == ["spikes"]
