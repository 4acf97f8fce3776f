"""Reasons in words, from what Snakemake's records and jobs tell."""

import json
import shlex
from typing import Any

import pytest
import snakemake.api  # noqa: F401 - first: snakemake.workflow alone imports itself in a circle
from snakemake.jobs import Reason
from snakemake.persistence import ParamsChange

from exactrun.decisions import ContentReason
from exactrun.explain import explain


def changed(old: list[Any], new: dict[str, Any]) -> str:
    """Explain a job whose params were `old`, which records hold without names, and are `new`."""
    reason = Reason()
    before, now = {repr(value) for value in old}, {repr(value) for value in new.values()}
    reason.params_changed = ParamsChange(before - now, now - before)
    return explain([("rule", {}, reason, {repr(value): name for name, value in new.items()})])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ([3, "a"], {"above": 4, "name": "a"}, ["parameter above: 3 -> 4"]),
        ([], {"above": 4}, ["parameter above: none -> 4"]),
        ([3], {}, ["parameter: 3 -> none"]),
        ([1, 2], {"a": 3, "b": 4}, ["parameter: 1, 2 -> none", "parameter a: none -> 3", "parameter b: none -> 4"]),
        ([{"a": 1}], {"grid": {"a": 2}}, ["parameter grid: {'a': 1} -> {'a': 2}"]),
        (["it's"], {"text": "not"}, ["parameter text: it's -> not"]),
        (["above=3"], {"above": "above=4"}, ["parameter above: 3 -> 4"]),
        (
            ["a.b=0123456789ab numpy=2.0"],
            {"code": "a.b=0123456789ac numpy=2.1"},
            ["code a.b: 0123456789ab -> 0123456789ac", "library numpy: 2.0 -> 2.1"],
        ),
        (
            ['--rate=1 --train=\'{"a": {"b": 1}}\''],
            {"arguments": '--rate=2 --train=\'{"a": {"b": 2}}\''},
            ["parameter rate: 1 -> 2", "parameter train.a.b: 1 -> 2"],
        ),
        (["above=3", "a" * 64], {"above": "above=4", "run": "b" * 64}, ["parameter above: 3 -> 4"]),
        (["a" * 64], {"run": "b" * 64}, [f"parameter run: {'a' * 64} -> {'b' * 64}"]),
    ],
)
def test_old_and_new_value(old: list[Any], new: dict[str, Any], said: list[str]) -> None:
    assert changed(old, new).splitlines() == ["rule", *(f"    {line}" for line in said)]


def test_an_output_that_is_not_what_its_record_says() -> None:
    reason = ContentReason()
    reason.no_metadata = True
    assert explain([("rule", {}, reason, {})]).endswith("    no record says what its files were made of")
    reason.altered = {"b.csv", "a.csv"}
    assert explain([("rule", {}, reason, {})]).endswith("    its output is not as it was made: a.csv, b.csv")
    reason.clear()
    assert not reason.altered


def test_without_an_output_no_input_has_changed() -> None:
    reason = Reason()
    reason.updated_input.add("a.csv")
    assert explain([("rule", {}, reason, {})]).endswith("input changed since the last run: a.csv")
    reason.missing_output.add("b.csv")
    assert explain([("rule", {}, reason, {})]) == "rule\n    its output is not there"


def test_a_table_of_files_is_counted() -> None:
    old, new = ([[f"{name}.csv", {"value": 1}] for name in names] for names in ("ab", "bcd"))
    one, other = (shlex.join([f"--tables={json.dumps(table)}"]) for table in (old, new))
    assert changed([one], {"arguments": other}).endswith("    parameter tables: 2 rows added, 1 removed")


def test_jobs_with_the_same_reasons_are_said_together() -> None:
    missing, follows = Reason(), Reason()
    missing.missing_output.add("a")
    follows.updated_input_run.add("a")
    jobs: list[Any] = [("cell", {"batch_size": str(size)}, missing, {}) for size in range(10)] + [
        ("grid", {}, follows, {})
    ]
    assert explain(jobs).splitlines() == [
        "cell (10 jobs): batch size 0, 1, 2, 3, 4, 5, 6, 7 and 2 more",
        "    its output is not there",
        "What follows, where its input turns out to have new content:",
        "    grid",
    ]
