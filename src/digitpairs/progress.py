"""Progress of a run on the console: finished and running steps, epoch of epochs, an estimated time to go.

On a terminal one line is rewritten each second; elsewhere a line follows each half minute. Snakemake's account of each
job goes to its log file alone; warnings and errors are shown as ever. All of it rests on the records of Snakemake's
logger and their `event` (snakemake-interface-logger-plugins).
"""

import contextlib
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digitpairs.runs import START_MINUTES

REWRITE, REPEAT = 1.0, 30.0  # seconds between two lines, on a terminal and elsewhere
SHOWN = 4  # running steps; the rest is counted
EPOCH = re.compile(r"rounds (\d+) to (\d+) of (\d+): epoch (\d+) of (\d+)")
TAIL = 4096  # bytes of a log in which its last line lies
CLEAR = "\r\x1b[K"


def shorten(logger: logging.Logger) -> None:
    """Leave the header of a run to the log file: host, shell, resources."""
    for console in _consoles(logger):
        console.addFilter(lambda record: getattr(record, "event", None) not in ("workflow_started", "resources_info"))


def _consoles(logger: logging.Logger) -> list[logging.StreamHandler[Any]]:
    handlers = (handler for handler in logger.handlers if isinstance(handler, logging.StreamHandler))
    return [handler for handler in handlers if not isinstance(handler, logging.FileHandler)]


@dataclass
class Step:
    """A running step: its name, when it started, its log, and its work in minutes on a slow machine."""

    name: str
    started: float
    log: Path | None
    work: float

    def reached(self) -> tuple[float, str]:
        """Return the share of the step that is done, and its epoch in words: 0 and nothing if its log tells none."""
        found = EPOCH.findall(_tail(self.log)) if self.log else []
        if not found:
            return 0.0, ""
        first, last, rounds, epoch, epochs = map(int, found[-1])
        share = (first - 1 + (last - first + 1) * epoch / epochs) / rounds
        return share, f"epoch {epoch} of {epochs}" + (
            f", rounds {first} to {last} of {rounds}" if last < rounds else ""
        )


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


class Progress(logging.Handler):
    """Shows the progress of a run in place of Snakemake's account of each job.

    `start` takes over the console of a logger, `stop` gives it back.
    """

    def __init__(self, jobs: Iterable[Any]):
        """Count `jobs`, those that Snakemake's graph would run."""
        super().__init__(logging.INFO)
        self.work = {job.jobid: _work(job) for job in jobs if not job.is_group()}
        self.planned, self.finished = len(self.work), 0
        self.total: int | None = None  # steps of the graph, with those that are not to run
        self.running: dict[int, Step] = {}
        self.failed: set[int] = set()
        self.done = 0.0  # work that was computed, not taken from a cache
        self.started = time.monotonic()
        self.terminal = False
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._repeat, daemon=True)

    def start(self, logger: logging.Logger, *, silent: bool = False) -> None:
        """Take over the console: the handlers that write to a stream show warnings and errors alone.

        `silent` leaves it at that, for `--quiet`, in which Snakemake tells nobody when a job ends.
        """
        self.logger = logger
        self.consoles = _consoles(logger)
        for console in self.consoles:
            console.addFilter(self._passes)
        if not self.consoles or silent:
            return
        self.stream = self.consoles[0].stream
        self.terminal = self.stream.isatty() and os.getenv("TERM", "dumb") != "dumb"
        logger.addHandler(self)
        self.thread.start()

    def stop(self, *, early: bool = False) -> None:
        """Give the console back, and say how many steps ran; `early` where one failed or somebody stopped the run."""
        self.ended.set()
        self.logger.removeHandler(self)
        for console in self.consoles:
            console.removeFilter(self._passes)
        if self.thread.ident:
            self.thread.join()  # a line of its own would follow the last one
            if self.terminal:
                self._write(CLEAR)
            took = duration(time.monotonic() - self.started)
            self._write(f"{self._stopped_early(took) if early else self._done(took)}\n")

    def _done(self, took: str) -> str:
        unneeded = self.planned - self.finished
        was, their = ("was", "its") if unneeded == 1 else ("were", "their")
        said = f", {unneeded} of {self.planned} {was} not needed: {their} input turned out to be as before"
        return f"Done: {_steps(self.finished)} in {took}{said if unneeded > 0 else ''}"

    def _stopped_early(self, took: str) -> str:
        lead = f"Failed: {_steps(len(self.failed))}" if self.failed else f"Stopped: {len(self.running)} running"
        return f"{lead}; {self.finished} of {self.planned} done in {took}. The next call goes on from there."

    def _write(self, text: str) -> None:
        """Write to the console; a run goes on without one, as in `snakemake 2>&1 | head`."""
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(text)
            self.stream.flush()

    def _passes(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return False
        if self.terminal:
            self._write(CLEAR)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Note which jobs start and end."""
        match getattr(record, "event", None):
            case "job_info":
                log = next(iter(getattr(record, "log", None) or []), None)
                wildcards = getattr(record, "wildcards", None) or {}
                name = " ".join([str(getattr(record, "rule_name", "step")), *map(str, dict(wildcards).values())])
                job = record.jobid  # type: ignore[attr-defined]
                self.running[job] = Step(name, time.monotonic(), log and Path(log), self.work.get(job, 0.0))
            case "job_finished":
                self.finished += 1
                self.failed.discard(record.job_id)  # type: ignore[attr-defined]
                step = self.running.pop(record.job_id, None)  # type: ignore[attr-defined]
                work = self.work.pop(record.job_id, 0.0)  # type: ignore[attr-defined]
                if step and time.monotonic() - step.started > REWRITE:
                    self.done += work
            case "job_error":
                self.running.pop(record.jobid, None)  # type: ignore[attr-defined]
                self.failed.add(record.jobid)  # type: ignore[attr-defined]
            case "progress":  # after a checkpoint, the graph has more steps
                total: int = record.total  # type: ignore[attr-defined]
                self.planned += max(0, total - (self.total or total))
                self.total = total

    def _repeat(self) -> None:
        while not self.ended.wait(REWRITE if self.terminal else REPEAT):
            line = self.line()
            if self.terminal:
                line = f"{CLEAR}{line[: shutil.get_terminal_size().columns - 1]}"
            self._write(line if self.terminal else f"{line}\n")

    def line(self) -> str:
        """Return the progress in one line."""
        steps = sorted(self.running.values(), key=lambda step: step.started)
        reached = [step.reached() for step in steps]
        begun = sum(share * step.work for step, (share, _) in zip(steps, reached, strict=True))
        done, elapsed = self.done + begun, time.monotonic() - self.started
        left = sum(self.work.values()) - begun
        known = done > 0 and left > 0 and elapsed > REWRITE
        togo = f", about {duration(elapsed * left / done)} to go" if known else ""
        names = [
            f"{step.name}{f' ({epoch})' if epoch else ''}"
            for step, (_, epoch) in zip(steps[:SHOWN], reached[:SHOWN], strict=True)
        ]
        more = [f"{len(steps) - SHOWN} more"] if len(steps) > SHOWN else []
        return f"{self.finished} of {self.planned} steps done{togo}; now: {'; '.join([*names, *more]) or 'starting'}"


def _steps(count: int) -> str:
    return f"{count} step{'' if count == 1 else 's'}"


def _work(job: Any) -> float:
    """Return a job's work: the time that its rule allows for training, else 0."""
    try:
        return max(0.0, float(job.resources.get("runtime", 0) or 0) - START_MINUTES)
    except Exception:  # a job that waits for a checkpoint cannot tell its resources
        return 0.0


def duration(seconds: float) -> str:
    """Spell a time in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
