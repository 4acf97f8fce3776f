"""Weights on disk: safetensors files, which hold numbers and never code, with a checksum over their content."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from digitpairs.errors import StudyError
from digitpairs.files import write_atomically
from digitpairs.networks.layers import PairNet


def save(path: Path, tensors: Mapping[str, Tensor], **about: Any) -> None:
    """Write tensors with what is to be known about them (anything JSON holds)."""
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # One metadata entry only: safetensors writes several in random order.
    about_text = json.dumps(about | {"sha256": checksum(on_cpu, about)}, sort_keys=True)
    write_atomically(path, safetensors.torch.save(on_cpu, {"digitpairs": about_text}))


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save` wrote: the tensors and what is known about them.

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
    """Return the SHA-256 over what is known about the tensors and, by name, their types, shapes and values."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def stack_nets(nets: list[PairNet]) -> dict[str, Tensor]:
    """Return the weights of ordinary networks, stacked: what `load_models` reads."""
    states = [net.state_dict() for net in nets]
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}
