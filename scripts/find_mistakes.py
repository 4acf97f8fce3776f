"""Count, for each model and test pair, how many of the final rounds get it wrong."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from digitpairs import api, errors
from digitpairs.data.pairs import load_pairs
from digitpairs.files import write_atomically
from digitpairs.networks import kernels
from digitpairs.networks.ensemble import Ensemble
from digitpairs.training.evaluation import predict
from digitpairs.training.run import Dataset


def main() -> None:
    """Parse arguments, evaluate each network, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "weights", nargs="+", type=Path, metavar="ROUNDS_SAFETENSORS", help=".../{model}/rounds.safetensors"
    )
    parser.add_argument("--pairs", type=Path, required=True, help="the dataset that they were trained on")
    parser.add_argument("--output", type=Path, required=True, help="csv: one row a model and test pair")
    args = parser.parse_args()
    torch.set_num_threads(1)
    test = load_pairs(args.pairs).test
    parts = []
    for path in args.weights:
        nets = api.load_models(path)
        data = Dataset([test], nets[0].branches)
        logits = torch.cat([logits for logits, _ in predict(Ensemble(nets), data)], dim=1)
        answers = logits[logits.isfinite().flatten(1).all(1)].argmax(-1).numpy()
        parts.append(
            pd.DataFrame(
                {
                    "model": path.parent.name,
                    "pair": np.arange(len(test.targets)),
                    "first": test.digits[:, 0],
                    "second": test.digits[:, 1],
                    "wrong": (answers != test.targets).sum(0),
                    "rounds": len(answers),  # without those that diverged
                }
            )
        )
    write_atomically(args.output, pd.concat(parts).to_csv(index=False, lineterminator="\n").encode())


if __name__ == "__main__":
    kernels.pin()
    errors.run(main)
