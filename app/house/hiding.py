"""Hides how private files and tests are called: each gets a short name that stays the same throughout, `file-1.py`."""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ELSEWHERE = "[elsewhere]"
"""Where a file lies that is neither the person's, nor a project's, nor Watchkeeper's, nor Python's."""

_SYSTEM = ("/dev", "/proc", "/sys", "/bin", "/usr/bin", "/sbin", "/usr/sbin", "C:\\Windows")
"""Folders that tell of nobody: devices, processes, and commands of the system."""
_SLASH = r"[/\\]{1,4}"
_PART = r"[^\s\"'<>|:,;()*?/\\]+"
_TEST = r"(?:::(?P<test>\w+(?:::\w+)*(?:\[[^\n]*\])?))?"
_PLACE = r"(?P<place>:\d+ in |\", line \d+, in )?"
_CODE = r"(?P<code>(?(place)[\w.<>]+))"
_CAUSE = re.compile(r"(?P<file>.+?)(?P<more> and \d+ more)?")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}\Z")
_WHOLE = re.compile(r"(?:[A-Za-z]:)?[/\\][^\n:\"']*")


class Hiding:
    """It.

    Args:
        projects: Root folders of the watched projects, with what each is called instead.
        known: Folders below which names are kept: of the person, of Watchkeeper, of Python.
    """

    def __init__(self, projects: Mapping[str, str], known: Iterable[str] = ()) -> None:
        self._names: dict[str, str] = {}
        roots = {**dict.fromkeys((*known, *own_folders()), ""), **projects}
        # The longest first: a project lies in a home, and Python's packages may lie in a project.
        self._roots = sorted(
            ((_parts(root), instead) for root, instead in roots.items() if _parts(root)),
            key=lambda each: -len(each[0]),
        )
        heads = sorted((_pattern(root) for root in roots if _parts(root)), key=len, reverse=True)
        absolute = rf"(?<![\w/\\:.~\-\]])(?:{'|'.join([*heads, '[A-Za-z]:', ''])})(?:{_SLASH}{_PART})+"
        relative = rf"(?<![\w/\\:.~\-\]])(?:[\w.\-]+{_SLASH})+[\w.\-]+\.[A-Za-z]{{1,5}}\b"
        source = r"(?<![\w/\\:.~\-\]])[\w.\-]+\.(?:pyi?|pyx|ipynb)\b"
        self._found = re.compile(
            rf"(?P<quote>[\"'])(?P<quoted>(?:[A-Za-z]:)?[/\\][^\n\"':]*)(?=(?P=quote))(?P<line>\", line \d+, in )?"
            rf"(?P<name>(?(line)[\w.<>]+))"
            rf"|(?:~(?:{_SLASH}{_PART})+)"
            rf"|(?P<absolute>{absolute}){_TEST}{_PLACE}{_CODE}"
            rf"|(?P<relative>{relative}|{source}){_TEST.replace('test', 'case')}"
            rf"(?P<at>:\d+ in )?(?P<within>(?(at)[\w.<>]+))"
            r"|(?<![\w.\-])(?P<bare>test_\w+)(?:\[[^\n]*\])?"
        )

    def text(self, text: str) -> str:
        """Return a text without names of private files and tests."""
        return self._found.sub(self._instead, text)

    def path(self, text: str) -> str:
        """Return what stands where a path does, and may hold blanks, without names of private files."""
        return self._path(text) if _WHOLE.fullmatch(text) else self.text(text)

    def cause(self, text: str) -> str:
        """Return why tests were run, `a.py and 2 more`, without the file's name."""
        found = _CAUSE.fullmatch(text)
        return self._short(found["file"]) + (found["more"] or "") if found else text

    def _instead(self, found: re.Match[str]) -> str:
        if found["bare"]:
            return self._short(found["bare"], kind="test")
        if found["quoted"]:
            path, place, code, test = found["quoted"], found["line"], found["name"], ""
            shown = self._path(path)
            return found["quote"] + shown + _placed(place, code, is_hidden=shown != path)
        if found["absolute"]:
            path, place, code, test = (found[each] for each in ("absolute", "place", "code", "test"))
            path, dots = _without_dots(path, place or test)
            shown = self._path(path) + dots
        elif found["relative"]:
            path, place, code, test = (found[each] for each in ("relative", "at", "within", "case"))
            shown = path if _is_own(path) else self._short(path)
        else:
            return found[0]
        tail = f"::{self._short(test, kind='test')}" if test else ""
        return shown + tail + _placed(place, code, is_hidden=shown != path)

    def _path(self, path: str) -> str:
        """Return an absolute path as it is, or what is told instead: of the longest known folder it lies in."""
        parts = _parts(path)
        for root, instead in self._roots:
            if parts[: len(root)] == root:
                rest = "/".join(parts[len(root) :])
                return path if not instead or not rest else f"{instead}/{self._short(rest)}"
        return f"{ELSEWHERE}/{self._short('/'.join(parts))}" if parts else path

    def _short(self, name: str, *, kind: str = "file") -> str:
        key = re.sub(_SLASH, "/", name)
        if key not in self._names:
            suffix = _SUFFIX.search(key) if kind == "file" else None
            count = sum(each.startswith(kind) for each in self._names.values())
            self._names[key] = f"{kind}-{count + 1}{suffix[0] if suffix else ''}"
        return self._names[key]


def own_folders() -> tuple[str, ...]:
    """Return the folders and files of Watchkeeper's code, of Python, and of the system, whose names tell of nobody."""
    from app import __file__ as package

    python = [sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")]
    return (str(Path(package).parent), *python, sys.executable, *_SYSTEM)


def _placed(place: str | None, code: str | None, *, is_hidden: bool) -> str:
    return f"{place or ''}{'[name]' if is_hidden and place else code or ''}"


def _without_dots(path: str, more: str | None) -> tuple[str, str]:
    """Part a path from the full stop, or the bracket, that ends the sentence behind it."""
    bare = path if more else path.rstrip(".]")
    return bare, path[len(bare) :]


def _is_own(path: str) -> bool:
    from app import __file__ as package

    parts = _parts(path)
    return len(parts) > 1 and parts[0] == "app" and Path(package).parent.joinpath(*parts[1:]).is_file()


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[/\\]+", path) if part)


def _pattern(folder: str) -> str:
    """Return a pattern of a folder with either kind of slash, doubled or not, as texts quote it."""
    head = "" if not folder.startswith(("/", "\\")) else _SLASH
    return head + _SLASH.join(map(re.escape, _parts(folder)))
