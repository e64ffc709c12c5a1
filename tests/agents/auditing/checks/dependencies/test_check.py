"""The check of dependencies, over projects and a server of advisories."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.checks.dependencies.check import Dependencies
from app.agents.auditing.context import Context
from app.agents.auditing.plugin import Finding, NotKnown, Severity
from app.domain.findings import weighs
from tests.agents.auditing.checks.dependencies import osvserver as osvs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOCK = """\
{
  "lockfileVersion": 3,
  "packages": {
    "node_modules/lodash": {
      "version": "4.17.15"
    },
    "node_modules/evil-parser": {
      "version": "1.0.0"
    }
  }
}
"""


async def scanned(root: Path, options: Mapping[str, Any]) -> tuple[list[Finding], list[str]]:
    """Return what is found, and what is not known."""
    cache = root.parent / "cache"
    cache.mkdir(exist_ok=True)
    told = [each async for each in Dependencies().scan(Context(root, cache=cache, options=options))]
    findings = [each for each in told if isinstance(each, Finding)]
    return findings, [each.reason for each in told if isinstance(each, NotKnown)]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without git that pins what is vulnerable, and what is not."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "requirements.txt").write_text("six==1.16.0\nJinja2==2.10\n\nrequests==2.19.1  # old\nflask>=2\n")
    (root / "package-lock.json").write_text(LOCK)
    return root


async def test_what_is_vulnerable_is_found(project: Path) -> None:
    """Each pin is told once for a vulnerability, with its line, how bad it is, and the version that mends it."""
    with osvs.OsvServer() as server:
        findings, unknown = await scanned(project, {"osv": server.url})

    found = {each.rule: (each.path, each.line, each.severity, each.remedy) for each in findings if weighs(each)}
    assert unknown == []
    assert found == {
        "CVE-2019-10906": ("requirements.txt", 2, Severity.HIGH, "Update jinja2 to 2.10.1."),
        "CVE-2018-18074": ("requirements.txt", 4, Severity.MEDIUM, "Update requests to 2.20.0."),
        "CVE-2020-8203": ("package-lock.json", 5, Severity.HIGH, "Update lodash to 4.17.20."),
        "MAL-2024-1": (
            "package-lock.json",
            8,
            Severity.CRITICAL,
            "Remove evil-parser: it is an attack, and what it ran had your rights.",
        ),
    }
    told = [(each.rule, each.evidence) for each in findings if not weighs(each)]
    assert told == [("unpinned", "flask")]


async def test_a_database_finds_the_same_as_the_service(project: Path, tmp_path: Path) -> None:
    """Ranges that are evaluated here, and the service's own lists, come to the same findings; and nobody is asked."""
    folder = tmp_path / "osv"
    folder.mkdir()
    for each in osvs.RECORDS:
        ranges_only = [{**about, "versions": []} for about in each["affected"]]
        (folder / f"{each['id']}.json").write_text(json.dumps({**each, "affected": ranges_only}))

    with osvs.OsvServer() as server:
        online, _ = await scanned(project, {"osv": server.url})
        asked = len(server.asked)
        offline, unknown = await scanned(project, {"osv": server.url, "database": str(folder)})

    assert unknown == []
    assert {each for each in offline if weighs(each)} == {each for each in online if weighs(each)}
    assert [each.rule for each in offline if not weighs(each)] == ["unpinned", "old-database"]
    assert len(server.asked) == asked


async def test_without_network_and_database_nothing_is_known(project: Path) -> None:
    """A service that is down, and nobody to ask, is never a pass."""
    with osvs.OsvServer() as server:
        server.always(osvs.failing(500))
        _, down = await scanned(project, {"osv": server.url})
    _, nobody = await scanned(project, {"osv": ""})
    _, gone = await scanned(project, {"database": str(project / "gone")})

    assert [each.partition(":")[0] for each in down] == ["no advisories could be had"]
    assert "set osv or database" in nobody[0]
    assert gone[0].startswith("no advisories could be had")


async def test_a_database_of_another_ecosystem_is_not_enough(project: Path, tmp_path: Path) -> None:
    """Where the database holds nothing of npm, the pins of npm are not known."""
    folder = tmp_path / "osv"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(osvs.RECORDS[0]))

    _, unknown = await scanned(project, {"database": str(folder)})

    assert unknown == [f"{folder} holds no advisories of npm"]


async def test_an_advisory_that_cannot_be_had(project: Path) -> None:
    """What tells of a pin and cannot be read is named, and the others are found all the same."""
    with osvs.OsvServer() as server:
        server.then(osvs.well, *[osvs.failing(404)] * 6)
        _, unknown = await scanned(project, {"osv": server.url})
        findings, later = await scanned(project, {"osv": server.url})

    assert any("tells of jinja2 2.10, could not be read" in each for each in unknown)
    assert later == []
    assert "CVE-2019-10906" in {each.rule for each in findings}


async def test_a_project_without_pins_asks_nobody(tmp_path: Path) -> None:
    """Where nothing is pinned, nothing leaves the machine."""
    (tmp_path / "shop").mkdir()

    with osvs.OsvServer() as server:
        findings, unknown = await scanned(tmp_path / "shop", {"osv": server.url})

    assert (findings, unknown, server.asked) == ([], [], [])


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        (
            '"requests", "django<2", "shop @ git+https://example.org/shop"',
            "none of 3 dependencies has an exact version",
        ),
        ('"requests"', "the one dependency has no exact version"),
    ],
)
async def test_what_nobody_could_look_up_is_not_known(tmp_path: Path, listed: str, reason: str) -> None:
    """Dependencies of which none is pinned are no pass: nothing is known of any."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "pyproject.toml").write_text(f'[project]\nname = "shop"\ndependencies = [{listed}]\n')

    with osvs.OsvServer() as server:
        findings, unknown = await scanned(root, {"osv": server.url})
        (root / "requirements.txt").write_text("six==1.16.0\n")
        _, pinned = await scanned(root, {"osv": server.url})

    assert [each.partition(", and")[0] for each in unknown] == [reason]
    assert not any(weighs(each) for each in findings)
    assert pinned == []


async def test_a_lock_beside_pins_what_is_loose(tmp_path: Path) -> None:
    """What a lock file of the same folder pins is not told as unpinned."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "shop"\ndependencies = ["Jinja2>=2", "flask"]\n')
    (root / "uv.lock").write_text('[[package]]\nname = "jinja2"\nversion = "2.10"\n')

    with osvs.OsvServer() as server:
        findings, _ = await scanned(root, {"osv": server.url})

    assert [(each.rule, each.evidence) for each in findings if not weighs(each)] == [("unpinned", "flask")]
    assert [(each.path, each.line) for each in findings if weighs(each)] == [("uv.lock", 3)]


async def test_bad_files_are_named(tmp_path: Path) -> None:
    """Files that are binary, damaged, a link to elsewhere, or that pin nonsense are not known, each by name."""
    root = tmp_path / "shop"
    root.mkdir()
    (tmp_path / "outside.txt").write_text("jinja2==2.10\n")
    (root / "requirements-link.txt").symlink_to(tmp_path / "outside.txt")
    (root / "requirements-latin.txt").write_bytes(b"caf\xe9==1\n")
    (root / "poetry.lock").write_bytes(b"\0\xff")
    (root / "uv.lock").write_text("[[package]\n")
    (root / "package-lock.json").write_text("[]")
    (root / "yarn.lock").write_text("")
    (root / "requirements.txt").write_text("a===nonsense\n")
    (root / "requirements-windows.txt").write_bytes("jinja2==2.10\r\n".encode("utf-16"))

    with osvs.OsvServer() as server:
        findings, unknown = await scanned(root, {"osv": server.url})

    named = [each.partition(" could not be")[0] for each in unknown]
    assert named == [
        "package-lock.json",
        "poetry.lock",
        "requirements-latin.txt",
        "requirements-link.txt",
        "uv.lock",
        "yarn.lock",
        "a in requirements.txt",
    ]
    assert [each.path for each in findings] == ["requirements-windows.txt"]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_pip_audit_comes_to_the_same(tmp_path: Path) -> None:
    """Pip-audit, asking the same server about the same pins, finds the same vulnerabilities and fixes."""
    root = tmp_path / "shop"
    root.mkdir()
    pins = root / "requirements.txt"
    pins.write_text("six==1.16.0\nJinja2==2.10\nrequests==2.19.1\n")
    program = _pip_audit(tmp_path / "venv")

    with osvs.OsvServer() as server:
        argv = [program, "-r", pins, "--no-deps", "--disable-pip", "-s", "osv", "--osv-url", f"{server.url}/v1/query"]
        argv += ["--cache-dir", tmp_path / "pip-audit", "-f", "json", "--progress-spinner", "off"]
        said = subprocess.run(argv, capture_output=True, check=False, timeout=120)  # noqa: ASYNC221 - before ours
        findings, unknown = await scanned(root, {"osv": server.url})

    theirs = set()
    for package in json.loads(said.stdout)["dependencies"]:
        for each in package["vulns"]:
            cve = next(name for name in [each["id"], *each["aliases"]] if name.startswith("CVE-"))
            theirs.add(
                (package["name"].lower(), cve, f"Update {package['name'].lower()} to {each['fix_versions'][0]}.")
            )
    ours = {(each.title.partition(" ")[0], each.rule, each.remedy) for each in findings}
    assert unknown == []
    assert len(theirs) == 2
    assert ours == theirs


def _pip_audit(folder: Path) -> str:
    """Install pip-audit into an environment of its own, and return where it is."""
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    command = [programs / "python", "-m", "pip", "install", "--quiet", "pip-audit>=2.9,<3"]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    return str(programs / "pip-audit")
