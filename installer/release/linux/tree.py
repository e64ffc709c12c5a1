"""The tree that both Linux packages are made of: a virtual environment for whichever Python 3 the system has.

It is laid out by hand, as PEP 405 has it: `site-packages` once, and links to it by the names that Pythons know.
"""

from collections.abc import Container
from pathlib import Path, PurePosixPath

from release import layout
from release.linux import qt
from release.work import Work

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
GLIBC = "2.34"
"""The oldest C library that Qt's wheels run on: Debian 12, Ubuntu 22.04, Fedora 35."""
PACKAGES = PurePosixPath("lib/python3/site-packages")
UP = "/".join([".."] * (len(PACKAGES.parts) + 1))
"""The way from the package `app` to the tree."""
_PLATFORM = "x86_64-manylinux_2_34"


def lay_tree(tree: Path, work: Work, *, channel: str, program: str) -> None:
    """Fills a folder with program and packages. The interpreter, and `pyvenv.cfg`, are the caller's to add.

    Args:
        tree: the folder; not there yet.
        work: the build.
        channel: a value of `app.system.installed.Channel`.
        program: what starts it, relative to the package `app`.

    Raises:
        Stop: a wheel is missing, or does not go together with the others.
    """
    packages = tree / PACKAGES
    layout.lay_out(packages, work, platform=_PLATFORM, python_versions=PYTHONS, channel=channel, program=program)
    qt.trim(packages)
    # Where programs of packages are in an environment; `ruff` is looked for there.
    (packages / "bin").rename(tree / "bin")
    for version in PYTHONS:
        (tree / "lib" / f"python{version}").symlink_to("python3")


def optional(tree: Path) -> list[Path]:
    """Gives the compiled files of a tree whose needs the system does not have to meet.

    Args:
        tree: the folder.
    """
    return [tree / PACKAGES / "PySide6" / "Qt" / "plugins" / name for name in qt.OF_ITS_DESKTOP]


def settle(folder: Path, epoch: int, *, run: Container[str] = ()) -> None:
    """Gives each file the commit's time, and leaves executable only what somebody executes: what lies in a `bin`.

    Args:
        folder: the tree, or a folder that holds it.
        epoch: the time, in seconds since 1970.
        run: what is executed besides, relative to the folder.
    """
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            is_run = path.parent.name == "bin" or path.relative_to(folder).as_posix() in run
            path.chmod(0o755 if is_run else 0o644)
    layout.settle(folder, epoch)
