"""What Snakemake 9.27 lacks for exact reruns, added to its own classes; another version fails in tests/workflow.

Its DAG decides before the first job starts, and runs whatever follows a job that runs; its reasons do not say which
value changed. Its cache trusts each entry, and links to it, so that whoever writes to a result writes into the cache.
After a SIGKILL its lock stays behind and stops the next run.
"""

import fcntl
import hashlib
import shutil
from collections import defaultdict
from pathlib import Path
from typing import IO, Any

from snakemake import workflow
from snakemake.caching.local import OutputFileCache
from snakemake.dag import DAG
from snakemake.jobs import Reason
from snakemake.logging import logger

from digitpairs.explain import explain
from digitpairs.files import write_atomically


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


class _Cache(OutputFileCache):  # type: ignore[misc]
    """Keeps each entry's checksum beside it, hands out copies, and knows no damaged entry."""

    async def store(self, job: Any) -> None:
        """Write the checksums last: without them there is no entry."""
        await super().store(job)
        for _, entry in await self.get_outputfiles_and_cachefiles(job):
            write_atomically(_checksum_file(entry), _checksum(entry).encode())

    async def exists(self, job: Any) -> bool:
        """Whether all of a job's output is there and intact."""
        for _, entry in await self.get_outputfiles_and_cachefiles(job):
            if not (entry.exists() and _checksum_file(entry).exists()):
                return False
            if _checksum_file(entry).read_text() != _checksum(entry):
                logger.warning(f"{entry}: damaged, its content does not match its checksum; it is made again.")
                return False
        return True

    async def fetch(self, job: Any) -> None:
        """Copy a job's output from the cache."""
        if not await self.exists(job):
            self.raise_cache_miss_exception(job)
        await super().fetch(job)

    def symlink(self, path: Path, outputfile: Path, utime: bool = True) -> None:
        """Copy instead."""
        logger.info(f"Copying output file {outputfile} from cache.")
        shutil.copyfile(path, outputfile)


def _checksum_file(entry: Path) -> Path:
    return entry.with_name(f"{entry.name}.sha256")


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _drop_stale_locks() -> None:
    """Remove the locks of a Snakemake that was killed: the system's own lock tells whether one still runs here."""
    folder = Path(".snakemake")
    folder.mkdir(exist_ok=True)
    running = (folder / "running").open("w")
    try:
        fcntl.flock(running, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        running.close()
        return
    _held.append(running)
    for lock in (folder / "locks").glob("*.lock"):
        lock.unlink()


_held: list[IO[str]] = []  # open, and so locked, until this process ends, however it ends


def install() -> None:
    """Make this process's Snakemake use these; call it in the Snakefile."""
    workflow.DAG = _DAG
    workflow.LocalOutputFileCache = _Cache
    _drop_stale_locks()
