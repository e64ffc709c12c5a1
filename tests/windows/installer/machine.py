"""A Windows that was just set up, as its person and as a look from outside see it: files, registry, processes."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from box import NUMBER, PERSON, PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from box import Box

T = TypeVar("T")

RUN_S = 240.0
"""What takes a second on Windows may take many under Wine, on a machine that does other things as well."""
WAIT_S = 90.0
LONG_S = 600.0
"""For what unpacks and compiles a whole Python."""
LOOK_EVERY_S = 0.2

APP_MODEL = "{9F4C2855-9F79-4B39-A8D0-E1D42DE1D5F3}"
"""System.AppUserModel.*, of which number 5 is the ID (propkey.h)."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended: its exit code (the lowest eight bits of it), stdout and stderr."""

    code: int
    out: str
    err: str

    def document(self) -> Any:
        """Return the JSON document that it printed."""
        return json.loads(self.out)


class Machine:
    """One Windows.

    Args:
        box: What it runs in.
        drive: Its drive C.
    """

    def __init__(self, box: Box, drive: Path) -> None:
        self._box = box
        self.drive = drive
        self.home = drive / "users" / PERSON
        self.local = self.home / "AppData" / "Local"
        self.menu = self.home / "AppData" / "Roaming" / "Microsoft" / "Windows" / "Start Menu" / "Programs"
        self._numbers = itertools.count()
        self._environ: dict[str, str] = {}

    def name(self, path: Path) -> str:
        """Return what a file on drive C is called there."""
        return "C:\\" + str(path.relative_to(self.drive)).replace("/", "\\")

    def path(self, name: str) -> Path:
        """Return a file on drive C by what it is called there."""
        return self.drive / name.removeprefix("C:\\").replace("\\", "/")

    def run(
        self, *argv: str, folder: Path | None = None, given: str = "", seconds: float = RUN_S, **environ: str
    ) -> Ran:
        """Run a program of Windows to its end.

        Args:
            argv: It, by its name on Windows, and its arguments.
            folder: Where it is run.
            given: What it reads from stdin.
            seconds: How long it may take.
            environ: What is added to its environment.
        """
        command = self._box.command(("env", "-C", self._inside(folder), "wine", *argv), {**self._environ, **environ})
        done = subprocess.run(command, input=given.encode(), capture_output=True, check=False, timeout=seconds)
        out, err = (each.decode("utf-8", "replace").replace("\r\n", "\n") for each in (done.stdout, done.stderr))
        return Ran(done.returncode, out, err)

    def speak(self, language: str) -> None:
        """Have Windows speak another language, such as `ru_RU`, from its next start on: that is now."""
        self.set(LC_ALL=f"{language}.UTF-8")
        self._box.end_all()

    def set(self, **environ: str) -> None:
        """Add to the environment of all programs that are started from now on."""
        self._environ |= environ

    def end_of(self, *argv: str, seconds: float = RUN_S) -> int:
        """Run a program to its end without listening to it, and return its exit code.

        For what leaves others running: under Wine they would hold the pipes by which one listens.
        """
        command = self._box.command(("env", "-C", self._inside(None), "wine", *argv), self._environ)
        nowhere = subprocess.DEVNULL
        done = subprocess.run(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, check=False, timeout=seconds)
        return done.returncode

    def open(self, target: Path, *words: str) -> None:
        """Open a program or a shortcut as a double click does, and wait for nothing."""
        self.end_of("start", self.name(target), *words)

    def bring(self, file: Path) -> Path:
        """Put a file into the person's downloads, and return where."""
        folder = self.home / "Downloads"
        folder.mkdir(exist_ok=True)
        there = folder / file.name
        if not there.exists():
            shutil.copyfile(file, there)
            self.own(folder)
        return there

    def own(self, folder: Path) -> None:
        """Give a folder and all in it to the person."""
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NUMBER, NUMBER, follow_symlinks=False)

    def begin(self, *argv: str, folder: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a program, and leave it running; its streams are pipes, as a terminal's programs have."""
        pipe = subprocess.PIPE
        command = self._box.command(("env", "-C", self._inside(folder), "wine", *argv), self._environ)
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)

    def registry(self, key: str) -> dict[str, dict[str, str]]:
        """Return all below a key of the registry: the values of each key, by name, as regedit writes them."""
        file = self.drive / f"exported-{next(self._numbers)}.reg"
        ran = self.run("reg", "export", key, self.name(file), "/y")
        if ran.code or not file.exists():
            return {}
        text = file.read_text("utf-16")
        file.unlink()
        return read_registry(text)

    def value(self, key: str, name: str) -> str | None:
        """Return a text in the registry; None when there is none."""
        found = {path.lower(): values for path, values in self.registry(key).items()}
        full = key.replace("HKCU", "HKEY_CURRENT_USER").replace("HKLM", "HKEY_LOCAL_MACHINE").lower()
        return found.get(full, {}).get(name)

    def programs(self) -> list[str]:
        """Return the command lines of all programs of Windows that run, but for Wine's own."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with contextlib.suppress(OSError):
                    words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                    if ".exe" in words[0].lower() and not words[0].lower().startswith("c:\\windows\\"):
                        found.append(" ".join(words).strip())
        return sorted(found)

    def files(self) -> dict[str, tuple[int, int]]:
        """Return all files and folders on drive C, each with its size and time of change; folders with zeros."""
        found = {}
        for path in sorted(self.drive.rglob("*")):
            is_file = path.is_file() and not path.is_symlink()
            stat = path.lstat()
            found[path.relative_to(self.drive).as_posix()] = (stat.st_size, stat.st_mtime_ns) if is_file else (0, 0)
        return found

    def _inside(self, folder: Path | None) -> str:
        relative = (folder or self.home).relative_to(self.drive)
        return f"{PREFIX}/drive_c/{relative}"


def until(look: Callable[[], T | None], what: str, seconds: float = WAIT_S) -> T:
    """Look again and again until there is something, and return it.

    Raises:
        AssertionError: It did not come in time; the text names `what`.
    """
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s, last seen: {seen!r}")
        time.sleep(LOOK_EVERY_S)


_TEXT = re.compile(r'^(?:@|"((?:[^"\\]|\\.)*)")=(.*)$')


def read_registry(text: str) -> dict[str, dict[str, str]]:
    """Read what regedit exports, version 5.00: texts as they are, other values as they are written.

    Args:
        text: The file.
    """
    keys: dict[str, dict[str, str]] = {}
    values: dict[str, str] = {}
    for line in text.replace("\\\n", "").splitlines():
        if line.startswith("["):
            values = keys.setdefault(line.strip("[]"), {})
        elif found := _TEXT.match(line):
            name, value = found[1] or "", found[2]
            values[_plain(name)] = _value(value)
    return keys


def _value(written: str) -> str:
    """Return a text as it is, one with %NAME% in it too, which is written in hexadecimal; all else as it is written."""
    if written.startswith("hex(2):"):
        digits = written.removeprefix("hex(2):").replace(" ", "").replace(",", "")
        return bytes.fromhex(digits).decode("utf-16-le").rstrip("\0")
    is_text = written.startswith('"') and written.endswith('"')
    return _plain(written[1:-1]) if is_text else written


def _plain(text: str) -> str:
    return text.replace('\\"', '"').replace("\\\\", "\\")


def app_ids(shortcut: Path) -> list[str]:
    """Return the AppUserModelIDs that a shortcut has: texts of its property store.

    From "[MS-SHLLINK]" and "[MS-PROPSTORE]": a storage is its size, `1SPS`, a format's id, then values, each its size,
    its number, a zero, a type (0x1F: text), the text's length in characters with the zero at its end, and the text.
    """
    content = shortcut.read_bytes()
    name = _guid(APP_MODEL)
    found = []
    for start in (match.end() for match in re.finditer(re.escape(b"1SPS" + name), content)):
        for number, value in _values(content[start:]):
            if number == 5:
                found.append(value)
    return found


def _values(content: bytes) -> Iterator[tuple[int, str]]:
    place = 0
    while (size := struct.unpack_from("<I", content, place)[0]) > 0:
        number, kind = struct.unpack_from("<IxH", content, place + 4)
        if kind == 0x1F:
            (length,) = struct.unpack_from("<I", content, place + 13)
            yield number, content[place + 17 : place + 17 + 2 * length].decode("utf-16-le").rstrip("\0")
        place += size


def _guid(text: str) -> bytes:
    parts = text.strip("{}").split("-")
    head = struct.pack("<IHH", *(int(part, 16) for part in parts[:3]))
    return head + bytes.fromhex("".join(parts[3:]))


def new_in(after: Mapping[str, object], before: Mapping[str, object]) -> list[str]:
    """Return the keys that came, in order."""
    return sorted(set(after) - set(before))
