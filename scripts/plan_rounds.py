"""Work out how many fresh rounds the claims need, from rounds that are there, and write it down with the date."""

import argparse
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path

from digitpairs import errors
from digitpairs.analysis import claims, findings, inputs, power
from digitpairs.files import write_atomically


def main() -> None:
    """Parse arguments, work out the rounds, write them as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    inputs.add_arguments(parser)
    parser.add_argument("--date", type=date.fromisoformat, default=datetime.now(UTC).date(), help="of this plan")
    parser.add_argument("--source", required=True, help="words: the rounds that are there")
    parser.add_argument("--output", type=Path, required=True, help="file: .md")
    args = parser.parse_args()
    needs = list(power.needs(inputs.read(args)))
    write_atomically(args.output, render(needs, args.date, args.source).encode())


def render(needs: list[power.Need], day: date, source: str) -> str:
    """Return the plan as Markdown."""
    beyond = f"more than {power.ROUNDS[-1]}"
    lines = [
        "# How many rounds the claims need",
        "",
        f"Worked out on {day.isoformat()} by `scripts/plan_rounds.py` from {source}, before fresh rounds are run: the",
        f"least number of rounds at which a comparison's verdict has a chance of {power.CHANCE:g}, were the truth what",
        "these rounds look like. Fresh rounds are drawn from them, with replacement, and judged by the claims' one",
        "rule (`src/digitpairs/analysis/claims.py`). The rounds that decide are fresh ones: these have been seen.",
        "",
        "Rounds are final ones of either protocol; for `best-configurations` and `preferences` those of each cell of",
        "the grid, for `batch-norm` and weight decay those of the ablations, for `agreement` as many of the grid as",
        "final ones.",
        "",
        "| claim | rounds |",
        "| --- | --- |",
    ]
    for name, of_claim in groupby(needs, key=lambda need: need.claim):
        rounds = power.of_claim(list(of_claim))
        lines.append(f"| {name} | {beyond if rounds is None else rounds or 'counted'} |")
    lines += [
        "",
        "| claim | comparison | estimate now (n) | region | looks | rounds |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for need in needs:
        now = need.now
        estimate = f"{now.estimate:+.4f}" + (f" ({now.n})" if now.n else "") if now.estimate == now.estimate else "none"
        known = need.likely != claims.CANNOT_TELL
        rounds_ = (beyond if known else "not known") if need.rounds is None else need.rounds or "counted"
        cells = [need.claim, need.effect, estimate, findings.region(need.region), need.likely, f"{rounds_}"]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"Where it takes {beyond}, the truth seems to lie near a bound of the region. A claim that looks not",
        "reproduced needs the rounds of the first comparison to contradict it, one that looks reproduced those of all.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    errors.run(main)
