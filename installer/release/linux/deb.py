"""The Debian package: for Debian 12 and later, Ubuntu 24.04 and later, and what descends from them.

One package for all of them: it stands on the system's own python3, whichever of the supported ones that is.
"""

import argparse
import gzip
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from provision.console import Stop
from provision.system import Need, on_path
from release import manpage, sbom
from release.linux import desktop, licences, needs
from release.linux.files import filled
from release.linux.tree import GLIBC, PACKAGES, PYTHONS, UP, lay_tree, optional, settle
from release.work import Work

MAINTAINER = "The Watchkeeper developers <watchkeeper@localhost.invalid>"
_DPKG_DEB = Need("dpkg-deb", on_path, {"apt-get": "dpkg", "dnf": "dpkg", "pacman": "dpkg", "zypper": "dpkg"})
HOME = Path("usr/lib/watchkeeper")
PROGRAM = f"{UP}/../../bin/watchkeeper"
"""What the menu and the terminal start, relative to the package `app`."""
_RUN = ("DEBIAN/postinst", "DEBIAN/prerm", "usr/share/python3/runtime.d/watchkeeper.rtupdate")
_BLOCK = 1024


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `build.py deb` takes besides what every kind does."""
    parser.add_argument(
        "--maintainer",
        default=MAINTAINER,
        metavar="'NAME <MAIL>'",
        help="who answers for the package (default: the project, which has no mailbox)",
    )


def build(work: Work, options: argparse.Namespace) -> Sequence[Path]:
    """Builds the package. Nothing in it needs root.

    Args:
        work: the build.
        options: the command line.

    Returns:
        The package's path, and that of what it is made of.

    Raises:
        Stop: a program or a wheel is missing, or the wheels need what no Debian package is known to have.
    """
    work.packages.ensure((_DPKG_DEB,), "Building a Debian package needs")
    with work.folder("deb") as folder:
        root = folder / "root"
        lay_tree(root / HOME, work, channel="deb", program=PROGRAM)
        _add_interpreter(root / HOME)
        _add_programs(root)
        _add_desktop(root, work)
        _add_documents(root, work, options.maintainer)
        made = pack(root, folder / f"watchkeeper_{_version(work)}_amd64.deb", work, options.maintainer)
        shipped = Path(shutil.copy2(made, work.out / made.name))
        return shipped, sbom.write("deb", work, shipped, [root / HOME / PACKAGES])


def pack(root: Path, target: Path, work: Work, maintainer: str) -> Path:
    """Adds what dpkg reads to a tree that is complete but for it, and packs it, the same to the last byte each time.

    Args:
        root: the tree, as `/` will have it.
        target: the package to write.
        work: the build.
        maintainer: who answers for it, in a line.

    Returns:
        The package's path.

    Raises:
        Stop: the maintainer's name would end the line that it stands in, or the tree needs an unknown library.
    """
    told = control(root, _version(work), maintainer)
    sums = "".join(
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(root).as_posix()}\n"
        for path in _files(root)
    )
    _write(root / "DEBIAN/control", told)
    _write(root / "DEBIAN/md5sums", sums)
    for name in ("postinst", "prerm"):
        _write(root / "DEBIAN" / name, filled(name))
    settle(root, work.epoch, run=_RUN)
    # One thread: how the work is parted among several shows in what comes out.
    work.console.run(
        "Packing the Debian package",
        ("dpkg-deb", "--root-owner-group", "-Zxz", "-z9", "--build", str(root), str(target)),
        env={**work.tool_environ, "DPKG_DEB_THREADS_MAX": "1"},
    )
    return target


def control(root: Path, version: str, maintainer: str) -> str:
    """Gives the control file of a tree that is complete but for it.

    Args:
        root: the tree, as `/` will have it.
        version: the package's.
        maintainer: who answers for it.

    Raises:
        Stop: the maintainer's name would end the line that it stands in.
    """
    if not maintainer.isprintable():
        message = "--maintainer is one line, such as 'Ada Lovelace <ada@example.org>'."
        raise Stop(message, 2)
    first, last = PYTHONS[0], PYTHONS[-1].partition(".")[2]
    home = root / HOME
    depends = (
        f"python3 (>= {first})",
        f"python3 (<< 3.{int(last) + 1})",
        *needs.depends(home, GLIBC, but=optional(home)),
    )
    return filled("control", VERSION=version, MAINTAINER=maintainer, SIZE=str(_size(root)), DEPENDS=", ".join(depends))


def _add_interpreter(home: Path) -> None:
    (home / "bin" / "python3").symlink_to("../../../bin/python3")
    (home / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n", "utf-8")


def _add_programs(root: Path) -> None:
    _write(root / "usr/bin/watchkeeper", filled("watchkeeper.sh"))
    _write(root / HOME / "bin/bytecode", filled("bytecode.sh"))
    _write(root / "usr/share/python3/runtime.d/watchkeeper.rtupdate", filled("rtupdate"))


def _add_desktop(root: Path, work: Work) -> None:
    share = root / "usr/share"
    _write(share / "applications" / f"{desktop.NAME}.desktop", desktop.entry("watchkeeper"))
    _write(share / "metainfo" / f"{desktop.ID}.metainfo.xml", desktop.metainfo(work.version, work.epoch))
    desktop.add_icons(share / "icons/hicolor", work)


def _add_documents(root: Path, work: Work, maintainer: str) -> None:
    documents = root / "usr/share/doc/watchkeeper"
    packages = licences.licensed(root / HOME / PACKAGES)
    where = (HOME / PACKAGES).as_posix()
    _write(documents / "copyright", licences.copyright_file(work.root, packages, where))
    _compress(documents / "changelog.gz", (work.root / "CHANGELOG.md").read_text("utf-8"))
    day = format_datetime(datetime.fromtimestamp(work.epoch, UTC))
    told = (
        f"watchkeeper ({_version(work)}) unstable; urgency=medium\n\n  * Version {work.version}: see changelog.gz.\n\n"
    )
    _compress(documents / "changelog.Debian.gz", f"{told} -- {maintainer}  {day}\n")
    _compress(root / "usr/share/man/man1/watchkeeper.1.gz", manpage.manpage(work.version, work.epoch))
    _write(root / "usr/share/lintian/overrides/watchkeeper", filled("lintian-overrides"))


def _version(work: Work) -> str:
    return f"{work.version}-1"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8", newline="\n")


def _compress(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _files(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink())


def _size(root: Path) -> int:
    """Gives the size in KiB as dpkg-gencontrol counts it: whole blocks of files, and one for each folder and link."""
    return sum(
        -(-path.stat().st_size // _BLOCK) if path.is_file() and not path.is_symlink() else 1 for path in root.rglob("*")
    )
