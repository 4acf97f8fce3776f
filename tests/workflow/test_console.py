"""What a user of a tiny study reads on the console: progress, warnings with their commands, and what needs Git."""

import re
import shutil

import pytest
from studies import ROOT, Study

CELL = "results/grid/siamese/batch_size~20/learning_rate~0.01/epochs~2/rounds.csv"
LINES = 60


@pytest.fixture
def study(study: Study) -> Study:
    """A clone whose console is that of a user."""
    study.env["DIGITPAIRS_CONSOLE"] = ""
    return study


def test_an_experiment_prints_little_and_its_log_all(study: Study) -> None:
    output = study.run("dvc", "exp", "run", "--name", "half", "--set-param", "train.auxiliary_weight=0.5").output
    assert len(output.splitlines()) < LINES, output
    assert "parameter options.auxiliary_weight: 1.0 -> 0.5" in output
    assert re.search(r"^Done: \d+ steps in ", output, re.M)
    (log,) = (study.path / ".snakemake/log").glob("*.snakemake.log")
    assert len(log.read_text(encoding="utf-8").splitlines()) > LINES


def test_steps_that_turned_out_not_to_be_needed(study: Study) -> None:
    """A cell that is made again with the same content stops the chain, and the run does not look half done."""
    (study.path / CELL).unlink()
    output = study.snakemake().output
    assert re.search(
        r"^Done: 1 step in [\w ]+, \d+ of \d+ were not needed: their input turned out to be as before$", output, re.M
    )
    assert "steps (" not in output  # Snakemake's "2 of 5 steps (40%) done"


def test_a_step_that_fails(study: Study) -> None:
    study.edit("scripts/plot.py", lambda text: f"raise SystemExit(3)\n{text}")
    figure = "reports/figures/figure_1.svg"
    output = study.fails("snakemake", "--cores", "2", figure)
    assert re.search(r"^Failed: 1 step; 0 of 1 done in [\w ]+\. The next call goes on from there\.$", output, re.M)
    assert "not needed" not in output


def test_a_table_that_was_pulled_and_cannot_be_computed_here(study: Study) -> None:
    section = {"folder": "nowhere", "rounds": 1, "n_validation": 60, "n_test": 100, "epochs": {100: 1}}
    study.set("more_data", section | {"configurations": {"siamese": "siamese"}})
    missing = "the full MNIST is not in nowhere\n"  # which `make mnist` would not fill
    assert f"more_data: not computed: {missing}" in study.snakemake("--dry-run").output
    (study.path / "results/more_data.csv").touch()
    assert f"more_data: its table stays as it is: {missing}" in study.snakemake("--dry-run").output


def test_files_of_a_model_that_was_removed(study: Study) -> None:
    """One warning names them and the command that removes them; after it, nothing of the model is left."""
    grid = study.params()["grid"]
    del grid["siamese_aux"]
    study.set("grid", grid)
    output = study.snakemake().output
    (command,) = re.findall(r"files of models that params\.yaml does not name; to remove them: (.*)", output)
    assert "results/final/fixed/siamese_aux" in command and "reports/figures/grid_siamese_aux.png" in command
    study.run("sh", "-c", command)
    again = study.snakemake().output
    assert "to remove them" not in again and "Nothing to be done" in again
    assert [path for path in study.path.glob("re*/**/*siamese_aux*") if ".dvc" not in path.parts] == []


def test_a_download_without_git(study: Study) -> None:
    """`make report` pulls and reports; what needs Git says so in one line, in somebody's repository, too."""
    folder = study.path.parent / "somebody's/download"
    study.git("init", "--quiet", str(folder.parent))
    study.git("archive", "--format=zip", f"--output={folder}.zip", "HEAD")
    shutil.unpack_archive(f"{folder}.zip", folder)
    download = Study(folder, study.cells, study.served)
    make = ("make", "--no-print-directory", "--old-file", "setup")
    assert download.run(*make, "report").jobs == set()
    assert download.contents() == study.contents()
    for target in ("reproduce", "experiments", "remote-gc"):
        said = download.run("sh", "-c", f"{' '.join(make)} {target} 2>&1 || true").output.splitlines()
        assert said[0] == "error: this needs Git's history: clone the repository"
        assert [line for line in said[1:] if not line.startswith("make: ***")] == []
    download.git("init", "--quiet")  # a repository after all
    download.run(*make, "without-git")
    assert download.dvc("config", "--local", "--list").output == ""


def test_readmes_lines_for_a_trained_network(study: Study) -> None:
    """Word by word, in a fresh clone, with nothing but the environment active."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^    (.*load_model.*)$", readme, re.M)
    assert study.run("sh", "-c", line, PYTHONPATH="").output.startswith("Net(")
