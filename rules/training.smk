# Training: the command that all training rules share, and functions of wildcards that give their params and limits.
runs = Runs(plan, device=device.name)
TRAINER = "train_stack.py" if device.stacked else "train.py"
GPUS = int(device.name == "cuda")  # of a training step


def training_code(wildcards):
    """Digest the code that trains a model, without the other models' modules."""
    return code(TRAINER, source(models.path(wildcards.model)))


# The datasets of an input that is a folder of them, or one dataset.
IN_FOLDER = "$(find {input.pairs:q} -name '*.npz' | sort -V)"


def train(stream=None, pairs="{input.pairs:q}"):
    """Return the command of a rule that trains all rounds of a configuration; the arguments name another stream."""
    named = f"--stream {stream} " if stream else ""
    return step(
        f"{TRAINER} {named}{{params.arguments}} --pairs {pairs}" ' --states "$STATES"/{params.run} --output {output:q}'
    )


def after_selection():
    """Return selection.json's content once the configurations are chosen; whoever asks before waits for it."""
    return json.loads(Path(checkpoints.select.get().output[0]).read_text(encoding="utf-8"))


def chosen(model, by="chosen"):
    """Return a model's chosen configuration."""
    choice = after_selection()[model][by]
    return {key: choice[key] for key in ("batch_size", "epochs", "learning_rate")}


def of_chosen(training):
    """Return the arguments, by wildcards, of a training run of the model's chosen configuration."""
    return lambda wildcards: training(chosen(wildcards.model), **wildcards)


def final_training(wildcards):
    """Return the arguments of a protocol's final rounds."""
    by = "test" if wildcards.protocol == BY_TEST else "chosen"
    return runs.final(chosen(wildcards.model, by), **wildcards)


def larger_training(wildcards):
    """Return the arguments of a training run on more pairs."""
    return runs.larger(chosen(study.more_data.configurations[wildcards.model]), **wildcards)


def once_chosen(pairs):
    """Return the datasets, by wildcards, of a step that waits for the selection."""

    def input_pairs(wildcards):
        after_selection()
        return pairs(**wildcards) if callable(pairs) else pairs

    return input_pairs


def identified(training):
    """Return a training run's identity, by wildcards: its states are kept under it."""
    return lambda wildcards: identity(training(wildcards), training_code(wildcards))


def memory(n_pairs):
    """Return the limit of a training run's memory, whose pairs may depend on wildcards."""

    def limit(wildcards, attempt):
        pairs = n_pairs(**wildcards) if callable(n_pairs) else n_pairs
        return attempt * megabytes(pairs, device.name)

    return limit


def time_limit(rounds):
    """Return the limit of the time that rounds of a chosen configuration take, whichever it is."""
    return lambda wildcards, attempt: attempt * runs.minutes(wildcards.model, rounds)


def longest_first(wildcards):
    """Start the models whose grid trains longest first: a long job at the end keeps the other cores waiting."""
    return runs.minutes(wildcards.model, study.final.rounds)


def final_tables():
    """Return all tables of final rounds with their keys."""
    return plan.final_tables(by_test=[model for model in plan.models if chosen(model, "test") != chosen(model)])


def spike_tables():
    """Return the folders of all rounds for loss spikes with their keys."""
    return plan.spikes(chosen(study.spikes.model)["learning_rate"])
