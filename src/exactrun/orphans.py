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
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from typing import TypeVar

import psutil  # type: ignore[import-untyped]

Answer = TypeVar("Answer")
MARK = "SNAKEMAKE_RUN"
POLL = 1.0  # seconds between two looks at whether DVC is there
GRACE = 1.0  # seconds for a job to end by itself


@contextmanager
def no_orphans() -> Iterator[Callable[[], None]]:
    """Mark all child processes; none outlives this process or the end of the block.

    Yield a function that ends at once what was started meanwhile, also jobs that lost the mark, as by `env -i`.
    """
    mark, before = uuid.uuid4().hex, set(psutil.Process().children())
    command = [sys.executable, "-P", __file__, mark, str(os.getpid())]  # -P: no module beside this file is in the way
    # A session of its own: what is sent to Snakemake's process group does not reach it. Without a mark: where this
    # Snakemake is a job of another one, that must not end with it who ends this one's jobs.
    outer = os.environ.pop(MARK, None)
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):  # noqa: S603
        os.environ[MARK] = mark
        try:
            yield lambda: _end(_started_since(before))
        finally:
            del os.environ[MARK]
            if outer is not None:
                os.environ[MARK] = outer


def _started_since(before: Collection[psutil.Process]) -> list[psutil.Process]:
    """Return the processes below this one that were started meanwhile; those that watch end by themselves."""
    new = [child for child in psutil.Process().children() if child not in before]
    found = [*new, *chain.from_iterable(_ask(partial(child.children, recursive=True), []) for child in new)]
    return [process for process in found if __file__ not in _ask(process.cmdline, [])]


def _end(processes: list[psutil.Process]) -> None:
    """Terminate processes, and kill what is left after a while; whoever started them is told how they ended."""
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in processes:
            with suppress(psutil.Error):  # it is gone, or another user's
                end(process)
        until = time.monotonic() + GRACE
        while (processes := list(filter(alive, processes))) and time.monotonic() < until:
            time.sleep(0.02)


def main() -> None:
    """Wait until Snakemake, or the DVC that started it, is gone; kill the rest of both."""
    mark, pid = sys.argv[1], int(sys.argv[2])
    with suppress(psutil.NoSuchProcess):
        snakemake = psutil.Process(pid)
        dvc = started_by_dvc(snakemake)
        while not select.select([sys.stdin], [], [], POLL if dvc else None)[0]:
            if not alive(dvc):
                snakemake.kill()
    for _ in range(2):  # for a moment, a process that starts a program has no environment
        while left := [process for process in psutil.process_iter() if environment(process).get(MARK) == mark]:
            _end(left)
        time.sleep(0.1)


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
    return _ask(process.environ, {})


def _ask(question: Callable[[], Answer], otherwise: Answer) -> Answer:
    """Return what a process answers; one that ended, or is another user's, does not."""
    try:
        return question()
    except psutil.Error:
        return otherwise


if __name__ == "__main__":
    main()
