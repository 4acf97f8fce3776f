# Final rounds of the chosen configurations: `fixed` shares one dataset, as the paper's do, `resampled` draws new pairs for
# each round. Where the paper's rule, by test error, chooses another configuration, `resampled_by_test` has its rounds.


rule final:
    input:
        pairs=once_chosen(runs.final_pairs),
    output:
        multiext(FINAL, *FINAL_FILES),
    log:
        "logs/final/{protocol}/{model}.log",
    wildcard_constraints:
        protocol="fixed",
    cache: "omit-software"
    priority: longest_first
    resources:
        gpu=GPUS,
        mem_mb=memory(plan.n_pairs * study.final.rounds),
        runtime=time_limit(study.final.rounds),
    params:
        arguments=final_training,
        run=identified(final_training),
        code=training_code,
    shell:
        train("final")


# Learning curves are those of one dataset.
use rule final as final_on_new_pairs with:
    output:
        multiext(FINAL, *(file for file in FINAL_FILES if file != "curves.csv")),
    wildcard_constraints:
        protocol=f"resampled|{BY_TEST}",
    cache: "omit-software"


rule final_rounds:
    input:
        lambda _: files(final_tables()),
    output:
        listed(TABLES["final"], "table"),
    log:
        "logs/final.log",
    localrule: True
    params:
        arguments=lambda _: arguments(tables=json.dumps(final_tables())),
        code=code("collect_rounds.py"),
    shell:
        step("collect_rounds.py {params.arguments} --output {output:q}")


rule learning_curves:
    input:
        files(plan.curves()),
    output:
        listed(TABLES["curves"], "table"),
    log:
        "logs/curves.log",
    localrule: True
    params:
        arguments=arguments(tables=json.dumps(plan.curves())),
        code=code("collect_rounds.py"),
    shell:
        step("collect_rounds.py {params.arguments} --output {output:q}")
