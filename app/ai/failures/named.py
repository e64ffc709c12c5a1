"""Finds secrets by the names before them: in source, settings, headers, commands and what a test runner prints.

A log may lose all that stands behind `token =`; source must stay readable, so `token = tokens[0]` is left as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from app.ai.failures.literals import is_secret_literal, is_secret_value
from app.ai.failures.namewords import Reach, reach_of
from app.engine.redaction import matches

if TYPE_CHECKING:
    from collections.abc import Iterator

NEAR = 400
"""Characters behind a name that are looked at."""
_LONGEST_LINE = 2048
"""Characters of a line whose quotes are told apart from its beginning on."""
_LONGEST_NAME = 64

_WORDS = re.compile(
    r"pass|pwd|secret|credential|token|key|authorization|cookie|pin|otp|jwt|salt|signature|sessionid|session_id|парол"
)
_IDENTIFIER = re.compile(r"[\w\-]{1,100}")
_NO_MARK = r"(?!(?:secret|email|user|host|ip|mac)[\-\]])"
_PREFIX = rf"(?:(?:[A-Z]\w{{0,40}})?[(\[{{]{_NO_MARK}){{0,3}}(?:[brufBRUF]{{1,2}}(?=[\"']))?"
_OPERATOR = r"[=!]==?|:=|=>|=(?!=)|:(?![:=])|>(?!=)"
_BEHIND = re.compile(
    # "NAME"] =, 'NAME':, "NAME", and \"NAME\":
    rf"(?:\\{{0,8}}[\"'][ \t]{{0,4}}[\])]{{0,2}}[ \t]{{0,60}}(?P<quoted>{_OPERATOR}|,)"
    # NAME: type =
    r"|[ \t]{0,60}(?P<typed>:)[ \t]{0,8}[A-Za-z_][\w.\[\], |]{0,80}?[ \t]{0,60}=(?!=)"
    # NAME =
    rf"|[\])]{{0,2}}[ \t]{{0,60}}(?P<plain>{_OPERATOR})"
    # PASSWORD 'x'
    rf"|(?P<space>[ \t]{{1,8}})(?=[\"']))[ \t]{{0,60}}{_PREFIX}"
)
_LITERAL = re.compile(
    r"(?P<nested>\\{1,8}[\"'])(?P<a>[^\n]{0,1000}?)(?P=nested)"
    r"|\"\"\"(?P<b>(?:[^\"\n]|\"(?!\"\"))*)(?:\"\"\"|$)|'''(?P<c>(?:[^'\n]|'(?!''))*)(?:'''|$)"
    r"|\"(?P<d>(?:[^\"\\\n]|\\.)*)(?:\"|$)|(?<![^\W_bruf])'(?P<e>(?:[^'\\\n]|\\.)*)(?:'|$)",
    re.MULTILINE,
)
_VALUE = re.compile(r"[^\s\"',;)}\]<&]{4,500}")
_ENTRY = re.compile(r"[ \t]{0,8},[ \t]{0,8}(?:\\{0,8}[\"'])?[A-Za-z_][\w\-]{0,60}(?:\\{0,8}[\"'])?[ \t]{0,8}[:=](?!=)")
_OF_FLAG = re.compile(r"[ ]{1,4}(?P<secret>[^\s\"'\-<\[{(|$][^\s\"']{3,300})")
_LINE_END = re.compile(r"[ \t]*(?:#.*)?$", re.MULTILINE)

_USER_FLAG = re.compile(
    r"(?<![\w\-])-(?:u|-user|-proxy-user)[ =]{0,3}[\"']?[^\s:\"'/]{1,100}:(?P<secret>(?!\d{1,6}\b)[^\s\"'/]{2,200})"
)
_LOGIN = re.compile(
    r"\b(?:login|account|user)[ \t]{1,8}\S{1,200}[ \t]{1,8}(?:password|passwd)[ \t]{1,8}(?P<secret>\S{2,300})"
)
_LOGIN_LINE = re.compile(
    r"(?m)^[+\- ]?[ \t]{0,20}(?:password|passwd)[ \t]{1,8}(?P<secret>[^\s=:\"']{4,300})(?=[ \t]*$)"
)
_PAIR = re.compile(
    r"(?:(?<![A-Za-z])auth[ \t]{0,20}=[ \t]{0,20}\(|[Bb]asic_?[Aa]uth\()[ \t]{0,20}"
    r"[bruf]{0,2}(?P<q>[\"'])[^\"'\n]{0,200}(?P=q)"
    r"[ \t]{0,8},[ \t]{0,8}[bruf]{0,2}(?P<p>[\"'])(?P<secret>[^\"'\n]{2,300})(?P=p)"
)
_COOKIES = re.compile(
    r"(?i)(?<![a-z])(?:set-)?cookie\\{0,8}[\"']?[ \t]{0,3}[:,][ \t]{0,3}[bu]?\\{0,8}[\"']?"
    r"(?P<jar>[^\s\"'\\=;]{1,100}=[^\n\"'\\]{1,4000})"
)
_COOKIE = re.compile(r"(?P<name>[^=;\s]{1,200})=(?P<secret>[^;\s,]{4,4000})")
_OF_COOKIES = frozenset({"path", "domain", "max-age", "expires", "samesite", "version", "priority"})
_WHERE = re.compile(
    r"where [bu]?(?P<q>[\"'])(?P<secret>[^\n]{4,300}?)(?P=q) = [^\n]{0,400}?(?P<name>[A-Za-z_]\w{0,80})(?:\(\))?$",
    re.MULTILINE,
)
_COMPARED = re.compile(
    r"(?P<q>[\"'])(?P<left>[^\"'\n]{4,300})(?P=q) (?:[=!]=|in|is|not in) [bu]?[\"']\[secret-\d{1,9}\][\"']"
    r"|[\"']\[secret-\d{1,9}\][\"'] (?:[=!]=|in|is|not in) [bu]?(?P<p>[\"'])(?P<right>[^\"'\n]{4,300})(?P=p)"
)


class Place(NamedTuple):
    """Where in a text a secret stands."""

    start: int
    end: int


def named_secrets(text: str) -> list[Place]:
    """Return where secrets stand behind telling names, in order and apart.

    Args:
        text: As long as it may be; it takes time in proportion to its length.
    """
    apart: list[Place] = []
    for each in sorted([*_behind_names(text), *_in_commands(text)], key=lambda place: (place.start, -place.end)):
        if not apart or each.start >= apart[-1].end:
            apart.append(each)
    return apart


def compared_with_marks(text: str) -> list[Place]:
    """Return where values stand that are compared with a secret which was taken out: they are of its kind.

    Args:
        text: What was cleaned already.
    """
    found: list[Place] = []
    for each in matches(_COMPARED, text):
        place = Place(*each.span("left" if each["left"] else "right"))
        if is_secret_literal(text[place.start : place.end], is_surely=True, is_set=True):
            found.append(place)
    return found


def _behind_names(text: str) -> Iterator[Place]:
    low = text.lower()
    if len(low) != len(text):  # a few letters have two small ones
        low = "".join(sign.lower() if len(sign.lower()) == 1 else sign for sign in text)
    line = _Line(text)
    done = 0
    for found in matches(_WORDS, low):
        if found.start() < done:
            continue
        start = found.start()
        while (
            start > done
            and found.start() - start < _LONGEST_NAME
            and (text[start - 1].isalnum() or text[start - 1] in "_-")
        ):
            start -= 1
        named = _IDENTIFIER.match(text, start)
        done = named.end() if named is not None else found.end()
        reach = reach_of(text[start:done])
        if reach is not Reach.NONE:
            yield from _of_name(line, start, done, reach)


class _Line:
    """Knows the literals of the line on which a name stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._first = self._end = -1
        self._literals: list[re.Match[str]] = []

    def end(self, at: int) -> int:
        """Return where the line ends."""
        self._find(at)
        return self._end

    def ends_literal(self, start: int, at: int) -> bool:
        """Return whether the quote at a place ends the literal in which a name stands."""
        self._find(start)
        return any(each.start() < start and each.end() == at + 1 for each in self._literals)

    def literals(self, at: int) -> Iterator[re.Match[str]]:
        """Return the literals from a place on, also those within a literal in which the place lies."""
        self._find(at)
        near = min(self._end, at + NEAR)
        if at - self._first > _LONGEST_LINE:
            yield from _LITERAL.finditer(self.text, at, near)
            return
        for each in self._literals:
            if each.start() >= near:
                return
            if each.start() >= at:
                yield each
            elif each.end() > at:
                yield from _LITERAL.finditer(self.text, at, each.end() - 1)

    def _find(self, at: int) -> None:
        if self._first <= at <= self._end:
            return
        self._first = self.text.rfind("\n", 0, at) + 1
        self._end = self.text.find("\n", at) if "\n" in self.text[at : at + _LONGEST_LINE] else at + _LONGEST_LINE
        self._end = min(self._end, len(self.text))
        begins = self._first if at - self._first <= _LONGEST_LINE else at
        self._first = begins
        self._literals = list(_LITERAL.finditer(self.text, begins, self._end))


def _of_name(line: _Line, start: int, at: int, reach: Reach) -> Iterator[Place]:
    """Return the secrets behind one name, which ends at a place."""
    text = line.text
    is_surely = reach is not Reach.VALUE
    behind = _BEHIND.match(text, at)
    if behind is None or (behind["space"] and reach is not Reach.LINE):
        yield from _of_flag(text, start, at, is_surely=is_surely)
        if reach is not Reach.LINE:
            return
    else:
        # A list of names has commas, too.
        is_set = behind["quoted"] != "," or text[start:at].isupper()
        at = behind.end()
        literal = None if line.ends_literal(start, at) else _LITERAL.match(text, at)
        place = None if literal is not None else _bare(text, start, behind, is_surely=is_surely)
        if literal is not None:
            yield from _secret_in(text, literal, is_surely=is_surely, is_set=is_set)
            at = literal.end()
        elif place is not None:
            yield place
        if place is not None or (literal is not None and (reach is not Reach.LINE or _ENTRY.match(text, at))):
            return
    for literal in line.literals(at):
        yield from _secret_in(text, literal, is_surely=is_surely, is_set=False)


def _of_flag(text: str, start: int, at: int, *, is_surely: bool) -> Iterator[Place]:
    """Return what stands behind `--password`."""
    flag = _OF_FLAG.match(text, at) if text.startswith("--", start) else None
    if flag is not None and is_secret_value(flag["secret"], is_surely=is_surely, is_told=False, is_alone=False):
        yield Place(*flag.span("secret"))


def _secret_in(text: str, literal: re.Match[str], *, is_surely: bool, is_set: bool) -> Iterator[Place]:
    place = Place(*literal.span(next(name for name in "abcde" if literal[name] is not None)))
    if is_secret_literal(text[place.start : place.end], is_surely=is_surely, is_set=is_set):
        yield place


def _bare(text: str, start: int, behind: re.Match[str], *, is_surely: bool) -> Place | None:
    """Return the value without quotes behind a name and an operator, if it is a secret."""
    value = _VALUE.match(text, behind.end())
    if value is None or behind["quoted"] == ",":
        return None
    is_element = behind["plain"] == ">"
    if is_element and not text.startswith("</", value.end()):
        return None
    name = text[start : behind.start()]
    is_variable = name.isupper() and behind[0] == "="
    is_alone = behind["plain"] == ":" and _LINE_END.match(text, value.end()) is not None
    is_secret = is_secret_value(value[0], is_surely=is_surely, is_told=is_element or is_variable, is_alone=is_alone)
    return Place(*value.span()) if is_secret else None


def _in_commands(text: str) -> Iterator[Place]:
    """Return the secrets of command lines, logins, headers and comparisons."""
    low = text.lower()
    for sign, pattern in (("-u", _USER_FLAG), ("passw", _LOGIN), ("auth", _PAIR)):
        if sign in low:
            yield from (Place(*found.span("secret")) for found in matches(pattern, text))
    if "passw" in low:
        for found in matches(_LOGIN_LINE, text):
            if not found["secret"].isalpha():
                yield Place(*found.span("secret"))
    if "cookie" in low:
        yield from _cookies(text)
    if "where " in low:
        yield from _results(text)


def _cookies(text: str) -> Iterator[Place]:
    for jar in matches(_COOKIES, text):
        for one in _COOKIE.finditer(text, *jar.span("jar")):
            if one["name"].lower() not in _OF_COOKIES:
                yield Place(*one.span("secret"))


def _results(text: str) -> Iterator[Place]:
    """Return what pytest tells of a compared attribute: `where 'x' = <C object>.db_password`."""
    for found in matches(_WHERE, text):
        reach = reach_of(found["name"])
        is_surely = reach is not Reach.VALUE
        if reach is not Reach.NONE and is_secret_literal(found["secret"], is_surely=is_surely, is_set=True):
            yield Place(*found.span("secret"))
