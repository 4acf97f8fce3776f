"""No space, no right to write, too few file handles, too little memory: a clear message, and nothing half-written.

Mounts are made in a namespace of the test's own, which needs no root where the system allows it.
"""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from studies import Study

CELL = "results/grid/baseline/batch_size~20/learning_rate~0.01/epochs~2/rounds.csv"


@pytest.fixture
def namespace(unshare: Callable[[str], list[str]]) -> list[str]:
    """The command that gives another command mounts of its own."""
    return unshare("mount")


def test_disk_full(finished: Study, study: Study, namespace: list[str], tmp_path: Path) -> None:
    """The study's folder is full again and again, each time a little later; what was made by then is whole."""
    # Without the options that it has: those of a user who is not root name an owner whom the namespace does not know.
    script = """
        resize() { mount --options-mode ignore -o remount,size="$1" .; }
        mkdir disk && mount -t tmpfs -o size=100m tmpfs disk && cp -R clone/. disk && cd disk
        rm -r .snakemake data results reports .dvc/cache remote
        used=$(du -sk . | cut -f 1)
        for more in 150 1200; do
            resize $((used + more))k
            if snakemake --cores 2; then exit 9; fi
            echo "The disk was full."
        done
        resize 100m
        snakemake --cores 2
        mkdir ../saved && cp -R data results reports ../saved
    """
    done = subprocess.run(
        [*namespace, "sh", "-ec", script],
        cwd=tmp_path,
        env=study.env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    *full, _ = done.stdout.split("The disk was full.\n")
    assert len(full) == 2
    assert all("No space left on device" in output for output in full)
    saved = Study(tmp_path / "saved", study.cells)
    assert saved.contents() == finished.contents()


def test_a_folder_that_is_read_only(study: Study, namespace: list[str]) -> None:
    (study.path / CELL).unlink()
    read_only = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec snakemake --cores 1 "$2"'
    output = study.fails(*namespace, "sh", "-ec", read_only, "sh", "results/grid", CELL)
    assert "Read-only file system" in output
    assert study.snakemake(CELL).jobs == {CELL}


def test_the_cell_cache_is_read_only(study: Study, namespace: list[str]) -> None:
    study.set("grid.baseline.epochs", [3])
    cell = CELL.replace("epochs~2", "epochs~3")
    read_only = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec snakemake --cores 1 "$2"'
    output = study.run(*namespace, "sh", "-ec", read_only, "sh", str(study.cells), cell).output
    assert output.count("Read-only file system: such entries of the cache") == 1
    log = (study.path / cell.replace("results", "logs").replace("/rounds.csv", ".log")).read_text()
    assert "3.state: cannot be written: Read-only file system; the run goes on without keeping its state" in log
    assert study.snakemake(cell).jobs == set()


def test_states_of_another_user_who_lets_nobody_enter(study: Study, ordinary: Callable[..., list[str]]) -> None:
    study.set("grid.baseline.epochs", [3])
    cell = CELL.replace("epochs~2", "epochs~3")
    (study.cells / "states").chmod(0)
    study.in_real_processes().run(*ordinary("snakemake", "--cores", "1", cell))
    (study.cells / "states").chmod(0o755)
    log = (study.path / cell.replace("results", "logs").replace("/rounds.csv", ".log")).read_text()
    assert log.count("Permission denied") == 2
    assert "cannot be listed: Permission denied; no state is used" in log
    assert "cannot be written: Permission denied; the run goes on without keeping its state" in log


def test_too_few_file_handles(study: Study) -> None:
    (study.path / CELL).unlink()
    output = study.in_real_processes().fails("sh", "-c", 'ulimit -n 12; exec snakemake --cores 1 "$1"', "sh", CELL)
    assert "Too many open files" in output
    assert study.snakemake(CELL).jobs == {CELL}


def test_too_little_memory_for_a_cell(finished: Study, uncomputed: Study) -> None:
    """The limit holds for the step alone: Snakemake itself needs less. The next run with enough makes the cell."""
    uncomputed.snakemake("data/pairs/seed~2.npz")
    uncomputed.edit(
        "rules/training.smk",
        lambda text: re.sub(r"return (step\(\s+f\"{TRAINER})", r'return "ulimit -v 450000; " + \1', text),
    )
    output = uncomputed.in_real_processes().fails("snakemake", "--cores", "1", CELL)
    assert re.search(r"[Mm]emory|bad_alloc|cannot allocate|failed to map segment", output)
    assert "Error in rule cell" in output
    assert not (uncomputed.path / CELL).exists()
    uncomputed.git("checkout", "--quiet", "rules/training.smk")
    assert uncomputed.snakemake(CELL).trained == {CELL}
    assert (uncomputed.path / CELL).read_bytes() == (finished.path / CELL).read_bytes()
