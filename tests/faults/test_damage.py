"""200 bits flipped, in files of every kind: each is noticed before the file is used, and what it held is made again."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snakemake.api  # first: snakemake.workflow alone imports itself in a circle
from snakemake.io import IOFile
from studies import Study

from digitpairs.data.pairs import load_pairs
from digitpairs.errors import StudyError
from digitpairs.training import states
from exactrun import reruns

FLIPS = 25  # of each kind
VERSIONED = {
    "pairs": "data/pairs/*.npz",
    "table": "results/**/*.csv",
    "checkpoint": "results/final/fixed/*/rounds.safetensors",
    "report": "reports/**/*.*",
}


class Job:
    """All that Snakemake's records ask of a job."""

    def __init__(self, output: str) -> None:
        self.output = [IOFile(output)]


@pytest.fixture
def records(study: Study, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The records of the study, as Snakemake reads them."""
    for name in ("DAG", "FilePersistence", "JobScheduler", "LocalOutputFileCache"):
        # As they were, after the test.
        monkeypatch.setattr(snakemake.workflow, name, getattr(snakemake.workflow, name))
    reruns.install()
    monkeypatch.chdir(study.path)
    return snakemake.workflow.FilePersistence()


def damaged(paths: list[Path], chance: random.Random) -> Iterator[Path]:
    """Flip one random bit of a random file, 25 times, and truncate one 5 times; put it right each time."""
    assert paths
    for truncate in [False] * FLIPS + [True] * 5:
        path = chance.choice(paths)
        content = path.read_bytes()
        if truncate:
            path.write_bytes(content[: chance.randrange(len(content))])
        else:
            flipped = bytearray(content)
            flipped[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            path.write_bytes(flipped)
        yield path
        path.write_bytes(content)


@pytest.mark.parametrize("kind", VERSIONED)
def test_an_output_is_not_as_it_was_made(records: Any, kind: str, chance: random.Random) -> None:
    paths = sorted(path for path in Path().glob(VERSIONED[kind]) if path.is_file())
    assert all(records.has_metadata(Job(str(path))) for path in paths)
    for path in damaged(paths, chance):
        assert not records.has_metadata(Job(str(path)))


def test_a_record(records: Any, chance: random.Random) -> None:
    outputs = [str(path) for pattern in VERSIONED.values() for path in sorted(Path().glob(pattern)) if path.is_file()]
    by_record = {Path(records._record_path(records._metadata_path, output)): output for output in outputs}
    for path in damaged(sorted(by_record), chance):
        records._clear_cache()
        assert not records.has_metadata(Job(by_record[path]))


@pytest.mark.parametrize("what", ["entry", "checksum"])
def test_the_cell_cache(study: Study, what: str, chance: random.Random) -> None:
    entries = sorted(path for path in study.cells.iterdir() if path.is_file() and path.suffix != ".sha256")
    paths = {entry if what == "entry" else entry.with_name(f"{entry.name}.sha256"): entry for entry in entries}
    assert all(map(reruns.intact, entries))
    for path in damaged(sorted(paths), chance):
        assert not reruns.intact(paths[path])


def test_a_state(study: Study, chance: random.Random) -> None:
    for path in damaged(sorted(study.cells.rglob("*.state")), chance):
        with pytest.raises(StudyError, match=str(path)):
            states.load(path)


def test_pairs_and_checkpoints_are_refused_by_whoever_reads_them(study: Study, chance: random.Random) -> None:
    """Not only by Snakemake: what a script reads is what was written, or an error."""
    pairs = study.path / "data/pairs/seed~2.npz"
    before = load_pairs(pairs)
    for path in damaged([pairs], chance):
        try:
            read = load_pairs(path)
        except StudyError:
            continue
        for split, split_before in zip(read, before, strict=True):  # the flip was in what training does not read
            for array, array_before in zip(split, split_before, strict=True):
                np.testing.assert_array_equal(array, array_before)
    for path in damaged(sorted(study.path.glob(VERSIONED["checkpoint"])), chance):
        with pytest.raises(StudyError, match=str(path)):
            states.load(path)


def test_all_at_once(study: Study) -> None:
    """One bit in a file of each kind: DVC shows it, Snakemake makes it again, and the bytes are as before."""
    before = study.contents()
    cell = "results/grid/baseline/batch_size~20/learning_rate~0.01/epochs~4/rounds.csv"
    outputs = ["data/pairs/seed~3.npz", cell, "reports/figures/figure_1.svg", "reports/report.html"]
    entries = sorted(path for path in study.cells.iterdir() if path.name[64:] == ".csv")
    a_record = sorted((study.path / ".snakemake/metadata").iterdir())[0]
    states = sorted(study.cells.rglob("*.state"))
    for path in [study.path / output for output in outputs] + entries + states + [a_record]:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    status = study.dvc("status").output
    assert all(f"modified:           {changed}" in status for changed in ("data", "results", ".snakemake/metadata"))
    ran = study.snakemake()
    assert {"data/pairs/seed~3.npz", cell, "reports/figures/figure_1.svg", "reports/README.md"} <= ran.jobs
    assert all(f"{output}: not as it was made" in ran.output for output in outputs)
    assert f"{a_record}: damaged" in ran.output
    assert cell in ran.trained
    log = study.path / cell.replace("results/", "logs/").replace("/rounds.csv", ".log")
    assert "2.state: damaged" in log.read_text()  # not continued from, but trained from the start
    assert study.contents() == before
    assert study.snakemake().jobs == set()
