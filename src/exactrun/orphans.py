"""Ends the jobs of a Snakemake that was killed.

A signal that cannot be caught ends one process: the jobs that it started would go on, and write results of old params
among those of the next run. So a small process watches: the pipe from Snakemake closes when that ends, and what is left
of its jobs, told by a mark in their environment, is terminated, and after a second killed. Where DVC started Snakemake,
that is killed with DVC.
"""

import os
import select
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil  # type: ignore[import-untyped]

MARK = "SNAKEMAKE_RUN"
POLL = 1.0  # seconds between two looks at whether DVC is there
GRACE = 1.0  # seconds for a job to end by itself


@contextmanager
def no_orphans() -> Iterator[int]:
    """Mark all child processes; none outlives this process or the end of the block. Yield the watching process's id."""
    mark = uuid.uuid4().hex
    command = [sys.executable, "-P", __file__, mark, str(os.getpid())]  # -P: no module beside this file is in the way
    # A session of its own: what is sent to Snakemake's process group does not reach it. Without a mark: where this
    # Snakemake is a job of another one, that must not end with it who ends this one's jobs.
    outer = os.environ.pop(MARK, None)
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as watching:  # noqa: S603
        os.environ[MARK] = mark
        try:
            yield watching.pid
        finally:
            del os.environ[MARK]
            if outer is not None:
                os.environ[MARK] = outer


def end_children(but: int) -> None:
    """End all that this process started but for one process; also jobs without the mark, as `env -i` takes it away."""
    _end([process for process in psutil.Process().children(recursive=True) if process.pid != but])


def _end(processes: list[psutil.Process], by: Callable[[psutil.Process], None] = psutil.Process.terminate) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            by(process)
    _, left = psutil.wait_procs(processes, timeout=GRACE)
    if left and by is not psutil.Process.kill:
        _end(left, psutil.Process.kill)


def main() -> None:
    """Wait until Snakemake, or the DVC that started it, is gone; kill the rest of both."""
    mark, pid = sys.argv[1], int(sys.argv[2])
    with suppress(psutil.NoSuchProcess):
        snakemake = psutil.Process(pid)
        dvc = started_by_dvc(snakemake)
        while not select.select([sys.stdin], [], [], POLL if dvc else None)[0]:
            if not alive(dvc):
                snakemake.kill()
    while left := [process for process in psutil.process_iter() if environment(process).get(MARK) == mark]:
        _end(left)


def started_by_dvc(snakemake: psutil.Process) -> psutil.Process | None:
    """Return the DVC that runs Snakemake as a stage: its nearest ancestor without the stage's mark."""
    if "DVC_STAGE" not in environment(snakemake):
        return None
    return next((parent for parent in snakemake.parents() if "DVC_STAGE" not in environment(parent)), None)


def alive(process: psutil.Process | None) -> bool:
    """Return True if a process runs; a zombie does not."""
    try:
        return process is None or (process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def environment(process: psutil.Process) -> dict[str, str]:
    """Return a process's environment, empty for one that ended or is another user's."""
    try:
        return dict(process.environ())
    except psutil.Error:
        return {}


if __name__ == "__main__":
    main()
