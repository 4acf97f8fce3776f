"""Puts the parts that decide by content, code and intact records in the places of Snakemake's own.

`docs/upstream.md` says of each why it is here, and what Snakemake could change so that it can go.
"""

import functools
import gc
import re

import snakemake.api  # noqa: F401 - first: snakemake.workflow alone imports itself in a circle
from snakemake import common, rules, workflow
from snakemake.io import _IOFile
from snakemake.jobs import Job

from exactrun import decisions, records
from exactrun.cache import Cache, intact
from exactrun.scheduling import Scheduler

__all__ = ["install", "intact"]

_get_function_params = common.get_function_params


def install(unversioned: str | None = None) -> None:
    """Make this process's Snakemake use these; `exactrun.install` checks its version before."""
    if unversioned is not None:  # else another Snakefile, of which this is a module, may have said it
        records.Persistence.unversioned = re.compile(unversioned)
    # Each saves a fifth to a quarter of a dry run of 10,000 jobs: their graph stays, so the collector looks for garbage
    # in vain, and each job asks for the parameters of the same few functions 25 times.
    gc.set_threshold(50_000, 20, 100)
    rules.get_function_params = common.get_function_params = functools.cache(_get_function_params)
    workflow.DAG = decisions.ContentDAG
    workflow.JobScheduler = Scheduler
    workflow.FilePersistence = records.Persistence
    workflow.DbPersistence = records.NoDatabase
    workflow.LocalOutputFileCache = Cache
    workflow.Workflow.log_provenance_info = decisions.log_provenance_info
    _IOFile.checksum = decisions.checksum_of_any
    _IOFile.is_checksum_eligible = decisions.is_checksum_eligible
    _IOFile.is_newer = decisions.is_newer
    _IOFile.protected = records.protected
    Job.prepare = records.prepare
    Job.postprocess = records.postprocess
    Job.outputs_older_than_script_or_notebook = records.no_output_older_than_script
