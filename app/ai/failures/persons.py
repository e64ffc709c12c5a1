r"""Finds what tells who and where a person is: names, home folders, mail addresses, addresses in networks.

Programs print the same name in many ways: `/home/%D0%98`, `\u0418`, `\xd0\x98`, `\320\230`.
"""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from app.ai.failures.confidential import is_trivial_name, names_in_paths
from app.engine.redaction import matches, substituted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Mark = Callable[[str, str], str]

MARK = re.compile(r"\[(?:secret|email|user|host|ip|mac)(?:-\d{1,9})?\]?")
_LEAST_LETTERS = 4
"""Letters of a name that is also taken out within `pytest-of-NAME` or `cache_NAME`; a shorter one is in every word."""

_SEPARATOR = r"(?:[\\/]{1,8}|%2[Ff]|%5[Cc])"
_AT = r"(?:@|%40|\\{1,8}u0040|&#64;|\\{1,8}x40)"
_DOMAIN = re.compile(rf"{_AT}(?P<domain>(?:[\w\-]{{1,63}}\.){{1,6}}[^\W\d_][\w\-]{{1,62}})")
_LOCAL_PART = re.compile(r"[\w.!#$&'*+/=?^`{|}~%\-]{1,64}\Z")
_PLAIN_LOCAL_PART = re.compile(r"[\w.+%\-]{1,64}\Z")
_KEY_COMMENT = re.compile(
    r"(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp\d{3}|sk-[a-z0-9\-]{3,30}@openssh\.com)[ \t]{1,4}"
    r"[^\s\"']{8,1500}[ \t]{1,4}(?P<comment>[^\s\"'@]{1,64}@[^\s\"'@]{1,100})"
)
_ESCAPED = r"\\{1,8}(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[0-3][0-7]{2})|%(?!2[Ff]|5[Cc])[0-9A-Fa-f]{2}"
_OF_NAME = rf"(?:{_ESCAPED}|[^\s\\/\"'<>:|*?,;)\]}}%&])"
_HOMES = re.compile(
    r"(?P<lead>(?:[\\/]{1,8}?|%2[Ff]|%5[Cc])(?:home|[Uu]sers\$?|Documents(?: |%20)and(?: |%20)Settings)"
    r"(?:[\\/]{1,8}?|%2[Ff]|%5[Cc]))"
    r"(?P<name>(?<=\\)[^\\/\n\"'<>:|*?%]{1,64}(?=\\)"
    r"|(?<=sers/)[^\s\\/\"'<>:|*?]{1,64}(?: [^\s\\/\"'<>:|*?]{1,40}){1,2}(?=/)"
    # What follows a blank belongs to the name where it looks like one, and a path or a text ends behind it.
    rf"|{_OF_NAME}{{1,100}}(?: (?=[^\W\d_a-z]){_OF_NAME}{{1,40}}){{1,3}}(?=[\\/\"'\n]|%2[Ff]|%5[Cc]|\Z)"
    rf"|{_OF_NAME}{{1,100}})"
)
_NO_PERSON = frozenset({"Shared", "Public", "Default", "All Users", "..", ".", "~"})
_PYTEST = re.compile(r"(?P<lead>pytest-of-)(?P<name>[^\s\\/\"'<>:|*?,;)\]}&]{1,64})")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![\w:])")
_MAC = re.compile(r"(?<![\w:\-])[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})(?![\w:\-])")
_NO_MACS = frozenset({"000000000000", "ffffffffffff"})


class Persons:
    """Takes out what tells of a person and their machine.

    Args:
        home: The person's home folder.
        user: Their login name.
        host: The machine's name.
        root: The project's root folder, if any.
        mark: Gives the mark for a kind of detail and its value; an empty kind only counts.
    """

    def __init__(self, *, home: Path, user: str, host: str, root: Path | None, mark: Mark) -> None:
        self._mark = mark
        self._folders = [*_folder(root, ""), *_folder(home, "~")]
        self._words = [(_word(name), stands) for name, stands in _names(user, host)]
        self._pytest = re.compile(rf"(?P<lead>pytest-of-){spelled(user)}(?![^\W_])") if user else None

    def without(self, text: str) -> str:
        """Return the text without personal details; folders stay readable, as `~` and relative paths."""
        text = self._without_addresses(text)
        for pattern, stands in self._folders:
            text = substituted(pattern, self._folder(stands), text)
        if self._pytest is not None:
            text = substituted(self._pytest, lambda found: self._counted(f"{found['lead']}[user]"), text)
        text = substituted(_PYTEST, self._named, text)
        text = substituted(_HOMES, self._named, text)
        for pattern, stands in self._words:
            text = substituted(pattern, lambda _, stands=stands: self._counted(stands), text)  # type: ignore[misc]
        return text

    def without_networks(self, text: str) -> str:
        """Return the text without addresses of cards, and those that the whole world can reach."""
        text = substituted(_IPV4, self._ip, text)
        if text.count(":") > 1:
            text = substituted(_IPV6, self._ip, text)
        return substituted(_MAC, self._mac, text)

    def _counted(self, stands: str) -> str:
        self._mark("", "")
        return stands

    def _without_addresses(self, text: str) -> str:
        built: list[str] = []
        done = 0
        for found in matches(_DOMAIN, text):
            before = text[max(done, found.start() - 64) : found.start()]
            is_quoted = before[-1:] in "\"'"
            pattern = _LOCAL_PART if found[0][0] == "@" and not is_quoted else _PLAIN_LOCAL_PART
            local = pattern.search(before)
            if local is None:
                continue
            start = found.start() - len(local[0])
            built += [text[done:start], self._mark("email", f"{local[0]}@{found['domain']}".lower())]
            done = found.end()
        text = "".join([*built, text[done:]])
        if "AAAA" in text or "@" in text:
            text = substituted(_KEY_COMMENT, self._comment, text)
        return text

    def _comment(self, found: re.Match[str]) -> str:
        return found[0][: -len(found["comment"])] + self._mark("email", found["comment"].lower())

    def _folder(self, stands: str) -> Callable[[re.Match[str]], str]:
        def replaced(found: re.Match[str]) -> str:
            return self._counted(stands or ("" if found["behind"] else "."))

        return replaced

    def _named(self, found: re.Match[str]) -> str:
        name = found["name"]
        if name in _NO_PERSON or MARK.match(name):
            return found[0]
        return found["lead"] + self._mark("user", name)

    def _ip(self, found: re.Match[str]) -> str:
        try:
            address = IPv6Address(found[0]) if ":" in found[0] else IPv4Address(found[0])
        except ValueError:
            return found[0]
        return self._mark("ip", str(address)) if address.is_global else found[0]

    def _mac(self, found: re.Match[str]) -> str:
        digits = re.sub(r"[:\-]", "", found[0]).lower()
        return found[0] if digits in _NO_MACS else self._mark("mac", digits)


def spelled(name: str) -> str:
    """Return a pattern for a name, in whichever way programs write its letters."""
    forms = {name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)}
    return "(?:" + "|".join("".join(map(_sign, form)) for form in sorted(forms, key=len, reverse=True)) + ")"


def _sign(sign: str) -> str:
    """Return a pattern for one sign: itself, percent-encoded, and with the escapes of JSON, Python and git."""
    if sign.isascii():
        if sign.isalnum() or sign == "_":
            return sign
        return rf"(?:{re.escape(sign)}|(?i:%{ord(sign):02x}))"
    raw = sign.encode("utf-8", "surrogateescape" if "\udc80" <= sign <= "\udcff" else "surrogatepass")
    units = sign.encode("utf-16-be", "surrogatepass")
    slashes = r"\\{1,8}"
    forms = [
        re.escape(sign),
        "".join(f"%{byte:02x}" for byte in raw),
        "".join(rf"{slashes}u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2)),
        "".join(rf"{slashes}x{byte:02x}" for byte in raw),
        "".join(rf"{slashes}{byte:03o}" for byte in raw),
        rf"{slashes}U{ord(sign):08x}",
    ]
    if ord(sign) <= 0xFF:  # noqa: PLR2004 - what Python writes with two digits
        forms.append(rf"{slashes}x{ord(sign):02x}")
    return f"(?i:{'|'.join(forms)})"


def _folder(path: Path | None, stands: str) -> list[tuple[re.Pattern[str], str]]:
    """Return what finds a folder's path in all the ways in which it may be written."""
    if path is None:
        return []
    found: list[tuple[re.Pattern[str], str]] = []
    for name in sorted({str(path), *names_in_paths(path)}, key=len, reverse=True):
        parts = [part for part in re.split(r"[/\\]+", name) if part]
        if not parts or (len(parts) == 1 and not stands):
            continue  # a root of `/` would take every slash
        drive = re.match(r"[A-Za-z]:$", parts[0])
        lead = "" if drive else _SEPARATOR
        body = _SEPARATOR.join(map(spelled, parts))
        ends = rf"(?:(?P<behind>{_SEPARATOR})(?=[\w.\[~\-%\\])|(?![\w\-]|\.\w))"
        if stands:
            ends = r"(?P<behind>)(?![\w\-]|\.\w)"
        pattern = rf"(?<![\w.\-~])(?:file:(?://)?)?{lead}{body}{ends}"
        found.append((re.compile(pattern, re.IGNORECASE if drive else 0), stands))
    return found


def _names(user: str, host: str) -> Iterable[tuple[str, str]]:
    """Return the names that are taken out where they stand as words, and their marks; common words are no names."""
    if not is_trivial_name(user):
        yield user, "[user]"
    for name in dict.fromkeys((host, host.partition(".")[0])):
        if not is_trivial_name(name):
            yield name, "[host]"


def _word(name: str) -> re.Pattern[str]:
    """Return what finds a name as a word; one that is long enough also between `_`, `-` and `.`."""
    if len(name) < _LEAST_LETTERS:
        return re.compile(rf"(?<![\w.\-]){spelled(name)}(?![\w(])", re.IGNORECASE)
    return re.compile(rf"(?<![^\W_]){spelled(name)}(?![^\W_])", re.IGNORECASE)
