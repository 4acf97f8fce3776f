"""Show the experiments side by side: each model's test error, and the parameters in which they differ."""

import argparse

import dvc.api
import pandas as pd

from digitpairs.params import Params

SECTIONS = "|".join(Params.model_fields)


def main() -> None:
    """Print the table: the workspace, the last commit, and the experiments that started from it."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    table = pd.DataFrame(dvc.api.exp_show())
    table.index = pd.Index(table["Experiment"].fillna(table["rev"]), name=None)
    errors = table.filter(regex=r"^(?!(seed|rev|typ|parent)$)[a-z0-9_]+$").select_dtypes("number")  # by model
    params = table.filter(regex=rf"^({SECTIONS})(\.|$)")
    differing = params.loc[:, params.nunique(dropna=False) > 1]
    print("Mean test error of each model, fixed pairs; then the parameters that differ.")
    print(pd.concat([errors.round(4), differing], axis=1).to_string(na_rep="-"))


if __name__ == "__main__":
    main()
