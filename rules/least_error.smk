# Beyond the paper: the least error of one network, by a recipe, and without each part of the recipe.


rule recipe:
    input:
        pairs=lambda wildcards: runs.recipe_pairs(**wildcards),
    output:
        LEAST_ERROR,
    log:
        "logs/least_error/left_out~{left_out}.log",
    cache: "omit-software"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * megabytes(plan.n_pairs * runs.recipe_rounds(**wildcards)),
        runtime=lambda wildcards, attempt: attempt * runs.recipe_minutes(**wildcards),
    params:
        arguments=lambda wildcards: arguments(recipe=runs.recipe(**wildcards)),
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
