"""Two at once, another clock, odd folders, no home, no network, another locale, every Python that is allowed."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from studies import ROOT, Study

CELL = "results/grid/baseline/batch_size~20/learning_rate~0.01/epochs~2/rounds.csv"


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (["snakemake", "--cores", "1", "results/grid.csv"], "Directory cannot be locked: another Snakemake runs in "),
        (["dvc", "repro"], "is busy, it is being blocked by"),
    ],
)
def test_two_at_once(uncomputed: Study, command: list[str], refusal: str) -> None:
    """The second says that the first one runs, and the first goes on."""
    uncomputed = uncomputed.in_real_processes()
    with subprocess.Popen(
        command, cwd=uncomputed.path, env=uncomputed.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as first:
        while not (uncomputed.path / "logs/pairs").exists():
            assert first.poll() is None
            time.sleep(0.01)
        second = subprocess.run(command, cwd=uncomputed.path, env=uncomputed.env, text=True, capture_output=True)
        assert first.poll() is None
        first.terminate()
    assert second.returncode not in (0, -6, -11)
    assert refusal in second.stdout + second.stderr
    assert "--unlock" not in second.stdout + second.stderr  # it would let two run


def test_two_at_the_same_moment(uncomputed: Study) -> None:
    """Exactly one of two runs, whichever it is."""
    uncomputed = uncomputed.in_real_processes()
    command = ["snakemake", "--cores", "1", "data/pairs/seed~2.npz"]
    both = [
        subprocess.Popen(
            command,
            cwd=uncomputed.path,
            env=uncomputed.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate()[0] for process in both]
    refused = [output for process, output in zip(both, outputs, strict=True) if process.returncode]
    done = [output for process, output in zip(both, outputs, strict=True) if not process.returncode]
    assert done
    assert all("Directory cannot be locked" in output for output in refused)
    # One that came when the other was through has nothing to do.
    assert sum("1 of 1 steps" in output for output in done) == 1


def test_a_clock_that_was_set_back(study: Study) -> None:
    """All that was made, and its records, are from a day that is yet to come; then something changes."""
    tomorrow = time.time() + 86400
    for folder in ("data", "results", "reports", ".snakemake"):
        for path in (study.path / folder).rglob("*"):
            os.utime(path, (tomorrow, tomorrow))
    assert study.snakemake().jobs == set()
    study.edit("src/digitpairs/reporting/figures/architecture.py", lambda text: f"{text}\nprint()\n")
    figures = {"reports/figures/figure_1.svg", "reports/figures/figure_2.svg"}
    assert study.snakemake().jobs == figures
    assert study.snakemake().jobs == set()


def test_an_odd_folder_without_a_locale_a_home_or_a_network(
    finished: Study, unshare: Callable[[str], list[str]], tmp_path: Path
) -> None:
    """Spaces, quotes and non-ASCII letters in all paths, a home folder that is not there and cannot be made."""
    offline = unshare("net")
    folder = tmp_path / 'it\'s a "größe" $HOME'
    folder.mkdir()
    shutil.copytree(finished.cells, folder / "cells")
    odd = finished.in_real_processes().clone(folder / "study", folder / "cells", pull=False)
    odd.env |= {"LC_ALL": "C", "HOME": "/proc", "XDG_CACHE_HOME": "/proc", "XDG_CONFIG_HOME": "/proc"}
    odd.run(*offline, "dvc", "pull")
    assert "/proc/snakemake" in odd.fails(*offline, "snakemake", "--cores", "2")
    odd.env["XDG_CACHE_HOME"] = str(folder / "cache")  # as docs/reliability.md says
    assert odd.run(*offline, "snakemake", "--cores", "2").jobs == set()
    (odd.path / "data/pairs/seed~3.npz").unlink()
    (odd.path / CELL).unlink()
    (odd.path / "reports/figures/figure_1.svg").unlink()
    ran = odd.run(*offline, "snakemake", "--cores", "2")
    assert ran.jobs == {"data/pairs/seed~3.npz", CELL, "reports/figures/figure_1.svg"}
    assert odd.contents() == finished.contents()


def test_what_a_machine_exports_reaches_no_result(study: Study, tmp_path: Path) -> None:
    """Python's switches, a shell's, a terminal of no use, another place and time, blanks, files for nobody else."""
    (tmp_path / "temporary files").mkdir()
    (tmp_path / "python").write_text("#!/bin/sh\nexit 42\n")
    (tmp_path / "python").chmod(0o755)
    (tmp_path / "site.sh").write_text(f"export PATH={tmp_path}:$PATH\n")
    exported = {
        "BASH_ENV": str(tmp_path / "site.sh"),  # as clusters have it
        "BASH_FUNC_python%%": "() { exit 42\n}",
        "SHELLOPTS": "xtrace",
        "CDPATH": str(tmp_path),
        "GIT_DIR": str(tmp_path / "other/.git"),  # as in a hook
        "DIGITPAIRS_STEPS": "",
        "PYTHONOPTIMIZE": "2",  # no docstrings, which the report reads
        "PYTHONWARNINGS": "error",
        "PYTHONSTARTUP": "/nowhere",
        "PYTHONSAFEPATH": "1",
        "LC_ALL": "tr_TR.UTF-8",
        "TZ": "Asia/Kathmandu",
        "TERM": "dumb",
        "COLUMNS": "1",
        "NO_COLOR": "1",
        "TMPDIR": str(tmp_path / "temporary files"),
        "XDG_CACHE_HOME": "",
        "XDG_CONFIG_HOME": "relative",
    }
    before = study.contents()
    for name in ("report.html", "figures/figure_1.svg"):
        (study.path / "reports" / name).unlink()
    umask = os.umask(0o077)
    try:
        ran = study.in_real_processes().snakemake(**exported)
    finally:
        os.umask(umask)
    assert "Traceback" not in ran.output
    assert ran.jobs == {"reports/README.md", "reports/figures/figure_1.svg"}
    assert study.contents() == before


def runs(python: str) -> bool:
    """Return whether an interpreter is here: a name on PATH may be no more than a note where it could be."""
    return bool(shutil.which(python)) and subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_a_python(version: str, tmp_path: Path) -> None:
    """All code compiles; what needs the standard library alone runs and gives the same digests."""
    candidates = [*Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), Path(f"python{version}")]
    found = next((str(path) for path in candidates if runs(str(path))), None)
    if not found:
        pytest.skip(f"Python {version} is not here")
    sources = [str(ROOT / folder) for folder in ("src", "scripts", "tests")]
    subprocess.run([found, "-X", f"pycache_prefix={tmp_path}", "-m", "compileall", "-q", *sources], check=True)
    digest = """if True:
        import sys
        from exactrun import digests
        print(digests.code("scripts/train.py", "src/digitpairs/models/siamese.py", root=sys.argv[1]))
    """
    outputs = [
        subprocess.run(
            [python, "-c", digest, str(ROOT)],
            env={"PYTHONPATH": str(ROOT / "src")},
            text=True,
            capture_output=True,
            check=True,
        ).stdout.split()
        for python in (sys.executable, found)
    ]
    ours, theirs = ({item for item in output if "digitpairs" in item or "scripts/" in item} for output in outputs)
    assert ours == theirs
    assert len(ours) > 10
