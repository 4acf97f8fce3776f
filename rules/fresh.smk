# Beyond the paper: fresh rounds, after all others, in blocks. More rounds train only the new blocks.


rule fresh_block:
    input:
        pairs=once_chosen(runs.fresh_pairs),
    output:
        FRESH,
    log:
        "logs/fresh/{arm}/{model}/rounds~{first}-{last}.log",
    cache: "omit-software"
    priority: longest_first
    resources:
        gpu=GPUS,
        mem_mb=memory(plan.n_pairs * study.fresh.block),
        runtime=time_limit(study.fresh.block),
    params:
        arguments=lambda wildcards: f"{of_chosen(runs.fresh)(wildcards)} {arguments(pairings=study.fresh.pairings)}",
        # Without the pairings: to count errors on other pairs of test images takes no training.
        run=identified(of_chosen(runs.fresh)),
        code=training_code,
    shell:
        train(pairs=IN_FOLDER)


rule fresh:
    input:
        files(plan.fresh),
    output:
        listed(FURTHER["fresh"], "table"),
    log:
        "logs/fresh.log",
    localrule: True
    params:
        arguments=arguments(tables=json.dumps(plan.fresh)),
        code=code("collect_rounds.py"),
    shell:
        step("collect_rounds.py {params.arguments} --output {output:q}")
