# Beyond the paper: data sets x initialisations x orders of the pairs, crossed: where does the variance come from?


rule crossed:
    input:
        pairs=once_chosen(runs.crossed_pairs),
    output:
        CROSSED,
    log:
        "logs/variance/{model}/dataset~{dataset}.log",
    cache: "omit-software"
    priority: longest_first
    resources:
        gpu=GPUS,
        mem_mb=memory(plan.n_pairs),
        runtime=lambda wildcards, attempt: attempt * runs.crossed_minutes(**wildcards),
    params:
        arguments=of_chosen(runs.crossed),
        run=identified(of_chosen(runs.crossed)),
        code=training_code,
    shell:
        train("final", IN_FOLDER)


rule variance:
    input:
        files(plan.variance),
    output:
        listed(FURTHER["variance"], "table"),
    log:
        "logs/variance.log",
    localrule: True
    params:
        arguments=arguments(tables=json.dumps(plan.variance), initialisations=study.variance.initialisations),
        code=code("collect_crossed.py"),
    shell:
        step("collect_crossed.py {params.arguments} --output {output:q}")
