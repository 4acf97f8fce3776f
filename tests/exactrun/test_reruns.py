"""What is replaced in Snakemake: that it is still there to be replaced, and what each replacement does by itself."""

import ast
import asyncio
import inspect
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import snakemake
import snakemake.api
from snakemake.io import IOFile
from snakemake.persistence import MetadataRecord

import exactrun
from exactrun import cache, contents, decisions, orphans, records, reruns, scheduling, versions


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Snakemake with the replacements, in an empty folder; all is as it was after the test."""
    for module, names in (
        (snakemake.workflow, "DAG FilePersistence DbPersistence JobScheduler LocalOutputFileCache"),
        (snakemake.workflow.Workflow, "log_provenance_info"),
        (snakemake.io._IOFile, "checksum is_checksum_eligible is_newer protected"),
        (snakemake.jobs.Job, "outputs_older_than_script_or_notebook prepare postprocess"),
        (snakemake.rules, "get_function_params"),
        (snakemake.common, "get_function_params"),
    ):
        for name in names.split():
            monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.chdir(tmp_path)
    exactrun.install()
    yield


# Versions and names


@pytest.mark.parametrize("version", ["8.30.0", "9.17.3", "9.18.0", "9.28.0", "10.0.0"])
def test_another_version_ends_with_one_line(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(snakemake, "__version__", version)
    with pytest.raises(
        SystemExit, match=rf"^error: exactrun needs Snakemake 9.18.1 to 9.27, this is {version}: [^\n]*$"
    ):
        exactrun.install()


@pytest.mark.parametrize("version", ["9.18.1", "9.27.9", "9.27.1+local"])
def test_versions_that_are_supported(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(snakemake, "__version__", version)
    versions.check()


@pytest.mark.parametrize("name", versions.REPLACED | versions.CALLED)
@pytest.mark.parametrize("change", ["missing", "other parameters"])
def test_a_name_that_is_not_as_expected(monkeypatch: pytest.MonkeyPatch, name: str, change: str) -> None:
    """Each name of the tables is in Snakemake, and its loss ends the run with one line that names it."""
    module, _, path = name.partition(":")
    *classes, last = path.split(".")
    owner = versions._find(f"{module}:{'.'.join(classes)}")
    owner = next((base for base in getattr(owner, "__mro__", ()) if last in vars(base)), owner)
    if change == "missing":
        monkeypatch.delattr(owner, last)
    else:
        monkeypatch.setattr(owner, last, lambda self, unexpected: None)
    with pytest.raises(SystemExit, match=rf"^error: [^\n]*differs in [^\n]*{last}[^\n]*$"):
        versions.check()


@pytest.mark.parametrize("name", versions.USED)
def test_an_attribute_that_is_not_there(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(versions.USED, name, f"{versions.USED[name]} renamed")
    with pytest.raises(SystemExit, match=rf"^error: [^\n]*differs in {name} \(renamed\)$"):
        versions.check()


def test_every_override_is_in_the_table() -> None:
    """What a class of ours overrides is checked before it is used."""
    checked = {name.partition(":")[2] for name in versions.REPLACED}
    for ours in (
        decisions.ContentReason,
        decisions.ContentDAG,
        records.Persistence,
        scheduling.Scheduler,
        cache.Cache,
    ):
        theirs = ours.__mro__[1:]
        for name, value in vars(ours).items():
            bases = {base.__name__ for base in theirs if inspect.isfunction(vars(base).get(name))}
            if inspect.isfunction(value) and name != "__init__" and bases:
                assert any(f"{base}.{name}" in checked for base in bases), f"{ours.__name__}.{name}"


def test_every_private_name_of_snakemake_is_in_the_table() -> None:
    """None of these names is promised to stay; without a check, its loss would end in the middle of a run."""
    files = sorted(Path(exactrun.__file__).parent.glob("*.py"))
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    own |= {node.attr for node in attributes if isinstance(node.ctx, ast.Store)}
    checked = set(re.findall(r"\w+", " ".join([*versions.REPLACED, *versions.CALLED, *versions.USED.values()])))
    private = {node.attr for node in attributes if re.match("_[a-z]", node.attr)}
    assert private - own - checked == {"_exit"}  # of `os`


def test_code_needs_no_snakemake() -> None:
    command = "import sys, exactrun; exactrun.code('__init__.py', root=sys.argv[1]); print(*sys.modules)"
    folder = Path(exactrun.__file__).parent
    loaded = subprocess.run(
        [sys.executable, "-c", command, folder],
        env={"PYTHONPATH": str(folder.parent)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert not {"snakemake", "digitpairs", "torch", "psutil"} & set(loaded)


# Records


class Job:
    """All that records ask of a job."""

    def __init__(self, *output: str, log: tuple[str, ...] = ()) -> None:
        self.input: list[Any] = []
        self.output = [IOFile(path) for path in output]
        self.log = log
        self.benchmark = None


@pytest.fixture
def persistence(installed: None) -> Any:
    return snakemake.workflow.FilePersistence()


def write(persistence: Any, path: str) -> Path:
    """Record an output; return the record's place."""
    persistence._write_record(
        path, MetadataRecord(record_format_version=6, rule="a", starttime=1.0, endtime=2.0, input_checksums={})
    )
    persistence._clear_cache()
    return Path(persistence._record_path(persistence._metadata_path, path))


def test_a_file_that_was_unpacked_anew_is_read_anew(tmp_path: Path) -> None:
    """With the size and the times of the one before, and in its place on the disk."""
    file = tmp_path / "file"
    found, changed = list[str](), 0
    for content in ("1", "2"):
        with file.open("r+" if file.exists() else "w") as opened:
            opened.write(content)
        os.utime(file, (0, 0))
        while file.stat().st_ctime_ns == changed:  # the clock of older kernels' files ticks each 1 to 10 ms
            os.utime(file, (0, 0))
        changed = file.stat().st_ctime_ns
        found.append(contents.checksum(file, known=True))
    assert found[0] != found[1]


def test_a_directory_in_which_others_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one of logs: a file goes while it is read, another one may not be read (root may read all)."""
    (tmp_path / "kept").touch()
    found = contents.checksum(tmp_path)
    monkeypatch.setattr(contents, "files", lambda folder: [folder / "kept", folder / "gone"])
    assert contents.checksum(tmp_path) == contents.checksum(tmp_path, known=True) == found

    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(contents, "_read", refuse)
    assert contents.checksum(tmp_path) != found
    with pytest.raises(PermissionError):
        contents.checksum(tmp_path / "kept")


@pytest.mark.parametrize("change", ["content", "name", "more", "less"])
def test_a_directory_is_not_as_it_was_made(persistence: Any, change: str) -> None:
    folder = Path("made")
    (folder / "below").mkdir(parents=True)
    for name in ("a", "below/b"):
        (folder / name).write_text(name)
    write(persistence, "made")
    assert persistence.has_metadata(Job("made"))
    (folder / contents.TIMESTAMP).touch()  # Snakemake's own
    os.utime(folder / "a", (1, 1))
    assert persistence.has_metadata(Job("made"))
    match change:
        case "content":
            (folder / "below/b").write_text("other")
        case "name":
            (folder / "a").rename(folder / "c")
        case "more":
            (folder / "below/c").touch()
        case "less":
            (folder / "below/b").unlink()
    assert not persistence.has_metadata(Job("made"))


def test_records_of_snakemake_alone_are_none(persistence: Any) -> None:
    Path("a.txt").touch()
    snakemake.persistence.file.FilePersistence._write_record(
        persistence, "a.txt", MetadataRecord(record_format_version=6, rule="a")
    )
    assert not persistence.has_metadata(Job("a.txt"))


@pytest.mark.parametrize("link", ["symlink", "hardlink"])
def test_a_record_is_not_written_through_a_link(persistence: Any, link: str) -> None:
    Path("a.txt").touch()
    record, cached = write(persistence, "a.txt"), Path("cached")
    record.rename(cached)
    cached.chmod(0o444)
    before = cached.read_bytes()
    for path in (record, Path(persistence._record_path(persistence._incomplete_path, "a.txt"))):
        path.symlink_to(cached.absolute()) if link == "symlink" else path.hardlink_to(cached)
    persistence._mark_incomplete("a.txt", None)
    Path("a.txt").write_text("other")
    write(persistence, "a.txt")
    assert cached.read_bytes() == before
    assert cached.stat().st_mode & 0o777 == 0o444
    assert persistence.has_metadata(Job("a.txt"))


@pytest.mark.parametrize("link", ["symlink", "hardlink"])
def test_a_job_writes_into_no_link(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, link: str) -> None:
    """Snakemake removes outputs before a job runs, except those of `update`; it leaves logs in place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(records, "_prepare", nothing)
    cached, output, log, folder = (Path(name) for name in ("cached", "output", "log", "folder"))
    cached.write_text("kept")
    cached.chmod(0o444)
    folder.mkdir()
    linked = (output, log, folder / "file")
    for path in linked:
        path.symlink_to(cached.absolute()) if link == "symlink" else path.hardlink_to(cached)
    job = Job("output", "folder", log=("log",))
    job.output = [IOFile(snakemake.io.flag(str(path), "update")) for path in job.output]
    run(records.prepare(job))
    for path in linked:
        with path.open("a") as file:
            file.write(" and more")
    assert cached.read_text() == "kept"
    assert [path.read_text() for path in linked] == ["kept and more", " and more", "kept and more"]


def test_records_in_a_database_are_refused(installed: None) -> None:
    with pytest.raises(SystemExit, match=r"^error: exactrun needs Snakemake's records as files: [^\n]*$"):
        snakemake.workflow.DbPersistence(db_url="sqlite://")


# The cache


class CachedJob:
    """A job, and what the cache reaches through it."""

    def __init__(self, output: Path, entry: Path) -> None:
        self.pair = (output, entry)
        self.dag = self.workflow = self.persistence = self
        self.took: dict[str, float] = {}
        self.scheduler = SimpleNamespace(stopped=False)


@pytest.fixture
def cell_cache(installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    async def pairs(self: Any, job: CachedJob) -> list[tuple[Path, Path]]:
        return [job.pair]

    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache.Cache, "get_outputfiles_and_cachefiles", pairs)
    monkeypatch.setattr(cache, "_warned", set())
    return cache.Cache()


async def nothing(job: Any) -> None:
    """Prepare nothing."""


def run(coroutine: Any) -> Any:
    """Run what has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("waits")


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_an_entry_is_a_copy_for_the_group(cell_cache: Any, kind: str) -> None:
    output, entry = Path("out").absolute(), cell_cache.path / "digest"
    file = output if kind == "file" else output / "below/file"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("made")
    file.chmod(0o600)
    job = CachedJob(output, entry)
    with pytest.raises(snakemake.exceptions.CacheMissException):
        run(cell_cache.fetch(job))
    time.sleep(0.1)  # the job runs
    umask = os.umask(0o077)
    try:
        run(cell_cache.store(job))
    finally:
        os.umask(umask)
    for path in [entry, *entry.rglob("*"), cell_cache.path / "digest.sha256"]:
        assert path.stat().st_mode & 0o660 == 0o660
    file.write_text("other")
    assert run(cell_cache.exists(job))
    run(cell_cache.fetch(job))
    assert file.read_text() == "made"
    assert job.took[str(output)] >= 0.1
    (entry if kind == "file" else entry / "below/file").write_text("damaged")
    assert not run(cell_cache.exists(job))


@pytest.mark.parametrize("fault", ["write", "read"])
def test_an_entry_that_is_not_ours_is_skipped(
    cell_cache: Any, monkeypatch: pytest.MonkeyPatch, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a fault of its own, as root may write and read everything."""
    output = Path("out").absolute()
    output.write_text("made")
    job = CachedJob(output, cell_cache.path / "digest")
    run(cell_cache.store(job))

    def refuse(path: Path, *_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    said: list[str] = []
    monkeypatch.setattr(snakemake.logging.logger, "warning", said.append)
    monkeypatch.setattr(cache, "_copy" if fault == "write" else "checksum", refuse)
    for _ in range(2):
        if fault == "write":
            run(cell_cache.store(job))
        else:
            assert not run(cell_cache.exists(job))
            with pytest.raises(snakemake.exceptions.CacheMissException):
                run(cell_cache.fetch(job))
    assert output.read_text() == "made"
    assert len(said) == 1
    assert "Permission denied" in said[0]


# The scheduler


def test_a_timer_is_not_started_while_another_is_to_come() -> None:
    """Otherwise each look at the jobs would lead to one more look a second, for as long as the run takes."""
    scheduler = object.__new__(scheduling.Scheduler)
    scheduler._open_jobs, scheduler._due = threading.Semaphore(0), {}
    for looks in (10, 1):
        for _ in range(looks):
            scheduler._schedule_reevalutation(1)
        assert scheduler._open_jobs.acquire(timeout=60)
        assert not scheduler._open_jobs.acquire(timeout=1.5)
    # One for another purpose is.
    scheduler._schedule_reevalutation(600)
    scheduler._look_again("decide", 0.1)
    assert scheduler._open_jobs.acquire(timeout=60)


@pytest.mark.parametrize(("dryrun", "weighed"), [(False, scheduling.WEIGHED), (True, 3 * scheduling.WEIGHED)])
def test_of_many_ready_jobs_the_first_by_priority_are_weighed(dryrun: bool, weighed: int) -> None:
    scheduler = object.__new__(scheduling.Scheduler)
    scheduler.dryrun = dryrun
    ready = [SimpleNamespace(priority=priority, rules=["a"]) for priority in range(1 - 3 * scheduling.WEIGHED, 1)]
    scheduler.workflow = SimpleNamespace(dag=SimpleNamespace(ready_jobs=ready, held=set()))
    assert sorted(-job.priority for job in scheduler.open_jobs) == list(range(weighed))
    # What waits for a resource, however many there are and however urgent, keeps nobody away who needs another.
    ready += [SimpleNamespace(priority=-10_000, rules=["b"])] * 3
    assert [job.rules for job in scheduler.open_jobs].count(["b"]) == 3


class Single:
    input, group, is_checkpoint, temp_output = ("input",), None, False, ()

    def is_group(self) -> bool:
        return False


class Decided(decisions.ContentDAG):
    """A graph in which one job ends, what follows need not run any more, and a third one waits for its retry."""

    def __init__(self) -> None:
        self.ended, self.failed, self.following, self.later = self.all = [Single() for _ in range(4)]
        self.needed = {self.following, self.later}
        self.depending: dict[Any, Any] = {self.ended: {self.following: set()}}
        self._ready_jobs, self._running = {self.failed, self.following}, {self.failed}
        self._n_until_ready, self.held = {self.following: 0}, set()
        self._decided = self._took = 0.0
        self.without_use: list[Single] = []
        self._deferred_temp_jobs: list[Single] = []
        self._checkpoint_jobs: set[Single] = set()
        self.workflow = SimpleNamespace(
            remote_execution_settings=SimpleNamespace(immediate_submit=False),
            group_settings=SimpleNamespace(group_components={}),
        )

    jobs = property(lambda self: self.all)

    def needrun(self, job: Single) -> bool:
        return job in self.needed

    def finished(self, job: Single) -> bool:
        return False

    async def _is_recorded(self, path: str, job: Single) -> bool:
        return True

    async def postprocess(self) -> None:
        self._ready_jobs.clear()
        self.needed.clear()

    def temp_input(self, job: Single) -> Any:
        return [SimpleNamespace(is_storage=True)]

    async def handle_temp(self, job: Single) -> None:
        self.without_use.append(job)


def test_what_is_decided_again_forgets_no_retry_and_no_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    async def finish(*_: Any) -> bool:
        return False

    monkeypatch.setattr(snakemake.dag.DAG, "finish", finish)
    monkeypatch.setattr(decisions, "_waits_for_checkpoint", lambda _: False)
    dag = Decided()
    asyncio.run(dag.finish(dag.ended))
    assert (dag.held, dag._ready_jobs) == ({dag.following}, {dag.failed})
    assert dag.wait_to_decide(idle=False) == 0
    asyncio.run(dag.decide_again())
    assert dag._ready_jobs == {dag.failed}
    assert dag.without_use == [dag.following, dag.later]
    # What is started keeps the processors busy meanwhile; where nothing could be, it is decided at once.
    dag._decided, dag._took = time.monotonic() + 600, 60
    assert dag.wait_to_decide(idle=False) == pytest.approx(dag.wait_to_decide(idle=True) + 8 * 60, abs=30)
    dag._ready_jobs.clear()
    assert dag.wait_to_decide(idle=False) == 0


def test_what_is_ready_and_cannot_start_leaves_processors_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = object.__new__(scheduling.Scheduler)
    found: list[str] = []
    monkeypatch.setattr(snakemake.scheduling.job_scheduler.JobScheduler, "job_selector", lambda *_: found)
    for resources, idle in (({"_cores": 1}, True), ({"_cores": 0}, False), ({"_cores": 9, "_nodes": 0}, False)):
        scheduler.resources = resources
        scheduler.job_selector([])
        assert scheduler._idle == idle
    found.append("job")
    scheduler.resources = {"_cores": 1}
    assert scheduler.job_selector([]) == found
    assert not scheduler._idle


def test_a_stop_ends_what_was_started_meanwhile_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves it to whoever waits for a job to learn that it was ended: it would count as a success."""
    monkeypatch.setattr(orphans, "GRACE", 60)  # seconds, for a busy machine
    with subprocess.Popen(["sleep", "600"]) as before, orphans.no_orphans() as end_jobs:
        jobs = [subprocess.Popen(["env", "-i", "sleep", "600"]) for _ in range(20)]
        end_jobs()
        assert {job.wait(timeout=60) for job in jobs} == {-signal.SIGTERM}
        assert before.poll() is None
        before.kill()


def test_a_stopped_run_leaves_nothing_in_the_cache(cell_cache: Any, tmp_path: Path) -> None:
    output, entry = tmp_path / "half", tmp_path / "cache/entry"
    output.write_text("half")
    job = CachedJob(output, entry)
    job.scheduler.stopped = True
    run(cell_cache.store(job))
    assert not run(cell_cache.exists(job))
    assert not entry.exists()


def test_a_second_signal_does_not_disturb_the_end() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    scheduler = object.__new__(scheduling.Scheduler)
    scheduler.workflow = SimpleNamespace(is_main_process=True)
    try:
        with pytest.raises(KeyboardInterrupt):
            scheduler.exit_gracefully(signal.SIGTERM, None)
        assert all(signal.getsignal(number) is signal.SIG_IGN for number in before)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_install_twice_is_install_once(installed: None) -> None:
    first = snakemake.common.get_function_params.__wrapped__
    reruns.install()
    assert snakemake.common.get_function_params.__wrapped__ is first
