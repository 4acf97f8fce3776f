"""Why a step would run, which step, because of which parameter, module, library or file, old and new value."""

import ast
import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SHOWN = 8  # values or files; the rest is counted


def explain(jobs: Iterable[tuple[str, Mapping[str, str], Any]]) -> str:
    """Return what is to be said about jobs that would run, given as rule, wildcards and Snakemake's `Reason`.

    Jobs of one rule with the same reasons are said together.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[Mapping[str, str]]] = defaultdict(list)
    following: dict[str, int] = defaultdict(int)
    for rule, wildcards, reason in jobs:
        if reasons := tuple(_reasons(reason)):
            groups[rule, reasons].append(wildcards)
        elif rule != "all":
            following[rule] += 1
    lines = []
    for (rule, reasons), members in groups.items():
        lines += [f"{_count(rule, len(members))}{_values(members)}", *(f"    {reason}" for reason in reasons)]
    if following:
        lines += [
            "What follows, where its input turns out to have new content:",
            f"    {', '.join(_count(rule, count) for rule, count in following.items())}",
        ]
    return "\n".join(lines)


def _count(rule: str, count: int) -> str:
    return f"{rule} ({count} jobs)" if count > 1 else rule


def _values(members: list[Mapping[str, str]]) -> str:
    """Name the wildcards' values, as in ': batch size 25, 50; model baseline'."""
    values = [f"{name.replace('_', ' ')} {_list({member[name] for member in members})}" for name in members[0]]
    return f": {'; '.join(values)}" if values else ""


def _list(values: Iterable[str]) -> str:
    shown = sorted(values)
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more


def _reasons(reason: Any) -> Iterator[str]:
    if reason.forced:
        yield "forced on the command line"
    if reason.missing_output:
        yield "its output is not there"
    if updated := reason.updated_input - reason.updated_input_run:
        yield f"another content than when it ran: {_list(updated)}"
    if reason.params_changed:
        yield from _changes(_items(reason.params_changed.only_old), _items(reason.params_changed.only_new))
    if reason.code_changed:
        yield "the rule's command in the Snakefile changed"
    if reason.input_changed:
        yield "it takes other files than when it ran"
    if reason.no_metadata and not reason.missing_output:
        yield "no record says what its files were made of"


def _items(params: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return {(kind, name): value} of params as Snakemake records them: the repr of a string of name=value items."""
    items: dict[tuple[str, str], str] = {}
    for param in params:
        for item in shlex.split(str(ast.literal_eval(param))):
            name, equals, value = item.partition("=")
            if name.startswith("--"):
                items |= {("parameter", key): text for key, text in _flat(name.strip("-"), value)}
            elif equals:
                kind = "code" if re.fullmatch("[0-9a-f]{12}", value) else "library"
                items[kind, name] = value
    return items


def _flat(name: str, value: str) -> Iterator[tuple[str, str]]:
    try:
        content = json.loads(value)
    except ValueError:
        content = value
    if isinstance(content, dict):
        for key, inner in content.items():
            yield from _flat(f"{name}.{key}" if name != "options" else key, json.dumps(inner))
    else:
        yield name, str(content)


def _changes(old: Mapping[tuple[str, str], str], new: Mapping[tuple[str, str], str]) -> Iterator[str]:
    for kind, name in sorted(old.keys() | new.keys()):
        before, now = old.get((kind, name), "none"), new.get((kind, name), "none")
        if before != now:
            yield f"{kind} {name}: {_difference(before, now)}"


def _difference(before: str, now: str) -> str:
    """Spell old and new value; of two tables, how many of their rows came and went."""
    try:
        old, new = (ast.literal_eval(value) for value in (before, now))
    except (ValueError, SyntaxError):
        return f"{before} -> {now}"
    if not all(isinstance(rows, list) and any(isinstance(row, list) for row in rows) for rows in (old, new)):
        return f"{before} -> {now}"
    return f"{sum(row not in old for row in new)} rows more, {sum(row not in new for row in old)} rows less"
