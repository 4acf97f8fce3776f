"""The between-workflow cache: entries with checksums, handed out as copies, shared by a group."""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snakemake.caching.hash import ProvenanceHashMap
from snakemake.caching.local import OutputFileCache
from snakemake.logging import logger

from exactrun.contents import checksum, files

FILE, FOLDER = 0o664, 0o2775  # what the group may read and replace


class Provenance(ProvenanceHashMap):  # type: ignore[misc]
    """Names a result by all that its job takes, and not by its command, script and params alone."""

    async def _get_provenance_hash(self, job: Any) -> str:
        known = job in self._hashes
        found: str = await super()._get_provenance_hash(job)
        taken = [] if known else job.dag.workflow.persistence.taken(job)
        if taken:
            found = self._hashes[job] = hashlib.sha256(" ".join([found, *taken]).encode()).hexdigest()
        return found


class Cache(OutputFileCache):  # type: ignore[misc]
    """Keeps each entry's checksum beside it, hands out copies, and takes a damaged entry for none.

    Snakemake moves a result into the cache and links to it: whoever writes to the result writes into the cache. An
    entry that cannot be read or written is skipped: the cache saves time, no result depends on it.

    A result's record tells how long it took to compute, also where it came from the cache.
    """

    def __init__(self) -> None:
        super().__init__()
        self.provenance_hash_map = Provenance()
        self._missed: dict[Any, float] = {}  # when a job was found not to be in the cache, so that it began

    async def store(self, job: Any) -> None:
        """Copy a job's output into the cache, and write the checksums last: without them there is no entry.

        Nothing of a run that was stopped: its jobs were ended, whatever they say of their success.
        """
        if job.dag.workflow.scheduler.stopped:
            return
        now = time.time()
        seconds = now - self._missed.pop(job, now)
        pairs = await self.get_outputfiles_and_cachefiles(job)
        try:
            with tempfile.TemporaryDirectory(dir=self.path) as folder:
                for output, entry in pairs:
                    logger.info(f"Moving output file {output} to cache.")
                    _replace(entry, _copy(output, Path(folder, entry.name)))
                for _, entry in pairs:
                    noted = Path(folder, _checksum_file(entry).name)
                    took = f"{seconds:.3f}"
                    noted.write_text(f"{_seal(entry, took)} {took}", encoding="ascii")
                    _replace(_checksum_file(entry), noted)
        except OSError as error:
            _skip(self.path, error)

    async def exists(self, job: Any) -> bool:
        """Return True if all of a job's output is in the cache and intact."""
        return self._intact(entry for _, entry in await self.get_outputfiles_and_cachefiles(job))

    async def fetch(self, job: Any) -> None:
        """Copy a job's output from the cache."""
        pairs = await self.get_outputfiles_and_cachefiles(job)
        if not self._intact(entry for _, entry in pairs):
            self._missed[job] = time.time()
            self.raise_cache_miss_exception(job)
        for output, entry in pairs:
            logger.info(f"Copying output file {output} from cache.")
            _copy(entry, output)
            job.dag.workflow.persistence.took[str(output)] = float(_noted(entry)[1])

    def _intact(self, entries: Iterable[Path]) -> bool:
        try:
            return all(map(intact, entries))
        except OSError as error:
            _skip(self.path, error)
            return False


def intact(entry: Path) -> bool:
    """Return True if an entry exists and matches its checksum; warn if it does not match.

    Raises `OSError` where it cannot be read.
    """
    try:
        noted, seconds = _noted(entry)
        found = _seal(entry, seconds)
    except FileNotFoundError:
        return False
    if not seconds:  # of an older version
        return False
    if noted != found:
        logger.warning(f"{entry}: damaged, its content does not match its checksum; it is made again.")
    return noted == found


def _noted(entry: Path) -> tuple[str, str]:
    """Return an entry's seal and the seconds that it took to compute."""
    seal, _, seconds = _checksum_file(entry).read_text(encoding="utf-8", errors="replace").partition(" ")
    return seal, seconds


def _seal(entry: Path, seconds: str) -> str:
    """Return the checksum of an entry together with the seconds that it took to compute."""
    return hashlib.sha256(f"{checksum(entry)} {seconds}".encode()).hexdigest()


def _checksum_file(entry: Path) -> Path:
    return entry.with_name(f"{entry.name}.sha256")


def _copy(source: Path, target: Path) -> Path:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(source, target)
    return target


def _replace(entry: Path, new: Path) -> None:
    """Put a file or directory in the place of an entry, for the group to use."""
    if new.is_dir():
        for file in files(new):
            file.chmod(FILE)
        for parent, _, _ in os.walk(new):
            Path(parent).chmod(FOLDER)
        shutil.rmtree(entry, ignore_errors=True)
    else:
        new.chmod(FILE)
    new.rename(entry)


_warned: set[Path] = set()


def _skip(folder: Path, error: OSError) -> None:
    """Warn once of a cache that cannot be used in part."""
    if folder not in _warned:
        _warned.add(folder)
        logger.warning(
            f"{error.filename or folder}: {error.strerror}: such entries of the cache {folder} are skipped; what they "
            "would hold is computed."
        )
