"""Show the experiments side by side: each model's test error, and the parameters in which they differ."""

import dvc.api
import pandas as pd


def main() -> None:
    """Print the table: the workspace, the last commit, and the experiments that started from it."""
    table = pd.DataFrame(dvc.api.exp_show())
    table.index = pd.Index(table["Experiment"].fillna(table["rev"]), name=None)
    errors = table.filter(regex=r"^(?!(seed|rev|typ|parent)$)[a-z0-9_]+$").select_dtypes("number")  # by model
    params = table.filter(regex=r"^(seed$|data\.|train\.|grid\.|select\.|final\.)")
    differing = params.loc[:, params.nunique(dropna=False) > 1]
    print("Mean test error of each model, fixed pairs; then the parameters that differ.")
    print(pd.concat([errors.round(4), differing], axis=1).to_string(na_rep="-"))


if __name__ == "__main__":
    main()
