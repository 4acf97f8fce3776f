"""Comparison of a rebuilt study with the committed one: file by file, and in its conclusions."""

import hashlib
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any, Literal

import numpy as np
import pandas as pd
import safetensors.numpy
from numpy.typing import NDArray

from digitpairs.errors import StudyError

Verdict = Literal["identical", "equal", "different", "only committed", "only new"]
VERDICTS: tuple[Verdict, ...] = ("identical", "equal", "different", "only committed", "only new")
CLAIMS, SELECTION = "results/claims.json", "results/selection.json"
SHOWN = 30  # files, in the table for a person; the certificate lists all


@dataclass(frozen=True)
class Comparison:
    """How a new file compares with the committed one.

    `equal` files hold the same words and names, and numbers as close as `numpy.isclose` asks by default: 1e-5 of the
    value, or 1e-8. `absolute` and `relative` are the largest differences between numbers, where both files hold as
    many under the same names, and none of them is infinite or missing on one side only.
    """

    path: str
    verdict: Verdict
    absolute: float | None = None
    relative: float | None = None
    what: str = ""  # else differs


def compare(path: str, committed: bytes | None, new: bytes | None) -> Comparison:
    """Compare a file's contents, of which one may be missing."""
    if committed is None or new is None:
        return Comparison(path, "only new" if committed is None else "only committed")
    committed, new = without_provenance(path, committed), without_provenance(path, new)
    if committed == new:
        return Comparison(path, "identical")
    try:
        (numbers, rest), (new_numbers, new_rest) = _parse(path, committed), _parse(path, new)
    except Exception as error:  # whatever a parser makes of a damaged file
        return Comparison(path, "different", what=f"cannot be read: {' '.join(str(error).split())[:200]}")
    if numbers is None or new_numbers is None:
        return Comparison(path, "different", what=_sizes(committed, new))
    if shapes := _unlike(_shapes(numbers), _shapes(new_numbers)):
        return Comparison(path, "different", what=f"shape of {shapes}")
    absolute, relative, close = _distance(numbers, new_numbers)
    what = _unlike(rest, new_rest)
    if np.isinf(absolute):
        return Comparison(path, "different", what=", ".join(filter(None, ["numbers that are not finite", what])))
    return Comparison(path, "equal" if close and not what else "different", absolute, relative, what)


def without_provenance(path: str, content: bytes) -> bytes:
    """Return a file's content without the report's build metadata: revision, machine and time.

    Of the PDF this is a digest, which it brings along where it names a revision. Raises `ValueError` for a report that
    does not say it exactly once.
    """
    if PurePath(path).name == "report.pdf":
        found = re.search(rb"content:[0-9a-f]{64}", content)
        return found[0] if found else f"content:{hashlib.sha256(content).hexdigest()}".encode()
    if PurePath(path).name != "report.html":
        return content
    content, sections = re.subn(rb'<section id="provenance".*?</section>', b"", content, flags=re.DOTALL)
    if sections != 1:
        raise ValueError(f"{path}: {sections} sections say where it comes from; there should be one")
    return content


def _parse(path: str, content: bytes) -> tuple[dict[str, NDArray[Any]] | None, dict[str, Any]]:
    """Return a file's numbers by name, None where it is not a file of numbers, and all else by name."""
    match PurePath(path).suffix:
        case ".csv":
            table = pd.read_csv(io.BytesIO(content))
            columns = {str(name): table[name].to_numpy() for name in table}
        case ".npz":
            with np.load(io.BytesIO(content)) as arrays:
                columns = dict(arrays)
        case ".safetensors":
            columns = safetensors.numpy.load(content)
        case ".json":
            columns = {name: np.array(value) for name, value in _leaves(json.loads(content))}
        case _:
            return None, {}
    numbers = {name: values for name, values in columns.items() if values.dtype.kind in "fiu"}
    return numbers, {name: values.tolist() for name, values in columns.items() if name not in numbers}


def _leaves(value: Any, name: str = "") -> Iterable[tuple[str, Any]]:
    """Yield each value of a JSON document with its place in it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if not items:
        yield name, str(value) if items is not None else value  # an empty list is a value, too
        return
    for key, inner in items:
        yield from _leaves(inner, f"{name}/{key}")


def _shapes(numbers: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    return {name: f"{values.dtype.kind} {values.shape}" for name, values in numbers.items()}


def _unlike(committed: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Name up to three of the names whose values differ or that are on one side only."""
    missing = object()
    names = [
        name for name in dict.fromkeys([*committed, *new]) if committed.get(name, missing) != new.get(name, missing)
    ]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _distance(committed: Mapping[str, NDArray[Any]], new: Mapping[str, NDArray[Any]]) -> tuple[float, float, bool]:
    """Return the largest absolute and relative difference, and True if all numbers are close; shapes are the same."""
    absolute, relative, close = 0.0, 0.0, True
    for name, values in committed.items():
        first, second = values.astype(np.float64), new[name].astype(np.float64)
        same = (first == second) | (np.isnan(first) & np.isnan(second))
        with np.errstate(invalid="ignore"):
            distance = np.where(same, 0, np.nan_to_num(np.abs(first - second), nan=np.inf, posinf=np.inf))
            share = np.where(same, 0, np.nan_to_num(distance / np.fmax(np.abs(first), np.abs(second)), nan=np.inf))
        absolute, relative = max(absolute, distance.max(initial=0)), max(relative, share.max(initial=0))
        close = close and bool(np.isclose(first, second, equal_nan=True).all())
    return float(absolute), float(relative), close


def _sizes(committed: bytes, new: bytes) -> str:
    try:
        lines, new_lines = (Counter(content.decode().splitlines()) for content in (committed, new))
    except UnicodeDecodeError:
        return f"{len(committed)} and {len(new)} bytes"
    return f"{(lines - new_lines).total()} of {lines.total()} lines"


def kind(path: str) -> str:
    """Name the group of files that a table shows as one: `results/grid/**/rounds.csv`."""
    folder, _, name = path.rpartition("/")
    if "~" in name or folder == "reports/figures":
        return f"{folder}/*{PurePath(name).suffix}"
    parts = folder.split("/")
    return "/".join([*parts[:2], *(["**"] if len(parts) > 2 else []), name])


def summary(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Count files by verdict, each kind of files as well, and list those that are not identical."""
    kinds: dict[str, list[Comparison]] = defaultdict(list)
    for one in comparisons:
        kinds[kind(one.path)].append(one)
    return {
        "files": _count(comparisons),
        "kinds of files": {name: _count(kinds[name]) for name in sorted(kinds)},
        "files that are not identical": [asdict(one) for one in comparisons if one.verdict != "identical"],
    }


def _count(comparisons: Iterable[Comparison]) -> dict[str, int]:
    counts = Counter(one.verdict for one in comparisons)
    return {"compared": counts.total()} | {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}


def tell(comparisons: Sequence[Comparison], differing: Sequence[str]) -> str:
    """Say it all to a person: a table of the kinds of files, the files that are not identical, the conclusions."""
    found = summary(comparisons)
    counts = pd.DataFrame({**found["kinds of files"], "all": found["files"]}).T
    counts = counts.reindex(columns=["compared", *VERDICTS]).fillna(0).astype(int)
    lines = [counts.to_string(), ""]
    rest = [one for one in comparisons if one.verdict != "identical"]
    lines += [f"{one.path}: {_describe(one)}" for one in rest[:SHOWN]]
    lines += [f"... and {len(rest) - SHOWN} more files that are not identical"] if len(rest) > SHOWN else []
    concluded = any(one.path in (CLAIMS, SELECTION) for one in comparisons)
    same = "All conclusions are the same." if concluded else "None of these files holds a conclusion."
    lines += [f"A conclusion differs: {line}" for line in differing] or [same]
    return "\n".join(lines)


def _describe(one: Comparison) -> str:
    numbers = f"numbers by up to {one.absolute:.3g} ({one.relative:.2g} of the value)" if one.absolute else ""
    return f"{one.verdict} {'; '.join(filter(None, [numbers, one.what]))}".strip()


def conclusions(committed: Mapping[str, bytes], new: Mapping[str, bytes]) -> list[str]:
    """Return the differences between two studies' conclusions, given their files by path.

    Only verdicts on claims and chosen configurations count: a number that moved within its interval changes neither.
    Raises `StudyError` where a file with conclusions cannot be read.
    """
    said, new_said = _conclusions(committed, "committed"), _conclusions(new, "new")
    return [
        f"{what}: {said.get(what, 'nothing')} -> {new_said.get(what, 'nothing')}"
        for what in dict.fromkeys([*said, *new_said])
        if said.get(what) != new_said.get(what)
    ]


def _conclusions(files: Mapping[str, bytes], whose: str) -> dict[str, str]:
    try:
        claims, selection = json.loads(files.get(CLAIMS, b"[]")), json.loads(files.get(SELECTION, b"{}"))
        verdicts = {f"claim {claim['id']}": claim["verdict"] for claim in claims}
        chosen = {
            f"chosen configuration of {model}": ", ".join(f"{key} {value}" for key, value in best["chosen"].items())
            for model, best in selection.items()
        }
    except (KeyError, ValueError) as error:
        raise StudyError(f"the {whose} results hold no conclusions: {error}") from error
    return verdicts | chosen
