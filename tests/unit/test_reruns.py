"""What is changed about Snakemake's scheduler; all else of `reruns` is tested in real runs."""

import threading
import time

import snakemake.api  # noqa: F401 - first: snakemake.workflow alone imports itself in a circle

from digitpairs.reruns import _Scheduler


def test_a_timer_is_not_started_while_another_is_to_come() -> None:
    """Otherwise each look at the jobs would lead to one more look a second, for as long as the run takes."""
    scheduler = object.__new__(_Scheduler)
    scheduler._open_jobs = threading.Semaphore(0)
    for looks in (10, 1):
        for _ in range(looks):
            scheduler._schedule_reevalutation(0.2)
        assert scheduler._open_jobs.acquire(timeout=10)
        assert not scheduler._open_jobs.acquire(timeout=0.4)
    assert time.monotonic() >= scheduler._next
