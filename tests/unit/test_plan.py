"""The plan: which files params.yaml asks for, with which arguments and limits."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small import GRID, PARAMS, RECIPE, ROOT, options, study

from digitpairs import models, plan
from digitpairs.errors import StudyError
from digitpairs.plan import FURTHER, Figure, Plan, arguments
from digitpairs.runs import Runs


def test_cells_and_datasets() -> None:
    small = Plan(study(seed=3, final={"rounds": 2}))
    assert small.datasets == ["data/pairs/seed~3.npz", "data/pairs/seed~4.npz", "data/pairs/seed~5.npz"]
    assert len(small.cells) == len(set(small.cells)) == 8
    assert "results/grid/baseline/batch_size~20/learning_rate~0.1/epochs~4/rounds.csv" in small.cells
    assert small.models == ["baseline", "siamese_aux"]


def test_final_rounds() -> None:
    small = Plan(study())
    assert small.final("curves.csv", ["fixed"]) == [path for path, _ in small.curves()]
    tables = small.final_tables(by_test=["siamese_aux"])
    assert [path for path, _ in tables[:4]] == small.final("rounds.csv")
    assert tables[4:] == [
        (
            "results/final/resampled_by_test/siamese_aux/rounds.csv",
            {"protocol": "resampled_by_test", "model": "siamese_aux"},
        )
    ]


def test_ablations_take_the_final_rounds_at_the_studys_own_value() -> None:
    own = PARAMS["train"]
    section = {"rounds": 2, "models": ["baseline", "siamese_aux"], "auxiliary_weight": [0.5, own["auxiliary_weight"]]}
    tables = Plan(study(ablations=section)).ablations
    assert {(key["parameter"], key["value"]): path for path, key in tables if key["model"] == "siamese_aux"} == {
        ("batch_norm", "before"): "results/final/resampled/siamese_aux/rounds.csv",
        ("weight_decay", 0.0): "results/final/resampled/siamese_aux/rounds.csv",
        ("auxiliary_weight", 0.5): "results/ablations/auxiliary_weight~0.5/siamese_aux/rounds.csv",
        ("auxiliary_weight", 1.0): "results/final/resampled/siamese_aux/rounds.csv",
    }
    # A parameter that a model does not take is no ablation of it.
    assert {key["parameter"] for _, key in tables if key["model"] == "baseline"} == {"batch_norm", "weight_decay"}
    assert Plan(study()).ablations == []


def test_more_data() -> None:
    section = PARAMS["more_data"] | {"epochs": {1000: 20, 250: 10}, "configurations": {"deeper": "siamese_aux"}}
    more = study(more_data=section)
    with_mnist = Plan(more, has_mnist=True)
    assert with_mnist.more_data == [
        (f"results/more_data/deeper/n_train~{n}/rounds.csv", {"model": "deeper", "n_train": n, "epochs": epochs})
        for n, epochs in ((250, 10), (1000, 20))
    ]
    assert (with_mnist.trains_more_data, with_mnist.shows_more_data) == (True, True)
    pulled, absent = Plan(more, has_more_data=True), Plan(more)
    assert (pulled.trains_more_data, pulled.shows_more_data) == (False, True)
    assert (absent.trains_more_data, absent.shows_more_data) == (False, False)
    left_out = Plan(study(), has_mnist=True, has_more_data=True)
    assert (left_out.trains_more_data, left_out.shows_more_data, left_out.more_data) == (False, False, [])


def test_fresh_rounds_come_in_blocks() -> None:
    of_model = {"baseline": 45, "twobranch": 10}
    section = {"resampled": of_model, "fixed": {"baseline": 20}, "batch_norm": 15, "block": 15, "pairings": 5}
    asked = {"fresh": section, "final": {"rounds": 15}}
    fresh = Plan(study(**asked))
    blocks = {
        ("resampled", "baseline"): ("16-30", "31-45", "46-60"),
        ("resampled", "twobranch"): ("16-25",),
        ("fixed", "baseline"): ("16-30", "31-35"),
        ("grid", "baseline"): ("3-17", "18-22"),  # after those of the grid
        ("batch_norm", "baseline"): ("16-30",),
    }
    assert fresh.fresh == [
        (f"results/fresh/{arm}/{model}/rounds~{block}/rounds.csv", {"arm": arm, "model": model})
        for (arm, model), of_arm in blocks.items()
        for block in of_arm
    ]
    # More rounds keep all whole blocks; the last one may be smaller.
    more = Plan(study(**asked | {"fresh": section | {"resampled": of_model | {"baseline": 50}}}))
    assert [table for table in more.fresh if table not in fresh.fresh] == [
        ("results/fresh/resampled/baseline/rounds~61-65/rounds.csv", {"arm": "resampled", "model": "baseline"})
    ]
    # The paper's rounds stay as they are, and no dataset is used twice.
    assert fresh.final("rounds.csv") == Plan(study()).final("rounds.csv")
    assert fresh.datasets == Plan(study()).datasets
    kept = ["data/pairs/seed~1.npz", "data/pairs/seed~15.npz", "data/new_pairs/rounds~16-16"]
    assert [fresh.dataset(number) for number in (1, 15, 16)] == kept


def test_least_error() -> None:
    least = Plan(study(seed=7, least_error={"rounds": 30, "ablation_rounds": 10} | RECIPE))
    # What the recipe lacks cannot be left out.
    left_out = ["nothing", "shift", "dropout", "label_smoothing", "one_cycle"]
    assert [key["left_out"] for _, key in least.least_error] == left_out
    assert least.least_error[1][0] == "results/least_error/left_out~shift/rounds.csv"
    alone = Plan(study(least_error={"rounds": 30} | RECIPE))
    assert [key["left_out"] for _, key in alone.least_error] == ["nothing"]


def test_variance() -> None:
    section = {"models": ["siamese_aux", "baseline"], "datasets": 2, "initialisations": 3, "orders": 4}
    assert Plan(study(variance=section)).variance == [
        (f"results/variance/{model}/dataset~{dataset}/rounds.csv", {"model": model, "dataset": dataset})
        for model in ("baseline", "siamese_aux")
        for dataset in (1, 2)
    ]


def test_spikes_train_the_chosen_configuration_once() -> None:
    section = {"model": "siamese_aux", "rounds": 2, "learning_rate": [0.001, 0.01], "beta2": [0.99], "decay": [0, 2]}
    tables = Plan(study(spikes=section)).spikes(learning_rate=0.01)
    path = "results/spikes/{}/siamese_aux/"
    own = path.format("learning_rate~0.01")
    assert {(key["parameter"], key["value"]): made for made, key in tables} == {
        ("learning_rate", 0.001): path.format("learning_rate~0.001"),
        ("learning_rate", 0.01): own,
        ("beta2", 0.99): path.format("beta2~0.99"),
        ("beta2", 0.999): own,
        ("epsilon", 1e-8): own,
        ("decay", 0): own,
        ("decay", 2): path.format("decay~2"),
    }
    assert {key["model"] for _, key in tables} == {"siamese_aux"}
    chosen = {key["parameter"]: key["value"] for _, key in tables if key["chosen"]}
    assert chosen == {"learning_rate": 0.01, "beta2": 0.999, "epsilon": 1e-8, "decay": 0}


def test_other_data_needs_mnist() -> None:
    asked = study(other_data={"models": ["baseline"], "sets": 2, "rounds": 3})
    tables = [f"results/other_data/baseline/set~{number}/rounds.csv" for number in (1, 2)]
    assert [path for path, _ in Plan(asked).other_data] == tables
    made, kept, absent = Plan(asked, has_mnist=True), Plan(asked, has_other_data=True), Plan(asked)
    table = {"other_data": "results/other_data.csv"}
    assert (made.further_rounds, made.further, "other_data" in made.figures) == (tables, table, True)
    assert (kept.further_rounds, kept.further, "other_data" in kept.figures) == ([], table, True)
    assert (absent.further_rounds, absent.further, "other_data" in absent.figures) == ([], {}, False)


def test_parts_that_are_left_out_make_nothing() -> None:
    small = Plan(study(), has_mnist=True)
    assert [*small.fresh, *small.least_error, *small.variance, *small.spikes(0.01), *small.other_data] == []
    assert (small.further_rounds, small.further) == ([], {})


def test_further_parts_change_no_other_training() -> None:
    parts = {part: PARAMS[part] for part in FURTHER}
    small = {"rounds": 2} | dict.fromkeys(("baseline", "siamese", "siamese_aux"), GRID)
    without, every = Plan(study(grid=small)), Plan(study(grid=small, **parts), has_mnist=True)
    chosen = {"batch_size": 20, "learning_rate": 0.01, "epochs": 4}
    assert Runs(without).training("siamese_aux", chosen, 3) == Runs(every).training("siamese_aux", chosen, 3)
    assert (without.cells, without.datasets) == (every.cells, every.datasets)
    assert without.final_tables([]) == every.final_tables([])
    assert every.further == FURTHER


def test_figures() -> None:
    small = Plan(study())
    single = ["choosing", "figure_1", "figure_2", "figure_3", "figure_4", "learning_curves", "task"]
    assert list(small.figures) == [*single, "grid_baseline", "grid_siamese_aux"]
    assert small.captions["grid_baseline"].startswith("The grid of ``baseline``: ")
    four = {"rounds": 2} | dict.fromkeys(("siamese", "siamese_aux", "twobranch", "twobranch_aux"), GRID)
    beyond = Plan(study(grid=four, ablations=PARAMS["ablations"] | {"models": ["siamese"]}), has_more_data=True)
    assert {"two_factors", "ablations"} <= beyond.figures.keys()
    assert "more_data" not in beyond.figures
    for name, figure in beyond.figures.items():
        assert figure.path.is_file()
        said = options(beyond.figure_arguments(name))
        assert said.pop("figure") == figure.module
        assert said == {**figure.values, **beyond.figure_input(name)}
        assert beyond.captions[name].endswith(".")
        assert tuple(beyond.figure_input(name)) == figure.reads


def test_an_addition_that_says_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "src/digitpairs"
    folder.mkdir(parents=True)
    for name in ("digitpairs.plan.SOURCE", "digitpairs.plan.FIGURE_MODULES", "digitpairs.models.FOLDER"):
        monkeypatch.setattr(name, folder)
    (folder / "new.py").write_text("READS = ()\n")
    with pytest.raises(StudyError, match=r"^src/digitpairs/new\.py: a figure's module needs CAPTION$"):
        print(Figure("new").caption)
    with pytest.raises(StudyError, match=r"^src/digitpairs/new\.py: a model's module needs a docstring, .*\w$"):
        print(Plan(study(grid={"rounds": 1, "new": GRID})).descriptions)


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        (
            "models/new.py",
            'OPTIONS = ("hidden",)\n',
            "OPTIONS names 'hidden'; allowed are weight_decay, auxiliary_weight",
        ),
        ("models/new.py", "", "a model's module needs OPTIONS"),
        ("models/new.py", "OPTIONS = (\n", "line 1: '(' was never closed"),
        ("figures/new.py", 'READS = ("claims",)\n', "READS names 'claims'; allowed are final, curves, grid, selection"),
        ("figures/new.py", "", "a figure's module needs READS"),
    ],
)
def test_an_addition_that_asks_for_what_there_is_not_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str, problem: str
) -> None:
    folder = tmp_path / "src/digitpairs"
    shutil.copytree(models.FOLDER, folder / "models")
    shutil.copytree(plan.FIGURE_MODULES, folder / "figures")
    monkeypatch.setattr("digitpairs.plan.SOURCE", folder)
    monkeypatch.setattr("digitpairs.plan.FIGURE_MODULES", folder / "figures")
    monkeypatch.setattr("digitpairs.models.FOLDER", folder / "models")
    (folder / "models/new.py").write_text("OPTIONS = ()\n")
    (folder / file).write_text(text)
    plan._constant.cache_clear()
    with pytest.raises(StudyError, match=rf"^src/digitpairs/{file}: {re.escape(problem)}"):
        Plan(study(grid={"rounds": 1, "new": GRID})).check()
    plan._constant.cache_clear()


def test_a_figure_that_would_show_nothing_is_not_drawn() -> None:
    recipe = {"rounds": 3} | RECIPE
    own = PARAMS["ablations"] | {"weight_decay": [0.0], "batch_norm": ["before"], "auxiliary_weight": []}
    nothing = Plan(study(least_error=recipe, ablations=own))
    assert not {"least_error", "ablations"} & nothing.figures.keys()
    more = Plan(study(least_error=recipe | {"ablation_rounds": 1}, ablations=own | {"weight_decay": [0.1]}))
    assert {"least_error", "ablations"} <= more.figures.keys()


def test_more_data_are_of_the_papers_data() -> None:
    data = PARAMS["data"] | {"source": "idx", "folder": "fashion"}
    other = Plan(study(data=data, more_data=PARAMS["more_data"]), has_mnist=True, has_more_data=True)
    assert (other.trains_more_data, other.shows_more_data) == (False, False)


def test_files_of_removed_models_are_found(tmp_path: Path) -> None:
    small = Plan(study(ablations=PARAMS["ablations"] | {"models": ["baseline"]}))
    old = (
        "results/grid/old",
        "results/final/fixed/old",
        "results/ablations/batch_norm~after/old",
        "results/more_data/old",
        "results/fresh/resampled/old",
        "results/spikes/beta2~0.99/old",
    )
    kept = "results/grid/baseline", "results/final/resampled_by_test/siamese_aux"
    for folder in (*old, *kept):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "reports/figures").mkdir(parents=True)
    for name in ("grid_old.svg", "grid_old.png", "grid_baseline.svg", "figure_3.svg"):
        (tmp_path / "reports/figures" / name).touch()
    figures = ["reports/figures/grid_old.png", "reports/figures/grid_old.svg"]
    assert small.leftovers(tmp_path) == sorted([*old, *figures])
    assert small.leftovers(tmp_path / "empty") == []


def test_a_model_is_told_the_options_that_it_takes() -> None:
    small = Plan(study())
    for model in models.names():
        assert list(json.loads(small.options(model))) == models.options(model)
    assert json.loads(small.options("siamese_aux", auxiliary_weight=0.5))["auxiliary_weight"] == 0.5


def test_arguments_are_quoted_and_leave_out_none() -> None:
    text = arguments(folder="a b; rm -rf $HOME '", n_train=1, none=None)
    assert shlex.split(text) == ["--folder=a b; rm -rf $HOME '", "--n-train=1"]


def test_no_heavy_library_is_imported() -> None:
    heavy = "numpy", "pandas", "pydantic", "snakemake", "torch"
    command = f"import sys, digitpairs.plan; sys.exit(', '.join({set(heavy)} & set(sys.modules)) or None)"
    subprocess.run([sys.executable, "-c", command], env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, check=True)
