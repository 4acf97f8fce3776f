"""Tables and JSON, and the steps that collect them."""

import json
import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

from digitpairs import tables

SCRIPTS = Path(__file__).parents[2] / "scripts"
HEADER = "round,train_loss,train_error,validation_error,test_error\n"


def run(monkeypatch: pytest.MonkeyPatch, script: str, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    runpy.run_path(str(SCRIPTS / script), run_name="__main__")


def write_cell(folder: Path, learning_rate: str, epochs: int, rows: str, header: str = HEADER) -> None:
    path = folder / f"baseline/batch_size~25/learning_rate~{learning_rate}/epochs~{epochs}/rounds.csv"
    path.parent.mkdir(parents=True)
    path.write_text(header + rows)


def test_collect_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cell(tmp_path, "1e-05", 25, "0,0.5,0.1,0.2,0.30000000000000004\n1,nan,nan,nan,nan\n")
    write_cell(tmp_path, "0.1", 25, "0,0.5,0.1,0.2,0.3\n")
    values = '{"baseline": {"batch_size": [25], "learning_rate": [1e-05, 0.1], "epochs": [25]}}'
    output = tmp_path / "grid.csv"
    run(monkeypatch, "collect_grid.py", "--folder", tmp_path, "--grid", values, "--output", output)
    assert output.read_text().splitlines() == [
        "model,batch_size,learning_rate,epochs," + HEADER.strip(),
        "baseline,25,1e-05,25,0,0.5,0.1,0.2,0.30000000000000004",  # as written
        "baseline,25,1e-05,25,1,nan,nan,nan,nan",
        "baseline,25,0.1,25,0,0.5,0.1,0.2,0.3",
    ]


def test_collect_grid_names_the_file_at_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cell(tmp_path, "0.1", 25, "0,0.5,0.1,0.2,0.3\n")
    write_cell(tmp_path, "0.1", 50, "0,1\n", header="round,loss\n")
    values = '{"baseline": {"batch_size": [25], "learning_rate": [0.1], "epochs": [25, 50]}}'
    with pytest.raises(SystemExit, match=r"epochs~50/rounds\.csv: columns are round,loss, not round,train_loss"):
        run(monkeypatch, "collect_grid.py", "--folder", tmp_path, "--grid", values, "--output", tmp_path / "grid.csv")
    assert not (tmp_path / "grid.csv").exists()


def test_collect_rounds_and_split_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [("resampled", "siamese"), ("fixed", "siamese"), ("resampled", "baseline")]
    for number, run_ in enumerate(runs):
        Path("_".join(run_)).write_text(f"{HEADER}1,0.5,0.1,0.2,0.{number}0000000000000004\n2,nan,nan,nan,nan\n")
    named = [("_".join(run_), dict(zip(("protocol", "model"), run_, strict=True))) for run_ in runs]
    run(monkeypatch, "collect_rounds.py", "--tables", json.dumps(named), "--output", "final.csv")
    assert Path("final.csv").read_text().splitlines()[:2] == [
        "protocol,model," + HEADER.strip(),
        "resampled,siamese,1,0.5,0.1,0.2,0.00000000000000004",  # as written
    ]
    split = tables.by_protocol(pd.read_csv("final.csv"))
    assert [(protocol, *by_model) for protocol, by_model in split.items()] == [
        ("resampled", "siamese", "baseline"),
        ("fixed", "siamese"),
    ]
    for protocol, model in runs:
        pd.testing.assert_frame_equal(split[protocol][model], pd.read_csv(f"{protocol}_{model}"))


def test_json_has_the_digits_on_which_processors_agree() -> None:
    numbers = {"third": 1 / 3, "p": 6.103515625e-05, "n": 15, "none": float("nan")}
    assert json.loads(tables.to_json(numbers)) == {"third": 0.333333333333, "p": 6.103515625e-05, "n": 15, "none": None}
    assert tables.to_json({"sum": 0.1 + 0.2}) == tables.to_json({"sum": 0.3})
