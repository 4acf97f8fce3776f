"""The study's results, as the sections of the report read them, and how numbers are written there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from digitpairs import paper
from digitpairs.analysis import findings
from digitpairs.analysis.inference import LEVEL
from digitpairs.reporting.wording import Wording, wording
from digitpairs.tables import Tables

PROTOCOLS = {
    "fixed": "as in the paper; rounds differ in initialisation and shuffling",
    "resampled": "which tells what the error would be on other pairs of the same images",
}
P = 100 * LEVEL  # per cent of an interval


@dataclass(frozen=True)
class Study:
    """The study's results.

    `final` is {protocol: {model: rounds}}, `curves` the same of learning curves. `selection`, `statistics`, `claims`
    and `findings` are the content of these JSON files. `mistakes` has a row for each model and test pair; `images` are
    those pairs, shape (pairs, 2, height, width). `data` is a section of params.yaml. `descriptions` tells what each
    model is that was added to the study.
    """

    final: Tables
    curves: Tables
    grid: pd.DataFrame
    selection: Mapping[str, Any]
    statistics: Mapping[str, Any]
    claims: Sequence[Mapping[str, Any]]
    findings: Sequence[Mapping[str, Any]]
    mistakes: pd.DataFrame
    images: NDArray[Any]
    data: Mapping[str, Any]
    ablations: pd.DataFrame | None = None
    more_data: pd.DataFrame | None = None
    descriptions: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> Wording:
        """How the report speaks of the data."""
        return wording(self.data)

    @property
    def published(self) -> Mapping[str, paper.Result]:
        """The paper's results, if they are of these data."""
        return paper.published(self.data["source"])

    @property
    def protocols(self) -> dict[str, Mapping[str, pd.DataFrame]]:
        """The rounds of the study's own choice."""
        return {protocol: by_model for protocol, by_model in self.final.items() if protocol in PROTOCOLS}

    def sentences(self, kind: str, **about: Any) -> list[str]:
        """The sentences of the findings of a kind."""
        return [finding["sentence"] for finding in findings.select(self.findings, kind, **about)]

    @property
    def models(self) -> list[str]:
        """All models: those of the final rounds, then those trained on more data alone."""
        final = list(next(iter(self.final.values())))
        more = set() if self.more_data is None else set(self.more_data["model"])
        return [*final, *sorted(more - set(final))]


def number(value: float | None) -> float:
    """Read a number of a JSON file, where NaN is null."""
    return nan if value is None else float(value)


def p_value(row: Mapping[str, Any]) -> str:
    """Return a corrected p as text."""
    p = number(row["p_holm"])
    return "" if isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def interval_text(row: Mapping[str, Any], form: str = ".4f") -> str:
    """Return an interval in parentheses, as text; nothing where there is none."""
    low, high = number(row["low"]), number(row["high"])
    return "" if isnan(low) else f" ({low:{form}} to {high:{form}})"


def estimate_text(row: Mapping[str, Any], form: str = "+.4f") -> str:
    """Return an estimate with its interval as text; nothing where there is none."""
    value = number(row["estimate"])
    return "" if isnan(value) else f"{value:{form}}{interval_text(row, form)}"


def mean_std(mean: float, std: float) -> str:
    """Return mean ± standard deviation as text."""
    if isnan(mean):
        return "diverged"
    return f"{mean:.4f}" if isnan(std) else f"{mean:.4f} ± {std:.4f}"
