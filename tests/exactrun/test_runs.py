"""Small workflows in real runs: bad input, `--touch`, linked caches, signals."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from environments import INSTALLED
from studies import Study

from exactrun.orphans import alive, environment

CHAIN = """
rule all:
    input:
        "results/b.txt",


rule a:
    output:
        "results/a.txt",
    shell:
        "echo 1 > {output}"


rule b:
    input:
        "results/a.txt",
    output:
        "results/b.txt",
    params:
        value=1,
    shell:
        "cat {input} > {output}; echo {params.value} >> {output}"
"""
A, B = "results/a.txt", "results/b.txt"


# Bad input


@pytest.mark.parametrize(
    ("content", "given"),
    [
        (None, "params: code=exactrun.code('x.py')"),
        ("x = (", "params: code=lambda _: exactrun.code('x.py')"),
        ("x = (", "script: 'x.py'"),
    ],
)
def test_code_that_is_missing_or_broken(workflow: Callable[..., Study], content: str | None, given: str) -> None:
    made = 'rule a:\n    output: "a.txt"\n    '
    study = workflow(made + given, **({"x__py": content} if content else {}))
    said = study.fails("snakemake", "--cores", "1")
    reason = "1: '(' was never closed" if content else " No such file or directory"
    assert said.splitlines()[-1].startswith("error: ")
    assert said.splitlines()[-1].endswith(f"x.py:{reason}")
    assert "Traceback" not in said
    assert not (study.path / "a.txt").exists()


AFTER = """
checkpoint first:
    output:
        directory("first"),
    shell:
        "mkdir {output}; touch {output}/1.txt"


rule second:
    input:
        "first/{i}.txt",
    output:
        "second/{i}.txt",
    script:
        "x.py"


rule last:
    default_target: True
    input:
        lambda _: [f"second/{path.name}" for path in Path(checkpoints.first.get().output[0]).glob("*.txt")],
    output:
        "last.txt",
    shell:
        "cat {input} > {output}"
"""


def test_code_that_turns_out_to_be_broken_while_jobs_run(workflow: Callable[..., Study]) -> None:
    said = workflow(AFTER, x__py="x = (").fails("snakemake", "--cores", "1")
    assert "x.py:1: '(' was never closed" in said
    assert "on user request" not in said
    assert "Traceback" not in said


def test_two_rules_with_one_output(workflow: Callable[..., Study]) -> None:
    """Also where nobody asks for it: each would make again what the other made."""
    rules = [f'rule {name}:\n    output: "{name}.txt", "shared.txt"\n    shell: "touch {{output}}"\n' for name in "ab"]
    study = workflow('rule all:\n    input: "a.txt", "b.txt"\n' + "".join(rules))
    (study.path / "shared.txt").write_text("kept")
    said = study.fails("snakemake", "--cores", "1").splitlines()
    assert said[-1] == "error: shared.txt: made by two jobs, of a and b: give each an output of its own"
    assert (study.path / "shared.txt").read_text() == "kept"


def test_records_of_snakemake_alone_and_touch(workflow: Callable[..., Study]) -> None:
    study = workflow(CHAIN)
    study.edit("Snakefile", lambda text: text.removeprefix(INSTALLED))
    study.snakemake()
    study.edit("Snakefile", lambda text: INSTALLED + text)
    said = study.run("snakemake", "--dry-run", "--quiet", "rules").output
    assert [line for line in said.splitlines() if "no record with checksums" in line] == [
        f"{A}: no record with checksums says how it was made, so it is made again, like all such results; "
        "`snakemake --touch` takes results for what they are."
    ]
    before = study.contents()
    said = study.snakemake("--touch").output
    assert "no record" not in said
    (study.path / A).write_text("9")
    assert f"its output is not as it was made: {A}" in study.snakemake("--dry-run").output
    (study.path / A).write_bytes(before[A])
    assert study.snakemake().jobs == set()
    study.edit("Snakefile", lambda text: text.replace("value=1", "value=2"))
    said = study.run("snakemake", "--dry-run").output
    assert (
        "b\n    parameter value: 1 -> 2\n\nIf you are sure that a change does not alter a result, `snakemake --touch"
        in said
    )
    assert "cleanup-metadata" not in said
    study.snakemake("--touch", B)
    assert study.snakemake().jobs == set()
    assert study.contents() == before


@pytest.mark.parametrize("unversioned", ["results/b.txt", "$^"])
def test_what_a_killed_run_left(workflow: Callable[..., Study], unversioned: str) -> None:
    """It is made again where it is half done, or where no checksum tells; without `--rerun-incomplete`."""
    study = workflow(f"exactrun.install({unversioned!r})\n{CHAIN}")
    study.snakemake()
    before = study.contents()
    (record,) = (path for path in (study.path / ".snakemake/metadata").iterdir() if '"rule": "b"' in path.read_text())
    mark = study.path / ".snakemake/incomplete" / record.name
    mark.parent.mkdir(exist_ok=True)

    # Killed before it wrote, or what it wrote was restored, as by `git checkout` or `dvc checkout`.
    mark.write_text("{}")
    assert study.snakemake().jobs == ({B} if unversioned == B else set())
    mark.write_text("{}")
    (study.path / B).write_text("half")
    assert study.snakemake().jobs == {B}
    assert study.contents() == before


SOURCES = """
rule all:
    input:
        "results/a.txt",
        "results/b.txt",


rule file:
    input:
        "data/file.txt",
        ancient("data/ancient.txt"),
    output:
        "results/a.txt",
    shell:
        "cat {input} > {output}; if [ -e slow ]; then echo 4 > data/file.txt; touch {output}; fi"


rule folder:
    input:
        "data/folder",
    output:
        "results/b.txt",
    shell:
        "cat {input}/*/* > {output}"
"""


@pytest.mark.parametrize("block", [False, True], ids=["shell", "run"])
def test_input_is_judged_by_content_whatever_its_time(workflow: Callable[..., Study], block: bool) -> None:
    """Restored from an archive, pulled before what was made of it, edited in a folder, or while the job ran."""
    files = {"data/file.txt": "1", "data/ancient.txt": "1", "data/folder/in/it.txt": "1"}
    in_run = re.sub(r'shell:\n        (".*")', r"run:\n        shell(\1)", SOURCES)
    study = workflow(in_run if block else SOURCES, **files)
    study.snakemake()
    assert study.snakemake().jobs == set()
    long_ago = 1e9
    for name in files:
        os.utime(study.path / name, (long_ago, long_ago))
    assert study.snakemake().jobs == set()

    for name, made in zip(files, ({"results/a.txt"}, set(), {B}), strict=True):
        (study.path / name).write_text("2")
        os.utime(study.path / name, (long_ago, long_ago))
        assert study.snakemake("--dry-run").jobs == made
        assert study.snakemake().jobs == made
        assert study.snakemake().jobs == set()

    (study.path / "slow").touch()
    (study.path / "data/file.txt").write_text("3")
    said = study.snakemake()
    assert said.jobs == {"results/a.txt"}
    assert "data/file.txt: changed while results/a.txt was made of it" in said.output
    (study.path / "slow").unlink()
    assert study.snakemake().jobs == {"results/a.txt"}
    assert (study.path / "results/a.txt").read_text().startswith("4")
    assert study.snakemake().jobs == set()


FAILING = """
configfile: "config.yaml"


rule all:
    input:
        "b.txt",
        "log.txt",


rule a:
    output:
        temp("a.txt"),
    params:
        v=config["v"],
    shell:
        "test ! -e fail && echo {params.v} > {output}"


rule b:
    input:
        "a.txt",
    output:
        "b.txt",
    shell:
        "cp {input} {output}"


rule log:
    output:
        update("log.txt"),
    params:
        v=config["v"],
    shell:
        "echo {params.v} >> {output}; test ! -e fail"
"""


def test_a_job_that_failed_is_made_again(workflow: Callable[..., Study]) -> None:
    """Whatever its output was meant to be: what it left says nothing of its new params."""
    study = workflow(FAILING, config__yaml="v: 1")
    study.snakemake()
    (study.path / "fail").touch()
    study.edit("config.yaml", lambda _: "v: 2")
    study.fails("snakemake", "--cores", "2", "--keep-going")
    (study.path / "fail").unlink()
    assert study.snakemake().jobs == {"a.txt", "b.txt", "log.txt"}
    assert (study.path / "b.txt").read_text() == "2\n"
    assert (study.path / "log.txt").read_text().split() == ["1", "2"]
    assert study.snakemake().jobs == set()


def test_the_cache_knows_what_a_job_takes_beside_its_params(workflow: Callable[..., Study]) -> None:
    """A module of its script, and a value in a command: of its own, and of those whose output it takes."""
    made = """
configfile: "config.yaml"


rule b:
    input:
        "a.txt",
    output:
        "b.txt",
    cache: True
    shell:
        "cp {input} {output}; echo {config[v]} >> {output}"


rule a:
    output:
        "a.txt",
    script:
        "a.py"
"""
    script = "import number\n\nwith open(snakemake.output[0], 'w') as file:\n    print(number.N, file=file)\n"
    study = workflow(made, config__yaml="v: 1", a__py=script, number__py="N = 1")
    study.cells.mkdir()
    run = ("snakemake", "--cores", "1", "--cache", "b")
    study.run(*run)
    for name, text, found in (
        ("number.py", "N = 22", "22 1"),
        ("config.yaml", "v: 3", "22 3"),
        ("number.py", "N = 1", "1 3"),
    ):
        (study.path / name).write_text(text)
        assert "from cache" not in study.run(*run).output
        assert (study.path / "b.txt").read_text().split() == found.split()
    (study.path / "config.yaml").write_text("v: 1")
    assert "from cache" in study.run(*run).output
    assert (study.path / "b.txt").read_text().split() == ["1", "1"]


CHECKPOINTS = """
rule all:
    input:
        "x.txt",
        "y.txt",
        "z.txt",


rule t:
    output:
        temp("t.txt"),
    shell:
        "echo 1 > {output} # V1"


rule x:
    input:
        "t.txt",
    output:
        "x.txt",
    shell:
        "cat {input} > {output}"


checkpoint first:
    output:
        "first.txt",
    shell:
        "sleep 2; echo 1 > {output} # V1"


rule y:
    input:
        lambda _: ["t.txt", checkpoints.first.get().output[0]],
    output:
        "y.txt",
    shell:
        "echo y >> log; sleep 2; cat {input} > {output} # V1"


checkpoint second:
    input:
        "y.txt",
    output:
        "second.txt",
    shell:
        "cat {input} > {output} # V1"


rule z:
    input:
        lambda _: checkpoints.second.get().output[0],
    output:
        "z.txt",
    shell:
        "cat {input} > {output}"
"""


@pytest.mark.parametrize("first", ["1", "2"], ids=["the same again", "another"])
def test_what_waits_for_a_checkpoint(workflow: Callable[..., Study], first: str) -> None:
    """Its temp() input stays until then, and goes after; what runs already is not started again."""
    study = workflow(CHECKPOINTS)
    study.snakemake()
    (study.path / "log").unlink()
    study.edit("Snakefile", lambda text: text.replace("V1", "V2").replace("2; echo 1", f"2; echo {first}"))
    made = {"t.txt", "first.txt", "y.txt", "second.txt"}
    assert study.snakemake().jobs == made | ({"z.txt"} if first == "2" else set())
    assert (study.path / "log").read_text() == "y\n"
    assert not (study.path / "t.txt").exists()
    assert study.snakemake().jobs == set()


def test_the_lock_of_a_snakemake_without_this_holds(workflow: Callable[..., Study]) -> None:
    study = workflow(CHAIN, plain__smk=CHAIN.replace("echo 1", "touch started; sleep 600; echo 1"))
    env = study.in_real_processes().env
    plain = ["snakemake", "--snakefile", "plain.smk", "--cores", "1"]
    with subprocess.Popen(plain, cwd=study.path, env=env, stderr=subprocess.DEVNULL, start_new_session=True) as it:
        try:
            while not (study.path / "started").exists():
                time.sleep(0.1)
            locks = sorted((study.path / ".snakemake/locks").iterdir())
            assert locks
            study.snakemake("--dry-run")
            assert sorted((study.path / ".snakemake/locks").iterdir()) == locks
            assert "cannot be locked" in study.fails("snakemake", "--cores", "1")
            assert not (study.path / "results/a.txt").exists()
        finally:
            os.killpg(it.pid, signal.SIGKILL)


def test_a_dry_run_ends_with_its_reader(workflow: Callable[..., Study]) -> None:
    """Once this has its say: the first twenty lines are Snakemake's alone."""
    study = workflow(CHAIN).in_real_processes()
    for streams in ("2>&1", ""):
        said = study.run("sh", "-c", f"snakemake --cores 1 --dry-run --forceall {streams} | head -24").output
        assert "BrokenPipe" not in said and "Traceback" not in said


TEMPORARY = """
configfile: "config.yaml"


rule all:
    input:
        "a.txt",
        "b.txt",


rule split:
    output:
        temp(directory("parts")),
    shell:
        "mkdir -p {output}; echo {config[n]} > {output}/1.x"


rule join:
    input:
        "parts",
    output:
        temp("joined.txt"),
    shell:
        "cat $(find {input} -name '*.x' | sort -V) > {output}"


rule a:
    input:
        "joined.txt",
    output:
        "a.txt",
    shell:
        "cat {input} > {output}"


rule b:
    input:
        "parts",
    output:
        "b.txt",
    shell:
        "cat {input}/* > {output}"
"""


def test_what_is_deleted_after_use(workflow: Callable[..., Study]) -> None:
    """A run of part of the targets renews it for these alone; the others are made again when they are asked for."""
    study = workflow(TEMPORARY, config__yaml="n: 1")
    study.snakemake()
    assert study.snakemake().jobs == set()
    study.edit("config.yaml", lambda _: "n: 2")
    assert study.snakemake("a.txt").jobs == {"parts", "joined.txt", "a.txt"}
    assert study.snakemake("a.txt").jobs == set()
    assert "b\n    input changed since the last run: parts\n" in study.snakemake("--dry-run").output
    assert study.snakemake().jobs == {"parts", "b.txt"}
    assert study.snakemake().jobs == set()
    # Made anew with the same content, for nobody: it goes at once.
    study.edit("Snakefile", lambda text: text.replace("mkdir -p", "mkdir"))
    assert study.snakemake().jobs == {"parts"}
    assert not (study.path / "parts").exists()
    assert study.snakemake().jobs == set()
    # `--touch` takes what is gone for what it was.
    study.edit("config.yaml", lambda _: "n: 3")
    study.snakemake("--touch")
    assert study.snakemake().jobs == set()


def test_what_is_gone_is_not_removed_once_more(workflow: Callable[..., Study]) -> None:
    """Nor is it said to be, where a `temp()` file need not be made: what it is made of is the same."""
    chain = CHAIN.replace('        "results/b.txt",\n\n\nrule a', '        "c.txt",\n\n\nrule a').replace(
        '    output:\n        "results/b.txt"', '    output:\n        temp("results/b.txt")'
    )
    study = workflow(
        f'{chain}\n\nrule c:\n    input: "{B}"\n    output: "c.txt"\n    shell: "cp {{input}} {{output}}"\n'
    )
    assert f"Removing temporary output {B}" in study.snakemake().output
    study.edit("Snakefile", lambda text: text.replace("echo 1", "echo  1"))
    ran = study.snakemake()
    assert ran.jobs == {A}
    assert "Removing temporary output" not in ran.output


def test_a_dry_run_tells_what_runs_anyway_from_what_may_follow(workflow: Callable[..., Study]) -> None:
    """A job after one that runs has reasons of its own, too, or none: then it waits for what comes out."""
    taking = CHAIN.replace(
        '        "results/a.txt",\n    output:', '        "results/a.txt",\n        "in.txt",\n    output:'
    )
    study = workflow(taking, **{"in.txt": "1"})
    study.snakemake()
    study.edit("Snakefile", lambda text: text.replace("echo 1", "echo  1"))
    follows = "What follows, where its input turns out to have new content:\n    b\n"
    own = {
        "the rule's command in the Snakefile changed": ("Snakefile", "; echo", ";  echo"),
        "parameter value: 1 -> 2": ("Snakefile", "value=1", "value=2"),
        "it takes other files than when it ran": ("Snakefile", '"in.txt",', '"Snakefile",'),
        "input changed since the last run: in.txt": ("in.txt", "1", "2"),
        f"its output is not as it was made: {B}": (B, "1", "3"),
    }
    for reason, (name, old, new) in own.items():
        assert follows in study.snakemake("--dry-run").output
        text = (study.path / name).read_text()
        (study.path / name).write_text(text.replace(old, new))
        said = study.snakemake("--dry-run").output
        assert f"b\n    {reason}\n" in said
        assert follows not in said
        (study.path / name).write_text(text)
    (study.path / B).unlink()
    assert "b\n    its output is not there\n" in study.snakemake("--dry-run").output


UNUSUAL = """
rule all:
    input:
        "results/read.txt",
        "results/folder",


rule write:
    output:
        pipe("results/pipe"),
    shell:
        "echo 1 > {output}"


rule read:
    input:
        "results/pipe",
    output:
        "results/read.txt",
    shell:
        "cat {input} > {output}"


rule folder:
    output:
        directory("results/folder"),
    shell:
        "mkdir -p {output}/empty && cd {output} && mkfifo queue && ln -s nowhere dangling && ln -s . here && touch file"
"""


def test_pipes_and_links(workflow: Callable[..., Study]) -> None:
    """As output, and in a directory that is one: nothing waits for them, and a link that leads elsewhere is noticed."""
    study = workflow(UNUSUAL)
    study.run("timeout", "120", "snakemake", "--cores", "2")
    assert study.snakemake().jobs == set()
    link = study.path / "results/folder/dangling"
    link.unlink()
    link.symlink_to("elsewhere")
    assert study.snakemake().jobs == {"results/folder"}


@pytest.mark.parametrize("folder", [".snakemake", ".snakemake/metadata"])
def test_records_that_cannot_be_written(
    workflow: Callable[..., Study], ordinary: Callable[..., list[str]], folder: str
) -> None:
    study = workflow(CHAIN).in_real_processes()
    study.snakemake()
    before = study.contents()
    study.path.joinpath(folder).chmod(0o555)
    done = subprocess.run(
        ordinary("snakemake", "--cores", "1", "--force", B),
        cwd=study.path,
        env=study.env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    study.path.joinpath(folder).chmod(0o755)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    assert re.search(rf"^error: [^\n]*{folder}[^\n]*cannot be written[^\n]*$", done.stdout.splitlines()[-1])
    assert study.contents() == before


# Run times


def run_time(study: Study, output: str) -> float:
    """Return a step's seconds, as `snakemake --report` shows them."""
    report = f"{output}.report.html"
    study.run("snakemake", "--report", report)
    page = (study.path / report).read_text(encoding="utf-8")
    (values,) = re.findall(r'"Runtimes of jobs\.", "data": \{"values": (\[.*?\])', page)
    times: dict[str, float] = {job["rule"]: job["runtime"] for job in json.loads(values)}
    return times["a"]


def test_a_result_from_the_cache_has_the_time_that_it_took(workflow: Callable[..., Study]) -> None:
    """Also after `--touch`, which renews the files' times; an entry that does not tell its time is none."""
    study = workflow(
        CHAIN.replace('"echo 1', '"sleep 3; echo 1').replace("    shell:", '    cache: "omit-software"\n    shell:', 1)
    )
    study.cells.mkdir()
    run = ("snakemake", "--cores", "1", "--cache", "a")
    study.run(*run)
    took = run_time(study, A)
    assert took >= 3
    for folder in ("results", ".snakemake"):
        shutil.rmtree(study.path / folder)
    assert "from cache" in study.run(*run).output
    cached = run_time(study, A)
    assert cached >= 3
    study.run("snakemake", "--cores", "1", "--touch", "--forceall")
    assert run_time(study, A) == pytest.approx(cached, abs=1e-3)
    (noted,) = study.cells.glob("*.sha256")
    noted.write_text(noted.read_text().split()[0])
    (study.path / A).unlink()
    assert "from cache" not in study.run(*run).output
    assert run_time(study, A) >= 3


# Linked caches


@pytest.mark.parametrize(("link", "user"), [("symlink", "as it is"), ("hardlink", "ordinary")])
def test_no_object_of_a_linked_cache_changes(
    second: Study, ordinary: Callable[..., list[str]], tmp_path: Path, link: str, user: str
) -> None:
    study = Study(tmp_path / "clone", tmp_path / "cells")
    study.env |= {key: second.env[key] for key in ("PATH", "DVC_SITE_CACHE_DIR")}
    study.env.pop("PYTHONPATH", None)
    shutil.copytree(second.path, study.path)
    study.dvc("config", "--local", "cache.type", link)
    study.dvc("checkout", "--relink")
    plot = study.path / "results/plot.txt"
    assert plot.is_symlink() if link == "symlink" else plot.stat().st_nlink > 1
    before = {path: path.read_bytes() for path in (study.path / ".dvc/cache").rglob("*") if path.is_file()}
    assert len(before) > 10
    study.edit("config/config.yaml", lambda text: text.replace("size: 2", "size: 3"))
    command = ["snakemake", "--cores", "2"]
    ran = study.run(*(ordinary(*command) if user == "ordinary" else command))
    assert {"results/parts", "results/plot.txt"} < ran.jobs
    assert {path: path.read_bytes() for path in before} == before


# Signals


LONG = """
rule all:
    input:
        "results/shell.txt",
        "results/run.txt",
        "results/emptied.txt",


rule emptied:
    output:
        "results/emptied.txt",
    shell:
        "echo half > {output}; [ ! -e emptied ] || env -i FAULTS=$FAULTS sleep 600; echo whole > {output}"


rule shell:
    output:
        "results/shell.txt",
    shell:
        "echo half > {output}; if [ -e wait ]; then sleep 600; fi; echo whole > {output}"


rule run:
    output:
        "results/run.txt",
    run:
        import os, time

        with open(output[0], "w") as file:
            file.write("half")
        if os.path.exists("wait"):
            time.sleep(600)
        with open(output[0], "w") as file:
            file.write("whole")
"""
SIGNALS = [
    (signal.SIGTERM, os.kill),
    (signal.SIGINT, os.kill),
    (signal.SIGKILL, os.kill),
]
GRACE = 60.0  # seconds on a busy machine; the jobs would take 600


@pytest.mark.parametrize(("number", "send"), SIGNALS)
def test_a_signal_ends_long_jobs(
    workflow: Callable[..., Study], number: signal.Signals, send: Callable[[int, int], None]
) -> None:
    """Also those that run in an emptied environment, unless Snakemake is killed."""
    study = workflow(LONG, wait="", **({} if number == signal.SIGKILL else {"emptied": ""}))
    outputs = [study.path / "results" / name for name in ("shell.txt", "run.txt", "emptied.txt")]
    with subprocess.Popen(
        ["snakemake", "--cores", "3"],
        cwd=study.path,
        env=study.in_real_processes().env | {"FAULTS": str(study.path)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        while not all(path.exists() and path.read_text() for path in outputs):
            assert process.poll() is None
            time.sleep(0.05)
        send(process.pid, number)
        said = process.communicate(timeout=GRACE)[0]
    deadline = time.monotonic() + GRACE
    while left(study):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert process.returncode not in (0, -signal.SIGTERM, -signal.SIGINT)
    assert "Traceback" not in said
    for name in ("wait", "emptied"):
        (study.path / name).unlink(missing_ok=True)
    made = {"results/shell.txt", "results/run.txt", "results/emptied.txt"}
    assert made - study.snakemake().jobs <= ({"results/emptied.txt"} if number == signal.SIGKILL else set())
    assert [path.read_text().strip() for path in outputs] == ["whole"] * 3


HOOK = """
onsuccess:
    import os, time
    open("begun", "w").close()
    while not os.path.exists("sent"):
        time.sleep(0.1)
    open("ended", "w").close()
"""


def test_a_signal_after_the_last_job_lets_hooks_end(workflow: Callable[..., Study]) -> None:
    study = workflow(HOOK + CHAIN)
    with subprocess.Popen(["snakemake", "--cores", "1"], cwd=study.path, env=study.in_real_processes().env) as process:
        while not (study.path / "begun").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        (study.path / "sent").touch()
    assert process.returncode == 0
    assert (study.path / "ended").exists()


def left(study: Study) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter()
        if environment(process).get("FAULTS") == str(study.path) and alive(process)
    ]
