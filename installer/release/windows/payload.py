"""What setup.exe lays down: Python, the packages and the program, and the two launchers, in one folder."""

import lzma
import shutil
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from provision.console import Stop
from release import layout
from release.windows import cpython, portable
from release.work import Work

PLATFORM = "x86_64-pc-windows-msvc"
PACKAGES = "lib"
"""The folder of the packages, in that of the program."""
LAUNCHER, COMMAND = "watchkeeper.exe", "bin/watchkeeper.exe"
"""The program for windows, and that of the command line."""
ICON, PICTURE = "watchkeeper.ico", "watchkeeper.png"
"""The program's icon, and the one of its notifications."""
NOT_FOR_RELEASE = "NOT-FOR-RELEASE.txt"
STEPS, ARCHIVE = "watchkeeper_setup.py", "packages.tar.xz"
"""What unpacks, and what it unpacks: both in the folder of the packages."""

_FILTERS = [
    {"id": lzma.FILTER_X86},
    {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 64 * 1024 * 1024},
]

QT_MODULES = ("Core", "Gui", "Svg", "Widgets")
"""What the program imports of Qt on Windows."""
QT_PLUGINS = frozenset({"platforms/qwindows.dll", "styles/qmodernwindowsstyle.dll"})
"""Icons are drawn from the one sheet by the program itself, and pixels are PNG, which Qt reads without a plugin."""
TEST_ONLY = frozenset({"icuuc.dll", "mscms.dll", "bcryptprimitives.dll"})
"""Parts of Windows that an older Wine lacks: tests put stand-ins there, and none may ever be shipped."""

_NOT_RUN = frozenset({"_msi.pyd", "python.cat", "winsound.pyd"})
_RUNTIME = ("msvcp140", "vcruntime140", "concrt140")
_PERHAPS = (*_RUNTIME, "vcamp140", "vccorlib140", "vcomp140")
"""How the names of Visual C++'s libraries begin, of which packages bring more than they are linked against."""
_OF_PYSIDE = frozenset({"__init__.py", "_config.py", "_git_pyside_version.py", "pyside6.abi3.dll"})
_SEARCH_PATH = f"{cpython.zipped()}\r\n.\r\n{PACKAGES}\r\n"
"""As "The embeddable package" of Python's own manual has it: nothing of this computer's other Pythons is looked at."""

_WARNING = """\
This Watchkeeper was built with a Python that is for tests only. It is not for release.
Do not hand it on. A real one is built by: python3 installer/build.py windows
"""


def is_needed(path: PurePosixPath) -> bool:
    """Says whether the program needs a file of its packages on Windows: of Qt it is little.

    Args:
        path: relative to the folder of the packages.
    """
    if path.parts[0] != "PySide6":
        return True
    inner = path.relative_to("PySide6").as_posix()
    if inner.startswith("plugins/"):
        return inner.removeprefix("plugins/") in QT_PLUGINS
    modules = {name for each in QT_MODULES for name in (f"Qt{each}.pyd", f"Qt6{each}.dll")}
    is_runtime = inner.startswith(_RUNTIME) and path.suffix == ".dll"
    return inner in _OF_PYSIDE or inner in modules or is_runtime


def lay_out(folder: Path, work: Work, source: cpython.Source) -> str:
    """Lays out all but the launchers and the icon, and gives the version of its Python.

    Args:
        folder: where; not there yet.
        work: the build.
        source: where Python comes from.

    Raises:
        Stop: something cannot be fetched, or the trimmed tree lacks what it needs.
    """
    work.console.say("Fetching Windows' Python ...")
    version = cpython.fetch(source, folder, work.python, work.environ)
    for name in _NOT_RUN:
        (folder / name).unlink(missing_ok=True)
    pth = folder / f"{Path(cpython.library()).stem}._pth"
    pth.write_text(_SEARCH_PATH, "ascii", newline="")
    packages = folder / PACKAGES
    layout.lay_out(
        packages,
        work,
        platform=PLATFORM,
        python_versions=(cpython.VERSION,),
        channel="setup",
        program="../../" + LAUNCHER,
    )
    trim(packages)
    for path in portable.unlinked([path for path in folder.rglob("*") if path.is_file()], _PERHAPS):
        path.unlink()
    _store(folder / cpython.zipped())
    for file in sorted((Path(__file__).parent / "inside").glob("watchkeeper_*.py")):
        shutil.copyfile(file, packages / file.name)
    if source.testing:
        (folder / NOT_FOR_RELEASE).write_text(_WARNING, "ascii", newline="\r\n")
    check(path for path in folder.rglob("*") if path.is_file())
    return version


def trim(packages: Path) -> None:
    """Removes what the program does not need of its packages, and the folders that are empty then.

    Args:
        packages: the folder that holds them.
    """
    for path in sorted(packages.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif not is_needed(PurePosixPath(path.relative_to(packages).as_posix())):
            path.unlink()


def packed(folder: Path, target: Path, work: Work) -> dict[str, Path]:
    """Packs the packages into one archive, and gives what setup.exe is to hold: names in the folder, and their files.

    By LZMA with a filter for the code of programs, which NSIS does not have: it saves two megabytes. Python is there
    first, and unpacks it by itself.

    Args:
        folder: the payload, complete.
        target: the archive.
        work: the build.
    """
    packages = folder / PACKAGES
    files = [path for path in packages.rglob("*") if path.is_file() and path.name != STEPS]
    # What is alike stands together. By code points, as no locale sorts.
    files.sort(key=lambda path: (path.suffix, path.name, path.relative_to(packages).as_posix()))
    with lzma.open(target, "wb", filters=_FILTERS) as content, tarfile.open(fileobj=content, mode="w") as archive:
        for path in files:
            entry = tarfile.TarInfo(path.relative_to(packages).as_posix())
            entry.size, entry.mtime = path.stat().st_size, work.epoch
            with path.open("rb") as source:
                archive.addfile(entry, source)
    shipped = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    inside = f"{PACKAGES}/"
    left = {name: path for name, path in shipped.items() if not name.startswith(inside) or path.name == STEPS}
    return {**left, inside + ARCHIVE: target}


def _store(archive: Path) -> None:
    """Takes the compression out of Python's library: what packs it after that does so better, and it starts faster."""
    with zipfile.ZipFile(archive) as before:
        held = [(entry, before.read(entry)) for entry in before.infolist()]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as after:
        for entry, content in held:
            after.writestr(zipfile.ZipInfo(entry.filename, entry.date_time), content)


def check(files: Iterable[Path]) -> None:
    """Refuses a payload that cannot run, or holds what is for tests.

    Args:
        files: all of it.

    Raises:
        Stop: a library is missing, or one is there that must not be.
    """
    found = list(files)
    stand_ins = sorted({path.name for path in found if path.name.lower() in TEST_ONLY})
    if stand_ins:
        message = f"The payload holds {', '.join(stand_ins)}, which is for tests only."
        raise Stop(message)
    missing = portable.unmet(found)
    if missing:
        listed = "\n".join(f"  {name}, for {asks}" for name, asks in sorted(missing.items()))
        message = f"The payload lacks libraries that it needs itself:\n{listed}"
        raise Stop(message)
