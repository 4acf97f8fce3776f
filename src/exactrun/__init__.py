"""Exact reruns for any Snakemake project: after a clone and a pull, nothing runs that did not change."""

from exactrun.digests import code

__all__ = ["code", "install"]


def install(unversioned: str = "$^") -> None:
    """Make this process's Snakemake decide by content, code and intact records; call it in the Snakefile."""
    from exactrun.reruns import install

    install(unversioned)
