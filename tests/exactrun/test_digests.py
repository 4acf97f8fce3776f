"""The digest of a step's code: what changes it, and what does not."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactrun import digests

PROJECT = {
    "scripts/train.py": "import json\nimport pkg.models.siamese\nfrom pkg import training\n",
    "src/pkg/__init__.py": '"""A package."""\n',
    "src/pkg/training.py": "def run():\n    from .layers import conv\n    return conv(1)\n",
    "src/pkg/layers.py": "from __future__ import annotations\nimport numpy\nfrom . import training\nconv = abs\n",
    "src/pkg/models/__init__.py": "",
    "src/pkg/models/siamese.py": "from ..constants import SIZE\n",
    "src/pkg/models/baseline.py": "SIZE = 28\n",
    "src/pkg/constants.py": "SIZE = 14\n",
    "src/pkg/figures.py": "import matplotlib\n",
}


def code(files: Mapping[str, str | bytes], *paths: str) -> dict[str, str]:
    """Return the items of a project made of `files`, in a folder of its own since each file is read only once."""
    with TemporaryDirectory() as root:
        for name, content in files.items():
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        text = digests.code(*paths or ("scripts/train.py",), root=root)
    items = dict(item.split("=") for item in text.split(" "))
    assert list(items) == sorted(items)
    return items


def digest(content: str | bytes, name: str = "run.py") -> str:
    return code({name: content}, name)[name]


def test_items_are_the_closure_of_imports() -> None:
    items = code(PROJECT)
    assert list(items) == [
        "numpy",
        "pkg",
        "pkg.constants",
        "pkg.layers",
        "pkg.models",
        "pkg.models.siamese",
        "pkg.training",
        "scripts/train.py",
    ]
    assert all(len(value) == 12 and int(value, 16) >= 0 for name, value in items.items() if name != "numpy")


@pytest.mark.parametrize("module", ["__init__", "training", "layers", "models/__init__", "models/siamese", "constants"])
def test_edit_of_an_imported_module_changes_its_item_alone(module: str) -> None:
    path = f"src/pkg/{module}.py"
    before, after = (code(project) for project in (PROJECT, PROJECT | {path: PROJECT[path] + "x = 1\n"}))
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {".".join(Path("pkg", module).parts).removesuffix(".__init__")}


@pytest.mark.parametrize("module", ["figures", "models/baseline"])
def test_edit_of_an_unrelated_module_changes_nothing(module: str) -> None:
    assert code(PROJECT | {f"src/pkg/{module}.py": "x = 1\n"}) == code(PROJECT)


def test_module_as_path_brings_its_parents_and_no_neighbour() -> None:
    files = PROJECT | {"src/pkg/models/numpy.py": "x = 1\n", "src/pkg/models/siamese.py": "import numpy\n"}
    items = code(files, "src/pkg/models/siamese.py")
    assert list(items) == ["numpy", "pkg", "pkg.models", "pkg.models.siamese"]
    assert items["numpy"].count(".") == 2


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("from a import b", {"a", "a.b"}),
        ("from a import b as c, x", {"a", "a.b"}),
        ("import a.b", {"a", "a.b"}),
        ("import a.b.c", {"a", "a.b"}),
        ("from a.b import *", {"a", "a.b"}),
        ("import helper", {"helper.py"}),
        ("import space.inside", {"space.inside"}),
        ("from space import inside", {"space.inside"}),
        ("import random", {"random"}),
        ("import importlib\nimportlib.import_module('a.b')", {"a", "a.b"}),
        ("__import__('a.b')", {"a", "a.b"}),
        ("import_module(name='a.b')", {"a", "a.b"}),
        ("import_module('.b', 'a')", {"a", "a.b"}),
        ("import_module('..b', package='a.c')", {"a", "a.b"}),
        ("from importlib import import_module as load\nload('a.b')", {"a", "a.b"}),
        ("__import__('')\nimport_module('.')\nimport_module(a.b)", set()),
        ("try:\n    import a\nexcept ImportError:\n    import space.inside", {"a", "space.inside"}),
        ("def f():\n    class C:\n        import a", {"a"}),
        ("if TYPE_CHECKING:\n    import a", set()),
        ("if typing.TYPE_CHECKING:\n    import a\nelse:\n    import space.inside", {"space.inside"}),
        ("import os.path, json, __future__", set()),
    ],
)
def test_ways_to_import(statement: str, expected: set[str]) -> None:
    modules = ("src/a/__init__.py", "src/a/b.py", "helper.py", "src/space/inside.py", "src/random.py")
    items = code({"run.py": statement} | dict.fromkeys(modules, ""), "run.py")
    assert items.keys() - {"run.py"} == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("from . import b", {"a", "a.b"}),
        ("from .b import x", {"a", "a.b"}),
        ("from .deep import c", {"a", "a.deep", "a.deep.c", "a.b"}),
        ("from .......... import b", {"a"}),
        ("import importlib\nimportlib.import_module('.b', __name__)", {"a", "a.b"}),
    ],
)
def test_relative_imports(statement: str, expected: set[str]) -> None:
    files = {"run.py": "import a", "src/a/__init__.py": statement, "src/a/b.py": "", "src/b.py": ""}
    files |= {"src/a/deep/__init__.py": "", "src/a/deep/c.py": "from ..b import x"}
    assert code(files, "run.py").keys() - {"run.py"} == expected


FUNCTION = '''
@decorate
def area(width: float, height=2, *, name="a"):
    """Area."""
    for i in range(3):  # three times
        width *= i + 1.0
    return f"{name}: {width:{height}}", -0.0, None, not True
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Area."""', '"""Something\n    else."""'),
        ('    """Area."""\n', ""),
        ("  # three times", ""),
        ("\n    return", "\n\n    # the result\n    return"),
        ('width: float, height=2, *, name="a"', "width:float,\n    height = 2,*,\n    name='a',\n"),
        ("width *= i + 1.0", "width *= (i + 1.00)"),
        ("width *= i + 1.0", "pass; width *= i + 1.0"),
        ("\n", "\r\n"),
    ],
)
def test_looks_do_not_count(old: str, new: str) -> None:
    assert old in FUNCTION
    assert digest(FUNCTION.replace(old, new)) == digest(FUNCTION)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("3", "4"),
        ("1.0", "1"),
        ("True", "1"),
        ("-0.0", "0.0"),
        ("None", "False"),
        ("+", "-"),
        ("height=2", "height=3"),
        ("height=2, *", "height=2"),
        ('name="a"', 'name=b"a"'),
        (": {width", ":  {width"),
        ("{height}", "{name}"),
        ("@decorate", "@other"),
        ("float", "int"),
        ("area", "surface"),
        ('    """Area."""\n', '    0\n    """Area."""\n'),
        ("    return", "        return"),
    ],
)
def test_meaning_counts(old: str, new: str) -> None:
    assert old in FUNCTION
    assert digest(FUNCTION.replace(old, new)) != digest(FUNCTION)


def test_docstrings_of_modules_and_classes_do_not_count() -> None:
    bare = digest("class A:\n    pass\n")
    assert digest('"""Doc."""\nclass A:\n    """Doc."""\n') == bare
    assert digest('class A:\n    pass\n"""Not a docstring."""\n') != bare


RAISES = """
def check(x):
    try:
        return x[0]
    except IndexError as error:
        raise errors.TooShort("has no", f"item {x!r}", len(x), code=f"{x}") from ValueError("empty")
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"has no"', '"lacks"'),
        ('"has no"', 'f"lacks {x} and"'),
        ('"has no"', '"lacks " "each"'),
        ('f"item {x!r}"', '"an item"'),
        ('f"item {x!r}"', 'f"item {x:{len(x)}}"'),
    ],
)
def test_texts_of_errors_do_not_count(old: str, new: str) -> None:
    assert old in RAISES
    assert digest(RAISES.replace(old, new)) == digest(RAISES)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("errors.TooShort", "errors.TooLong"),
        ("errors.TooShort", "other.TooShort"),
        ("len(x)", "len(x) + 1"),
        ('code=f"{x}"', 'code=f"{x}!"'),
        ('ValueError("empty")', 'ValueError("none")'),
        (' from ValueError("empty")', ""),
        ('"has no", f"item {x!r}", len(x)', '"has no", len(x), f"item {x!r}"'),
        ('"has no", ', ""),
        ('"has no"', 'b"has no"'),
        ('"has no"', '"has no" + x'),
        ('"has no"', '("has no",)'),
    ],
)
def test_all_else_of_errors_counts(old: str, new: str) -> None:
    assert old in RAISES
    assert digest(RAISES.replace(old, new)) != digest(RAISES)


@pytest.mark.parametrize("raised", ["fail({})", "errors.fail({})", "kinds[0]({})", "getattr(errors, {})('')", "{}"])
def test_texts_given_to_what_is_no_class_count(raised: str) -> None:
    """A function may choose the class by its arguments."""
    one, other = (digest(f"raise {raised.format(repr(text))}") for text in ("KeyError", "ValueError"))
    assert one != other


def test_texts_elsewhere_count() -> None:
    assert digest("return_(ValueError('a'))") != digest("return_(ValueError('b'))")


def test_names_imported_in_the_text_of_an_error_count() -> None:
    text = """raise ValueError(f"{__import__('helper')}")"""
    assert code({"run.py": text, "helper.py": ""}, "run.py").keys() == {"run.py", "helper.py"}


@settings(deadline=None)
@given(st.lists(st.sampled_from(["", "\n", "  \n", "# comment\n", "    # another\n", "\f\n"]), min_size=7, max_size=7))
def test_blank_lines_and_comments_anywhere_do_not_count(insertions: list[str]) -> None:
    lines = FUNCTION.lstrip().splitlines(keepends=True)
    edited = "".join(line for pair in zip(insertions, lines, strict=False) for line in pair)
    assert digest(edited) == digest("".join(lines))


CONSTANTS = st.one_of(
    st.integers(0), st.floats(0, allow_infinity=False), st.text(), st.binary(), st.booleans(), st.none(), st.just(...)
)


@settings(deadline=None)
@given(CONSTANTS, CONSTANTS)
def test_constants_differ_by_value_and_type(first: object, second: object) -> None:
    same = (type(first), repr(first)) == (type(second), repr(second))
    assert (digest(f"x = {first!a}") == digest(f"x = {second!a}")) == same


def test_files_of_other_kinds_are_digested_by_bytes() -> None:
    scripts: list[str | bytes] = ["# sum\n{ s += $1 }", "{ s += $1 }", b"\xff\x00"]
    assert len({digest(content, "scripts/sum.awk") for content in scripts}) == 3
    assert list(code({"src/a.txt": "", "src/a.py": ""}, "src/a.txt")) == ["src/a.txt"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "run.py: No such file or directory"),
        ("x = 1\ny = (\n", "run.py:2: '(' was never closed"),
        ("x = \0", "run.py:1: source code string cannot contain null bytes"),
    ],
)
def test_unreadable_file_is_a_one_line_error(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "run.py").write_text(content)
    with pytest.raises(ValueError) as caught:
        digests.code("run.py", root=tmp_path)
    assert str(caught.value) == f"{tmp_path}/{message}"


def alone(folder: Path, python: str = sys.executable) -> str:
    """Return the items of run.py in `folder` as a fresh interpreter without any library computes them."""
    command = "import exactrun; print(exactrun.code('run.py', search=[]))"
    package = Path(digests.__file__).parents[1]
    # Without site packages (-S), libraries are those in the folder's own.
    return subprocess.run(
        [python, "-S", "-c", command],
        cwd=folder,
        env={"PYTHONPATH": f"{package}{os.pathsep}{folder / 'libraries'}", "XDG_CACHE_HOME": str(folder / "cache")},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def install(folder: Path, name: str, version: str, **files: str) -> None:
    info = folder / "libraries" / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for file, content in files.items():
        (info / file).write_text(content)


def test_libraries_appear_with_their_version(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text("import torch.nn, yaml, PIL.Image, absent")
    install(tmp_path, "torch", "2.13.0+cpu")
    install(tmp_path, "PyYAML", "6.0", **{"top_level.txt": "_yaml\nyaml\n"})
    install(tmp_path, "pillow", "13.0", RECORD="PIL/__init__.py,,\n")
    (tmp_path / "libraries/PIL").mkdir()
    (tmp_path / "libraries/PIL/__init__.py").touch()  # from Python 3.12 on, a file that is not there is not listed
    before = alone(tmp_path).split()
    assert [item for item in before if "run.py" not in item] == [
        "PyYAML=6.0",
        "absent=missing",
        "pillow=13.0",
        "torch=2.13.0",
    ]
    shutil.rmtree(tmp_path / "libraries/torch-2.13.0+cpu.dist-info")
    install(tmp_path, "torch", "2.14.0")
    assert "torch=2.14.0" in alone(tmp_path).split()


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_every_python_version_computes_the_same(tmp_path: Path, version: str) -> None:
    python = shutil.which(f"python{version}")
    if not python or subprocess.run([python, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"python{version} is not installed")
    source = f"""{FUNCTION}
class A(B, metaclass=C): x: int = 1
async def f(a, /, b, *c, d=None, **e): return [i async for i in a if (j := i)], lambda: 0, {{**e}}
match x:
    case {{"a": [1, *_], **rest}} | None: u"\U0001fae8" f"{{x=}}" f"{{x!r:}}" f"{{x:{{y}}a{{z}}}}" "end"
    case A(b=2j) if ...: del x[1:2, ...]
    case _: raise A(f"{{x}} {{y:{{z}}}}", "text", 1) from b
try: pass
except* OSError as error: raise A from error
finally: global y
"""
    (tmp_path / "run.py").write_text(source, encoding="utf-8")
    assert alone(tmp_path, python) == alone(tmp_path)
