"""The portable archive: unpacked anywhere and started, without pip and without root."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from release.linux import desktop, portable, tree

EPOCH = 1_767_225_600
NOBODY = 65_534
BASE = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the archive is for Linux")


PARTS = ("cli", "domain", "engine", "system")
"""What the menu's script and the command line's start import."""


def lay(top: Path, source: Path, root: Path) -> None:
    """Lays out an archive as the build does, but with this environment's packages in place of those of the lock."""
    packages = top / tree.PACKAGES
    packages.mkdir(parents=True)
    shutil.copytree(source, packages / "app")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    for version in tree.PYTHONS:
        (top / "lib" / f"python{version}").symlink_to("python3")
    (top / "bin").mkdir()
    (top / "bin" / "ruff").write_text("#!/bin/sh\n", "utf-8")
    portable.add_programs(top, "1.2.3")
    (top / "share" / "applications").mkdir(parents=True)
    (top / "share" / "applications" / "watchkeeper.desktop").write_text(desktop.entry("watchkeeper"), "utf-8")
    icons = top / "share" / "icons" / "hicolor" / "scalable" / "apps"
    icons.mkdir(parents=True)
    (icons / "watchkeeper.svg").write_text(desktop.svg(root), "utf-8")


@pytest.fixture(scope="module")
def source(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parts of the program that are started here."""
    folder = tmp_path_factory.mktemp("source") / "app"
    folder.mkdir()
    for name in ("__init__.py", "main.py"):
        shutil.copyfile(root / "app" / name, folder / name)
    for name in PARTS:
        shutil.copytree(root / "app" / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def archive(source: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("portable")
    lay(folder / "watchkeeper-1.2.3-linux-x86_64", source, root)
    made = folder / "made.tar.gz"
    portable.pack(folder / "watchkeeper-1.2.3-linux-x86_64", made, EPOCH)
    return made


@pytest.fixture
def unpacked(archive: Path) -> Iterator[Path]:
    """The folder of the archive, in a place with a blank and a quote in its name, where anybody may look."""
    with tempfile.TemporaryDirectory(prefix="watchkeeper's home ") as folder:
        Path(folder).chmod(0o755)
        subprocess.run(["tar", "-xzf", str(archive), "-C", folder], check=True)
        yield Path(folder) / "watchkeeper-1.2.3-linux-x86_64"


def start(
    program: Path, *words: str, home: Path, python: str = str(BASE), user: int | None = None
) -> subprocess.CompletedProcess[str]:
    environ = {"HOME": str(home), "PATH": os.defpath, "WATCHKEEPER_PYTHON": python, "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        (program, *words), env=environ, user=user, cwd="/", capture_output=True, text=True, check=False, timeout=50
    )


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_starts_where_it_lies_and_again_after_it_was_moved(unpacked: Path, tmp_path: Path) -> None:
    """The first start makes the environment in the folder; a move does it no harm."""
    first = start(unpacked / "watchkeeper", "--version", home=tmp_path)
    moved = unpacked.rename(unpacked.with_name("elsewhere"))
    # A Python that is not there would be asked only if the environment had to be made again.
    second = start(moved / "watchkeeper", "--version", home=tmp_path, python="/nowhere/python3")

    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("watchkeeper ")
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert not list(tmp_path.iterdir())


def test_its_interpreter_is_that_of_the_folder(unpacked: Path, tmp_path: Path) -> None:
    """What the program starts by its own interpreter finds the same packages."""
    start(unpacked / "watchkeeper", "--version", home=tmp_path)
    python = unpacked / "bin" / "python3"

    told = subprocess.check_output(
        (python, "-I", "-c", "import app, sys; print(sys.executable, sys.prefix, app.__file__, sep='\\n')"), text=True
    )

    executable, prefix, file = told.splitlines()
    assert (Path(executable), Path(prefix)) == (python, unpacked)
    assert Path(file).is_relative_to(unpacked)


def test_in_a_folder_that_may_not_be_written_it_works_from_the_cache(unpacked: Path) -> None:
    """Read-only for this user: the environment is in the person's cache, and the folder stays as it was."""
    user = NOBODY if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if user is None:
            unpacked.chmod(0o555)
        else:
            os.chown(home, user, user)
        try:
            done = start(unpacked / "watchkeeper", "--version", home=home, python="/usr/bin/python3", user=user)
        finally:
            unpacked.chmod(0o755)
        made = list((home / ".cache" / "watchkeeper" / "portable").glob("1.2.3-*/pyvenv.cfg"))

    assert (done.returncode, done.stderr) == (0, "")
    assert len(made) == 1
    assert not (unpacked / "pyvenv.cfg").exists()


def test_a_python_that_is_gone_is_replaced(unpacked: Path, tmp_path: Path) -> None:
    """After an upgrade of the system the link leads nowhere, and another Python is looked for."""
    start(unpacked / "watchkeeper", "--version", home=tmp_path)
    link = unpacked / "bin" / "python3"
    link.unlink()
    link.symlink_to("/nowhere/python3.10")

    done = start(unpacked / "watchkeeper", "--version", home=tmp_path)

    assert done.returncode == 0
    assert Path(os.path.realpath(link)) == BASE


@pytest.mark.parametrize(
    ("python", "reason"),
    [("#!/bin/sh\necho it is Python 3.9; exit 1\n", "it is Python 3.9"), ("", "not found")],
)
def test_without_a_python_that_fits_it_says_why_and_where_to_get_one(
    unpacked: Path, tmp_path: Path, python: str, reason: str
) -> None:
    """Each one that was tried is named with what is wrong with it; the exit code is 3."""
    fake = tmp_path / "python3.9"
    if python:
        fake.write_text(python, "utf-8")
        fake.chmod(0o755)

    done = start(unpacked / "watchkeeper", "--version", home=tmp_path, python=str(fake))

    assert done.returncode == 3
    assert f"{fake}: " in done.stderr
    assert reason in done.stderr
    assert "apt-get install python3" in done.stderr
    assert not done.stdout


def test_it_gets_a_place_in_the_menu_and_gives_it_back(unpacked: Path, tmp_path: Path) -> None:
    """Entry, icon and command are the person's own; --remove leaves nothing of them."""
    done = start(unpacked / "watchkeeper-install", home=tmp_path)
    entry = tmp_path / ".local/share/applications/watchkeeper.desktop"
    command = tmp_path / ".local/bin/watchkeeper"
    valid = subprocess.run(("desktop-file-validate", entry), capture_output=True, text=True, check=False)
    called = start(command, "--version", home=tmp_path)
    icons = list((tmp_path / ".local/share/icons/hicolor").rglob("watchkeeper.*"))
    gone = start(unpacked / "watchkeeper-install", "--remove", home=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert (valid.returncode, valid.stdout) == (0, "")
    assert called.stdout.startswith("watchkeeper ")
    assert len(icons) == 1
    assert (gone.returncode, gone.stderr) == (0, "")
    assert not [path for path in tmp_path.rglob("*") if not path.is_dir()]


def test_the_entry_starts_it_kept_by_its_path(unpacked: Path, tmp_path: Path) -> None:
    """GLib reads the entry's command line, with blanks and quotes in it, as the program that lies there."""
    start(unpacked / "watchkeeper-install", home=tmp_path)
    entry = tmp_path / ".local/share/applications/watchkeeper.desktop"
    keys = dict(line.split("=", 1) for line in entry.read_text("utf-8").splitlines() if "=" in line)

    words = subprocess.check_output(("sh", "-c", f"printf '%s\\n' {keys['Exec']}"), text=True).splitlines()

    assert words == [str(unpacked / "watchkeeper"), "--keep"]
    assert keys["TryExec"] == words[0]


def test_what_another_program_put_there_is_left_alone(unpacked: Path, tmp_path: Path) -> None:
    """An entry and a command of the same name that pipx, say, made stay as they are, and both are told."""
    entry = tmp_path / ".local/share/applications/watchkeeper.desktop"
    command = tmp_path / ".local/bin/watchkeeper"
    for path in (entry, command):
        path.parent.mkdir(parents=True)
        path.write_text("of another", "utf-8")

    done = start(unpacked / "watchkeeper-install", home=tmp_path)
    gone = start(unpacked / "watchkeeper-install", "--remove", home=tmp_path)

    assert (done.returncode, gone.returncode) == (0, 0)
    assert str(entry) in done.stdout
    assert str(command) in done.stdout
    assert [path.read_text("utf-8") for path in (entry, command)] == ["of another"] * 2


def test_the_command_line_of_the_menu_is_checked(unpacked: Path, tmp_path: Path) -> None:
    """An unknown word changes nothing and is exit code 2; --help is exit code 0."""
    wrong = start(unpacked / "watchkeeper-install", "--delete", home=tmp_path)
    told = start(unpacked / "watchkeeper-install", "--help", home=tmp_path)

    assert (wrong.returncode, told.returncode) == (2, 0)
    assert "--remove" in wrong.stderr
    assert "--remove" in told.stdout
    assert not list(tmp_path.iterdir())


def test_built_twice_it_is_the_same(archive: Path, source: Path, root: Path, tmp_path: Path) -> None:
    """Another folder, another time and another umask leave no trace."""
    before = os.umask(0o077)
    try:
        lay(tmp_path / "watchkeeper-1.2.3-linux-x86_64", source, root)
        again = tmp_path / "again.tar.gz"
        portable.pack(tmp_path / "watchkeeper-1.2.3-linux-x86_64", again, EPOCH)
    finally:
        os.umask(before)

    assert digest(again) == digest(archive)


def test_nothing_in_it_belongs_to_who_built_it(archive: Path) -> None:
    """Owners, modes and times are the same for everybody, and only programs are executable."""
    with tarfile.open(archive) as tar:
        members = tar.getmembers()

    files = [member for member in members if member.isfile()]
    assert {(member.uid, member.gid, member.mtime) for member in members} == {(0, 0, EPOCH)}
    assert {member.mode for member in files} == {0o644, 0o755}
    assert {Path(member.name).name for member in files if member.mode == 0o755} == {
        "ruff",
        "watchkeeper",
        "watchkeeper-install",
    }
