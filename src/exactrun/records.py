"""Snakemake's records: with checksums of outputs and of themselves, never written through a link, one run at a time."""

import contextlib
import fcntl
import functools
import hashlib
import itertools
import json
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

from snakemake.exceptions import WorkflowError
from snakemake.io import _IOFile, is_flagged
from snakemake.jobs import Job
from snakemake.logging import logger
from snakemake.persistence import MetadataRecord
from snakemake.persistence.file import FilePersistence
from snakemake.sourcecache import LocalSourceFile, infer_source_file

from exactrun import digests
from exactrun.contents import checksum, files
from exactrun.reads import Keys
from exactrun.values import BLOCK, LIBRARIES, Taken, spelled

_prepare, _postprocess, _protected = Job.prepare, Job.postprocess, _IOFile.protected

TRANSIENT = ("temp", "pipe", "service")  # outputs that are meant to be gone


class Persistence(FilePersistence):  # type: ignore[misc]
    """Takes a damaged record, and the record of a damaged output, for none."""

    unversioned = re.compile("$^")

    def __init__(self, *args: Any, **options: Any) -> None:
        try:
            super().__init__(*args, **options)
        except OSError as error:
            _refuse(error.filename, error.strerror)
        self.max_checksum_file_size = sys.maxsize
        self.took: dict[str, float] = {}  # seconds, by path, of outputs that came from the cache
        self.before: dict[str, dict[str, str]] = {}  # checksums of input when a job started, by its outputs

    def _io_write(self, subject: str, json_value: Any, id: str, *mode: int) -> None:
        """Write a new file: the old one may be a link into DVC's cache."""
        Path(self._record_path(subject, id)).unlink(missing_ok=True)
        super()._io_write(subject, json_value, id, *mode)

    def _write_record(self, key: str, record: MetadataRecord) -> None:
        """Write the output's own checksum beside those of its input, and a checksum of the record itself."""
        content = dict(record.items())
        content["starttime"] = self._start(key, content["endtime"])
        after = content["input_checksums"] or {}
        if self.dag is not None and self.dag.workflow.touch:  # a deleted temp() file is taken for what it was
            known = self._io_read(self._metadata_path, key).get("input_checksums") or {}
            after = {path: known[path] for path in map(str, content["input"]) if path in known} | after
        before = self.before.pop(key, {})
        for path in sorted(path for path, value in before.items() if after.get(path, value) != value):
            _warn(f"{path}: changed while {key} was made of it, which is made again in the next run.")
        content["input_checksums"] = after | before
        if Path(key).exists():
            content["input_checksums"][key] = checksum(Path(key))
        self._io_write(self._metadata_path, content | {"checksum": _checksum_of_record(content)}, key)

    def _io_read(self, subject: str, id: str) -> dict[str, Any]:
        """Read a record; one in which a single bit changed is none, nor is one of Snakemake alone."""
        try:
            record: dict[str, Any] = super()._io_read(subject, id)
        except UnicodeDecodeError:
            record = {"checksum": "damaged"}
        if subject != self._metadata_path or not record:
            return record
        noted = record.pop("checksum", None)
        if noted == _checksum_of_record(record):
            return record
        if noted is not None:
            _warn(f"{self._record_path(subject, id)}: damaged; {id} is made again.")
        return {}

    def _start(self, key: str, end: float) -> float:
        """Return when the step that made an output started: a cached one before, so that it took as long as then."""
        if key in self.took:
            return end - self.took.pop(key)
        before = self._io_read(self._metadata_path, key)
        if before and self.dag is not None and self.dag.workflow.touch:
            return end - float(before["endtime"] - before["starttime"])
        started = Path(self._record_path(self._incomplete_path, key))  # which Snakemake removes once this is recorded
        return started.stat().st_mtime if started.exists() else float(before.get("starttime", end))

    def has_metadata(self, job: Any) -> bool:
        """Return True if every output is there, has a record, and matches its checksum."""
        outputs = [path for path in job.output if not self.has_no_checksum(path)]
        missing = {
            path for path in outputs if not (Path(path).exists() or any(is_flagged(path, flag) for flag in TRANSIENT))
        }
        if missing:
            self.dag.reason(job).missing_output.update(missing)
            return False
        reason = None if self.dag is None else self.dag.reason(job)
        if super().has_metadata(job):
            altered = {path for path in map(str, outputs) if not self._intact(path)}
            made_anew = self._made_anew(job)
            if reason is not None:
                reason.altered, reason.made_anew = altered, made_anew  # for `explain`
            return not (altered or made_anew)
        touches = self.dag is not None and self.dag.workflow.touch
        if not touches and any(Path(path).exists() for path in job.output):
            _warn(
                f"{job.output[0]}: no record with checksums says how it was made, so it is made again, like all such "
                "results; `snakemake --touch` takes results for what they are."
            )
        return False

    def _made_anew(self, job: Any) -> set[str]:
        """Return input that was deleted after use, as `temp()` says, and is not what this job's records tell.

        Its maker ran for other jobs, in a run that did not make this one's output.
        """
        found = set()
        for path in self.dag.temp_input(job) if self.dag is not None else ():
            record = self._read_record(self._get_key(path))
            made = record.input_checksums.get(str(path)) if record else None
            if made and not Path(path).exists() and self.input_checksums(job, path) - {f"sha256:{made}", None}:
                found.add(path)
        return found

    def has_no_checksum(self, path: _IOFile) -> bool:
        """Return True for an output whose content is not compared with its record."""
        return bool(path.is_storage or self.unversioned.fullmatch(str(path)))

    def _intact(self, path: str) -> bool:
        output = Path(path)
        if not output.exists():
            return True  # temp()
        intact = bool(self._read_record(path).input_checksums.get(path) == checksum(output, known=True))
        if not intact:
            _warn(f"{path}: not as it was made, its content does not match its record; it is made again.")
        return intact

    @functools.lru_cache  # noqa: B019 - as in Snakemake: one object of this class lives as long as the process
    def _params(self, job: Any) -> list[Any]:
        """Return the params as they are recorded; the job's code, and all else that it takes, are params, too."""
        params: list[Any] = [*super()._params(job), *self.taken(job)]
        # Snakemake compares sets, in which 1, 1, 2 is 1, 2, 2.
        return sorted([*params, *(repr(f"{n} x {value}") for value, n in Counter(params).items() if n > 1)])

    def taken(self, job: Any) -> list[str]:
        """Return what a job takes beside its params: its script's code, and what its rule takes of the Snakefile."""
        if path := job.rule.script or job.rule.notebook:
            source = job._path_to_source_file(path)
            if not isinstance(source, LocalSourceFile):  # what comes from elsewhere is named by its version
                return []
            return [repr(self._code_of(source, job.rule)), *self._of_snakefile(job.rule, source).params]
        return self._of_snakefile(job.rule).params

    def _serialize_param_builtin(self, value: Any) -> Any:
        """Spell sets in one order, and objects that Snakemake leaves out, such as dates."""
        text = super()._serialize_param_builtin(value)
        if isinstance(value, set | frozenset | list | tuple | dict) and (ordered := _ordered(value)) != repr(value):
            return ordered
        return text if isinstance(text, str) else spelled(value) or text

    @functools.lru_cache  # noqa: B019
    def _of_snakefile(self, rule: Any, script: LocalSourceFile | None = None) -> Taken:
        """Return what the jobs of a rule take from the Snakefile without a param."""
        taken = Taken(rule, self.root, _folders(self.root), self._serialize_param)
        taken.param_functions()
        if script:
            for keys in self._read(_config, script):
                taken.config(keys)
        elif rule.shellcmd:
            taken.command(rule.shellcmd)
        elif rule.is_run and rule.run_func:
            taken.function(rule.run_func, BLOCK)
        return taken

    def _code_changed(self, job: Any, file: Any = None) -> bool:
        """Return False for a block whose syntax tree is among its params: its lines do not count."""
        if job.rule.is_run and BLOCK in self._of_snakefile(job.rule).code:
            return False
        return bool(super()._code_changed(job, file))

    def check_script(self, rule: Any) -> None:
        """End the run if a rule's script cannot be read, before a job of it starts."""
        path = str(rule.script or rule.notebook or "")
        if path and "{" not in path:  # wildcards and params are known to each job alone
            source = infer_source_file(path)
            if isinstance(source, LocalSourceFile) and rule.basedir:
                source = rule.basedir.join(source)
            if isinstance(source, LocalSourceFile):
                self._code_of(source, rule)

    @property
    def root(self) -> Path:
        """The folder of the Snakefile."""
        return Path(self.dag.workflow.basedir).resolve()

    def _code_of(self, source: LocalSourceFile, rule: Any) -> str:
        """Name the code of a script; its libraries are this environment's unless the rule has one of its own."""
        libraries = not (rule.conda_env or rule.container_img or rule.env_modules)
        code: str = self._read(_script, source, libraries=libraries)
        return code

    def _read(self, reader: Callable[..., Any], script: LocalSourceFile, **options: Any) -> Any:
        """Read a script, or end the run with one line."""
        path = Path(script.get_path_or_uri(secret_free=True))
        try:
            return reader(path.parent.resolve() / path.name, self.root, **options)
        except ValueError as error:
            end_run(self.dag.workflow, str(error))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder for this run, if records can be written there."""
        for folder in (self._metadata_path, self._incomplete_path):
            if not os.access(folder, os.W_OK):
                _refuse(folder, "it is read-only for this user")
        with self._alone() as note:
            if _was_killed(note):
                for lock in Path(self._lockdir).glob("*.lock"):
                    lock.unlink()
            _write(note, "running")
            try:
                with super().lock():
                    yield
            finally:
                _write(note, "")

    @contextmanager
    def lock_warn_only(self) -> Iterator[None]:
        """Warn in a dry run if another Snakemake runs in this folder."""
        killed = False
        with contextlib.suppress(SystemExit), self._alone() as note:
            killed = _was_killed(note)
        with contextlib.nullcontext() if killed else super().lock_warn_only():
            yield

    @contextmanager
    def _alone(self) -> Iterator[IO[str] | None]:
        """Hold the system's own lock, which does not outlive a process; yield its file, None where there are no locks.

        Ends this process where another one holds it. A run notes in the file that it runs, and takes that back at its
        end: where the note is left, the run was killed, and its locks are nobody's. Others are of a Snakemake without
        this package.
        """
        try:
            file = (Path(self.path) / "running").open("a+", encoding="utf-8")
        except OSError as error:
            _refuse(error.filename, error.strerror)
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                folder = Path(self.path).resolve().parent
                sys.exit(
                    f"error: Directory cannot be locked: another Snakemake runs in {folder}; wait for it, or stop it"
                )
            except OSError:
                logger.debug("This file system has no such locks: Snakemake's own lock decides.")
                yield None
            else:
                yield file


def _was_killed(note: IO[str] | None) -> bool:
    """Return True if the run before left its note."""
    if note is None:
        return False
    note.seek(0)
    return bool(note.read())


def _write(note: IO[str] | None, text: str) -> None:
    if note is not None:
        note.truncate(0)
        note.write(text)
        note.flush()


class NoDatabase:
    """Stands in for records in a database, which no remote holds and which have no checksums."""

    def __init__(self, *_: Any, **__: Any) -> None:
        sys.exit("error: exactrun needs Snakemake's records as files: leave out --persistence-backend")


async def note_input(jobs: list[Any]) -> None:
    """Note what the input of jobs holds as they start: what changes while they run is not what they are made of."""
    for together in (list(job) if job.is_group() else [job] for job in jobs):
        made = {path for job in together for path in job.output}  # by one of a group for another
        for job in together:
            paths = [path for path in job.input if not (path.is_storage or path in made)]
            found = {str(path): await path.checksum(sys.maxsize) for path in paths}
            if before := {path: value for path, value in found.items() if value is not None}:
                job.dag.workflow.persistence.before |= {str(path): before for path in job.output}


async def prepare(self: Any) -> None:
    """Prepare a job; where it would write into existing files that may be links into DVC's cache, give it its own."""
    for path in map(Path, filter(None, [*self.log, self.benchmark])):
        if _is_linked(path):
            path.unlink()
    updated = (Path(path) for path in self.output if is_flagged(path, "update") and not path.is_storage)
    for path in itertools.chain.from_iterable(files(path) if path.is_dir() else [path] for path in updated):
        if _is_linked(path) and path.is_file():
            copy = path.with_name(f".{path.name}.copy")
            shutil.copyfile(path, copy)
            copy.replace(path)
    await _prepare(self)


@functools.wraps(_postprocess)
async def postprocess(self: Any, *args: Any, error: bool = False, **options: Any) -> None:
    """Leave no record of a job that failed: Snakemake writes one, before it takes away what the job left."""
    await _postprocess(self, *args, error=error, **options)
    if error:
        self.dag.workflow.persistence.cleanup(self)


async def protected(self: _IOFile) -> bool:
    """Return True for a file that a rule protects: DVC takes the right to write from all files that it links."""
    return bool(await _protected(self)) and (Path(self.file).is_dir() or Path(self.file).stat().st_nlink == 1)


async def no_output_older_than_script(self: Any) -> Any:
    """Yield nothing: a script's content decides, as one of the job's params, not its modification time."""
    return
    yield


def _refuse(path: str, reason: str | None) -> NoReturn:
    sys.exit(f"error: {path}: cannot be written: {reason}; Snakemake keeps its records there")


def end_run(workflow: Any, message: str) -> NoReturn:
    """End the run with one line: the scheduler would take an exit for a user's, and tell nobody the line."""
    if workflow.scheduler is not None:
        raise WorkflowError(message)
    sys.exit(f"error: {message}")


@functools.cache
def _script(path: Path, root: Path, *, libraries: bool) -> str:
    return digests.spell(digests.script(path, _folders(root), root, libraries=libraries))


@functools.cache
def _config(path: Path, root: Path) -> frozenset[Keys]:
    return digests.config(path, _folders(root), root)


@functools.cache
def _folders(root: Path) -> tuple[Path, ...]:
    """Return the folders in which a script's imports are looked for: where Snakemake lets it look, as far as is here.

    Those of the project, not of an environment that lies in it, in the order in which Python looks there.
    """
    found = []
    for folder in (Path(place).resolve() for place in filter(None, sys.path)):
        inside = any(folder.is_relative_to(place) for place in (root, Path.cwd()))
        if inside and folder.is_dir() and not LIBRARIES & set(folder.parts):
            found.append(folder)
    return tuple(dict.fromkeys([*found, root]))


def _is_linked(path: Path) -> bool:
    return path.is_symlink() or (path.is_file() and path.stat().st_nlink > 1)


@functools.cache
def _warn(message: str) -> None:
    """Say it once."""
    logger.warning(message)


def _ordered(value: Any) -> str:
    """Spell a value as `repr` does, its sets in one order."""
    match value:
        case set() | frozenset():
            return f"{type(value).__name__}({sorted(map(_ordered, value))})"
        case list() if type(value) is list:
            return f"[{', '.join(map(_ordered, value))}]"
        case tuple() if type(value) is tuple:
            return f"({', '.join(map(_ordered, value))}{',' if len(value) == 1 else ''})"
        case dict() if type(value) is dict:
            return f"{{{', '.join(f'{_ordered(key)}: {_ordered(it)}' for key, it in value.items())}}}"
    return repr(value)


def _checksum_of_record(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
