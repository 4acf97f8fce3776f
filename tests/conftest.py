"""Shared by all tests: the environment of steps, and a tiny study that is run once per session, with clones of it."""

import gc
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from digitpairs.networks import kernels

kernels.set_environment()  # numpy and torch read it when they are loaded
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each step of a clone would compile its modules

from served import hold  # noqa: E402
from studies import Study, finish, once  # noqa: E402

from digitpairs.data.bundled import load_bundled  # noqa: E402
from digitpairs.data.pairs import Splits, load_pairs, make_pairs, to_npz  # noqa: E402
from exactrun import digests  # noqa: E402

digests.MEMO.known = {}  # the user's cache is not for what tests invent

# A shell's job in the background ignores Ctrl-C, and so would all that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Start a worker for each processor, with `auto` one more: tests of clusters, kills and servers mostly wait."""
    return (os.cpu_count() or 1) + bool(config.getoption("numprocesses") == "auto")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put unit tests last: the quickest fill what time the others leave on some worker."""
    items.sort(key=lambda item: "unit" in item.path.parts)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to start where tests that share a server would each start one, as some versions of xdist do silently.

    What was imported by now is no garbage, and is not looked through for it again and again.
    """
    gc.freeze()
    if getattr(session.config.option, "loadgroup", False):
        marked = [item for item in session.items if item.get_closest_marker("xdist_group")]
        assert all("@" in item.nodeid for item in marked), "pytest-xdist does not heed xdist_group: see pyproject.toml"


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of all tests that run side by side."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def served(shared: Path) -> Iterator[Path]:
    """Commands that need not import their libraries, with the environment that the study gives its steps."""
    with hold(shared / "served", dict(os.environ)) as folder:
        yield folder


@pytest.fixture(scope="session")
def finished(served: Path, shared: Path) -> Study:
    """The study, finished, committed and pushed to the bundled remote; tests leave it as it is and work in clones.

    Tests that run side by side share it: the first that needs it makes it, the others wait.
    """
    folder = shared / "finished"
    study = Study(folder / "study", folder / "cells", served)
    with once(folder) as needed:
        if needed:
            finish(study)
            study.clone("pulled").run("python", "-m", "compileall", "-q", "src", "scripts")
    return study


@pytest.fixture
def chance() -> random.Random:
    """Random numbers; `SEED=... pytest ...` replays a test that failed, whose output says which seed."""
    seed = int(os.getenv("SEED") or random.SystemRandom().randrange(2**32))
    print(f"SEED={seed}")
    return random.Random(seed)  # noqa: S311 - no secret


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> list[Splits]:
    """Three datasets of 60 training, 30 validation and 130 test pairs."""
    path = tmp_path_factory.mktemp("data") / "pairs.npz"
    loaded = []
    for seed in range(3):
        path.write_bytes(to_npz(make_pairs(load_bundled(), 60, 30, 130, seed)))
        loaded.append(load_pairs(path))
    return loaded


@pytest.fixture
def cells(finished: Study, tmp_path: Path) -> Path:
    """A cell cache of the test's own, of the machine where the study ran."""
    shutil.copytree(finished.cells, tmp_path / "cells")
    return tmp_path / "cells"


@pytest.fixture
def unpulled(finished: Study, cells: Path, tmp_path: Path) -> Study:
    """A fresh clone."""
    return finished.clone(tmp_path / "clone", cells, pull=False)


@pytest.fixture
def study(finished: Study, cells: Path, tmp_path: Path) -> Study:
    """A fresh clone after `dvc pull`: a copy of the one clone that all tests share."""
    shutil.copytree(finished.path.with_name("pulled"), tmp_path / "clone", symlinks=True)
    return Study(tmp_path / "clone", cells, finished.served)


@pytest.fixture
def ordinary() -> Callable[..., list[str]]:
    """The command that runs another one without root's right to write and read everything."""

    def command(*command: str) -> list[str]:
        if os.getuid():
            return list(command)
        if not shutil.which("setpriv"):
            (pytest.fail if os.environ.get("CI") else pytest.skip)("no setpriv: root's rights cannot be dropped")
        rights = "-dac_override,-dac_read_search"
        return ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *command]

    return command
