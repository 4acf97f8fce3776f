"""What is changed about Snakemake's scheduler; all else of `reruns` is tested in real runs."""

import threading
import time
from types import SimpleNamespace

import pytest
import snakemake.api  # noqa: F401 - first: snakemake.workflow alone imports itself in a circle

from exactrun.reruns import WEIGHED, _Scheduler


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


@pytest.mark.parametrize(("dryrun", "weighed"), [(False, WEIGHED), (True, 3 * WEIGHED)])
def test_of_many_ready_jobs_the_first_by_priority_are_weighed(dryrun: bool, weighed: int) -> None:
    scheduler = object.__new__(_Scheduler)
    scheduler.dryrun = dryrun
    ready = [SimpleNamespace(priority=priority) for priority in range(1 - 3 * WEIGHED, 1)]
    scheduler.workflow = SimpleNamespace(dag=SimpleNamespace(ready_jobs=ready))
    assert sorted(-job.priority for job in scheduler.open_jobs) == list(range(weighed))
