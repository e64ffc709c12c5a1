"""Makes an environment of the folder that it is given, for the Python that runs this, or says why that one will not do.

It must parse on Python 3.6, so that an old one can still say that it is old.
"""

import importlib
import os
import platform
import sys
import sysconfig
from pathlib import Path

OLDEST = (3, 11)
NEWEST = (3, 14)
GLIBC = (2, 34)
MODULES = ("ctypes", "sqlite3", "ssl", "zlib")
_LARGEST_OF_32_BITS = 2**31


def trouble() -> str:
    """Return why this Python will not do, in words; empty where it will."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        return f"it is Python {sys.version_info[0]}.{sys.version_info[1]}"
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return f"it is {sys.implementation.name} of another kind than the packages here are for"
    if platform.machine() != "x86_64" or sys.maxsize < _LARGEST_OF_32_BITS:
        return "it is for another processor than x86-64"
    library, version = platform.libc_ver()
    if library != "glibc" or tuple(map(int, version.split(".")[:2])) < GLIBC:
        return f"its C library is {library or 'not glibc'} {version}; glibc {GLIBC[0]}.{GLIBC[1]} or newer is needed"
    without = [name for name in MODULES if not is_there(name)]
    return f"it was built without {', '.join(without)}" if without else ""


def is_there(name: str) -> bool:
    """Return whether a module of the standard library can be imported: some Pythons are built without one."""
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def make(here: Path, place: Path) -> None:
    """Make the environment.

    Args:
        here: The folder with the packages.
        place: Where the environment shall be: the same, or a folder of its own.
    """
    # Its real name: `python3` may be another version tomorrow.
    base = Path(os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable))
    (place / "bin").mkdir(parents=True, exist_ok=True)
    if place != here:
        for name in ("lib", "bin/ruff"):
            link(here / name, place / name)
    new = place / f"pyvenv.cfg.{os.getpid()}"
    new.write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n", encoding="utf-8")
    new.replace(place / "pyvenv.cfg")
    # The last one: where it is there, all is.
    link(base, place / "bin" / "python3")


def link(target: Path, path: Path) -> None:
    """Make a link, in place of one that is there; two first starts at once make the same."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.symlink_to(target)
    new.replace(path)


def main() -> int:
    """Return the exit code: 0 where the environment is there now."""
    reason = trouble()
    if not reason:
        try:
            make(Path(sys.argv[1]), Path(sys.argv[2]))
        except OSError as error:
            reason = f"{error.filename} cannot be made: {error.strerror}"
    if reason:
        sys.stderr.write(reason + "\n")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
