"""JSON as careless writers write it: what is sure of it is read, and what is not sure is left out.

It takes newlines within strings, commas too many, escapes that JSON does not know, and an end that is missing. A string
counts only when what follows it shows that it is whole: an unescaped quotation mark within ends the reading, and
nothing of that string is kept. Each character is looked at once, and what is nested too deep is not read.
"""

from __future__ import annotations

import re
from typing import TypeAlias

Value: TypeAlias = "str | float | int | bool | list[Value] | dict[str, Value] | None"

DEEPEST = 8
"""Levels: the form that is asked for has three."""

_SPACE = re.compile(r"\s*+")
_SEPARATORS = re.compile(r"[\s,]*+")
_STRING = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_WORD = re.compile(r'[^\s,:"{}\[\]]++')
_ENDS_VALUE = re.compile(r'\s*+(?:[,}\]]|\Z)|[^\S\n]*+\n\s*+"')
_ENDS_WORD = re.compile(r"\s*+[,}\]]")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None, "None": None, "True": True, "False": False}
_LONGEST_NUMBER = 30


class _End(Exception):
    """Nothing more can be read for sure."""


def read_object(text: str, start: int) -> tuple[dict[str, Value], int, bool]:
    """Read the object that begins at `start`, where a `{` stands.

    Returns:
        What is sure of it; where the reading ended; and whether that was the object's own end.
    """
    reader = _Reader(text, start)
    found: dict[str, Value] = {}
    try:
        reader.fill_object(found, 1)
    except _End:
        return found, max(reader.at, start + 1), False
    return found, reader.at, True


class _Reader:
    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self.at = at

    def fill_object(self, found: dict[str, Value], depth: int) -> None:
        self._enter(depth)
        while True:
            self._skip(_SEPARATORS)
            if self._takes("}"):
                return
            key = self._string()
            self._skip(_SPACE)
            if not self._takes(":"):
                raise _End
            self._skip(_SPACE)
            self._fill(found, key, depth)

    def _fill(self, found: dict[str, Value], key: str, depth: int) -> None:
        # what is nested goes in before it is read, so that what was sure of it stays when the text ends within
        if self._text.startswith("{", self.at):
            below: dict[str, Value] = {}
            found[key] = below
            self.fill_object(below, depth + 1)
        elif self._text.startswith("[", self.at):
            items: list[Value] = []
            found[key] = items
            self._fill_list(items, depth + 1)
        else:
            found[key] = self._scalar()

    def _fill_list(self, items: list[Value], depth: int) -> None:
        self._enter(depth)
        while True:
            self._skip(_SEPARATORS)
            if self._takes("]"):
                return
            if self._text.startswith("{", self.at):
                below: dict[str, Value] = {}
                items.append(below)
                self.fill_object(below, depth + 1)
            elif self._text.startswith("[", self.at):
                inner: list[Value] = []
                items.append(inner)
                self._fill_list(inner, depth + 1)
            else:
                items.append(self._scalar())

    def _enter(self, depth: int) -> None:
        if depth > DEEPEST:
            raise _End
        self.at += 1

    def _scalar(self) -> Value:
        if self._text.startswith('"', self.at):
            value = self._string()
            if not _ENDS_VALUE.match(self._text, self.at):
                raise _End
            return value
        return self._word()

    def _string(self) -> str:
        found = _STRING.match(self._text, self.at)
        if found is None:
            raise _End
        self.at = found.end()
        return _ESCAPE.sub(_unescape, found[1]).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")

    def _word(self) -> Value:
        found = _WORD.match(self._text, self.at)
        if found is None or not _ENDS_WORD.match(self._text, found.end()):
            raise _End
        self.at = found.end()
        word = found[0]
        if word in _WORDS:
            return _WORDS[word]
        try:
            return float(word) if len(word) <= _LONGEST_NUMBER else word
        except ValueError:
            return word

    def _skip(self, what: re.Pattern[str]) -> None:
        found = what.match(self._text, self.at)
        self.at = found.end() if found else self.at

    def _takes(self, sign: str) -> bool:
        if self._text.startswith(sign, self.at):
            self.at += 1
            return True
        if self.at >= len(self._text):
            raise _End
        return False


def _unescape(found: re.Match[str]) -> str:
    sign = found[1]
    if len(sign) > 1:
        return chr(int(sign[1:], 16))
    return _ESCAPES.get(sign, sign)
