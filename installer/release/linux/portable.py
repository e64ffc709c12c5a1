"""The portable archive: for any Linux on x86-64 with a Python of its own. Unpack it anywhere, and start it.

It is no AppImage: the runtime that starts one cannot be had from a package index, and what was built must be what is in
this repository's locks, to the last byte.
"""

import argparse
import gzip
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path

from release import sbom
from release.linux import desktop, licences
from release.linux.files import filled
from release.linux.tree import PACKAGES, UP, lay_tree, settle
from release.work import Work

_PROGRAMS = {"watchkeeper": "portable.sh", "watchkeeper-install": "portable-install.sh"}
_PARTS = ("python.sh", "first_start.py", "menu.py")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `build.py portable` takes besides what every kind does."""
    del parser


def build(work: Work, options: argparse.Namespace) -> Sequence[Path]:
    """Builds the archive.

    Args:
        work: the build.
        options: the command line.

    Returns:
        The archive's path, and that of what it is made of.

    Raises:
        Stop: a wheel is missing, or Qt cannot draw the icons here.
    """
    del options
    name = f"watchkeeper-{work.version}-linux-x86_64"
    with work.folder("portable") as folder:
        top = folder / name
        lay_tree(top, work, channel="portable", program=f"{UP}/watchkeeper")
        add_programs(top, work.version)
        share = top / "share"
        (share / "applications").mkdir(parents=True)
        (share / "applications" / f"{desktop.NAME}.desktop").write_text(desktop.entry(desktop.NAME), "utf-8")
        desktop.add_icons(share / "icons" / "hicolor", work)
        packages = licences.licensed(top / PACKAGES)
        (top / "LICENCES.txt").write_text(licences.licences_file(work.root, packages), "utf-8", newline="\n")
        made = folder / f"{name}.tar.gz"
        pack(top, made, work.epoch)
        shipped = Path(shutil.copy2(made, work.out / made.name))
        return shipped, sbom.write("portable", work, shipped, [top / PACKAGES])


def add_programs(top: Path, version: str) -> None:
    """Adds what starts the program, and what a person reads first.

    Args:
        top: the folder that the archive holds.
        version: the program's.
    """
    for name, source in _PROGRAMS.items():
        (top / name).write_text(filled(source), "utf-8")
    for name in _PARTS:
        (top / "lib" / name).write_text(filled(name, VERSION=version), "utf-8")
    (top / "README.txt").write_text(filled("README.txt", VERSION=version), "utf-8")


def pack(top: Path, archive: Path, epoch: int) -> None:
    """Packs a folder, the same to the last byte each time.

    Args:
        top: the folder; its name is the first part of each path in the archive.
        archive: the file to write.
        epoch: the time that all in it bears, in seconds since 1970.
    """
    settle(top, epoch, run=_PROGRAMS)

    def of_nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mtime = epoch
        return member

    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", 9, file, mtime=epoch) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        # In an order of ours, since add() goes by that of the file system on some Pythons.
        for path in (top, *sorted(top.rglob("*"))):
            tar.add(
                path,
                f"{top.name}/{path.relative_to(top).as_posix()}".removesuffix("/."),
                recursive=False,
                filter=of_nobody,
            )
