"""A unit of the person's own systemd, which starts it with the graphical session and supervises it.

The quoting is that of systemd.service(5), "Command lines", and systemd.syntax(7), "Quoting"; specifiers are those of
systemd.unit(5). The link that `systemctl --user enable` would make is made here, so that no user manager needs to run;
one that runs is told to read its units again.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from app.domain.errors import CannotError
from app.engine.limits import ORDERLY_CODES
from app.system.autostart.entries import Entry, Method, Start, start_of
from app.system.autostart.files import changing, read_entry, remove_entry, write_entry
from app.system.autostart.shielding import HOME, shielded, unshielded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from app.engine.limits import Limits
    from app.system.autostart.programs import Ask

UNIT = "watchkeeper.service"
SESSION = "graphical-session.target"
"""What a desktop starts once its display can be used (systemd.special(7)). Not default.target: that is reached before,
and by a login over ssh as well."""

_STOP_MARGIN = 1.5
"""The program ends itself by force after `Limits.stop_s`; only then is it the manager's turn."""
_ESCAPES = {"\\": "\\", '"': '"', "'": "'", "s": " "}


class SystemdUnit:
    """The unit `watchkeeper.service`.

    Args:
        config: The person's configuration folder.
        limits: The times and counts that the unit is written by.
        ask: Runs a program of the system.
        environ: The process's environment: whether there is a display.
        booted: The folder that is there where systemd runs the machine (sd_booted(3)).
    """

    name: ClassVar[Method] = Method.SYSTEMD
    keeps: ClassVar[bool] = True

    def __init__(self, config: Path, limits: Limits, ask: Ask, environ: Mapping[str, str], booted: Path) -> None:
        self._folder = config / "systemd" / "user"
        self._limits = limits
        self._ask = ask
        self._has_display = bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))
        self._booted = booted
        self.path = self._folder / UNIT

    @property
    def link(self) -> Path:
        """What makes the session want the unit."""
        return self._folder / f"{SESSION}.wants" / UNIT

    def read(self) -> Entry | None:
        """Return what there is.

        Raises:
            CannotError: The unit cannot be read.
        """
        if self.path.is_symlink() and str(self.path.readlink()) == "/dev/null":
            hint = (
                f"To use it again: systemctl --user unmask {UNIT}, then watchkeeper autostart enable --method systemd"
            )
            return Entry(self.name, str(self.path), None, is_on=False, trouble="The unit is masked.", hint=hint)
        content = read_entry(self.path)
        if content is None:
            return None
        text = content.decode("utf-8", "replace")
        start = _start(text)
        # Whoever has it wanted by another target has it on as well.
        links = (self.link, *self._folder.glob(f"*.wants/{UNIT}"))
        trouble, hint = ("", "") if start is None else self._trouble()
        # What a person put in besides is no sign of age.
        is_older = start is not None and not set(_settings(unit(start, self._limits))) <= set(_settings(text))
        return Entry(
            self.name,
            str(self.path),
            start,
            is_on=any(each.is_symlink() for each in links),
            trouble=trouble,
            hint=hint,
            is_older=is_older,
        )

    def write(self, start: Start) -> None:
        """Write and enable the unit. What there was is put back when that fails half way.

        Raises:
            CannotError: systemd does not run this machine, or a file cannot be written.
        """
        if not self._booted.is_dir():
            raise CannotError(
                "systemd does not run this machine, so that no unit of it would be started.",
                "Leave out --method, or use: watchkeeper autostart enable --method xdg",
            )
        before = read_entry(self.path)
        write_entry(self.path, unit(start, self._limits).encode())
        try:
            self._enable()
        except CannotError:
            with suppress(CannotError):
                if before is None:
                    remove_entry(self.path)
                else:
                    write_entry(self.path, before)
            raise
        self._reload()

    def move(self, start: Start) -> None:
        """Rewrite the unit; its links stay.

        Raises:
            CannotError: It cannot be written.
        """
        write_entry(self.path, unit(start, self._limits).encode())
        self._reload()

    def remove(self) -> None:
        """Remove the unit and its links. What runs goes on, and is not started again.

        Raises:
            CannotError: Something of it cannot be removed.
        """
        for each in (*self._folder.glob(f"*.wants/{UNIT}"), self.path):
            remove_entry(each)
        self._reload()

    def _enable(self) -> None:
        link = self.link
        with changing(link):
            link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if link.is_symlink() and link.readlink() == self.path:
                return
            link.unlink(missing_ok=True)
            link.symlink_to(self.path)

    def _reload(self) -> None:
        # Without a manager there is nothing to tell: it reads its units when it starts.
        self._ask(("systemctl", "--user", "daemon-reload"))

    def _trouble(self) -> tuple[str, str]:
        if not self._booted.is_dir():
            return "systemd does not run this machine.", "Use: watchkeeper autostart enable --method xdg"
        state = self._ask(("systemctl", "--user", "is-active", SESSION)).out.strip()
        if self._has_display and state in {b"inactive", b"failed", b"unknown"}:
            text = (
                f"This desktop does not tell systemd that it runs: {SESSION} is not active, so nothing starts with it."
            )
            return text, "Use: watchkeeper autostart enable --method xdg"
        return "", ""


def unit(start: Start, limits: Limits) -> str:
    """Return the whole unit."""
    home = [f"Environment={_quoted(f'{HOME}={start.home}')}"] if start.home else []
    lines = [
        "[Unit]",
        "Description=Watchkeeper, which keeps watch over your projects' tests",
        f"PartOf={SESSION}",
        f"After={SESSION}",
        "# Desktops hand these to the user manager before they start the target.",
        "ConditionEnvironment=|DISPLAY",
        "ConditionEnvironment=|WAYLAND_DISPLAY",
        "# The last start of these is the one in safe mode.",
        f"StartLimitIntervalSec={_seconds(limits.crash_window_s)}",
        f"StartLimitBurst={limits.crashes_allowed + 1}",
        "",
        "[Service]",
        "Type=notify",
        f"ExecStart={exec_start(shielded(start.words(keeps=SystemdUnit.keeps), {}))}",
        *home,
        "Restart=on-failure",
        f"RestartSec={_seconds(limits.keeper_first_s)}",
        "# 0 too: one that ends well before it was ready would count as failed.",
        f"RestartPreventExitStatus={' '.join(map(str, ORDERLY_CODES))}",
        f"WatchdogSec={_seconds(limits.watchdog_s)}",
        f"TimeoutStartSec={_seconds(limits.watchdog_s)}",
        f"TimeoutStopSec={_seconds(limits.stop_s * _STOP_MARGIN)}",
        "# The program ends the tests that it runs by itself; what is left after that is killed.",
        "KillMode=mixed",
        "# A test that uses up the memory is no reason to end what watches it.",
        "OOMPolicy=continue",
        "",
        "[Install]",
        f"WantedBy={SESSION}",
    ]
    return "\n".join(lines) + "\n"


def exec_start(words: Sequence[str]) -> str:
    """Return a command line as the value of ExecStart."""
    # Variables are not expanded in the program's own name, so that "$" must not be doubled there.
    return " ".join((_quoted(words[0]), *(_quoted(word.replace("$", "$$")) for word in words[1:])))


def exec_start_words(value: str) -> tuple[str, ...] | None:
    """Return the command line that the value of ExecStart stands for; None when it is not in the form written here."""
    words = _words(value)
    if not words or any("$" in word.replace("$$", "") for word in words[1:]):
        return None
    return (words[0], *(word.replace("$$", "$") for word in words[1:]))


def _seconds(seconds: float) -> str:
    return f"{seconds:g}s"


def _quoted(word: str) -> str:
    word = word.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{word}"'


def _words(value: str) -> tuple[str, ...] | None:
    words: list[str] = []
    at = 0
    pattern = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"\'\\]+))(?=\s|\Z)')
    while value[at:].strip():
        found = pattern.match(value, at)
        if found is None:
            return None
        word = found[2] or re.sub(r"\\(.)", lambda each: _ESCAPES.get(each[1], each[0]), found[1] or "")
        if "%" in word.replace("%%", ""):
            return None
        words.append(word.replace("%%", "%"))
        at = found.end()
    return tuple(words)


def _start(text: str) -> Start | None:
    found = dict.fromkeys(("ExecStart", "Environment"), "")
    for section, key, value in _settings(text):
        if section == "[Service]" and key in found:
            if found[key]:
                return None  # several of them: a person's work
            found[key] = value
    words = exec_start_words(found["ExecStart"])
    if words is None:
        return None
    home = ""
    if found["Environment"]:
        variables = _words(found["Environment"])
        if variables is None or len(variables) != 1 or not variables[0].startswith(f"{HOME}="):
            return None
        home = variables[0].partition("=")[2]
    return start_of(unshielded(words)[1], home)


def _settings(text: str) -> Iterator[tuple[str, str, str]]:
    section = ""
    for line in text.split("\n"):  # no other character ends a line, nor does U+2028
        if line.startswith("["):
            section = line.strip()
        elif section and "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            yield section, key.strip(), value.strip()
