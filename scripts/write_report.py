"""Write the report as Markdown for GitHub and as one self-contained HTML file, from the same content."""

import argparse
import hashlib
import json
import os
import platform
import re
from collections import defaultdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from altair.utils.schemapi import debug_mode

from digitpairs import errors, revision, tables
from digitpairs.files import write_atomically
from digitpairs.reporting import page, report, table_page
from digitpairs.reporting.runtime import runtime
from digitpairs.reporting.study import Study
from digitpairs.reproduction import origin

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "torch",
    "numpy",
    "pandas",
    "scipy",
    "mlxtend",
    "snakemake",
    "dvc",
    "matplotlib",
    "altair",
    "vl-convert-python",
)


def main() -> None:
    """Parse arguments, write the report in both formats."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--final", type=Path, required=True, help="csv: final rounds of all protocols and models")
    parser.add_argument("--curves", type=Path, required=True, help="csv: their learning curves")
    parser.add_argument("--grid", type=Path, required=True, help="csv: one row a cell and round")
    parser.add_argument("--selection", type=Path, required=True, help="json: the chosen configurations")
    parser.add_argument("--statistics", type=Path, required=True, help="json: intervals and tests")
    parser.add_argument("--claims", type=Path, required=True, help="json: verdicts on the paper's claims")
    parser.add_argument("--findings", type=Path, required=True, help="json: every finding in a sentence")
    parser.add_argument("--mistakes", type=Path, required=True, help="csv: one row a model and test pair")
    parser.add_argument("--pairs", type=Path, required=True, help="npz: the dataset of those test pairs")
    parser.add_argument("--ablations", type=Path, nargs="?", help="csv, if any: rounds at other values of `train`")
    parser.add_argument("--more-data", type=Path, nargs="?", help="csv, if any: rounds with more training pairs")
    parser.add_argument("--figures", nargs="+", type=Path, required=True, help="the figures, .svg, all in one folder")
    parser.add_argument(
        "--tables", nargs="+", type=Path, required=True, help="csv, json: what the page of tables shows"
    )
    parser.add_argument("--data", type=json.loads, required=True, help="json: the section `data` of params.yaml")
    parser.add_argument(
        "--texts", type=json.loads, required=True, help="json: captions of figures, added models' texts"
    )
    parser.add_argument("--device", required=True, help="what the networks were trained on: cpu or cuda")
    parser.add_argument("--records", type=Path, required=True, help="folder: Snakemake's records of the steps' times")
    parser.add_argument("--markdown", type=Path, required=True, help="output: refers to the figures' files")
    parser.add_argument("--html", type=Path, required=True, help="output: contains the figures")
    parser.add_argument("--table-page", type=Path, required=True, help="output, html: all tables")
    args = parser.parse_args()
    with np.load(args.pairs) as arrays:
        images = arrays["test_images"]
    study = Study(
        final=tables.by_protocol(pd.read_csv(args.final)),
        curves=tables.by_protocol(pd.read_csv(args.curves)),
        grid=pd.read_csv(args.grid),
        selection=json.loads(args.selection.read_text(encoding="utf-8")),
        statistics=json.loads(args.statistics.read_text(encoding="utf-8")),
        claims=json.loads(args.claims.read_text(encoding="utf-8")),
        findings=json.loads(args.findings.read_text(encoding="utf-8")),
        mistakes=pd.read_csv(args.mistakes),
        images=images,
        data=args.data,
        ablations=pd.read_csv(args.ablations) if args.ablations else None,
        more_data=pd.read_csv(args.more_data) if args.more_data else None,
        descriptions=args.texts["descriptions"],
    )
    figures = {path.stem: path.read_bytes() for path in args.figures}
    captions = {name: args.texts["captions"][name] for name in figures}
    with debug_mode(False):  # a third of the time: the charts' schema, which unit tests check
        blocks = report.compose(study, captions, provenance(args.pairs, args.device, args.records))
    folder = Path(os.path.relpath(args.figures[0].parent, args.markdown.parent)).as_posix()
    write_atomically(args.markdown, page.to_markdown(blocks, folder).encode())
    links = [
        ("Article (PDF)", "report.pdf"),
        ("All tables", args.table_page.name),
        ("Results as files", Path(os.path.relpath(args.findings.parent, args.html.parent)).as_posix() + "/"),
        ("Revision", "#provenance"),
    ]
    write_atomically(args.html, page.to_html(blocks, figures, runtime(), links).encode())
    shown = table_page.compose({path.as_posix(): content(path) for path in args.tables})
    write_atomically(args.table_page, page.to_html(shown, {}, "").encode())


def content(path: Path) -> Any:
    """Read a table."""
    return pd.read_csv(path) if path.suffix == ".csv" else json.loads(path.read_text(encoding="utf-8"))


def provenance(pairs: Path, device: str, records: Path) -> list[page.Block]:
    """Return the metadata of this build: revision, data, versions, machine, time."""
    processor = origin.processor() or "unknown processor"
    facts = {
        "Git revision": revision.made_from(ROOT),
        "Data": f"SHA-256 of {pairs.as_posix()}: {hashlib.sha256(pairs.read_bytes()).hexdigest()}",
        "Python": platform.python_version(),
        "Packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "Trained on": {"cpu": "the processor", "cuda": "a GPU"}[device],
        "Machine": f"{platform.system()} {platform.machine()}, {processor}, {os.cpu_count()} cores",
        "Written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    seconds = run_times(records)
    total = sum(seconds.values())
    facts["Run time"] = (
        f"{duration(total)} of steps, summed over cores; a step whose result came from the cell cache counts "
        "the time in which it was computed"
        if seconds
        else f"not known: no records in {records.as_posix()}"
    )
    blocks: list[page.Block] = [page.Table(["What", "Value"], [[name, value] for name, value in facts.items()])]
    if address := commit_address():
        blocks.append(page.Links([("This commit on the web", address)]))
    if seconds:
        rows = [[f"`{rule}`", duration(time)] for rule, time in sorted(seconds.items())]
        blocks.append(page.Fold("Run time of each kind of step", [page.Table(["Step", "Time"], rows)]))
    return blocks


def commit_address() -> str:
    """Return the address of this commit on the web, or nothing where the remote `origin` is not on the web."""
    try:
        remote, commit = revision.git(ROOT, "remote", "get-url", "origin"), revision.git(ROOT, "rev-parse", "HEAD")
    except (OSError, errors.StudyError):
        return ""
    found = re.fullmatch(r"(?:https://(?:[^/@]*@)?|(?:ssh://)?git@)([\w.-]+)[:/](.+?)(?:\.git)?/?", remote)
    return f"https://{found[1]}/{found[2]}/commit/{commit}" if found else ""


def version(package: str) -> str:
    """Return the version of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def run_times(records: Path) -> dict[str, float]:
    """Return the seconds of each rule's steps in total; a step has a record for each of its outputs."""
    steps: dict[tuple[str, int], tuple[float, float]] = {}
    for path in records.rglob("*") if records.is_dir() else []:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if not record["incomplete"]:
                step, start, end = (str(record["rule"]), record["job_hash"]), record["starttime"], record["endtime"]
                first, last = steps.get(step, (start, end))
                steps[step] = min(first, float(start)), max(last, float(end))
        except (OSError, ValueError, KeyError, TypeError):  # not a record, or one that is being written
            continue
    seconds: dict[str, float] = defaultdict(float)
    for (rule, _), (start, end) in steps.items():
        seconds[rule] += end - start
    return dict(seconds)


def duration(seconds: float) -> str:
    """Format a duration."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


if __name__ == "__main__":
    errors.run(main)
