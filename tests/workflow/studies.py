"""A repository with a tiny study in it, the commands that a user types there, and which jobs they ran."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from filelock import FileLock

from digitpairs.reproduction.comparison import without_provenance

ROOT = Path(__file__).parents[2]
UNVERSIONED = re.compile("results/final/resampled.*/rounds.safetensors")

# Variables that change how MKL, oneDNN, OpenBLAS or torch compute, which a user may have exported for other work.
HOSTILE = {
    "MKL_CBWR": "COMPATIBLE",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "SkylakeX",
    "OPENBLAS_NUM_THREADS": "2",
    "OMP_NUM_THREADS": "2",
    "ATEN_CPU_CAPABILITY": "default",
}


class Ran(NamedTuple):
    """What Snakemake did: the first output of each job that ran, the outputs that were trained and not taken from the
    cell cache, and all that it printed."""

    jobs: set[str]
    trained: set[str]
    output: str


class Study:
    """A repository with the study in it, and the commands that a user types there."""

    def __init__(self, path: Path, cells: Path, served: Path | None = None) -> None:
        """Take a folder, a cell cache, and the commands of a `served.hold` instead of processes of their own."""
        self.path = path
        self.served = served
        folders = filter(None, [served, Path(sys.executable).parent, os.environ["PATH"]])
        # `make test` tells what it starts that it is a part of it.
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))} | {
            "PATH": os.pathsep.join(map(str, folders)),
            **({"DIGITPAIRS_STEPS": str(served)} if served else {}),
            "SNAKEMAKE_OUTPUT_CACHE": str(cells),
            "DVC_SITE_CACHE_DIR": str(path.parent / "dvc"),
            "DVC_NO_ANALYTICS": "1",
            "DIGITPAIRS_CONSOLE": "full",  # which jobs ran is read there
            **{
                f"GIT_{who}_{what}": "tester@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
            },
        }

    @property
    def cells(self) -> Path:
        return Path(self.env["SNAKEMAKE_OUTPUT_CACHE"])

    def run(self, *command: str, **env: str) -> Ran:
        """Run a command in the repository; fail with its output if it fails."""
        done = self._run(command, env)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
        return parse(done.stdout)

    def fails(self, *command: str, **env: str) -> str:
        """Run a command that is to fail; return what it printed."""
        done = self._run(command, env)
        assert done.returncode == 1, done.stdout
        return done.stdout

    def _run(self, command: tuple[str, ...], env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, cwd=self.path, env=self.env | env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def snakemake(self, *options: str, **env: str) -> Ran:
        return self.run("snakemake", "--cores", "2", *options, **env)

    def dvc(self, *command: str) -> Ran:
        return self.run("dvc", *command)

    def git(self, *command: str) -> str:
        return self.run("git", *command).output

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "a change")

    def edit(self, file: str, change: Callable[[str], str]) -> None:
        """Change a file's text; what changes nothing would prove nothing."""
        before = (self.path / file).read_text(encoding="utf-8")
        after = change(before)
        assert after != before
        (self.path / file).write_text(after, encoding="utf-8")

    def set(self, key: str, value: Any) -> None:
        """Set a dotted key of params.yaml."""
        params = self.params()
        *sections, last = key.split(".")
        section = params
        for name in sections:
            section = section[name]
        section[last] = value
        (self.path / "params.yaml").write_text(yaml.safe_dump(params))

    def params(self) -> Any:
        return yaml.safe_load((self.path / "params.yaml").read_text())

    def clone(self, path: str | Path, cells: Path | None = None, *, pull: bool = True) -> "Study":
        """Clone what is committed, to a path or under a name beside this clone; with `dvc pull`, unless told otherwise.

        The clone shares the cell cache, or has its own.
        """
        clone = Study(self.path.parent / path, cells or self.cells, self.served)
        self.git("clone", "--quiet", str(self.path), str(clone.path))
        if pull:
            clone.dvc("pull")
        return clone

    def in_real_processes(self) -> "Study":
        """Return this study with commands that are processes of their own."""
        real = Study(self.path, self.cells)
        folders = [folder for folder in self.env["PATH"].split(os.pathsep) if folder != str(self.served)]
        real.env = self.env | {"PATH": os.pathsep.join(folders)}
        real.env.pop("DIGITPAIRS_STEPS", None)
        return real

    def contents(self) -> dict[str, bytes]:
        """Return what the workflow made and DVC or Git versions, by path, without what the page says of this run."""
        return {path: content for path, content in contents(self.path).items() if not UNVERSIONED.fullmatch(path)}


def contents(study: Path) -> dict[str, bytes]:
    """Return what the workflow made, by path, without what the page says of this run."""
    paths = (path for folder in ("data", "results", "reports") for path in (study / folder).rglob("*"))
    return {
        str(path.relative_to(study)): without_provenance(path.name, path.read_bytes())
        for path in paths
        if path.is_file()
    }


def parse(output: str) -> Ran:
    blocks = re.findall(r"^(?:local)?(?:rule|checkpoint) \w+:\n((?: {4}.*\n)+)", output, re.M)
    outputs = [re.search(r"^ {4}output: ([^,\n]+?)(?: \(update\))?(?:,|$)", block, re.M) for block in blocks]
    jobs = [match[1] for match in outputs if match]  # the target `all` has no output
    assert len(jobs) == len(set(jobs)), "a job ran twice"
    return Ran(set(jobs), set(re.findall(r"^Moving output file (\S+) to cache", output, re.M)), output)


def copy_project(path: Path) -> None:
    """Copy the working tree, without what Git ignores, as a new repository's first commit would hold it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if not name.startswith(("remote/", "reports/", "dvc.lock")) and (ROOT / name).exists():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, path / name)
    shutil.copyfile(Path(__file__).with_name("params.yaml"), path / "params.yaml")


@contextmanager
def once(folder: Path) -> Iterator[bool]:
    """Yield whether what lies in this folder is still to be made: tests that run side by side share it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = folder / "made"
    with FileLock(f"{folder}.lock"):
        yield not made.exists()
        made.touch()


def finish(study: Study, alter: Callable[[Study], None] = lambda study: None) -> None:
    """Make a new project's study, altered as wished; commit it and push it."""
    copy_project(study.path)
    alter(study)
    study.git("init", "--quiet", "--initial-branch", "main")
    study.commit()
    study.dvc("repro")
    study.commit()
    study.dvc("push")
    study.commit()
    study.git("gc", "--quiet")  # few files, for all the clones to come
