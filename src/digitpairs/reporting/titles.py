"""Titles of results: the beginnings of their captions."""

import functools
import re
from pathlib import Path

from jinja2 import Template

CAPTIONS = Path(__file__).with_name("captions.rst")


@functools.cache
def title(path: str) -> str:
    """Return a result's title, such as `Figure 1. The baseline ConvNet`, by its path or the end of it."""
    caption = Template(CAPTIONS.read_text(encoding="utf-8")).render(snakemake={"output": [path]})
    found = re.match(r"(Figure \d+\. )?[^,;:.]+", caption.strip().replace("``", ""))
    return found[0] if found else path
