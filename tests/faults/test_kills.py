"""SIGKILL, SIGTERM and SIGINT at 16 random moments: 6 of a run, 4 of a push, 4 of a pull, one of each while DVC lists.

The next call continues, no process stays, and the bytes are those of an undisturbed run.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from studies import HOSTILE, ROOT, Study

from exactrun.orphans import alive, environment

# As a terminal sends them: what can be caught to the whole group; SIGKILL also to the one process, as the system does
# when memory runs out.
SIGNALS = [
    (signal.SIGKILL, os.kill),
    (signal.SIGINT, os.killpg),
    (signal.SIGKILL, os.killpg),
    (signal.SIGTERM, os.killpg),
]
GRACE = 120.0  # seconds in which all must be over, on a busy machine
ANEW = "DVC_SITE_CACHE_DIR=$(mktemp -d) dvc"  # what docs/reliability.md says to do after a push or pull was killed


def interrupt(
    study: Study, command: list[str], reached: Callable[[], bool], number: int, send: Callable[[int, int], None]
) -> bool:
    """Start a command and send it a signal once a moment is reached; return whether it was still running then."""
    study = study.in_real_processes()
    mark = uuid.uuid4().hex
    with said(study).open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=study.path,
            env=study.env | {"FAULTS": mark},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    while process.poll() is None and not reached():
        time.sleep(0.05)
    running = process.poll() is None
    if running:
        send(process.pid, number)
    process.wait(GRACE)
    deadline = time.monotonic() + GRACE
    while left := [
        process for process in psutil.process_iter() if environment(process).get("FAULTS") == mark and alive(process)
    ]:
        assert time.monotonic() < deadline, f"{command} left {[process.cmdline() for process in left]}"
        time.sleep(0.1)
    return running


def said(study: Study) -> Path:
    """Where the command that was interrupted last writes what it prints."""
    return study.path.with_name("said")


def after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def test_a_run_killed_at_random_moments(finished: Study, uncomputed: Study, chance: random.Random) -> None:
    """Each a random while after a random number of steps: among cells, tables, selection, final rounds and reports.

    Each run of the tests has other ones. The last may come after the end of a quick run. What somebody exported for
    other work changes no bit, either.
    """
    uncomputed.env |= HOSTILE
    records = uncomputed.path / ".snakemake/metadata"
    most = len(list((finished.path / ".snakemake/metadata").iterdir()))
    at_records = sorted(chance.sample(range(most), 6))
    commands = cycle([["snakemake", "--cores", "2"], ["dvc", "repro"], ["dvc", "repro"]])
    killed = 0
    for at, command, (number, send) in zip(at_records, commands, cycle(SIGNALS), strict=False):
        moment: list[Callable[[], bool]] = []

        def reached(at: int = at, moment: list[Callable[[], bool]] = moment) -> bool:
            if not moment and records.exists() and len(list(records.iterdir())) >= at:
                moment.append(after(chance.uniform(0, 2)))
            return bool(moment) and moment[0]()

        if not interrupt(uncomputed, command, reached, number, send):
            break  # the last steps were quicker than the signal
        killed += 1
    assert killed >= 3, said(uncomputed).read_text(encoding="utf-8")
    uncomputed.dvc("repro")
    assert uncomputed.contents() == finished.contents()
    assert uncomputed.snakemake().jobs == set()


def page_says(command: str) -> str:
    assert command in (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    return command


def kill_while_listing(study: Study, command: str, files: int) -> None:
    """Kill DVC by its own hand after some of the files that it lists before it moves any."""
    code = """
import os, signal, sys
from dvc.cli import main
from dvc_data.index import DataIndex

enter, left = DataIndex.__setitem__, int(sys.argv[1])

def enter_or_die(self, key, entry):
    global left
    enter(self, key, entry)
    left -= key[:1] in (("push",), ("fetch",))
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

DataIndex.__setitem__ = enter_or_die
main(sys.argv[2:])
"""
    done = subprocess.run([sys.executable, "-c", code, str(files), command], cwd=study.path, env=study.env)
    assert done.returncode == -signal.SIGKILL


def kill_at_four_moments(study: Study, command: str, undo: Callable[[], None], chance: random.Random) -> None:
    """Kill `dvc push` or `dvc pull` while it works; one that was quicker than its signal is undone and not counted.

    Each lists anew, as the page asks after one that was killed.
    """
    started = time.monotonic()
    study.in_real_processes().dvc(command)
    seconds = time.monotonic() - started
    for number, send in SIGNALS:
        undo()
        anew = ["env", f"DVC_SITE_CACHE_DIR={study.path.with_name(f'dvc-{uuid.uuid4().hex}')}", "dvc", command]
        while not interrupt(study, anew, after(chance.uniform(0.2, 1) * seconds), number, send):
            undo()
            seconds *= 0.9  # it may be quicker now than when it was measured


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("moment", ["any", "listing"])
def test_a_push_that_was_killed(study: Study, moment: str, chance: random.Random) -> None:
    remote = study.path / "remote"
    pushed = files(remote)
    shutil.rmtree(remote)
    if moment == "any":
        kill_at_four_moments(study, "push", lambda: shutil.rmtree(remote, ignore_errors=True), chance)
    else:
        kill_while_listing(study, "push", chance.randrange(5, 50))
    study.run("sh", "-c", page_says(f"{ANEW} push"))
    assert {path: content for path, content in files(remote).items() if not path.endswith(".tmp")} == pushed
    assert study.git("status", "--porcelain") == ""


@pytest.mark.parametrize("moment", ["any", "listing"])
def test_a_pull_that_was_killed(finished: Study, uncomputed: Study, moment: str, chance: random.Random) -> None:
    def undo() -> None:
        shutil.rmtree(uncomputed.path)
        finished.clone(uncomputed.path, pull=False)

    if moment == "any":
        kill_at_four_moments(uncomputed, "pull", undo, chance)
    else:
        kill_while_listing(uncomputed, "pull", chance.randrange(5, 50))
    uncomputed.run("sh", "-c", page_says(f"{ANEW} pull"))
    assert uncomputed.contents() == finished.contents()
    assert uncomputed.snakemake().jobs == set()


def test_a_step_that_the_system_kills(uncomputed: Study) -> None:
    """As it does when memory runs out: the run says which step failed, and the next one makes it."""
    cell = "results/grid/siamese/batch_size~20/learning_rate~0.01/epochs~2/rounds.csv"

    def kill_the_step() -> bool:
        for process in psutil.process_iter():
            try:
                if process.cwd() == str(uncomputed.path) and "train.py" in " ".join(process.cmdline()[:2]):
                    process.kill()
                    return True
            except psutil.Error:
                continue
        return False

    with subprocess.Popen(
        ["snakemake", "--cores", "1", cell],
        cwd=uncomputed.path,
        env=uncomputed.in_real_processes().env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        while not kill_the_step():
            assert process.poll() is None
            time.sleep(0.05)
        output = process.communicate()[0]
    assert process.returncode == 1
    assert re.search(r"Error in rule cell[\s\S]*" + re.escape(cell), output)
    assert not (uncomputed.path / cell).exists()
    assert cell in uncomputed.snakemake(cell).jobs
