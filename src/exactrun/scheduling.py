"""The scheduler: ends at once when it is told to, and is quick with thousands of jobs."""

import contextlib
import heapq
import os
import signal
import time
from typing import Any

from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings.enums import Quietness

from exactrun.orphans import no_orphans

WEIGHED = 500  # jobs; where more could start at once, the others start when one of these ends


class Scheduler(JobScheduler):  # type: ignore[misc]
    """Stops running jobs on SIGTERM and SIGINT, and lets none outlive it; weighs the jobs of highest priority only."""

    _stopped = False
    _next = 0.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.dryrun and Quietness.RULES in (self.quiet or ()):
            # It would describe each job, which takes half of the time, and show nothing of it.
            self._executor.printjob = lambda job: None
        for executor in self._local():
            self._let_go_when_stopped(executor)
        with contextlib.suppress(ValueError):  # not in the main thread
            if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
                signal.signal(signal.SIGINT, self.exit_gracefully)

    def _local(self) -> list[Any]:
        """Return the executors whose jobs are this process's own."""
        return [executor for executor in (self._executor, self._local_executor) if hasattr(executor, "pool")]

    def _let_go_when_stopped(self, executor: Any) -> None:
        """Let the executor of local jobs wait for none of them, and report none as failed, once it is stopped."""
        report = executor._callback

        def callback(job_info: Any, future: Any) -> None:
            if not self._stopped:
                report(job_info, future)

        executor._callback = callback
        executor.cancel = lambda: executor.pool.shutdown(wait=False, cancel_futures=True)

    def exit_gracefully(self, *args: Any) -> None:
        """Stop as on Ctrl-C: a job can take hours, and the next call reruns incomplete jobs."""
        if not self.workflow.is_main_process:
            os._exit(1)  # a job itself: what it runs may be a thread that cannot be stopped otherwise
        self._stopped = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    def schedule(self) -> Any:
        """Run the jobs, and let none go on when this process ends, however it ends."""
        if self.dryrun or not self.workflow.is_main_process:
            return super().schedule()
        with no_orphans():
            success = super().schedule()
        if self._stopped:
            for executor in self._local():
                executor.pool.shutdown()  # at once: what its threads waited for is gone
        return success

    def _schedule_reevalutation(self, delay: float) -> None:
        """Look at the jobs again after a while, not after a while for each look: the timers would start one another."""
        if time.monotonic() >= self._next:  # else a timer is still to come
            self._next = time.monotonic() + delay
            super()._schedule_reevalutation(delay)

    @property
    def open_jobs(self) -> list[Any]:
        """Return the jobs to choose from."""
        ready: list[Any] = super().open_jobs
        return ready if self.dryrun else heapq.nlargest(WEIGHED, ready, key=lambda job: job.priority)
