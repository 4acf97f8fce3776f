# Beyond the paper: one value of `train` changed at a time, all else as chosen.


rule ablation:
    input:
        pairs=once_chosen(runs.ablation_pairs),
    output:
        ABLATION,
    log:
        "logs/ablations/{parameter}~{value}/{model}.log",
    cache: "omit-software"
    priority: longest_first
    resources:
        gpu=GPUS,
        mem_mb=memory(plan.n_pairs * study.ablations.rounds),
        runtime=time_limit(study.ablations.rounds),
    params:
        arguments=of_chosen(runs.ablation),
        run=identified(of_chosen(runs.ablation)),
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
