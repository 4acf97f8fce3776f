"""Does this machine give the committed bits? Trains every model briefly and compares digests with bits.json.

Needs torch, numpy and this repository's files, nothing else. The first step is digested operation by operation, in the
order in which they run, so the first difference tells which code caused it. The digits come with a package: the pairs
are drawn here, by integer arithmetic: random patterns of ten classes on a constant background, as real digits have it.
"""

import argparse
import hashlib
import json
import platform
import sys
import time
from itertools import groupby
from pathlib import Path
from typing import Any

from digitpairs.networks import kernels

kernels.pin()

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from digitpairs import models
from digitpairs.data.pairs import Pairs
from digitpairs.networks import products
from digitpairs.training.evaluation import evaluate
from digitpairs.training.run import Configuration, Dataset, Run, keep_freed_memory

COMMITTED = Path(__file__).with_name("bits.json")
PAIRS, ROUNDS, EPOCHS, BATCH_SIZE = 220, 6, 3, 50  # the last batch of an epoch has 20 pairs
OPTIONS = {"auxiliary_weight": 1.0}
RUNS = [*((model, "before") for model in models.names()), ("siamese_aux", "after")]
KINDS = {"_fused_adam_": "optimizer", "_log_softmax": "loss", "nll_loss_forward": "loss", "nll_loss_backward": "loss"}


def draw_pairs() -> Pairs:
    """Draw pairs of 14x14 images whose values are multiples of 1/64, so that nothing is rounded."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(256, size=(10, 7, 7)) * (rng.integers(3, size=(10, 7, 7)) == 0)
    patterns = coarse.repeat(2, axis=1).repeat(2, axis=2)
    digits = rng.integers(10, size=(PAIRS, 2))
    drawn = patterns[digits]
    noisy = np.where(drawn > 0, drawn + rng.integers(128, size=drawn.shape), 0)
    return Pairs(((noisy - 64) / 64).astype(np.float32), digits, (digits[:, 0] <= digits[:, 1]).astype(np.int64))


def digest(*tensors: Tensor) -> str:
    """Return eight digits of the SHA-256 over tensors' values."""
    content = hashlib.sha256()
    for tensor in tensors:
        content.update(tensor.detach().contiguous().numpy().tobytes())
    return content.hexdigest()[:8]


class Trace(TorchDispatchMode):
    """Notes the kind of each operation and a digest of its result, in the order in which they run."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.noted: list[tuple[str, str]] = []
        self.on_cpu = products.on_cpu

    def __enter__(self) -> "Trace":
        products.on_cpu = self.product
        return super().__enter__()  # type: ignore[no-untyped-call, no-any-return]

    def __exit__(self, *raised: Any) -> None:
        products.on_cpu = self.on_cpu
        super().__exit__(*raised)  # type: ignore[no-untyped-call]

    def product(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        """Multiply, and note the product."""
        self.on_cpu(a, b, out)
        with torch.utils._python_dispatch._disable_current_modes():
            self.noted.append(("product", digest(out)))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and note what it wrote, unless that is a view or memory without content."""
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if not func.is_view and not name.startswith(("empty", "new_empty")):
            written = [result] if isinstance(result, Tensor) else args[0] if name == "_fused_adam_" else result
            tensors = [tensor for tensor in written or () if isinstance(tensor, Tensor)]
            self.noted.append((KINDS.get(name, "element-wise code"), digest(*tensors)))
        return result

    def stages(self) -> dict[str, str]:
        """Return one digest for all successive operations of a kind, by kind and number."""
        found, counts = dict[str, str](), dict[str, int]()
        for kind, operations in groupby(self.noted, key=lambda noted: noted[0]):
            counts[kind] = counts.get(kind, 0) + 1
            joined = "".join(one for _, one in operations)
            found[f"first step, {kind} {counts[kind]}"] = hashlib.sha256(joined.encode()).hexdigest()[:8]
        return found


def train(model: str, batch_norm: str, pairs: Pairs) -> dict[str, str]:
    """Train the rounds of one model; return a digest after each stage, in their order."""
    options = {name: (OPTIONS | {"batch_norm": batch_norm})[name] for name in models.options(model)}
    run = Run(Configuration(model, options, BATCH_SIZE, 0.01, 0.0, 0, "grid"), range(1, 1 + ROUNDS))
    data = Dataset([pairs], run.ensemble.branches)
    found = {"initial weights": digest(run.optimizer.values), "windows and moments": digest(*data.windows)}
    one_step = Run(run.configuration, run.rounds)
    batch = Dataset([Pairs(*(array[:BATCH_SIZE] for array in pairs))], run.ensemble.branches)  # type: ignore[arg-type]
    with Trace() as trace:
        one_step.train_epoch(batch)
    found |= trace.stages()
    for epoch in range(1, 1 + EPOCHS):
        losses = run.train_epoch(data)
        found[f"epoch {epoch}"] = digest(losses, run.optimizer.values, *run.ensemble.buffers())
    return found | {"evaluation": digest(*evaluate(run.ensemble, data))}


def machine() -> dict[str, str]:
    """Describe what computes here."""
    processor = kernels.cpuinfo("model name") or platform.processor() or platform.machine()
    versions = {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}
    return {"processor": processor, "kernels": ", ".join(kernels.loaded().values())} | versions


def main() -> None:
    """Parse arguments, train, compare or write; exit code 1 on a difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write bits.json instead of comparing with it")
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    started, here, pairs = time.monotonic(), machine(), draw_pairs()
    committed = {} if args.write else json.loads(COMMITTED.read_text(encoding="utf-8"))
    for title, about in (("here", here), ("committed", committed.get("machine", {}))):
        print(f"{title}: {', '.join(f'{key} {value}' for key, value in about.items())}")
    digests, differing = {}, 0
    for model, batch_norm in RUNS:
        title = f"{model}, BatchNorm {batch_norm}"
        digests[title] = found = train(model, batch_norm, pairs)
        if args.write:
            continue
        expected = committed["digests"].get(title, {})
        wrong = [stage for stage in found if found[stage] != expected.get(stage)]
        differing += bool(expected and wrong)
        verdict = f"differs from here on: {wrong[0]}" if wrong else "the same"
        print(f"{title}: {verdict if expected else 'new, not in bits.json'}", flush=True)
    if args.write:
        COMMITTED.write_text(json.dumps({"machine": here, "digests": digests}, indent=1) + "\n", encoding="utf-8")
    else:
        verdict = f"{differing} of {len(RUNS)} runs differ" if differing else "the same bits"
        print(f"{verdict} ({time.monotonic() - started:.0f} s)")
    sys.exit(differing > 0)


if __name__ == "__main__":
    main()
