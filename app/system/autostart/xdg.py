"""An entry in the desktop's autostart folder, which each desktop of the freedesktop family carries out at login.

From the Desktop Application Autostart Specification 0.5 and the Desktop Entry Specification 1.5: the chapter "The Exec
key" has the quoting, "Basic value types" the escapes that come on top of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from app.domain.errors import CannotError
from app.system.autostart.entries import Entry, Method, Start, start_of
from app.system.autostart.files import read_entry, remove_entry, write_entry
from app.system.autostart.shielding import HOME, shielded, unshielded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAME = "watchkeeper.desktop"
GROUP = "[Desktop Entry]"

_RESERVED = frozenset(" \"'\\><~|&;$*?#()`")
"""An argument with one of these is put between double quotes."""
_IN_QUOTES = re.compile(r'(["`$\\])')
_VALUE_ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
_STARTS = frozenset({"Type", "Exec", "TryExec", "Terminal", "StartupNotify"})
"""What makes a start of an entry. All other lines are for people and desktops to change."""
_LINE = re.compile(r"(?P<key>[A-Za-z0-9-]+)[ \t]*=[ \t]*(?P<value>.*)")


class XdgAutostart:
    """The entry `watchkeeper.desktop`.

    Args:
        config: The person's configuration folder: XDG_CONFIG_HOME, or ~/.config.
    """

    name: ClassVar[Method] = Method.XDG
    keeps: ClassVar[bool] = False

    def __init__(self, config: Path) -> None:
        self.path = config / "autostart" / NAME

    def read(self) -> Entry | None:
        """Return what there is.

        Raises:
            CannotError: The file cannot be read.
        """
        content = read_entry(self.path)
        if content is None:
            return None
        keys = _keys(content.decode("utf-8", "replace"))
        words = exec_words(keys.get("Exec", ""))
        home, program = unshielded(words or ())
        off = keys.get("Hidden", "").strip() == "true" or keys.get("X-GNOME-Autostart-enabled", "").strip() == "false"
        start = start_of(program, home)
        is_older = start is not None and any(keys.get(key) != value for key, value in _starting(start).items())
        return Entry(self.name, str(self.path), start, is_on=not off, is_older=is_older)

    def write(self, start: Start) -> None:
        """Write the entry anew.

        Raises:
            CannotError: The file cannot be written.
        """
        write_entry(self.path, desktop_entry(start).encode())

    def move(self, start: Start) -> None:
        """Replace what is started, and leave every other line as it is.

        Raises:
            CannotError: The file is gone, or cannot be written.
        """
        content = read_entry(self.path)
        if content is None:
            raise CannotError(f"{self.path} is gone.", "Write it anew with: watchkeeper autostart enable")
        lines = content.decode("utf-8", "surrogateescape").split("\n")
        ours, inside, there, group = _starting(start), False, set(), 0
        for number, line in enumerate(lines):
            if line.startswith("["):
                inside = line.strip() == GROUP
                group = number if inside else group
            found = _LINE.match(line)
            if inside and found and found["key"] in ours:
                lines[number] = f"{found['key']}={ours[found['key']]}"
                there.add(found["key"])
        # An older entry may not have had them all.
        lines[group + 1 : group + 1] = [f"{key}={value}" for key, value in ours.items() if key not in there]
        write_entry(self.path, "\n".join(lines).encode("utf-8", "surrogateescape"))

    def remove(self) -> None:
        """Remove the entry.

        Raises:
            CannotError: It cannot be removed.
        """
        remove_entry(self.path)


def desktop_entry(start: Start) -> str:
    """Return the whole entry. TryExec has desktops pass over it, without a word, once the program is uninstalled."""
    lines = [
        GROUP,
        *(f"{key}={value}" for key, value in _content(start).items()),
    ]
    return "\n".join(lines) + "\n"


def _content(start: Start) -> dict[str, str]:
    words = shielded(start.words(keeps=XdgAutostart.keeps), {HOME: start.home} if start.home else {})
    return {
        "Type": "Application",
        "Version": "1.0",
        "Name": "Watchkeeper",
        "Comment": "Keeps watch over your projects' tests",
        "Exec": exec_value(words),
        "TryExec": _escaped(start.program[0]),
        "Terminal": "false",
        "StartupNotify": "false",
        "X-GNOME-Autostart-enabled": "true",
    }


def _starting(start: Start) -> dict[str, str]:
    return {key: value for key, value in _content(start).items() if key in _STARTS}


def exec_value(words: Sequence[str]) -> str:
    """Return a command line as the value of an Exec key."""
    return _escaped(" ".join(_quoted(word) for word in words))


def exec_words(value: str) -> tuple[str, ...] | None:
    """Return the command line that an Exec key's value stands for; None when it is not well formed.

    Field codes, which stand for files that the entry is opened with, count as not well formed: at login there are none.
    """
    text = _unescaped(value)
    words: list[str] = []
    at = 0
    while at < len(text):
        if text[at] == " ":
            at += 1
            continue
        found = re.compile(r'"((?:[^"\\`$]|\\["`$\\])*)"|([^ "]+)').match(text, at)
        if found is None or text[found.end() : found.end() + 1] not in {"", " "}:
            return None
        word = re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]
        if "%" in word.replace("%%", ""):
            return None
        words.append(word.replace("%%", "%"))
        at = found.end()
    return tuple(words)


def _quoted(word: str) -> str:
    word = word.replace("%", "%%")
    if word and not _RESERVED & set(word) and not any(character.isspace() for character in word):
        return word
    return '"' + _IN_QUOTES.sub(r"\\\1", word) + '"'


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\")
    return "\\s" + text[1:] if text.startswith(" ") else text


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: _VALUE_ESCAPES.get(found[1], found[0]), value)


def _keys(text: str) -> dict[str, str]:
    """Return the keys of the one group that counts."""
    keys: dict[str, str] = {}
    inside = False
    for ended in text.split("\n"):  # no other character ends a line, nor does U+2028
        line = ended.removesuffix("\r")
        if line.startswith("["):
            inside = line.strip() == GROUP
        elif inside and (found := _LINE.fullmatch(line)):
            keys.setdefault(found["key"], found["value"])
    return keys
