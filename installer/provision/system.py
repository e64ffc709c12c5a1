"""What the operating system must bring: shared libraries for Qt, and programs for the desktop tests.

Asked is the thing itself (does the library load, is the program there), never a package database: that is true on
every distribution, and for things that were put there by hand. The package names of apt were proven on Debian 12;
those of dnf, pacman and zypper are only ever printed, for the person to run.
"""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from provision.console import Console, Stop

_NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that must be there.

    Args:
        name: a soname, a program, or what else `present` understands.
        present: says whether it is there.
        packages: package names by package tool: `{"apt-get": "libegl1"}`.
    """

    name: str
    present: Callable[[str], bool]
    packages: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PackageTool:
    """How one distribution installs packages.

    Args:
        name: the program.
        install: program and arguments, to which packages are appended, as a person would type it.
    """

    name: str
    install: tuple[str, ...]


PACKAGE_TOOLS = (
    PackageTool("apt-get", ("apt-get", "install", "-y", "--no-install-recommends")),
    PackageTool("dnf", ("dnf", "install", "-y")),
    PackageTool("pacman", ("pacman", "-S", "--needed")),
    PackageTool("zypper", ("zypper", "install", "-y")),
)


def loads(soname: str) -> bool:
    """Says whether the dynamic loader finds a shared library."""
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def on_path(program: str) -> bool:
    """Says whether a program is on PATH."""
    return shutil.which(program) is not None


def _importable(module: str) -> bool:
    importlib.invalidate_caches()
    return importlib.util.find_spec(module) is not None


def _has_postgres(program: str) -> bool:
    # Debian keeps the server's programs off PATH, in a folder for each version.
    return on_path(program) or any(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))


def _needs(present: Callable[[str], bool], table: str) -> tuple[Need, ...]:
    rows = (line.split() for line in table.strip().splitlines())
    tools = [tool.name for tool in PACKAGE_TOOLS]
    return tuple(Need(name, present, dict(zip(tools, packages, strict=True))) for name, *packages in rows)


# What Qt's xcb platform plugin and the libraries under it link against and no wheel brings.
QT_LIBRARIES = _needs(
    loads,
    """
    libGL.so.1              libgl1               libglvnd-glx        libglvnd            libglvnd
    libEGL.so.1             libegl1              libglvnd-egl        libglvnd            libglvnd
    libglib-2.0.so.0        libglib2.0-0         glib2               glib2               libglib-2_0-0
    libgthread-2.0.so.0     libglib2.0-0         glib2               glib2               libgthread-2_0-0
    libdbus-1.so.3          libdbus-1-3          dbus-libs           dbus                libdbus-1-3
    libfontconfig.so.1      libfontconfig1       fontconfig          fontconfig          libfontconfig1
    libxkbcommon.so.0       libxkbcommon0        libxkbcommon        libxkbcommon        libxkbcommon0
    libxkbcommon-x11.so.0   libxkbcommon-x11-0   libxkbcommon-x11    libxkbcommon-x11    libxkbcommon-x11-0
    libxcb-cursor.so.0      libxcb-cursor0       xcb-util-cursor     xcb-util-cursor     libxcb-cursor0
    libxcb-icccm.so.4       libxcb-icccm4        xcb-util-wm         xcb-util-wm         libxcb-icccm4
    libxcb-image.so.0       libxcb-image0        xcb-util-image      xcb-util-image      libxcb-image0
    libxcb-keysyms.so.1     libxcb-keysyms1      xcb-util-keysyms    xcb-util-keysyms    libxcb-keysyms1
    libxcb-render-util.so.0 libxcb-render-util0  xcb-util-renderutil xcb-util-renderutil libxcb-render-util0
    libxcb-shape.so.0       libxcb-shape0        libxcb              libxcb              libxcb-shape0
    libxcb-xkb.so.1         libxcb-xkb1          libxcb              libxcb              libxcb-xkb1
    libX11-xcb.so.1         libx11-xcb1          libX11-xcb          libx11              libX11-xcb1
    """,
)

# In addition, where the session is Wayland.
WAYLAND_LIBRARIES = _needs(
    loads,
    """
    libwayland-client.so.0  libwayland-client0  libwayland-client  wayland  libwayland-client0
    libwayland-cursor.so.0  libwayland-cursor0  libwayland-cursor  wayland  libwayland-cursor0
    libwayland-egl.so.1     libwayland-egl1     libwayland-egl     wayland  libwayland-egl1
    """,
)

# The real X session of the desktop tests, git for the tests that watch a repository, strace for the order in which a
# save reaches the disk, and the Redis that keeps conversations at hand. busctl is what `dunstctl history` calls, though
# dunst's package does not ask for it.
TEST_PROGRAMS = _needs(
    on_path,
    """
    Xvfb             xvfb           xorg-x11-server-Xvfb xorg-server-xvfb xorg-x11-server-Xvfb
    xauth            xauth          xorg-x11-xauth       xorg-xauth       xauth
    openbox          openbox        openbox              openbox          openbox
    trayer           trayer         trayer               trayer           trayer
    dunst            dunst          dunst                dunst            dunst
    dbus-run-session dbus-daemon    dbus-daemon          dbus             dbus-1-daemon
    dbus-send        dbus-bin       dbus-tools           dbus             dbus-1-tools
    dbus-launch      dbus-x11       dbus-x11             dbus             dbus-1-x11
    busctl           systemd        systemd              systemd          systemd
    xdotool          xdotool        xdotool              xdotool          xdotool
    import           imagemagick    ImageMagick          imagemagick      ImageMagick
    xprop            x11-utils      xprop                xorg-xprop       xprop
    xwininfo         x11-utils      xwininfo             xorg-xwininfo    xwininfo
    notify-send      libnotify-bin  libnotify            libnotify        libnotify-tools
    fc-match         fontconfig     fontconfig           fontconfig       fontconfig
    git              git            git                  git              git
    strace           strace         strace               strace           strace
    gnome-keyring-daemon gnome-keyring gnome-keyring gnome-keyring gnome-keyring
    redis-server     redis-server   redis                redis            redis
    """,
)

# What reads the files that start it at login: for tests that `--quick` runs as well.
ENTRY_READERS = _needs(
    on_path,
    """
    desktop-file-validate desktop-file-utils desktop-file-utils desktop-file-utils desktop-file-utils
    systemd-analyze  systemd        systemd              systemd          systemd
    plistutil        libplist-utils libplist             libplist         plistutil
    xmllint          libxml2-utils  libxml2              libxml2          libxml2-tools
    node             nodejs         nodejs               nodejs           nodejs-default
    gio              libglib2.0-bin glib2                glib2            glib2-tools
    dex              dex            dex-autostart        dex              dex
    """,
)


# For the tests of Windows' installer in a Debian whose Wine is new enough, which tests/windows/box.py makes.
BOX_PROGRAMS = _needs(
    on_path,
    """
    debootstrap      debootstrap    debootstrap          debootstrap      debootstrap
    unshare          util-linux     util-linux           util-linux       util-linux
    x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64-win32 mingw64-gcc mingw-w64-gcc mingw64-cross-gcc
    """,
)


def _has_font(_: str) -> bool:
    folders = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".local/share/fonts")
    return any(folder.is_dir() and any(folder.rglob("*.[ot]tf")) for folder in folders)


# Text in the screenshots needs one; fontconfig alone brings none.
TEST_FONT = Need(
    "a font",
    _has_font,
    {
        "apt-get": "fonts-dejavu-core",
        "dnf": "dejavu-sans-fonts",
        "pacman": "ttf-dejavu",
        "zypper": "dejavu-fonts",
    },
)

POSTGRES = Need(
    "initdb",
    _has_postgres,
    {"apt-get": "postgresql", "dnf": "postgresql-server", "pacman": "postgresql", "zypper": "postgresql-server"},
)

# Judges metrics and alert rules in the full tests; Debian's package also starts a server on port 9090.
PROMTOOL = Need(
    "promtool",
    on_path,
    {
        "apt-get": "prometheus",
        "dnf": "golang-github-prometheus",
        "pacman": "prometheus",
        "zypper": "golang-github-prometheus-prometheus",
    },
)

# Signs what Windows runs, and verifies it; in the full tests too.
OSSLSIGNCODE = Need(
    "osslsigncode",
    on_path,
    {
        "apt-get": "osslsigncode",
        "dnf": "osslsigncode",
        "pacman": "osslsigncode",
        "zypper": "osslsigncode",
    },
)

# For the tests under Windows' Python, which tests/windows/kit.py fetches itself.
ENTR = Need("entr", on_path, {"apt-get": "entr", "dnf": "entr", "pacman": "entr", "zypper": "entr"})
WINE = Need("wine", on_path, {"apt-get": "wine", "dnf": "wine", "pacman": "wine", "zypper": "wine"})

# Debian and Ubuntu take ensurepip, without which a venv gets no pip, out of Python's standard library.
ENSUREPIP = Need(
    "ensurepip",
    _importable,
    {
        "apt-get": f"python3.{sys.version_info.minor}-venv",
        "dnf": "python3-libs",
        "pacman": "python",
        "zypper": "python3-base",
    },
)


class SystemPackages:
    """Installs what is missing where that is allowed, and otherwise names the exact command.

    Args:
        console: where progress is shown.
        environ: the caller's environment.
        is_root: whether this process may change the system; None: ask the operating system.
    """

    def __init__(self, console: Console, environ: Mapping[str, str], *, is_root: bool | None = None) -> None:
        self._console = console
        self._environ = environ
        self._is_root = getattr(os, "geteuid", lambda: 1)() == 0 if is_root is None else is_root

    def ensure(self, needs: Iterable[Need], purpose: str) -> None:
        """Makes sure that everything is there.

        Args:
            needs: what is asked for.
            purpose: what it is for, as in "the tray needs": the start of the sentence that says what is missing.

        Raises:
            Stop: something is missing and could not be installed; the message has the command for the person.
        """
        missing = [need for need in needs if not need.present(need.name)]
        if not missing:
            return
        names = _listed([need.name for need in missing])
        tool = next((tool for tool in PACKAGE_TOOLS if on_path(tool.name)), None)
        if tool is None:
            advice = "Install it with the system's package tool, then try again."
            raise Stop(f"{purpose} {names}, which this system lacks.\n{advice}", 3)
        packages = sorted({need.packages[tool.name] for need in missing})
        rights = self._rights() if tool.name == "apt-get" else None
        if rights is None:
            raise Stop(f"{purpose} {names}, which this system lacks. Install it with:\n  {_typed(tool, packages)}", 3)
        self._console.say(f"{purpose} {names}, which this system lacks: installing with {tool.name}.")
        self._install(rights, tool, packages)
        still = [need.name for need in missing if not need.present(need.name)]
        if still:
            message = f"{', '.join(still)} is still missing after {_typed(tool, packages)}.\nPlease install it by hand."
            raise Stop(message, 3)

    def _rights(self) -> Sequence[str] | None:
        """Gives what goes before an install command: nothing for root, sudo where it asks no password, else None."""
        if self._is_root:
            return ()
        if not on_path("sudo"):
            return None
        asked = subprocess.run(("sudo", "-n", "true"), stdin=subprocess.DEVNULL, capture_output=True, check=False)
        # sudo drops our environment, so what apt must not ask goes through env.
        return ("sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive") if asked.returncode == 0 else None

    def _install(self, rights: Sequence[str], tool: PackageTool, packages: Sequence[str]) -> None:
        # Another apt (a desktop's updater) may hold the lock for a while.
        patient = ("-q", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0")
        env = {**self._environ, "DEBIAN_FRONTEND": "noninteractive"}
        try:
            self._console.run("Reading the package lists", (*rights, tool.name, "update", *patient), env=env)
        except Stop as failed:
            # Old lists may do, and one broken third-party source is no reason to give up.
            self._console.say(f"{failed}\nGoing on with the lists that are there.")
        command = (*rights, *tool.install, *patient, *packages)
        try:
            self._console.run(f"Installing {_listed(packages)}", command, env=env)
        except Stop as failed:
            message = f"{failed}\nPlease install by hand, then start this again:\n  {_typed(tool, packages)}"
            raise Stop(message, 3) from failed


def _listed(names: Sequence[str]) -> str:
    """Gives a short list for a sentence: the first three names, and how many more."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


def _typed(tool: PackageTool, packages: Sequence[str]) -> str:
    return " ".join(("sudo", *tool.install, *packages))


def has_display(environ: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Says whether a tray can be shown: on Linux and the BSDs only with an X or Wayland display."""
    if platform in {"win32", "darwin"}:
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def qt_needs(environ: Mapping[str, str], platform: str = sys.platform) -> tuple[Need, ...]:
    """Gives the libraries that Qt takes from the system: none but on Linux, where its wheel does not bring them all."""
    if not platform.startswith("linux"):
        return ()
    return (*QT_LIBRARIES, *WAYLAND_LIBRARIES) if environ.get("WAYLAND_DISPLAY") else QT_LIBRARIES
