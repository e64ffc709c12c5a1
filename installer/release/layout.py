"""Lays the program and the packages that it runs on into a folder, for any system and from any system.

The packages are those of installer/locks/run.txt, less what only builds: uv picks the wheels of the system that is
asked for, by that system's own markers, and compares each with its SHA-256. What nobody runs is left out.
"""

import importlib.metadata
import os
import re
import shutil
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from provision.console import Stop
from release import wheel
from release.work import Work

LOCK = "installer/locks/run.txt"
PROGRAMS = ("ruff", "ruff.exe")
"""What stays of the programs that packages bring: an audit's static check runs it. It looks for it in `bin`."""

_TEST_FOLDERS = frozenset({"test", "tests"})
_TEST_SUPPORT = frozenset({"alembic/testing", "sqlalchemy/testing"})
_NOT_RUN = frozenset({".a", ".c", ".cc", ".cpp", ".h", ".hpp", ".lib", ".pxd", ".pyc", ".pyi", ".pyx"})
_ONLY_FOR_PIP = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"})
"""Of a package's dist-info: nobody installs or removes it here, and the list of its files would be wrong."""
_OF_ONE_WHEEL = frozenset({"WHEEL", "sboms"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def lay_out(
    folder: Path, work: Work, *, platform: str, python_versions: Sequence[str], channel: str, program: str
) -> None:
    """Fills a folder that a Python can have on its path: the program as `app`, its packages, and their dist-info.

    Args:
        folder: where; empty, or not there yet.
        work: the build.
        platform: the system, as `uv pip install --python-platform` names it, such as `x86_64-pc-windows-msvc`.
        python_versions: the Pythons that shall run it, such as `("3.12",)`. With several, compiled modules lie side by
            side, and a package of which the lock has two versions is there as the oldest Python needs it.
        channel: a value of `app.system.installed.Channel`.
        program: what starts it, relative to the package `app`; empty where its interpreter does.

    Raises:
        Stop: a wheel is missing for this system, or two Pythons need one file to be two different ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder.with_name(folder.name + ".parts")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    requirements = scratch / "requirements.txt"
    requirements.write_text(run_requirements(work.root), "utf-8")
    versions = sorted(python_versions, key=lambda version: tuple(map(int, version.split("."))))
    for version in versions:
        part = scratch / version
        _install(part, requirements, work, platform, version)
        _merge(part, folder)
    _unpack(wheel.wheel_in(_made(scratch / "wheel"), work), folder)
    (folder / "app" / "installed.json").write_text(wheel.note(channel, program, work), "utf-8", newline="\n")
    shutil.rmtree(scratch)
    settle(folder, work.epoch)


def settle(folder: Path, epoch: int) -> None:
    """Gives everything in a folder, and the folder itself, the same time and modes on each machine.

    Args:
        folder: where.
        epoch: the time, in seconds since 1970.
    """
    for path in [*sorted(folder.rglob("*"), reverse=True), folder]:
        if path.is_symlink():
            os.utime(path, (epoch, epoch), follow_symlinks=False)
            continue
        runs = path.is_dir() or bool(path.stat().st_mode & 0o100)
        path.chmod(0o755 if runs else 0o644)
        os.utime(path, (epoch, epoch))


def is_run(path: PurePosixPath) -> bool:
    """Says whether a file of an installed package has any part in running the program.

    Args:
        path: relative to the folder that holds the packages.
    """
    top, *inner = path.parts
    if top == ".lock":
        return False  # uv's own
    if top in {"bin", "Scripts"}:
        return path.name in PROGRAMS
    if top.endswith(".dist-info"):
        return path.name not in _ONLY_FOR_PIP
    if path.suffix in _NOT_RUN or "__pycache__" in inner or "/".join(path.parts[:2]) in _TEST_SUPPORT:
        return False
    return not _TEST_FOLDERS.intersection(inner[:-1])


def run_requirements(root: Path) -> str:
    """Gives the lock of what the program runs on, without what only builds it.

    Args:
        root: the checkout.
    """
    left_out = build_only(root)
    kept = [block for block in _blocks((root / LOCK).read_text("utf-8")) if name_of(block) not in left_out]
    return "".join(kept)


def build_only(root: Path) -> frozenset[str]:
    """Names the packages of the lock that only build the program, by what this environment's packages ask for.

    Args:
        root: the checkout.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    return frozenset(_closure(project["dependency-groups"]["build"]) - _closure(project["project"]["dependencies"]))


def name_of(requirement: str) -> str:
    """Gives the name in a requirement, as packages are compared by name (PEP 503)."""
    found = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def _blocks(lock: str) -> Iterator[str]:
    """Gives each requirement of a lock with the lines of its digests."""
    block = ""
    for line in lock.splitlines(keepends=True):
        if line.startswith("#"):
            continue
        block += line
        if not line.rstrip().endswith("\\"):
            yield block
            block = ""


def _closure(requirements: Iterable[str]) -> set[str]:
    found: set[str] = set()
    waiting = [name_of(each) for each in requirements]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            asked = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # of another system
        found.add(name)
        waiting += [name_of(each) for each in asked if "extra ==" not in each]
    return found


def _install(part: Path, requirements: Path, work: Work, platform: str, version: str) -> None:
    command = (
        *(work.script("uv"), "pip", "install", "--target", str(part), "--python", str(work.python)),
        *("--python-platform", platform, "--python-version", version),
        *("--only-binary", ":all:", "--require-hashes", "--no-deps", "-r", str(requirements)),
        # Not linked to uv's cache, in which a changed time or mode would change what others get.
        *("--link-mode", "copy", "--no-compile-bytecode"),
    )
    work.console.run(f"Fetching the packages for {platform}, Python {version}", command, env=work.tool_environ)


def _merge(part: Path, folder: Path) -> None:
    """Moves what one Python needs to what others need, but for packages that are there in another version."""
    there = {name_of(each.name): each.version for each in importlib.metadata.distributions(path=[str(folder)])}
    left_out = set()
    for each in importlib.metadata.distributions(path=[str(part)]):
        if there.get(name_of(each.name), each.version) != each.version:
            left_out.update(os.path.normpath(str(each.locate_file(file))) for file in each.files or ())
    for source in sorted(part.rglob("*")):
        relative = PurePosixPath(source.relative_to(part).as_posix())
        if source.is_dir() or not is_run(relative) or str(source) in left_out:
            continue
        target = folder / relative
        # Each wheel tells of its own tags, and of what it was compiled from; that of the oldest Python stands for all.
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
        elif not _OF_ONE_WHEEL.intersection(relative.parts) and target.read_bytes() != source.read_bytes():
            message = f"{relative} is another file for each Python, so one folder cannot hold it for several."
            raise Stop(message)


def _unpack(path: Path, folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if is_run(PurePosixPath(name)):
                archive.extract(name, folder)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
