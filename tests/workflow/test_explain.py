"""What `make explain` says, on real dry runs."""

from studies import Study


def explanation(study: Study) -> str:
    """Return what a dry run says at its end."""
    output = study.run("snakemake", "--dry-run", "--quiet", "rules").output
    return output.partition("Why these steps would run:\n")[2].partition("\n\n")[0]


def test_which_value_changed_and_in_which_step(study: Study) -> None:
    study.set("train.auxiliary_weight", 0.5)
    study.edit("src/digitpairs/models/siamese.py", lambda text: text.replace("90", "80"))
    study.edit("src/digitpairs/reporting/figures/grid.py", lambda text: f"{text}\n\nEDITED = 1\n")
    (study.path / "data/pairs/seed~4.npz").unlink()
    said = explanation(study)
    assert "pairs: seed 4\n    its output is not there\n" in said
    assert "    parameter options.auxiliary_weight: 1.0 -> 0.5\n" in said.partition("cell: model siamese_aux;")[2]
    assert said.count("    code digitpairs.models.siamese: ") == 5  # two cells, a figure, the claims and the mistakes
    heat_maps = "figure (3 jobs): figure grid_baseline, grid_siamese, grid_siamese_aux\n"
    assert f"{heat_maps}    code digitpairs.reporting.figures.grid: " in said
    assert "baseline;" not in said
    following = "grid, select, final (3 jobs), final_on_new_pairs (3 jobs), final_rounds, learning_curves, metrics"
    assert said.splitlines()[-1] == f"    {following}, figure (4 jobs), report"


def test_nested_values_and_other_files(study: Study) -> None:
    study.set("grid.siamese.learning_rate", [0.01, 0.02])
    said = explanation(study)
    assert "cell: model siamese; batch size 20; learning rate 0.02; epochs 2\n    its output is not there\n" in said
    assert "    parameter grid.siamese.learning_rate: [0.01] -> [0.01, 0.02]\n" in said


def test_a_clone_without_results_can_be_dry_run(unpulled: Study) -> None:
    assert "pairs (3 jobs): seed 2, 3, 4\n    its output is not there\n" in explanation(unpulled)
