"""benchmarks/gpu.py, on the processor: it must be ready when a GPU can be had."""

import json
import sys
from pathlib import Path

import pytest
from studies import ROOT

from digitpairs.data.bundled import load_bundled
from digitpairs.data.pairs import make_pairs, to_npz


def test_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import gpu

    monkeypatch.setattr(gpu, "ROUNDS", 2)
    monkeypatch.setattr(gpu, "TIMED", [("siamese_aux", 25)])
    monkeypatch.setattr(gpu, "TABLE_1", {"baseline": ((1, 2), (25,))})
    pairs, reference, output = tmp_path / "pairs.npz", tmp_path / "grid.csv", tmp_path / "gpu.json"
    pairs.write_bytes(to_npz(make_pairs(load_bundled(), 50, 10, 40, 0)))
    rows = [f"baseline,25,{rate},{epochs},1,0.5" for rate in gpu.RATES for epochs in (1, 2)]
    reference.write_text("\n".join(["model,batch_size,learning_rate,epochs,round,test_error", *rows]))
    options = {"device": "cpu", "pairs": pairs, "reference": reference, "repetitions": 1, "output": output}
    monkeypatch.setattr(sys, "argv", ["gpu.py", *(f"--{name}={value}" for name, value in options.items())])
    gpu.main()
    results = json.loads(output.read_text())
    assert results["bits"][0]["same"]
    assert set(results["speeds"][0]["milliseconds_per_model_epoch"]) == {"ordinary loop", "vmap", "ours"}
    assert (results["grid"]["cells"], results["agreement"][0]["cells"]) == (8, 8)
    assert -0.5 < results["agreement"][0]["mean"] < 0.5
