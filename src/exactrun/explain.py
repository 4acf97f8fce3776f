"""Reasons to run in words: which step, because of which parameter, module, library or file, old and new value."""

import ast
import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SHOWN = 8  # values or files; the rest is counted


def explain(jobs: Iterable[tuple[str, Mapping[str, str], Any, Mapping[str, str]]]) -> str:
    """Return the reasons of jobs that would run, as text.

    Each is given as rule, wildcards, Snakemake's `Reason`, and the names of its params by their values' `repr`, since
    records hold no names. Jobs of one rule with the same reasons are said together.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[Mapping[str, str]]] = defaultdict(list)
    following: dict[str, int] = defaultdict(int)
    for rule, wildcards, reason, names in jobs:
        if reasons := tuple(_reasons(reason, names)):
            groups[rule, reasons].append(wildcards)
        else:
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


def _reasons(reason: Any, names: Mapping[str, str]) -> Iterator[str]:
    if reason.forced:
        yield "forced on the command line, or left half done"
    if reason.missing_output:
        yield "its output is not there"
    made_anew: set[str] = getattr(reason, "made_anew", set())
    updated = (reason.updated_input - reason.updated_input_run) | made_anew
    if updated and not reason.missing_output:  # which counts any input as newer
        yield f"input changed since the last run: {_list(updated)}"
    if reason.params_changed:
        yield from _changes(_items(reason.params_changed.only_old, {}), _items(reason.params_changed.only_new, names))
    if reason.code_changed:
        yield "the rule's command in the Snakefile changed"
    if reason.input_changed:
        yield "it takes other files than when it ran"
    if reason.software_stack_changed:
        yield "its software environment changed"
    if altered := getattr(reason, "altered", None):
        yield f"its output is not as it was made: {_list(altered)}"
    elif reason.no_metadata and not (reason.missing_output or updated):
        yield "no record says what its files were made of"


def _items(params: Iterable[str], names: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Return {(kind, name): value} of params as Snakemake records them, as the `repr` of each value.

    A string of `name=value` items, as `exactrun.code` and command-line options have them, is read as these. Other
    values have the param's name, or none if it is not known.
    """
    items: dict[tuple[str, str], str] = {}
    for param in sorted(params):
        value = _literal(param)
        words = _words(value) if isinstance(value, str) else []
        if words and all(re.fullmatch(r"[^=\s]+=.*", word, re.S) for word in words):
            pairs = [word.split("=", 1) for word in words]
            other = "library" if any(map(_is_digest, pairs)) else "parameter"
            for pair in pairs:
                items |= _item(pair, "code" if _is_digest(pair) else other)
        else:
            name = names.get(param, "")
            items["parameter", name] = ", ".join(filter(None, [items.get(("parameter", name)), str(value)]))
    return items


def _is_digest(pair: list[str]) -> bool:
    return bool(re.fullmatch("[0-9a-f]{12}", pair[1]))


def _item(pair: list[str], kind: str) -> dict[tuple[str, str], str]:
    name, value = pair
    if name.startswith("--"):
        return {("parameter", key): text for key, text in _flat(name.strip("-"), value)}
    return {(kind, name): value}


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an open quote
        return []


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _flat(name: str, value: str) -> Iterator[tuple[str, str]]:
    try:
        content = json.loads(value)
    except ValueError:
        content = value
    if isinstance(content, dict):
        for key, inner in content.items():
            yield from _flat(f"{name}.{key}", json.dumps(inner))
    else:
        yield name, str(content)


def _changes(old: Mapping[tuple[str, str], str], new: Mapping[tuple[str, str], str]) -> Iterator[str]:
    unnamed = [key for key in new.keys() - old.keys() if key[0] == "parameter"]
    if ("parameter", "") in old and len(unnamed) == 1:  # one value changed: the new one's name is the old one's
        old = {unnamed[0] if key == ("parameter", "") else key: value for key, value in old.items()}
    pairs = {key: (old.get(key, "none"), new.get(key, "none")) for key in sorted(old.keys() | new.keys())}
    changed = {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
    # A checksum stands for other values, which say more where they are there.
    telling = {key: pair for key, pair in changed.items() if not all(re.fullmatch("[0-9a-f]{32,}", v) for v in pair)}
    for (kind, name), (before, now) in (telling or changed).items():
        yield f"{kind}{name and ' '}{name}: {_difference(before, now)}"


def _difference(before: str, now: str) -> str:
    """Spell old and new value; of two tables, how many of their rows were added and removed."""
    old, new = _literal(before), _literal(now)
    if not all(isinstance(rows, list) and any(isinstance(row, list) for row in rows) for rows in (old, new)):
        return f"{before} -> {now}"
    return f"{sum(row not in old for row in new)} rows added, {sum(row not in new for row in old)} removed"
