# The grid search, cell by cell, and the selection of each model's configuration.


include: "stacks.smk" if device.stacked else "cells.smk"


rule grid:
    input:
        plan.cells,
    output:
        listed(TABLES["grid"], "table"),
    log:
        "logs/grid.log",
    localrule: True
    params:
        arguments=arguments(grid=json.dumps(plan.grid)),
        code=code("collect_grid.py"),
    shell:
        step("collect_grid.py --folder results/grid {params.arguments} --output {output:q}")


checkpoint select:
    input:
        TABLES["grid"],
    output:
        listed(TABLES["selection"], "table"),
    log:
        "logs/selection.log",
    localrule: True
    params:
        arguments=arguments(by=study.select.by),
        code=code("select_configurations.py"),
    shell:
        step("select_configurations.py --grid {input:q} {params.arguments} --output {output:q}")
