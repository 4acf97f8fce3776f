"""Digests of the code that a workflow's step runs, as one readable string that changes when the code's meaning does.

Snakemake compares a rule's params by value, whatever the files' times say. A rule that carries its code as a param

    rule train:
        params: code=exactrun.code("scripts/train.py", root=workflow.basedir)
        shell: "python scripts/train.py ..."

reruns after a real edit of any module that it imports, and after no other edit. Needs the standard library alone.
"""

import ast
import functools
import hashlib
import itertools
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from exactrun import reads
from exactrun.memo import Meaning, Memo

MEMO = Memo(Path(__file__), Path(reads.__file__))


def code(*paths: str | Path, search: Sequence[str | Path] = ("src",), root: str | Path = ".") -> str:
    """Name the code that runs when `paths` run, piece by piece, each with its digest or version.

    The pieces are the given files, every project module that they import, directly or not, and the third-party
    distributions that any of these import themselves. Imports inside functions and in both branches of a `try` count,
    those under `if TYPE_CHECKING` do not. What the code's text does not show is given as a further path: a module whose
    name is computed at run time, a submodule that only `__all__` and a star import load, a file that is read.

    The text of an error does not count: a string or f-string that is a positional argument of the exception in a
    `raise`, as in `raise ValueError("too short")`. The class counts, and so do all other arguments and the cause. The
    limit of this: code that reads the text of its own exceptions (`except KeyError as error: retry(error.args[0])`), or
    an f-string whose values have side effects, may behave otherwise under the same digest. Give such data to the
    exception by keyword or by a variable. Only a call whose name begins with a capital letter is taken for a class: all
    arguments of a function that makes exceptions count.

    A file is read once per process: call this when a workflow is parsed, not while code is being edited.

    Args:
        paths: Python files, such as a rule's script; files of any other kind are digested byte by byte.
        search: The folders that project modules are imported from, besides a script's own.
        root: The folder that `paths` and `search` are relative to, and the names of scripts in the result.

    Returns:
        `name=value` items, sorted by name, between spaces: `package.module=3f2a9c1b04de` or `scripts/train.py=...` (the
        first 12 hex digits of a SHA-256 that does not depend on comments, docstrings, error texts, formatting and the
        version of Python) and `torch=2.13.0` (without a local label such as `+cpu`; `missing` if not installed).

    Raises:
        ValueError: A file cannot be read or is not Python: one line that names the file and the line in it.
    """
    folders = tuple(Path(root, folder) for folder in search)
    items: dict[str, str] = {}
    for given in (Path(root, path) for path in paths):
        if module := _module(given, folders):  # its parent packages run before it
            items |= _items([given, *_find(folders, module)], folders, folders, root)
        else:  # Python searches a script's own folder first
            items |= _items([given], (given.parent, *folders), folders, root)
    return spell(items)


def script(
    path: str | Path, search: Sequence[str | Path], root: str | Path, *, libraries: bool = True
) -> dict[str, str]:
    """Name the code that runs when a `script:` runs, as `code` does, but all files by their places: {name: digest}.

    `libraries` is False where they are not those of this environment.
    """
    return _items([Path(root, path)], _beside(path, search, root), (), root, libraries=libraries)


def imported(name: str, search: Sequence[str | Path], root: str | Path) -> dict[str, str]:
    """Name the code that runs when a module is imported, or the library that it belongs to."""
    folders = tuple(Path(root, folder) for folder in search)
    top = name.partition(".")[0]
    if found := _find(folders, name):
        return _items(found, folders, (), root)
    return {} if top in sys.stdlib_module_names else versions(top)


def config(path: str | Path, search: Sequence[str | Path], root: str | Path) -> frozenset[reads.Keys]:
    """Return which values of the config a script and the project's modules that it imports read, by their keys."""
    files = _closure([Path(root, path)], _beside(path, search, root))
    return frozenset(keys for file in files for keys in _read(file)[2])


def _beside(path: str | Path, search: Sequence[str | Path], root: str | Path) -> tuple[Path, ...]:
    """Return where the imports of a `script:` are looked for: Snakemake puts its own folder last."""
    return (*(Path(root, folder) for folder in search), Path(root, path).parent)


def spell(items: Mapping[str, str]) -> str:
    """Return `name=value` items, sorted by name, between spaces."""
    return " ".join(f"{name}={items[name]}" for name in sorted(items))


def _items(
    given: list[Path],
    roots: tuple[Path, ...],
    folders: tuple[Path, ...],
    root: str | Path,
    *,
    libraries: bool = True,
) -> dict[str, str]:
    """Return name and digest or version of all that runs with some files; their imports are looked for in `roots`."""
    items: dict[str, str] = {}
    for path in _closure(given, roots):
        items[_module(path, folders) or Path(os.path.relpath(path, root)).as_posix()] = _read(path)[0]
        for package in _requirements(path, roots)[1] if libraries else ():
            items |= versions(package)
    return items


def _closure(given: list[Path], roots: tuple[Path, ...]) -> set[Path]:
    """Return some files and the project's modules that they import, directly or not."""
    ahead, seen = list(given), set[Path]()
    while ahead:
        path = ahead.pop()
        if path not in seen:
            seen.add(path)
            ahead.extend(_requirements(path, roots)[0])
    return seen


def _module(path: Path, folders: Sequence[Path]) -> str | None:
    """Return the dotted name of a module in one of `folders`, None for a script or a file of another kind."""
    for folder in folders:
        if path.suffix == ".py" and path.is_relative_to(folder):
            return ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
    return None


@functools.cache
def _read(path: Path) -> Meaning:
    """Return a file's digest, its imports, each as level (leading dots) and dotted name, and what config it reads."""
    try:
        content = path.read_bytes()
        if path.suffix != ".py":
            everything = frozenset({()}) if re.search(rb"\bsnakemake[@._]config\b", content) else frozenset()
            return digest(content), frozenset(), everything
        return MEMO.get(content, lambda: _parse(content, path))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:  # null bytes have no line, and are a ValueError in early 3.11
        raise ValueError(f"{path}:{getattr(error, 'lineno', None) or 1}: {getattr(error, 'msg', error)}") from error


def _parse(content: bytes, path: Path) -> Meaning:
    tree = ast.parse(content, filename=str(path))
    return meaning(tree), frozenset(imports(tree)), reads.Reads(tree).config


def meaning(tree: ast.AST) -> str:
    """Return the digest of what code means."""
    return digest(_canonical(tree).encode())


def digest(content: bytes) -> str:
    """Return the first 12 hex digits of a SHA-256."""
    return hashlib.sha256(content).hexdigest()[:12]


def _canonical(node: object) -> str:
    """Serialise the meaning of a syntax tree; unlike `ast.dump`, the same in every version of Python."""
    if isinstance(node, list):
        return f"[{','.join([_canonical(item) for item in node if not isinstance(item, ast.Pass)])}]"
    if not isinstance(node, ast.AST):
        return ascii(node)  # what `repr` leaves unescaped differs between versions
    fields = []
    for field in node._fields:
        value = getattr(node, field)
        if field == "body" and isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            match value:
                case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                    value = rest
        elif isinstance(node, ast.JoinedStr):  # Python 3.12 closes f"{x:{width}}" with an empty string
            value = [part for part in value if part.value != ""]
        elif isinstance(node, ast.Raise) and field == "exc":
            value = _without_text(value)
        text = "" if field in ("ctx", "kind") else _canonical(value)  # both say nothing new; `kind` is the u of u""
        if text not in ("", "None", "[]"):  # a field that a newer Python added is empty in older code
            fields.append(f"{field}={text}")
    return f"{type(node).__name__}({','.join(fields)})"


def _without_text(raised: ast.expr | None) -> ast.expr | None:
    """Empty the texts that an exception is made with; how many there are, and where, still counts."""
    match raised:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args) if name.lstrip("_")[:1].isupper():
            kept = [ast.JoinedStr(values=[]) if _is_text(argument) else argument for argument in args]
            return ast.Call(func=raised.func, args=kept, keywords=raised.keywords)
    return raised


def _is_text(node: ast.expr) -> bool:
    match node:
        case ast.JoinedStr() | ast.Constant(value=str()):
            return True
    return False


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield what code imports, each as level (leading dots) and dotted name."""
    dynamic = {"import_module", "__import__"} | {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "importlib"
        for alias in node.names
        if alias.name == "import_module" and alias.asname
    }
    ahead: list[ast.AST] = [tree]
    while ahead:
        node = ahead.pop()
        match node:
            case ast.Import(names=names):
                yield from ((0, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                # A name may be a submodule or something inside of `module`: whether there is such a file tells.
                yield from ((level, f"{module}.{alias.name}" if module else alias.name) for alias in names)
            case ast.Call(func=ast.Name(id=function) | ast.Attribute(attr=function)) if function in dynamic:
                if name := _argument(node, 0, "name"):
                    package = _argument(node, 1, "package") if function != "__import__" else None
                    if package and name.startswith("."):
                        name = _absolute(name, package)
                    if name.strip("."):
                        yield len(name) - len(name.lstrip(".")), name.lstrip(".")
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"), orelse=orelse):
                ahead.extend(orelse)
                continue
        ahead.extend(ast.iter_child_nodes(node))


def _argument(call: ast.Call, place: int, keyword: str) -> str | None:
    """Return a text that a call has as an argument."""
    named = [given.value for given in call.keywords if given.arg == keyword]
    match [*named, *call.args[place : place + 1]]:
        case [ast.Constant(value=str(text)), *_]:
            return text
    return None


def _absolute(name: str, package: str) -> str:
    """Return the absolute name of a module that is named relative to a package."""
    level = len(name) - len(name.lstrip("."))
    parents = package.split(".")
    return ".".join([*parents[: len(parents) - level + 1], name.lstrip(".")])


@functools.cache
def _requirements(path: Path, roots: tuple[Path, ...]) -> tuple[frozenset[Path], frozenset[str]]:
    """Return the project's files and the third-party packages that a file itself imports."""
    modules: set[Path] = set()
    packages: set[str] = set()
    for level, name in _read(path)[1]:
        found = _find(path.parents[level - 1 : level] if level else roots, name)
        modules.update(found)
        top = name.partition(".")[0]
        if not (found or level or top in sys.stdlib_module_names):
            packages.add(top)
    return frozenset(modules), frozenset(packages)


@functools.cache
def _find(folders: tuple[Path, ...], name: str) -> list[Path]:
    """Return the files in `folders` that `import a.b.c` runs: those of a, a.b and a.b.c, as far as they exist."""
    found: list[Path] = []
    for stem in itertools.accumulate(name.split("."), "{}/{}".format):
        candidates = (f"{folder}/{stem}{end}" for folder in folders for end in ("/__init__.py", ".py"))
        # Not by `Path.is_file`, which takes longer: a start asks for some thousand files.
        found += map(Path, itertools.islice(filter(os.path.isfile, candidates), 1))
    return found


@functools.cache
def versions(package: str) -> dict[str, str]:
    """Return name and version of the distributions that provide a package, which is not imported."""
    try:
        owners = [metadata.distribution(package)]
    except metadata.PackageNotFoundError:  # named otherwise, as PyYAML provides yaml
        initial = f"\n{package}/__init__.py,"
        names = [owner.name for owner in metadata.distributions() if initial in f"\n{owner.read_text('RECORD')}"]
        # Only all installed files, parsed, show what is no ordinary package; that takes 0.1 s.
        owners = [metadata.distribution(name) for name in names or metadata.packages_distributions().get(package, [])]
    fields = [owner.metadata for owner in owners]  # read anew by each property of `owner`
    return {field["Name"]: field["Version"].partition("+")[0] for field in fields} or {package: "missing"}
