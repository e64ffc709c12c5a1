"""A real desktop session without a screen: X server, window manager, session bus, tray and notification service.

Run `python tests/desktop/session.py COMMAND...` to have a command run in one, for example

    python tests/desktop/session.py .venv/bin/python -m pytest tests/desktop -m desktop

With `--desks 2` before the command there are two of them, so that two workers of pytest-xdist have one each.

The exit code is the command's, or 3 when a program is missing. What was started is ended by its own process id, in
reverse order. Tests also build sessions that lack a part, to see what happens without a tray or a bus.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType, TracebackType

ENV_MARK = "WATCHKEEPER_DESKTOP"
ENV_FOLDER = "WATCHKEEPER_DESKTOP_FOLDER"
ENV_DESKS = "WATCHKEEPER_DESKTOP_DESKS"
"""The environments of all desks, as JSON."""

SIZE = "1280x800x24"
READY_S = 20.0
END_S = 5.0

PROGRAMS = {
    "Xvfb": "xvfb",
    "openbox": "openbox",
    "xprop": "x11-utils",
    "xdotool": "xdotool",
    "import": "imagemagick",
    "dbus-daemon": "dbus",
    "dbus-send": "dbus",
    "trayer": "trayer",
    "dunst": "dunst",
    "dunstctl": "dunst",
    "gnome-keyring-daemon": "gnome-keyring",
}
"""What a session needs, and the Debian package that has it."""

# No service folders: the bus starts nothing by itself, so a session without a notification service has none.
BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><keep_umask/><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>
"""

# Timeouts off: a notification stays until it is closed, so that a screenshot and a test find it.
DUNST_CONFIG = """[global]
    width = (280, 420)
    height = 260
    origin = top-right
    offset = 24x24
    notification_limit = 0
    stack_duplicates = false
    history_length = 1000
    idle_threshold = 0
    font = DejaVu Sans 10
    markup = full
    format = "<b>%s</b>\\n%b"
    alignment = left
    word_wrap = true
    ignore_newline = false
    show_indicators = false
    max_icon_size = 48
    icon_position = left
    frame_width = 1
    dmenu = {chooser}
    mouse_left_click = do_action, close_current
[urgency_low]
    timeout = 0
[urgency_normal]
    timeout = 0
[urgency_critical]
    timeout = 0
"""

# dunst offers a notification's buttons through a dmenu program; this one picks the line that was asked for.
CHOOSER = """#!/bin/sh
exec grep -m 1 -F -f "{folder}/choice"
"""


class SessionError(Exception):
    """The session cannot be had; the text says why and what to do."""


@dataclass
class Session:
    """One desktop session; a context manager.

    Args:
        bus: Start a session bus.
        notifications: Start dunst; needs the bus.
        tray: Start trayer, a tray of the XEmbed kind.
    """

    bus: bool = True
    notifications: bool = True
    tray: bool = True
    environ: dict[str, str] = field(default_factory=dict)
    folder: Path = Path()
    _started: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)
    _log: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Start all parts, and wait for each until it answers.

        Raises:
            SessionError: A program is missing or does not start.
        """
        require_programs()
        self.folder = Path(tempfile.mkdtemp(prefix="watchkeeper-desktop-"))
        try:
            self._start_all()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all parts."""
        self.end()

    def _start_all(self) -> None:
        self._log = (self.folder / "session.log").open("wb")
        self.environ = base_environment(self.folder)
        self.environ["DISPLAY"] = self._start_display()
        self._start("openbox", "--sm-disable")
        self._wait("openbox", lambda: b"window id" in self._ask("xprop", "-root", "_NET_SUPPORTING_WM_CHECK"))
        if self.bus:
            self._start_bus()
        if self.notifications and self.bus:
            self.start_notifications()
        if self.tray:
            self.start_tray()

    def _start_display(self) -> str:
        reading, writing = os.pipe()
        try:
            argv = ["Xvfb", "-displayfd", str(writing), "-screen", "0", SIZE, "-nolisten", "tcp", "-noreset"]
            self._start(*argv, pass_fds=(writing,))
        finally:
            os.close(writing)
        with open(reading, "rb") as answer:  # noqa: PTH123 - a descriptor, not a path; ends when Xvfb ends too
            number = answer.readline().strip().decode()
        if not number:
            raise SessionError(f"Xvfb did not start.\n{self.log()}")
        return f":{number}"

    def _start_bus(self) -> None:
        config = self.folder / "bus.conf"
        config.write_text(BUS_CONFIG.format(folder=self.folder))
        self._start("dbus-daemon", f"--config-file={config}", "--nofork")
        self.environ["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={self.folder}/bus"
        self._wait("dbus-daemon", (self.folder / "bus").exists)

    def start_notifications(self) -> None:
        """Start dunst, and wait until it has its name on the bus."""
        chooser, config = self.folder / "chooser", self.folder / "dunstrc"
        chooser.write_text(CHOOSER.format(folder=self.folder))
        chooser.chmod(0o700)
        config.write_text(DUNST_CONFIG.format(chooser=chooser))
        self._start("dunst", "-config", str(config))
        self._wait("dunst", lambda: self._is_owned("org.freedesktop.Notifications"))

    def start_tray(self) -> None:
        """Start trayer at the bottom right, and wait until its window is there."""
        place = ["--edge", "bottom", "--align", "right", "--widthtype", "pixel", "--width", "160"]
        look = [
            "--heighttype",
            "pixel",
            "--height",
            "32",
            "--tint",
            "0xf0f0f0",
            "--transparent",
            "true",
            "--alpha",
            "0",
        ]
        self._start("trayer", *place, *look, "--SetDockType", "true", "--expand", "false")
        self._wait("trayer", lambda: has_tray(self.environ["DISPLAY"]))

    def end_part(self, name: str) -> None:
        """End one part: `dunst` or `trayer`, say; `start_notifications` and `start_tray` start them again."""
        for number, (started, process) in enumerate(self._started):
            if started == name:
                del self._started[number]
                _end(process)
                return

    def log(self) -> str:
        """Return what the programs of the session printed."""
        with contextlib.suppress(OSError):
            return (self.folder / "session.log").read_text(errors="replace")
        return ""

    def end(self) -> None:
        """End what was started, in reverse order, each by its own process id."""
        while self._started:
            _, process = self._started.pop()
            _end(process)
        if self._log is not None:
            self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, *argv: str, pass_fds: Sequence[int] = ()) -> None:
        # A session of its own, so that Ctrl+C reaches the command first and these end in order behind it.
        process = subprocess.Popen(
            argv,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=pass_fds,
            start_new_session=True,
        )
        self._started.append((argv[0], process))

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        process = dict(self._started)[name]
        deadline = time.monotonic() + READY_S
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SessionError(f"{name} did not come up.\n{self.log()}")
            time.sleep(0.02)

    def _ask(self, *argv: str) -> bytes:
        return subprocess.run(argv, env=self.environ, capture_output=True, check=False).stdout

    def _is_owned(self, name: str) -> bool:
        daemon = ["--dest=org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner"]
        return b"true" in self._ask("dbus-send", "--session", "--print-reply", *daemon, f"string:{name}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def base_environment(folder: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment whose desktop is this session's and no other's."""
    foreign = ("DBUS_", "DESKTOP_", "GNOME_", "KDE_", "QT_", "WAYLAND_", "XDG_")
    kept = {name: value for name, value in environ.items() if not name.startswith(foreign) and name != "DISPLAY"}
    runtime, home = folder / "runtime", folder / "home"
    runtime.mkdir(mode=0o700)
    home.mkdir()
    own = {"HOME": home, "XDG_RUNTIME_DIR": runtime, ENV_FOLDER: folder, ENV_MARK: "1", "LC_ALL": "C.UTF-8"}
    # With no address at all libdbus would start a bus of its own beside the display, where dbus-launch is installed.
    qt_and_bus = {"QT_QPA_PLATFORM": "xcb", "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
    return kept | {name: str(value) for name, value in own.items()} | qt_and_bus


def has_tray(display: str) -> bool:
    """Return True when a tray of the XEmbed kind owns the selection that the System Tray Protocol names."""
    library = ctypes.CDLL("libX11.so.6")
    library.XOpenDisplay.restype = ctypes.c_void_p
    library.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    library.XInternAtom.restype = ctypes.c_ulong
    library.XGetSelectionOwner.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
    library.XGetSelectionOwner.restype = ctypes.c_ulong
    library.XCloseDisplay.argtypes = [ctypes.c_void_p]
    connection = library.XOpenDisplay(display.encode())
    if not connection:
        return False
    try:
        return bool(library.XGetSelectionOwner(connection, library.XInternAtom(connection, b"_NET_SYSTEM_TRAY_S0", 0)))
    finally:
        library.XCloseDisplay(connection)


def require_programs() -> None:
    """Raise SessionError, with the command that installs them, when programs are missing."""
    missing = {name: package for name, package in PROGRAMS.items() if shutil.which(name) is None}
    if missing:
        install = "apt-get install " + " ".join(sorted(set(missing.values())))
        raise SessionError(f"The desktop tests need {', '.join(missing)}. On Debian and Ubuntu: {install}")


def desk_of(worker: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the desk of one of xdist's workers, which are called gw0, gw1 and so on; none has none.

    The first one's, too: what starts the workers is no test and may have changed its own.
    """
    if not worker:
        return {}
    desks: list[dict[str, str]] = json.loads(environ[ENV_DESKS])
    return desks[int(worker.removeprefix("gw"))]


def main(argv: Sequence[str]) -> int:
    """Run a command in a session of all parts, and return its exit code."""
    desks = 1
    if argv[:1] == ["--desks"] and len(argv) > 1 and argv[1].isdecimal():
        desks, argv = int(argv[1]), argv[2:]
    if not argv or not desks:
        sys.stderr.write("usage: session.py [--desks NUMBER] COMMAND [ARGUMENT...]\n")
        return 2

    def leave(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        with contextlib.ExitStack() as stack:
            environs = [stack.enter_context(Session()).environ for _ in range(desks)]
            environ = environs[0] | {ENV_DESKS: json.dumps(environs)}
            command = stack.enter_context(subprocess.Popen(list(argv), env=environ))
            try:
                return command.wait()
            except BaseException:
                command.terminate()
                raise
    except SessionError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    except FileNotFoundError as error:
        sys.stderr.write(f"Cannot run {argv[0]}: {error.strerror}\n")
        return 127
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
