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
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"

SHORTEST_VALUE = 6
"""Characters: a shorter live value would be found in every other word."""

_NAMES = (
    r"(?:passwd|password|passphrase|secret|credentials?|(?<![a-z])token|(?<![a-z])pwd|api[_-]?key"
    r"|(?<=[_-])key)"
)
# Every repetition in front of a fixed text is bounded, so that a line costs time in proportion to its length.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # PEM, also with its line ends escaped; an unfinished one goes to the end.
        (r"(?s)-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)", REDACTED),
        (r"(?i)([a-z][a-z0-9+.\-]{0,20}://)[^\s/:@\"'\\]{0,200}:[^\s\"'\\<>]{1,500}@", rf"\1{REDACTED}@"),
        (
            r"(?i)(authorization\\*[\"']?\s{0,3}[:=]\s{0,3}\\*[\"']?)(?:[a-z]{1,20}\s{1,3})?[^\s\"'\\,;]+",
            rf"\1{REDACTED}",
        ),
        (r"(?i)\b(Bearer)\s{1,3}[A-Za-z0-9._~+/=\-]{8,}", rf"\1 {REDACTED}"),
        (r"\bsk-[A-Za-z0-9_\-]{16,}", REDACTED),
        (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", REDACTED),
        (r"\bgh[pousr]_[A-Za-z0-9]{20,}", REDACTED),
        (r"\bgithub_pat_[A-Za-z0-9_]{20,}", REDACTED),
        (r"\bglpat-[A-Za-z0-9_\-]{16,}", REDACTED),
        (r"\bxox[abeoprs]-[A-Za-z0-9\-]{8,}", REDACTED),
        (r"\bAIza[A-Za-z0-9_\-]{30,}", REDACTED),
        (r"\beyJ[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]{5,}(?:\.[A-Za-z0-9_\-]*)?", REDACTED),
        # NAME = "value with spaces": the same quote, escaped as often, ends it.
        # So does a name that a debugger pads, that a type stands behind, or that is compared.
        (
            (
                rf"(?i)({_NAMES}\\*[\"']?\]?[^\S\n]{{0,40}}(?::[^\S\n]?[a-z_][\w\[\]., |]{{0,40}}(?==))?"
                rf"(?:[!=:]?=|:|=>)[^\S\n]{{0,40}}(?:\w{{1,20}}\()?[bruf]{{0,2}}(\\*[\"']))[^\n]*?(?=\2)"
            ),
            rf"\1{REDACTED}",
        ),
        # NAME=value: up to what ends a word.
        (rf"(?i)({_NAMES}\\*[\"']?\s{{0,3}}[=:]\s{{0,3}})(?!\\*[\"'])[^\s\"'&,;)}}\]\\]+", rf"\1{REDACTED}"),
    )
)
_SENSITIVE_NAME = re.compile(rf"(?i){_NAMES}$")


class Redactor:
    """Takes live values and look-alikes of keys out of text. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._live: re.Pattern[str] | None = None

    def register(self, *values: str) -> None:
        """Take these values out from now on, also URL-quoted, as JSON, as Python's repr and in base64.

        A value under `SHORTEST_VALUE` characters is not looked for.
        """
        with self._lock:
            self._values.update(value for value in values if len(value) >= SHORTEST_VALUE)
            self._compile()

    def redact(self, text: str) -> str:
        """Return the text without secrets."""
        if self._live is not None:
            text = self._live.sub(REDACTED, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def _compile(self) -> None:
        forms = sorted({form for value in self._values for form in _forms(value)}, key=len, reverse=True)
        self._live = re.compile("|".join(map(re.escape, forms))) if forms else None


def is_sensitive_name(name: str) -> bool:
    """True for the name of a field whose value must never be logged: `password`, `api_key`, `token`."""
    return _SENSITIVE_NAME.search(name) is not None


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
