"""Real servers for DVC remotes, on free ports of this machine, and a line to them that can be cut."""

import asyncio
import getpass
import json
import math
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec
import pytest

HOST = "127.0.0.1"
RESERVED: list[socket.socket] = []  # bound, and never listening: a server may take such a port, and nobody else gets it


class Line:
    """A TCP line to a server, which can be cut."""

    def __init__(self, server: int) -> None:
        self.server = server
        self.port = free_port()
        self.bytes_left = math.inf
        self.transports: set[asyncio.WriteTransport] = set()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self._run(self._mend())

    @contextmanager
    def broken(self, after: int = 0) -> Iterator[None]:
        """Cut the line, now or after so many bytes; connections are refused from then to the end of the block."""
        self.bytes_left = after
        if not after:
            self._run(self._cut())
        try:
            yield
            assert self.bytes_left <= 0, "nothing was cut"
        finally:
            self._run(self._cut())
            self.bytes_left = math.inf
            self._run(self._mend())

    def _run(self, step: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(step, self.loop).result()

    async def _mend(self) -> None:
        self.listener = await asyncio.start_server(self._connect, HOST, self.port)

    async def _cut(self) -> None:
        self.listener.close()
        for transport in self.transports:
            transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(HOST, self.server)
        both = {writer.transport, server_writer.transport}
        self.transports |= both
        await asyncio.gather(self._carry(reader, server_writer), self._carry(server_reader, writer))
        self.transports -= both

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # one side went away: so does the other
            while data := await reader.read(2**14):
                self.bytes_left -= len(data)
                if self.bytes_left <= 0:
                    await self._cut()
                writer.write(data)
                await writer.drain()
        writer.close()


@dataclass(repr=False, eq=False)  # a failing test shows its arguments, but no secret
class Service:
    """A server with what stands here for the names in docs/remotes.md, its objects, and the credentials for it."""

    section: str
    remote: str
    folder: Path
    line: Line
    here: dict[str, str]
    root: str
    store: Any = field(default_factory=lambda: fsspec.filesystem("file"))
    credentials: Path = Path()
    wrong_credentials: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Let the user's credentials be wrong."""
        right = self.credentials.read_text()
        self.credentials.write_text(self.wrong_credentials)
        try:
            yield
        finally:
            self.credentials.write_text(right)

    def path(self, name: str) -> str:
        return f"{self.root}/files/md5/{name[:2]}/{name[2:]}"

    def objects(self) -> dict[str, bytes]:
        """Return what the server holds, by the objects' names."""
        paths = [path for path in self.store.find(f"{self.root}/files/md5") if not path.endswith(".tmp")]
        return {"".join(path.split("/")[-2:]): content for path, content in self.store.cat(paths).items()}


def free_port() -> int:
    """Return a port that no other process is given as a free one."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind((HOST, 0))
    RESERVED.append(probe)
    return int(probe.getsockname()[1])


def need(program: str) -> str:
    """Return where a program is. Without it the tests are skipped, but never in continuous integration."""
    places = [str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"]
    found = shutil.which(program, path=os.pathsep.join(places))
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{program} is not installed")
    return found


def answers(address: str | tuple[str, int]) -> bool:
    """Return whether a server listens: at a Unix socket's path, or at a host's port."""
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as probe:
        return probe.connect_ex(address) == 0


@contextmanager
def running(command: list[str], log: Path, address: str | tuple[str, int]) -> Iterator[None]:
    """Run a server from when it answers until the end of the block, however that comes."""
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            deadline = time.monotonic() + 120  # seconds, for a busy machine
            while not answers(address):
                assert process.poll() is None and time.monotonic() < deadline, f"{command}\n{log.read_text()}"
                time.sleep(0.1)
            yield
        finally:
            process.kill()


@contextmanager
def s3(folder: Path) -> Iterator[Service]:
    """SeaweedFS with a bucket, and a user who may list, read and write it."""
    secret, wrong, admin = (secrets.token_hex(20) for _ in range(3))
    bucket_rights = [f"{right}:team-bucket" for right in ("List", "Read", "Write")]
    identities = [
        {"name": name, "credentials": [{"accessKey": name, "secretKey": key}], "actions": actions}
        for name, key, actions in (("team", secret, bucket_rights), ("admin", admin, ["Admin"]))
    ]
    (folder / "users.json").write_text(json.dumps({"identities": identities}))
    (folder / "data").mkdir()
    profile = "[digitpairs]\naws_access_key_id = team\naws_secret_access_key = {}\n"
    credentials = folder / "home/.aws/credentials"
    credentials.parent.mkdir(parents=True)
    credentials.write_text(profile.format(secret))

    ports = {
        f"{part}.port{kind}": free_port() for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")
    }
    options = ports | {
        "ip": HOST,
        "dir": folder / "data",
        "s3.config": folder / "users.json",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "master.telemetry": "false",
    }
    server = [need("weed"), "server", "-s3", *(f"-{option}={value}" for option, value in options.items())]
    port = ports["s3.port"]
    try:
        with running(server, folder / "log", (HOST, port)):
            client = {"endpoint_url": f"http://{HOST}:{port}"}
            store = fsspec.filesystem("s3", key="admin", secret=admin, client_kwargs=client, use_listings_cache=False)
            store.mkdir("team-bucket")
            line = Line(port)
            yield Service(
                section="S3",
                remote="team",
                folder=folder,
                line=line,
                here={"https://s3.example.org": f"http://{HOST}:{line.port}"},
                root="team-bucket/digitpairs",
                store=store,
                credentials=credentials,
                wrong_credentials=profile.format(wrong),
                environment={"AWS_ACCESS_KEY_ID": "team", "AWS_SECRET_ACCESS_KEY": secret},
                secrets=[secret, wrong],
            )
    finally:
        for number in ports.values():  # it leaves its sockets behind
            for left in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):  # noqa: S108
                left.unlink()


@contextmanager
def ssh(folder: Path) -> Iterator[Service]:
    """OpenSSH with its own configuration, host key and authorized key, and an agent that holds the key."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd wants it when root starts it; Debian makes it at boot only
    key = folder / "home/.ssh/digitpairs"
    key.parent.mkdir(parents=True)
    for new in (key, folder / "stranger", folder / "host"):
        subprocess.run([need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(new)], check=True)
    shutil.move(f"{key}.pub", folder / "authorized")
    wrong = (folder / "stranger").read_text()

    port = free_port()
    (folder / "sshd_config").write_text(f"""
        ListenAddress {HOST}:{port}
        HostKey {folder}/host
        AuthorizedKeysFile {folder}/authorized
        AuthenticationMethods publickey
        StrictModes no
        UsePAM no
        PidFile none
        Subsystem sftp internal-sftp
    """)
    server = [need("sshd"), "-D", "-e", "-f", str(folder / "sshd_config")]
    environment = {"SSH_AUTH_SOCK": str(folder / "agent")}
    agent = [need("ssh-agent"), "-D", "-a", environment["SSH_AUTH_SOCK"]]
    with (
        running(server, folder / "log", (HOST, port)),
        running(agent, folder / "agent.log", environment["SSH_AUTH_SOCK"]),
    ):
        subprocess.run([need("ssh-add"), "-q", str(key)], env=os.environ | environment, check=True)
        line = Line(port)
        stranger = (folder / "stranger.pub").read_text()
        (key.parent / "known_hosts").write_text(f"[{HOST}]:{line.port} {stranger}")  # DVC does not look: see the page
        yield Service(
            section="SSH",
            remote="team",
            folder=folder,
            line=line,
            here={"ssh://digitpairs@files.example.org/srv": f"ssh://{getpass.getuser()}@{HOST}:{line.port}{folder}"},
            root=f"{folder}/digitpairs",
            credentials=key,
            wrong_credentials=wrong,
            environment=environment,
            secrets=[secret for text in (key.read_text(), wrong) for secret in text.splitlines()[1:-1]],
        )


@contextmanager
def http(folder: Path) -> Iterator[Service]:
    """Python's static web server."""
    port = free_port()
    server = [sys.executable, "-m", "http.server", str(port), "--bind", HOST, "--directory", str(folder)]
    with running(server, folder / "log", (HOST, port)):
        line = Line(port)
        yield Service(
            section="HTTP",
            remote="public",
            folder=folder,
            line=line,
            here={"https://files.example.org": f"http://{HOST}:{line.port}"},
            root=f"{folder}/digitpairs",
        )
