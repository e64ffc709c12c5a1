"""Takes secrets out of text, as the last thing before the text is kept or shown.

It works on the final string, whatever it was made from: an exception's text, a library's message, a repr. Two sources
tell what a secret is: values that are alive in this process, in the forms in which they travel, and patterns of keys
that are known by their looks. To take out too much is the lesser fault.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

REDACTED = "[redacted]"

SHORTEST_VALUE = 6
"""Characters: a shorter live value would be found in every other word."""

WINDOW = 16 * 1024
"""Characters that one call of the regular expressions' engine looks at: other threads wait for that long."""
_AHEAD = 2048
"""Characters behind a window that a match may need; longer ones are only those that go on for ever."""
_EDGE = 8
"""Characters behind a match that its pattern may look at."""

_NAMES = (
    r"(?:passwd|password|passphrase|passcode|secret|credentials?|(?<![a-z])token|(?<![a-z])pwd|(?<![a-z])pass"
    r"|api[_-]?key|(?<=[_-])key|(?-i:(?<=[a-z0-9])(?:Token|Key|Pass|Pwd)))(?:_key)?(?:_base|_hash)?"
)
_OPERATOR = r"(?:[=!]=|:=|=>|[=:])"
# `NAME: str =`, `["NAME"] =`, `"NAME", `; alignment is up to 40 blanks wide.
_BETWEEN = (
    rf"(?:\\*[\"']\]?[^\S\n]{{0,40}}(?:{_OPERATOR}|,)"
    rf"|[^\S\n]{{0,40}}:\s{{0,3}}[a-z_][\w.\[\], |]{{0,60}}?[^\S\n]{{0,40}}=(?!=)"
    rf"|\\*\]?[^\S\n]{{0,40}}{_OPERATOR})[^\S\n]{{0,40}}"
)
_WRAPPED = r"(?:(?-i:[A-Z])\w{0,40}\(|\(){0,2}[bruf]{0,2}"

# Keys whose looks are known, by what stands first in them.
_KEYS = (
    r"sk-[A-Za-z0-9_\-]{16,}",  # DeepSeek, OpenAI, Anthropic
    r"A(?:KIA|SIA|ROA|IDA|BIA|CCA)[0-9A-Z]{16}(?![A-Za-z0-9])",
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"gl[a-z]{2,5}-[A-Za-z0-9_\-]{16,}",
    r"hv[sbr]\.[A-Za-z0-9_\-]{20,}",
    r"sq0[a-z]{3}-[A-Za-z0-9_\-]{20,}",
    r"xox[abeoprs]-[A-Za-z0-9\-]{8,}",
    r"xapp-[A-Za-z0-9\-]{10,}",
    r"NRAK-[A-Z0-9]{20,}",
    r"AIza[A-Za-z0-9_\-]{30,}",
    r"ya29\.[A-Za-z0-9_\-]{20,}",
    r"GOCSPX-[A-Za-z0-9_\-]{20,}",
    r"(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])",
    r"[A-Za-z0-9_~.\-]{3}\dQ~[A-Za-z0-9_~.\-]{31,}",  # Azure
    r"(?:[srp]k|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}",
    r"(?:pypi|key)-[A-Za-z0-9_\-]{32,}",
    r"npm_[A-Za-z0-9]{30,}",
    r"hf_[A-Za-z0-9]{20,}",
    r"gsk_[A-Za-z0-9]{20,}",
    r"dckr_pat_[A-Za-z0-9_\-]{20,}",
    r"SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}",
    r"eyJ[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]{5,}(?:\.[A-Za-z0-9_\-]*)?",
)
_OF_PEM = r"[A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,20}-----"
_QUOTE = r"(?P<quote>\\*(?:\"\"\"|'''|[\"']))"
_HOOKS = (
    r"https://hooks\.slack(?:-gov)?\.com/[A-Za-z0-9_/\-]{8,}"
    r"|https://(?:\w{1,20}\.)?discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/\d{5,25}/[A-Za-z0-9_\-]{20,}"
)
# Every repetition in front of a fixed text is bounded, so that a line costs time in proportion to its length. What a
# group called `secret` found is taken out; all of it, where there is none.
_BY_LOOKS = tuple(
    re.compile(pattern)
    for pattern in (
        # PEM, also with its line ends escaped; an unfinished one goes to the end.
        rf"(?s)-----BEGIN {_OF_PEM}.*?(?:-----END {_OF_PEM}|\Z)",
        _HOOKS,
        rf"(?<![A-Za-z0-9])(?:{'|'.join(_KEYS)})",
        r"(?<![0-9])(?P<secret>\d{8,10}:[A-Za-z0-9_\-]{35})(?![A-Za-z0-9_\-])",  # Telegram
        r"(?i)(?<![a-z0-9_])(?:x-amz-)?sig(?:nature)?=(?P<secret>[A-Za-z0-9%+/=_\-]{16,})",
        r"(?i)[a-z][a-z0-9+.\-]{0,20}://(?P<secret>[^\s/:@\"'\\]{0,200}:[^\s\"'\\<>]{1,500})@",
        r"(?i)authorization\\*[\"']?[^\S\n]{0,40}[:=,]\s{0,3}\\*[\"']?(?P<secret>(?:[a-z]{1,20}\s{1,3})?[^\s\"'\\,;]+)",
        r"(?i)\bBearer\s{1,3}(?P<secret>[A-Za-z0-9._~+/=\-]{8,})",
        # Base64 has a digit, or its padding; `Basic functionality` has none.
        r"\bBasic\s{1,3}(?P<secret>(?=[A-Za-z+/]{0,200}[0-9=])[A-Za-z0-9+/]{8,}={0,2})",
    )
)
_BY_NAME = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?i)\b(?:set-)?cookie\\*[\"']?\s{0,3}[:,]\s{0,3}\\*[\"']?(?P<secret>[^\n\"'\\]+)",
        # NAME = "value with spaces": the same quote, escaped as often, ends it.
        rf"(?i){_NAMES}{_BETWEEN}{_WRAPPED}{_QUOTE}(?P<secret>[^\n]{{0,2000}}?)(?=(?P=quote))",
        rf"(?i){_NAMES}\s{{1,3}}'(?P<secret>[^'\n]{{1,200}})'",  # SQL
        # NAME=value: up to what ends a word.
        rf"(?i){_NAMES}{_BETWEEN}(?!\\*[\"'])(?P<secret>[^\s\"'&,;)}}\]\\]+)",
        rf"(?i){_NAMES}>(?P<secret>[^<>\n]{{1,500}})(?=</)",
        rf"(?i)(?<![\w\-])--?[a-z0-9_\-]{{0,40}}?{_NAMES}\s{{1,3}}(?P<secret>[^\s\"'\-][^\s\"']{{0,500}})",
        r"(?<![\w\-])(?:-u|--user|--proxy-user)[ =]{0,3}[\"']?[^\s:\"'/]{1,100}:(?P<secret>[^\s\"'/]{2,200})",
        rf"(?i)\b(?:login|account|user)\s{{1,8}}\S{{1,200}}\s{{1,8}}{_NAMES}\s{{1,8}}(?P<secret>\S+)",
    )
)
_SENSITIVE_NAME = re.compile(rf"(?i){_NAMES}$")


def matches(pattern: re.Pattern[str], text: str, *, ahead: int = _AHEAD) -> Iterator[re.Match[str]]:
    """Return what a pattern finds in a text, in turn. As `Pattern.finditer`, but never long at a time.

    Regular expressions hold the interpreter, and all other threads with it. A match may be of any length.

    Args:
        pattern: It finds nothing that is empty, and sees by its first `ahead` characters that it finds something.
        text: As long as it may be.
        ahead: How many characters a match needs at most until it only goes on.
    """
    at = 0
    reach = WINDOW + ahead
    while at < len(text):
        limit = min(at + reach, len(text))
        found = pattern.search(text, at, limit)
        if found is None:
            at += reach - ahead
        elif found.end() > limit - _EDGE and limit < len(text):
            at = found.start()
            reach *= 2  # it may go on, or something behind it may forbid it
            continue
        else:
            yield found
            at = found.end()
        reach = WINDOW + ahead


def substituted(
    pattern: re.Pattern[str], instead: Callable[[re.Match[str]], str], text: str, *, ahead: int = _AHEAD
) -> str:
    """Return the text with what a pattern finds replaced; never long at a time, as `matches`."""
    if len(text) <= WINDOW:
        return pattern.sub(instead, text)
    built: list[str] = []
    done = 0
    for found in matches(pattern, text, ahead=ahead):
        built += [text[done : found.start()], instead(found)]
        done = found.end()
    built.append(text[done:])
    return "".join(built)


class Redactor:
    """Takes live values and look-alikes of keys out of text. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._live: re.Pattern[str] | None = None
        self._longest = _AHEAD

    def register(self, *values: str) -> None:
        """Take these values out from now on, also URL-quoted, as JSON, as Python's repr and in base64.

        A value under `SHORTEST_VALUE` characters is not looked for.
        """
        with self._lock:
            self._values.update(value for value in values if len(value) >= SHORTEST_VALUE)
            self._compile()

    def with_values(self, values: Iterable[str]) -> Redactor:
        """Return another that knows these values besides those that this one knows now."""
        other = Redactor()
        with self._lock:
            known = self._values.copy()
        other.register(*known, *values)
        return other

    def redact(self, text: str) -> str:
        """Return the text without secrets."""
        text = self.mark(text, lambda _: REDACTED)
        for pattern in _BY_NAME:
            text = substituted(pattern, _without(lambda _: REDACTED), text)
        return text

    def mark(self, text: str, instead: Callable[[str], str]) -> str:
        """Return the text without live values and look-alikes of keys; what has only a telling name before it stays.

        Args:
            text: The text.
            instead: What to put in a secret's place; it is told the secret, and may give it back.
        """
        if self._live is not None:
            text = substituted(self._live, lambda found: instead(found[0]), text, ahead=self._longest)
        for pattern in _BY_LOOKS:
            text = substituted(pattern, _without(instead), text)
        return text

    def _compile(self) -> None:
        forms = sorted({form for value in self._values for form in _forms(value)}, key=len, reverse=True)
        self._longest = max(_AHEAD, 2 * len(forms[0])) if forms else _AHEAD
        self._live = re.compile("|".join(map(re.escape, forms))) if forms else None


def is_sensitive_name(name: str) -> bool:
    """True for the name of a field whose value must never be logged: `password`, `api_key`, `token`."""
    return _SENSITIVE_NAME.search(name) is not None


def _without(instead: Callable[[str], str]) -> Callable[[re.Match[str]], str]:
    """Return what replaces the secret in a match, and leaves the rest of the match."""

    def replaced(found: re.Match[str]) -> str:
        if "secret" not in found.re.groupindex:
            return instead(found[0])
        start, end = (place - found.start() for place in found.span("secret"))
        return f"{found[0][:start]}{instead(found['secret'])}{found[0][end:]}"

    return replaced


def _forms(value: str) -> set[str]:
    raw = value.encode("utf-8", "surrogatepass")
    forms = {
        value,
        quote(raw, safe=""),
        quote(raw),
        quote_plus(raw),
        quote(raw, safe="").lower(),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        raw.hex(),
    }
    # Within longer content base64 depends on where in a group of three bytes the value begins.
    for shift in range(3):
        for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
            whole = alphabet(b"\0" * shift + raw).decode("ascii").rstrip("=")
            first = (0, 2, 3)[shift]  # characters that hold bits of what stands before
            last = len(whole) if (shift + len(raw)) % 3 == 0 else -1  # and one of what stands behind
            forms.add(whole[first:last])
    return {form for form in forms if len(form) >= SHORTEST_VALUE}


def forms_of(value: bytes) -> set[bytes]:
    """Return the forms in which a value may appear in what a program prints, as bytes."""
    return {
        value,
        *(form.encode("utf-8", "surrogateescape") for form in _forms(value.decode("utf-8", "surrogateescape"))),
    }
