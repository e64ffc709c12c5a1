"""Tells whether what stands behind a telling name is a secret, or a word, a placeholder, a name, an expression."""

from __future__ import annotations

import keyword
import re

from app.ai.failures.namewords import word_set

LEAST = 4
"""Characters of a literal or a value that may be a secret."""
_LEAST_WORD = 6
_LONGEST_WORD = 16
_LEAST_NUMBER = 6

_STANDS_IN = re.compile(
    r"\$\{?\w+\}?|\$\([^)]*\)?|%\(\w+\)[sdr]|%[sdr]"
    r"|\{{1,2}[^{}]*\}{1,2}|<[A-Za-z][\w \-]*>|\[[a-z]{1,8}(?:-\d{1,9})?\]?"
)
_ENCODING = re.compile(
    r"utf-?(?:8|16|32)(?:-?[lb]e|-sig)?|latin-?1|iso-8859-1|cp\d{3,4}|sha-?\d{1,3}|md5|base64|h?s256"
)
_DIGITS = re.compile(r"[\d.,:+\-_ ]+")
_SIGNS = re.compile(r"\w")
_WORD = re.compile(r"[^\W\d_]+")
_ONE_CASE = re.compile(r"[A-Z]?[^\WA-Z\d_]+|[A-Z]+")
_SHOUTED = re.compile(r"[A-Z]+(?:_[A-Z]+)+_?")
_NAME = re.compile(r"(?:[^\W\d_]+[_.:\-/ ]){1,8}[^\W\d_]+|[A-Z][A-Z\d_]*_[A-Z\d_]+")
_PATH = re.compile(r"[~.]{0,2}/[\w./\-{}<>:%*]*|[\w./\-]{1,200}\.[a-z]{2,4}|https?://[\w.:\-]+(?:/[\w./\-]*)?")
_PROSE = re.compile(r"[^\W\d_][^\d]*\s+[^\d]*[^\W\d_][^\d]*|[^\W_]+(?:\s+[\w.,'()%-]+){3,}[.!?:]?\s*")
_OPERAND = (
    r"[*&!(]{0,3}(?:(?:[^\W\d]\w*)?(?:(?:\.[^\W\d]+\d{0,2})*(?:\([^\n]*|\[[^\n]*))"
    r"|[^\W\d]+\d{0,2}(?:\.[^\W\d]+\d{0,2})+|[^\W\d]+=?|0x[\da-fA-F_]+|\d{1,4})\.?"
)
_EXPRESSION = re.compile(rf"{_OPERAND}(?:[+*|%]+{_OPERAND}){{0,20}}")
_COMMON = word_set(
    """
    true false none null undefined default string integer number boolean object bytes bytearray optional
    required invalid missing expired wrong incorrect unknown empty hidden hashed unauthorized forbidden denied
    password passwords passwd secret secrets token tokens username basic bearer digest admin test tests example
    changeme value values text field input name passed failed error nothing anything whatever redacted
    """
)


def is_secret_literal(value: str, *, is_surely: bool, is_set: bool) -> bool:
    """Return whether a string literal behind a telling name may be a secret.

    Args:
        value: What stands between its quotes.
        is_surely: The name tells of a secret, such as a password; others may be of tokens of a grammar.
        is_set: The name is set to it or compared with it, rather than that it only stands further on.
    """
    value = value.strip()
    if _is_nothing(value) or _SHOUTED.fullmatch(value):
        return False
    if _WORD.fullmatch(value):
        least, longest = (_LEAST_WORD, 0) if is_surely and is_set else (LEAST, _LONGEST_WORD)
        return len(value) >= least and (len(value) > longest or not _ONE_CASE.fullmatch(value))
    if _DIGITS.fullmatch(value):
        return is_set and len(value) >= (LEAST if is_surely else _LEAST_NUMBER)
    if is_set and is_surely:
        return True
    return not any(harmless.fullmatch(value) for harmless in (_NAME, _PROSE, _PATH))


def is_secret_value(value: str, *, is_surely: bool, is_told: bool, is_alone: bool) -> bool:
    """Return whether a value without quotes behind a telling name may be a secret.

    Args:
        value: Up to what ends it.
        is_surely: As in `is_secret_literal`.
        is_told: It cannot be source: `DB_PASS=word`, `<password>word</password>`.
        is_alone: Nothing else is on its line, as in a file of settings.
    """
    value = value.rstrip(".:")
    if _is_nothing(value):
        return False
    if is_told and not value.endswith(("[", "(")):
        return True
    if _WORD.fullmatch(value):
        return is_alone and is_surely and len(value) >= _LEAST_WORD and value.islower()
    if _DIGITS.fullmatch(value):
        return len(value) >= _LEAST_NUMBER - is_surely
    return _EXPRESSION.fullmatch(value) is None


def is_distinct(value: str) -> bool:
    """Return whether a value is no word, so that it may be taken out wherever it stands."""
    return (
        len(value) >= _LEAST_WORD and re.search(r"\d", value) is not None and re.search(r"[^\W\d_]", value) is not None
    )


def _is_nothing(value: str) -> bool:
    """True for what is too short, a common word, or stands for something else."""
    low = value.lower()
    rest = _STANDS_IN.sub("", low)
    return (
        len(value) < LEAST
        or low in _COMMON
        or keyword.iskeyword(low)
        or len(_SIGNS.findall(rest)) < LEAST
        or rest.strip() in _COMMON
        or _ENCODING.fullmatch(low) is not None
        or len(set(low)) == 1
    )
