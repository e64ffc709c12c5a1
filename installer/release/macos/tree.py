"""What is inside the bundle: its folders, property list, icon, interpreter and packages. Any system can lay it out."""

import hashlib
import plistlib
import shutil
import tarfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from provision.console import Stop
from release import icons, layout
from release.macos.icns import SIZES, icns
from release.macos.macho import is_macho, loaded
from release.trimming import keep_only, with_libraries
from release.work import Work

NAME = "Watchkeeper"
IDENTIFIER = "app.watchkeeper"
"""The same as the label of the login item, by which macOS names the one that asks."""
PYTHON = "3.12"
OLDEST = "14.0"
"""Of macOS; what the lock's Qt asks for."""
PLATFORM = "aarch64-apple-darwin"
ARCHITECTURE = "arm64"

_FRAMEWORKS = ("QtCore", "QtDBus", "QtGui", "QtSvg", "QtWidgets")
_PLUGINS = (
    "iconengines/libqsvgicon.dylib",
    "imageformats/libqico.dylib",
    "imageformats/libqsvg.dylib",
    "platforms/libqcocoa.dylib",
    "platforms/libqoffscreen.dylib",
    "styles/libqmacstyle.dylib",
)
_QT_FILES = ("__init__.py", "_config.py", "_git_pyside_version.py", "_git_shiboken_module_version.py", "py.typed")
# Of the interpreter: what builds, what tests, what draws by Tk, and what brings other packages.
_NOT_RUN = (
    "include",
    "share",
    "lib/pkgconfig",
    "lib/itcl*",
    "lib/tcl*",
    "lib/thread*",
    "lib/tk*",
    "lib/libtcl*",
    "lib/libtk*",
    "lib/python3*/config-*",
    "lib/python3*/ensurepip",
    "lib/python3*/idlelib",
    "lib/python3*/lib-dynload/_tkinter*",
    "lib/python3*/site-packages/*",
    "lib/python3*/test",
    "lib/python3*/tkinter",
    "lib/python3*/turtledemo",
    "bin/2to3*",
    "bin/idle*",
    "bin/pip*",
    "bin/pydoc*",
    "bin/python*-config",
)


def assemble(folder: Path, archive: Path, work: Work) -> Path:
    """Lays out the bundle: all of it but its launcher, bytecode and signature.

    Args:
        folder: where; empty.
        archive: CPython for this system, one that runs from any folder.
        work: the build.

    Returns:
        The path of the bundle.

    Raises:
        Stop: something that shall be in it is missing.
    """
    bundle = folder / f"{NAME}.app"
    contents = bundle / "Contents"
    (contents / "MacOS").mkdir(parents=True)
    resources = contents / "Resources"
    resources.mkdir()
    (contents / "Info.plist").write_bytes(plistlib.dumps(properties(work)))
    (resources / "watchkeeper.icns").write_bytes(icns(icons.drawn(SIZES, work)))
    for language in ("en", "ru"):
        # The system's own menus speak a language only where the bundle has a folder for it.
        (resources / f"{language}.lproj").mkdir()
    unpack(archive, resources)
    packages = packages_in(bundle)
    oldest = replace(work, environ={**work.environ, "MACOSX_DEPLOYMENT_TARGET": OLDEST})
    layout.lay_out(packages, oldest, platform=PLATFORM, python_versions=(PYTHON,), channel="app", program=way(bundle))
    trim(packages)
    return bundle


def packages_in(bundle: Path) -> Path:
    """Gives the folder that the bundle's interpreter has its packages in."""
    return bundle / "Contents" / "Resources" / "python" / "lib" / f"python{PYTHON}" / "site-packages"


def way(bundle: Path) -> str:
    """Gives the way from the package `app` to the launcher, as `installed.json` has it."""
    contents = bundle / "Contents"
    return "../" * len((packages_in(bundle) / "app").relative_to(contents).parts) + f"MacOS/{NAME}"


def properties(work: Work) -> Mapping[str, object]:
    """Gives the bundle's Info.plist, by Apple's "Information Property List Key Reference".

    Args:
        work: the build.
    """
    year = time.gmtime(work.epoch).tm_year
    return {
        "CFBundleDevelopmentRegion": "en",
        "CFBundleDisplayName": NAME,
        "CFBundleExecutable": NAME,
        "CFBundleIconFile": "watchkeeper",
        "CFBundleIdentifier": IDENTIFIER,
        "CFBundleInfoDictionaryVersion": "6.0",
        "CFBundleLocalizations": ["en", "ru"],
        "CFBundleName": NAME,
        "CFBundlePackageType": "APPL",
        "CFBundleShortVersionString": work.version,
        "CFBundleVersion": work.version,
        "LSApplicationCategoryType": "public.app-category.developer-tools",
        "LSArchitecturePriority": [ARCHITECTURE],
        "LSMinimumSystemVersion": OLDEST,
        # It lives in the menu bar: no icon in the Dock, and no menu of its own until its window is open.
        "LSUIElement": True,
        "NSHighResolutionCapable": True,
        "NSHumanReadableCopyright": f"© {year} The Watchkeeper developers. MIT licence.",
    }


def checked(archive: Path, sha256: str) -> Path:
    """Gives the interpreter's archive, if it is the one that was meant.

    Args:
        archive: its path.
        sha256: its digest in hex, from where it is published.

    Raises:
        Stop: it is not there, or another one.
    """
    try:
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
    except OSError as error:
        message = f"{archive}, which --python names, cannot be read: {error.strerror}."
        raise Stop(message, 2) from error
    if found != sha256.lower():
        message = f"{archive} has the SHA-256 {found}, not {sha256}.\nFetch it anew, and compare with its publisher."
        raise Stop(message)
    return archive


def unpack(archive: Path, folder: Path) -> Path:
    """Unpacks an interpreter, without what is not run.

    Args:
        archive: a tar archive that holds the folder `python`, as python-build-standalone's `install_only` ones do.
        folder: where.

    Returns:
        The folder `python` in it.

    Raises:
        Stop: it is another kind of archive, or another version.
    """
    # The first Pythons 3.11 have no filters yet, and later ones ask for one.
    filtered = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
    try:
        with tarfile.open(archive) as file:
            file.extractall(folder, **filtered)  # noqa: S202 - its digest was compared before
    except (tarfile.TarError, OSError) as error:
        message = f"{archive}, which --python names, cannot be unpacked: {error}."
        raise Stop(message, 2) from error
    python = folder / "python"
    for needed in (f"bin/python{PYTHON}", f"lib/libpython{PYTHON}.dylib", f"lib/python{PYTHON}/os.py"):
        if not (python / needed).is_file():
            message = (
                f"{archive} has no python/{needed}. --python takes an 'install_only' archive of CPython {PYTHON} from"
                " https://github.com/astral-sh/python-build-standalone."
            )
            raise Stop(message, 2)
    for pattern in _NOT_RUN:
        for path in sorted(python.glob(pattern)):
            _remove(path)
    for path in sorted(python.rglob("__pycache__")):
        _remove(path)
    return python


def trim(packages: Path) -> None:
    """Removes of PySide6 what is never loaded.

    Args:
        packages: the folder `site-packages`.

    Raises:
        Stop: something that shall stay is not there.
    """
    qt, shiboken = packages / "PySide6", packages / "shiboken6"
    roots = [qt / f"{name}.abi3.so" for name in _FRAMEWORKS] + [qt / "Qt" / "plugins" / name for name in _PLUGINS]
    roots.append(shiboken / "Shiboken.abi3.so")
    missing = [str(path.relative_to(packages)) for path in roots if not path.is_file()]
    if missing:
        message = (
            f"This PySide6 has no {', '.join(missing)}. See what it calls them now, and mend release/macos/tree.py."
        )
        raise Stop(message)
    kept = {*roots, *needed_by(roots, packages)}
    # A framework is more than its library: a list of its properties, and links.
    frameworks = {path for each in kept for path in each.parents if path.suffix == ".framework"}
    kept |= {path for framework in frameworks for path in framework.rglob("*") if "Headers" not in path.parts}
    kept |= {folder / name for folder in (qt, shiboken) for name in _QT_FILES}
    kept.add(qt / "Qt" / "translations" / "qtbase_ru.qm")
    for folder in (qt, shiboken):
        keep_only(kept, folder)


def needed_by(roots: Iterable[Path], packages: Path) -> set[Path]:
    """Gives the libraries in a folder that some files load, and what those load in turn.

    Args:
        roots: the files.
        packages: the folder.
    """
    lying: dict[str, Path] = {}
    for path in sorted((packages / "PySide6").rglob("*")) + sorted((packages / "shiboken6").rglob("*")):
        if path.is_file() and not path.is_symlink() and is_macho(path):
            lying.setdefault(path.name, path)
    return with_libraries(roots, lying, _needs)


def _needs(path: Path) -> set[str]:
    return {name.rpartition("/")[2] for name in loaded(path) if name.startswith("@")}


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
