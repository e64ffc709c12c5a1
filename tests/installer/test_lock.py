"""The locks are whole, agree with pyproject.toml, and nothing in the repository leads to one machine or registry."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

LOCKS = ("run", "test")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = (("linux", "posix", "Linux"), ("darwin", "posix", "Darwin"), ("win32", "nt", "Windows"))
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def environments() -> Iterator[dict[str, str]]:
    for python, (platform, name, system) in product(PYTHONS, SYSTEMS):
        yield {
            "python_version": python,
            "python_full_version": f"{python}.1",
            "sys_platform": platform,
            "os_name": name,
            "platform_system": system,
            "platform_machine": "x86_64",
            "platform_python_implementation": "CPython",
            "implementation_name": "cpython",
            "extra": "",
        }


def entries(root: Path, lock: str) -> list[str]:
    """Gives the lock's logical lines without its comments: continued lines are joined."""
    text = (root / "installer" / "locks" / f"{lock}.txt").read_text("utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def requirement(entry: str) -> Requirement:
    return Requirement(_HASH.sub("", entry).strip())


def applies(marker: Marker | None, environment: dict[str, str]) -> bool:
    return marker is None or marker.evaluate(environment)


def pins(root: Path, lock: str, environment: dict[str, str]) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for pin in map(requirement, entries(root, lock)):
        if applies(pin.marker, environment):
            name = canonicalize_name(pin.name)
            assert name not in found, f"{name} is pinned twice for {environment}"
            (specifier,) = pin.specifier
            found[name] = Version(specifier.version)
    return found


def declared(root: Path, lock: str) -> list[Requirement]:
    pyproject = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    groups = pyproject["dependency-groups"]
    wanted = [*pyproject["project"]["dependencies"], *pyproject["build-system"]["requires"], *groups["build"]]
    return [Requirement(text) for text in (wanted if lock == "run" else [*wanted, *groups["test"]])]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_is_an_exact_version_with_its_digests(root: Path, lock: str) -> None:
    """Nothing but `name==version` with SHA-256 digests is in a lock: no link, no option, no range."""
    for entry in entries(root, lock):
        (specifier,) = requirement(entry).specifier
        assert specifier.operator == "==", entry
        assert "*" not in specifier.version, entry
        assert _HASH.search(entry), entry


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host(root: Path, lock: str) -> None:
    """A lock says what, never from where: that is the machine's own setting."""
    text = (root / "installer" / "locks" / f"{lock}.txt").read_text("utf-8")

    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--(index-url|extra-index-url|find-links|trusted-host))\b", text, re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_agrees_with_what_is_declared(root: Path, lock: str) -> None:
    """On each system and Python each declared dependency has one pin, within its bounds."""
    for environment in environments():
        pinned = pins(root, lock, environment)
        for wanted in declared(root, lock):
            if applies(wanted.marker, environment):
                version = pinned.get(canonicalize_name(wanted.name))
                assert version is not None, f"{wanted} has no pin for {environment}"
                assert wanted.specifier.contains(version), f"{wanted} is pinned to {version}"


def test_the_test_lock_holds_the_run_lock(root: Path) -> None:
    """What the tests run on is what people run: the same pins, and more beside them."""
    for environment in environments():
        run, test = pins(root, "run", environment), pins(root, "test", environment)

        assert run.items() <= test.items()


# In two parts each, so that this file does not find itself.
REGISTRY = re.compile("|".join(["pypi" + r"\.org", "python" + "hosted", "npm" + r"js\.", "deb" + r"\.debian\.org"]))
MACHINE = re.compile("|".join(["/wor" + "k/", "/roo" + "t/", "/opt/" + "pypi", "artifact" + "-registry"]))


def tracked(root: Path) -> list[Path]:
    """Gives every file that is or would be committed; a source tree without git has all of its files."""
    listed = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=root,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = [name for name in listed.stdout.decode().split("\0") if name]
        return [root / name for name in names if (root / name).is_file()]
    hidden = {".git", ".venv", "__pycache__"}
    return [path for path in root.rglob("*") if path.is_file() and not hidden & set(path.relative_to(root).parts)]


def test_no_file_leads_to_a_registry_or_a_machine(root: Path) -> None:
    """No file of the repository names a package registry's host or a folder of the machine it was written on."""
    found = []
    for path in tracked(root):
        text = path.read_text("utf-8", errors="ignore")
        found += [f"{path.relative_to(root)}: {match[0]}" for match in REGISTRY.finditer(text)]
        found += [f"{path.relative_to(root)}: {match[0]}" for match in MACHINE.finditer(text)]

    assert not found


def test_commit_hooks_run_only_what_the_lock_pins(root: Path) -> None:
    """Each hook is local and starts a tool from .venv, so that a commit fetches nothing."""
    text = (root / ".pre-commit-config.yaml").read_text("utf-8")
    repositories = re.findall(r"repo: *(.*)", text)
    started = re.findall(r"entry: *(.*)", text)

    assert repositories == ["local"]
    assert [entry.split()[0] for entry in started] == [
        f".venv/bin/{tool}" for tool in ("ruff", "ruff", "mypy", "lint-imports")
    ]
