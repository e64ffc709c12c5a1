"""The bundle for macOS, as far as it can be looked at without a Mac: nothing here was ever run on one."""

import hashlib
import io
import json
import os
import plistlib
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from provision.console import Stop
from release import commands, icons, layout, sbom
from release.macos import bundle, tree
from release.macos.icns import SIZES, icns
from release.macos.macho import is_macho, loaded
from release.work import Work

PNG = b"\x89PNG\r\n\x1a\n"


def macho(*libraries: str) -> bytes:
    """A library for macOS that loads others, and has one command between that loads nothing."""
    commands_ = [struct.pack("<2I", 0x1D, 16) + bytes(8)]
    for library in libraries:
        name = library.encode() + b"\0"
        size = (24 + len(name) + 7) // 8 * 8
        commands_.append(struct.pack("<6I", 0x0C, size, 24, 0, 0, 0) + name.ljust(size - 24, b"\0"))
    body = b"".join(commands_)
    return b"\xcf\xfa\xed\xfe" + struct.pack("<7I", 0x100000C, 0, 6, len(commands_), len(body), 0, 0) + body


def fat(*slices: bytes) -> bytes:
    """The same for several processors in one file."""
    at, head, body = 4096, b"\xca\xfe\xba\xbe" + struct.pack(">I", len(slices)), b""
    for each in slices:
        head += struct.pack(">5I", 0x100000C, 0, at, len(each), 12)
        body += each.ljust(4096, b"\0")
        at += 4096
    return head.ljust(4096, b"\0") + body


def archive_of(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = 1
            archive.addfile(entry, io.BytesIO(b"x"))
    return path


def test_the_property_list_is_one_that_others_read(work: Work, tmp_path: Path) -> None:
    """A reader of property lists that is not Python's takes it, with the version and without an icon in the Dock."""
    path, binary = tmp_path / "Info.plist", tmp_path / "binary.plist"
    path.write_bytes(plistlib.dumps(tree.properties(work)))
    reader = ("plutil", "-convert", "binary1") if sys.platform == "darwin" else ("plistutil", "-i")

    subprocess.run((*reader, str(path), "-o", str(binary)), capture_output=True, check=True)

    told = plistlib.loads(binary.read_bytes(), fmt=plistlib.FMT_BINARY)
    assert (told["CFBundleShortVersionString"], told["CFBundleExecutable"]) == ("1.2.3", "Watchkeeper")
    assert told["LSUIElement"] is True
    assert told["LSMinimumSystemVersion"] == "14.0"


def test_macos_knows_the_bundle_and_its_login_item_as_one() -> None:
    """The identifier is the label of the login item, so that the system's settings show one name."""
    from app.system.autostart.launchagent import LABEL  # noqa: PLC0415 - for this test only

    assert tree.IDENTIFIER == LABEL


def test_the_icon_file_holds_each_size(work: Work) -> None:
    """Every element of the icon file is a picture of the size that its type stands for."""
    pictures = icons.drawn(SIZES, work)

    content = icns(pictures)

    found, at = {}, 8
    while at < len(content):
        name, length = content[at : at + 4], struct.unpack(">I", content[at + 4 : at + 8])[0]
        picture = content[at + 8 : at + length]
        assert picture.startswith(PNG)
        found[name] = struct.unpack(">2I", picture[16:24])
        at += length
    assert content[:4] == b"icns"
    assert struct.unpack(">I", content[4:8])[0] == len(content)
    assert found[b"ic07"] == (128, 128)
    assert found[b"ic10"] == (1024, 1024)
    assert len(found) == 8


@pytest.mark.parametrize(
    ("content", "libraries"),
    [
        (macho("@rpath/QtCore.framework/Versions/A/QtCore", "/usr/lib/libSystem.B.dylib"), 2),
        (fat(macho("@rpath/one.dylib"), macho("@rpath/one.dylib", "@rpath/two.dylib")), 2),
        (macho(), 0),
    ],
)
def test_a_library_tells_what_it_loads(tmp_path: Path, content: bytes, libraries: int) -> None:
    """The names of libraries are read from files for one processor and for several."""
    path = tmp_path / "library.dylib"
    path.write_bytes(content)

    found = loaded(path)

    assert is_macho(path)
    assert len(found) == libraries
    assert all(name.startswith(("@rpath/", "/usr/lib/")) for name in found)


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\xca\xfe\xba\xbe\0\0\0\x41", b"\x7fELF" + bytes(60)])
def test_what_is_no_library_loads_nothing(tmp_path: Path, content: bytes) -> None:
    """A script, a class of Java and a program for Linux are not taken for one."""
    path = tmp_path / "file"
    path.write_bytes(content)

    assert not is_macho(path)
    assert loaded(path) == frozenset()


def test_of_qt_only_what_is_loaded_stays(tmp_path: Path) -> None:
    """Modules, their libraries and what those load are kept, with all that a framework is; the rest goes."""
    qt = tmp_path / "PySide6"
    core, gui, dbus = (f"@rpath/{name}.framework/Versions/A/{name}" for name in ("QtCore", "QtGui", "QtDBus"))
    files = {
        **{f"{name}.abi3.so": macho(core, "@loader_path/libpyside6.dylib") for name in tree._FRAMEWORKS},
        **{f"Qt/plugins/{name}": macho(gui) for name in tree._PLUGINS},
        "QtQml.abi3.so": macho("@rpath/QtQml.framework/Versions/A/QtQml"),
        "libpyside6.dylib": macho(core),
        "libpyside6qml.dylib": macho(core),
        "Qt/lib/QtCore.framework/Versions/A/QtCore": macho(),
        "Qt/lib/QtCore.framework/Versions/A/Headers/qobject.h": b"// nobody compiles here",
        "Qt/lib/QtDBus.framework/Versions/A/QtDBus": macho(core),
        "Qt/lib/QtGui.framework/Versions/A/QtGui": macho(core, dbus),
        "Qt/lib/QtGui.framework/Versions/A/Resources/Info.plist": b"properties",
        "Qt/lib/QtQml.framework/Versions/A/QtQml": macho(core),
        "Qt/translations/qtbase_ru.qm": b"words",
        "Qt/translations/qtbase_de.qm": b"words",
        "__init__.py": b"",
    }
    for name, content in files.items():
        (qt / name).parent.mkdir(parents=True, exist_ok=True)
        (qt / name).write_bytes(content)
    (tmp_path / "shiboken6").mkdir()
    (tmp_path / "shiboken6" / "Shiboken.abi3.so").write_bytes(macho())

    tree.trim(tmp_path)

    left = {path.relative_to(qt).as_posix() for path in qt.rglob("*") if path.is_file()}
    gone = {name for name in files if "Qml" in name or "qml" in name or name.endswith((".h", "_de.qm"))}
    assert left == set(files) - gone
    assert not (qt / "Qt" / "lib" / "QtQml.framework").exists()


def test_a_qt_that_lacks_something_stops_the_build(tmp_path: Path) -> None:
    """Where a newer Qt calls a plugin otherwise, no bundle without a window comes out."""
    with pytest.raises(Stop, match="libqcocoa"):
        tree.trim(tmp_path)


def test_the_interpreter_is_unpacked_without_what_is_not_run(tmp_path: Path) -> None:
    """Its tests, Tk and pip are left out; the interpreter, its library and its modules are there."""
    needed = ("bin/python3.12", "lib/libpython3.12.dylib", "lib/python3.12/os.py", "lib/python3.12/venv/__init__.py")
    left_out = (
        *("bin/pip3.12", "include/python3.12/Python.h", "lib/libtcl8.6.dylib", "lib/python3.12/test/test_os.py"),
        *("lib/python3.12/tkinter/__init__.py", "lib/python3.12/site-packages/pip/__init__.py"),
        "lib/python3.12/__pycache__/os.cpython-312.pyc",
    )
    archive = archive_of(tmp_path / "python.tar.gz", *(f"python/{name}" for name in (*needed, *left_out)))

    python = tree.unpack(archive, tmp_path / "Resources")

    left = {path.relative_to(python).as_posix() for path in python.rglob("*") if path.is_file()}
    assert left == set(needed)


@pytest.mark.parametrize("names", [("python/bin/python3.13",), ("other/bin/python3.12",)])
def test_another_interpreter_is_told(tmp_path: Path, names: tuple[str, ...]) -> None:
    """An archive of another version or kind is named, with where the right one comes from."""
    archive = archive_of(tmp_path / "python.tar.gz", *names)

    with pytest.raises(Stop, match="python-build-standalone") as stop:
        tree.unpack(archive, tmp_path / "Resources")

    assert stop.value.code == 2


def test_an_interpreter_with_another_digest_is_not_used(tmp_path: Path) -> None:
    """What was downloaded is what its publisher's digest says, or nothing is built from it."""
    archive = archive_of(tmp_path / "python.tar.gz", "python/bin/python3.12")
    right = hashlib.sha256(archive.read_bytes()).hexdigest()

    assert tree.checked(archive, right.upper()) == archive
    with pytest.raises(Stop, match="Fetch it anew"):
        tree.checked(archive, "0" * 64)


def test_the_program_finds_its_bundle(tmp_path: Path) -> None:
    """The way that installed.json tells leads from the package to what macOS starts."""
    app = tmp_path / "Watchkeeper.app"
    package = tree.packages_in(app) / "app"

    launcher = Path(os.path.normpath(package / tree.way(app)))

    assert launcher == app / "Contents" / "MacOS" / "Watchkeeper"


def test_the_archive_is_the_same_each_time_and_keeps_links(tmp_path: Path) -> None:
    """Packed twice it is the same, and unpacked a program may still be run and a link is still one."""
    app = tmp_path / "Watchkeeper.app"
    (app / "Contents" / "MacOS").mkdir(parents=True)
    (app / "Contents" / "ru.lproj").mkdir()
    launcher = app / "Contents" / "MacOS" / "Watchkeeper"
    launcher.write_bytes(b"a program")
    launcher.chmod(0o755)
    (app / "Contents" / "link").symlink_to("MacOS/Watchkeeper")

    bundle.pack(app, tmp_path / "one.zip", 1_767_225_600)
    os.utime(launcher, (1, 1))
    bundle.pack(app, tmp_path / "two.zip", 1_767_225_600)

    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        link = archive.read("Watchkeeper.app/Contents/link")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert modes["Watchkeeper.app/Contents/MacOS/Watchkeeper"] == stat.S_IFREG | 0o755
    assert stat.S_ISLNK(modes["Watchkeeper.app/Contents/link"])
    assert link == b"MacOS/Watchkeeper"
    assert "Watchkeeper.app/Contents/ru.lproj/" in modes


@pytest.mark.skipif(sys.platform == "darwin", reason="on a Mac there is nothing to refuse")
def test_without_a_mac_it_says_that_one_is_needed(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Elsewhere the command ends with code 3, before anything is fetched or made, and says what to do."""
    code = commands.main(("macos", "--out", str(tmp_path)), {**os.environ, commands.INSIDE: "1"}, root)

    assert code == 3
    assert "needs a Mac" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.installer
@pytest.mark.timeout(600)
def test_the_bundle_holds_all_that_its_files_load(work: Work, tmp_path: Path) -> None:
    """With the lock's own wheels for macOS no library is missing in it, and laid out twice it is packed the same."""
    # A copy, which nobody edits while this takes its minutes.
    for name in ("app", "resources/icons", "installer/locks"):
        shutil.copytree(work.root / name, tmp_path / "copy" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(work.root / name, tmp_path / "copy" / name)
    work = replace(work, root=tmp_path / "copy")
    needed = ("python/bin/python3.12", "python/lib/libpython3.12.dylib", "python/lib/python3.12/os.py")
    archive = archive_of(tmp_path / "python.tar.gz", *needed)
    packed = []

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made = tree.assemble(tmp_path / name, archive, work)
        layout.settle(made, work.epoch)
        bundle.pack(made, tmp_path / f"{name}.zip", work.epoch)
        packed.append(hashlib.sha256((tmp_path / f"{name}.zip").read_bytes()).hexdigest())

    packages = tree.packages_in(made)
    files = [path for path in packages.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    asked = {library for path in files for library in loaded(path) if not library.startswith(("/usr/lib/", "/System/"))}
    assert packed[0] == packed[1]
    assert asked
    assert {library for library in asked if library.rpartition("/")[2] not in names} == set()
    assert json.loads((packages / "app" / "installed.json").read_bytes())["channel"] == "app"
    assert (packages / "bin" / "ruff").stat().st_mode & 0o100
    listed = json.loads(sbom.write("macos", work, tmp_path / "one.zip", (packages,)).read_bytes())
    assert {"Qt", "OpenSSL", "rubicon-objc"} <= {each["name"] for each in listed["components"]}
