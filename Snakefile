# Does weight sharing, and do auxiliary losses, help a small network compare two digits?
#
# The steps, in the order in which data flows. params.yaml says what is computed, src/digitpairs/plan.py and runs.py work it out.
include: "rules/common.smk"  # params.yaml, exact reruns, the environment of the steps
include: "rules/training.smk"  # functions of the training rules
include: "rules/progress.smk"  # progress on the console
include: "rules/data.smk"  # digits -> pairs
include: "rules/grid.smk"  # pairs -> cells of the grid -> the chosen configurations
include: "rules/final.smk"  # -> final rounds


if study.ablations:

    include: "rules/ablations.smk"  # beyond the paper: other values of `train`


if plan.trains_more_data:

    include: "rules/more_data.smk"  # beyond the paper: more training pairs


if study.fresh:

    include: "rules/fresh.smk"  # beyond the paper: rounds after the final ones, which decide


if study.least_error:

    include: "rules/least_error.smk"  # beyond the paper: the least error of one network


if study.variance:

    include: "rules/variance.smk"  # beyond the paper: data sets x initialisations x orders


if study.spikes:

    include: "rules/spikes.smk"  # beyond the paper: loss spikes against values of Adam


if plan.trains_other_data:

    include: "rules/other_data.smk"  # beyond the paper: disjoint sets of digits


include: "rules/analysis.smk"  # rounds -> statistics, claims, metrics, mistakes
include: "rules/reports.smk"  # -> figures, page, article


rule all:
    default_target: True
    input:
        "reports/report.html",
        "reports/report.pdf",
        "reports/tables.html",
        "reports/README.md",
        "reports/metrics.json",
        expand("reports/figures/{figure}.{format}", figure=plan.figures, format=["svg", "png"]),
        # Intermediates are targets, too, so that a deleted one is made again.
        plan.datasets,
        plan.cells,
        plan.final("rounds.csv"),
        files(plan.curves()),
        plan.final("rounds.safetensors", ["fixed"]),
        TABLES.values(),
        files(plan.ablations),
        MORE_DATA,
        plan.further_rounds,
        plan.further.values(),
    localrule: True
