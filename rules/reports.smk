# Figures, the page, the article.

FIGURES = expand("reports/figures/{figure}.svg", figure=plan.figures)
TEXTS = json.dumps(texts)


rule figure:
    input:
        lambda wildcards: list(plan.figure_input(wildcards.figure).values()),
    output:
        listed("reports/figures/{figure}.svg", "figure"),
        "reports/figures/{figure}.png",
    log:
        "logs/figures/{figure}.log",
    localrule: True
    params:
        arguments=lambda wildcards: plan.figure_arguments(wildcards.figure),
        caption=lambda wildcards: plan.figures[wildcards.figure].caption,
        code=lambda wildcards: code("plot.py", *map(source, plan.figures[wildcards.figure].code)),
    shell:
        step("plot.py {params.arguments} --output {output:q}")


rule report:
    input:
        final=TABLES["final"],
        curves=TABLES["curves"],
        grid=TABLES["grid"],
        selection=TABLES["selection"],
        statistics=TABLES["statistics"],
        claims="results/claims.json",
        findings="results/findings.json",
        mistakes="results/mistakes.csv",
        pairs=plan.datasets[0],
        ablations=ABLATIONS,
        more_data=MORE_DATA,
        figures=FIGURES,
        tables=[
            *TABLES.values(),
            "results/claims.json",
            "results/mistakes.csv",
            *ABLATIONS,
            *MORE_DATA,
            *plan.further.values(),
            "reports/metrics.json",
        ],
    output:
        markdown="reports/README.md",
        html=listed("reports/report.html", "report", title="Interactive page"),
        tables=listed("reports/tables.html", "table", title="All tables, to read here", captions="table_page"),
    log:
        "logs/report.log",
    localrule: True
    params:
        arguments=arguments(data=json.dumps(study.data.model_dump()), texts=TEXTS, device=device.name),
        code=code("write_report.py"),
    shell:
        step(
            "write_report.py --final {input.final:q} --curves {input.curves:q} --grid {input.grid:q}"
            " --selection {input.selection:q} --statistics {input.statistics:q} --claims {input.claims:q}"
            " --findings {input.findings:q} --mistakes {input.mistakes:q} --pairs {input.pairs:q} --ablations {input.ablations:q}"
            " --more-data {input.more_data:q} --figures {input.figures:q} --records .snakemake/metadata"
            " --tables {input.tables:q} {params.arguments} --markdown {output.markdown:q} --html {output.html:q}"
            " --table-page {output.tables:q}"
        )


rule article:
    input:
        statistics=TABLES["statistics"],
        claims="results/claims.json",
        findings="results/findings.json",
        selection=TABLES["selection"],
        grid=TABLES["grid"],
        figures=FIGURES,
    output:
        listed("reports/report.pdf", "report", title="Article"),
    log:
        "logs/article.log",
    localrule: True
    params:
        arguments=arguments(params=json.dumps(study.model_dump(), sort_keys=True), texts=TEXTS),
        code=code("typeset_article.py", "src/digitpairs/reporting/article.typ"),
    shell:
        step(
            "typeset_article.py --statistics {input.statistics:q} --claims {input.claims:q} --findings {input.findings:q}"
            " --selection {input.selection:q} --grid {input.grid:q} {params.arguments}"
            " --figures {input.figures:q} --output {output:q}"
        )
