"""Weights and states of runs on disk: safetensors files, which hold numbers and never code, with a checksum."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from digitpairs.errors import StudyError
from digitpairs.files import write_atomically
from digitpairs.networks.layers import PairNet


class State(NamedTuple):
    """All that a run needs to continue.

    tensors: a row for each round that has begun, from the first on: weights, statistics, Adam's moments, epochs, steps;
    curves: float64 `points x 4`, the rows of the learning curves so far.
    """

    tensors: dict[str, Tensor]
    curves: Tensor

    @classmethod
    def join(cls, groups: Sequence[Mapping[str, Tensor]], curves: Sequence[Sequence[float]]) -> "State":
        """Join the states of groups of rounds, in their order."""
        tensors = {name: torch.cat([group[name].cpu() for group in groups]) for name in (groups[0] if groups else ())}
        return cls(tensors, torch.tensor(curves, dtype=torch.float64).view(-1, 4))

    def split(self, groups: Sequence[range]) -> list[dict[str, Tensor]]:
        """Return the state of each group of rounds, 1 being the first round, that has begun."""
        rounds = len(next(iter(self.tensors.values()), ()))
        return [
            {name: tensor[group.start - 1 : group.stop - 1] for name, tensor in self.tensors.items()}
            for group in groups
            if group.stop - 1 <= rounds
        ]


class StateFolder:
    """States of one training run, to continue from: its last one, and while it trains the latest one.

    `about` (anything JSON holds) names all that the run's numbers depend on but the number of epochs: runs that differ
    in it have other folders below `parent`. States are optional: one that cannot be read or written is passed over with
    one line.
    """

    def __init__(self, parent: Path, epochs: int, about: dict[str, Any], report: Callable[[str], None] = print):
        text = json.dumps(about, sort_keys=True)
        self.folder = parent / hashlib.sha256(text.encode()).hexdigest()
        self.about = json.loads(text)
        self.epochs, self.report, self.writable = epochs, report, True

    @property
    def partial(self) -> Path:
        """The file of the state on the way."""
        return self.folder / f"{self.epochs}.partial"

    def latest(self) -> State | None:
        """Read the state to continue from: the one on the way, else the last one of a run to no more epochs."""
        try:
            last = {int(path.stem): path for path in self.folder.glob("*.state") if path.stem.isdecimal()}
        except OSError as error:
            self.report(f"{self.folder}: cannot be listed: {error.strerror}; no state is used")
            return None
        for path in (self.partial, *(last[epochs] for epochs in sorted(last, reverse=True) if epochs <= self.epochs)):
            try:
                if path == self.partial and not path.exists():
                    continue
                tensors, about = load(path)
                if about != self.about:
                    raise StudyError(f"{path}: the state of another run")
            except (StudyError, OSError) as error:
                self.report(f"{error}; it is not used")
            else:
                curves = tensors.pop("curves")
                epochs = sorted({int(epoch) for epoch in tensors["epoch"].flatten()})
                self.report(f"continues after {' and '.join(map(str, epochs))} epochs")
                return State(tensors, curves)
        return None

    def keep(self, state: State) -> None:
        """Write the state on the way."""
        self._write(self.partial, state)

    def finish(self, state: State) -> None:
        """Write the last state, which takes the place of those on the way."""
        self._write(self.folder / f"{self.epochs}.state", state)
        with contextlib.suppress(OSError):
            self.partial.unlink(missing_ok=True)

    def _write(self, path: Path, state: State) -> None:
        if self.writable:
            try:
                save(path, state.tensors | {"curves": state.curves}, **self.about)
            except StudyError as error:
                self.writable = False
                self.report(f"{error}; the run goes on without keeping its state")


def save(path: Path, tensors: Mapping[str, Tensor], **about: Any) -> None:
    """Write tensors and their metadata (anything JSON holds)."""
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # One metadata entry only: safetensors writes several in random order.
    about_text = json.dumps(about | {"sha256": checksum(on_cpu, about)}, sort_keys=True)
    write_atomically(path, safetensors.torch.save(on_cpu, {"digitpairs": about_text}))


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file of `save`: the tensors and their metadata.

    Raises `StudyError` for a file that is missing, not such a file, or in whose tensors as little as one bit changed.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["digitpairs"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        intact = about.pop("sha256") == checksum(tensors, about)
    except (OSError, safetensors.SafetensorError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise StudyError(
            f"{path}: not a safetensors file of this study ({error}); remove it to make it again"
        ) from error
    if not intact:
        raise StudyError(f"{path}: damaged, its content does not match its checksum; remove it to make it again")
    return tensors, about


def checksum(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> str:
    """Return the SHA-256 over metadata and, by name, the tensors' types, shapes and values."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def stack_nets(nets: list[PairNet]) -> dict[str, Tensor]:
    """Return the weights of ordinary networks, stacked, as `load_models` reads them."""
    states = [net.state_dict() for net in nets]
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}
