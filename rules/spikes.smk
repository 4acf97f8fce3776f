# Beyond the paper: loss spikes against the learning rate, Adam's beta2 and epsilon, and a falling rate.


rule spike:
    input:
        pairs=spike_pairs,
    output:
        multiext(SPIKE, *SPIKE_FILES),
    log:
        "logs/spikes/{parameter}~{value}/{model}.log",
    cache: "omit-software"
    priority: longest_first
    resources:
        gpu=GPUS,
        mem_mb=lambda _, attempt: attempt * megabytes(plan.n_pairs * study.spikes.rounds),
        runtime=lambda wildcards, attempt: (
            attempt * minutes(**plan.longest(wildcards.model), rounds=study.spikes.rounds)
        ),
    params:
        arguments=spike_training,
        run=lambda wildcards: identity(spike_training(wildcards), training_code(wildcards)),
        code=training_code,
    shell:
        train("final", IN_FOLDER)


rule spikes:
    input:
        lambda _: [folder + file for folder in files(spike_tables()) for file in SPIKE_FILES],
    output:
        listed(FURTHER["spikes"], "table"),
    log:
        "logs/spikes.log",
    localrule: True
    params:
        arguments=lambda _: arguments(folders=json.dumps(spike_tables())),
        code=code("collect_spikes.py"),
    shell:
        step("collect_spikes.py {params.arguments} --output {output:q}")
