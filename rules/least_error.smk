# Beyond the paper: the least error of one network, by a recipe, and without each part of the recipe.


rule recipe:
    input:
        pairs=lambda wildcards: NEW_PAIRS.format(first=1, last=plan.recipe_rounds(wildcards.left_out)),
    output:
        LEAST_ERROR,
    log:
        "logs/least_error/left_out~{left_out}.log",
    cache: "omit-software"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * megabytes(plan.n_pairs * plan.recipe_rounds(wildcards.left_out)),
        runtime=lambda wildcards, attempt: (
            attempt
            * minutes(
                study.least_error.epochs,
                study.least_error.batch_size,
                study.data.n_train,
                plan.recipe_rounds(wildcards.left_out),
            )
        ),
    params:
        arguments=lambda wildcards: arguments(recipe=plan.recipe(wildcards.left_out)),
        code=code("train_recipe.py"),
    shell:
        step(f"train_recipe.py {{params.arguments}} --pairs {IN_FOLDER} --output {{output:q}}")


rule least_error:
    input:
        files(plan.least_error),
    output:
        listed(FURTHER["least_error"], "table"),
    log:
        "logs/least_error.log",
    localrule: True
    params:
        arguments=arguments(tables=json.dumps(plan.least_error)),
        code=code("collect_rounds.py"),
    shell:
        step("collect_rounds.py {params.arguments} --output {output:q}")
