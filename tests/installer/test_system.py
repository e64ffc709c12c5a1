"""What is missing on the system is installed where that may be, and otherwise named with the exact command."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.console import Console, Stop
from provision.system import (
    ENTRY_READERS,
    QT_LIBRARIES,
    TEST_PROGRAMS,
    WAYLAND_LIBRARIES,
    Need,
    SystemPackages,
    has_display,
    loads,
    on_path,
    qt_needs,
)

Programs = Callable[[str, str], Path]
XVFB = Need(
    "Xvfb",
    on_path,
    {"apt-get": "xvfb", "dnf": "xorg-x11-server-Xvfb", "pacman": "xorg-server-xvfb", "zypper": "xorg-x11-server-Xvfb"},
)


def system(*, is_root: bool) -> tuple[SystemPackages, io.StringIO]:
    shown = io.StringIO()
    return SystemPackages(Console(shown), dict(os.environ), is_root=is_root), shown


def fake_apt(programs: Programs, tmp_path: Path, *, installs: bool = True, lists_fail: bool = False) -> Path:
    calls = tmp_path / "calls"
    made = tmp_path / "programs" / "Xvfb"
    programs(
        "apt-get",
        f'echo "$DEBIAN_FRONTEND $*" >>{calls}\n'
        f'if [ "$1" = update ]; then exit {int(lists_fail)}; fi\n'
        + (f"echo >{made}; /bin/chmod +x {made}" if installs else ":"),
    )
    return calls


def test_nothing_is_run_when_nothing_is_missing(programs: Programs, tmp_path: Path) -> None:
    """A system that has everything sees no package tool start."""
    calls = fake_apt(programs, tmp_path)
    programs("Xvfb", ":")
    packages, shown = system(is_root=True)

    packages.ensure((XVFB,), "The tests need")

    assert not calls.exists()
    assert not shown.getvalue()


def test_root_gets_what_is_missing(programs: Programs, tmp_path: Path) -> None:
    """Root with apt: the lists are read, the package is installed, and apt asks no question."""
    calls = fake_apt(programs, tmp_path)
    packages, shown = system(is_root=True)

    packages.ensure((XVFB,), "The tests need")

    update, install = calls.read_text("utf-8").splitlines()
    assert update.startswith("noninteractive update")
    assert install.startswith("noninteractive install -y --no-install-recommends")
    assert install.endswith(" xvfb")
    assert "The tests need Xvfb" in shown.getvalue()


def test_old_package_lists_do_when_new_ones_cannot_be_read(programs: Programs, tmp_path: Path) -> None:
    """A package source that fails stops nothing as long as the package itself can be had."""
    calls = fake_apt(programs, tmp_path, lists_fail=True)
    packages, _ = system(is_root=True)

    packages.ensure((XVFB,), "The tests need")

    assert len(calls.read_text("utf-8").splitlines()) == 2


def test_a_package_that_brings_nothing_is_told(programs: Programs, tmp_path: Path) -> None:
    """An installation that leaves the thing missing ends with the command and code 3."""
    fake_apt(programs, tmp_path, installs=False)
    packages, _ = system(is_root=True)

    with pytest.raises(Stop, match="Xvfb is still missing") as stop:
        packages.ensure((XVFB,), "The tests need")

    assert stop.value.code == 3


def test_a_person_without_rights_gets_the_exact_command(programs: Programs, tmp_path: Path) -> None:
    """Without root and without sudo nothing is run, and the message holds the whole command."""
    calls = fake_apt(programs, tmp_path)
    packages, _ = system(is_root=False)

    with pytest.raises(Stop, match=r"sudo apt-get install -y --no-install-recommends xvfb$") as stop:
        packages.ensure((XVFB,), "The tests need")

    assert stop.value.code == 3
    assert not calls.exists()


def test_sudo_without_a_password_is_used(programs: Programs, tmp_path: Path) -> None:
    """Where sudo asks nothing, it installs."""
    calls = fake_apt(programs, tmp_path)
    programs("true", ":")
    programs("env", 'export "$1"; shift; exec "$@"')
    programs("sudo", 'shift; exec "$@"')
    packages, _ = system(is_root=False)

    packages.ensure((XVFB,), "The tests need")

    assert "noninteractive install" in calls.read_text("utf-8")


def test_sudo_that_asks_for_a_password_is_left_alone(programs: Programs, tmp_path: Path) -> None:
    """Where sudo would ask, the command is named instead."""
    calls = fake_apt(programs, tmp_path)
    programs("sudo", "exit 1")
    packages, _ = system(is_root=False)

    with pytest.raises(Stop, match="sudo apt-get install"):
        packages.ensure((XVFB,), "The tests need")

    assert not calls.exists()


@pytest.mark.parametrize(
    ("tool", "command"),
    [
        ("dnf", "sudo dnf install -y xorg-x11-server-Xvfb"),
        ("pacman", "sudo pacman -S --needed xorg-server-xvfb"),
        ("zypper", "sudo zypper install -y xorg-x11-server-Xvfb"),
    ],
)
def test_other_distributions_get_their_own_command(programs: Programs, tool: str, command: str) -> None:
    """Other package tools are named, and never run, even for root."""
    programs(tool, "exit 9")
    packages, _ = system(is_root=True)

    with pytest.raises(Stop, match=command):
        packages.ensure((XVFB,), "The tests need")


@pytest.mark.usefixtures("programs")
def test_an_unknown_system_hears_what_is_missing() -> None:
    """Without any known package tool the message still says what is missing."""
    packages, _ = system(is_root=True)

    with pytest.raises(Stop, match="The tests need Xvfb"):
        packages.ensure((XVFB,), "The tests need")


def test_every_need_has_a_package_for_every_tool() -> None:
    """No distribution is told half a command."""
    for need in (*QT_LIBRARIES, *WAYLAND_LIBRARIES, *TEST_PROGRAMS, *ENTRY_READERS):
        assert set(need.packages) == {"apt-get", "dnf", "pacman", "zypper"}, need.name


def test_a_library_is_asked_for_by_loading_it() -> None:
    """The C library loads, a made-up one does not."""
    assert loads("libc.so.6")
    assert not loads("libthere-is-none-of-this-name.so.1")


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "win32", True),
        ({}, "darwin", True),
    ],
)
def test_only_linux_can_be_without_a_display(environ: dict[str, str], platform: str, *, expected: bool) -> None:
    """On Linux the environment names the display; Windows and macOS have one."""
    assert has_display(environ, platform) is expected


def test_wayland_needs_its_own_libraries_too() -> None:
    """Qt's libraries are asked for on Linux only, Wayland's only in a Wayland session."""
    assert qt_needs({}, "win32") == ()
    assert qt_needs({}, "linux") == QT_LIBRARIES
    assert qt_needs({"WAYLAND_DISPLAY": "wayland-0"}, "linux") == (*QT_LIBRARIES, *WAYLAND_LIBRARIES)
