"""docs/cluster.md, followed with a real Slurm; and what happens when a job or a node is lost."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from slurm import NODES, Cluster, slurm, wait
from studies import ROOT, Study

pytestmark = pytest.mark.xdist_group("slurm")  # they share a cluster
PROFILE = ("--profile", "profiles/slurm")
GRID = "results/grid.csv"
RUNNING = "--states=RUNNING"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture
def study(finished: Study, cluster: Cluster, tmp_path: Path) -> Study:
    """A fresh clone on a login node of the cluster, where nothing has been computed yet."""
    study = finished.clone(tmp_path / "clone", tmp_path / "cells", pull=False)
    study.env |= cluster.environment | {"PIP_NO_INDEX": "1"}
    study.env["PATH"] = f"{cluster.commands}{os.pathsep}{study.env['PATH']}"
    study.edit("profiles/slurm/config.yaml", lambda text: text.replace("checks: 10", "checks: 2"))  # seconds
    return study


@contextmanager
def in_background(study: Study, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run Snakemake on the cluster until the end of the block, and then until it ends."""
    with (study.path / "output").open("wb") as output:
        command = ["snakemake", *PROFILE, *options]
        with subprocess.Popen(command, cwd=study.path, env=study.env, stdout=output, stderr=output) as process:
            try:
                yield process
            except BaseException:
                process.kill()
                raise


def said(study: Study) -> str:
    """Return what the Snakemake in the background has printed."""
    return (study.path / "output").read_text(encoding="utf-8")


def submissions(output: str) -> list[str]:
    """Return the ids of the Slurm jobs that Snakemake started."""
    return re.findall(r"has been submitted with SLURM jobid (\d+)", output)


def limits(cluster: Cluster, ids: list[str]) -> dict[str, str]:
    """Return the time and memory with which jobs completed, by the model of their cells."""
    options = ("--noheader", "--states=COMPLETED", f"--jobs={','.join(ids)}", "--format=%k %l %m")
    rows = (line.split(maxsplit=1) for line in cluster.run("squeue", *options).splitlines())
    return {comment.removeprefix("rule_cells_").partition("_20_")[0]: rest for comment, rest in rows}


def same_grid(study: Study, finished: Study) -> None:
    """Compare the cells and their table with those that one machine made without a disturbance."""
    mine, theirs = (
        {path: content for path, content in made.contents().items() if path.startswith("results/grid")}
        for made in (study, finished)
    )
    assert mine == theirs


def test_the_study_is_byte_identical(finished: Study, cluster: Cluster, study: Study) -> None:
    page = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Slurm, step by step\n(.*?)(?=^## )", page, re.M | re.S)
    commands = "\n".join(re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S))
    assert "snakemake --profile profiles/slurm\n" in commands
    output = study.run("sh", "-ec", commands.replace("/shared/digitpairs", str(study.path.parent))).output
    assert study.contents() == finished.contents()
    assert len(submissions(output)) == 3 + 7  # training runs of the grid, final rounds
    log = study.path / "logs/grid/baseline/batch_size~20/learning_rate~0.01/epochs~4.log"
    assert "continues after 2 epochs" in log.read_text(encoding="utf-8")
    assert "Nothing to be done" in study.snakemake("--dry-run").output
    assert "up to date" in study.dvc("status").output


def test_jobs_that_fail_are_repeated_with_higher_limits(finished: Study, cluster: Cluster, study: Study) -> None:
    study = study.in_real_processes()
    memory = "cell:mem_mb=100 * attempt ** 4 if wildcards.model == 'siamese_aux' else 1012 * attempt"
    with in_background(study, GRID, "--set-resources", memory) as snakemake:
        cluster.run("scancel", cluster.wait_for_job("cells_baseline_"))
        hanging = cluster.wait_for_job("cells_siamese_20", RUNNING)
        cluster.hang(hanging)
        # Slurm takes no time that has passed when it reads it, be it by a second.
        cluster.run("scontrol", "update", f"JobId={hanging}", "EndTime=now+5")
    assert snakemake.returncode == 0, said(study)
    same_grid(study, finished)
    for why in ("Error in group cells_baseline_", "DUE TO TIME LIMIT", "exceeded memory limit"):
        assert why in said(study)
    ids = submissions(said(study))
    assert len(ids) == 2 * 3
    second = {"baseline": "24:00 2024M", "siamese": "12:00 2024M", "siamese_aux": "12:00 1600M"}
    assert limits(cluster, ids) == second


def test_stacks_ask_for_a_gpu(cluster: Cluster, study: Study) -> None:
    """They alone are submitted; on nodes without a GPU they end with one line. Then, with processors in its place."""
    study.set("train.device", "cuda")
    failed = study.fails("snakemake", *PROFILE, "--retries", "0", GRID)
    ids = submissions(failed)
    assert len(ids) == 3
    for job in ids:
        assert re.search(r"^ +Tres\S+=gres[:/]gpu:1$", cluster.run("scontrol", "show", "job", job), re.M)
    log = study.path / "logs/grid/siamese/batch_size~20.log"
    assert log.read_text(encoding="utf-8").startswith(
        "error: params.yaml: train.device = 'cuda', but torch sees no GPU"
    )
    study.set("train.device", "cpu")
    study.env["DIGITPAIRS_STACKS"] = "1"
    assert len(submissions(study.run("snakemake", *PROFILE, GRID).output)) == 3


def test_nodes_are_drained_and_lost(finished: Study, cluster: Cluster, study: Study) -> None:
    study = study.in_real_processes()  # whose jobs last longer than looking at them
    drained, lost = NODES
    with in_background(study, GRID) as snakemake:
        cluster.wait_for_job("cells_", RUNNING, f"--nodelist={drained}")
        cluster.run("scontrol", "update", f"NodeName={drained}", "State=DRAIN", "Reason=test")
        job = cluster.wait_for_job("cells_", RUNNING, f"--nodelist={lost}")
        cluster.stop(lost)
        wait(lambda: job in cluster.jobs("--states=PENDING"))  # Slurm noticed
        cluster.run("scontrol", "update", f"NodeName={drained}", "State=RESUME")
    cluster.start(lost)
    assert snakemake.returncode == 0, said(study)
    same_grid(study, finished)
    assert len(submissions(said(study))) == 3  # Slurm itself repeats the job
    assert "Error" not in said(study)


def test_a_failed_job_stops_the_study_and_the_next_call_continues(
    finished: Study, cluster: Cluster, study: Study
) -> None:
    study = study.in_real_processes()  # whose jobs last longer than looking at them
    with in_background(study, GRID, "--retries", "0") as snakemake:
        cluster.run("scancel", cluster.wait_for_job("cells_siamese_20", RUNNING))
    assert snakemake.returncode == 1, said(study)
    assert re.findall(r"Error in group (\S+)$", said(study), re.M) == ["cells_siamese_20_0.01"]
    assert "CANCELLED AT" in said(study)
    assert "Exiting because a job execution failed" in said(study)
    assert len(submissions(study.run("snakemake", *PROFILE, GRID).output)) == 1
    same_grid(study, finished)


def test_a_preempted_job_continues(finished: Study, cluster: Cluster, study: Study, tmp_path: Path) -> None:
    """Slurm sends SIGTERM, and starts the job again later, which trains what is missing: the same bytes."""
    study = study.in_real_processes()
    cell = "results/grid/siamese/batch_size~20/learning_rate~0.01/epochs~100/rounds.csv"
    alone = finished.clone(tmp_path / "alone", tmp_path / "other cells", pull=False)
    for one in (study, alone):
        one.set("grid", {"rounds": 1, "siamese": {"epochs": [100], "batch_size": [20], "learning_rate": [0.01]}})
    # After each epoch instead of after a minute.
    file = "src/digitpairs/training/rounds.py"
    study.edit(file, lambda text: text.replace("KEEP_SECONDS = 60.0", "KEEP_SECONDS = 0.0"))
    with in_background(study, cell) as snakemake:
        job = cluster.wait_for_job("cells_siamese_20", RUNNING)
        wait(lambda: any(study.cells.glob("states/*/*/100.partial")))
        cluster.run("scontrol", "requeue", job)  # as a partition's PreemptMode=REQUEUE does
    assert snakemake.returncode == 0, said(study)
    assert submissions(said(study)) == [job]
    assert "Error" not in said(study)
    log = (study.path / cell.replace("results", "logs").replace("/rounds.csv", ".log")).read_text(encoding="utf-8")
    assert 1 <= int(re.findall(r"continues after (\d+) epochs", log)[0]) < 100
    alone.snakemake(cell)
    assert (study.path / cell).read_bytes() == (alone.path / cell).read_bytes()
