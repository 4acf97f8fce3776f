"""The versions of Snakemake that the replaced parts were tested with, and the names that these parts rely on."""

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from functools import reduce
from typing import Any

import snakemake

OLDEST, NEWEST = (9, 18, 1), (9, 27)  # every patch release of the newest
FORMAT = 6  # of records

# Each name that is replaced or overridden, and its parameters.
REPLACED = {
    "snakemake.dag:DAG.update_needrun": "self create_inventory",
    "snakemake.dag:DAG.finish": "self job update_checkpoint_dependencies",
    "snakemake.dag:DAG.check_incomplete": "self",
    "snakemake.dag:DAG.incomplete_external_jobid": "self job",
    "snakemake.dag:DAG.check_output_mtime": "self job expanded_output",
    "snakemake.dag:DAG.print_reasons": "self",
    "snakemake.jobs:Reason.__bool__": "self",
    "snakemake.jobs:Reason.clear": "self",
    "snakemake.jobs:Job.outputs_older_than_script_or_notebook": "self",
    "snakemake.jobs:Job.prepare": "self",
    "snakemake.jobs:Job.postprocess": "self store_in_storage handle_log handle_touch error ignore_missing_output "
    "check_output_mtime",
    "snakemake.io:_IOFile.protected": "self",
    "snakemake.io:_IOFile.checksum": "self threshold force algorithm",
    "snakemake.io:_IOFile.is_checksum_eligible": "self threshold",
    "snakemake.io:_IOFile.is_newer": "self time",
    "snakemake.persistence.file:FilePersistence._write_record": "self key record",
    "snakemake.persistence.file:FilePersistence._io_read": "self subject id",
    "snakemake.persistence.file:FilePersistence._io_write": "self subject json_value id mode",
    "snakemake.persistence:PersistenceBase._params": "self job",
    "snakemake.persistence:PersistenceBase._code_changed": "self job file",
    "snakemake.persistence:PersistenceBase._serialize_param_builtin": "self value",
    "snakemake.persistence:PersistenceBase.has_metadata": "self job",
    "snakemake.persistence:PersistenceBase.lock": "self",
    "snakemake.persistence:PersistenceBase.lock_warn_only": "self",
    "snakemake.caching.local:OutputFileCache.store": "self job",
    "snakemake.caching.local:OutputFileCache.fetch": "self job",
    "snakemake.caching.local:OutputFileCache.exists": "self job",
    "snakemake.scheduling.job_scheduler:JobScheduler._schedule_reevalutation": "self delay",
    "snakemake.scheduling.job_scheduler:JobScheduler.run": "self jobs executor",
    "snakemake.scheduling.job_scheduler:JobScheduler.job_selector": "self jobs",
    "snakemake.scheduling.job_scheduler:JobScheduler.schedule": "self",
    "snakemake.scheduling.job_scheduler:JobScheduler.exit_gracefully": "self args",
    "snakemake.executors.local:Executor.cancel": "self",
    "snakemake.executors.local:Executor._callback": "self job_info future",
    "snakemake.common:get_function_params": "func",
    "snakemake.workflow:Workflow.log_provenance_info": "self",
}

# Each name that the replacements call, and its parameters.
CALLED = {
    "snakemake.dag:DAG.postprocess": "self update_needrun update_incomplete_input_expand_jobs check_initial",
    "snakemake.dag:DAG.update_checkpoint_dependencies": "self jobs",
    "snakemake.dag:DAG.incomplete_files": "self",
    "snakemake.dag:DAG.needrun_jobs": "self exclude_finished",
    "snakemake.jobs:Reason.is_provenance_triggered": "self",
    "snakemake.jobs:Job._path_to_source_file": "self path",
    "snakemake.parser:parse": "path workflow linemap overwrite_shellcmd rulecount",
    "snakemake.caching.hash:ProvenanceHashMap._get_provenance_hash": "self job",
    "snakemake.dag:DAG.handle_temp": "self job",
    "snakemake.dag:DAG.temp_input": "self job",
    "snakemake.persistence:PersistenceBase._get_key": "self f",
    "snakemake.persistence:PersistenceBase.metadata": "self target",
    "snakemake.persistence:PersistenceBase.cleanup": "self job",
    "snakemake.persistence:PersistenceBase.input_checksums": "self job input_path",
    "snakemake.persistence:PersistenceBase.params_changed": "self job file",
    "snakemake.persistence.file:FilePersistence._record_path": "self subject id",
    "snakemake.persistence.file:FilePersistence._read_record": "self key",
    "snakemake.caching.local:OutputFileCache.get_outputfiles_and_cachefiles": "self job",
    "snakemake.caching:AbstractOutputFileCache.raise_cache_miss_exception": "self job",
}

# Names that modules or objects of Snakemake must have: what `workflow` makes its own objects with, and attributes.
USED = {
    "snakemake.workflow": "DAG JobScheduler FilePersistence DbPersistence LocalOutputFileCache",
    "snakemake.rules": "get_function_params",
    "snakemake.rules:Rule.__init__": "run_func shellcmd script notebook norun _conda_env _container_img env_modules",
    "snakemake.sourcecache": "LocalSourceFile infer_source_file",
    "snakemake.scheduling.job_scheduler:JobScheduler": "open_jobs",
    "snakemake.workflow:Workflow": "scheduler",
    "snakemake.exceptions": "WorkflowError",
    "snakemake.iocontainers:Namedlist": "_allitems",
    "snakemake.rules:Rule": "is_run",
    "snakemake.jobs:GroupJob": "rules",
    "snakemake.dag:DAG": "checkpoint_jobs",
    "snakemake.dag:DAG.__init__": "_deferred_temp_jobs _group _reason _running _ready_jobs _n_until_ready "
    "max_checksum_file_size forcefiles ignore_incomplete",
    "snakemake.caching.hash:ProvenanceHashMap.__init__": "_hashes",
    "snakemake.persistence.file:FilePersistence.__init__": "_metadata_path _incomplete_path _lockdir",
    "snakemake.persistence:PersistenceBase": "_serialize_param",
    "snakemake.persistence:PersistenceBase.__init__": "max_checksum_file_size",
    "snakemake.scheduling.job_scheduler:JobScheduler.__init__": "_executor _local_executor _open_jobs "
    "dryrun quiet resources",
    "snakemake.executors.local:Executor.__post_init__": "pool",
}


def check() -> None:
    """End the run with one line if this Snakemake is not one of those, or lacks a name."""
    needed = f"exactrun needs Snakemake {_spell(OLDEST)} to {_spell(NEWEST)}"
    version = tuple(map(int, re.findall(r"\d+", snakemake.__version__)[:3]))
    if not (version >= OLDEST and version[:2] <= NEWEST):
        sys.exit(
            f"error: {needed}, this is {snakemake.__version__}: exactrun.code alone works with any (without `install`)"
        )
    importlib.import_module("snakemake.api")  # first: snakemake.workflow alone imports itself in a circle
    from snakemake.persistence import RECORD_FORMAT_VERSION

    if RECORD_FORMAT_VERSION != FORMAT:  # older records would be passed over in silence
        sys.exit(f"error: {needed}, whose records have the format {FORMAT}, not {RECORD_FORMAT_VERSION}")
    if different := sorted(_different()):
        sys.exit(f"error: {needed}, and this one ({snakemake.__version__}) differs in {', '.join(different)}")


def _spell(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _different() -> Iterator[str]:
    """Yield the names that this Snakemake does not have as expected."""
    for name, parameters in (REPLACED | CALLED).items():
        found = _find(name)
        abstract = getattr(found, "__isabstractmethod__", False)  # its own is gone
        if found is None or abstract or list(inspect.signature(found).parameters) != parameters.split():
            yield name
    for name, attributes in USED.items():
        found = _find(name)
        code = getattr(found, "__code__", None)
        names = code.co_names if code else dir(found)
        yield from (f"{name} ({attribute})" for attribute in attributes.split() if attribute not in names)


def _find(name: str) -> Any:
    """Return the object named `module:Class.name`, None if it is absent."""
    module, _, path = name.partition(":")
    try:
        return reduce(getattr, filter(None, path.split(".")), importlib.import_module(module))
    except (ImportError, AttributeError):
        return None
