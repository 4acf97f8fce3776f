"""Mistakes and hostile values in params.yaml, as Snakemake meets them; tests/unit has more of them, without it."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from studies import ROOT, Study

from digitpairs.data.bundled import load_bundled
from digitpairs.data.pairs import load_pairs

TINY = ROOT / "tests/workflow/params.yaml"
TEXT = TINY.read_text(encoding="utf-8")
MERGES = "\n".join(
    ["m0: &m0 {k: 0}", *(f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}" for n in range(1, 10))]
)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        TEXT.replace("seed: 2", "seed: !!python/object/apply:os.system ['touch trace']").encode(),
        f"{MERGES}\n{TEXT}".encode(),
        TEXT.replace("source: bundled", f"source: idx\n  folder: {'a' * 300}").encode(),
    ],
    ids=["binary", "object", "merges", "long"],
)
def test_snakemake_says_one_line_and_starts_nothing(finished: Study, tmp_path: Path, content: bytes) -> None:
    """`finished` is left as it is: Snakemake reads the params of another folder."""
    (tmp_path / "params.yaml").write_bytes(content)
    done = subprocess.run(
        ["snakemake", "--cores", "1", "--snakefile", finished.path / "Snakefile"],
        cwd=tmp_path,
        env=finished.env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("Using workflow specific profile")]
    assert line.startswith("error: params.yaml: ")
    assert [path.name for path in tmp_path.iterdir() if path.name != ".snakemake"] == ["params.yaml"]


@pytest.mark.parametrize(
    ("arguments", "variable", "said"),
    [
        (["--config", "seed=5"], {}, "error: --config and --configfile change nothing here (seed): edit params.yaml"),
        (["--configfile", "empty.yaml"], {}, "error: --config and --configfile change nothing here (empty.yaml)"),
        ([], {"DIGITPAIRS_CONSOLE": "ful"}, "error: DIGITPAIRS_CONSOLE = 'ful'; allowed is full"),
        ([], {"SNAKEMAKE_OUTPUT_CACHE": "s3://bucket"}, "error: SNAKEMAKE_OUTPUT_CACHE = 's3://bucket' is a URL"),
        ([], {"DIGITPAIRS_STEPS": "/nowhere"}, "error: no `python` in /nowhere, by which steps would start"),
    ],
)
def test_what_is_ignored_is_refused(
    finished: Study, tmp_path: Path, arguments: list[str], variable: dict[str, str], said: str
) -> None:
    (tmp_path / "params.yaml").write_text(TEXT)
    (tmp_path / "empty.yaml").write_text("{}")
    command = ["snakemake", "--dry-run", "--snakefile", str(finished.path / "Snakefile"), *arguments]
    env = finished.env | variable
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(said)
    assert "Traceback" not in done.stderr


def test_a_clone_that_converts_line_ends_is_whole(finished: Study, tmp_path: Path) -> None:
    clone = Study(tmp_path / "clone", tmp_path / "cells", finished.served)
    finished.git("clone", "--quiet", "--config", "core.autocrlf=true", str(finished.path), str(clone.path))
    clone.dvc("pull")
    assert clone.snakemake("--dry-run").jobs == set()
    assert clone.contents() == finished.contents()


def write_digits(folder: Path) -> None:
    """Write four IDX files of bundled digits: 100 for training, 50 to test."""
    digits = load_bundled().train
    order = np.random.default_rng(0).permutation(5000)
    for prefix, chosen in {"train": order[:100], "t10k": order[100:150]}.items():
        for name, array in {"images-idx3": digits.images[chosen], "labels-idx1": digits.labels[chosen]}.items():
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (folder / f"{prefix}-{name}-ubyte").write_bytes(header + array.tobytes())


@pytest.mark.parametrize(
    "name",
    ["$(touch trace)", "`touch trace`", "'; touch trace; '", '" && touch trace #', "-x --output=trace", "ü \\ % * é"],
)
def test_a_folders_name_reaches_no_shell(finished: Study, tmp_path: Path, name: str) -> None:
    """The name is that of a real folder, so that the step runs to its end with it."""
    work, folder = tmp_path / "work", tmp_path / name
    work.mkdir()
    folder.mkdir()
    write_digits(folder)
    params = yaml.safe_load(TINY.read_text())
    params["data"] = {"source": "idx", "folder": f"../{name}", "n_train": 30, "n_validation": 20, "n_test": 25}
    params["grid"] = {"rounds": 1, "baseline": params["grid"]["baseline"]}
    (work / "params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True), encoding="utf-8")
    snakefile = str(finished.path / "Snakefile")
    Study(work, finished.cells, finished.served).snakemake("--snakefile", snakefile, "data/pairs/seed~2.npz")
    assert len(load_pairs(work / "data/pairs/seed~2.npz").test.targets) == 25
    assert {path.name for path in work.iterdir()} == {".snakemake", "data", "logs", "params.yaml"}
    assert {path.name for path in tmp_path.iterdir()} == {"work", name}
