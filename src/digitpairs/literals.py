"""Constants of modules that are not run: reading a model's options takes no torch, a figure's tables no matplotlib."""

import ast
from pathlib import Path


def words(module: Path, name: str) -> tuple[str, ...]:
    """Return the tuple of words that a module assigns to a name, such as OPTIONS = ("batch_norm",).

    Raises `ValueError` where it assigns none.
    """
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                return tuple(ast.literal_eval(value))
    raise ValueError(f'{module}: no line {name} = ("...",)')
