"""Titles of results: the beginnings of their captions."""

import functools
import re
from pathlib import Path

from jinja2 import Template

CAPTIONS = Path(__file__).with_name("captions.rst")


@functools.cache
def title(path: str, caption: str = "") -> str:
    """Return a result's title, such as `Figure 1. The network baseline`, by its path or the end of it.

    A figure has its caption from its module.
    """
    snakemake = {"output": [path], "params": {"caption": caption}}
    text = Template(CAPTIONS.read_text(encoding="utf-8")).render(snakemake=snakemake)
    found = re.match(r"[^,;:.]+", text.strip().replace("``", ""))
    number = re.search(r"/figure_(\d+)\.", path)
    return (f"Figure {number[1]}. " if number else "") + (found[0] if found else path)
