"""Which jobs run: for reasons of content, decided again before each job starts."""

import contextlib
import os
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from snakemake.dag import DAG
from snakemake.io import _IOFile, is_flagged
from snakemake.jobs import Reason
from snakemake.logging import logger

from exactrun.contents import checksum
from exactrun.explain import explain
from exactrun.records import end_run

_checksum, _is_checksum_eligible = _IOFile.checksum, _IOFile.is_checksum_eligible
_is_newer = _IOFile.is_newer
TRIGGERS = frozenset(["code", "input", "mtime", "params"])  # by which all that is decided here is noticed


class ContentReason(Reason):  # type: ignore[misc]
    """A reason to run; a missing record is one, too, and what `altered` and `made_anew` name.

    The first are outputs that are not what their records say, the second are deleted `temp()` files that were made
    anew, with other content, for other jobs.
    """

    def clear(self) -> None:
        """Forget all reasons."""
        super().clear()
        self.altered: set[str] = set()
        self.made_anew: set[str] = set()

    def __bool__(self) -> bool:
        return super().__bool__() or bool(self.no_metadata and not self.finished)


class ContentDAG(DAG):  # type: ignore[misc]
    """Decides again before a job starts: it does not run for input that was made anew with the same content.

    That takes a look at all jobs, so the ready jobs whose input is as recorded are `held` until it has been done for
    them together.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.held: set[Any] = set()
        self._decided, self._took = 0.0, 0.0  # when it was decided last, and for how long
        self._reason: defaultdict[Any, ContentReason] = defaultdict(ContentReason)
        self.max_checksum_file_size = sys.maxsize
        if missing := sorted(TRIGGERS - {str(trigger) for trigger in self.workflow.rerun_triggers}):
            logger.warning(
                f"--rerun-triggers without {', '.join(missing)}: what has changed in that way is not noticed."
            )
        if self.workflow.dryrun:
            with contextlib.suppress(ValueError):  # not in the main thread
                signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `snakemake -n | head` ends with its reader, in silence

    def _waiting(self, job: Any) -> bool:
        running = {single for group in self._running for single in (group if group.is_group() else [group])}
        return not (self.finished(job) or job in running)

    def incomplete_external_jobid(self, job: Any) -> None:
        """Resume no job of a cluster that a killed run submitted: its params and input may be others now."""

    async def check_incomplete(self) -> None:
        """Rerun jobs of which a killed run left an output that has no checksum; others match theirs, or run anyway."""
        if not self.ignore_incomplete:
            left = await self.incomplete_files()
            self.forcefiles.update(path for path in left if self.workflow.persistence.has_no_checksum(path))

    async def update_needrun(self, create_inventory: bool = False) -> None:
        """Forget the reasons of jobs that have not started, and find them anew."""
        self.held.clear()
        self._refuse_two_makers()
        for rule in {job.rule for job in self.jobs}:
            self.workflow.persistence.check_script(rule)
        for job in filter(self._waiting, self.jobs):
            self.reason(job).clear()
        await super().update_needrun(create_inventory)

    def _refuse_two_makers(self) -> None:
        """End the run where two jobs share an output: each would overwrite the other's."""
        makers: dict[str, Any] = {}
        for job in self.jobs:
            for path in job.output:
                other = makers.setdefault(str(path), job)
                if other is not job and not is_flagged(path, "update"):
                    rules = " and ".join(sorted({job.rule.name, other.rule.name}))
                    end_run(self.workflow, f"{path}: made by two jobs, of {rules}: give each an output of its own")

    async def finish(self, job: Any, update_checkpoint_dependencies: bool = True) -> bool:
        """Hold a job that is ready now if all of its input matches its records."""
        ready: bool = await super().finish(job, update_checkpoint_dependencies)
        settings = self.workflow.remote_execution_settings
        if not update_checkpoint_dependencies or settings.immediate_submit:
            return ready  # nothing has been made that could be looked at
        if self.workflow.group_settings.group_components:
            return ready  # to decide again would put running jobs into other groups
        finished = job if job.is_group() else [job]
        for following in {follower for single in finished for follower in self.depending[single]}:
            could_start = self.needrun(following) and self._waiting(following) and not self._n_until_ready[following]
            if could_start and all([await self._is_recorded(path, following) for path in following.input]):
                self.held.add(following)
                self._ready_jobs.discard(self._group[following] if following.group else following)
        return ready

    def wait_to_decide(self, *, idle: bool) -> float:
        """Return the seconds until to decide again about what is held.

        That takes a tenth of the time at most, half of it where processors are `idle`, since what is ready lacks
        something else, and all of it where nothing is ready.
        """
        pause = (1 if idle else 9) * self._took
        return max(0.0, self._decided + pause - time.monotonic()) if self._ready_jobs else 0.0

    async def decide_again(self) -> None:
        """Find anew which of the jobs that have not started need to run."""
        began = time.monotonic()
        to_run = [job for job in self.jobs if self.needrun(job) and self._waiting(job)]
        repeated = self._ready_jobs & self._running  # failed, and waiting for another attempt
        await self.postprocess()
        dropped = [job for job in to_run if not self.needrun(job)]
        # A checkpoint that need not run any more will not finish either: whoever waits for it goes on.
        waiting = {job for job in self.jobs if _waits_for_checkpoint(job)}
        checkpoints = [job for job in self.jobs if job.is_checkpoint and not self.needrun(job)]
        if gone := [job for job in checkpoints if waiting & set(self.depending[job])]:
            await self.update_checkpoint_dependencies(gone)
        self._ready_jobs |= repeated
        self._deferred_temp_jobs.extend(dropped)  # nobody else may be left to use their input
        if not self.checkpoint_jobs:
            for job in self._deferred_temp_jobs:
                temporary = [*job.temp_output, *self.temp_input(job)]
                if any(path.is_storage or Path(path).exists() for path in temporary):
                    await self.handle_temp(job)
            self._deferred_temp_jobs.clear()
        self._decided = time.monotonic()
        self._took = self._decided - began

    async def _is_recorded(self, path: Any, job: Any) -> bool:
        """Return True if an input has the content that a job's records tell; `--touch` lets it be absent."""
        found = await path.checksum(sys.maxsize)
        return found is not None and self.workflow.persistence.input_checksums(job, path) == {found}

    def _has_no_record(self, path: Any) -> bool:
        return self.workflow.persistence.metadata(path) is None

    async def check_output_mtime(self, job: Any, expanded_output: Any) -> None:
        """Accept input from the future, as a pull or a clock that was set back leaves it: times decide nothing."""

    def print_reasons(self) -> None:
        """Log the reasons of all jobs that are to run; Snakemake calls it at the end of a dry run."""
        rules = list(self.workflow.rules)
        jobs = [job for job in self.needrun_jobs(exclude_finished=False) if not job.is_norun]
        jobs.sort(key=lambda job: (rules.index(job.rule), *job.output))
        for job in jobs:
            if job.output and not _waits_for_checkpoint(job):
                self._complete_reason(job)
            if not self.reason(job).missing_output and all(map(self._has_no_record, job.output)):
                self.reason(job).no_metadata = True  # Snakemake takes any input for a newer one then
                self.reason(job).updated_input.clear()
        because = explain((job.rule.name, job.wildcards_dict, self.reason(job), _names(job)) for job in jobs)
        logger.info(f"Why these steps would run:\n{because}\n")

    def _complete_reason(self, job: Any) -> None:
        """Find the reasons of its own that a job has which follows others: Snakemake looks for none there.

        Those that take reading files are told in a dry run alone.
        """
        reason, persistence = self.reason(job), self.workflow.persistence
        reason.params_changed = persistence.params_changed(job)
        if not (self.workflow.dryrun and reason.updated_input_run):
            return
        unknown = any(Path(path).exists() and self._has_no_record(path) for path in job.output)
        if not unknown and persistence.has_metadata(job):
            reason.code_changed = any(persistence.code_changed(job))
            reason.input_changed = any(persistence.input_changed(job))
            others = (path for path in job.input if path not in reason.updated_input_run)
            reason.updated_input.update(path for path in others if self._has_changed(path, job))

    def _has_changed(self, path: Any, job: Any) -> bool:
        """Return True for input that is there and not as a job's records tell."""
        if path.is_storage or path.is_ancient or not Path(path).exists():
            return False
        recorded = self.workflow.persistence.input_checksums(job, path) - {None}
        with contextlib.suppress(OSError):  # the job itself will tell
            return bool(recorded - {f"sha256:{checksum(Path(path), known=True)}"})
        return False


def _waits_for_checkpoint(job: Any) -> bool:
    return any(path.flags.get("checkpoint_target") for path in job.input)


def _names(job: Any) -> dict[str, str]:
    """Return the names of a job's params by their values as records have them; records do not hold names."""
    return {repr(value): name for name, value in job.params.items()}


async def checksum_of_any(
    self: _IOFile, threshold: int | None = None, force: bool = False, algorithm: Any = None
) -> str | None:
    """Return the checksum of a file or directory, in the way of `_IOFile.checksum`, which knows files alone.

    What many jobs share is read once.
    """
    asked = algorithm in (None, "sha256") and not self.is_storage
    if asked and await self.is_checksum_eligible(threshold or sys.maxsize):
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            return f"sha256:{checksum(Path(self.file), known=True)}"
        return None
    found: str | None = await _checksum(self, threshold, force=force, algorithm=algorithm)
    return found


async def is_newer(self: _IOFile, time: float) -> bool:
    """Return True for input whose content can be compared, which is what follows: its time says nothing."""
    if self.is_storage or not await self.is_checksum_eligible(sys.maxsize):
        return bool(await _is_newer(self, time))
    return not self.is_ancient


async def is_checksum_eligible(self: _IOFile, threshold: int) -> bool:
    """Return True for directories, too."""
    return os.path.isdir(self.file) or await _is_checksum_eligible(self, threshold)  # noqa: PTH112 - asked often


def log_provenance_info(self: Any) -> None:
    """Say in a dry run how to keep results despite a change; Snakemake's own advice would have the opposite effect."""
    if any(self.dag.reason(job).is_provenance_triggered() for job in self.dag.needrun_jobs(exclude_finished=False)):
        logger.info(
            "If you are sure that a change does not alter a result, `snakemake --touch <outfile>` records it as made "
            "with the change.\n"
        )
