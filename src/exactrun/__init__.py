"""Exact reruns for any Snakemake project: after a clone and a pull, nothing runs that did not change."""

import functools
import sys
from typing import Any

from exactrun import digests

__all__ = ["code", "install"]


@functools.wraps(digests.code)
def code(*paths: Any, **options: Any) -> str:  # noqa: D103 - the docstring is that of `digests.code`
    try:
        return digests.code(*paths, **options)
    except ValueError as error:
        if "snakemake.workflow" in sys.modules:  # Snakemake would add where it was raised
            sys.exit(f"error: {error}")
        raise


def install(unversioned: str | None = None) -> None:
    """Make this process's Snakemake decide by content, code and intact records; call it in the Snakefile.

    Ends the run with one line where Snakemake is no version that this was tested with.

    Args:
        unversioned: A regular expression for the outputs that no remote holds, although their records are versioned:
            they may be absent, or another branch's, without being made again.
    """
    from exactrun.versions import check

    check()
    from exactrun import reruns

    reruns.install(unversioned)
