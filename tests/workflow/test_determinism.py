"""The same bytes whatever happens on the way, and results that no mistake destroys: a tiny study on real digits.

Each run starts from nothing, in its own copy of the tree and with an empty cell cache.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from studies import contents

from digitpairs.reproduction.origin import instructions

ROOT = Path(__file__).parents[2]
PARAMS = """\
seed: 0
data: {source: bundled, n_train: 60, n_validation: 40, n_test: 40}
train: {weight_decay: 0.0, auxiliary_weight: 1.0, batch_norm: before}
grid:
  rounds: 2
  baseline: {epochs: [2, 3], batch_size: [20], learning_rate: [0.01, 1.0e+30]}
  siamese_aux: {epochs: [2], batch_size: [30], learning_rate: [0.01]}
select: {by: validation}
final: {rounds: 2}
"""


def start(study: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start Snakemake, in a process group of its own."""
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SNAKEMAKE_OUTPUT_CACHE": str(study.parent / "cells"),
        "CUDA_VISIBLE_DEVICES": "",
    }
    return subprocess.Popen(
        ["snakemake", *arguments],
        cwd=study,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def run(study: Path, *arguments: str, code: int = 0) -> str:
    process = start(study, *arguments)
    output, _ = process.communicate()
    assert process.returncode == code, output
    return output


def new_study(folder: Path) -> Path:
    study = folder / "study"
    for name in ("src", "scripts", "profiles"):
        shutil.copytree(ROOT / name, study / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", study)
    (study / "params.yaml").write_text(PARAMS)
    return study


def times(study: Path) -> dict[str, int]:
    return {name: (study / name).stat().st_mtime_ns for name in contents(study)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that ran on one core; tests leave its files as they are."""
    study = new_study(tmp_path_factory.mktemp("one core"))
    run(study, "--cores", "1")
    assert {Path(name).suffix for name in contents(study)} >= {".csv", ".json", ".safetensors", ".npz", ".svg", ".png"}
    return study


def assert_same_files(study: Path, other: Path) -> None:
    files, others = contents(study), contents(other)
    assert files.keys() == others.keys()
    assert [name for name in files if files[name] != others[name]] == []


# The same bytes


def test_two_cores_give_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    study = new_study(tmp_path)
    run(study, "--cores", "2")
    assert_same_files(study, finished)


def test_more_vector_instructions_than_avx2_are_not_used(finished: Path, tmp_path: Path) -> None:
    """On a processor without AVX-512 this holds anyway."""
    if not instructions():
        pytest.skip("this processor has no AVX2")
    cell = "grid/siamese_aux/batch_size~30/learning_rate~0.01/epochs~2"
    options = ["--model=siamese_aux", '--options={"batch_norm": "before", "auxiliary_weight": 1.0}', "--epochs=2"]
    options += ["--batch-size=30", "--learning-rate=0.01", "--weight-decay=0.0", "--rounds=2", "--seed=0"]
    options += ["--stream=grid", f"--pairs={finished}/data/pairs/seed~0.npz", f"--output={tmp_path}/rounds.csv"]
    env = os.environ | {"ATEN_CPU_CAPABILITY": "avx2", "PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, str(ROOT / "scripts/train.py"), *options], env=env, check=True)
    assert (tmp_path / "rounds.csv").read_bytes() == (finished / "results" / cell / "rounds.csv").read_bytes()


def kill_when(study: Path, reached: Callable[[], bool]) -> None:
    """Start the study and kill it and all its jobs, as a power cut does."""
    process = start(study, "--cores", "2")
    while not reached():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def jobs_under_way(study: Path, stage: str) -> int:
    """Count a stage's jobs that have a log and no result yet."""
    logs, results = ((study / folder).rglob("*") for folder in (f"logs/{stage}", f"results/{stage}"))
    return sum(path.suffix == ".log" for path in logs) - sum(path.name == "rounds.csv" for path in results)


def test_a_killed_run_started_again_gives_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    """Killed among the cells, some of which are done, and again among the final rounds."""
    study = new_study(tmp_path)
    kill_when(study, lambda: any(study.glob("results/grid/**/rounds.csv")) and jobs_under_way(study, "grid") > 0)
    assert not (study / "results/grid.csv").exists()
    kill_when(study, lambda: jobs_under_way(study, "final") > 0)
    assert not (study / "reports/metrics.json").exists()
    run(study, "--cores", "2")
    assert_same_files(study, finished)


def test_a_second_run_beside_a_live_one_is_refused(tmp_path: Path) -> None:
    study = new_study(tmp_path)
    process = start(study, "--cores", "1", "results/grid.csv")
    while not (study / "logs/pairs").exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    refused = run(study, "--cores", "1", "results/grid.csv", code=1)
    assert f"Directory cannot be locked: another Snakemake runs in {study};" in refused
    assert "--unlock" not in refused  # it would let two run
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_finished_study_has_nothing_to_do(finished: Path) -> None:
    before = times(finished)
    started = time.monotonic()
    assert "Nothing to be done (all requested files are present and up to date)." in run(finished, "--cores", "2")
    print(f"nothing to be done: {time.monotonic() - started:.1f} s")
    assert times(finished) == before


# A cell that diverges


def test_a_diverged_cell_is_recorded_and_not_selected(finished: Path) -> None:
    grid = pd.read_csv(finished / "results/grid.csv")
    diverged = grid[grid.learning_rate == 1e30]
    errors = ["train_loss", "train_error", "validation_error", "test_error"]
    assert diverged[["model", "epochs", "round"]].values.tolist() == [
        ["baseline", epochs, round_] for epochs in (2, 3) for round_ in (1, 2)
    ]
    assert diverged[errors].isna().all(axis=None)
    assert grid[grid.learning_rate == 0.01][errors].notna().all(axis=None)
    selection = json.loads((finished / "results/selection.json").read_text())["baseline"]
    assert [(cell["learning_rate"], cell["epochs"]) for cell in selection["diverged"]] == [(1e30, 2), (1e30, 3)]
    assert {selection[choice]["learning_rate"] for choice in ("chosen", "validation", "test")} == {0.01}
    assert json.loads((finished / "reports/metrics.json").read_text())["baseline"]["learning_rate"] == 0.01


# Mistakes


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 0", "sead: 0", "seed is missing; sead is an unknown key; allowed are seed, data, "),
        ("rounds: 2}", "rounds: two}", "final.rounds = 'two' should be a valid integer"),
        ("[20]", "[]", "grid.baseline.batch_size = [] should have at least 1 item"),
        ("1.0e+30", "1e-2", "grid.baseline.learning_rate = [0.01, 0.01] should hold each value once"),
        ("rounds: 2}", "rounds: 0}", "final.rounds = 0 should be greater than or equal to 1"),
        ("rounds: 2\n", "rounds: -2\n", "grid.rounds = -2 should be greater than or equal to 1"),
        ("[20]", "[61]", "grid.baseline.batch_size = 61 should be at most data.n_train = 60"),
        ("[20]", "[59]", "grid.baseline.batch_size = 59 should not leave a last batch of 1"),
        ("siamese_aux:", "resnet:", "grid.resnet is an unknown model; allowed are baseline, "),
        ("bundled", "cifar", "data.source = 'cifar' should be 'bundled', 'mnist' or 'idx'"),
        ("bundled", "idx", "data.folder is missing"),
        ("before", "between", "train.batch_norm = 'between' should be 'before' or 'after'"),
        ("{by: validation}", "{by: ", "not valid YAML"),
        (PARAMS, "", "the content = None should be a valid dictionary"),
    ],
)
def test_a_mistake_in_params_yaml_is_one_line(finished: Path, old: str, new: str, message: str) -> None:
    before, before_times = contents(finished), times(finished)
    assert old in PARAMS
    (finished / "params.yaml").write_text(PARAMS.replace(old, new))
    output = run(finished, "--cores", "2", code=1).splitlines()
    (finished / "params.yaml").write_text(PARAMS)
    about_profile, line = output
    assert (
        about_profile == "Using workflow specific profile profiles/default for setting default command line arguments."
    )
    assert line.startswith("error: params.yaml: ")
    assert message in line
    assert (contents(finished), times(finished)) == (before, before_times)


def test_without_params_yaml(tmp_path: Path) -> None:
    study = new_study(tmp_path)
    (study / "params.yaml").unlink()
    assert run(study, "--cores", "2", code=1).endswith(
        "\nerror: params.yaml: cannot be read: No such file or directory\n"
    )


def test_images_that_are_not_there(finished: Path, tmp_path: Path) -> None:
    """This is noticed by the first job only; the pairs made of other images stay."""
    study = tmp_path / "study"
    shutil.copytree(finished, study)
    before = contents(study)
    (study / "params.yaml").write_text(PARAMS.replace("bundled", "idx, folder: nowhere"))
    output = run(study, "--cores", "2", code=1)
    assert "\nerror: nowhere/train-images-idx3-ubyte: no such file, with or without .gz\n" in output
    assert "Traceback" not in output
    assert contents(study) == before
    (study / "params.yaml").write_text(PARAMS)
    run(study, "--cores", "2")
    assert contents(study) == before


def test_a_failing_cell_shows_the_end_of_its_log(tmp_path: Path) -> None:
    study = new_study(tmp_path)
    (study / "params.yaml").write_text(PARAMS.replace("batch_norm: before", "batch_norm: before, device: cuda"))
    cell = "baseline/batch_size~20/learning_rate~0.01/epochs~2"
    output = run(study, "--cores", "1", f"results/grid/{cell}/rounds.csv", code=1)
    log = (study / f"logs/grid/{cell}.log").read_text()
    assert log.startswith("error: params.yaml: train.device = 'cuda', but torch sees no GPU here")
    assert log in output
    assert "Traceback" not in output
    assert not (study / f"results/grid/{cell}/rounds.csv").exists()
