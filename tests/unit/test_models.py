"""The list of models, read from the folder without importing torch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from digitpairs import models
from digitpairs.networks.layers import PairNet

SRC = Path(models.__file__).parents[2]


def test_names_are_sorted_modules() -> None:
    assert {"baseline", "siamese", "siamese_aux"} <= set(models.names())
    assert models.names() == sorted(models.names())
    for name in models.names():
        assert models.path(name).is_file()


@pytest.mark.parametrize(
    ("model", "expected"),
    [("baseline", ["batch_norm"]), ("siamese", ["batch_norm"]), ("siamese_aux", ["batch_norm", "auxiliary_weight"])],
)
def test_options(model: str, expected: list[str]) -> None:
    assert models.options(model) == expected


@pytest.mark.parametrize("model", models.names())
def test_a_model_takes_its_options_and_no_other(model: str) -> None:
    values = {"batch_norm": "before", "auxiliary_weight": 1.0}
    net = models.load(model)(**{key: values[key] for key in models.options(model)})
    assert isinstance(net, PairNet)
    assert (net.branches, type(net).__name__) == (1 if model == "baseline" else 2, "Net")
    with pytest.raises(TypeError, match="unexpected keyword argument 'other'"):
        models.load(model)(**{key: values[key] for key in models.options(model)}, other=1)


@pytest.mark.parametrize(("model", "weight"), [("baseline", 0.0), ("siamese", 0.0), ("siamese_aux", 0.7)])
def test_loss(model: str, weight: float) -> None:
    """Cross entropy, plus those of both branches' digits before the ReLU, weighted."""
    values = {"batch_norm": "before", "auxiliary_weight": weight}
    net = models.load(model)(**{key: values[key] for key in models.options(model)})
    outputs = net(torch.randn(6, 2, 14, 14))
    targets, digits = torch.randint(2, (6,)), torch.randint(10, (6, 2))
    expected = cross_entropy(outputs.logits, targets)
    if weight:
        first, second = (cross_entropy(outputs.digit_logits[:, i], digits[:, i]) for i in (0, 1))
        expected = expected + weight * (first + second)
        assert outputs.digit_logits.min() < 0
    torch.testing.assert_close(net.loss(outputs, targets, digits), expected)


@pytest.mark.parametrize("content", ["", "class Net: pass\n", "class Net:\n    OPTIONS = ('batch_norm',)\n"])
def test_a_model_without_options(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    (tmp_path / "bare.py").write_text(content)
    assert models.names() == ["bare"]
    with pytest.raises(ValueError, match=rf"^{tmp_path}/bare.py: no line OPTIONS = "):
        models.options("bare")


def test_a_model_s_options_are_read_without_running_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    (tmp_path / "new.py").write_text('raise SystemExit\nOPTIONS = ["a", "b"]\n')
    assert models.options("new") == ["a", "b"]


def test_an_unknown_model_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"digitpairs.models.resnet"):
        models.load("resnet")


def test_the_list_of_models_does_not_import_torch() -> None:
    code = "import sys; from digitpairs import models; models.names(), models.options('siamese_aux'); "
    for question in ("'torch' in sys.modules", "'numpy' in sys.modules"):
        result = subprocess.run(
            [sys.executable, "-c", f"{code}print({question})"],
            env={"PYTHONPATH": str(SRC)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout == "False\n"
