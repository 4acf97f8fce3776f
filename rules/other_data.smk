# Beyond the paper: disjoint sets of 5,000 digits of the full MNIST. New pairs of one set are no other data.


# Neither versioned nor pushed, as more_pairs.
rule other_pairs:
    output:
        temp(directory(OTHER_PAIRS)),
    log:
        "logs/other_pairs/set~{set}.log",
    localrule: True
    params:
        arguments=lambda wildcards: runs.other_datasets(**wildcards),
        code=code("make_pairs.py"),
    shell:
        step('make_pairs.py {params.arguments} --folder="$MNIST" --output {output:q}')


rule other:
    input:
        pairs=once_chosen(OTHER_PAIRS),
    output:
        OTHER,
    log:
        "logs/other_data/{model}/set~{set}.log",
    cache: "omit-software"
    priority: longest_first
    resources:
        gpu=GPUS,
        mem_mb=memory(plan.n_pairs * study.other_data.rounds),
        runtime=time_limit(study.other_data.rounds),
    params:
        arguments=of_chosen(runs.other),
        run=identified(of_chosen(runs.other)),
        code=training_code,
    shell:
        train("final", IN_FOLDER)


rule other_data:
    input:
        files(plan.other_data),
    output:
        listed(FURTHER["other_data"], "table"),
    log:
        "logs/other_data.log",
    localrule: True
    params:
        arguments=arguments(tables=json.dumps(plan.other_data)),
        code=code("collect_rounds.py"),
    shell:
        step("collect_rounds.py {params.arguments} --output {output:q}")
