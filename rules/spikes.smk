# Beyond the paper: loss spikes against the learning rate, Adam's beta2 and epsilon, and a falling rate.


rule spike:
    input:
        pairs=once_chosen(runs.spike_pairs),
    output:
        multiext(SPIKE, *SPIKE_FILES),
    log:
        "logs/spikes/{parameter}~{value}/{model}.log",
    cache: "omit-software"
    priority: longest_first
    resources:
        gpu=GPUS,
        mem_mb=memory(plan.n_pairs * study.spikes.rounds),
        runtime=time_limit(study.spikes.rounds),
    params:
        arguments=of_chosen(runs.spike),
        run=identified(of_chosen(runs.spike)),
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
