"""Whether a value that stands where a secret would stand is one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import TYPE_CHECKING

from app.agents.auditing.checks.secrets.entropy import entropy, is_counted, is_wordy
from app.domain.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.agents.auditing.checks.secrets.rules import Rule, RuleBook

_WEAK = re.compile(
    rb"(?i)[\W_\d]*(?:p(?:a|@|4)ss(?:w(?:o|0)rd)?s?|passwd|pwd|secrets?|tokens?|keys?|admin|root|user(?:name)?|guest|test(?:ing|er)?|"
    rb"foo(?:bar)?|bar|baz|qwerty|letmein|default|string|none|null|true|false|unknown|postgres|mysql|mongo|redis|"
    rb"tiger|rabbitmq|minio|minioadmin|database|db|local|host|login|abc|value|empty|required|optional|demo|temp|my|the|a|new|old|"
    rb"super|top|very|some|basic|bearer|hello|world|correct|wrong|bad|good|strong|weak|[\W_\d])*"
)
_DIGIT = re.compile(rb"\d")
_LETTER = re.compile(rb"[A-Za-z]")
_SIGN = re.compile(rb"[^\w\s]")
_CASES = re.compile(rb"(?=.*[a-z])(?=.*[A-Z])", re.DOTALL)
_NO_KEY = re.compile(rb"[^A-Za-z0-9+/=_.~:|!@#$%^&*\-]")
_HEX = re.compile(rb"[0-9a-fA-F]+")
_UUID = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NAMED = re.compile(rb"[A-Za-z_]{1,40}(?:[.\-/:]{1,2}[A-Za-z_]{1,40}){1,20}")
_EXPRESSION = re.compile(rb"[\w.]*\w[\[(].*|.*(?:->|=>|::|\(\)|\[\]|&&|\|\|).*", re.DOTALL)
_PLACE = re.compile(
    rb"(?:\.{0,2}|~|[A-Za-z]:)[/\\][\w./\\ \-]*|[a-z][a-z0-9+.\-]{1,20}://[^@]*|(?:/[\w.\-]+){2,}/?|[\w\-]+\.[a-z]{2,5}"
)
_DIGEST = re.compile(
    rb"(?i)(?:sha\d{1,3}|md5|sri|blake2b?)[\-:=].*|\$(?:2[aby]|argon2\w*|5|6|1|pbkdf2[\w\-]*|scrypt)\$.*"
)
_DATE = re.compile(rb"\d{4}-\d\d-\d\d[T ]?[\d:.Z+\-]*|v?\d+(?:\.\d+)+[\w.+\-]*")
_OTHER_NAME = re.compile(
    rb"(?i)(?:.*[_\-]|s?)(?:hash|sha\d{0,3}|md5|bcrypt|argon2\w*|digest|checksum|sum|fingerprint|thumbprint|id|ids|url|uri|urls|path|file|filename|dir|"
    rb"name|names|type|types|field|fields|label|title|text|message|msg|hint|help|error|regex|pattern|length|len|size|"
    rb"count|max|min|limit|ttl|expiry|expires|expired|algorithm|alg|method|scheme|class|header|prefix|suffix|format|"
    rb"version|policy|validator|validators|arn|ref|public|pub|env|var|column|param|parameter|provider|endpoint|host|"
    rb"service|required|enabled|rotation|created|updated|at|date|usage|code_?challenge)s?"
)
_EXAMPLE_HOST = re.compile(
    rb"(?i)(?:.*\.)?(?:example(?:\.\w+)?|invalid|test)|.*(?:example|your|domain|foo|\bbar\b).*|host(?:name)?|server(?:name)?|x{2,}|\.+"
)
_OWN_HOST = re.compile(rb"(?i)localhost|127(?:\.\d+){3}|0\.0\.0\.0|host\.docker\.internal")
_PARTED = re.compile(rb"[A-Za-z]{2}[_\-/:][A-Za-z]|\w\.\w|[\s\\]|[A-Za-z][_\-/:]\d")
"""As the parts of a name are joined: `user_field_2`."""
_WORDS = re.compile(rb"[a-z]{3,12}(?:[\- ][a-z]{3,12}){2,6}")
_OF_PROGRAMS = re.compile(
    rb"password|passwd|secret|token|key|user|admin|login|auth|account|field|form|input|label|text|title|name|value|type|"
    rb"test|your|this|that|not|none|null|default|reset|change|forgot|current|new|old|invalid|valid|wrong|missing|"
    rb"error|prompt|hint|help|show|hide|toggle|icon|button|page|view|model|class|file|path|string|data|with|and|the|for"
)
"""Words of names and messages: three words with one of them are no phrase that somebody chose to be a password."""
_SHORTEST_PASSWORD = 8
_SHORTEST_TYPED = 10
_LONG_PASSWORD = 12
_FEW_DIGITS = 2


def known(value: bytes, book: RuleBook) -> bool:
    """Return whether a vendor prints this key in its documents."""
    return hashlib.sha256(value).hexdigest() in book.known


def stands_in(value: bytes, rule: Rule, book: RuleBook) -> bool:
    """Return whether a value only stands where a secret would: a placeholder, a reference, something typed."""
    own = value.lower()
    body = value[max((len(word) for word in rule.keywords if own.startswith(word)), default=0) :]
    return any(each.search(body) for each in book.placeholders) or is_counted(body) or known(value, book)


def weight(value: bytes, rule: Rule, host: bytes) -> Severity:
    """Return how severe a finding is at most, by the value alone: words may be anything, and an example is nobody's."""
    if rule.shape == "url" and _EXAMPLE_HOST.fullmatch(host):
        return Severity.LOW
    if rule.shape == "password" and not _is_drawn(value):
        return Severity.LOW if _WORDS.fullmatch(value) else Severity.MEDIUM
    return Severity.CRITICAL


def convinces(value: bytes, rule: Rule, name: bytes, user: bytes, host: bytes) -> bool:
    """Return whether a value is a secret of the shape that the rule asks for, with the entropy that it asks for.

    Args:
        value: It.
        rule: What it was found by.
        name: What stands behind the word that gave it away: `_hash` of `password_hash`.
        user: The user of an address; else empty.
        host: The host of an address; else empty.
    """
    if entropy(value) < rule.entropy:
        return False
    if rule.shape == "url":
        return _is_password_of_address(value, user, host)
    shape = _SHAPES.get(rule.shape)
    if shape is None or (not _OTHER_NAME.fullmatch(name) and shape(value)):
        return True
    return rule.shape == "password" and not name and _is_typed(value)


def _is_typed(value: bytes) -> bool:
    """Return whether a value is a password as people make them up: words with numbers, or three words and more."""
    if _WORDS.fullmatch(value):
        return not _OF_PROGRAMS.search(value)
    if len(value) < _SHORTEST_TYPED or _WEAK.fullmatch(value) or _is_something_else(value):
        return False
    return bool(_DIGIT.search(value) and _LETTER.search(value)) and not _PARTED.search(value)


def _is_drawn(value: bytes) -> bool:
    """Return whether there is so much chance in a password that it is no word."""
    if len(value) < _SHORTEST_PASSWORD or _WEAK.fullmatch(value) or _is_something_else(value):
        return False
    kinds = sum(bool(each.search(value)) for each in (_DIGIT, _LETTER, _SIGN, _CASES))
    is_mixed = bool(_CASES.match(value)) and (bool(_SIGN.search(value)) or len(value) >= _LONG_PASSWORD)
    has_chance = bool(_DIGIT.search(value)) or is_mixed
    return kinds > 1 and has_chance and not is_wordy(value.decode("utf-8", "replace"))


def _is_token(value: bytes) -> bool:
    if _NO_KEY.search(value) or _WEAK.fullmatch(value) or _is_something_else(value) or _UUID.fullmatch(value):
        return False
    if len(_DIGIT.findall(value)) < _FEW_DIGITS or not _LETTER.search(value):
        return False
    return bool(_HEX.fullmatch(value)) or not is_wordy(value.decode("utf-8", "replace"))


def _is_something_else(value: bytes) -> bool:
    return any(each.fullmatch(value) for each in (_NAMED, _EXPRESSION, _PLACE, _DIGEST, _DATE))


def _is_password_of_address(value: bytes, user: bytes, host: bytes) -> bool:
    if value == user or _WEAK.fullmatch(value) or value.isdigit():
        return False
    if value.startswith((b"$", b"{", b"%", b"<", b"[")) or b"{" in value:
        return False
    is_nobodys = _OWN_HOST.fullmatch(host) or _EXAMPLE_HOST.fullmatch(host)
    return not is_nobodys or _is_drawn(value)


def _is_jwt(value: bytes) -> bool:
    header = value.partition(b".")[0]
    try:
        said = json.loads(base64.urlsafe_b64decode(header + b"=" * (-len(header) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return False
    return isinstance(said, dict) and isinstance(said.get("alg"), str) and said["alg"].lower() != "none"


_SHAPES: dict[str, Callable[[bytes], bool]] = {"password": _is_drawn, "token": _is_token, "jwt": _is_jwt}
