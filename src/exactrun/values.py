"""What a job takes from its Snakefile without a param: values of the config, variables, functions and modules.

Snakemake's records hold a rule's params and the text of its command or block. What a field of the command, a name in a
block, or `snakemake.config` in a script stands for is in none of these.
"""

import ast
import copy
import datetime
import inspect
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial, reduce
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from snakemake import parser
from snakemake.common import get_function_params
from snakemake.sourcecache import LocalSourceFile, infer_source_file

from exactrun import digests
from exactrun.reads import Keys, Reads, fields

# Names that mean a job's own in a command, and what Snakemake itself puts into a Snakefile.
OF_A_JOB = frozenset(
    ["input", "output", "params", "wildcards", "threads", "resources", "log", "jobid", "rule", "bench_iteration"]
)
OF_SNAKEMAKE = frozenset(["workflow", "rules", "checkpoints", "storage", "logger"])
OWN = ("snakemake", "exactrun")  # libraries whose versions rerun nothing
LIBRARIES = frozenset(["site-packages", "dist-packages"])  # folders of an environment, which may lie in the project
BLOCK = "run-block"  # no function has such a name
DERIVING = frozenset(["input", "output", "threads", "resources"])  # arguments of params that Snakemake does not record
MOST = 2000  # characters of a value in a record; a longer one has its digest there
_SNAKEFILES: dict[str, ast.Module] = {}


class Taken:
    """The code and the values that one rule's jobs take, as `name=value` items between spaces."""

    def __init__(self, rule: Any, root: Path, folders: Sequence[Path], spell: Callable[[Any], Any]):
        self.workflow, self.root, self.folders, self.spell = rule.workflow, root, folders, spell
        self.here = sorted({str(rule.workflow.basedir), str(root), str(Path.cwd())} - {"/"}, reverse=True)
        self.rule = rule
        self.own: dict[str, Any] = rule.run_func.__globals__ if rule.run_func else rule.workflow.globals
        self.names, self.place = self.own, ""  # the names around what is read, and a mark of another Snakefile's
        self.code: dict[str, str] = {}
        self.values: dict[str, str] = {}

    def command(self, command: str) -> None:
        """Take what the fields of a command stand for."""
        for name, keys in fields(command):
            if name not in OF_A_JOB:
                self._take(name, keys)

    def param_functions(self) -> None:
        """Take the functions of params whose values are not recorded: they follow from a job's files or resources."""
        for place, (name, value) in enumerate(self.rule.params._allitems()):
            if callable(value):
                given = get_function_params(value)
                kinds = {it.kind for it in given.values()} if isinstance(given, Mapping) else set()
                if DERIVING & set(given) or inspect.Parameter.VAR_KEYWORD in kinds:
                    self._named(f"params.{name or place}", value)

    def function(self, function: FunctionType, name: str) -> None:
        """Take a function of the Snakefile, such as a rule's block, and what its names stand for."""
        before = self.names, self.place
        if function.__globals__ is not self.names:
            file = os.path.relpath(function.__code__.co_filename, self.root)
            self.names = function.__globals__
            self.place = "" if self.names is self.own else f"{file}:"
        if self.place + name not in self.code and (nodes := _nodes(self.workflow, function)):
            body: ast.AST = ast.Module(body=nodes, type_ignores=[])
            if name == BLOCK:  # its name and signature are Snakemake's, and differ between versions; so do its marks
                node = copy.copy(nodes[0])
                node.decorator_list = []
                nodes, body = [node], ast.Module(body=node.body, type_ignores=[])
            self.code[self.place + name] = digests.meaning(body)
            for node in nodes:
                self._read(node)
        self.names, self.place = before

    def _read(self, node: ast.AST) -> None:
        """Take what the names in a part of the Snakefile stand for, and what it imports."""
        reads = Reads(node, snakefile=True)
        for keys in reads.config:
            self.config(keys)
        for name in reads.names:
            self._take(name, ())
        for module, *attributes in reads.chains:  # `import a.b` binds `a`
            value = self.names.get(module)
            for attribute in attributes:
                value = getattr(value, attribute, None) if isinstance(value, ModuleType) else None
                if isinstance(value, ModuleType):
                    self._module(value)
        for _, name in digests.imports(node):
            if name.partition(".")[0].partition("_")[0] not in OWN:
                self.code |= digests.imported(name, self.folders, self.root)

    def config(self, keys: Keys) -> None:
        """Take a value of the config."""
        try:
            value = reduce(lambda value, key: value[key], keys, self.names["config"])
        except (KeyError, IndexError, TypeError):  # the job fails, or has a default for it
            return
        self._value(".".join(map(str, ("config", *keys))), value)

    def _take(self, name: str, keys: Keys) -> None:
        if name == "config":
            self.config(keys)
        elif name in self.names and name not in OF_SNAKEMAKE and not name.startswith("__"):
            value = self.names[name]
            for key in keys if isinstance(value, dict | list | tuple) else ():
                try:
                    name, value = f"{name}.{key}", value[key]
                except (KeyError, IndexError, TypeError):  # the job fails
                    return
            self._named(name, value)

    def _named(self, name: str, value: Any) -> None:
        value = inspect.unwrap(value) if callable(value) else value  # a decorator stands beside what it decorates
        match value:
            case partial():
                self._named(f"{name}.func", value.func)
                self._value(f"{name}.arguments", [value.args, value.keywords])
            case FunctionType() if value.__globals__.get("workflow") is self.workflow:  # a Snakefile's
                self.function(value, name)
            case type() if node := self._class(value):
                if self.place + name not in self.code:
                    self.code[self.place + name] = digests.meaning(node)
                    self._read(node)
            case ModuleType():
                self._module(value)
            case _ if callable(value):
                self._module(sys.modules.get(getattr(value, "__module__", None) or ""))
            case str() | os.PathLike() if self._is_elsewhere(value):
                pass  # a place on this machine
            case _:
                if vars_of(value) is not None:
                    self._named(type(value).__name__, type(value))
                self._value(name, value)

    def _class(self, kind: type) -> ast.ClassDef | None:
        """Return a class's part of the syntax tree of its Snakefile, None if it does not stand in one."""
        if kind.__module__ in sys.modules and kind.__module__ != self.names.get("__name__"):
            return None
        files = {own.__code__.co_filename for own in vars(kind).values() if isinstance(own, FunctionType)}
        for file in files or {self.rule.snakefile, self.workflow.main_snakefile}:
            for node in ast.walk(_snakefile(self.workflow, str(file))):
                if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
                    return node
        return None

    def _is_elsewhere(self, value: str | os.PathLike[str]) -> bool:
        """Return True for a path outside the project; a command for sed may begin as one."""
        path = Path(value)
        if not path.is_absolute() or any(map(path.is_relative_to, self.here)):
            return False
        return isinstance(value, os.PathLike) or bool(
            re.fullmatch(r"/[\w.+@~ /-]*", str(value)) and Path(*path.parts[:2]).exists()
        )

    def _module(self, module: ModuleType | None) -> None:
        """Take the code of a module of the project, or the version of a library."""
        top = module.__name__.partition(".")[0] if module else "builtins"
        if top in sys.stdlib_module_names or top.partition("_")[0] in OWN:
            return
        file = Path(getattr(module, "__file__", None) or os.devnull).resolve()
        if any(map(file.is_relative_to, self.folders)) and not LIBRARIES & set(file.parts):
            self.code |= digests.script(file, self.folders, self.root)
        else:
            self.code |= digests.versions(top)

    def _value(self, name: str, value: Any) -> None:
        text = spelled(value)
        if text is None:
            text = self.spell(value)
        if isinstance(text, str):
            for place in self.here:
                text = text.replace(place, ".")
            self.values[self.place + name] = text if len(text) <= MOST else digests.digest(text.encode())

    @cached_property
    def params(self) -> list[str]:
        """The code and the values, each as one param, if there are any, once all has been taken."""
        code = " ".join(f"{name}={self.code[name]}" for name in sorted(self.code))
        values = shlex.join(f"--{name}={self.values[name]}" for name in sorted(self.values))
        return [repr(text) for text in (code, values) if text]


def spelled(value: Any) -> str | None:
    """Spell a value, the same in every process; None if that cannot be."""
    try:
        return json.dumps(value, default=_plain)
    except (TypeError, ValueError, RecursionError):
        return None


def vars_of(value: Any) -> dict[str, Any] | None:
    """Return the attributes of an object whose class is the project's own, None for any other."""
    name = type(value).__module__ or ""  # a Snakefile has none
    if callable(value) or name.partition(".")[0] in sys.stdlib_module_names:
        return None
    file = Path(getattr(sys.modules.get(name), "__file__", None) or "")
    return None if LIBRARIES & set(file.parts) else getattr(value, "__dict__", None)


def _plain(value: Any) -> Any:
    match value:
        case set() | frozenset():
            return sorted(value, key=repr)
        case os.PathLike():
            return os.fspath(value)
        case datetime.date() | datetime.time() | datetime.timedelta():
            return str(value)
    if (attributes := vars_of(value)) is None:
        raise TypeError
    return {type(value).__qualname__: attributes}


def _nodes(workflow: Any, function: FunctionType) -> list[Any]:
    """Return a function's part of the syntax tree of its Snakefile, of lambdas all that begin in its line.

    It is empty where the function does not stand in a local one.
    """
    first, name = function.__code__.co_firstlineno, function.__code__.co_name
    found = []
    for node in ast.walk(_snakefile(workflow, function.__code__.co_filename)):
        match node:
            # A rule without a name has the number with which it was compiled: it is told by its line.
            case ast.FunctionDef() | ast.AsyncFunctionDef() if name == node.name or name.startswith("__rule_"):
                if first == min([node.lineno, *(mark.lineno for mark in node.decorator_list)]):
                    return [node]
            case ast.Lambda() if first == node.lineno:
                found.append(node)
    return found


def _snakefile(workflow: Any, path: str) -> ast.Module:
    """Return the syntax tree of a Snakefile as Snakemake compiles it; it is read once per process."""
    if path not in _SNAKEFILES:
        source = infer_source_file(path)
        local = isinstance(source, LocalSourceFile)  # what comes from elsewhere is named by its version
        _SNAKEFILES[path] = ast.parse(parser.parse(source, workflow, linemap={})[0] if local else "")
    return _SNAKEFILES[path]
