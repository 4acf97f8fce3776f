# The cells of the grid on a processor, each trained by a step of its own.


# The cells of one training run are its stages: each continues from the latest state that an earlier one left beside the
# cell cache. A state is no input: with or without it, a cell's numbers are the same, so new epochs rerun no other cell.
rule cell:
    input:
        pairs=plan.datasets[0],
    output:
        CELL_ROUNDS,
    log:
        f"logs/grid/{CELL}.log",
    cache: "omit-software"
    # Fewer epochs first, so that there is a state to continue from.
    priority: lambda wildcards: -int(wildcards.epochs)
    resources:
        mem_mb=memory(plan.n_pairs),
        runtime=lambda wildcards, attempt: (
            attempt * minutes(int(wildcards.epochs), int(wildcards.batch_size), study.data.n_train, study.grid.rounds)
        ),
    params:
        arguments=lambda wildcards: f"{runs.cell(**wildcards)} {arguments(epochs=wildcards.epochs)}",
        run=identified(lambda wildcards: runs.cell(**wildcards)),
        code=training_code,
    shell:
        train("grid")
