"""The version: pyproject.toml has it, and what people cite and read agrees."""

import re
import tomllib

import yaml
from studies import ROOT


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_citation_and_changelog_agree() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert re.findall(r"^## (.*)", read("CHANGELOG.md"), re.M)[0] == project["version"]


def test_the_citation_is_complete() -> None:
    """As its schema, 1.2.0, and whoever cites it need it; the paper is among the references."""
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    for key in ("message", "title", "abstract", "type", "version", "license", "keywords", "authors", "references"):
        assert citation[key]
    for work in (citation, *citation["references"]):
        assert work["title"] and work["type"]
        for author in work["authors"]:
            assert author.get("name") or (author["family-names"] and author["given-names"])
    (paper,) = citation["references"]
    assert [author["family-names"] for author in paper["authors"]] == ["Chrysanthou", "Germini"]
    assert paper["year"] == 2022
