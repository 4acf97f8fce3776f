"""Build the committed study from scratch in a folder of its own, and compare it with the committed results."""

import argparse
import json
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo import Repo
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from digitpairs import errors
from digitpairs.errors import StudyError
from digitpairs.files import write_atomically
from digitpairs.folders import REPRODUCTIONS
from digitpairs.networks import kernels
from digitpairs.reproduction import comparison
from digitpairs.reproduction.origin import processor
from digitpairs.revision import git, uncommitted

ROOT = Path(__file__).parents[1]
FOLDERS = ("data", "results", "reports")
CERTIFICATE = "reports/reproduction.json"  # compares results and is none
EFFORT = ".snakemake/reproduction.jsonl"  # in the new folder, where Git ignores it: one line a call


def main() -> None:
    """Parse arguments, build, compare, write the certificate; exit code 1 where a conclusion differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help="results to build, such as results/grid.csv; default: all")
    parser.add_argument("--folder", type=Path, help="new, or to be continued; default: in the cache, by revision")
    parser.add_argument("--output", type=Path, help=f"json; default: {CERTIFICATE}, of targets beside them")
    args = parser.parse_args()
    revision = git(ROOT, "rev-parse", "HEAD")
    default = REPRODUCTIONS / revision[:12]
    folder = (args.folder or default).absolute()
    if not folder.exists():
        clone(folder)
    built = git(folder, "rev-parse", "HEAD")
    print(f"Revision {built[:12]} is built in {folder}; after a stop, the same command continues.", flush=True)
    build(folder, args.targets)
    committed, new = committed_files(), built_files(folder)
    if args.targets:
        committed = {path: content for path, content in committed.items() if path in new}
    comparisons = [
        comparison.compare(path, committed.get(path), new.get(path)) for path in sorted(committed.keys() | new.keys())
    ]
    differing = comparison.conclusions(committed, new)
    certificate = {
        "revisions": {"built": built, "compared with": revision},
        "targets": args.targets or ["all"],
        "conclusions that differ": differing,
        **comparison.summary(comparisons),
        "run": effort(folder),
        "machine": machine(),
        "versions": versions(),
    }
    output = args.output or (folder if args.targets else ROOT) / CERTIFICATE
    write_atomically(output, (json.dumps(certificate, indent=2, allow_nan=False) + "\n").encode())
    print(comparison.tell(comparisons, differing))
    print(f"Written: {output}")
    if differing:
        sys.exit(1)


def clone(folder: Path) -> None:
    """Clone what is committed, without results; a folder under that name is whole."""
    if uncommitted(ROOT):
        print("Code or params.yaml have changes that are not committed: they are not built.")
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        git(ROOT, "clone", "--quiet", str(ROOT), str(partial))
        shutil.rmtree(partial / "reports", ignore_errors=True)  # what nothing makes anew must not count as reproduced
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def build(folder: Path, targets: list[str]) -> None:
    """Run or continue the study, or these targets of it, with a cell cache of its own, and note time and memory.

    Raises `StudyError` where it does not finish.
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SNAKEMAKE_OUTPUT_CACHE": str(folder / ".snakemake/cells"),
    }
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(["snakemake", "--cores", "all", "--", *targets], cwd=folder, env=env)  # noqa: S603, S607
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())  # it ends its jobs, and then this process goes on
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal has told it as well
    code = process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = {
        "wall_seconds": time.monotonic() - started,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_bytes": after.ru_maxrss * (1 if sys.platform == "darwin" else 1024),  # of the largest process
    }
    with (folder / EFFORT).open("a", encoding="utf-8") as calls:
        calls.write(json.dumps(took) + "\n")
    if code:
        raise StudyError(f"{folder}: the study is not finished; the same command continues it")


def effort(folder: Path) -> dict[str, float]:
    """Sum the calls' times; one that was killed outright is missing."""
    calls = [json.loads(line) for line in (folder / EFFORT).read_text(encoding="utf-8").splitlines()]
    sums = {name: round(sum(call[name] for call in calls)) for name in ("wall_seconds", "cpu_seconds")}
    return {"calls": len(calls)} | sums | {"peak_bytes": max(call["peak_bytes"] for call in calls)}


def committed_files() -> dict[str, bytes]:
    """Return the results that the last commit versions, by path, whatever lies in the working tree.

    Raises `StudyError` where DVC has a result neither here nor in its remote.
    """
    files = DVCFileSystem(str(ROOT), rev="HEAD")
    paths = [path for folder in FOLDERS if files.exists(folder) for path in files.find(folder)]
    try:
        return {path: files.read_bytes(path) for path in paths if path != CERTIFICATE}
    except (DvcException, OSError) as error:
        raise StudyError(f"committed results are not here: {' '.join(str(error).split())}; try `dvc pull`") from error


def built_files(folder: Path) -> dict[str, bytes]:
    """Return the results in a folder, by path, without those that DVC does not version."""
    with Repo(str(folder)) as repo:
        paths = [Path(path) for name in FOLDERS for path in repo.dvcignore.find(repo.fs, str(folder / name))]
    contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return {path: content for path, content in contents.items() if path != CERTIFICATE}


def machine() -> dict[str, Any]:
    """Describe all that decides rounding: processor, instruction sets, libraries' builds."""
    vectors = re.compile(r"s?sse|avx|fma|f16c|amx|asimd|sve")
    # Libraries choose their kernels when they are loaded, so another process is asked, in the environment of a step.
    ask = """import json, numpy, torch; from digitpairs.networks import kernels
print(json.dumps([kernels.loaded(), kernels.warning(), torch.__config__.show().splitlines()]))"""
    environment = kernels.environment(os.environ) | {"PYTHONPATH": str(ROOT / "src")}
    step = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    loaded, warning, build = json.loads(step.stdout)
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor() or "unknown",
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "vector instructions": sorted(filter(vectors.match, kernels.cpuinfo("flags|Features").split())),
        "kernels": loaded,
        "warning": warning,
        "torch build": [line.strip(" -") for line in build],
    }


def versions() -> dict[str, Any]:
    """Return the versions of Python and of the pinned libraries, and the deviations from requirements.lock."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith(("#", " ", "-"))]
    wanted = [requirement for requirement in pinned if not requirement.marker or requirement.marker.evaluate()]
    present = {canonicalize_name(found.name): found.version for found in metadata.distributions()}
    here = {one.name: present.get(canonicalize_name(one.name)) for one in wanted}
    return {
        "python": platform.python_version(),
        "libraries": here,
        "not as pinned": [one.name for one in wanted if not one.specifier.contains(here[one.name] or "0")],
    }


if __name__ == "__main__":
    errors.run(main)
