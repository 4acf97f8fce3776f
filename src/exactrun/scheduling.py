"""The scheduler: ends at once when it is told to, and is quick with thousands of jobs."""

import contextlib
import heapq
import itertools
import os
import signal
import threading
import time
from collections import defaultdict
from typing import Any

from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings.enums import Quietness

from exactrun.orphans import no_orphans
from exactrun.records import note_input

WEIGHED = 500  # jobs; where more could start at once, the others start when one of these ends
OF_A_RULE = 50  # of them, at least: what waits for one resource does not keep away what takes another


class Scheduler(JobScheduler):  # type: ignore[misc]
    """Stops running jobs on SIGTERM and SIGINT, and lets none outlive it; weighs the most urgent jobs of each rule."""

    stopped = False
    _idle = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.dryrun and Quietness.RULES in (self.quiet or ()):
            # It would describe each job, which takes half of the time, and show nothing of it.
            self._executor.printjob = lambda job: None
        for executor in self._local():
            self._let_go_when_stopped(executor)
        self._due: dict[str, float] = {}  # when timers end, by what they are for
        self._interrupted = signal.getsignal(signal.SIGINT)
        with contextlib.suppress(ValueError):  # not in the main thread
            if self._interrupted is not signal.SIG_IGN:
                signal.signal(signal.SIGINT, self.exit_gracefully)

    def _local(self) -> list[Any]:
        """Return the executors whose jobs are this process's own."""
        return [executor for executor in (self._executor, self._local_executor) if hasattr(executor, "pool")]

    def _let_go_when_stopped(self, executor: Any) -> None:
        """Let the executor of local jobs wait for none of them, and report none as failed, once it is stopped."""
        report = executor._callback

        def callback(job_info: Any, future: Any) -> None:
            if not self.stopped:
                report(job_info, future)

        executor._callback = callback
        executor.cancel = lambda: executor.pool.shutdown(wait=False, cancel_futures=True)

    def exit_gracefully(self, *args: Any) -> None:
        """Stop as on Ctrl-C: a job can take hours, and the next call reruns incomplete jobs."""
        if not self.workflow.is_main_process:
            os._exit(1)  # a job itself: what it runs may be a thread that cannot be stopped otherwise
        self.stopped = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    def schedule(self) -> Any:
        """Run the jobs, and let none go on when this process ends, however it ends."""
        submits_alone = self.workflow.remote_execution_settings.immediate_submit  # its jobs are meant to outlive it
        if self.dryrun or submits_alone or not self.workflow.is_main_process:
            return super().schedule()
        with no_orphans() as end_jobs:
            try:
                success = super().schedule()
            except BaseException:
                end_jobs()
                raise
            if self.stopped:
                end_jobs()
            else:  # what follows, such as `onsuccess`, is no job to be ended
                with contextlib.suppress(ValueError):  # not in the main thread
                    signal.signal(signal.SIGTERM, lambda *_: None)
                    signal.signal(signal.SIGINT, self._interrupted or signal.default_int_handler)
        if self.stopped:
            for executor in self._local():
                executor.pool.shutdown()  # at once: what its threads waited for is gone
        return success

    def run(self, jobs: Any, executor: Any = None) -> None:
        """Start jobs; what their input holds is noted before."""
        jobs = list(jobs)
        if self.workflow.is_main_process and not (self.dryrun or self.touch):
            self.workflow.async_run(note_input(jobs))
        super().run(jobs, executor)

    def _schedule_reevalutation(self, delay: float) -> None:
        """Look at the jobs again after a while, not after a while for each look: the timers would start one another."""
        self._look_again("rate", delay)

    def _look_again(self, purpose: str, delay: float) -> None:
        if time.monotonic() >= self._due.get(purpose, 0):  # else a timer is still to come
            self._due[purpose] = time.monotonic() + delay
            timer = threading.Timer(delay, self._open_jobs.release)
            timer.daemon = True  # the end of this process waits for none
            timer.start()

    def job_selector(self, jobs: Any) -> Any:
        """Select jobs to start, and note if none can although a processor is idle: they wait for something else."""
        selected = super().job_selector(jobs)
        self._idle = not selected and self.resources["_cores"] > 0 and self.resources.get("_nodes", 1) > 0
        return selected

    @property
    def open_jobs(self) -> list[Any]:
        """Return the jobs to choose from, once it was decided again about those that may not need to run."""
        dag = self.workflow.dag
        if dag.held and (wait := dag.wait_to_decide(idle=self._idle)):
            self._look_again("idle" if self._idle else "decide", wait)
        elif dag.held:
            self.workflow.async_run(dag.decide_again())
        ready: list[Any] = super().open_jobs
        if self.dryrun or len(ready) <= WEIGHED:
            return ready
        by_rule: defaultdict[tuple[str, ...], list[Any]] = defaultdict(list)
        for job in ready:
            by_rule[tuple(sorted(job.rules))].append(job)
        share = max(OF_A_RULE, WEIGHED // len(by_rule))
        chosen = (heapq.nlargest(share, jobs, key=lambda job: job.priority) for jobs in by_rule.values())
        return list(itertools.chain.from_iterable(chosen))
