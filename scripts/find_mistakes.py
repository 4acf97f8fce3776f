"""Count, for each model and test pair, how many of the final rounds get it wrong."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from digitpairs import api, errors
from digitpairs.data.pairs import load_pairs
from digitpairs.files import write_atomically


def main() -> None:
    """Parse arguments, ask each network, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "weights", nargs="+", type=Path, metavar="ROUNDS_SAFETENSORS", help=".../{model}/rounds.safetensors"
    )
    parser.add_argument("--pairs", type=Path, required=True, help="the dataset that they were trained on")
    parser.add_argument("--output", type=Path, required=True, help="csv: one row a model and test pair")
    args = parser.parse_args()
    torch.set_num_threads(1)
    test = load_pairs(args.pairs).test
    images = torch.from_numpy(test.images)
    parts = []
    for path in args.weights:
        with torch.inference_mode():
            logits = [net(images).logits for net in api.load_models(path)]
        answers = np.stack([of_round.argmax(-1).numpy() for of_round in logits if of_round.isfinite().all()])
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
    errors.run(main)
