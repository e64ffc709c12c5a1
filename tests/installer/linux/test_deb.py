"""The Debian package in a Debian that has nothing else: installed, used as a person does, removed without a trace."""

from __future__ import annotations

import hashlib
import json
import resource
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from debian import HOME
from packages import PATIENCE_S, build, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from debian import Debian
    from packages import Built
    from session import Session

pytestmark = [pytest.mark.installer, pytest.mark.timeout(1800)]

TOOLS = ("python3-pytest", "lintian", "desktop-file-utils", "appstream", "groff-base", "procps")
PROJECT = f"{HOME}/my project"
SHOTS = Path(__file__).resolve().parents[3] / "build" / "screenshots"
FASTEST_S = 0.15

# What apt, dpkg and the caches that other packages keep write down of each package that comes and goes.
OF_THE_SYSTEM = (
    "/var/lib/dpkg/",
    "/var/lib/apt/",
    "/var/cache/",
    "/var/log/",
    "/run/",
    "/usr/share/applications/mimeinfo.cache",
    "/usr/share/icons/hicolor/icon-theme.cache",
)


@pytest.fixture(scope="module")
def before(debian: Debian, built: Built) -> set[str]:
    """Every path of the system with what the package needs, and without it."""
    depends = subprocess.check_output(("dpkg-deb", "-f", built.deb, "Depends"), text=True).strip()
    debian.apt("satisfy", "-y", "--no-install-recommends", depends)
    debian.apt("install", "-y", "--no-install-recommends", *TOOLS)
    return debian.files()


@pytest.fixture(scope="module")
def installed(debian: Debian, built: Built, before: set[str]) -> Debian:
    """The system with the package, and a project of the person's."""
    assert before
    debian.put(built.deb, f"{HOME}/{built.deb.name}")
    debian.apt("install", "-y", "--no-install-recommends", f"{HOME}/{built.deb.name}")
    return debian


@pytest.fixture(scope="module")
def project(installed: Debian, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("project")
    (folder / "shop.py").write_text("def total(prices):\n    return sum(prices)\n", "utf-8")
    test = "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n"
    (folder / "test_shop.py").write_text(test, "utf-8")
    installed.put(folder, PROJECT)
    return PROJECT


def test_the_version_comes_at_once(installed: Debian) -> None:
    """As the person, in an empty home: what it takes of a processor, however busy that is; the least of five."""
    took = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = installed.run("watchkeeper", "--version")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    assert done.stdout.startswith("watchkeeper ")
    assert min(took) < FASTEST_S


def test_its_interpreter_is_the_environments(installed: Debian) -> None:
    """What the program starts by its own interpreter finds the packages, and the note tells how it was installed."""
    script = (
        "import sys, json; from app.system.installed import installation; found = installation()\n"
        "print(json.dumps([sys.executable, sys.prefix, found.channel, str(found.program)]))"
    )

    done = installed.run("/usr/lib/watchkeeper/bin/python3", "-I", "-c", script)

    home = "/usr/lib/watchkeeper"
    assert json.loads(done.stdout) == [f"{home}/bin/python3", home, "deb", "/usr/bin/watchkeeper"], done.stderr


def test_bytecode_is_there_for_this_python(installed: Debian) -> None:
    """So that the first start of each person is as fast as the second."""
    done = installed.run("sh", "-c", "find /usr/lib/watchkeeper/lib/python3 -name 'main.*.pyc' -path '*/app/*'")

    assert len(done.stdout.splitlines()) == 1


def test_once_runs_the_tests_of_a_project(installed: Debian, project: str) -> None:
    """With the system's own pytest, in a folder with a blank in its name."""
    done = installed.run("watchkeeper", "once", project, "--json")

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["verdict"] == "green"


def test_an_audit_finds_its_static_checker(installed: Debian, project: str) -> None:
    """Ruff came along, and is found."""
    done = installed.run("watchkeeper", "audit", project, "--only", "security", "--format", "json")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "could not be started" not in done.stdout


def test_the_doctor_finds_qt_and_python_well(installed: Debian) -> None:
    """Without a display: only that is missing."""
    done = installed.run("watchkeeper", "doctor", "--json")

    found = {check["name"]: check["level"] for check in json.loads(done.stdout)["checks"]}
    assert (found["python"], found["pyside6"]) == ("ok", "ok")


def test_it_starts_at_login_by_the_command_that_stays(installed: Debian) -> None:
    """Not by a path that the next Python would change."""
    enabled = installed.run("watchkeeper", "autostart", "enable", PROJECT)
    status = installed.run("watchkeeper", "autostart", "status", "--json")
    entry = installed.run("cat", "/home/person/.config/autostart/watchkeeper.desktop")
    disabled = installed.run("watchkeeper", "autostart", "disable")

    assert (enabled.returncode, status.returncode, disabled.returncode) == (0, 0, 0), enabled.stderr + status.stderr
    assert "TryExec=/usr/bin/watchkeeper\n" in entry.stdout


@pytest.fixture
def shown(installed: Debian, screen: Session, project: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program, started for the project on a desktop with a tray."""
    environ = {"DISPLAY": screen.environ["DISPLAY"]}
    started = subprocess.Popen(installed.command(("watchkeeper", project, "--window"), environ=environ))
    yield started
    installed.run("watchkeeper", "stop")
    try:
        started.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        started.kill()
        raise


def test_tray_and_window_come_up(installed: Debian, screen: Session, shown: subprocess.Popen[bytes]) -> None:
    """On a real X server: the icon in the tray, the window, and the project green; a picture is kept."""
    tree = ("xwininfo", "-root", "-tree")

    def windows() -> str:
        return subprocess.check_output(tree, env=screen.environ, text=True)

    def green() -> bool:
        done = installed.run("watchkeeper", "status", "--json")
        return done.returncode == 0 and '"green"' in done.stdout

    until(lambda: "Watchkeeper" in windows(), "the window")
    until(green, "green")
    SHOTS.mkdir(parents=True, exist_ok=True)
    picture = SHOTS / f"deb-{installed.release}.png"
    subprocess.run(("import", "-window", "root", picture), env=screen.environ, check=True)

    assert shown.poll() is None
    assert picture.stat().st_size > 0


def test_the_library_check_lets_everything_pass(installed: Debian) -> None:
    """What the package asks for is all that Qt needs, by the program's own list."""
    script = "from app.system.qtlibraries import library_trouble; print(library_trouble())"

    done = installed.run("/usr/lib/watchkeeper/bin/python3", "-I", "-c", script)

    assert (done.stdout, done.stderr) == ("\n", "")


def test_no_compiled_file_lacks_a_library(installed: Debian) -> None:
    """By the system's own loader; GTK is GNOME's, and Qt does without it elsewhere."""
    script = (
        "find /usr/lib/watchkeeper -name '*.so*' ! -name libqgtk3.so -type f | while read -r file; do"
        ' ldd "$file" | grep "not found" && echo "$file"; done; true'
    )

    done = installed.run("bash", "-c", script)

    # A module of another Python than this one's needs nothing more, since none links to libpython.
    assert done.stdout == ""


def test_debians_own_judge_finds_nothing(installed: Debian, built: Built) -> None:
    """Lintian: no error, no warning; what it may not say is in the overrides, each with its reason."""
    words = ("lintian", "--fail-on", "none", "--tag-display-limit", "0", f"{HOME}/{built.deb.name}")
    # It leaves files of its own behind, which are not the package's.
    done = installed.run("env", f"TMPDIR={HOME}", *words)

    assert (done.returncode, done.stderr) == (0, "")
    # It hands on that AppStream's reader says something: what that is, the next test looks at.
    assert [line for line in done.stdout.splitlines() if "appstream-metadata-validation-failed" not in line] == []


def test_desktops_and_software_centres_read_its_entries(installed: Debian) -> None:
    """By the readers of their own projects, who say at most that the project has no page of its own yet."""
    entry = installed.run("desktop-file-validate", "/usr/share/applications/watchkeeper.desktop")
    page = installed.run(
        "sh", "-c", "appstreamcli validate --no-net /usr/share/metainfo/app.watchkeeper.watchkeeper.metainfo.xml"
    )

    assert (entry.returncode, entry.stdout) == (0, "")
    assert page.returncode in {0, 3}, page.stderr
    said = [line for line in page.stdout.splitlines() if line.startswith(("E:", "W:"))]
    assert [line for line in said if "url-homepage-missing" not in line] == []


def test_the_man_page_is_typeset_without_a_warning(installed: Debian) -> None:
    """By groff, with all of its warnings on."""
    done = installed.run("sh", "-c", "zcat /usr/share/man/man1/watchkeeper.1.gz | groff -man -Tutf8 -ww -z")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_nothing_was_changed_since_it_was_packed(installed: Debian) -> None:
    """After all this use, by dpkg's own checksums."""
    done = installed.run("dpkg", "--verify", "watchkeeper", as_root=True)

    assert (done.returncode, done.stdout) == (0, "")


def test_removed_it_leaves_nothing_but_the_persons_own(installed: Debian, before: set[str]) -> None:
    """Every path that was not there before is gone, and each home is as it was."""
    homes = {path for path in installed.files() if path.startswith("/home/")}
    installed.apt("remove", "-y", "watchkeeper")
    removed = installed.files()
    # Without configuration files dpkg has forgotten it already, and says so.
    again = installed.run("dpkg", "--purge", "watchkeeper", as_root=True)
    purged = installed.files()

    assert again.returncode == 0, again.stderr
    for after in (removed, purged):
        left = {path for path in after - before if not path.startswith((*OF_THE_SYSTEM, "/home/"))}
        assert not left
        assert homes <= after
    assert any("watchkeeper" in path for path in homes)


def test_built_twice_it_is_the_same(built: Built, tmp_path: Path, root: Path) -> None:
    """From the same commit, to the last byte."""
    again = build("deb", tmp_path, root)

    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(built.deb.read_bytes()).digest()
