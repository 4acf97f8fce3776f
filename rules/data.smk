# Pairs of digits, drawn from the source that params.yaml names.


rule pairs:
    input:
        sorted(Path(study.data.folder).glob("*-ubyte*")) if study.data.folder else [],
    output:
        update(DATASET),  # kept if a mistake in `data` is noticed only now
    log:
        "logs/pairs/seed~{seed}.log",
    localrule: True
    params:
        arguments=lambda wildcards: arguments(**study.data.model_dump(), seed=wildcards.seed),
        code=code("make_pairs.py"),
    shell:
        step("make_pairs.py {params.arguments} --output {output:q}")


# Of rounds beyond the final ones: made when they are needed, neither versioned nor pushed.
use rule pairs as new_pairs with:
    output:
        temp(directory(NEW_PAIRS)),
    log:
        "logs/new_pairs/rounds~{first}-{last}.log",
    params:
        arguments=lambda wildcards: runs.new_datasets(**wildcards),
        code=code("make_pairs.py"),
