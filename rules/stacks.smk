# The cells of the grid on a GPU: all of a model and batch size are trained as one stack, whose table each takes its rounds
# from. A new value trains what it adds: the stack's step finds the states of what it has trained before.


rule stack:
    input:
        pairs=plan.datasets[0],
    output:
        STACK,
    log:
        "logs/grid/{model}/batch_size~{batch_size}.log",
    cache: "omit-software"
    priority: lambda wildcards: -int(wildcards.batch_size)  # the longest first
    resources:
        gpu=GPUS,
        mem_mb=memory(plan.n_pairs),
        runtime=lambda _, attempt: attempt * 30,
    params:
        arguments=lambda wildcards: f"{runs.cell(**wildcards)} {runs.stack(**wildcards)}",
        run=identified(lambda wildcards: runs.cell(**wildcards)),
        code=training_code,
    shell:
        train("grid")


# Not `cell`: profiles/slurm makes groups of that rule's jobs, and jobs of a group are submitted, local or not.
rule take_cell:
    input:
        STACK,
    output:
        CELL_ROUNDS,
    log:
        f"logs/grid/{CELL}.log",
    localrule: True
    params:
        arguments=lambda wildcards: arguments(learning_rate=wildcards.learning_rate, epochs=wildcards.epochs),
        code=code("take_cell.py"),
    shell:
        step("take_cell.py --stack {input:q} {params.arguments} --output {output:q}")
