"""What a job takes from its Snakefile without a param: values of the config, variables, functions and modules.

Snakemake's records hold a rule's params and the text of its command or block. What a field of the command, a name in a
block, or `snakemake.config` in a script stands for is in none of these.
"""

import ast
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from snakemake import parser
from snakemake.sourcecache import LocalSourceFile, infer_source_file

from exactrun import digests
from exactrun.reads import Keys, Reads, fields

# Names that mean a job's own in a command, and what Snakemake itself puts into a Snakefile.
OF_A_JOB = frozenset(["input", "output", "params", "wildcards", "threads", "resources", "log", "jobid", "name"])
OF_SNAKEMAKE = frozenset(
    ["rule", "rulename", "bench_iteration", "workflow", "rules", "checkpoints", "storage", "logger"]
)
LIBRARIES = frozenset(["site-packages", "dist-packages"])  # folders of an environment, which may lie in the project
BLOCK = "run"
MOST = 2000  # characters of a value in a record; a longer one has its digest there
_SNAKEFILES: dict[str, ast.Module] = {}


class Taken:
    """The code and the values that one rule's jobs take, as `name=value` items between spaces."""

    def __init__(self, rule: Any, root: Path, folders: Sequence[Path], spell: Callable[[Any], Any]):
        self.workflow, self.root, self.folders, self.spell = rule.workflow, root, folders, spell
        self.here = sorted({str(rule.workflow.basedir), str(root), str(Path.cwd())} - {"/"}, reverse=True)
        self.names: dict[str, Any] = rule.run_func.__globals__ if rule.run_func else rule.workflow.globals
        self.code: dict[str, str] = {}
        self.values: dict[str, str] = {}

    def command(self, command: str) -> None:
        """Take what the fields of a command stand for."""
        for name, keys in fields(command):
            if name not in OF_A_JOB:
                self._take(name, keys)

    def function(self, function: FunctionType, name: str) -> None:
        """Take a function of the Snakefile, such as a rule's block, and what its names stand for."""
        node = _node(self.workflow, function)
        if name in self.code or node is None:
            return
        own = node
        if name == BLOCK:  # its name and signature are Snakemake's, and differ between versions; so do its marks
            node.decorator_list = []
            own = ast.Module(body=node.body, type_ignores=[])
        self.code[name] = digests.meaning(own)
        reads = Reads(node, snakefile=True)
        for keys in reads.config:
            self._take("config", keys)
        for other in reads.names:
            self._take(other, ())

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
            self._named(name, self.names[name])

    def _named(self, name: str, value: Any) -> None:
        match value:
            case FunctionType() if value.__globals__ is self.names:
                self.function(value, name)
            case type() if methods := [own for own in vars(value).values() if isinstance(own, FunctionType)]:
                self._module(sys.modules.get(value.__module__))
                for method in methods:
                    if method.__globals__ is self.names:
                        self.function(method, f"{name}.{method.__name__}")
            case ModuleType():
                self._module(value)
            case _ if callable(value):
                self._module(sys.modules.get(getattr(value, "__module__", None) or ""))
            case str() | os.PathLike() if Path(value).is_absolute() and not any(
                map(Path(value).is_relative_to, self.here)
            ):
                pass  # a place on this machine
            case _:
                self._value(name, value)

    def _module(self, module: ModuleType | None) -> None:
        """Take the code of a module of the project, or the version of a library."""
        top = module.__name__.partition(".")[0] if module else "builtins"
        if top in sys.stdlib_module_names or top.partition("_")[0] in ("snakemake", "exactrun"):
            return
        file = Path(getattr(module, "__file__", None) or os.devnull).resolve()
        if any(map(file.is_relative_to, self.folders)) and not LIBRARIES & set(file.parts):
            self.code |= dict(item.split("=") for item in digests.script(file, self.folders, self.root).split())
        else:
            self.code |= digests.versions(top)

    def _value(self, name: str, value: Any) -> None:
        try:
            text = json.dumps(value, default=_plain)
        except (TypeError, ValueError):
            text = self.spell(value)
        if isinstance(text, str):
            for place in self.here:
                text = text.replace(place, ".")
            self.values[name] = text if len(text) <= MOST else digests.digest(text.encode())

    def params(self) -> Iterator[str]:
        """Yield the code and the values, each as one text, if there are any."""
        if self.code:
            yield " ".join(f"{name}={self.code[name]}" for name in sorted(self.code))
        if self.values:
            yield shlex.join(f"--{name}={self.values[name]}" for name in sorted(self.values))


def _plain(value: Any) -> Any:
    match value:
        case set() | frozenset():
            return sorted(value, key=repr)
        case os.PathLike():
            return os.fspath(value)
    raise TypeError


def _node(workflow: Any, function: FunctionType) -> Any:
    """Return a function's part of the syntax tree of its Snakefile, None if it does not stand in a local one."""
    first = function.__code__.co_firstlineno
    for node in ast.walk(_snakefile(workflow, function.__code__.co_filename)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                if first == min([node.lineno, *(mark.lineno for mark in getattr(node, "decorator_list", ()))]):
                    return node
    return None


def _snakefile(workflow: Any, path: str) -> ast.Module:
    """Return the syntax tree of a Snakefile as Snakemake compiles it; it is read once per process."""
    if path not in _SNAKEFILES:
        source = infer_source_file(path)
        local = isinstance(source, LocalSourceFile)  # what comes from elsewhere is named by its version
        _SNAKEFILES[path] = ast.parse(parser.parse(source, workflow, linemap={})[0] if local else "")
    return _SNAKEFILES[path]
