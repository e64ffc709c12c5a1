"""What of Qt a Linux package holds is what the program needs, and what it asks of the system is what that needs."""

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from provision.console import Stop
from provision.system import QT_LIBRARIES, WAYLAND_LIBRARIES
from release.linux import elf, needs, qt

DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the wheels here are not those of Linux")


def linked_or_copied(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def trimmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This environment's own PySide6, trimmed as a package holds it."""
    folder = tmp_path_factory.mktemp("site-packages")
    for name in ("PySide6", "shiboken6"):
        shutil.copytree(Path(sysconfig.get_path("purelib"), name), folder / name, copy_function=linked_or_copied)
    qt.trim(folder)
    return folder


def imported(source: str) -> set[str]:
    """Gives the modules of PySide6 that a source file imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "PySide6":
            inner = (node.module or "").split(".")[1:]
            found |= set(inner[:1]) or {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("PySide6.")}
    return {name for name in found if name.startswith("Qt")}


def test_the_modules_are_those_that_the_program_imports(root: Path) -> None:
    """One more would be weight for nothing, and one less a crash."""
    texts = [path.read_text("utf-8") for path in (root / "app").rglob("*.py")]
    asked = {name for text in texts if "PySide6" in text for name in imported(text)}

    assert asked == set(qt.MODULES)


def test_what_is_left_shows_a_window_and_a_drawing(trimmed: Path) -> None:
    """In a process that has nothing but it: each module, the loop, a widget, an SVG."""
    script = (
        f"import sys; sys.path.insert(0, {str(trimmed)!r})\n"
        f"from PySide6 import {', '.join(qt.MODULES)}\n"
        "app = QtWidgets.QApplication([])\n"
        "label = QtWidgets.QLabel('text'); label.show(); app.processEvents()\n"
        f"drawing = QtSvg.QSvgRenderer({DRAWING!r})\n"
        "print(QtCore.__file__, drawing.isValid(), label.isVisible())\n"
    )

    done = subprocess.run(
        (sys.executable, "-I", "-S", "-c", script),
        env={"QT_QPA_PLATFORM": "offscreen", "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(trimmed / "PySide6" / "QtCore.abi3.so"), "True", "True"]


def test_nothing_is_left_that_nobody_loads(trimmed: Path) -> None:
    """No QML, no tools, no stubs: a third of what the wheel brings, most of which is ICU and Qt itself."""
    names = {path.name for path in trimmed.rglob("*") if path.is_file()}
    size = sum(path.stat().st_size for path in trimmed.rglob("*") if path.is_file())

    assert not [name for name in names if "Qml" in name or "Quick" in name or name.endswith(".pyi")]
    assert {"libQt6Core.so.6", "libQt6XcbQpa.so.6", "libQt6WaylandClient.so.6", "libqxcb.so"} <= names
    assert size < 90_000_000


def test_each_library_that_is_needed_is_there_or_asked_for(trimmed: Path) -> None:
    """Bundled, or of a Debian package that the table knows; but for GTK, which only GNOME's own look needs."""
    optional = [trimmed / "PySide6" / "Qt" / "plugins" / name for name in qt.OF_ITS_DESKTOP]

    told = needs.depends(trimmed, "2.34", but=optional)

    assert {"libc6 (>= 2.34)", "libglib2.0-0 | libglib2.0-0t64", "libxcb-cursor0", "libwayland-client0"} <= set(told)
    assert list(told) == sorted(set(told))
    assert not [name for name in told if "gtk" in name]


def test_what_a_checkout_installs_a_package_asks_for(trimmed: Path) -> None:
    """The table of the bootstrap is the source, also of what Qt opens by name only while it runs."""
    known = {need.packages["apt-get"] for need in (*QT_LIBRARIES, *WAYLAND_LIBRARIES)}

    told = needs.depends(trimmed / "shiboken6", "2.34")

    assert known <= {name.partition(" ")[0] for name in told}


def test_a_library_that_no_table_knows_stops_the_build() -> None:
    """The message names it, and where to mend that."""
    with pytest.raises(Stop, match=r"libnew\.so\.7") as stopped:
        needs.package_of("libnew.so.7")

    assert "needs.py" in str(stopped.value)


def test_a_pyside_without_what_shall_stay_stops_the_build(trimmed: Path, tmp_path: Path) -> None:
    """A plugin that a newer Qt calls otherwise must not be missed only by the person."""
    shutil.copytree(trimmed, tmp_path / "packages", copy_function=linked_or_copied)
    (tmp_path / "packages/PySide6/Qt/plugins/platforms/libqxcb.so").unlink()

    with pytest.raises(Stop, match=r"platforms/libqxcb\.so"):
        qt.trim(tmp_path / "packages")


def test_what_a_library_is_linked_against_is_read(trimmed: Path) -> None:
    """Its own name, and those of others."""
    found = elf.linked(trimmed / "PySide6/Qt/lib/libQt6XcbQpa.so.6")

    assert found is not None
    assert found.name == "libQt6XcbQpa.so.6"
    assert {"libxcb-cursor.so.0", "libQt6Gui.so.6", "libc.so.6"} <= set(found.needed)


@pytest.mark.parametrize(("at", "byte", "reason"), [(4, 1, "another kind of processor"), (32, 0xFF, "no whole ELF")])
def test_a_damaged_or_foreign_library_is_told(trimmed: Path, tmp_path: Path, at: int, byte: int, reason: str) -> None:
    """A download that broke off, or one for 32 bits."""
    damaged = bytearray((trimmed / "shiboken6/Shiboken.abi3.so").read_bytes())
    damaged[at : at + 4] = bytes([byte] * 4)
    (tmp_path / "damaged.so").write_bytes(damaged)

    with pytest.raises(Stop, match=reason):
        elf.linked(tmp_path / "damaged.so")


def test_what_is_no_library_needs_none(tmp_path: Path) -> None:
    """A text, and an empty file."""
    (tmp_path / "text.so").write_text("INPUT(libm.so.6)", "utf-8")
    (tmp_path / "empty").touch()

    assert elf.linked(tmp_path / "text.so") is None
    assert elf.linked(tmp_path / "empty") is None
