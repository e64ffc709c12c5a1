"""What of Qt goes into a Linux package: the modules that the program imports, and what those need to run."""

from collections.abc import Iterable
from pathlib import Path

from provision.console import Stop
from release.linux.elf import linked
from release.trimming import keep_only, with_libraries

MODULES = ("QtCore", "QtDBus", "QtGui", "QtSvg", "QtWidgets")
"""The program's own imports; a test holds them against what it says."""

PLUGINS = (
    "iconengines/libqsvgicon.so",
    "imageformats/libqico.so",
    "imageformats/libqsvg.so",
    "platforminputcontexts/libcomposeplatforminputcontextplugin.so",
    "platforminputcontexts/libibusplatforminputcontextplugin.so",
    "platforms/libqminimal.so",
    "platforms/libqoffscreen.so",
    "platforms/libqwayland.so",
    "platforms/libqxcb.so",
    "platformthemes/libqgtk3.so",
    "platformthemes/libqxdgdesktopportal.so",
    "wayland-decoration-client/libadwaita.so",
    "wayland-decoration-client/libbradient.so",
    "wayland-shell-integration/libxdg-shell.so",
)

OF_ITS_DESKTOP = frozenset({"platformthemes/libqgtk3.so"})
"""What Qt loads only where a desktop has its libraries anyway, so that the package asks for none of them."""

_PACKAGE_FILES = ("__init__.py", "_config.py", "_git_pyside_version.py", "_git_shiboken_module_version.py", "py.typed")
_TRANSLATIONS = ("qtbase_ru.qm",)


def trim(packages: Path) -> None:
    """Removes of PySide6 and shiboken6 what is never loaded. What stays is as its makers linked it.

    Args:
        packages: the folder `site-packages`.

    Raises:
        Stop: something that shall stay is not there.
    """
    qt, shiboken = packages / "PySide6", packages / "shiboken6"
    roots = [qt / f"{name}.abi3.so" for name in MODULES] + [qt / "Qt" / "plugins" / name for name in PLUGINS]
    roots.append(shiboken / "Shiboken.abi3.so")
    missing = [str(path.relative_to(packages)) for path in roots if not path.is_file()]
    if missing:
        message = f"This PySide6 has no {', '.join(missing)}. See what it calls them now, and mend release/linux/qt.py."
        raise Stop(message)
    libraries = (qt, qt / "Qt" / "lib", shiboken)
    kept = {*roots, *_bundled(roots, libraries)}
    kept |= {folder / name for folder in (qt, shiboken) for name in _PACKAGE_FILES}
    kept |= {qt / "Qt" / "translations" / name for name in _TRANSLATIONS}
    for folder in (qt, shiboken):
        keep_only(kept, folder)


def _bundled(roots: Iterable[Path], folders: Iterable[Path]) -> set[Path]:
    """Gives the libraries of the wheel that the roots need, and what those need in turn."""
    lying = {path.name: path for folder in folders for path in folder.glob("lib*.so*")}
    return with_libraries(roots, lying, _needs)


def _needs(path: Path) -> Iterable[str]:
    there = linked(path)
    return there.needed if there else ()
