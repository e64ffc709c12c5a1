"""Takes secrets and personal details out of text that leaves this machine.

What stands in their place is numbered, so that an assertion that compares two of them still says whether they differ.
To take out too much is the lesser fault.
"""

from __future__ import annotations

import re
from collections import Counter
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from app.ai.failures.confidential import is_trivial_name, names_in_paths, sensitive_values
from app.ai.failures.visible import visible
from app.engine.redaction import REDACTED, forms_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from app.engine.redaction import Redactor

SHORTEST_RUN = 32
"""Characters of a run without spaces that may be a key of unknown shape."""
_LEAST_MIXED = 0.3
"""Tokens of a run in proportion to its characters: words have about 0.2, base64 0.6, hexadecimal digits 0.45."""

_MARK = re.compile(r"\[(?:secret|email|user|host|ip)(?:-\d{1,9})?\]?")
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,20}-----.*?"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,20}-----|\Z)",
    re.DOTALL,
)
_KNOWN = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_\-]{16,}|(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_\-]{16,}|xox[abeoprs]-[A-Za-z0-9\-]{8,}|AIza[A-Za-z0-9_\-]{30,}"
    r"|eyJ[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]{5,}(?:\.[A-Za-z0-9_\-]*)?|(?:sk|pk|rk|whsec)_(?:live|test)?_?[A-Za-z0-9]{16,}"
    r"|pypi-[A-Za-z0-9_\-]{16,}|npm_[A-Za-z0-9]{30,}|hf_[A-Za-z0-9]{20,}|SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}"
    r"|\d{8,10}:AA[A-Za-z0-9_\-]{30,})"
)
_DOMAIN = re.compile(r"(?:@|%40)(?:[\w\-]{1,63}\.){1,6}[^\W\d_][\w\-]{1,62}")
_LOCAL_PART = re.compile(r"[\w.!#$&'*+/=?^`{|}~%\-]{1,64}\Z")
_PLAIN_LOCAL_PART = re.compile(r"[\w.+%\-]{1,64}\Z")
_HOMES = re.compile(
    r"(?P<lead>(?:[\\/]{1,8}|%2F|%5C)(?:home|Users|Documents and Settings)(?:[\\/]{1,8}|%2F|%5C))"
    r"(?P<name>(?<=\\)[^\\/\n\"'<>:|*?%]{1,64}(?=\\)|[^\s\\/\"'<>:|*?,;)\]}%]{1,64})"
)
_NO_PERSON = frozenset({"Shared", "Public", "Default", "All Users", "..", "."})
_RUN = re.compile(r"(?m)^index [0-9a-f]{7,64}\.\.[0-9a-f]{7,64}|[A-Za-z0-9+/_=\-]{32,}")
_TOKENS = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}|[0-9]+|[A-Za-z]")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")


class Privacy:
    """Takes secrets and personal details out of texts. The same value gets the same mark in all of them.

    Reads the project's `.env*` files when it is made, so it is to be made in a thread. To be used by one thread at a
    time; one is made for each prompt or conversation.

    Args:
        redactor: Knows the values that are alive in this process, and keys by their looks.
        home: The person's home folder.
        user: The person's login name.
        host: This machine's name.
        environ: The environment.
        root: The project's root folder; None for a conversation about no project.
    """

    def __init__(
        self,
        redactor: Redactor,
        *,
        home: Path,
        user: str,
        host: str,
        environ: Mapping[str, str],
        root: Path | None,
    ) -> None:
        self._redactor = redactor
        self._marks: dict[tuple[str, str], str] = {}
        self._numbers: Counter[str] = Counter()
        self._count = 0
        self._forms: dict[str, str] = {}  # the forms of each value, and the value
        for value in sensitive_values(environ, root):
            for form in forms_of(value.encode("utf-8", "surrogateescape")):
                self._forms.setdefault(form.decode("utf-8", "replace"), value)
        self._folders = [*_folder(root, ""), *_folder(home, "~")]
        self._words = [
            (re.compile(rf"(?<![\w.\-]){re.escape(name)}(?![\w(])", re.IGNORECASE), mark)
            for name, mark in _words(user, host)
        ]

    @property
    def count(self) -> int:
        """How many secrets and details were taken out so far; a value that stood in three places counts three times."""
        return self._count

    def clean(self, text: str) -> str:
        """Return the text without secrets, personal details and what cannot be seen.

        It has as many lines as before, unless a live secret goes over several.

        Args:
            text: All of it: what was cut before may end in half a secret, which nothing recognizes.
        """
        text = visible(text)
        text = _PEM.sub(lambda found: self._secret(found[0]) + "\n" * found[0].count("\n"), text)
        text = self._without_values(text)
        text = _KNOWN.sub(lambda found: self._secret(found[0]), text)
        text = self._redacted(text)
        text = self._without_addresses(text)
        for pattern, stands in self._folders:
            text = pattern.sub(lambda found, stands=stands: self._folder(found, stands), text)  # type: ignore[misc]
        text = _HOMES.sub(self._home, text)
        text = _RUN.sub(self._run, text)
        text = _IPV4.sub(self._ip, text)
        for pattern, mark in self._words:
            text, count = pattern.subn(mark, text)
            self._count += count
        return text

    def _mark(self, kind: str, value: str) -> str:
        self._count += 1
        known = self._marks.get((kind, value))
        if known is None:
            self._numbers[kind] += 1
            known = self._marks[kind, value] = f"[{kind}-{self._numbers[kind]}]"
        return known

    def _secret(self, value: str) -> str:
        return self._mark("secret", value)

    def _without_values(self, text: str) -> str:
        """Take out the values of the environment, in whichever of their forms."""
        here = [form for form in self._forms if form in text]
        if not here:
            return text
        here.sort(key=len, reverse=True)
        pattern = re.compile("|".join(map(re.escape, here)))
        return pattern.sub(lambda found: self._secret(self._forms[found[0]]), text)

    def _redacted(self, text: str) -> str:
        """Have the redactor take out what it knows, and number what it took, line by line."""
        cleaned = self._redactor.redact(text)
        if cleaned == text:
            return text
        before, after = text.split("\n"), cleaned.split("\n")
        if len(before) != len(after):  # it took out something that goes over several lines
            self._count += max(1, cleaned.count(REDACTED) - text.count(REDACTED))
            return cleaned
        return "\n".join(map(self._numbered, before, after))

    def _numbered(self, before: str, after: str) -> str:
        """Put marks where the redactor took something out, told by what stands between: `after` is never added to."""
        if before == after:
            return after
        first, *pieces = after.split(REDACTED)
        built = [first]
        at = len(first)
        for number, told in enumerate(pieces):
            piece, end = _next(before, told, at, is_last=number == len(pieces) - 1)
            value = before[at:end] if end > at else ""
            # It may be a mark already, whose bracket a pattern of the redactor does not take for a part of a value.
            built += [value if _MARK.fullmatch(value) else self._secret(value), piece]
            at = end + len(piece) if end >= 0 else at
        return "".join(built)

    def _without_addresses(self, text: str) -> str:
        built: list[str] = []
        done = 0
        for found in _DOMAIN.finditer(text):
            before = text[max(done, found.start() - 64) : found.start()]
            local = (_LOCAL_PART if found[0][0] == "@" and before[-1:] not in "\"'" else _PLAIN_LOCAL_PART).search(
                before
            )
            if local is None:
                continue
            start = found.start() - len(local[0])
            address = f"{local[0]}@{found[0].removeprefix('%40').removeprefix('@')}".lower()
            built += [text[done:start], self._mark("email", address)]
            done = found.end()
        return "".join([*built, text[done:]])

    def _folder(self, found: re.Match[str], stands: str) -> str:
        self._count += 1
        if stands:
            return stands
        return "" if found["behind"] else "."

    def _home(self, found: re.Match[str]) -> str:
        name = found["name"]
        if name in _NO_PERSON or _MARK.fullmatch(name):
            return found[0]
        return found["lead"] + self._mark("user", name)

    def _run(self, found: re.Match[str]) -> str:
        run = found[0]
        return self._secret(run) if not run.startswith("index ") and _is_random(run) else run

    def _ip(self, found: re.Match[str]) -> str:
        try:
            is_public = IPv4Address(found[0]).is_global
        except ValueError:
            return found[0]
        return self._mark("ip", found[0]) if is_public else found[0]


def _next(before: str, piece: str, at: int, *, is_last: bool) -> tuple[str, int]:
    """Return a piece of a redacted line, and where it stands in the line as it was; -1 when that cannot be told.

    Where the redactor took out a value twice, by itself and by the name before it, a bracket too many is left.
    """
    for each in (piece, piece.removeprefix("]")):
        if is_last and before.endswith(each):
            return each, len(before) - len(each)
        found = before.find(each, at + 1) if each else -1
        if found >= 0:
            return each, found
    return piece, -1


def _is_random(run: str) -> bool:
    """True for a run of 32 characters or more that no words make up: hexadecimal digits, base64, a key."""
    signs = [part for part in re.split(r"[^A-Za-z0-9]+", run) if part]
    joined = "".join(signs)
    if len(joined) < SHORTEST_RUN - 6 or not re.search(r"[0-9]", joined) or not re.search(r"[A-Za-z]", joined):
        return False
    longest = max(signs, key=len)
    if len(longest) >= SHORTEST_RUN and _is_of_one_case(longest):
        return True
    mixed = len(_TOKENS.findall(longest if len(longest) >= SHORTEST_RUN else joined))
    return mixed / len(longest if len(longest) >= SHORTEST_RUN else joined) >= _LEAST_MIXED


def _is_of_one_case(run: str) -> bool:
    """True for digits among letters of one case, such as hexadecimal digits: no words are that long."""
    digits = sum(sign.isdigit() for sign in run)
    return (run.lower() == run or run.upper() == run) and 2 <= digits < len(run)  # noqa: PLR2004 - `..._of_version2`


def _folder(path: Path | None, stands: str) -> list[tuple[re.Pattern[str], str]]:
    """Return what finds a folder's path in all the ways in which it may be written."""
    if path is None:
        return []
    found: list[tuple[re.Pattern[str], str]] = []
    for name in sorted({str(path), *names_in_paths(path)}, key=len, reverse=True):
        parts = [part for part in re.split(r"[/\\]+", name) if part]
        if not parts or (len(parts) == 1 and not stands):
            continue  # a root of `/` would take every slash
        separator = r"(?:[\\/]{1,8}|%2F|%5C)"
        drive = re.match(r"[A-Za-z]:$", parts[0])
        lead = "" if drive else separator
        first = re.escape(parts[0]).replace(":", "(?::|%3A)") if drive else re.escape(parts[0])
        body = separator.join([first, *map(re.escape, parts[1:])])
        pattern = rf"(?<![\w.\-~])(?:file:(?://)?)?{lead}{body}(?:(?P<behind>{separator})(?=[\w.\[~-])|(?![\w\-]|\.\w))"
        if stands:
            pattern = rf"(?<![\w.\-~])(?:file:(?://)?)?{lead}{body}(?P<behind>)(?![\w\-]|\.\w)"
        found.append((re.compile(pattern, re.IGNORECASE if drive else 0), stands))
    return found


def _words(user: str, host: str) -> Iterable[tuple[str, str]]:
    """Return the names that are taken out where they stand as words, and their marks; common words are no names."""
    if not is_trivial_name(user):
        yield user, "[user]"
    for name in dict.fromkeys((host, host.partition(".")[0])):
        if not is_trivial_name(name):
            yield name, "[host]"
