"""All tables of the study as one page, to read and search without another program."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from digitpairs.reporting.page import Block, Fold, Heading, Paragraph, Table
from digitpairs.reporting.titles import title

MOST, SHOWN = 1000, 100  # rows of a table that is shown whole, and of a longer one that are shown


def compose(contents: Mapping[str, Any]) -> list[Block]:
    """Return the page of tables, given as {path: content}: of CSV a frame, of JSON what it holds."""
    blocks: list[Block] = [
        Heading(1, "All tables"),
        Paragraph(
            f"Numbers have four significant digits here and all of them in the files; of tables of more than {MOST:,} "
            f"rows, the first {SHOWN} are here."
        ),
    ]
    for path, content in contents.items():
        blocks += [Heading(2, title(path)), Paragraph(f"`{path}`")]
        for name, frame in _frames(content):
            count = f"{len(frame)} row{'' if len(frame) == 1 else 's'}"
            if len(frame) > MOST:
                frame, count = frame.head(SHOWN), f"the first {SHOWN} of {count}"
            rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
            blocks.append(Fold(f"{name}{count}", [Table([*map(str, frame.columns)], rows)]))
    return blocks


def _frames(content: Any) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the tables of a file, each with its name: more than one for a JSON object that holds lists."""
    if isinstance(content, pd.DataFrame):
        yield "", content
    elif isinstance(content, dict) and any(isinstance(part, list) for part in content.values()):
        for name, part in content.items():
            if part:
                yield f"{name.replace('_', ' ')}: ", _table(part)
    else:
        yield "", _table(content)


def _table(content: Any) -> pd.DataFrame:
    rows = list(_rows(content))
    if len(rows) == 1:
        rows = [{"name": name, "value": value} for name, value in rows[0].items()]
    return pd.DataFrame(rows)


def _rows(content: Any, keys: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """Yield a row for each innermost object, led by the keys that lead to it."""
    if isinstance(content, list):
        for item in content:
            yield from _rows(item, keys)
    elif content and all(isinstance(value, dict | list) for value in content.values()):
        for key, value in content.items():
            yield from _rows(value, (*keys, key))
    else:
        (row,) = pd.json_normalize(content).to_dict("records")
        flat = {str(name): value for name, value in row.items() if not isinstance(value, list)}
        yield ({"of": ", ".join(keys)} if keys else {}) | flat


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
