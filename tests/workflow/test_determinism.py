"""The same bytes whatever happens on the way, and results that no mistake destroys: a tiny study on real digits.

Each run starts from nothing, in its own copy of the tree and with an empty cell cache.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from studies import HOSTILE, contents

from digitpairs import devices
from digitpairs.data.bundled import load_bundled
from digitpairs.data.pairs import make_pairs, to_npz

pytestmark = pytest.mark.xdist_group("determinism")  # they share a study
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


def run(study: Path, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None) -> str:
    """Run Snakemake, in processes of its own unless `env` has the folder of a `served.hold`."""
    env = env or {}
    folders = [env.get("DIGITPAIRS_STEPS", ""), str(Path(sys.executable).parent), os.environ["PATH"]]
    done = subprocess.run(
        ["snakemake", *arguments],
        cwd=study,
        env=os.environ
        | env
        | {
            "PATH": os.pathsep.join(filter(None, folders)),
            "SNAKEMAKE_OUTPUT_CACHE": str(study.parent / "cells"),
            "CUDA_VISIBLE_DEVICES": "",
        },
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def new_study(folder: Path) -> Path:
    study = folder / "study"
    for name in ("src", "scripts", "rules", "profiles"):
        shutil.copytree(ROOT / name, study / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", study)
    (study / "params.yaml").write_text(PARAMS)
    return study


def times(study: Path) -> dict[str, int]:
    return {name: (study / name).stat().st_mtime_ns for name in contents(study)}


@pytest.fixture
def steps(served: Path) -> dict[str, str]:
    """The environment that has commands fork from a process which has imported their libraries."""
    return {"DIGITPAIRS_STEPS": str(served)}


@pytest.fixture(scope="module")
def original(served: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that ran on one core; tests leave its files as they are."""
    study = new_study(tmp_path_factory.mktemp("one core"))
    run(study, "--cores", "1", env={"DIGITPAIRS_STEPS": str(served)})
    assert {Path(name).suffix for name in contents(study)} >= {".csv", ".json", ".safetensors", ".npz", ".svg", ".png"}
    return study


# The same bytes


def test_two_cores_give_the_same_bytes(original: Path, steps: dict[str, str], tmp_path: Path) -> None:
    study = new_study(tmp_path)
    run(study, "--cores", "2", env=steps)
    made, expected = contents(study), contents(original)
    assert made.keys() == expected.keys()
    assert [name for name in made if made[name] != expected[name]] == []


def test_training_by_hand_gives_the_same_bytes_whatever_is_exported(tmp_path: Path) -> None:
    """Each variable alone, all processes side by side; networks show more than their errors do."""
    pairs = tmp_path / "pairs.npz"
    pairs.write_bytes(to_npz(make_pairs(load_bundled(), 60, 40, 40, seed=0)))
    options = ["--model=siamese_aux", '--options={"batch_norm": "before", "auxiliary_weight": 1.0}', "--epochs=2"]
    options += ["--batch-size=30", "--learning-rate=0.01", "--weight-decay=0.0", "--rounds=2", "--seed=0"]
    options += ["--stream=grid", f"--pairs={pairs}", "--output", "rounds.csv", "rounds.safetensors"]
    processes = []
    for name, value in {"NOTHING": "", **HOSTILE}.items():
        (tmp_path / name).mkdir()
        env = os.environ | {name: value, "PYTHONPATH": str(ROOT / "src")}
        command = [sys.executable, str(ROOT / "scripts/train.py"), *options]
        processes.append(subprocess.Popen(command, cwd=tmp_path / name, env=env))
    assert [process.wait() for process in processes] == [0] * len(processes)
    for file in ("rounds.csv", "rounds.safetensors"):
        expected = (tmp_path / "NOTHING" / file).read_bytes()
        assert [name for name in HOSTILE if (tmp_path / name / file).read_bytes() != expected] == []


def test_a_finished_study_has_nothing_to_do(original: Path, steps: dict[str, str]) -> None:
    before = times(original)
    said = run(original, "--cores", "2", env=steps)
    assert "Nothing to be done (all requested files are present and up to date)." in said
    assert times(original) == before


# A cell that diverges


def test_a_diverged_cell_is_recorded_and_not_selected(original: Path) -> None:
    grid = pd.read_csv(original / "results/grid.csv")
    diverged = grid[grid.learning_rate == 1e30]
    errors = ["train_loss", "train_error", "validation_error", "test_error"]
    assert diverged[["model", "epochs", "round"]].values.tolist() == [
        ["baseline", epochs, round_] for epochs in (2, 3) for round_ in (1, 2)
    ]
    assert diverged[errors].isna().all(axis=None)
    assert grid[grid.learning_rate == 0.01][errors].notna().all(axis=None)
    selection = json.loads((original / "results/selection.json").read_text())["baseline"]
    assert [(cell["learning_rate"], cell["epochs"]) for cell in selection["diverged"]] == [(1e30, 2), (1e30, 3)]
    assert {selection[choice]["learning_rate"] for choice in ("chosen", "validation", "test")} == {0.01}


# Mistakes


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 0", "sead: 0", "seed is missing; sead is an unknown key; allowed are seed, data, "),
        ("{by: validation}", "{by: ", "not valid YAML"),
    ],
)
def test_a_mistake_in_params_yaml_is_one_line(
    original: Path, steps: dict[str, str], old: str, new: str, message: str
) -> None:
    before, before_times = contents(original), times(original)
    assert old in PARAMS
    (original / "params.yaml").write_text(PARAMS.replace(old, new))
    output = run(original, "--cores", "2", code=1, env=steps).splitlines()
    (original / "params.yaml").write_text(PARAMS)
    about_profile, line = output
    assert (
        about_profile == "Using workflow specific profile profiles/default for setting default command line arguments."
    )
    assert line.startswith("error: params.yaml: ")
    assert message in line
    assert (contents(original), times(original)) == (before, before_times)


def test_without_params_yaml(steps: dict[str, str], tmp_path: Path) -> None:
    study = new_study(tmp_path)
    (study / "params.yaml").unlink()
    assert run(study, "--cores", "2", code=1, env=steps).endswith(
        "\nerror: params.yaml: cannot be read: No such file or directory\n"
    )


def test_images_that_are_not_there(original: Path, steps: dict[str, str], tmp_path: Path) -> None:
    """This is noticed by the first job only; the pairs made of other images stay."""
    study = tmp_path / "study"
    shutil.copytree(original, study)
    before = contents(study)
    (study / "params.yaml").write_text(PARAMS.replace("bundled", "idx, folder: nowhere"))
    output = run(study, "--cores", "2", code=1, env=steps)
    assert "\nerror: nowhere/train-images-idx3-ubyte: no such file, with or without .gz\n" in output
    assert "Traceback" not in output
    assert contents(study) == before
    (study / "params.yaml").write_text(PARAMS)
    run(study, "--cores", "2", env=steps)
    assert contents(study) == before


def test_a_gpu_that_is_not_there(steps: dict[str, str], tmp_path: Path) -> None:
    """With `cuda`, one line and nothing else; with `auto`, a warning, and the processor's results."""
    study = new_study(tmp_path)
    if not (reason := devices.missing()):
        pytest.skip("there is a GPU here")
    (study / "params.yaml").write_text(PARAMS.replace("batch_norm: before", "batch_norm: before, device: cuda"))
    output = run(study, "--cores", "1", code=1, env=steps)
    assert output.splitlines()[-1].startswith(f"error: params.yaml: train.device = 'cuda', but {reason}")
    assert "Traceback" not in output
    (study / "params.yaml").write_text(PARAMS.replace("batch_norm: before", "batch_norm: before, device: auto"))
    assert f"train.device: the processor: {reason}" in run(study, "-n", env=steps)
