"""setup.exe, packed by NSIS from the script beside this file and a list of what goes in."""

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from provision.system import Need, on_path
from release.windows import cpython, payload
from release.work import Work

SCRIPT = Path(__file__).parent / "setup.nsi"
NSIS = Need(
    "makensis",
    on_path,
    {"apt-get": "nsis", "dnf": "mingw32-nsis", "pacman": "nsis", "zypper": "mingw32-cross-nsis"},
)
TARGET = "$INSTDIR\\program.new"


def file_list(files: Mapping[str, Path]) -> str:
    """Gives the commands that lay files down, in an order that is the same on each machine.

    NSIS itself would take the files as they happen to lie on the disk.

    Args:
        files: what is laid down: its path in the program's folder, with forward slashes, and where it lies now.
    """
    lines, current = [], None
    for name in sorted(files, key=_order):
        folder, _, file = name.rpartition("/")
        if folder != current:
            current = folder
            inner = "".join(f"\\{part}" for part in folder.split("/") if part)
            lines.append(f'SetOutPath "{TARGET}{_escaped(inner)}"')
        lines.append(f'File "/oname={_escaped(file)}" "{_escaped(str(files[name]))}"')
    return "\n".join(lines) + "\n"


def pack(
    target: Path,
    files: Mapping[str, Path],
    scratch: Path,
    work: Work,
    *,
    banner: Path,
    app_id: str,
    unpacked: int,
    testing: bool,
    finalize: Sequence[str],
    environ: Mapping[str, str],
) -> None:
    """Packs setup.exe.

    Args:
        target: where it goes.
        files: as for `file_list`.
        scratch: for the list.
        work: the build.
        banner: the picture at the side of its first and last page, a bitmap.
        app_id: the AppUserModelID.
        unpacked: what an archive among the files takes once it is unpacked, in bytes.
        testing: whether it is to say that it is not for release.
        finalize: a command that signs the uninstaller, whose path goes behind it; empty for none.
        environ: the environment of NSIS and that command.
    """
    for path in (*files.values(), banner):  # NSIS writes the time of each file into what it packs
        os.utime(path, (work.epoch, work.epoch))
    listed = scratch / "payload.nsh"
    listed.write_text(file_list(files), "utf-8", newline="\n")
    defined = {
        "VERSION": work.version,
        "NUMBERS": f"{work.version}.0",
        "OUT": str(target),
        "ICON": str(files[payload.ICON]),
        "BANNER": str(banner),
        "APP_ID": app_id,
        "UNPACKED": str(unpacked // 1024),
        "PAYLOAD": str(listed),
        "PYTHON_LIBRARY": cpython.library(),
        **({"TESTING": "1"} if testing else {}),
        **({"FINALIZE": f'{command_line(finalize)} "%1"'} if finalize else {}),
    }
    words = ("-V2", "-INPUTCHARSET", "UTF8", "-WX", "-NOCD", *(f"-D{name}={value}" for name, value in defined.items()))
    work.console.run("Packing setup.exe", ("makensis", *words, str(SCRIPT)), env=environ, cwd=SCRIPT.parent)


def command_line(words: Iterable[str]) -> str:
    """Gives a command as the system's own shell takes it, to which NSIS hands it."""
    return subprocess.list2cmdline(words) if os.name == "nt" else " ".join(_quoted(word) for word in words)


def _order(name: str) -> tuple[str, ...]:
    # A folder's own files before those of the folders in it; by code points, as no locale sorts.
    return name.rpartition("/")


def _escaped(text: str) -> str:
    return text.replace("$", "$$").replace("$$INSTDIR", "$INSTDIR")


def _quoted(word: str) -> str:
    return '"' + re.sub(r'(["\\$`])', r"\\\1", word) + '"'
