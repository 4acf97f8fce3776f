"""Training runs: arguments, datasets and limits by a rule's wildcards."""

import json
from typing import Any

import pytest
from small import PARAMS, RECIPE, options, study

from digitpairs.errors import StudyError
from digitpairs.plan import NEW_PAIRS, Plan
from digitpairs.runs import START_MINUTES, Runs, identity, megabytes, minutes

CHOSEN = {"batch_size": 20, "epochs": 4, "learning_rate": 0.01}


def runs(device: str = "cpu", **changed: Any) -> Runs:
    return Runs(Plan(study(**changed)), device)


def test_training_says_all_that_a_run_depends_on() -> None:
    small = runs(seed=7)
    own, changed = (
        options(small.training("siamese_aux", CHOSEN, 3, values)) for values in (None, {"weight_decay": 0.25})
    )
    assert own == {
        "model": "siamese_aux",
        "options": small.plan.options("siamese_aux"),
        "batch-size": "20",
        "learning-rate": "0.01",
        "epochs": "4",
        "rounds": "3",
        "weight-decay": "0.0",
        "seed": "7",
        "device": "cpu",
    }
    assert changed == own | {"weight-decay": "0.25"}
    assert options(small.training("siamese_aux", CHOSEN, 3, first_round=16)) == own | {"first-round": "16"}


def test_a_cell_is_a_stage_of_a_run_without_epochs_and_a_stack_has_no_learning_rate() -> None:
    small = runs()
    cell = options(small.cell(model="siamese_aux", batch_size="20", learning_rate="0.1", epochs="4"))
    assert cell.items() > {"batch-size": "20", "learning-rate": "0.1", "rounds": "2"}.items()
    assert "epochs" not in cell
    stack = options(small.cell(model="siamese_aux", batch_size="20"))
    assert stack.items() < cell.items()
    assert cell.keys() - stack.keys() == {"learning-rate"}
    assert options(small.stack(model="siamese_aux", batch_size="20")) == {
        "learning-rate": "[0.01, 0.1]",
        "epochs": "[2, 4]",
    }


def test_final_rounds() -> None:
    small = runs(final={"rounds": 3})
    assert small.final(CHOSEN, model="baseline", protocol="fixed") == small.training("baseline", CHOSEN, 3)
    assert small.final_pairs(protocol="fixed", model="baseline") == small.plan.datasets[:1]
    assert small.final_pairs(protocol="resampled", model="baseline") == small.plan.datasets[1:]
    assert small.final_pairs(protocol="resampled_by_test", model="baseline") == small.plan.datasets[1:]


@pytest.mark.parametrize(
    ("parameter", "value", "changed"),
    [
        ("weight_decay", "1e-05", {"weight-decay": "1e-05"}),
        ("batch_norm", "after", {"options": '{"batch_norm": "after", "auxiliary_weight": 1.0}'}),
        ("auxiliary_weight", "3.0", {"options": '{"batch_norm": "before", "auxiliary_weight": 3.0}'}),
    ],
)
def test_an_ablation_differs_from_the_final_rounds_in_one_value(
    parameter: str, value: str, changed: dict[str, str]
) -> None:
    small = runs(ablations={"rounds": 2, "models": ["siamese_aux"]})
    own = options(small.training("siamese_aux", CHOSEN, 2))
    assert options(small.ablation(CHOSEN, model="siamese_aux", parameter=parameter, value=value)) == own | changed
    assert small.ablation_pairs(model="siamese_aux") == small.plan.datasets[1:3]


def test_a_run_on_more_pairs_has_epochs_of_its_own() -> None:
    section = {"rounds": 3, "n_validation": 50, "n_test": 500, "configurations": {"deeper": "siamese_aux"}}
    small = runs(seed=7, more_data=section | {"epochs": {250: 9}})
    wildcards = {"model": "deeper", "n_train": "250"}
    assert small.larger(CHOSEN, **wildcards) == small.training("deeper", CHOSEN | {"epochs": 9}, 3)
    assert small.larger_n_pairs(**wildcards) == 800
    assert options(small.larger_dataset(n_train="250")) == {
        "source": "mnist",
        "n-train": "250",
        "n-validation": "50",
        "n-test": "500",
        "seed": "7",
    }
    assert small.larger_minutes(**wildcards) == minutes(9, 20, 250, 3)


FRESH = {
    "resampled": {"baseline": 4},
    "fixed": {"baseline": 4},
    "batch_norm": 4,
    "block": 4,
    "pairings": 2,
}


@pytest.mark.parametrize(
    ("arm", "stream", "batch_norm", "shares"),
    [
        ("resampled", "final", "before", False),
        ("fixed", "final", "before", True),
        ("grid", "grid", "before", True),
        ("batch_norm", "final", "after", False),
    ],
)
def test_fresh_rounds(arm: str, stream: str, batch_norm: str, shares: bool) -> None:
    small = runs(seed=7, fresh=FRESH)
    arguments = options(small.fresh(CHOSEN, arm=arm, model="baseline", first="16", last="19"))
    assert (arguments["stream"], arguments["first-round"], arguments["rounds"]) == (stream, "16", "4")
    assert json.loads(arguments["options"])["batch_norm"] == batch_norm
    assert small.fresh_pairs(arm=arm, model="baseline") == (small.plan.datasets[0] if shares else NEW_PAIRS)
    made = options(small.new_datasets(first="16", last="19"))
    assert (made["seed"], made["datasets"], made["source"]) == ("23", "4", "bundled")


def test_the_other_place_of_batch_normalisation_is_the_one_that_the_study_has_not() -> None:
    small = runs(fresh=FRESH, train=PARAMS["train"] | {"batch_norm": "after"})
    arguments = options(small.fresh(CHOSEN, arm="batch_norm", model="baseline", first="16", last="19"))
    assert json.loads(arguments["options"])["batch_norm"] == "before"


@pytest.mark.parametrize("epochs", [None, 3])
def test_initialisations_crossed_with_orders(epochs: int | None) -> None:
    section = {"models": ["baseline"], "datasets": 2, "initialisations": 3, "orders": 5, "epochs": epochs}
    small = runs(variance=section, final={"rounds": 2})
    arguments = options(small.crossed(CHOSEN, model="baseline", dataset="1"))
    assert arguments.items() > {"rounds": "15", "initialisations": "3", "epochs": str(epochs or 4)}.items()
    assert small.crossed_minutes(model="baseline", dataset="1") == minutes(epochs or 4, 20, 1000, 15)
    assert small.crossed_pairs(dataset="1", model="baseline") == small.plan.datasets[1]


def test_loss_spikes_change_one_value_of_adam() -> None:
    small = runs(spikes=PARAMS["spikes"] | {"model": "baseline", "rounds": 6, "decay": [2]})
    own = options(small.training("baseline", CHOSEN, 6))
    wildcards = {"model": "baseline", "parameter": "learning_rate", "value": "0.1"}
    assert options(small.spike(CHOSEN, **wildcards)) == own | {"learning-rate": "0.1"}
    wildcards |= {"parameter": "beta2", "value": "0.99"}
    assert options(small.spike(CHOSEN, **wildcards)) == own | {"beta2": "0.99"}
    assert small.spike_pairs(**wildcards) == "data/new_pairs/rounds~1-6"


def test_no_two_sets_of_digits_share_a_round() -> None:
    small = runs(seed=7, other_data={"models": ["baseline"], "sets": 2, "rounds": 3})
    first, second = (options(small.other(CHOSEN, model="baseline", set=number)) for number in "12")
    assert (first["first-round"], second["first-round"], second["rounds"]) == ("1", "4", "3")
    made = options(small.other_datasets(set="2"))
    assert made.items() > {"source": "mnist", "set": "2", "seed": "11", "datasets": "3", "n-train": "1000"}.items()


def test_the_recipe_without_one_of_its_parts() -> None:
    least = runs(seed=7, least_error={"rounds": 30, "ablation_rounds": 10} | RECIPE)
    assert json.loads(least.recipe("nothing")) == RECIPE | {"seed": 7}
    assert json.loads(least.recipe("one_cycle")) == RECIPE | {"seed": 7, "one_cycle": False}
    assert (least.recipe_rounds("nothing"), least.recipe_rounds("shift")) == (30, 10)
    assert least.recipe_pairs("shift") == "data/new_pairs/rounds~1-10"
    assert least.recipe_minutes("shift") == minutes(RECIPE["epochs"], RECIPE["batch_size"], 1000, 10)


def test_a_part_that_the_study_has_not() -> None:
    with pytest.raises(StudyError, match=r"params\.yaml leaves this part out"):
        runs().recipe("nothing")


def test_a_run_is_identified_by_all_of_its_parts() -> None:
    assert identity("a", "b") == identity("a", "b") != identity("a", "c")
    assert len(identity("a")) == 64


@pytest.mark.parametrize("change", [{"epochs": 200}, {"rounds": 20}, {"n_train": 2000}, {"batch_size": 10}])
def test_time_limits_grow_with_the_work(change: dict[str, int]) -> None:
    work = {"epochs": 100, "batch_size": 50, "n_train": 1000, "rounds": 10}
    assert START_MINUTES < minutes(**work) < minutes(**work | change)


def test_limits() -> None:
    small = runs()
    assert small.longest("baseline") == {"epochs": 4, "batch_size": 20, "n_train": PARAMS["data"]["n_train"]}
    assert small.plan.n_pairs == sum(PARAMS["data"][f"n_{split}"] for split in ("train", "validation", "test"))
    assert small.minutes("baseline", 3) == minutes(4, 20, 1000, 3)
    assert megabytes(0) == 1000 < megabytes(1000) <= 1030 < megabytes(1000, "cuda")
