"""Start Python programs by forking a process that has imported their libraries.

In a tiny study a step's time is that of its imports. `hold` starts one process that has imported third-party packages,
and makes a folder with commands `python`, `snakemake` and `dvc`. Each of them asks this process to fork, and the fork
runs the script: with the caller's arguments, folder, environment and open streams, and with the checkout's own modules,
none of which is imported before. It ends when its caller does. The process ends with the last who holds it.

These commands are no processes of their own: `ps` shows other arguments and another environment, limits of memory and
files do not hold, signals do not reach them, and all forks share one hash seed. Tests of these things start real ones.
"""

import atexit
import ctypes
import gc
import importlib
import os
import select
import shlex
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import traceback
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from runpy import run_module, run_path

from filelock import FileLock

CLIENT = Path(__file__).with_name("client.py")
COMMANDS = Path(sys.executable).parent
# Leaving out a package makes a step slower and changes nothing else.
PACKAGES = (
    "aiobotocore.session",
    "altair",
    "argparse_dataclass",
    "configobj",
    "dpath",
    "dulwich.porcelain",
    "dvc.cachemgr",
    "dvc.cli.parser",
    "dvc.commands.experiments.exec_run",
    "dvc.daemon",
    "dvc.data_cloud",
    "dvc.repo",
    "dvc.repo.artifacts",
    "dvc.repo.datasets",
    "dvc.repo.experiments",
    "dvc.repo.experiments.executor.local",
    "dvc.repo.experiments.queue.celery",
    "dvc.repo.index",
    "dvc.repo.metrics",
    "dvc.repo.open_repo",
    "dvc.repo.params",
    "dvc.repo.plots",
    "dvc.repo.stage",
    "dvc.repo.worktree",
    "dvc.utils.hydra",
    "dvc.utils.strictyaml",
    "dvc_data.hashfile.db.local",
    "dvc_data.hashfile.status",
    "dvc_data.index.checkout",
    "dvc_data.index.fetch",
    "dvc_data.index.push",
    "dvc_s3",
    "dvc_ssh",
    "fsspec.implementations.memory",
    "jinja2",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "matplotlib.style",
    "mlxtend.data",
    "networkx",
    "pandas",
    "pandas.core.reshape.reshape",
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PpmImagePlugin",
    "platformdirs",
    "pydantic",
    "requests",
    "rich.console",
    "ruamel.yaml",
    "safetensors.torch",
    "scipy.stats",
    "scmrepo.git",
    "scmrepo.git.backend.pygit2",
    "smart_open",
    "snakemake.cli",
    "snakemake.profiles",
    "snakemake.report.html_reporter",
    "snakemake.storage",
    "torch",
    "typst",
    "vl_convert",
)


@contextmanager
def hold(
    name: Path, environment: dict[str, str], packages: tuple[str, ...] = PACKAGES, commands: Path = COMMANDS
) -> Iterator[Path]:
    """Yield a folder of commands whose libraries are imported already, in a process with this environment.

    Whoever holds the same name has the same process; it ends with the last of them. `commands` is the folder of the
    Python, and of the scripts `snakemake` and `dvc`; default: this Python's.
    """
    with FileLock(f"{name}.lock"):
        if name.exists():
            holder = os.open(name / "holders", os.O_WRONLY)
        else:
            holder = start(name, environment, packages, commands)
    try:
        yield name.readlink()
    finally:
        os.close(holder)


def start(name: Path, environment: dict[str, str], packages: tuple[str, ...], commands: Path) -> int:
    """Start the process; return an open file: when it is closed, and all others that hold the process, that ends."""
    folder = Path(tempfile.mkdtemp())  # a socket's path must be short
    python, address = str(commands / "python"), str(folder / "socket")
    for command in ("python", "snakemake", "dvc"):
        script = [] if command == "python" else [str(commands / command)]
        client = [python, "-IS", str(CLIENT), address, *script]
        (folder / command).write_text(f'#!/bin/sh\nexec {shlex.join(client)} "$@"\n', encoding="utf-8")
        (folder / command).chmod(0o755)
    os.mkfifo(folder / "holders")
    held = os.open(folder / "holders", os.O_RDONLY | os.O_NONBLOCK)
    holder = os.open(folder / "holders", os.O_WRONLY)
    environment = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    server = subprocess.Popen(
        [python, "-P", __file__, address, *packages], env=environment, stdin=held, stdout=subprocess.PIPE
    )
    os.close(held)
    assert server.stdout
    assert server.stdout.readline(), "the server did not start"
    name.unlink(missing_ok=True)  # of one that has ended
    name.symlink_to(folder)
    return holder


class Program(socketserver.BaseRequestHandler):
    """A fork that runs one script."""

    request: socket.socket

    def handle(self) -> None:
        """Become what the client asks for, run, and answer with the exit code."""
        message, streams, *_ = socket.recv_fds(self.request, 1 << 16, 3)
        while len(message) - 8 < int.from_bytes(message[:8], "big"):
            more = self.request.recv(1 << 16)
            if not more:  # the client was killed
                return
            message += more
        number, *texts = os.fsdecode(message[8:]).split("\0")
        arguments, folder, variables = texts[: int(number)], texts[int(number)], texts[int(number) + 1 :]
        self.enter_namespaces()
        threading.Thread(target=self.end_with_client, daemon=True).start()
        for stream, its in enumerate(streams):
            os.dup2(its, stream)
            os.close(its)
        gc.disable()  # a step is over before it has made much
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(dict(variable.split("=", 1) for variable in variables))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.argv = arguments
        sys.executable = str(Path(self.server.server_address).with_name("python"))  # type: ignore[arg-type]
        modules = os.getenv("PYTHONPATH", "").split(os.pathsep)
        sys.path[:0] = [str(Path(arguments[0]).parent.absolute()), *filter(None, modules)]
        code = 0
        try:
            if arguments[0] == "-m":
                sys.argv = arguments[1:]
                run_module(arguments[1], run_name="__main__", alter_sys=True)
            else:
                run_path(arguments[0], run_name="__main__")
        except SystemExit as exit:
            if isinstance(exit.code, str):
                print(exit.code, file=sys.stderr)
            code = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
        except BaseException:
            traceback.print_exc()
            code = 1
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        self.request.send(bytes([code & 255]))

    def enter_namespaces(self) -> None:
        """Have the mounts and the network that the client has, where they are its own."""
        client = int.from_bytes(self.request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 4), sys.byteorder)
        for kind in ("user", "net", "mnt"):
            theirs = Path(f"/proc/{client}/ns/{kind}")
            if theirs.readlink() != Path(f"/proc/self/ns/{kind}").readlink():
                with theirs.open() as namespace:  # `os.setns` came with Python 3.12
                    assert ctypes.CDLL(None).setns(namespace.fileno(), 0) == 0, f"{theirs} cannot be entered"

    def end_with_client(self) -> None:
        """Die when the client does."""
        with suppress(OSError):
            self.request.recv(1)
        os.kill(os.getpid(), signal.SIGKILL)


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """Forks for each client."""

    max_children = 1000

    def service_actions(self) -> None:
        """End with the last who holds this process."""
        super().service_actions()
        if select.select([sys.stdin], [], [], 0)[0]:
            sys.exit()


def server(address: str, *packages: str) -> None:
    """Import, say so, and fork for each client until the standard input ends."""
    for package in packages:
        importlib.import_module(package)
    if "vl_convert" in packages:
        import altair
        import vl_convert

        # The longest part of a report; made once in a process.
        version = ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])
        vl_convert.javascript_bundle(vl_version=version)  # type: ignore[call-arg]  # whose stub lacks a default
    if "snakemake.cli" in packages:
        from snakemake.cli import get_argument_parser

        get_argument_parser()  # looks through all packages for plugins, once in a process
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.detach()  # at the end of each fork, torch would take itself apart
    gc.freeze()  # garbage collection in a fork would copy the memory of all that was imported
    try:
        with Server(address, Program) as forking:
            print("ready", flush=True)
            forking.serve_forever()
    finally:
        shutil.rmtree(Path(address).parent)


if __name__ == "__main__":
    server(*sys.argv[1:])
