"""The labelled set: texts with a secret in them, and texts that only look so. Each key is drawn, with a fixed seed."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import string
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE = Path(__file__).with_name("samples.txt")
_ALNUM = string.ascii_letters + string.digits
_SETS = {
    "a": _ALNUM,
    "h": "0123456789abcdef",
    "X": "0123456789ABCDEF",
    "u": string.ascii_uppercase + string.digits,
    "d": string.digits,
    "w": _ALNUM + "_-",
    "b": _ALNUM + "+/",
    "l": string.ascii_letters,
    "z": string.ascii_lowercase + string.digits,
    "i": string.ascii_uppercase + "234567",
    "p": _ALNUM + "!*+-_.",
    "D": string.ascii_lowercase + string.digits + "!@^&*-_=+",
    "Q": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
}
_DRAWN = re.compile(r"<(?:([ahXudwblzipDQ])(\d+)|(U)|(n)|J:([^>]+))>")
_AROUND = {
    "py": ("client.py", 'client = Client("{}")'),
    "json": ("data.json", '  "value": "{}",'),
    "yaml": ("data.yaml", "  value: {}"),
    "js": ("client.js", "const c = connect('{}');"),
    "env": (".env", "THING={}"),
    "md": ("notes.md", "Use `{}` for it."),
    "comment": ("old.py", "# it was {} before"),
    "escaped": ("log.json", '{{"said": "first\\n{}\\nlast"}}'),
    "sh": ("run.sh", "send --with {} now"),
}
_PER_TOKEN = 3


@dataclass(frozen=True)
class Sample:
    """A text of the labelled set.

    Attributes:
        id: Unique.
        path: The file in which it stands.
        text: It.
        secret: Whether a secret is in it.
    """

    id: str
    path: str
    text: str
    secret: bool

    @property
    def held_out(self) -> bool:
        """Whether it is of the half that rules are not tuned on: by the first bit of its id's SHA-256."""
        return hashlib.sha256(self.id.encode()).digest()[0] >= 0x80


def samples() -> list[Sample]:
    """Return all, always the same."""
    return list(_samples())


def _samples() -> Iterator[Sample]:
    lines = [line for line in _FILE.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    around = list(_AROUND.items())
    for number, line in enumerate(lines):
        what, name, rest = line.split(" | ", 2)
        if what != "token":
            path, text = rest.split(" | ", 1)
            yield Sample(f"{what}/{name}", path, drawn(text, f"{what}/{name}"), secret=what == "secret")
            continue
        for each in range(_PER_TOKEN):
            where, (path, text) = around[(number + each * 3) % len(around)]
            id_ = f"token/{name}/{where}"
            yield Sample(id_, path, text.format(drawn(rest, id_)), secret=True)
        if "://" not in rest:
            where, (path, text) = around[number % len(around)]
            id_ = f"clean/{name}/{where}"
            yield Sample(id_, path, text.format(_spoilt(rest, id_, number)), secret=False)


def drawn(text: str, seed: str) -> str:
    """Return a text with what is to be drawn in it drawn."""
    chance = random.Random(seed)  # noqa: S311 - the same each time

    def draw(match: re.Match[str]) -> str:
        letters, count, is_uuid, is_end, encoded = match.groups()
        if letters:
            return "".join(chance.choice(_SETS[letters]) for _ in range(int(count)))
        if is_uuid:
            return str(uuid.UUID(int=chance.getrandbits(128), version=4))
        return "\n" if is_end else base64.urlsafe_b64encode(encoded.encode()).decode().rstrip("=")

    return _DRAWN.sub(draw, text)


def _spoilt(text: str, seed: str, number: int) -> str:
    """Return what looks like a key and is none: one that was cut short, one of only `x`, one that says it is no key."""
    if number % 3 == 0:
        return _DRAWN.sub(lambda each: "x" * int(each[2] or 20), text)
    if number % 3 == 1:
        return drawn(_DRAWN.sub(lambda each: f"<{each[1] or 'a'}{min(int(each[2] or 9) // 3, 6)}>", text), seed)
    return _DRAWN.sub("YOUR_KEY_GOES_HERE", text, count=1).partition("<")[0]
