"""Where things stand in JSON with comments, so that something can be put in and every other byte stays.

The language is that of VS Code's own files: JSON of RFC 8259, with comments of both of C's kinds and with a comma
allowed behind the last element. A value is not only read: its place in the text is kept.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from app.domain.errors import SettingsError

DEEPEST = 100
"""No file that people write is nested deeper, and each level takes the interpreter's stack."""

_SPACE = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.])")
_WORD = re.compile(r"(?:true|false|null)\b")
_BOM = "\ufeff"
_BLANKS = " \t\r\n"


class JsoncError(SettingsError):
    """The text is not what was expected; the message says where."""


@dataclass(frozen=True, slots=True)
class Node:
    """One value.

    Attributes:
        start, end: Its place: `text[start:end]`.
        value: What a string stands for; None for all else.
        kind: `object`, `array` or `scalar`.
        keys: An object's names, one for each of the items.
        items: What an object or an array holds.
        comma: The end of the comma behind the last item; 0 where there is none.
    """

    start: int
    end: int
    value: str | None = None
    kind: str = "scalar"
    keys: tuple[str, ...] = ()
    items: tuple[Node, ...] = field(default=(), repr=False)
    comma: int = 0

    def get(self, name: str) -> Node | None:
        """Return what an object holds under a name; None where there is none.

        Raises:
            JsoncError: It holds two: which of them counts is up to each reader.
        """
        found = [item for key, item in zip(self.keys, self.items, strict=False) if key == name]
        if len(found) > 1:
            raise JsoncError(f'It has "{name}" {len(found)} times.')
        return found[0] if found else None


def parse(text: str) -> Node:
    """Return the one value of a text.

    Raises:
        JsoncError: It is not JSON with comments; the message has line and column.
    """
    scanner = _Scanner(text)
    scanner.at = len(_BOM) if text.startswith(_BOM) else 0
    scanner.skip()
    node = scanner.value(0)
    scanner.skip()
    if scanner.at < len(text):
        raise scanner.error("something stands behind the end")
    return node


def insert_item(text: str, node: Node, item: str, *, newline: str, indent: str, closing: str) -> str:
    """Return the text with an item put in as the last one of an object or array; all other characters stay.

    Args:
        text: The whole text.
        node: The object or array.
        item: What to put in, written as it is to stand there.
        newline: How lines end.
        indent: What stands before the item on its line.
        closing: What stands before the closing bracket, where that gets a new line.
    """
    if node.items:
        last = node.comma or node.items[-1].end
        put = _end_of_remark(text, last, node.end - 1)
        before, after = ("", ",") if node.comma else (",", "")
    else:
        # Behind what is there: comments, perhaps.
        last = put = node.start + 1 + len(text[node.start + 1 : node.end - 1].rstrip(_BLANKS))
        before = after = ""
    tail = "" if "\n" in text[put : node.end] else newline + closing
    return text[:last] + before + text[last:put] + newline + indent + item + after + tail + text[put:]


def _end_of_remark(text: str, start: int, end: int) -> int:
    """Return the end of the comments that stand behind something on its own line."""
    at = start
    pattern = re.compile(r"[ \t]*(?://[^\r\n]*|/\*[^\r\n]*?\*/)")
    while (found := pattern.match(text, at, end)) is not None:
        at = found.end()
    return at


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0

    def error(self, what: str) -> JsoncError:
        line = self._text.count("\n", 0, self.at) + 1
        column = self.at - (self._text.rfind("\n", 0, self.at) + 1) + 1
        return JsoncError(f"Line {line}, column {column}: {what}.")

    def skip(self) -> None:
        found = _SPACE.match(self._text, self.at)
        self.at = self.at if found is None else found.end()
        if self._text.startswith("/*", self.at):
            raise self.error("a comment does not end")

    def value(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise self.error("it is nested too deep")
        first = self._text[self.at : self.at + 1]
        if first == "{":
            return self._object(depth)
        if first == "[":
            return self._array(depth)
        for pattern in (_STRING, _NUMBER, _WORD):
            found = pattern.match(self._text, self.at)
            if found is not None:
                start, self.at = self.at, found.end()
                return Node(start, self.at, json.loads(found[0]) if pattern is _STRING else None)
        raise self.error("a value is expected")

    def _object(self, depth: int) -> Node:
        start = self.at
        keys: list[str] = []
        items: list[Node] = []
        comma = self._open()
        while not self._closes("}"):
            self._require_comma(items, comma)
            found = _STRING.match(self._text, self.at)
            if found is None:
                raise self.error("a name in double quotes is expected")
            keys.append(json.loads(found[0]))
            self.at = found.end()
            self.skip()
            if self._text[self.at : self.at + 1] != ":":
                raise self.error('":" is expected')
            self.at += 1
            self.skip()
            items.append(self.value(depth + 1))
            comma = self._comma()
        return Node(start, self.at, None, "object", tuple(keys), tuple(items), comma)

    def _array(self, depth: int) -> Node:
        start = self.at
        items: list[Node] = []
        comma = self._open()
        while not self._closes("]"):
            self._require_comma(items, comma)
            items.append(self.value(depth + 1))
            comma = self._comma()
        return Node(start, self.at, None, "array", (), tuple(items), comma)

    def _open(self) -> int:
        self.at += 1
        self.skip()
        return 0

    def _closes(self, bracket: str) -> bool:
        if self._text[self.at : self.at + 1] != bracket:
            return False
        self.at += 1
        return True

    def _require_comma(self, items: list[Node], comma: int) -> None:
        if items and not comma:
            raise self.error("a comma is expected")

    def _comma(self) -> int:
        """Pass over a comma, and return where it ends; 0 where there is none."""
        self.skip()
        end = 0
        if self._text[self.at : self.at + 1] == ",":
            self.at += 1
            end = self.at
            self.skip()
        return end
