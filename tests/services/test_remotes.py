"""docs/remotes.md, followed to the letter with real servers; and what happens when something is wrong."""

import functools
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import servers
from servers import Service
from studies import ROOT, Study

pytestmark = pytest.mark.xdist_group("remotes")  # they share servers
PAGE = (ROOT / "docs/remotes.md").read_text(encoding="utf-8")

writable = pytest.mark.parametrize("service", ["s3", "ssh"], indirect=True)
each = pytest.mark.parametrize("service", ["s3", "ssh", "http"], indirect=True)


def blocks(section: str) -> list[str]:
    """Return the commands on the page below a heading, block by block."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    return re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)


def follow(study: Study, block: str, service: Service) -> None:
    """Run a block of the page, with this machine's names."""
    for name, here in service.here.items():
        block = block.replace(name, here)
    study.run("sh", "-ec", block)


def fails(study: Study, service: Service, command: str, message: str) -> None:
    """Run `dvc push` or `dvc pull`, which must fail with this message of the page: no traceback, no secret."""
    done = subprocess.run(
        ["dvc", command, "--remote", service.remote],
        cwd=study.path,
        env=study.env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode != 0, done.stdout
    assert message in done.stdout
    assert f"`{message}`" in PAGE
    assert "Traceback" not in done.stdout
    assert not any(secret in done.stdout for secret in service.secrets)


def cached(study: Study) -> dict[str, bytes]:
    """Return a clone's own objects, by name."""
    paths = (study.path / ".dvc/cache/files/md5").glob("*/*")
    return {path.parent.name + path.name: path.read_bytes() for path in paths}


def size(objects: dict[str, bytes]) -> int:
    return sum(map(len, objects.values()))


def damaged(objects: dict[str, bytes]) -> set[str]:
    """Return the names of objects that are not what they are called."""
    return {
        name
        for name, content in objects.items()
        if name.removesuffix(".dir") != hashlib.md5(content, usedforsecurity=False).hexdigest()
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Service]]:
    """Start a server when the first test asks for it, and keep it: pytest would start it for each few tests."""
    with ExitStack() as until_the_end:

        @functools.cache
        def start(name: str) -> Service:
            started: Service = until_the_end.enter_context(getattr(servers, name)(tmp_path_factory.mktemp(name)))
            return started

        yield start


@pytest.fixture
def service(request: pytest.FixtureRequest, running: Callable[[str], Service]) -> Service:
    return running(request.param)


def clone(origin: Study, path: Path, service: Service) -> Study:
    """Clone for someone whose only credentials are those for the service, and who is less patient than S3's clients."""
    study = origin.clone(path, pull=False)
    study.env = {name: value for name, value in study.env.items() if not name.startswith(("AWS_", "SSH_"))}
    study.env |= {"HOME": str(service.home), "AWS_MAX_ATTEMPTS": "1", "PIP_NO_INDEX": "1"}
    return study


@functools.cache
def joined(finished: Study, service: Service) -> tuple[Study, Study]:
    """Return the repository of a team, and a clone of it."""
    team = clone(finished, service.folder / "team", service)
    team.dvc("pull")
    if service.section == "HTTP":
        shutil.copytree(team.path / "remote", service.root)
    for block in blocks(service.section):
        follow(team, block, service)
    if service.section != "HTTP":
        team.dvc("push", "--remote", "team")
    assert not damaged(service.objects())
    newcomer = clone(team, service.folder / "newcomer", service)
    shutil.rmtree(newcomer.path / "remote")
    if service.section != "HTTP":
        follow(newcomer, blocks(service.section)[-1], service)
    return team, newcomer


@pytest.fixture
def team(finished: Study, service: Service) -> Study:
    """The repository of the team: it followed the page, and its results are in the remote."""
    return joined(finished, service)[0]


@pytest.fixture
def member(finished: Study, service: Service, tmp_path: Path) -> Study:
    """A clone with nothing in it but the credentials. The bundled remote is gone, so that only the server has data."""
    newcomer = joined(finished, service)[1]
    shutil.copytree(newcomer.path, tmp_path / "member")
    member = Study(tmp_path / "member", newcomer.cells, newcomer.served)
    member.env = newcomer.env | {"DVC_SITE_CACHE_DIR": str(tmp_path / "dvc")}
    return member


@each
def test_whoever_joins_gets_everything_and_has_nothing_to_compute(team: Study, member: Study, service: Service) -> None:
    if service.section == "HTTP":
        follow(member, blocks("HTTP")[-1], service)
    else:
        follow(member, blocks("Every day")[0], service)
    assert member.contents() == team.contents()
    assert "up to date" in member.dvc("status").output


@writable
def test_credentials_in_the_environment(team: Study, service: Service, tmp_path: Path) -> None:
    member = clone(team, tmp_path / "member", service)
    member.env["HOME"] = str(tmp_path)
    words = {"S3": "Unable to locate credentials", "SSH": "Permission denied for user"}
    fails(member, service, "pull", words[service.section])
    member.env |= service.environment
    member.dvc("pull", "--remote", "team")
    assert member.contents() == team.contents()


@pytest.mark.parametrize("service", ["ssh"], indirect=True)
def test_defaults(team: Study, member: Study, service: Service) -> None:
    mine, ours = blocks("Every day")[1:]
    follow(member, mine, service)
    assert not member.git("status", "--porcelain", ".dvc")
    member.dvc("pull")
    assert member.contents() == team.contents()
    follow(member, ours, service)
    assert "remote = team" in member.git("show", "HEAD:.dvc/config")


@writable
def test_wrong_credentials(team: Study, member: Study, service: Service) -> None:
    here, there = cached(team), service.objects()
    words = {"S3": "Forbidden: An error occurred (403)", "SSH": "Permission denied for user"}
    with service.refusing():
        fails(team, service, "push", words[service.section])
        fails(member, service, "pull", words[service.section])
    assert cached(team) == here
    assert service.objects() == there


@each
def test_server_down(team: Study, member: Study, service: Service) -> None:
    here, there = cached(team), service.objects()
    words = {"S3": "Could not connect to the endpoint URL", "SSH": "Connect call failed"}
    missing = "do not exist neither locally nor on remote"
    with service.line.broken():
        fails(member, service, "pull", words.get(service.section, missing))
        if service.section != "HTTP":
            fails(team, service, "push", words[service.section])
    assert cached(team) == here
    assert service.objects() == there
    member.dvc("pull", "--remote", service.remote)
    assert member.contents() == team.contents()


@writable
def test_push_is_cut(team: Study, service: Service) -> None:
    whole = service.objects()
    service.store.rm(service.root, recursive=True)
    with service.line.broken(after=size(whole) // 2):
        fails(team, service, "push", "failed to transfer")
    arrived = service.objects()
    assert len(arrived) < len(whole)
    assert not damaged(arrived)
    team.dvc("push", "--remote", "team")
    assert service.objects() == whole


@each
def test_pull_is_cut(team: Study, member: Study, service: Service) -> None:
    there = service.objects()
    with service.line.broken(after=size(there) // 2):
        fails(member, service, "pull", "failed to transfer")
    assert len(cached(member)) < len(there)
    assert not damaged(cached(member))
    member.dvc("pull", "--remote", service.remote)
    assert member.contents() == team.contents()
    assert service.objects() == there


@each
def test_damaged_object_is_refused_and_replaced(team: Study, member: Study, service: Service) -> None:
    there = service.objects()
    largest = max(there, key=lambda name: len(there[name]))
    service.store.pipe_file(service.path(largest), there[largest][:1000])
    fails(member, service, "pull", "Checkout failed for following targets")
    assert largest not in cached(member)
    if service.section == "HTTP":
        said = member.run("sh", "-c", "dvc pull --verbose --remote public || true").output
        assert re.search(rf"corrupted cache file .*{largest[2:]}", said)
        service.store.pipe_file(service.path(largest), there[largest])
    else:
        for name in {largest, *(name for name in there if name.endswith(".dir"))}:
            service.store.rm_file(service.path(name))
        team.dvc("push", "--remote", "team")
    member.dvc("pull", "--remote", service.remote)
    assert member.contents() == team.contents()
    assert service.objects() == there


@pytest.mark.parametrize("service", ["http"], indirect=True)
def test_http_is_only_for_reading(team: Study, service: Service) -> None:
    there = service.objects()
    (team.path / "new.txt").write_text("new")
    team.dvc("add", "new.txt")
    fails(team, service, "push", "Unsupported method ('POST')")
    team.git("rm", "--quiet", "--cached", "new.txt.dvc")
    assert service.objects() == there


@pytest.mark.parametrize("service", ["http"], indirect=True)
def test_wrong_url(team: Study, member: Study, service: Service) -> None:
    member.edit(".dvc/config", lambda text: text.replace("/digitpairs", "/wrong"))
    fails(member, service, "pull", "do not exist neither locally nor on remote")
    member.git("checkout", "--quiet", ".dvc/config")
    member.dvc("pull", "--remote", "public")
    assert member.contents() == team.contents()


@writable
def test_no_secret_is_written_or_said(team: Study, member: Study, service: Service) -> None:
    with service.refusing():
        said = team.run("sh", "-c", "dvc push --verbose --remote team || true").output
    said += member.dvc("pull", "--verbose", "--remote", "team").output
    files = [path for folder in (member.path.parent, team.path) for path in folder.rglob("*") if path.is_file()]
    assert member.path / ".dvc/config.local" in files
    written = [path.read_bytes() for path in files]
    for secret in service.secrets:
        assert secret not in said
        assert not any(secret.encode() in content for content in written)


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_without_a_server_tests_are_skipped_but_not_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no-such-server is not installed"):
        servers.need("no-such-server")
