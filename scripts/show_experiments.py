"""Show the experiments side by side: each model's test error, and the parameters in which they differ."""

import argparse

import dvc.api
import pandas as pd
from dvc.exceptions import DvcException
from dvc.repo import Repo

from digitpairs import errors
from digitpairs.errors import StudyError
from digitpairs.params import Params

SECTIONS = "|".join(Params.model_fields)


def main() -> None:
    """Print the table: the workspace, the last commit, and the experiments that started from it.

    Raises `StudyError` outside a repository of Git and DVC.
    """
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        Repo.find_root()
        table = pd.DataFrame(dvc.api.exp_show())
    except DvcException as error:
        raise StudyError(" ".join(str(error).split())) from error
    table.index = pd.Index(table["Experiment"].fillna(table["rev"]), name=None)
    shown = table.filter(regex=r"^(?!(seed|rev|typ|parent)$)[a-z0-9_]+$").select_dtypes("number")  # by model
    params = table.filter(regex=rf"^({SECTIONS})(\.|$)")
    differing = params.loc[:, params.nunique(dropna=False) > 1]
    print("Mean test error of each model, fixed pairs; then the parameters that differ.")
    print(pd.concat([shown.round(4), differing], axis=1).to_string(na_rep="-"))


if __name__ == "__main__":
    errors.run(main)
