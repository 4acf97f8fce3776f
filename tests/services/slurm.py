"""A real Slurm of two nodes, on free ports of this machine, for the user who starts it."""

import getpass
import os
import secrets
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from servers import HOST, free_port, need, running

NODES = ("one", "two")

# Times are short, so that a test need not wait for them: seconds until a silent node is down (SlurmdTimeout) and its
# jobs may start elsewhere (cred_expire), until a cancelled job is killed (KillWait), and between two looks at a job's
# memory (JobAcctGatherFrequency) and time (SchedulerParameters). Others are long, for a busy machine: until a command
# gives up (MessageTimeout), and until a job that has ended is forgotten (MinJobAge).
CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost({host})
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherParams=OverMemoryKill
JobAcctGatherFrequency=1
AccountingStorageType=accounting_storage/none
SchedulerParameters=sched_interval=1,bf_interval=1
SlurmdTimeout=15
MessageTimeout=60
MinJobAge=3600
KillWait=1
ReturnToService=2
PartitionName=all Nodes=ALL Default=YES State=UP
"""
NODE = "NodeName={name} NodeHostname=localhost NodeAddr={host} Port={port} CPUs=1 RealMemory=8000 Gres=gpu:1\n"


@dataclass
class Cluster:
    """A running Slurm, and what an administrator does to it."""

    folder: Path
    environment: dict[str, str]
    commands: Path  # to be found before Slurm's own
    daemons: dict[str, ExitStack] = field(default_factory=dict)

    def run(self, *command: str) -> str:
        """Run one of Slurm's commands; return what it says."""
        done = subprocess.run(command, env=os.environ | self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def jobs(self, *options: str) -> dict[str, str]:
        """Return the comments of jobs by their ids: of all that wait or run, unless options of squeue say which."""
        lines = self.run("squeue", "--noheader", "--format=%A %k", *options).splitlines()
        return dict(line.split(maxsplit=1) for line in lines)

    def wait_for_job(self, name: str, *options: str) -> str:
        """Return the id of a job that has this in its comment, once `jobs` lists one."""
        found: list[str] = []

        def is_there() -> bool:
            found[:] = [job for job, comment in self.jobs(*options).items() if name in comment]
            return bool(found)

        wait(is_there)
        return found[0]

    def start(self, node: str) -> None:
        """Start a node."""
        (self.folder / node).mkdir(exist_ok=True)
        command = [need("slurmd"), "-D", "-N", node, "-f", str(self.folder / "slurm.conf")]
        port = int(self.run("scontrol", "show", "node", node, "--oneliner").split(" Port=")[1].split()[0])
        self.daemons[node] = ExitStack()
        self.daemons[node].enter_context(running(command, self.folder / f"{node}.out", (HOST, port)))
        wait(lambda: self.state(node) in ("idle", "mixed", "allocated"))

    def stop(self, node: str) -> None:
        """Let a node lose power: its daemon and all processes of its jobs are gone at once."""
        log = str(self.folder / f"{node}.log")
        found = psutil.process_iter(["open_files"])
        steps = [process for process in found if log in {file.path for file in process.info["open_files"] or ()}]
        lost = []
        for step in steps:  # stopped first, so that none of them starts another, or tells of the end of another
            with suppress(psutil.NoSuchProcess):
                step.suspend()
                lost += [step, *step.children(recursive=True)]
        for process in lost:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        self.daemons.pop(node).close()
        for process in lost:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def hang(self, job: str) -> None:
        """Stop the steps of a job that starts, as if they waited for what never comes."""

        def stopped() -> bool:
            self.run("scancel", "--signal=STOP", job)  # lost on a step that Slurm lists and has not started yet
            step = {"SLURM_JOB_ID": job, "SLURM_STEP_ID": "0"}.items()
            found = (process.info for process in psutil.process_iter(["status", "environ"]))
            return any(
                one["status"] == psutil.STATUS_STOPPED and step <= (one["environ"] or {}).items() for one in found
            )

        wait(lambda: f"{job}.0\n" in self.run("squeue", "--steps", "--noheader", "--format=%i"))
        wait(stopped)

    def state(self, node: str) -> str:
        return self.run("sinfo", "--noheader", f"--nodes={node}", "--format=%T").strip()

    def close(self) -> None:
        """End all jobs and nodes."""
        self.run("scancel", "--user", getpass.getuser())
        wait(lambda: not self.jobs())
        for daemon in self.daemons.values():
            daemon.close()


def wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300  # seconds, for a busy machine
    while not until():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.5)


@contextmanager
def slurm(folder: Path) -> Iterator[Cluster]:
    """Munge with a key of its own, a controller, and two nodes of one processor."""
    port, *node_ports = (free_port() for _ in range(3))
    user = getpass.getuser()
    configuration = CONFIGURATION.format(folder=folder, host=HOST, port=port, user=user)
    nodes = (NODE.format(name=name, host=HOST, port=port) for name, port in zip(NODES, node_ports, strict=True))
    (folder / "slurm.conf").write_text(configuration + "".join(nodes))
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")  # a card, as far as Slurm looks
    (folder / "state").mkdir()
    (folder / "key").touch(mode=0o600)
    (folder / "key").write_bytes(secrets.token_bytes(64))

    # The plugin withholds SLURM_CONF from srun, as that is for machines whose configuration is in /etc.
    wrapper = folder / "bin/srun"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={shlex.quote(str(folder))}/slurm.conf exec {need("srun")} "$@"\n')
    wrapper.chmod(0o755)
    cluster = Cluster(folder, {"SLURM_CONF": str(folder / "slurm.conf")}, wrapper.parent)

    files = {name: folder / name for name in ("key", "pid", "seed")}
    munged = [need("munged"), "--foreground", "--force", f"--socket={folder}/munge"]
    munged += [f"--{name}-file={file}" for name, file in (*files.items(), ("log", folder / "munged.log"))]
    controller = [need("slurmctld"), "-D", "-f", str(folder / "slurm.conf")]
    with (
        running(munged, folder / "munged.log", str(folder / "munge")),
        running(controller, folder / "slurmctld.log", (HOST, port)),
    ):
        try:
            for node in NODES:
                cluster.start(node)
            yield cluster
        finally:
            cluster.close()
