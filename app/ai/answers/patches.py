"""A patch as a model writes it: which files it touches, and which lines it puts in the place of which.

After git-apply(1) and the GNU unified format; the counts in a hunk's mark are not read, because models cannot count.
What does more than to change lines is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MOST_FILES = 20
NOWHERE = "/dev/null"

_FENCE = re.compile(r"```|~~~")
_HUNK = re.compile(r"@@+(?: -(?P<old>\d{1,9})(?:,\d{1,9})? \+\d{1,9}(?:,\d{1,9})? @@)?(?P<rest>.*)")
_MODE = re.compile(r"(?P<of>new file mode|deleted file mode|index [0-9a-f.]+) (?P<mode>\d{6})\s*")
_NEW_MODES = frozenset({"100644", "100664"})
_OLD_MODES = _NEW_MODES | {"100755"}
_REFUSED = {
    "old mode": "it changes a file's mode",
    "new mode": "it changes a file's mode",
    "rename from": "it renames files",
    "rename to": "it renames files",
    "copy from": "it copies files",
    "copy to": "it copies files",
    "GIT binary patch": "it changes binary files",
    "Binary files": "it changes binary files",
    "Subproject commit": "it changes a submodule",
}
_NOT_UNDERSTOOD = "it is no unified diff"
_WIDEST_GAP = 80
_TAB = 8
_GAP = re.compile(r"\s{20,}")
"""A run of blanks that an eye may take for a line's end."""
_BRAILLE_BLANK = "\u2800"


class NoPatch(Exception):
    """A patch cannot be used; its text says why, as the end of a sentence with its subject `it`."""


@dataclass(slots=True)
class Hunk:
    """A run of lines, each with its sign in front.

    Attributes:
        start: The line of the old file at which it begins, as the patch says; 0 when it does not say.
        lines: Without their newlines. An empty one stands for a space.
    """

    start: int
    lines: list[str] = field(default_factory=list)


@dataclass(slots=True)
class FilePatch:
    """What a patch does to one file.

    Attributes:
        path: Relative to the root, with forward slashes, as the patch names it.
        is_new: True when it makes the file.
        is_deleted: True when it deletes it.
        hunks: In order, one at least.
    """

    path: str
    is_new: bool = False
    is_deleted: bool = False
    hunks: list[Hunk] = field(default_factory=list)


def read_patch(text: str) -> list[FilePatch]:
    """Return what a patch does, file by file.

    Raises:
        NoPatch: It is no unified diff, or does more than to change lines.
    """
    files: list[FilePatch] = []
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if not _FENCE.match(line)]
    while lines and not lines[-1].strip():
        lines.pop()
    number = 0
    while number < len(lines):
        line = lines[number]
        _refuse_more_than_lines(line)
        if _is_header(lines, number):
            files.append(_file(line, lines[number + 1]))
            number += 2
        elif line.startswith("@@"):
            if not files:
                raise NoPatch(_NOT_UNDERSTOOD)
            number = _read_hunk(lines, number, files[-1])
        elif line.startswith(("+", "-")) and line.strip("+- "):
            raise NoPatch(_NOT_UNDERSTOOD)  # a part of a hunk that was not recognised: no half patches
        else:
            number += 1
    if not files or not all(each.hunks for each in files):
        raise NoPatch(_NOT_UNDERSTOOD)
    if len(files) > MOST_FILES:
        raise NoPatch(f"it changes more than {MOST_FILES} files")
    return files


def _refuse_more_than_lines(line: str) -> None:
    for beginning, why in _REFUSED.items():
        if line.startswith(beginning):
            raise NoPatch(why)
    mode = _MODE.fullmatch(line)
    if mode is not None and mode["mode"] not in (_NEW_MODES if mode["of"].startswith("new") else _OLD_MODES):
        raise NoPatch("it makes or changes what is no plain file")


def _is_header(lines: list[str], number: int) -> bool:
    return lines[number].startswith("--- ") and number + 1 < len(lines) and lines[number + 1].startswith("+++ ")


def _file(old: str, new: str) -> FilePatch:
    before, after = _name(old), _name(new)
    is_new, is_deleted = before == NOWHERE, after == NOWHERE
    if is_new and is_deleted:
        raise NoPatch(_NOT_UNDERSTOOD)
    has_prefixes = (is_new or before.startswith("a/")) and (is_deleted or after.startswith("b/"))
    if has_prefixes:
        before, after = (name if name == NOWHERE else name[2:] for name in (before, after))
    if not is_new and not is_deleted and before != after:
        raise NoPatch("it renames files")
    return FilePatch(path=before if is_deleted else after, is_new=is_new, is_deleted=is_deleted)


def _name(header: str) -> str:
    name = header[4:].partition("\t")[0].strip()
    if not name or name.startswith('"'):
        raise NoPatch("it names a file in a way that is not understood")
    return name.replace("\\", "/").removeprefix("./")


def _read_hunk(lines: list[str], number: int, of: FilePatch) -> int:
    header = _HUNK.fullmatch(lines[number])
    if header is None:
        raise NoPatch(_NOT_UNDERSTOOD)
    hunk = Hunk(int(header["old"] or 0))
    number += 1
    while number < len(lines) and not _ends_hunk(lines, number):
        if lines[number].startswith("+") and _hides(lines[number][1:]):
            raise NoPatch("it puts text far to the right, behind blanks")
        hunk.lines.append(lines[number])
        number += 1
    if not any(line[:1] in {"+", "-"} for line in hunk.lines):
        raise NoPatch("it changes nothing")
    of.hunks.append(hunk)
    return number


def _ends_hunk(lines: list[str], number: int) -> bool:
    line = lines[number]
    return (line != "" and line[0] not in " +-\\") or _is_header(lines, number)


def _hides(line: str) -> bool:
    """Tell whether a person who reads a line may miss its end: so many columns in it are blank."""
    seen = line.replace(_BRAILLE_BLANK, " ").expandtabs(_TAB).rstrip()
    return sum(map(len, _GAP.findall(seen))) > _WIDEST_GAP
