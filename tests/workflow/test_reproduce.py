"""`make reproduce`: from nothing, through a kill, to a certificate."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from studies import Study

SCRIPT = ("python", "scripts/reproduce.py")


@pytest.fixture(scope="module")
def rebuilt(finished: Study, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """A clone of the finished study and a folder where its reproduction was killed among the cells."""
    folder = tmp_path_factory.mktemp("reproduce")
    clone = finished.clone(folder / "clone", pull=False)  # the cells of its cache must not be used
    clone.env["PYTHONPATH"] = "src"
    process = subprocess.Popen(
        [*SCRIPT, "--folder", folder / "new"],
        cwd=clone.path,
        env=clone.env,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not any(folder.glob("new/.snakemake/cells/*.sha256")):  # the last file of a cell that is done
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return clone, folder / "new"


def certificate(study: Study) -> Any:
    return json.loads((study.path / "reports/reproduction.json").read_text())


def test_all_files_are_identical(rebuilt: tuple[Study, Path]) -> None:
    study, folder = rebuilt
    ran = study.run(*SCRIPT, "--folder", str(folder))
    assert 0 < len([job for job in ran.trained if job.startswith("results/grid")]) < 4
    found = certificate(study)
    assert found["files"]["compared"] == found["files"]["identical"] == 49
    assert {"data/pairs/*.npz", "reports/report.html", "results/final/**/rounds.safetensors"} < found[
        "kinds of files"
    ].keys()
    assert found["conclusions that differ"] == found["files that are not identical"] == []
    assert found["run"]["cpu_seconds"] > 5
    assert found["run"]["peak_bytes"] > 1e8
    assert found["versions"]["libraries"]["torch"].startswith("2.")
    assert str(study.path.parent) not in json.dumps(found)
    # It is no result: nothing is out of date because of it.
    study.dvc("pull")
    assert "Nothing to be done" in study.snakemake("--dry-run").output
    assert "up to date" in study.dvc("status").output
    assert study.git("status", "--porcelain") == "?? reports/reproduction.json\n"


def test_what_differs_is_told(rebuilt: tuple[Study, Path]) -> None:
    study, folder = rebuilt
    study.dvc("pull")
    verdicts = json.loads((study.path / "results/claims.json").read_text())
    before, verdicts[0]["verdict"] = verdicts[0]["verdict"], "believed"
    (study.path / "results/claims.json").write_text(json.dumps(verdicts))
    (study.path / "results/grid.csv").unlink()
    study.dvc("commit", "--force")
    study.commit()
    said = study.run("sh", "-c", f'{" ".join(SCRIPT)} --folder "{folder}" || echo "exit code $?"').output.splitlines()
    assert said[-1] == "exit code 1"
    line = f"claim 1, {verdicts[0]['claim']}: believed -> {before}"
    assert f"A conclusion differs: {line}" in said
    found = certificate(study)
    assert found["conclusions that differ"] == [line]
    assert {one["path"]: one["verdict"] for one in found["files that are not identical"]} == {
        "results/claims.json": "different",
        "results/grid.csv": "only new",
    }
