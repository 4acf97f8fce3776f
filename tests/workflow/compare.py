"""Make the table of docs/reruns.md: which jobs a dry run lists after a change, here and without what this project adds.

    PYTHONPATH=src python tests/workflow/compare.py

Needed are the jobs that this project lists; tests/workflow/test_matrix.py shows that they are the right ones.
"""

import itertools
import os
import random
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from studies import Study, finish

NUMBER = itertools.count()


def scramble(study: Study) -> None:
    """Set all modification times at random within a year, past and future."""
    chance = random.Random(0)  # noqa: S311 - no secret
    for path in study.path.rglob("*"):
        if path.is_file() and ".git" not in path.parts:
            when = time.time() + chance.uniform(-180, 180) * 86400
            os.utime(path, (when, when))


def append(file: str, text: str) -> Callable[[Study], None]:
    """Return a change that appends to a file."""
    return lambda study: study.edit(file, lambda before: before + text)


def comment(study: Study) -> None:
    """Append a comment to each module."""
    for path in study.path.glob("src/**/*.py"):
        append(str(path), "# Edited\n")(study)


def setting(key: str, value: object) -> Callable[[Study], None]:
    """Return a change of params.yaml."""
    return lambda study: study.set(key, value)


SCENARIOS: dict[str, Callable[[Study], None]] = {
    "1. nothing": lambda study: None,
    "2. all modification times scrambled": scramble,
    "3. a comment in each module": comment,
    "4. edit of models/siamese.py": append("src/digitpairs/models/siamese.py", "EDITED = 1\n"),
    "5. edit of models/baseline.py": append("src/digitpairs/models/baseline.py", "EDITED = 1\n"),
    "6. edit of a helper that training imports": append("src/digitpairs/training/evaluation.py", "EDITED = 1\n"),
    "7. edit of one figure": append("src/digitpairs/reporting/figures/figure_3.py", "EDITED = 1\n"),
    "8. `train.auxiliary_weight`": setting("train.auxiliary_weight", 0.5),
    "9. a learning rate more": setting("grid.siamese.learning_rate", [0.001, 0.01]),
}


def without_additions(study: Study) -> None:
    """Leave the workflow as the tools' manuals would have it: no digest of code, no profile, no changed Snakemake."""
    rules = "rules/common.smk"
    study.edit(rules, lambda text: re.sub(r"^exactrun\.install\(.*\n", "", text, flags=re.M))
    study.edit(rules, lambda text: text.replace("return exactrun.code(", "return ''\n    return exactrun.code("))
    shutil.rmtree(study.path / "profiles")
    study.edit("dvc.yaml", lambda text: text.replace("      - profiles/default\n", ""))


def without_records(study: Study) -> None:
    """Leave Snakemake's records out of what DVC versions, too."""
    without_additions(study)
    study.edit("dvc.yaml", lambda text: text.replace("      - .snakemake/metadata: {persist: true}\n", ""))


def listed(study: Study, change: Callable[[Study], None], *, cloned: bool) -> set[str]:
    """Return the jobs that a dry run lists after a change: in a clone of its commit, or in a copy of the folder."""
    if not cloned:
        copy = Study(study.path.with_name(f"copy {next(NUMBER)}"), study.cells)
        shutil.copytree(study.path, copy.path)  # with all modification times
        change(copy)
        return copy.run("snakemake", "--dry-run").jobs
    clone = study.clone(f"clone {next(NUMBER)}")
    change(clone)
    if change is not scramble:
        clone.git("commit", "--quiet", "--all", "--allow-empty", "--message", "a change")
        clone = clone.clone(f"clone {next(NUMBER)}")
    return clone.run("snakemake", "--dry-run").jobs


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        studies = []
        for name, alter in (("here", lambda study: None), ("snakemake", without_additions), ("dvc", without_records)):
            study = Study(Path(folder, name, "study"), Path(folder, name, "cells"))
            finish(study, alter)
            studies.append(study)
        here, snakemake, dvc = studies
        print("| change | jobs needed | Snakemake alone | Snakemake inside DVC |\n| --- | --- | --- | --- |")
        for name, change in SCENARIOS.items():
            needed = listed(here, change, cloned=True)
            cells = []
            for study, cloned in ((snakemake, False), (dvc, True)):
                jobs = listed(study, change, cloned=cloned)
                cells.append(
                    f"{len(jobs - needed)} needless, {len(needed - jobs)} missed" if jobs != needed else "exact"
                )
            print(f"| {name} | {len(needed)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
