"""What a Linux package asks of the system, found from what its compiled files are linked against."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from provision.console import Stop
from provision.system import QT_LIBRARIES, WAYLAND_LIBRARIES
from release.linux.elf import linked

# What every Debian has, or Qt's libraries bring along, so that no person was ever told to install it.
_UNDER_THEM = """
    ld-linux-x86-64.so.2    libc6
    libc.so.6               libc6
    libdl.so.2              libc6
    libm.so.6               libc6
    libpthread.so.0         libc6
    libresolv.so.2          libc6
    librt.so.1              libc6
    libutil.so.1            libc6
    libgcc_s.so.1           libgcc-s1
    libstdc++.so.6          libstdc++6
    libfreetype.so.6        libfreetype6
    libX11.so.6             libx11-6
    libxcb.so.1             libxcb1
    libxcb-randr.so.0       libxcb-randr0
    libxcb-render.so.0      libxcb-render0
    libxcb-shm.so.0         libxcb-shm0
    libxcb-sync.so.1        libxcb-sync1
    libxcb-util.so.1        libxcb-util1
    libxcb-xfixes.so.0      libxcb-xfixes0
    libz.so.1               zlib1g
    libzstd.so.1            libzstd1
"""

# Debian renamed these when its 64-bit time came, and the libraries themselves stayed as they were.
_RENAMED = {"libglib2.0-0": "libglib2.0-0t64"}


def package_of(soname: str) -> str:
    """Gives the Debian package that has a library.

    Raises:
        Stop: it is in no table of ours.
    """
    told = {need.name: need.packages["apt-get"] for need in (*QT_LIBRARIES, *WAYLAND_LIBRARIES)}
    told |= dict(line.split() for line in _UNDER_THEM.strip().splitlines())
    if soname not in told:
        message = (
            f"The package would need {soname}, and no table tells which Debian package has it.\n"
            "Leave out what needs it (release/linux/qt.py), or add it to release/linux/needs.py."
        )
        raise Stop(message)
    return told[soname]


def sonames(tree: Path, *, but: Iterable[Path] = ()) -> set[str]:
    """Gives the libraries that the compiled files of a tree take from the system.

    Args:
        tree: the folder.
        but: files whose needs do not count.
    """
    left_out = set(but)
    own: set[str] = set()
    needed: set[str] = set()
    for path in _files(tree):
        found = linked(path)
        if found is None:
            continue
        own |= {path.name, found.name}
        if path not in left_out:
            needed |= set(found.needed)
    return needed - own


def depends(tree: Path, glibc: str, *, but: Iterable[Path] = ()) -> tuple[str, ...]:
    """Gives the entries of the control file's `Depends` for a tree's compiled files, sorted.

    Qt opens some libraries by name only while it runs, so those that a person is told to install come along too.

    Args:
        tree: the folder.
        glibc: the oldest C library that the wheels promise to run on (PEP 600), such as `2.34`.
        but: files whose needs do not count.
    """
    named = {need.packages["apt-get"] for need in (*QT_LIBRARIES, *WAYLAND_LIBRARIES)}
    named |= {package_of(soname) for soname in sonames(tree, but=but)}
    oldest = f"libc6 (>= {glibc})"
    told = (oldest if name == "libc6" else f"{name} | {_RENAMED[name]}" if name in _RENAMED else name for name in named)
    return tuple(sorted(told))


def _files(tree: Path) -> Iterator[Path]:
    return (path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink())
