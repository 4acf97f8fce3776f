"""What `make explain` says, on real dry runs."""

import json
import shlex

from snakemake.jobs import Reason
from snakemake.persistence import ParamsChange
from studies import Study

from exactrun.explain import explain


def explanation(study: Study) -> str:
    """Return what a dry run says at its end."""
    output = study.run("snakemake", "--dry-run", "--quiet", "rules").output
    return output.partition("Why these steps would run:\n")[2].partition("\n\n")[0]


def test_which_value_changed_and_in_which_step(study: Study) -> None:
    study.set("train.auxiliary_weight", 0.5)
    study.edit("src/digitpairs/models/siamese.py", lambda text: text.replace("90", "80"))
    study.edit("src/digitpairs/reporting/figures.py", lambda text: f"{text}\n\nEDITED = 1\n")
    (study.path / "data/pairs/seed~4.npz").unlink()
    said = explanation(study)
    assert "pairs: seed 4\n    its output is not there\n" in said
    assert "    parameter auxiliary_weight: 1.0 -> 0.5\n" in said.partition("cell: model siamese_aux;")[2]
    assert said.count("    code digitpairs.models.siamese: ") == 4  # two cells, a figure and the mistakes
    assert "heat_maps (3 jobs): model baseline, siamese, siamese_aux\n    code digitpairs.figures: " in said
    assert "baseline;" not in said
    assert said.splitlines()[-1] == "    grid, select, final (6 jobs), examine, metrics, report"


def test_nested_values_and_other_files(study: Study) -> None:
    study.set("grid.siamese.learning_rate", [0.01, 0.02])
    said = explanation(study)
    assert "cell: model siamese; batch size 20; learning rate 0.02; epochs 2\n    its output is not there\n" in said
    assert "    parameter grid.siamese.learning_rate: [0.01] -> [0.01, 0.02]\n" in said


def test_a_table_of_files_is_counted() -> None:
    reason = Reason()
    old, new = ([[f"{name}.csv", {"value": 1}] for name in names] for names in ("ab", "bcd"))
    reason.params_changed = ParamsChange(
        *({repr(shlex.join([f"--tables={json.dumps(table)}"]))} for table in (old, new))
    )
    assert explain([("ablations", {}, reason)]).endswith("    parameter tables: 2 rows more, 1 rows less")


def test_a_clone_without_results_can_be_dry_run(unpulled: Study) -> None:
    assert "pairs (3 jobs): seed 2, 3, 4\n    its output is not there\n" in explanation(unpulled)
