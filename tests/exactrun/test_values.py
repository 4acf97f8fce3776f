"""What jobs take from their Snakefile without a param: a value of the config reruns the steps that read it, alone."""

import ast
import shutil
from collections.abc import Callable

import pytest
from studies import Study

from exactrun.reads import Reads, fields

SNAKEFILE = """
name = "n1"
rulename = "r1"
factor = 31
import sys

sys.path.insert(0, workflow.basedir + "/lib dir")

import functools

import helper
import numpy
import package.sub


configfile: "config.yaml"


NAMES = ["a", "b"]
HERE = workflow.basedir
ELSEWHERE = "/usr/lib"
KINDS = {"x": [{"x", "y", "z"}], "y": ({"x", "y", "z"},)}


SCRIPT = "/^3/d"
NUMBERS = [1, 1, 2]


@functools.cache
def cached(value):
    return value + 1


def marked(function):
    @functools.wraps(function)
    def inside(*values):
        return function(*values) + 1

    return inside


@marked
def decorated(value):
    return value * 5


def multiplied(by, value):
    return by * value


half = functools.partial(multiplied, 0.5)


class Base:
    @staticmethod
    def static():
        return 11

    @property
    def size(self):
        return 12


class Child(Base):
    level = 13


def run(value):
    return value + 14


OBJECT = Child()


def options(wildcards, threads):
    return f"-x 15 {threads}"


def scaled(value, by=1):
    def inner(value):
        return value * config["factor"] * by

    return inner(value)


rule all:
    input:
        "command",
        "block",
        "python",
        "bash",
        "set",
        "none",
        "derived",
        "repeated",
        "many",
        "by_place",
        "anonymous",


rule none:
    output:
        "none",
    shell:
        "echo {HERE} {ELSEWHERE} {threads} > {output}"


rule set:
    output:
        "set",
    params:
        kinds=KINDS,
    shell:
        "echo {params.kinds:q} > {output}"


rule command:
    output:
        "command",
    shell:
        "echo {config[a][b]} {NAMES[0]} > {output}"


rule derived:
    output:
        "derived",
    params:
        a=lambda wildcards, output: f"{config['derived']} {output[0]}",
        b=options,
    shell:
        "echo {params.a} {params.b} {name} {rulename} > {output}"


rule by_place:
    output:
        "by_place",
    params:
        lambda wildcards, output: "p 16",
        lambda wildcards, output, factor=factor: f"{output} p 17 {factor}",
    shell:
        "echo {params} > {output}"


include: "more/rules.smk"


rule repeated:
    output:
        "repeated",
    params:
        a=NUMBERS[0],
        b=NUMBERS[1],
        c=NUMBERS[2],
        since=config["since"],
    shell:
        "echo {params.a} {params.b} {params.c} {params.since} {config[until]} | sed '{SCRIPT}' > {output}"


rule many:
    output:
        "many",
    run:
        import inner
        from package import other

        values = [cached(1), decorated(1), half(1), Child().static(), OBJECT.size, run(1), package.sub.f()]
        with open(output[0], "w") as file:
            print(values, inner.g(), other.h(), file=file)


rule block:
    output:
        "block",
    run:
        part = config["part"]
        value = scaled(part["size"]) + helper.one() + int(numpy.zeros(1)[0])
        with open(output[0], "w") as file:
            print(value, config.get("extra", 7), file=file)
        shell("echo {config[word]} >> {output}")


rule python:
    output:
        "python",
    script:
        "scripts/python.py"


rule bash:
    output:
        "bash",
    script:
        "scripts/bash.sh"
"""
FILES = {
    "config.yaml": """a: {b: 1, c: 2}
factor: 2
part: {size: 3, other: 4}
word: hi
derived: d
since: 2026-01-01
until: 2026-02-01
model: {rate: 1, epochs: 2}
anonymous: 61
""",
    "lib dir/helper.py": "def one():\n    return 1\n",
    "lib dir/inner.py": "def g():\n    return 21\n",
    "lib dir/package/__init__.py": "",
    "lib dir/package/sub.py": "def f():\n    return 22\n",
    "lib dir/package/other.py": "def h():\n    return 23\n",
    "more/rules.smk": """rule:
    output:
        "anonymous",
    run:
        with open(output[0], "w") as file:
            print(config["anonymous"], 41, file=file)
""",
    # Python looks for a script's modules beside the Snakefile first, and beside the script last.
    "common.py": "N = 51\n",
    "scripts/common.py": "N = 52\n",
    "scripts/python.py": """import common
import reading

assert common.N in (51, 151)
model = snakemake.config["model"]
with open(snakemake.output[0], "w") as file:
    print(model["rate"], reading.of(snakemake.wildcards), file=file)
""",
    "scripts/reading.py": "def of(wildcards):\n    return len(wildcards)\n",
    "scripts/bash.sh": "echo ${snakemake_config[word]} > ${snakemake_output[0]}\n",
}
EDITS = [  # a file, what becomes what, and who reads it; a script that is not Python may read all of the config
    ("config.yaml", "b: 1", "b: 9", {"command", "bash"}),
    ("config.yaml", "c: 2", "c: 9", {"bash"}),
    ("config.yaml", "factor: 2", "factor: 3", {"block", "bash"}),
    ("config.yaml", "size: 3", "size: 4", {"block", "bash"}),
    ("config.yaml", "other: 4", "other: 5", {"bash"}),
    ("config.yaml", "word: hi", "word: ho", {"block", "bash"}),
    ("config.yaml", "model:", "extra: 1\nmodel:", {"block", "bash"}),
    ("config.yaml", "rate: 1", "rate: 3", {"python", "bash"}),
    ("config.yaml", "epochs: 2", "epochs: 3", {"bash"}),
    ("Snakefile", "value * config", "2 * value * config", {"block"}),
    ("Snakefile", "by=1", "by=2", {"block"}),
    ("Snakefile", "    def inner", "    # scales\n    def inner", set()),
    ("Snakefile", '["a", "b"]', '["c", "b"]', {"command"}),
    ("Snakefile", '["a", "b"]', '["a", "c"]', set()),
    ("Snakefile", "/usr/lib", "/usr/share", set()),
    ("lib dir/helper.py", "return 1", "return 2", {"block"}),
    ("scripts/reading.py", "return len", "return 1 + len", {"python"}),
    ("config.yaml", "derived: d", "derived: e", {"derived", "bash"}),
    ("Snakefile", "-x 15", "-x 16", {"derived"}),
    ("config.yaml", "2026-01-01", "2026-01-02", {"repeated", "bash"}),
    ("config.yaml", "2026-02-01", "2026-02-02", {"repeated", "bash"}),
    ("Snakefile", "/^3/d", "/^4/d", {"repeated"}),
    ("Snakefile", "[1, 1, 2]", "[1, 2, 2]", {"repeated"}),
    ("Snakefile", "return value + 1\n\n\ndef marked", "return value + 2\n\n\ndef marked", {"many"}),
    ("Snakefile", "function(*values) + 1", "function(*values) + 2", {"many"}),
    ("Snakefile", "value * 5", "value * 6", {"many"}),
    ("Snakefile", "by * value\n\n\nhalf", "by + value\n\n\nhalf", {"many"}),
    ("Snakefile", "multiplied, 0.5", "multiplied, 0.6", {"many"}),
    ("Snakefile", "return 11", "return 111", {"many"}),
    ("Snakefile", "return 12", "return 112", {"many"}),
    ("Snakefile", "level = 13", "level = 14", {"many"}),
    ("Snakefile", "value + 14", "value + 15", {"many"}),
    ("lib dir/inner.py", "21", "31", {"many"}),
    ("lib dir/package/sub.py", "22", "32", {"many"}),
    ("lib dir/package/other.py", "23", "33", {"many"}),
    ("Snakefile", '"n1"', '"n2"', {"derived"}),
    ("Snakefile", '"r1"', '"r2"', {"derived"}),
    ("Snakefile", "p 16", "p 26", {"by_place"}),
    ("Snakefile", "p 17", "p 27", {"by_place"}),
    ("Snakefile", "factor = 31", "factor = 32", {"by_place"}),
    ("Snakefile", "        values = [cached", "        # a comment\n        values = [ cached", set()),
    ("more/rules.smk", "41", "42", {"anonymous"}),
    ("config.yaml", "anonymous: 61", "anonymous: 62", {"anonymous", "bash"}),
    ("scripts/common.py", "52", "53", set()),
    ("common.py", "51", "151", {"python"}),
]


def test_who_reads_a_value_reruns(workflow: Callable[..., Study]) -> None:
    study = workflow(SNAKEFILE, **FILES)
    said = study.snakemake()
    assert len(said.jobs) == 11
    assert study.snakemake().jobs == set()
    for name, old, new, readers in EDITS:
        path = study.path / name
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))
        said = study.snakemake("--dry-run")
        assert said.jobs == readers, f"{old} -> {new}"
        if name == "config.yaml":
            assert "parameter config" in said.output
        if old == "b: 1":
            assert "parameter config.a.b: 1 -> 9" in said.output
        path.write_text(text)
    for name, old, new, _ in EDITS:
        path = study.path / name
        path.write_text(path.read_text().replace(old, new))
    assert study.snakemake().jobs == set.union(*(readers for *_, readers in EDITS))

    elsewhere = shutil.copytree(study.path, study.path.with_name("elsewhere"))
    study.path = elsewhere
    assert study.snakemake().jobs == set()
    assert study.run("python", "-m", "snakemake", "--cores", "1").jobs == set()


SHARED = """
import exactrun

exactrun.install(unversioned="kept.txt")
BY, LABEL = 1, "l1"


def scaled(value):
    return BY * value


def label(wildcards, input):
    return f"{LABEL} {len(input)}"


rule all:
    default_target: True
    input:
        "block_a",
        "block_b",
        "block_x",
        "block_y",
        "first_made",
        "second_made",
        "first_given",
        "read.txt",


rule a:
    output:
        "block_a",
    run:
        with open(output[0], "w") as file:
            print(BY, file=file)


use rule a as b with:
    output:
        "block_b",


for name in "xy":

    rule:
        name:
            f"block_{name}"
        output:
            f"block_{name}",
        run:
            with open(output[0], "w") as file:
                print(scaled(2), file=file)


module first:
    snakefile: "module.smk"
    config: {"z": 5}


module second:
    snakefile: "module.smk"
    config: {"z": 6}


use rule * from first as first_*


use rule given from first as first_given with:
    params:
        x=label,


use rule made from second as second_made with:
    output:
        "second_made",


rule read:
    input:
        "kept.txt",
    output:
        "read.txt",
    shell:
        "cp {input} {output}"
"""
MODULE = """
import exactrun

exactrun.install()
LABEL = 3


rule made:
    output:
        "first_made",
    run:
        with open(output[0], "w") as file:
            print(LABEL, config["z"], file=file)


rule given:
    input:
        "module.smk",
    output:
        "first_given",
    params:
        x=lambda w, input: "old",
    shell:
        "echo {params.x} > {output}"


rule kept:
    output:
        "kept.txt",
    shell:
        "echo kept > {output}"
"""
SHARING = [
    ("Snakefile", "BY, LABEL = 1", "BY, LABEL = 2", {"block_a", "block_b", "block_x", "block_y"}),
    ("Snakefile", '"l1"', '"l2"', {"first_given"}),
    ("Snakefile", "LABEL} {len", "LABEL}: {len", {"first_given"}),
    ("Snakefile", '"z": 6', '"z": 7', {"second_made"}),
    ("Snakefile", "print(BY", "print(3 * BY", {"block_a", "block_b"}),
]


def test_rules_that_share_a_block_or_take_a_function_of_another_snakefile(workflow: Callable[..., Study]) -> None:
    """`use rule`, rules made in a loop, a module that is used twice, a function that is given to a module's rule."""
    study = workflow(SHARED, module__smk=MODULE)
    study.snakemake()
    (study.path / "kept.txt").unlink()  # a module's own `install` takes nothing back
    assert study.snakemake().jobs == set()
    for name, old, new, readers in SHARING:
        study.edit(name, lambda text, old=old, new=new: text.replace(old, new))  # type: ignore[misc]
        assert study.snakemake().jobs == readers, f"{old} -> {new}"
        assert study.snakemake().jobs == set()
    study.edit("module.smk", lambda text: text.replace("LABEL = 3", "LABEL = 4"))
    assert study.snakemake().jobs == {"first_made", "second_made", "first_given"}


@pytest.mark.parametrize(
    ("code", "read"),
    [
        ("config['a']['b']", {("a", "b")}),
        ("config['a'][name]", {("a",)}),
        ("config", {()}),
        ("for name in config['a']: config['b']", {("a",), ("b",)}),
        ("config['a']['b'], config['a']", {("a",)}),
        ("config.get('a', config['b']).get('c')", {("a", "c"), ("b",)}),
        ("config.get('a', {}).get('c')", {("a", "c")}),
        ("f(**config['a'])", {("a",)}),
        ("f'{config[\"a\"]}'", {("a",)}),
        ("part = config['a']\nrest = part['b']\nf(rest['c'])", {("a", "b", "c")}),
        ("part = config['a']\npart = 1\nf(part)", {("a",)}),
        ("part = config['a']", {("a",)}),
        ("config = {}\nconfig['a']", set()),
        ("def f(config): return config['a']", set()),
        ("shell('echo {config[a][0]} {config[b]:q} {{config[c]}}')", {("a", 0), ("b",)}),
        ("config['a'] = 1", {("a",)}),
        ("lambda wildcards, config=config: config['a']", {()}),
        ("f = lambda config: config\ng(config['a'])", {("a",)}),
        ("[config for config in b]\nconfig['a']", {("a",)}),
        ("def f():\n    config = 1\nconfig['a']", {("a",)}),
    ],
)
def test_what_a_block_reads_of_the_config(code: str, read: set[tuple[str, ...]]) -> None:
    assert Reads(ast.parse(code), snakefile=True).config == read


@pytest.mark.parametrize(
    ("code", "read"),
    [
        ("snakemake.config['a']['b']", {("a", "b")}),
        ("config = snakemake.config\nf(config['a'])", {("a",)}),
        ("config['a']", set()),
        ("f(snakemake.input[0], snakemake.params.a)", set()),
        ("main(snakemake)", {()}),
        ("from snakemake.script import snakemake\nsnakemake.config['a']", {("a",)}),
    ],
)
def test_what_a_script_reads_of_the_config(code: str, read: set[tuple[str, ...]]) -> None:
    assert Reads(ast.parse(code)).config == read


def test_names_that_code_takes_from_around_it() -> None:
    code = "def f(a, b=B):\n    import c\n    d = A\n    shell('{E} {d}')\n    return [e for e in d if c.g(e)]"
    assert Reads(ast.parse(code), snakefile=True).names == {"A", "B", "E", "shell"}
    code = "lambda a, b, A=A, *, B=2 * B, C=c: A * B * C * a"
    assert Reads(ast.parse(code), snakefile=True).names == {"A", "B", "c"}
    code = "f = lambda a: a\ng = sum(b for b in c)\ndef h():\n    d = 1\n    return d\nf(a, b, d)"
    assert Reads(ast.parse(code), snakefile=True).names == {"a", "b", "c", "d", "sum"}


def test_fields_of_a_command() -> None:
    command = "a {input.b} {config[c][1]} {N:{W}} {{x}} {config[d].e}"
    assert list(fields(command)) == [("input", ()), ("config", ("c", 1)), ("N", ()), ("W", ()), ("config", ("d",))]
    assert list(fields("a { b")) == []
