"""Whether a value that stands where a secret would stand is one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import TYPE_CHECKING

from app.agents.auditing.checks.secrets.entropy import entropy, is_counted, is_wordy

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.agents.auditing.checks.secrets.rules import Rule, RuleBook

_WEAK = re.compile(
    rb"(?i)[\W_\d]*(?:p(?:a|@)ss(?:w(?:o|0)rd)?s?|passwd|pwd|secrets?|tokens?|keys?|admin|root|user(?:name)?|guest|test(?:ing|er)?|"
    rb"foo(?:bar)?|bar|baz|qwerty|letmein|default|string|none|null|true|false|unknown|hunter|postgres|mysql|mongo|redis|"
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
_SHORTEST_PASSWORD = 8
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
    return shape is None or (not _OTHER_NAME.fullmatch(name) and shape(value))


def _is_password(value: bytes) -> bool:
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
    if value == user or _WEAK.fullmatch(value) or value.isdigit() or _EXAMPLE_HOST.fullmatch(host):
        return False
    if value.startswith((b"$", b"{", b"%", b"<", b"[")) or b"{" in value:
        return False
    return not _OWN_HOST.fullmatch(host) or _is_password(value)


def _is_jwt(value: bytes) -> bool:
    header = value.partition(b".")[0]
    try:
        said = json.loads(base64.urlsafe_b64decode(header + b"=" * (-len(header) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return False
    return isinstance(said, dict) and isinstance(said.get("alg"), str) and said["alg"].lower() != "none"


_SHAPES: dict[str, Callable[[bytes], bool]] = {"password": _is_password, "token": _is_token, "jwt": _is_jwt}
