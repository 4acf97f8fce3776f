# Beyond the paper: more training pairs, from the full MNIST.


# Neither versioned nor pushed: they hold most of MNIST. MNIST's content is known, so where it lies changes nothing.
rule more_pairs:
    output:
        temp(MORE_PAIRS),
    log:
        "logs/more_pairs/n_train~{n_train}.log",
    localrule: True
    params:
        arguments=lambda wildcards: arguments(
            source="mnist",
            n_train=wildcards.n_train,
            n_validation=study.more_data.n_validation,
            n_test=study.more_data.n_test,
            seed=study.seed,
        ),
        code=code("make_pairs.py"),
    shell:
        step('make_pairs.py {params.arguments} --folder="$MNIST" --output {output:q}')


rule larger_cell:
    input:
        pairs=larger_pairs,
    output:
        LARGER_CELL,
    log:
        "logs/more_data/{model}/n_train~{n_train}.log",
    cache: "omit-software"
    resources:
        gpu=GPUS,
        mem_mb=lambda wildcards, attempt: attempt * megabytes(larger_n_pairs(wildcards)),
        runtime=lambda wildcards, attempt: (
            attempt
            * minutes(
                **larger_configuration(wildcards, plan.longest) | {"n_train": int(wildcards.n_train)},
                rounds=study.more_data.rounds,
            )
        ),
    params:
        arguments=larger_training,
        run=lambda wildcards: identity(larger_training(wildcards), training_code(wildcards)),
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
