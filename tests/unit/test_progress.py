"""The progress of a run, from the records of Snakemake's logger."""

import io
import logging
import re
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from digitpairs import progress
from digitpairs.progress import Progress, duration, shorten


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def job(jobid: int, minutes: float = 0) -> Any:
    return SimpleNamespace(jobid=jobid, resources={"runtime": minutes}, is_group=lambda: False)


def logging_to(stream: io.StringIO) -> logging.Logger:
    logger = logging.Logger("test", logging.INFO)
    logger.addHandler(logging.StreamHandler(stream))
    return logger


@pytest.fixture
def logger() -> logging.Logger:
    return logging_to(io.StringIO())


def console(logger: logging.Logger) -> str:
    text: str = logger.handlers[0].stream.getvalue()  # type: ignore[attr-defined]
    return text


def begin(logger: logging.Logger, jobid: int, **about: Any) -> None:
    logger.info("rule cell: ...", extra={"event": "job_info", "jobid": jobid, "rule_name": "cell", **about})


def finish(logger: logging.Logger, jobid: int) -> None:
    logger.info("Finished jobid", extra={"event": "job_finished", "job_id": jobid})


def test_steps_are_counted_and_the_rest_was_not_needed(logger: logging.Logger) -> None:
    shown = Progress([job(0), job(1), job(2)])
    shown.start(logger)
    begin(logger, 1, wildcards={"model": "siamese"})
    assert "0 of 3 steps done; now: cell siamese" in shown.line()
    finish(logger, 1)
    assert "1 of 3 steps done; now: starting" in shown.line()
    shown.stop()
    assert re.search(r"Done: 1 step in \d+ s, 2 of 3 were not needed", console(logger))
    assert "rule cell" not in console(logger) and "Finished jobid" not in console(logger)


def test_nothing_follows_the_last_line(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though a line of progress was on its way."""
    shown, begun = Progress([job(0)]), threading.Event()

    def slow() -> str:
        begun.set()
        time.sleep(0.3)
        return "0 of 1 steps done"

    monkeypatch.setattr(progress, "REPEAT", 0.01)
    monkeypatch.setattr(shown, "line", slow)
    shown.start(logger)
    assert begun.wait(60)
    shown.stop()
    shown.thread.join()
    assert console(logger).splitlines()[-1].startswith("Done")


def test_a_quiet_run_shows_warnings_alone(logger: logging.Logger) -> None:
    shown = Progress([job(0)])
    shown.start(logger, silent=True)
    begin(logger, 0)
    logger.warning("low on disk")
    shown.stop()
    assert console(logger) == "low on disk\n"


def test_a_run_that_was_stopped_or_failed_says_so(logger: logging.Logger) -> None:
    shown = Progress([job(number) for number in range(4)])
    shown.start(logger)
    begin(logger, 0)
    finish(logger, 0)
    begin(logger, 1)
    begin(logger, 2)
    assert shown._stopped_early("1 s") == "Stopped: 2 running; 1 of 4 done in 1 s. The next call goes on from there."
    logger.error("failed", extra={"event": "job_error", "jobid": 1})
    begin(logger, 1)  # as `--retries` has it
    finish(logger, 1)
    logger.error("failed", extra={"event": "job_error", "jobid": 2})
    shown.stop(early=True)
    assert re.search(r"Failed: 1 step; 2 of 4 done in \d+ s\. The next call goes on from there\.", console(logger))
    assert "not needed" not in console(logger)


def test_warnings_and_errors_are_shown(logger: logging.Logger) -> None:
    shown = Progress([job(0)])
    shown.start(logger)
    logger.warning("damaged")
    logger.error("failed", extra={"event": "job_error", "jobid": 0})
    shown.stop()
    logger.info("after")
    assert [line for line in console(logger).splitlines() if not line.startswith("Done")] == [
        "damaged",
        "failed",
        "after",
    ]


def test_the_console_leaves_out_the_header(logger: logging.Logger) -> None:
    shorten(logger)
    for event in ("workflow_started", "resources_info", "run_info"):
        logger.info(f"{event}: ...", extra={"event": event})
    logger.info("plain")
    assert console(logger) == "run_info: ...\nplain\n"


def shown_on_a_terminal(line: str) -> str:
    """Return what a run prints there that shows a line twice, and then a warning."""
    logger = logging_to(Terminal())
    shown = Progress([job(0)])
    shown.start(logger)
    while console(logger).count(line) < 2:
        shown.ended.wait(0.01)
    shown.ended.set()  # no more lines, so that none comes between what a warning writes
    shown.thread.join()
    logger.warning("damaged")
    shown.stop()
    return console(logger)


@pytest.mark.parametrize("term", ["dumb", None])
def test_a_terminal_that_rewrites_nothing(monkeypatch: pytest.MonkeyPatch, term: str | None) -> None:
    """As in an editor's shell: lines follow one another."""
    monkeypatch.delenv("TERM", raising=False)
    if term:
        monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(progress, "REPEAT", 0.01)
    said = shown_on_a_terminal("0 of 1 steps done; now: starting\n")
    assert "\r" not in said and "\x1b" not in said


def test_a_terminals_line_is_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "REWRITE", 0.01)
    before = shown_on_a_terminal("0 of 1 steps").partition("damaged")[0]
    assert "\n" not in before
    assert before.endswith(progress.CLEAR)


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_console_that_is_gone_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `snakemake 2>&1 | head`."""
    monkeypatch.setattr(progress, "REPEAT", 0.01)
    logger = logging_to(Closed())
    shown = Progress([job(0)])
    shown.start(logger)
    begin(logger, 0)
    shown.ended.wait(0.05)
    assert shown.thread.is_alive()
    finish(logger, 0)
    shown.stop()
    assert shown.finished == 1


def test_epochs_and_time_to_go_come_from_the_logs(logger: logging.Logger, tmp_path: Path) -> None:
    log = tmp_path / "cell.log"
    log.write_text(
        "x\n" * 9000 + "rounds 1 to 6 of 10: epoch 2 of 4, mean loss 1\nrounds 7 to 10 of 10: epoch 3 of 4\n"
    )
    shown = Progress([job(0, minutes=15), job(1, minutes=7.5)])
    shown.start(logger)
    begin(logger, 0, log=[str(log)])
    share, epoch = shown.running[0].reached()
    assert share == pytest.approx(0.9)
    assert epoch == "epoch 3 of 4"
    shown.started -= 90  # of 10 + 2.5 minutes of work 9 are done
    assert "about 35 s to go; now: cell (epoch 3 of 4)" in shown.line()
    log.write_text("rounds 1 to 6 of 10: epoch 1 of 4\n")
    assert "epoch 1 of 4, rounds 1 to 6 of 10" in shown.line()
    log.unlink()
    assert "to go" not in shown.line()
    shown.stop()


def test_cached_steps_do_not_shorten_the_time_to_go(logger: logging.Logger) -> None:
    shown = Progress([job(0, minutes=105), job(1, minutes=105)])
    shown.start(logger)
    begin(logger, 0)
    finish(logger, 0)  # at once
    begin(logger, 1)
    shown.started -= 90
    assert "to go" not in shown.line()
    shown.stop()


def test_a_job_that_waits_for_a_checkpoint() -> None:
    class Waiting:
        jobid = 0

        @property
        def resources(self) -> Any:
            raise RuntimeError

        def is_group(self) -> bool:
            return False

    assert Progress([Waiting()]).work == {0: 0}


@pytest.mark.parametrize(("seconds", "said"), [(0.2, "0 s"), (61, "1 min 1 s"), (7265, "2 h 1 min")])
def test_duration(seconds: float, said: str) -> None:
    assert duration(seconds) == said
