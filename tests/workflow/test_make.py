"""The make targets around reruns, experiments and the remote."""

from pathlib import Path

from studies import Study


def make(study: Study, target: str) -> str:
    """Run a target with the environment that runs the tests."""
    # Inside `make test`, make would also print which folder it enters.
    return study.run("make", "--no-print-directory", "--old-file", "setup", target).output


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_explain(study: Study) -> None:
    assert make(study, "explain") == "Nothing to be done (all requested files are present and up to date).\n"
    study.set("final.rounds", 3)
    said = make(study, "explain")
    assert said.startswith("Why these steps would run:\npairs: seed 5\n    its output is not there\n")
    assert "    parameter rounds: 2 -> 3\n" in said


def test_explain_passes_mistakes_on(study: Study) -> None:
    study.set("final.rounds", 0)
    done = study.run("sh", "-c", "make --no-print-directory --old-file setup explain || echo failed").output
    assert "final.rounds = 0" in done
    assert done.endswith("failed\n")


def test_what_no_record_fits(study: Study) -> None:
    study.edit("results/final.csv", lambda text: f"{text}\n")
    assert "    its output is not as it was made: results/final.csv\n" in make(study, "explain")


def test_remote_gc_leaves_what_head_needs_and_the_local_cache(study: Study) -> None:
    needed, local = files(study.path / "remote"), study.path / ".dvc/cache"
    study.edit("results/grid.csv", lambda text: f"{text}\n")
    study.dvc("commit", "--force")
    study.dvc("push")
    cached = files(local)
    pushed = files(study.path / "remote")
    assert pushed > needed
    refused = study.run("sh", "-c", "make --old-file setup remote-gc || echo refused").output
    assert "dvc.lock has changes that are not committed" in refused
    assert refused.endswith("refused\n")
    assert files(study.path / "remote") == pushed
    study.git("checkout", "--quiet", ".")
    (study.path / "remote/files/md5/00").mkdir(exist_ok=True)
    (study.path / "remote/files/md5/00/.half-a-copy.tmp").touch()  # as a push leaves it that is killed
    assert study.git("status", "--porcelain", "remote/files/md5/00") == ""
    make(study, "remote-gc")
    assert files(study.path / "remote") == needed
    assert files(local) == cached


def test_experiments(study: Study) -> None:
    study.set("train.auxiliary_weight", 0.5)
    study.dvc("exp", "save", "--force", "--name", "half")
    table = make(study, "experiments").splitlines()
    assert max(map(len, table)) <= 100
    assert table[1].split() == ["baseline", "siamese", "siamese_aux", "train.auxiliary_weight"]
    assert {line.split()[-1] for line in table if line.startswith(("half", "main"))} == {"0.5", "1.0"}
