"""The training runs of the study: command-line arguments, datasets, limits of time and memory.

The methods of `Runs` take a rule's wildcards, which are texts, by name. `chosen` is a chosen configuration of the grid:
a step that waits for the selection passes it on.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from digitpairs.errors import StudyError
from digitpairs.plan import NEW_PAIRS, Plan, arguments

START_MINUTES = 5  # of every limit, for start-up
Configuration = Mapping[str, Any]  # batch size, epochs and learning rate
Section = TypeVar("Section")


class Runs:
    """The training runs of a plan, trained on `device`."""

    def __init__(self, plan: Plan, device: str = "cpu"):
        self.plan, self.study, self.device = plan, plan.study, device

    def training(
        self,
        model: str,
        configuration: Configuration,
        rounds: int,
        changed: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> str:
        """Return a run's arguments besides its pairs; `changed` are values of `train`, `more` are options."""
        changed = changed or {}
        return arguments(
            model=model,
            options=self.plan.options(model, **changed),
            **configuration,
            rounds=rounds,
            weight_decay=changed.get("weight_decay", self.study.train.weight_decay),
            seed=self.study.seed,
            device=self.device,
            **more,
        )

    def cell(self, model: str, **values: str) -> str:
        """Return the arguments of the run that a cell is a stage of; a stack of cells has no learning rate in them."""
        keys: tuple[str, ...] = ("batch_size", "learning_rate")
        configuration = {key: values[key] for key in keys if key in values}
        return self.training(model, configuration, self.study.grid.rounds)

    def stack(self, model: str, **_: str) -> str:
        """Return the further arguments of a stack: all learning rates and numbers of epochs of a model's grid."""
        values = self.plan.grid[model]
        return arguments(learning_rate=json.dumps(values["learning_rate"]), epochs=json.dumps(values["epochs"]))

    def final(self, chosen: Configuration, model: str, **_: str) -> str:
        """Return the arguments of a protocol's final rounds."""
        return self.training(model, chosen, self.study.final.rounds)

    def final_pairs(self, protocol: str, **_: str) -> list[str]:
        """Return the dataset that all final rounds share, or one for each round that nothing else has used."""
        return self.plan.datasets[:1] if protocol == "fixed" else self.plan.datasets[1:]

    def ablation(self, chosen: Configuration, model: str, parameter: str, value: str) -> str:
        """Return the arguments of final rounds with one value of `train` changed."""
        changed = {parameter: value if parameter == "batch_norm" else float(value)}
        return self.training(model, chosen, _part(self.study.ablations).rounds, changed)

    def ablation_pairs(self, **_: str) -> list[str]:
        """Return the datasets of the final rounds that an ablation's rounds are compared with."""
        return self.plan.datasets[1 : 1 + _part(self.study.ablations).rounds]

    def larger(self, chosen: Configuration, model: str, n_train: str) -> str:
        """Return the arguments of a run on more pairs, with epochs of its own."""
        more = _part(self.study.more_data)
        return self.training(model, {**chosen, "epochs": more.epochs[int(n_train)]}, more.rounds)

    def larger_dataset(self, n_train: str) -> str:
        """Return the arguments that make a dataset with more pairs."""
        more = _part(self.study.more_data)
        splits = {"n_train": n_train, "n_validation": more.n_validation, "n_test": more.n_test}
        return arguments(source="mnist", **splits, seed=self.study.seed)

    def larger_n_pairs(self, n_train: str, **_: str) -> int:
        """Count the pairs of a larger dataset, all splits together."""
        more = _part(self.study.more_data)
        return int(n_train) + more.n_validation + more.n_test

    def larger_minutes(self, model: str, n_train: str) -> int:
        """Limit the time of a run on more pairs."""
        more = _part(self.study.more_data)
        longest = self.longest(more.configurations[model])
        return minutes(more.epochs[int(n_train)], longest["batch_size"], int(n_train), more.rounds)

    def fresh(self, chosen: Configuration, arm: str, model: str, first: str, last: str) -> str:
        """Return the arguments of a block of fresh rounds, but for their pairings.

        The arm `grid` trains further rounds of a cell of the grid, `batch_norm` has the other place of it.
        """
        other = {"before": "after", "after": "before"}[self.study.train.batch_norm]
        return self.training(
            model,
            chosen,
            1 + int(last) - int(first),
            {"batch_norm": other} if arm == "batch_norm" else {},
            first_round=int(first),
            stream="grid" if arm == "grid" else "final",
        )

    def fresh_pairs(self, arm: str, **_: str) -> str:
        """Return the dataset of the grid, or one for each round of a block, which no round before has used."""
        return self.plan.datasets[0] if arm in ("fixed", "grid") else NEW_PAIRS

    def new_datasets(self, first: str, last: str) -> str:
        """Return the arguments that make a dataset for each of several rounds, from the first to the last."""
        return self._datasets(int(first), 1 + int(last) - int(first), **self.study.data.model_dump())

    def crossed(self, chosen: Configuration, model: str, **_: str) -> str:
        """Return the arguments of initialisations crossed with orders, on one dataset."""
        section = _part(self.study.variance)
        n = section.initialisations
        return self.training(model, {**chosen, **self._crossed_epochs()}, n * section.orders, initialisations=n)

    def crossed_pairs(self, dataset: str, **_: str) -> str:
        """Return the dataset that initialisations and orders share."""
        return self.plan.dataset(int(dataset))

    def crossed_minutes(self, model: str, **_: str) -> int:
        """Limit the time of initialisations crossed with orders."""
        section = _part(self.study.variance)
        return minutes(**self.longest(model) | self._crossed_epochs(), rounds=section.initialisations * section.orders)

    def _crossed_epochs(self) -> dict[str, int]:
        """Return the epochs that `variance` has of its own, if any."""
        epochs = _part(self.study.variance).epochs
        return {"epochs": epochs} if epochs else {}

    def spike(self, chosen: Configuration, model: str, parameter: str, value: str) -> str:
        """Return the arguments of rounds with one value of Adam changed."""
        return self.training(model, {**chosen, parameter: value}, _part(self.study.spikes).rounds)

    def spike_pairs(self, **_: str) -> str:
        """Return a dataset for each round, the same ones for all values."""
        return NEW_PAIRS.format(first=1, last=_part(self.study.spikes).rounds)

    def other(self, chosen: Configuration, model: str, **values: str) -> str:
        """Return the arguments of the rounds on one set of digits."""
        return self.training(model, chosen, _part(self.study.other_data).rounds, first_round=self._first(values["set"]))

    def other_datasets(self, **values: str) -> str:
        """Return the arguments that make new pairs of a set's digits for each of its rounds."""
        data = self.study.data
        splits = {"n_train": data.n_train, "n_validation": data.n_validation, "n_test": data.n_test}
        number, rounds = values["set"], _part(self.study.other_data).rounds
        return self._datasets(self._first(number), rounds, source="mnist", set=number, **splits)

    def _first(self, number: str) -> int:
        """Return the first round of a set of digits; no two sets share one, so that no initialisation is used twice."""
        return 1 + (int(number) - 1) * _part(self.study.other_data).rounds

    def _datasets(self, first: int, rounds: int, **of_data: Any) -> str:
        return arguments(**of_data, seed=self.study.seed + first, datasets=rounds)

    def recipe(self, left_out: str) -> str:
        """Return the recipe without one of its parts, or `nothing`, as JSON; a part is left out by zero."""
        recipe = _part(self.study.least_error).model_dump(exclude={"rounds", "ablation_rounds"})
        without = {} if left_out == "nothing" else {left_out: type(recipe[left_out])(0)}
        return json.dumps(recipe | without | {"seed": self.study.seed})

    def recipe_pairs(self, left_out: str) -> str:
        """Return a dataset for each round of the recipe without one of its parts, or `nothing`."""
        return NEW_PAIRS.format(first=1, last=self.recipe_rounds(left_out))

    def recipe_rounds(self, left_out: str) -> int:
        """Count the rounds of the recipe without one of its parts, or `nothing`."""
        section = _part(self.study.least_error)
        return section.rounds if left_out == "nothing" else section.ablation_rounds

    def recipe_minutes(self, left_out: str) -> int:
        """Limit the time of the recipe's rounds."""
        section = _part(self.study.least_error)
        return minutes(section.epochs, section.batch_size, self.study.data.n_train, self.recipe_rounds(left_out))

    def longest(self, model: str) -> dict[str, int]:
        """Return the epochs, batch size and pairs with which a model's grid trains longest: a bound for any choice."""
        values = self.study.grid.models[model]
        return {"epochs": max(values.epochs), "batch_size": min(values.batch_size), "n_train": self.study.data.n_train}

    def minutes(self, model: str, rounds: int) -> int:
        """Limit the time of rounds of any configuration of a model's grid."""
        return minutes(**self.longest(model), rounds=rounds)


def _part(section: Section | None) -> Section:
    """Return a part of the study, which its rules ask for.

    Raises `StudyError` where the study has no such part.
    """
    if section is None:
        raise StudyError("params.yaml leaves this part out")
    return section


def minutes(epochs: int, batch_size: int, n_train: int, rounds: int) -> int:
    """Limit a training run's time: three times the slowest model's here, and some to start.

    A pair of a round took 0.17 ms, and a step, however small, 5 ms.
    """
    seconds = epochs * n_train * (0.17e-3 * rounds + 5e-3 / batch_size)
    return START_MINUTES + math.ceil(3 * seconds / 60)


def megabytes(n_pairs: int, device: str = "cpu") -> int:
    """Limit a training run's memory, that of a GPU not counted, by the pairs of all its datasets.

    It took 650 MB, half of them for Snakemake, and less than 30 for 1,000 pairs. What CUDA's libraries and a recorded
    epoch take beside them is a guess.
    """
    return (1000 if device == "cpu" else 4000) + math.ceil(0.03 * n_pairs)


def identity(*parts: str) -> str:
    """Return a training run's identity: a digest of its arguments and code."""
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
