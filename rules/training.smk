# Training: the command that all training rules share, and their arguments, code and input by wildcards.
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


def datasets(numbers, **of_data):
    """Return the arguments that make a folder with a dataset for each of several rounds."""
    return arguments(**of_data, seed=study.seed + numbers[0], datasets=len(numbers))


def after_selection():
    """Return selection.json's content once the configurations are chosen; whoever asks before waits for it."""
    return json.loads(Path(checkpoints.select.get().output[0]).read_text(encoding="utf-8"))


def chosen(model, by="chosen"):
    """Return a model's chosen configuration."""
    choice = after_selection()[model][by]
    return {key: choice[key] for key in ("batch_size", "epochs", "learning_rate")}


def cell_training(wildcards):
    """Return the arguments of the training run that a cell is a stage of."""
    keys = ("batch_size", "learning_rate")
    configuration = {key: wildcards[key] for key in keys if key in wildcards.keys()}
    return plan.training(wildcards.model, configuration, study.grid.rounds)


def final_training(wildcards):
    """Return the arguments of a protocol's final rounds."""
    by = "test" if wildcards.protocol == BY_TEST else "chosen"
    return plan.training(wildcards.model, chosen(wildcards.model, by), study.final.rounds)


def final_pairs(wildcards):
    """Return the dataset that all rounds share, or one for each round that nothing else has used."""
    after_selection()
    return plan.datasets[:1] if wildcards.protocol == "fixed" else plan.datasets[1:]


def final_tables():
    """Return all tables of final rounds with their keys."""
    return plan.final_tables(by_test=[model for model in plan.models if chosen(model, "test") != chosen(model)])


def longest_first(wildcards):
    """Start the models whose grid trains longest first: a long job at the end keeps the other cores waiting."""
    return minutes(**plan.longest(wildcards.model), rounds=study.final.rounds)


def ablation_training(wildcards):
    """Return the arguments of final rounds with one value of `train` changed."""
    value = wildcards.value if wildcards.parameter == "batch_norm" else float(wildcards.value)
    changed = {wildcards.parameter: value}
    return plan.training(wildcards.model, chosen(wildcards.model), study.ablations.rounds, changed)


def ablation_pairs(_):
    """Return the datasets of the final rounds that an ablation's rounds are compared with."""
    after_selection()
    return plan.datasets[1 : 1 + study.ablations.rounds]


def larger_configuration(wildcards, choose):
    """Return the configuration of a run on more pairs: a chosen one of the grid, or a bound for it, with own epochs."""
    more, n_train = study.more_data, int(wildcards.n_train)
    return choose(more.configurations[wildcards.model]) | {"epochs": more.epochs[n_train]}


def larger_n_pairs(wildcards):
    """Count the pairs of a larger dataset, all splits together."""
    return int(wildcards.n_train) + study.more_data.n_validation + study.more_data.n_test


def larger_training(wildcards):
    """Return the arguments of a training run on more pairs."""
    return plan.training(wildcards.model, larger_configuration(wildcards, chosen), study.more_data.rounds)


def larger_pairs(_):
    """Return the dataset with `n_train` pairs."""
    after_selection()
    return MORE_PAIRS


def block(wildcards):
    """Return the numbers of the rounds from the first to the last."""
    return range(int(wildcards.first), 1 + int(wildcards.last))


def fresh_training(wildcards):
    """Return the arguments of a block of fresh rounds, but for their pairings."""
    numbers = block(wildcards)
    stream = "grid" if wildcards.arm == "grid" else "final"
    other = {"before": "after", "after": "before"}[study.train.batch_norm]
    changed = {"batch_norm": other} if wildcards.arm == "batch_norm" else {}
    more = {"first_round": numbers[0], "stream": stream}
    return plan.training(wildcards.model, chosen(wildcards.model), len(numbers), changed, **more)


def fresh_pairs(wildcards):
    """Return the dataset of the grid, or one for each round of a block, which no round before has used."""
    after_selection()
    return plan.datasets[0] if wildcards.arm in ("fixed", "grid") else NEW_PAIRS


def crossed_epochs():
    """Return the epochs that `variance` has of its own, if any."""
    return {"epochs": study.variance.epochs} if study.variance.epochs else {}


def crossed_training(wildcards):
    """Return the arguments of initialisations crossed with orders, on one dataset."""
    n, orders = study.variance.initialisations, study.variance.orders
    return plan.training(wildcards.model, chosen(wildcards.model) | crossed_epochs(), n * orders, initialisations=n)


def crossed_pairs(wildcards):
    """Return the dataset that initialisations and orders share."""
    after_selection()
    return plan.dataset(int(wildcards.dataset))


def spike_tables():
    """Return the folders of all rounds for loss spikes with their keys."""
    return plan.spikes(chosen(study.spikes.model)["learning_rate"])


def spike_training(wildcards):
    """Return the arguments of rounds with one value of Adam changed."""
    configuration = chosen(wildcards.model) | {wildcards.parameter: wildcards.value}
    return plan.training(wildcards.model, configuration, study.spikes.rounds)


def spike_pairs(_):
    """Return a dataset for each round, the same ones for all values."""
    after_selection()
    return NEW_PAIRS.format(first=1, last=study.spikes.rounds)


def other_numbers(wildcards):
    """Return the numbers of a set's rounds; no two sets share one, so that no initialisation is used twice."""
    rounds = study.other_data.rounds
    return range(1 + (int(wildcards.set) - 1) * rounds, 1 + int(wildcards.set) * rounds)


def other_training(wildcards):
    """Return the arguments of the rounds on one set of digits."""
    numbers = other_numbers(wildcards)
    return plan.training(wildcards.model, chosen(wildcards.model), len(numbers), first_round=numbers[0])


def other_pairs(wildcards):
    """Return new pairs of a set's digits for each of its rounds."""
    after_selection()
    return OTHER_PAIRS
