"""What Snakemake 9.27 lacks for exact reruns, added to its own classes; another version fails in tests/workflow.

Its DAG decides before the first job starts, and runs whatever follows a job that runs; its reasons do not say which
value changed. Its records trust the files that they describe, and its cache trusts each entry, and links to it, so that
whoever writes to a result writes into the cache. After a SIGKILL its lock stays behind and stops the next run, and its
jobs go on. Its scheduler works the more the longer a run takes, and a dry run of 10,000 jobs takes 23 s.
"""

import contextlib
import fcntl
import functools
import gc
import glob
import hashlib
import heapq
import json
import re
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from snakemake import common, rules, workflow
from snakemake.caching.local import OutputFileCache
from snakemake.dag import DAG
from snakemake.jobs import Reason
from snakemake.logging import logger
from snakemake.persistence import MetadataRecord
from snakemake.persistence.file import FilePersistence
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings.enums import Quietness

from exactrun.explain import explain
from exactrun.files import write_atomically
from exactrun.orphans import no_orphans

WEIGHED = 500  # jobs; where more could start at once, the others start when one of these ends


class _Reason(Reason):  # type: ignore[misc]
    def __bool__(self) -> bool:
        """Whether a job must run: also where no record tells what its output was made of."""
        return super().__bool__() or bool(self.no_metadata and not self.finished)


class _DAG(DAG):  # type: ignore[misc]
    """Decides again before a job starts: it does not run for input that was made anew with the same content."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._reason: defaultdict[Any, _Reason] = defaultdict(_Reason)

    def _waiting(self, job: Any) -> bool:
        running = {single for group in self._running for single in (group if group.is_group() else [group])}
        return not (self.finished(job) or job in running)

    async def update_needrun(self, create_inventory: bool = False) -> None:
        """Forget what was decided earlier for jobs that have not started."""
        for job in filter(self._waiting, self.jobs):
            self.reason(job).clear()
        await super().update_needrun(create_inventory)

    async def finish(self, job: Any, update_checkpoint_dependencies: bool = True) -> bool:
        """Decide again if all input of a job that could start now is what its records say."""
        ready: bool = await super().finish(job, update_checkpoint_dependencies)
        if not update_checkpoint_dependencies:
            return ready  # a dry run makes no files to look at
        finished = job if job.is_group() else [job]
        for following in {follower for single in finished for follower in self.depending[single]}:
            if self.needrun(following) and self._waiting(following) and not self._n_until_ready[following]:
                recorded = self.workflow.persistence.input_checksums
                same = [recorded(following, path) == {await path.checksum(force=True)} for path in following.input]
                if all(same):
                    await self.postprocess()
                    # A checkpoint that need not run any more will not finish either: whoever waits for it goes on.
                    if any(map(_waits_for_checkpoint, self.jobs)):
                        await self.update_checkpoint_dependencies()
                    return True
        return ready

    def print_reasons(self) -> None:
        """Say why, at the end of a dry run."""
        rules = list(self.workflow.rules)
        jobs = sorted(self.needrun_jobs(exclude_finished=False), key=lambda job: (rules.index(job.rule), *job.output))
        for job in jobs:
            if job.output and not _waits_for_checkpoint(job):  # a job that follows others may have reasons of its own
                self.reason(job).params_changed = self.workflow.persistence.params_changed(job)
        because = explain((job.rule.name, job.wildcards_dict, self.reason(job)) for job in jobs)
        logger.info(f"Why these steps would run:\n{because}\n")


def _waits_for_checkpoint(job: Any) -> bool:
    return any(path.flags.get("checkpoint_target") for path in job.input)


class _Scheduler(JobScheduler):  # type: ignore[misc]
    """Weighs the jobs of highest priority, not all that are ready, before one starts.

    It looks at its jobs again after a while, not after a while for each look: its timers would start one another.
    """

    _next = 0.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.dryrun and Quietness.RULES in (self.quiet or ()):
            # It would describe each job, which takes half of the time, and show nothing of it.
            self._executor.printjob = lambda job: None

    @property
    def open_jobs(self) -> list[Any]:
        """Return the jobs to choose from."""
        ready: list[Any] = super().open_jobs
        return ready if self.dryrun else heapq.nlargest(WEIGHED, ready, key=lambda job: job.priority)

    def _schedule_reevalutation(self, delay: float) -> None:
        if time.monotonic() >= self._next:  # else a timer is still to come
            self._next = time.monotonic() + delay
            super()._schedule_reevalutation(delay)


class _Persistence(FilePersistence):  # type: ignore[misc]
    """Knows no damaged record and none of a damaged file; lets one Snakemake run, and nothing outlive it."""

    unversioned = re.compile("$^")

    def _write_record(self, key: str, record: MetadataRecord) -> None:
        """Write the output's own checksum beside those of its input, and a checksum of the record itself."""
        content = dict(record.items())
        if Path(key).is_file():
            content["input_checksums"] = {**content["input_checksums"], key: _checksum(Path(key))}
        self._io_write(self._metadata_path, content | {"checksum": _checksum_of_record(content)}, key)

    def _io_read(self, subject: str, id: str) -> dict[str, Any]:
        """Read a record; one in which a single bit changed is none."""
        try:
            record: dict[str, Any] = super()._io_read(subject, id)
        except UnicodeDecodeError:
            record = {"damaged": True}
        if subject != self._metadata_path or not record:
            return record
        if record.pop("checksum", None) != _checksum_of_record(record):
            _warn(f"{self._record_path(subject, id)}: damaged; {id} is made again.")
            return {}
        return record

    def has_metadata(self, job: Any) -> bool:
        """Whether records tell what a job's output was made of, and that it still is what was made."""
        versioned = (str(path) for path in job.output if not self.unversioned.fullmatch(str(path)))
        return super().has_metadata(job) and all(map(self._intact, versioned))

    def _intact(self, path: str) -> bool:
        output = Path(path)
        if not output.is_file():
            return True  # Snakemake has its own reason for what is missing
        status = output.stat()
        intact = bool(
            self._read_record(path).input_checksums.get(path)
            == _checksum_at(output, status.st_ino, status.st_size, status.st_mtime_ns)
        )
        if not intact:
            _warn(f"{path}: not as it was made, its content does not match its record; it is made again.")
        return intact

    def started(self, job: Any, external_jobid: str | None = None) -> None:
        """Remove what `write_atomically` left beside a job's output when it was killed."""
        super().started(job, external_jobid)
        for path in map(Path, job.output):
            for partial in path.parent.glob(f".{glob.escape(path.name)}.*"):
                partial.unlink()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Run alone in this folder, and let no job go on when this process ends, however it ends."""
        with self._alone(), super().lock(), no_orphans():
            yield

    @contextmanager
    def lock_warn_only(self) -> Iterator[None]:
        """Say in a dry run whether a Snakemake runs here."""
        with contextlib.suppress(SystemExit), self._alone():
            pass
        with super().lock_warn_only():
            yield

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the system's own lock, which does not outlive a process, and remove the locks of those that were killed.

        Ends this process where another one holds it.
        """
        with (Path(self.path) / "running").open("w") as running:
            try:
                fcntl.flock(running, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                folder = Path(self.path).resolve().parent
                sys.exit(
                    f"error: Directory cannot be locked: another Snakemake runs in {folder}; wait for it, or stop it"
                )
            except OSError:
                logger.debug("This file system has no such locks: Snakemake's own lock decides.")
            else:
                for lock in Path(self._lockdir).glob("*.lock"):
                    lock.unlink()
            yield


@functools.cache
def _warn(message: str) -> None:
    """Say it once."""
    logger.warning(message)


def _checksum_of_record(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@functools.cache
def _checksum_at(path: Path, *_: int) -> str:
    """Return a file's checksum; of one whose inode, size and time are as before, without reading it again."""
    return _checksum(path)


class _Cache(OutputFileCache):  # type: ignore[misc]
    """Keeps each entry's checksum beside it, hands out copies, and knows no damaged entry."""

    async def store(self, job: Any) -> None:
        """Write the checksums last: without them there is no entry."""
        await super().store(job)
        for _, entry in await self.get_outputfiles_and_cachefiles(job):
            write_atomically(_checksum_file(entry), _checksum(entry).encode())

    async def exists(self, job: Any) -> bool:
        """Whether all of a job's output is there and intact."""
        return all(intact(entry) for _, entry in await self.get_outputfiles_and_cachefiles(job))

    async def fetch(self, job: Any) -> None:
        """Copy a job's output from the cache."""
        if not await self.exists(job):
            self.raise_cache_miss_exception(job)
        await super().fetch(job)

    def symlink(self, path: Path, outputfile: Path, utime: bool = True) -> None:
        """Copy instead."""
        logger.info(f"Copying output file {outputfile} from cache.")
        shutil.copyfile(path, outputfile)


def intact(entry: Path) -> bool:
    """Whether an entry of the cell cache is there and what was stored; say so if it is not what was stored."""
    if not (entry.exists() and _checksum_file(entry).exists()):
        return False
    same = _checksum_file(entry).read_bytes() == _checksum(entry).encode()
    if not same:
        logger.warning(f"{entry}: damaged, its content does not match its checksum; it is made again.")
    return same


def _checksum_file(entry: Path) -> Path:
    return entry.with_name(f"{entry.name}.sha256")


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def install(unversioned: str = "$^") -> None:
    """Make this process's Snakemake use these; call it in the Snakefile.

    `unversioned` is a regular expression for outputs whose records are versioned and they themselves are not: what lies
    there may be another branch's.
    """
    _Persistence.unversioned = re.compile(unversioned)
    # Each saves a fifth to a quarter of a dry run of 10,000 jobs: their graph stays, so the collector looks for garbage
    # in vain, and each job asks for the parameters of the same few functions 25 times.
    gc.set_threshold(50_000, 20, 100)
    rules.get_function_params = common.get_function_params = functools.cache(common.get_function_params)
    workflow.DAG = _DAG
    workflow.JobScheduler = _Scheduler
    workflow.FilePersistence = _Persistence
    workflow.LocalOutputFileCache = _Cache
