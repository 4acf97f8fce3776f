# Beyond the paper: one value of `train` changed at a time, all else as chosen.


rule ablation:
    input:
        pairs=ablation_pairs,
    output:
        ABLATION,
    log:
        "logs/ablations/{parameter}~{value}/{model}.log",
    cache: "omit-software"
    priority: longest_first
    resources:
        gpu=GPUS,
        mem_mb=lambda _, attempt: attempt * megabytes(plan.n_pairs * study.ablations.rounds),
        runtime=lambda wildcards, attempt: (
            attempt * minutes(**plan.longest(wildcards.model), rounds=study.ablations.rounds)
        ),
    params:
        arguments=ablation_training,
        run=lambda wildcards: identity(ablation_training(wildcards), training_code(wildcards)),
        code=training_code,
    shell:
        train("final")


rule ablations:
    input:
        files(plan.ablations),
    output:
        listed("results/ablations.csv", "table"),
    log:
        "logs/ablations.log",
    localrule: True
    params:
        arguments=arguments(tables=json.dumps(plan.ablations), rounds=study.ablations.rounds),
        code=code("collect_rounds.py"),
    shell:
        step("collect_rounds.py {params.arguments} --output {output:q}")
