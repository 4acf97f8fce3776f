"""`make reproduce`: from nothing, through a kill, to a certificate."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from studies import Study

SCRIPT = (sys.executable, "scripts/reproduce.py")


def certificate(study: Study) -> Any:
    return json.loads((study.path / "reports/reproduction.json").read_text())


def test_a_reproduction_that_was_killed_and_a_study_that_differs(finished: Study, tmp_path: Path) -> None:
    study = finished.clone(tmp_path / "clone", pull=False)  # the cells of its cache must not be used
    study.env["PYTHONPATH"] = "src"
    command = (*SCRIPT, "--folder", str(tmp_path / "new"))
    process = subprocess.Popen(
        command, cwd=study.path, env=study.env, stdout=subprocess.DEVNULL, start_new_session=True
    )
    done = "new/.snakemake/cells/*.sha256"  # the last file of a cell that is done
    while not any(tmp_path.glob(done)):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = len(list(tmp_path.glob(done)))

    ran = study.run(*command, "results/selection.json")
    assert len([job for job in ran.trained if job.startswith("results/grid")]) == max(0, 4 - kept)
    found = json.loads((tmp_path / "new/reports/reproduction.json").read_text())
    assert found["targets"] == ["results/selection.json"]
    assert found["files"]["compared"] == found["files"]["identical"] > 6
    assert "results/selection.json" in found["kinds of files"]
    assert "reports/report.html" not in found["kinds of files"]

    ran = study.run(*command)
    assert not [job for job in ran.trained if job.startswith("results/grid")]
    found = certificate(study)
    assert found["targets"] == ["all"]
    assert found["files"]["compared"] == found["files"]["identical"] == len(finished.contents())
    assert {"data/pairs/*.npz", "reports/report.html", "results/final/**/rounds.safetensors"} < found[
        "kinds of files"
    ].keys()
    assert found["conclusions that differ"] == found["files that are not identical"] == []
    assert found["run"]["cpu_seconds"] > 0
    assert found["run"]["peak_bytes"] > 5e7
    assert found["versions"]["libraries"]["torch"].startswith("2.")
    assert str(tmp_path) not in json.dumps(found)
    # It is no result: nothing is out of date because of it.
    study.dvc("pull")
    assert "Nothing to be done" in study.snakemake("--dry-run").output
    assert "up to date" in study.dvc("status").output
    assert study.git("status", "--porcelain") == "?? reports/reproduction.json\n"

    verdicts = json.loads((study.path / "results/claims.json").read_text())
    before, verdicts[0]["verdict"] = verdicts[0]["verdict"], "believed"
    (study.path / "results/claims.json").write_text(json.dumps(verdicts))
    (study.path / "results/grid.csv").unlink()
    study.dvc("commit", "--force")
    study.commit()
    said = study.fails(*command).splitlines()
    line = f"claim {verdicts[0]['id']}: believed -> {before}"
    assert f"A conclusion differs: {line}" in said
    found = certificate(study)
    assert found["conclusions that differ"] == [line]
    assert {one["path"]: one["verdict"] for one in found["files that are not identical"]} == {
        "results/claims.json": "different",
        "results/grid.csv": "only new",
    }
