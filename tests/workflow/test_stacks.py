"""The steps of a GPU, with the processor in its place: cells are trained as stacks, and each is a step of its own."""

import shutil

from studies import Study
from test_matrix import CELLS, cell

STACKED = {"DIGITPAIRS_STACKS": "1"}


def stack(model: str) -> str:
    return f"results/grid/{model}/batch_size~20/stack.csv"


def test_cells_of_stacks(study: Study) -> None:
    """They never mix with those of the processor's own step, and a new value trains its model's stack alone."""
    stacks = {stack(model) for model in ("baseline", "siamese", "siamese_aux")}
    ran = study.snakemake(**STACKED)
    assert ran.jobs >= stacks | CELLS
    assert study.snakemake(**STACKED).jobs == set()
    before = {path: (study.path / path).read_bytes() for path in CELLS}
    study.set("grid.baseline.learning_rate", [0.01, 0.1])
    ran = study.snakemake(**STACKED)
    assert ran.jobs & stacks == {stack("baseline")}
    assert {path: (study.path / path).read_bytes() for path in CELLS} == before
    assert (study.path / cell("baseline").replace("0.01", "0.1")).exists()
    shutil.rmtree(study.path / "results/grid")
    ran = study.snakemake(**STACKED)
    assert ran.jobs >= stacks | CELLS
    assert not ran.trained & stacks  # they came from the cell cache
    assert {path: (study.path / path).read_bytes() for path in CELLS} == before
    study.set("grid.baseline.learning_rate", [0.01])
    assert study.snakemake().jobs >= CELLS
    assert study.snakemake().jobs == set()


def test_a_step_on_another_machine_needs_no_gpu(study: Study) -> None:
    """What a cluster starts there for a step does as the first process decided, even where it sees no GPU."""
    study.set("train.device", "cuda")
    output = study.run("snakemake", "--cores", "all", "--mode", "remote", "--dry-run", "results/grid.csv").output
    assert stack("baseline") in output
