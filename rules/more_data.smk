# Beyond the paper: more training pairs, from the full MNIST.


# Neither versioned nor pushed: they hold most of MNIST. MNIST's content is known, so where it lies changes nothing.
rule more_pairs:
    output:
        temp(MORE_PAIRS),
    log:
        "logs/more_pairs/n_train~{n_train}.log",
    localrule: True
    params:
        arguments=lambda wildcards: runs.larger_dataset(**wildcards),
        code=code("make_pairs.py"),
    shell:
        step('make_pairs.py {params.arguments} --folder="$MNIST" --output {output:q}')


rule larger_cell:
    input:
        pairs=once_chosen(MORE_PAIRS),
    output:
        LARGER_CELL,
    log:
        "logs/more_data/{model}/n_train~{n_train}.log",
    cache: "omit-software"
    resources:
        gpu=GPUS,
        mem_mb=memory(runs.larger_n_pairs),
        runtime=lambda wildcards, attempt: attempt * runs.larger_minutes(**wildcards),
    params:
        arguments=larger_training,
        run=identified(larger_training),
        code=training_code,
    shell:
        train("final")


rule more_data:
    input:
        files(plan.more_data),
    output:
        listed("results/more_data.csv", "table"),
    log:
        "logs/more_data.log",
    localrule: True
    params:
        arguments=arguments(tables=json.dumps(plan.more_data)),
        code=code("collect_rounds.py"),
    shell:
        step("collect_rounds.py {params.arguments} --output {output:q}")
