"""The Debian package's own files, and how they are packed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provision.console import Console, Stop
from provision.system import SystemPackages
from release.linux import deb
from release.linux.files import filled
from release.linux.tree import PACKAGES
from release.work import Work

EPOCH = 1_767_225_600
NOBODY = 65_534

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="Debian's own tool packs it")


@pytest.fixture
def work(root: Path, tmp_path: Path) -> Work:
    console = Console(sys.stderr)
    return Work(
        root=root,
        out=tmp_path / "dist",
        scratch=tmp_path / "build",
        version="1.2.3",
        epoch=EPOCH,
        python=Path(sys.executable),
        environ=dict(os.environ),
        console=console,
        packages=SystemPackages(console, os.environ),
    )


def tree(root: Path) -> Path:
    """Lays out what a package is made of, in small."""
    home = root / "usr/lib/watchkeeper"
    (home / "lib/python3/site-packages/app").mkdir(parents=True)
    (home / "lib/python3/site-packages/app/main.py").write_text("print()\n", "utf-8")
    (home / "lib/python3.11").symlink_to("python3")
    (home / "bin").mkdir()
    (home / "bin/ruff").write_text("#!/bin/sh\n", "utf-8")
    return root


def test_packed_twice_it_is_the_same(work: Work, tmp_path: Path) -> None:
    """Another folder, another umask, another order of writing: the same to the last byte."""
    first = deb.pack(tree(tmp_path / "one"), tmp_path / "first.deb", work, deb.MAINTAINER)
    before = os.umask(0o077)
    try:
        second = deb.pack(tree(tmp_path / "two"), tmp_path / "second.deb", work, deb.MAINTAINER)
    finally:
        os.umask(before)

    assert first.read_bytes() == second.read_bytes()


def test_everything_in_it_is_roots_and_only_programs_run(work: Work, tmp_path: Path) -> None:
    """Dpkg's own list of it, by whoever it was built."""
    laid = tree(tmp_path / "one")
    if os.geteuid() == 0:
        for path in laid.rglob("*"):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    made = deb.pack(laid, tmp_path / "made.deb", work, deb.MAINTAINER)

    lines = subprocess.check_output(("dpkg-deb", "-c", made), text=True, env={**os.environ, "TZ": "UTC"}).splitlines()

    modes = {line.split()[5]: line.split()[0] for line in lines}
    assert {tuple(line.split()[1:2] + line.split()[3:4]) for line in lines} == {("root/root", "2026-01-01")}
    assert modes["./usr/lib/watchkeeper/bin/ruff"] == "-rwxr-xr-x"
    assert modes["./usr/lib/watchkeeper/lib/python3/site-packages/app/main.py"] == "-rw-r--r--"
    assert modes["./usr/lib/watchkeeper/lib/python3.11"] == "lrwxrwxrwx"


def test_its_control_file_asks_for_a_python_that_it_has_packages_for(work: Work, tmp_path: Path) -> None:
    """From 3.11 to below 3.15, and for what Qt needs of the system; dpkg reads it."""
    made = deb.pack(tree(tmp_path / "one"), tmp_path / "made.deb", work, deb.MAINTAINER)

    def field(name: str) -> str:
        return subprocess.check_output(("dpkg-deb", "-f", made, name), text=True).strip()

    depends = field("Depends").split(", ")
    assert (field("Package"), field("Version"), field("Architecture")) == ("watchkeeper", "1.2.3-1", "amd64")
    assert depends[:2] == ["python3 (>= 3.11)", "python3 (<< 3.15)"]
    assert {"libxcb-cursor0", "libegl1"} <= set(depends)
    assert int(field("Installed-Size")) > 0


def test_its_checksums_are_those_of_its_files(work: Work, tmp_path: Path) -> None:
    """As `dpkg --verify` reads them: each file but links, by its path from the root."""
    made = deb.pack(tree(tmp_path / "one"), tmp_path / "made.deb", work, deb.MAINTAINER)
    subprocess.run(("dpkg-deb", "-R", made, tmp_path / "out"), check=True)

    done = subprocess.run(("md5sum", "-c", "DEBIAN/md5sums"), cwd=tmp_path / "out", capture_output=True, check=False)

    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2


def test_a_maintainer_of_two_lines_is_refused(work: Work, tmp_path: Path) -> None:
    """It would write fields of its own into the control file."""
    with pytest.raises(Stop, match="--maintainer") as stopped:
        deb.pack(tree(tmp_path / "one"), tmp_path / "made.deb", work, "Eve <e@example.org>\nEssential: yes")

    assert stopped.value.code == 2


@pytest.mark.parametrize(
    "name",
    ["postinst", "prerm", "rtupdate", "bytecode.sh", "watchkeeper.sh", "portable.sh", "portable-install.sh"],
)
def test_its_scripts_are_whole_shell(name: str) -> None:
    """The system's own shell reads them."""
    done = subprocess.run(("sh", "-n"), input=filled(name), capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_program_finds_its_way_back_to_its_command() -> None:
    """What installed.json names leads from the package `app` to /usr/bin/watchkeeper."""
    package = deb.HOME / PACKAGES / "app"

    assert os.path.normpath(package / deb.PROGRAM) == "usr/bin/watchkeeper"
