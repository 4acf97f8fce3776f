"""Which jobs run after which change: exactly those that it concerns, in any clone, on any branch, in any experiment.

`jobs` are named by their first output. What follows a cell follows by content: a job whose input was made anew with the
same content does not run.
"""

import ast
import contextlib
import csv
import json
import os
import random
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from studies import Study

from digitpairs import folders

MODELS = ("baseline", "siamese", "siamese_aux")
TABLE = {"results/grid.csv", "results/selection.json"}
METRICS = {"reports/metrics.json"}
MISTAKES = {"results/mistakes.csv"}
CLAIMS = {"results/claims.json"}
ROUND_TABLES = {"results/final.csv", "results/curves.csv"}
REPORT = {"reports/README.md", "reports/report.pdf"}


def cell(model: str, epochs: int = 2, learning_rate: float = 0.01) -> str:
    return f"results/grid/{model}/batch_size~20/learning_rate~{learning_rate}/epochs~{epochs}/rounds.csv"


CELLS = {cell("baseline"), cell("baseline", 4), cell("siamese"), cell("siamese_aux")}


def final(*models: str) -> set[str]:
    """Name the final rounds of some models; by test error, only baseline has another best configuration."""
    return both_protocols(*models) | ({by_test("baseline")} if "baseline" in models else set())


def both_protocols(*models: str) -> set[str]:
    return {f"results/final/{protocol}/{model}/rounds.csv" for protocol in ("fixed", "resampled") for model in models}


def by_test(model: str) -> str:
    return f"results/final/resampled_by_test/{model}/rounds.csv"


def figures(*names: str) -> set[str]:
    return {f"reports/figures/{name}.svg" for name in names}


def heat_maps(*models: str) -> set[str]:
    return figures(*(f"grid_{model}" for model in models))


def pairs(*seeds: int) -> set[str]:
    return {f"data/pairs/seed~{seed}.npz" for seed in seeds}


STATISTICS = {"results/statistics.json"} | figures("choosing")
ARCHITECTURES = figures("figure_1", "figure_2")
ROUNDS = figures("figure_3", "figure_4", "learning_curves")
TASK = figures("task")
FIGURES = TASK | ARCHITECTURES | ROUNDS | figures("choosing") | heat_maps(*MODELS)
AFTER_FINAL = ROUND_TABLES | MISTAKES | STATISTICS | CLAIMS | METRICS | ROUNDS | REPORT


def after_cells(*models: str) -> set[str]:
    """Name what follows new numbers in cells and final rounds of some models."""
    return TABLE | final(*models) | AFTER_FINAL | heat_maps(*MODELS)


def after_selection(before: Any, after: Any) -> set[str]:
    """Name what follows a table of new content, by what was chosen."""
    jobs = STATISTICS | CLAIMS | METRICS | heat_maps(*after) | REPORT
    for model in after:
        old, new = (trained(choices[model]) if model in choices else ({}, {}) for choices in (before, after))
        if new[0] != old[0]:
            jobs |= both_protocols(model) | ROUND_TABLES | MISTAKES | ROUNDS
        if new[1] != old[1]:
            jobs |= {"results/final.csv"} | figures("figure_3", "figure_4")
        if new[1] not in ({}, old[1]):
            jobs |= {by_test(model)}
    return jobs


def trained(choice: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a model's configuration, and that of the paper's rule if it is another one, else {}."""
    chosen = choice["chosen"]
    other = {key: choice["test"][key] for key in chosen}
    return chosen, other if other != chosen else {}


def replace(study: Study, file: str, name: str, new: str) -> None:
    """Replace a function by one that calls it as `old`, whatever the code is."""
    study.edit(file, lambda text: f"{text}\n\nold = {name}\n\n\ndef {name}(*args, **options):\n    return {new}\n")


def selection(study: Study) -> Any:
    return json.loads((study.path / "results/selection.json").read_text())


def committed_elsewhere(study: Study) -> Study:
    """Commit without running, and clone: the edit's files are older than the outputs that are pulled."""
    study.commit()
    return study.clone("elsewhere")


def long_ago(study: Study) -> Study:
    """Make what was edited older than the outputs, as it is in a clone of its commit."""
    for file in study.git("diff", "--name-only").splitlines():
        os.utime(study.path / file, (1, 1))
    return study


def test_row_01_nothing(study: Study) -> None:
    assert study.snakemake().jobs == set()
    assert study.dvc("repro").jobs == set()
    assert "up to date" in study.dvc("status").output


@pytest.mark.parametrize("outputs", ["older", "newer", "mixed"])
def test_row_02_modification_times(study: Study, outputs: str) -> None:
    chance = random.Random(0)  # noqa: S311 - no secret
    for path in study.path.rglob("*"):
        if path.is_file() and ".git" not in path.parts:
            made = path.relative_to(study.path).parts[0] in ("data", "results", "reports")
            days = {"older": -1 if made else 1, "newer": 1 if made else -1, "mixed": chance.choice([-1, 1])}[outputs]
            when = time.time() + days * chance.uniform(1, 300) * 86400
            os.utime(path, (when, when))
    assert study.snakemake().jobs == set()


def test_row_03_comments_and_formatting(study: Study) -> None:
    files = [path for folder in ("src", "scripts") for path in (study.path / folder).rglob("*.py")]
    assert len(files) > 20
    for path in files:
        study.edit(
            str(path), lambda text: re.sub('^"""', '"""Edited: ', ast.unparse(ast.parse(text))) + "\n\n\n# Edited"
        )
    study.edit("Snakefile", lambda text: f"# A comment\n{text}")
    assert committed_elsewhere(study).snakemake().jobs == set()


def test_row_04_edit_of_siamese(study: Study) -> None:
    study.edit("src/digitpairs/models/siamese.py", lambda text: text.replace("90", "80"))
    ran = committed_elsewhere(study).snakemake()
    figure = {"reports/figures/figure_2.svg"}
    assert ran.jobs == {cell("siamese"), cell("siamese_aux")} | after_cells("siamese", "siamese_aux") | figure


def test_row_05_edit_of_baseline(study: Study) -> None:
    edited = """


class Edited(Net):
    def compare(self, features: Tensor) -> Outputs:
        return super().compare(2 * features)


Net = Edited
"""
    study.edit("src/digitpairs/models/baseline.py", lambda text: text + edited)
    expected = {cell("baseline"), cell("baseline", 4), "reports/figures/figure_1.svg"} | after_cells("baseline")
    ran = long_ago(study).snakemake()
    if not trained(selection(study)["baseline"])[1]:  # the two rules may agree now
        expected -= {by_test("baseline")}
    assert ran.jobs == expected


def test_row_06_edit_of_what_training_imports_indirectly(study: Study) -> None:
    doubled = "[(2 * loss, error / 2) for loss, error in [old(*args, **options)]][0]"
    replace(study, "src/digitpairs/training/evaluation.py", "evaluate", doubled)
    assert long_ago(study).snakemake().jobs == CELLS | after_cells(*MODELS)


def test_row_06_edit_without_effect(study: Study) -> None:
    study.edit("src/digitpairs/training/evaluation.py", lambda text: f"{text}\n\nUNUSED = 1\n")
    assert long_ago(study).snakemake().jobs == CELLS | final(*MODELS) | MISTAKES


def test_row_06_error_messages_reworded(study: Study) -> None:
    study.edit("src/digitpairs/errors.py", lambda text: text.replace("allow the step more", "give the step more"))
    study.edit("src/digitpairs/training/run.py", lambda text: text.replace("torch sees no GPU", "torch finds no GPU"))
    study.edit("src/digitpairs/training/states.py", lambda text: text.replace("damaged, its", "damaged: its"))
    assert long_ago(study).snakemake().jobs == set()


def test_row_06_edit_of_what_users_import(study: Study) -> None:
    replace(study, "src/digitpairs/api.py", "load_model", "old(*args, **options)")
    assert long_ago(study).snakemake().jobs == MISTAKES


EDITED = "[figure for figure in [old(*args, **options)] if figure.text(0, 0, 'edited')][0]"


@pytest.mark.parametrize(
    ("module", "function", "new", "drawn"),
    [
        ("style", "render", "[old(*args, **options) for _ in [args[0].text(0, 0, 'edited')]][0]", FIGURES),
        ("figures/architecture", "draw", EDITED, ARCHITECTURES),
        ("figures/figure_3", "draw", EDITED, figures("figure_3")),
    ],
)
def test_row_07_edit_of_figures(study: Study, module: str, function: str, new: str, drawn: set[str]) -> None:
    replace(study, f"src/digitpairs/reporting/{module}.py", function, new)
    assert long_ago(study).snakemake().jobs == drawn | REPORT


def test_row_07_a_claim_reworded(study: Study) -> None:
    study.edit("src/digitpairs/analysis/claims.py", lambda text: text.replace("Sharing weights", "Shared weights"))
    assert long_ago(study).snakemake().jobs == CLAIMS | REPORT


AUXILIARY_WEIGHT = {cell("siamese_aux")} | after_cells("siamese_aux")


def test_row_09_a_learning_rate_added(study: Study) -> None:
    before = selection(study)
    study.set("grid.siamese.learning_rate", [0.001, 0.01])
    ran = study.snakemake()
    new = {cell("siamese", learning_rate=0.001)}
    assert ran.jobs == new | TABLE | after_selection(before, selection(study))
    assert ran.trained >= new


def test_row_10_epochs_added_above(study: Study) -> None:
    before = selection(study)
    study.set("grid.baseline.epochs", [2, 4, 5])
    ran = study.snakemake()
    after = after_selection(before, selection(study)) - figures("choosing") - METRICS  # the same statistics
    assert ran.jobs == {cell("baseline", 5)} | TABLE | after
    log = study.path / "logs/grid/baseline/batch_size~20/learning_rate~0.01/epochs~5.log"
    assert "continues after 4 epochs" in log.read_text()


def test_row_10_continued_is_uninterrupted(study: Study) -> None:
    study.set("grid.baseline.epochs", [2, 4, 5])
    continued, uninterrupted = study, study.clone("uninterrupted")
    uninterrupted.set("grid.baseline.epochs", [5])
    assert continued.snakemake("--until", "cell").jobs == {cell("baseline", 5)}
    uninterrupted.env["SNAKEMAKE_OUTPUT_CACHE"] += "-empty"
    assert uninterrupted.snakemake("--until", "cell").jobs == {cell("baseline", 5)}
    one, other = ((clone.path / cell("baseline", 5)).read_text() for clone in (continued, uninterrupted))
    assert one == other


def test_epochs_added_below_and_between(study: Study) -> None:
    before = selection(study)
    study.set("grid.baseline.epochs", [1, 2, 3, 4])
    ran = study.snakemake()
    assert ran.jobs == {cell("baseline", 1), cell("baseline", 3)} | TABLE | after_selection(before, selection(study))


@pytest.mark.parametrize("left", [2, 4])
def test_row_11_a_value_removed(study: Study, left: int) -> None:
    before = selection(study)
    study.set("grid.baseline.epochs", [left])
    assert study.snakemake().jobs == TABLE | after_selection(before, selection(study))


FINAL_ROUNDS = pairs(5) | final(*MODELS) | AFTER_FINAL


def test_row_13_selection_by_test_error(study: Study) -> None:
    before = selection(study)
    study.set("select.by", "test")
    ran = study.snakemake()
    changed = [model for model in MODELS if selection(study)[model]["chosen"] != before[model]["chosen"]]
    assert changed == ["baseline"]
    # What the test error chose was trained on new pairs already; now it is the study's choice, under another name.
    finals = both_protocols("baseline")
    assert ran.jobs == {"results/selection.json"} | finals | AFTER_FINAL | heat_maps(*MODELS)
    assert not {job for job in ran.trained if job.startswith("results/final/resampled/")}


def test_row_14_a_model_added(study: Study) -> None:
    before = selection(study)
    module = (study.path / "src/digitpairs/models/baseline.py").read_text()
    (study.path / "src/digitpairs/models/another.py").write_text(module.replace("channels=2", "channels=2 * 1"))
    study.set("grid.another", study.params()["grid"]["siamese"])
    assert study.snakemake().jobs == {cell("another")} | TABLE | after_selection(before, selection(study))


def test_row_15_the_same_values(study: Study) -> None:
    params = study.params()
    params["grid"]["baseline"]["epochs"].reverse()
    params = dict(reversed(params.items())) | {"grid": dict(reversed(params["grid"].items()))}
    text = yaml.safe_dump(params, sort_keys=False).replace("- 0.01", "- 1e-2  # a comment")
    study.edit("params.yaml", lambda _: f"# Another comment\n{text}")
    assert text.count("1e-2") == 3
    assert study.snakemake().jobs == set()
    assert study.dvc("repro").jobs == set()


def test_rows_16_17_another_branch_and_back_with_and_without_checkout(study: Study) -> None:
    before = study.contents()
    study.git("switch", "--quiet", "--create", "other")
    study.set("train.auxiliary_weight", 0.5)
    assert study.dvc("repro").jobs == AUXILIARY_WEIGHT
    study.commit()
    for branch in ("main", "other"):
        study.git("switch", "--quiet", branch)
        study.dvc("checkout")
        assert study.snakemake().jobs == set()
        assert "up to date" in study.dvc("status").output
    study.git("switch", "--quiet", "main")
    ran = study.snakemake()
    assert (ran.jobs, ran.trained) == (AUXILIARY_WEIGHT, set())
    assert study.contents() == before


DELETED = {  # each alone; the job that makes it is named by its first output
    "data/pairs/seed~2.npz": "",
    cell("baseline"): "",
    "results/grid.csv": "",
    "results/selection.json": "",
    "results/final.csv": "",
    "results/final/fixed/siamese/curves.csv": "rounds.csv",
    "reports/figures/figure_3.svg": "",
    "reports/report.html": "README.md",
    "reports/report.pdf": "",
    "reports/tables.html": "README.md",
}


def test_row_18_a_file_deleted(study: Study) -> None:
    before = study.contents()
    for file, first in DELETED.items():
        (study.path / file).unlink()
        assert study.snakemake().jobs == {str(Path(file).with_name(first or Path(file).name))}
        assert study.contents() == before


@pytest.mark.parametrize("file", ["data/pairs/seed~2.npz", cell("baseline"), "results/final.csv"])
def test_row_18_a_file_corrupted(study: Study, file: str) -> None:
    before = study.contents()
    (study.path / file).write_bytes(b"x" + before[file][1:])
    assert re.search(rf"modified: +{file.split('/')[0]}", study.dvc("status").output)
    study.dvc("checkout", "--force")
    assert study.contents() == before
    assert study.snakemake().jobs == set()


def test_row_19_a_temporary_experiment(study: Study) -> None:
    before = study.contents()
    assert study.dvc("exp", "run", "--temp", "--set-param", "final.rounds=3").jobs == FINAL_ROUNDS
    assert study.contents() == before


def test_row_19_a_temporary_experiment_with_a_learning_rate_more(study: Study) -> None:
    before = selection(study)
    ran = study.dvc("exp", "run", "--temp", "--set-param", "grid.siamese.learning_rate=[0.001,0.01]", "--name", "more")
    study.dvc("exp", "apply", "more")
    assert ran.jobs == {cell("siamese", learning_rate=0.001)} | TABLE | after_selection(before, selection(study))
    assert study.snakemake().jobs == set()


def test_row_20_values_seen_before(study: Study) -> None:
    before = study.contents()
    study.set("train.auxiliary_weight", 0.5)
    assert study.snakemake().trained
    entries = {path: path.stat().st_mtime_ns for path in study.cells.iterdir()}
    study.git("checkout", "--quiet", ".")
    ran = study.snakemake()
    assert (ran.jobs, ran.trained) == (AUXILIARY_WEIGHT, set())
    assert study.contents() == before
    ran = study.dvc("exp", "run", "--temp", "--set-param", "train.auxiliary_weight=0.5")
    assert (ran.jobs, ran.trained) == (AUXILIARY_WEIGHT, set())
    assert study.contents() == before

    for weight in (0.5, 1.0):
        study.dvc("exp", "run", "--queue", "--set-param", f"train.auxiliary_weight={weight}")
    # Not by a pipe: a worker would keep it open. Now and then one goes on waiting when all is done.
    study.run("sh", "-c", "dvc queue start --jobs 2 > queue.log 2>&1 < /dev/null")
    try:
        deadline = time.monotonic() + 900
        while re.search("Queued|Running", status := study.dvc("queue", "status").output):
            assert time.monotonic() < deadline, status
            time.sleep(1)
        assert status.count("Success") == 2, status
    finally:
        for pid in study.path.glob(".dvc/tmp/exps/celery/*.pid"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGKILL)
    assert {path: path.stat().st_mtime_ns for path in study.cells.iterdir()} == entries


@pytest.mark.parametrize(
    ("library", "jobs"),
    [
        # The numbers stay, so that nothing follows.
        ("torch", CELLS | final(*MODELS) | MISTAKES | CLAIMS | ARCHITECTURES | {"reports/README.md"}),
        ("matplotlib", FIGURES | {"reports/README.md"}),
    ],
)
def test_row_21_a_library_changes_version(study: Study, tmp_path: Path, library: str, jobs: set[str]) -> None:
    metadata = tmp_path / "libraries" / f"{library}-99.0.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: 99.0\n")
    assert study.snakemake(PYTHONPATH=str(tmp_path / "libraries")).jobs == jobs


def test_rows_08_12_22_auxiliary_weight_by_snakemake_and_a_final_round_more_by_dvc(study: Study) -> None:
    study.set("train.auxiliary_weight", 0.5)
    assert study.snakemake().jobs == AUXILIARY_WEIGHT
    assert study.dvc("repro").jobs == set()
    study.set("final.rounds", 3)
    assert study.dvc("repro").jobs == FINAL_ROUNDS
    assert study.snakemake().jobs == set()
    assert [path for path in study.path.rglob("*") if path.is_symlink()] == []
    study.commit()
    study.dvc("push")
    study.commit()
    assert study.clone("elsewhere").snakemake().jobs == set()


def fresh(arm: str, *blocks: str) -> set[str]:
    return {f"results/fresh/{arm}/baseline/rounds~{block}/rounds.csv" for block in blocks}


def new_pairs(*blocks: str) -> set[str]:
    return {f"data/new_pairs/rounds~{block}" for block in blocks}


def test_row_25_fresh_rounds_train_the_new_blocks(study: Study) -> None:
    after = {"results/fresh.csv"} | STATISTICS | CLAIMS | METRICS | REPORT
    study.set(
        "fresh", {"resampled": {"baseline": 3}, "fixed": {"baseline": 1}, "batch_norm": 2, "block": 2, "pairings": 2}
    )
    others = fresh("fixed", "3-3") | fresh("grid", "2-2") | fresh("batch_norm", "3-4")
    assert study.snakemake().jobs == new_pairs("3-4", "5-5") | fresh("resampled", "3-4", "5-5") | others | after
    study.set("fresh.resampled.baseline", 4)  # the smaller last block grows
    assert study.snakemake().jobs == new_pairs("5-6") | fresh("resampled", "5-6") | after
    study.set("fresh.resampled.baseline", 6)
    assert study.snakemake().jobs == new_pairs("7-8") | fresh("resampled", "7-8") | after
    assert study.snakemake().jobs == set()

    rows = list(csv.DictReader((study.path / "results/fresh.csv").open()))
    numbers = {arm: [int(row["round"]) for row in rows if row["arm"] == arm] for arm in {row["arm"] for row in rows}}
    assert numbers == {"resampled": [3, 4, 5, 6, 7, 8], "fixed": [3], "grid": [2], "batch_norm": [3, 4]}
    assert all(0 <= float(row["paired_anew_error"]) <= 1 for row in rows)
    judged = json.loads((study.path / "results/claims.json").read_text())
    assert {claim["id"] for claim in judged if claim["fresh"]} == {"batch-norm"}  # of its one model

    # Other pairings of the test images take no training.
    study.set("fresh.pairings", 3)
    assert study.snakemake().jobs >= fresh("resampled", "3-4", "5-6", "7-8") | others
    logs = [path.read_text() for path in study.path.glob("logs/fresh/*/*/rounds~[0-9]*.log")]
    assert sum("continues after 2 epochs" in log for log in logs) == 6
    assert [row["test_error"] for row in rows] == [
        row["test_error"] for row in csv.DictReader((study.path / "results/fresh.csv").open())
    ]


PARTS = {
    "least_error": {
        **{"rounds": 2, "ablation_rounds": 1, "epochs": 2, "batch_size": 20, "learning_rate": 0.01, "one_cycle": True},
        **{"weight_decay": 0.0, "dropout": 0.2, "label_smoothing": 0.0, "shift": 1.0, "distortion": 0.0},
    },
    "variance": {"models": ["baseline"], "epochs": 1, "datasets": 3, "initialisations": 2, "orders": 2},
    "spikes": {"model": "siamese_aux", "rounds": 3, "beta2": [0.9], "decay": [1]},
    "other_data": {"models": ["siamese"], "sets": 2, "rounds": 2},
}
EXPECTED = {
    "least_error": {
        *(f"results/least_error/left_out~{part}/rounds.csv" for part in ("nothing", "shift", "dropout", "one_cycle")),
        *new_pairs("1-1", "1-2"),
    },
    "variance": {f"results/variance/baseline/dataset~{dataset}/rounds.csv" for dataset in (1, 2, 3)} | new_pairs("3-3"),
    "spikes": {
        *(f"results/spikes/{value}/siamese_aux/rounds.csv" for value in ("learning_rate~0.01", "beta2~0.9", "decay~1")),
        *new_pairs("1-3"),
    },
    "other_data": {
        *(f"results/other_data/siamese/set~{number}/rounds.csv" for number in (1, 2)),
        *(f"data/other_pairs/set~{number}" for number in (1, 2)),
    },
}
COLUMNS = {
    "least_error": ["left_out", "round"],
    "variance": ["model", "dataset", "initialisation", "order"],
    "spikes": ["parameter", "value", "model", "chosen", "round"],
    "other_data": ["model", "set", "round"],
}
ROWS = {"least_error": 5, "variance": 12, "spikes": 18, "other_data": 4}


@pytest.mark.parametrize("part", PARTS)
def test_row_26_a_further_part_runs_alone(study: Study, part: str) -> None:
    if part == "other_data" and not folders.MNIST.is_dir():
        pytest.skip(f"the full MNIST is not in {folders.MNIST}")
    before = study.contents()
    table = f"results/{part}.csv"
    study.set(part, PARTS[part])
    after = STATISTICS | CLAIMS | METRICS | REPORT
    assert study.snakemake().jobs == EXPECTED[part] | {table} | after | figures(part)
    rows = list(csv.DictReader((study.path / table).open()))
    keys = [tuple(row[column] for column in COLUMNS[part]) for row in rows]
    assert len(keys) == len(set(keys)) == ROWS[part]
    assert list(rows[0])[: len(COLUMNS[part])] == COLUMNS[part]
    assert all(0 <= float(row["test_error"]) <= 1 for row in rows)
    found, told = study.contents(), {"results/statistics.json", "results/findings.json", "reports/report.html"}
    assert {path for path in before if before[path] != found[path]} <= told | REPORT | {"reports/tables.html"}
    # Data that is made when it is needed is not kept, and is not asked for again.
    assert study.snakemake().jobs == set()
    assert [path for path in study.path.glob("data/**/*.npz") if path.parent.name != "pairs"] == []


def test_row_23_a_clone_without_pull(unpulled: Study, finished: Study) -> None:
    ran = unpulled.snakemake()
    assert ran.jobs == pairs(2, 3, 4) | CELLS | after_cells(*MODELS) | TASK | ARCHITECTURES
    assert ran.trained == set()
    assert unpulled.contents() == finished.contents()


@pytest.mark.parametrize("change", ["emptied", "damaged"])
def test_row_24_the_cell_cache(unpulled: Study, finished: Study, change: str) -> None:
    for path in unpulled.cells.rglob("*"):
        if path.is_file() and change == "emptied":
            path.unlink()
        elif path.is_file() and path.suffix != ".sha256":
            content = path.read_bytes()
            path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    ran = unpulled.snakemake()
    assert {job for job in ran.trained if job.endswith("rounds.csv")} == CELLS | final(*MODELS)
    assert ran.output.count("damaged") == (len(CELLS | final(*MODELS)) if change == "damaged" else 0)
    assert unpulled.contents() == finished.contents()
