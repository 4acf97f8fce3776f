"""What Python code takes from the workflow that runs it: values of the config, and names that it does not define.

Needs the standard library alone.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from string import Formatter
from typing import Any

Keys = tuple[str | int, ...]  # that lead to a value of the config: () is all of it
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Reads(ast.NodeVisitor):
    """The paths into the config that code reads, `config`, and all other names that it does not bind, `names`.

    `chains` are such names with the attributes that follow them, as ("a", "b") for `a.b`.

    In a script the config is `snakemake.config`; one that hands `snakemake` on may read all of it. In the code of a
    Snakefile (`snakefile=True`) it is `config`, and commands of `shell("...")` have fields that are filled from names.
    A name that is bound once, to a part of the config, stands for that part.
    """

    def __init__(self, tree: ast.AST, *, snakefile: bool = False):
        self.snakefile = snakefile
        self.names: set[str] = set()
        self.chains: set[tuple[str, ...]] = set()
        self._config: set[Keys] = set()
        self._scopes = [_scope(tree)] if isinstance(tree, ast.Module) else []
        bound = Counter(name for node in ast.walk(tree) for name in _binds(node))
        self._parts: dict[str, Keys] = {}
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if bound[name] == 1:
                    if (path := self._path(value)) is not None:
                        self._parts[name] = path
        read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        self._parts = {name: path for name, path in self._parts.items() if name in read}  # else another file reads it
        self.visit(tree)

    @property
    def config(self) -> frozenset[Keys]:
        """The paths, without those that lie in another one."""
        return frozenset(p for p in self._config if not any(p[:n] in self._config for n in range(len(p))))

    def visit(self, node: ast.AST) -> None:
        """Look for the longest chain of keys; what is not one is looked at part by part."""
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) if name in self._parts:
                return
            case ast.Call(func=ast.Name(id="shell"), args=[ast.Constant(value=str(command)), *_]) if self.snakefile:
                self._fields(command)
        if isinstance(node, (*FUNCTIONS, *COMPREHENSIONS)):
            self._inner(node)
            return
        path = self._path(node)
        if path is None:
            self._name(node)
            if not self._is_other_part(node):
                self.generic_visit(node)
            return
        self._config.add(path)
        while isinstance(node, ast.Call | ast.Subscript):  # each `get` of the chain may have a default
            if isinstance(node, ast.Call):
                for default in node.args[1:]:
                    self.visit(default)
            node = node.func.value if isinstance(node, ast.Call) else node.value  # type: ignore[attr-defined]

    def _inner(self, node: ast.AST) -> None:
        """Look into a scope within this one; defaults, decorators and what is looped over first belong to this one."""
        around: list[Any] = []
        if isinstance(node, FUNCTIONS):
            defaults = filter(None, [*node.args.defaults, *node.args.kw_defaults])
            around = [*defaults, *getattr(node, "decorator_list", [])]
        elif isinstance(node, COMPREHENSIONS):
            around = [node.generators[0].iter]
        for part in around:
            self.visit(part)
        self._scopes.append(_scope(node))
        self.generic_visit(node)
        self._scopes.pop()

    def _is_bound(self, name: str) -> bool:
        return any(name in scope for scope in self._scopes)

    def _path(self, node: ast.AST) -> Keys | None:
        match node:
            case ast.Name(id=name) if name in self._parts:
                return self._parts[name]
            case ast.Name(id="config") if self.snakefile and not self._is_bound("config"):
                return ()
            case ast.Attribute(value=ast.Name(id="snakemake"), attr="config") if not self.snakefile:
                return ()
            case (
                ast.Subscript(value=inner, slice=ast.Constant(value=str() | int() as key))
                | ast.Call(
                    func=ast.Attribute(value=inner, attr="get"), args=[ast.Constant(value=str() | int() as key), *_]
                )
            ):
                path = self._path(inner)
                return None if path is None else (*path, key)
        return None

    def _name(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id="snakemake", ctx=ast.Load()) if not self.snakefile:
                self._config.add(())
            case ast.Name(id=name, ctx=ast.Load()) if not self._is_bound(name):
                self.names.add(name)
            case ast.Attribute() if (chain := _chain(node)) and not self._is_bound(chain[0]):
                self.chains.add(chain)

    def _is_other_part(self, node: ast.AST) -> bool:
        """Return True for `snakemake.input` and the like, which are no config."""
        match node:
            case ast.Attribute(value=ast.Name(id="snakemake")):
                return not self.snakefile
        return False

    def _fields(self, command: str) -> None:
        for name, path in fields(command):
            if name == "config" and not self._is_bound(name):
                self._config.add(path)
            elif not self._is_bound(name):
                self.names.add(name)


def fields(command: str) -> Iterator[tuple[str, Keys]]:
    """Yield the names that a command's fields begin with, and the keys that follow: `{config[a][b]}`, `{NAMES[0]}`."""
    try:
        for _, field, form, _ in Formatter().parse(command):
            if field and (found := re.match(r"([^.\[]+)((?:\[[^\]]+\])*)", field)):
                keys = re.findall(r"\[([^\]]+)\]", found[2])
                yield found[1], tuple(int(key) if key.isdecimal() else key for key in keys)
            if form:
                yield from fields(form)
    except ValueError:  # Snakemake refuses it
        return


def _chain(node: ast.AST) -> tuple[str, ...]:
    """Return a name and the attributes that follow it; empty for what does not begin with a name."""
    match node:
        case ast.Name(id=name):
            return (name,)
        case ast.Attribute(value=inner, attr=attribute) if before := _chain(inner):
            return (*before, attribute)
    return ()


def _scope(node: ast.AST) -> set[str]:
    """Return the names that a function, a comprehension or a module binds for itself, not for one within it."""
    names: set[str] = set()
    ahead: list[ast.AST] = [node]
    if isinstance(node, FUNCTIONS):
        names = {it.arg for it in ast.walk(node.args) if isinstance(it, ast.arg)}
        ahead = [*node.body] if isinstance(node.body, list) else [node.body]
    elif isinstance(node, COMPREHENSIONS):
        ahead = [generator.target for generator in node.generators]
    elif not isinstance(node, ast.Module):
        return names
    while ahead:
        inner = ahead.pop()
        names.update(_binds(inner))
        if not isinstance(inner, (*FUNCTIONS, *COMPREHENSIONS)):
            ahead.extend(ast.iter_child_nodes(inner))
    return names


def _binds(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node itself binds."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias(name=name, asname=given):
            yield given or name.partition(".")[0]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
