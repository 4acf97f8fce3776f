"""What hostile input cannot do, beyond what the tests of each part show: docs/reliability.md lists them all."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from studies import ROOT

TINY = ROOT / "tests/workflow/params.yaml"
KEYS = "|".join(
    [
        "(AKIA|ASIA)[0-9A-Z]{16}",  # AWS
        "gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{20}",
        "glpat-[0-9A-Za-z_-]{20}",
        "xox[abprs]-[0-9A-Za-z-]{10}",  # Slack
        "AIza[0-9A-Za-z_-]{35}",  # Google
        "(^|[^a-z])sk-[0-9A-Za-z_-]{20}",
        "BEGIN [A-Z ]*PRIVATE KEY",
        "eyJ[0-9A-Za-z_-]{10,}[.]eyJ[0-9A-Za-z_-]{10,}",  # JSON web token
        "[a-z]://[^/ '\"<>]*:[^/@ '\"<>{}]+@",  # a URL with a password
        "(password|secret|secret_access_key|token) *[=:] *['\"]?[0-9A-Za-z+/]{16}",
    ]
)


def test_dependencies_are_pinned_and_justified() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    pinned: dict[str, Requirement] = {}
    for lock in ("requirements.lock", "requirements-dev.lock"):
        lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
        requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
        assert [str(one) for one in requirements if not re.fullmatch(r"==[^*,]+", str(one.specifier))] == []
        assert [one.name for one in requirements if one.url] == []
        pinned |= {one.name.lower(): one for one in requirements}
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert [name for name in wanted if Requirement(name).name.lower() not in pinned] == []
    unexplained = [name for name in wanted if not re.search(rf'^ *"{re.escape(name)}",? *# .{{4,}}$', text, re.M)]
    assert unexplained == []


def found(pattern: str, folder: Path) -> str:
    """Return where tracked files match, and fail if git does."""
    done = subprocess.run(
        ["git", "grep", "--line-number", "-I", "--extended-regexp", "-e", pattern],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def test_no_credential_is_in_the_repository() -> None:
    this = str(Path(__file__).relative_to(ROOT))
    assert [line for line in found(KEYS, ROOT).splitlines() if not line.startswith(f"{this}:")] == []


@pytest.mark.parametrize(
    "secret",
    [
        "AKIA" + "A1" * 8,
        "ghp_" + "a1" * 18,
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "https://someone:something@example.org",
        "secret_access_key = " + "a1" * 20,
    ],
)
def test_a_credential_would_be_found(tmp_path: Path, secret: str) -> None:
    (tmp_path / "config").write_text(f"[remote]\n{secret}\n")
    for command in (["init", "--quiet"], ["add", "config"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    assert found(KEYS, tmp_path).startswith("config:2:")
