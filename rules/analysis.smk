# Analysis of the rounds: intervals and tests, the paper's claims, headline numbers, mistakes.

ABLATIONS = ["results/ablations.csv"] if study.ablations else []
MORE_DATA = ["results/more_data.csv"] if plan.shows_more_data else []
FRESH_ROUNDS = [plan.further["fresh"]] if study.fresh else []
# If the data are the paper's, the value that an ablation is compared with, and what the networks are made with.
SOURCE_AND_TRAIN = arguments(source=study.data.source, train=study.train.model_dump_json(exclude={"device"}))


rule statistics:
    input:
        final=TABLES["final"],
        grid=TABLES["grid"],
        selection=TABLES["selection"],
        ablations=ABLATIONS,
        more_data=MORE_DATA,
        further=list(plan.further.values()),
    output:
        listed(TABLES["statistics"], "table"),
    log:
        "logs/statistics.log",
    localrule: True
    params:
        arguments=SOURCE_AND_TRAIN,
        further=arguments(further=json.dumps(plan.further)),
        code=code("compute_statistics.py"),
    shell:
        step(
            "compute_statistics.py --final {input.final:q} --grid {input.grid:q} --selection {input.selection:q}"
            " --ablations {input.ablations:q} --more-data {input.more_data:q} {params.further} {params.arguments}"
            " --output {output:q}"
        )


rule claims:
    input:
        final=TABLES["final"],
        curves=TABLES["curves"],
        grid=TABLES["grid"],
        selection=TABLES["selection"],
        statistics=TABLES["statistics"],
        ablations=ABLATIONS,
        fresh=FRESH_ROUNDS,
    output:
        claims=listed("results/claims.json", "table"),
        findings=listed("results/findings.json", "table", title="Findings", captions="findings"),
    log:
        "logs/claims.log",
    localrule: True
    params:
        arguments=SOURCE_AND_TRAIN,
        test_pairs=arguments(test_pairs=study.data.n_test),
        code=code("judge_claims.py", *MODEL_FILES),
    shell:
        step(
            "judge_claims.py --final {input.final:q} --curves {input.curves:q} --grid {input.grid:q}"
            " --selection {input.selection:q} --statistics {input.statistics:q} --ablations {input.ablations:q}"
            " --fresh {input.fresh:q} {params.arguments} {params.test_pairs} --claims {output.claims:q} --findings {output.findings:q}"
        )


rule mistakes:
    input:
        weights=plan.final("rounds.safetensors", ["fixed"]),
        pairs=plan.datasets[0],
    output:
        listed("results/mistakes.csv", "table"),
    log:
        "logs/mistakes.log",
    localrule: True
    params:
        code=code("find_mistakes.py", *MODEL_FILES),
    shell:
        step("find_mistakes.py {input.weights:q} --pairs {input.pairs:q} --output {output:q}")


rule metrics:
    input:
        rules.claims.output.findings,
    output:
        listed("reports/metrics.json", "table"),
    log:
        "logs/metrics.log",
    localrule: True
    params:
        code=code("collect_metrics.py"),
    shell:
        step("collect_metrics.py --findings {input:q} --output {output:q}")
