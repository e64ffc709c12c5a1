"""Tells by an identifier whether a secret may be behind it: by its words, however they are joined."""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache

PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
"""The words of `DB_PASSWORD`, `accessToken`, `APIKey`; digits are none."""


def word_set(words: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(words.split())


class Reach(Enum):
    """How far a name's power goes."""

    NONE = auto()
    VALUE = auto()
    """What is set to it, or compared with it. It may well be no secret: `token`, `cache_key`."""
    SECRET_VALUE = auto()
    """The same, and it is one."""
    LINE = auto()
    """Every literal behind it on its line."""


_SECRETS = word_set(
    """
    password passwords passwd passphrase passphrases passcode pwd secret secrets credential credentials apikey
    apikeys authorization secretkey privatekey accesskey accountkey пароль пароля пароли
    """
)
_GLUED = ("password", "passwd", "passphrase", "secret", "apikey")
_OF_KEYS = word_set(
    """
    api access private secret signing encryption decryption auth client account master session shared aws ssh
    hmac jwt service licence license storage subscription webhook deploy deployment admin root app host server
    stripe openai deepseek anthropic azure
    """
)
_NO_KEYS = word_set(
    """
    sort primary foreign cache partition dict public lookup group row column map json index natural composite
    unique hot arrow shift ctrl control enter escape tab object item node property attribute translation
    message config setting bucket redis memo search first last next any each current left
    right up down
    """
)
_TOKENS = ("token", "cookie", "jwt", "otp", "pin", "salt", "signature")
_TAILS = word_set(
    """
    base hash hashed text string str raw plain value val old new confirm confirmation again repeat repeated
    current encoded encrypted b default prod production dev test staging local
    """
)


@lru_cache(maxsize=4096)
def reach_of(identifier: str) -> Reach:
    """Return how far the power of a name goes.

    Args:
        identifier: As it stands in source, settings or a command: `cfgPassword`, `DB_PASS`, `x-api-key`.
    """
    words = [word.lower() for word in PARTS.findall(identifier)]
    while len(words) > 1 and words[-1] in _TAILS:
        words.pop()
    if not words:
        return Reach.NONE
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in _SECRETS or last.endswith(_GLUED) or (last in {"key", "keys"} and before in _OF_KEYS):
        return Reach.LINE
    if last == "pass":
        return Reach.SECRET_VALUE
    if last == "key" and before and before not in _NO_KEYS:
        return Reach.VALUE
    if last.endswith(("token", "cookie", "jwt")) or last in _TOKENS or (before, last) == ("session", "id"):
        return Reach.VALUE
    return Reach.VALUE if last == "sessionid" else Reach.NONE
