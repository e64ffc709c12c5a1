"""What setup.exe lays down: nothing that the program lacks, and nothing that nobody runs."""

import hashlib
import importlib
import importlib.metadata
import io
import re
import shutil
import struct
import sys
from pathlib import Path, PurePosixPath

import pytest

from provision.console import Console, Stop
from provision.system import SystemPackages
from release import layout
from release.windows import nsis, payload, portable
from release.work import Work

OF_OTHERS = frozenset({"dbus_fast", "jeepney", "secretstorage", "rubicon"})
"""What only other systems have."""
OF_PROJECTS = frozenset({"_pytest", "coverage", "pytest", "sourcetree", "watchkeeper_worker"})
"""What runs in the interpreter of the project that is watched, or lies beside the file that imports it."""

# Parsing all of the program would take ten times as long.
_IMPORT = re.compile(r"^ *(?:from|import) ([A-Za-z_][\w.]*)", re.MULTILINE)


@pytest.fixture(scope="module")
def imports(root: Path) -> set[str]:
    """All that app/ may import of others, as dotted names; words of prose that look like an import are among them."""
    found = set()
    for file in (root / "app").rglob("*.py"):
        found.update(_IMPORT.findall(file.read_text("utf-8")))
    return found


def linked_against(*names: str) -> bytes:
    """A library for 64 bits that is linked against others: headers, and one section with the import directory."""
    start, held = 0x1000, 0x200
    texts = b"".join(name.encode() + b"\0" for name in names)
    begin = start + 20 * (len(names) + 1)
    table, at = b"", begin
    for name in names:
        table += struct.pack("<12xI4x", at)
        at += len(name) + 1
    content = table + bytes(20) + texts
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    head = b"PE\0\0" + struct.pack("<HH12xHH", 0x8664, 1, 240, 0x2022) + struct.pack("<H", 0x20B).ljust(112, b"\0")
    head += bytes(8) + struct.pack("<II", start, len(content)) + bytes(8 * 14)
    section = b".idata\0\0" + struct.pack("<IIII16x", len(content), start, len(content), held)
    return (dos + head + section).ljust(held, b"\0") + content


def work_in(folder: Path) -> Work:
    """A build of which only the time is asked."""
    console = Console(io.StringIO())
    return Work(folder, folder, folder, "1.2.3", 1_700_000_000, Path(), {}, console, SystemPackages(console, {}))


def test_every_package_that_the_program_imports_is_laid_down(root: Path, imports: set[str]) -> None:
    """Each import of app/ is met by a package of the lock that setup.exe is filled from."""
    of_package = importlib.metadata.packages_distributions()
    laid_down = {layout.name_of(line) for line in layout.run_requirements(root).splitlines() if "==" in line}
    imported = {name.partition(".")[0] for name in imports} & set(of_package) - {"app"} - OF_OTHERS - OF_PROJECTS

    missing = {name for name in imported if not {layout.name_of(each) for each in of_package[name]} & laid_down}

    assert imported >= {"PySide6", "pydantic", "sqlalchemy"}
    assert not missing


def test_what_only_builds_is_not_laid_down(root: Path) -> None:
    """The lock that people run from holds hatchling; what is installed does not, and keeps all digests of the rest."""
    lock = (root / layout.LOCK).read_text("utf-8")

    left_out, kept = layout.build_only(root), layout.run_requirements(root)

    names = [layout.name_of(line) for line in lock.splitlines()]
    assert {"editables", "hatchling"} <= left_out <= set(names)
    assert [layout.name_of(line) for line in kept.splitlines() if "==" in line] == [
        name for name in names if name and name not in left_out
    ]
    assert set(kept.splitlines()) <= set(lock.splitlines())


def test_every_part_of_qt_that_the_program_imports_stays(imports: set[str]) -> None:
    """What is trimmed of Qt is imported nowhere, but for the bus that Windows does not have."""
    used = {name.split(".")[1] for name in imports if name.startswith("PySide6.")}

    kept = {f"Qt{each}" for each in payload.QT_MODULES}

    assert used - {"QtDBus"} <= kept
    assert kept <= used


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("PySide6/QtWidgets.pyd", True),
        ("PySide6/Qt6Core.dll", True),
        ("PySide6/msvcp140_1.dll", True),
        ("PySide6/plugins/platforms/qwindows.dll", True),
        ("PySide6/plugins/platforms/qminimal.dll", False),
        ("PySide6/Qt6Quick.dll", False),
        ("PySide6/opengl32sw.dll", False),
        ("PySide6/designer.exe", False),
        ("PySide6/translations/qt_de.qm", False),
        ("shiboken6/Shiboken.pyd", True),
        ("pydantic/main.py", True),
    ],
)
def test_of_qt_only_what_the_program_uses_is_needed(path: str, needed: bool) -> None:  # noqa: FBT001 - a parameter
    """Widgets and what draws them stay; tools, other modules and software drawing go."""
    assert payload.is_needed(PurePosixPath(path)) is needed


@pytest.mark.parametrize(
    ("path", "run"),
    [
        ("app/agents/testing/agent.py", True),
        ("app/main.py", True),
        ("pydantic-2.14.3.dist-info/METADATA", True),
        ("pydantic-2.14.3.dist-info/licenses/LICENSE", True),
        ("pydantic-2.14.3.dist-info/RECORD", False),
        ("bin/ruff.exe", True),
        ("bin/watchfiles.exe", False),
        ("cvss/tests/test_cvss3.py", False),
        ("sqlalchemy/testing/suite.py", False),
        ("PySide6/QtCore.pyi", False),
        ("six/__pycache__/six.cpython-312.pyc", False),
        ("typing_extensions.py", True),
    ],
)
def test_of_packages_only_what_runs_is_laid_down(path: str, run: bool) -> None:  # noqa: FBT001 - a parameter
    """Tests, stubs, other programs and pip's own notes go; what tells of licences stays."""
    assert layout.is_run(PurePosixPath(path)) is run


@pytest.mark.parametrize("name", ["icuuc.dll", "MSCMS.dll", "bcryptprimitives.dll"])
def test_a_stand_in_of_the_tests_is_never_shipped(tmp_path: Path, name: str) -> None:
    """A payload that holds a part of Windows that tests put under Wine is refused by its name."""
    (tmp_path / name).write_bytes(linked_against())

    with pytest.raises(Stop, match=name):
        payload.check([tmp_path / name])


def test_a_payload_that_was_trimmed_too_far_is_refused(tmp_path: Path) -> None:
    """A library that another one is linked against must be there; those of Windows itself need not."""
    for name, needs in (
        ("QtGui.pyd", ("Qt6Gui.dll", "python3.dll", "KERNEL32.dll")),
        ("python3.dll", ("api-ms-win-crt-heap-l1-1-0.dll",)),
    ):
        (tmp_path / name).write_bytes(linked_against(*needs))

    with pytest.raises(Stop, match=r"Qt6Gui\.dll, for QtGui\.pyd") as refused:
        payload.check(tmp_path.iterdir())

    assert "python3" not in str(refused.value)


def test_a_damaged_library_is_told_from_one_that_needs_nothing() -> None:
    """What is no program for 64 bits stops the build, by its name."""
    whole = linked_against("Qt6Core.dll")

    assert portable.imported(whole, "a.dll") == ("Qt6Core.dll",)
    for damaged in (b"", b"MZ", whole[:0x60], whole.replace(b"\x0b\x02", b"\x0b\x01"), b"\x7fELF" + whole[4:]):
        with pytest.raises(Stop, match=r"a\.dll is no program"):
            portable.imported(damaged, "a.dll")


def test_a_runtime_that_nothing_is_linked_against_goes(tmp_path: Path) -> None:
    """Of Visual C++'s libraries those stay that something asks for, and those that these ask for."""
    for name, needs in (
        ("Qt6Core.dll", ("msvcp140.dll",)),
        ("msvcp140.dll", ("VCRUNTIME140.dll",)),
        ("vcruntime140.dll", ()),
        ("vcamp140.dll", ("concrt140.dll",)),
        ("concrt140.dll", ("msvcp140.dll",)),
    ):
        (tmp_path / name).write_bytes(linked_against(*needs))

    idle = portable.unlinked(tmp_path.iterdir(), ("msvcp", "vcruntime", "vcamp", "concrt"))

    assert [path.name for path in idle] == ["concrt140.dll", "vcamp140.dll"]


@pytest.mark.filterwarnings(
    "ignore:Python 3.14 will:DeprecationWarning"
)  # to filter what is unpacked, which it asks for
def test_the_packages_are_packed_the_same_and_unpacked_whole(root: Path, tmp_path: Path) -> None:
    """Neither the order on the disk nor the minute shows in the archive; the step that unpacks it is not in it."""
    steps = (root / "installer/release/windows/inside" / payload.STEPS).read_text("utf-8")
    files = {"lib/a/b.py": "b", "lib/a.dll": "MZ", payload.PACKAGES + "/" + payload.STEPS: steps, "python.exe": "MZ"}
    digests, shipped = set(), {}
    for name, order in (("one", list(files)), ("other", list(reversed(files)))):
        work = work_in(tmp_path / name)
        for file in order:
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(files[file], "utf-8")
        shipped = payload.packed(tmp_path / name, tmp_path / f"{name}.tar.xz", work)
        digests.add(hashlib.sha256(shipped["lib/packages.tar.xz"].read_bytes()).hexdigest())

    shutil.copyfile(shipped["lib/packages.tar.xz"], tmp_path / payload.ARCHIVE)
    sys.path.insert(0, str(tmp_path / "one" / "lib"))
    try:
        assert importlib.import_module("watchkeeper_setup").unpacked(tmp_path / payload.ARCHIVE)
    finally:
        sys.path.remove(str(tmp_path / "one" / "lib"))

    assert len(digests) == 1
    assert set(shipped) == {"python.exe", "lib/watchkeeper_setup.py", "lib/packages.tar.xz"}
    assert (tmp_path / "a" / "b.py").read_text("utf-8") == "b"
    assert (tmp_path / "a" / "b.py").stat().st_mtime == work_in(tmp_path).epoch
    assert not (tmp_path / payload.ARCHIVE).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands in for NSIS")
def test_setup_is_packed_from_files_of_one_time(tmp_path: Path) -> None:
    """NSIS writes the time of each file into setup.exe: of what the program needs, and of the picture at its side."""
    nsis_stand_in = tmp_path / "makensis"
    nsis_stand_in.write_text("#!/bin/sh\n", "utf-8")
    nsis_stand_in.chmod(0o755)
    files = {payload.ICON: tmp_path / "an.ico", payload.ARCHIVE: tmp_path / "packages.tar.xz"}
    picture = tmp_path / "banner.bmp"
    for path in (*files.values(), picture):
        path.touch()
    work = work_in(tmp_path)

    nsis.pack(
        tmp_path / "setup.exe",
        files,
        tmp_path,
        work,
        banner=picture,
        app_id="",
        unpacked=0,
        testing=True,
        finalize=(),
        environ={"PATH": str(tmp_path)},
    )

    assert {path.stat().st_mtime for path in (*files.values(), picture)} == {work.epoch}


def test_everything_laid_down_bears_one_time_and_plain_modes(tmp_path: Path) -> None:
    """Neither the builder's umask nor the minute shows in what is packed."""
    (tmp_path / "lib").mkdir(mode=0o700)
    plain, program = tmp_path / "lib" / "a.py", tmp_path / "ruff"
    for path, mode in ((plain, 0o600), (program, 0o710)):
        path.write_text("", "utf-8")
        path.chmod(mode)

    layout.settle(tmp_path, 1_700_000_000)

    assert {path.stat().st_mtime for path in (tmp_path, tmp_path / "lib", plain, program)} == {1_700_000_000}
    if sys.platform != "win32":
        assert [path.stat().st_mode & 0o777 for path in (tmp_path / "lib", plain, program)] == [0o755, 0o644, 0o755]
