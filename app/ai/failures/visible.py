"""Text without what cannot be seen: escape sequences of terminals, control characters, marks of direction and width."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
    "|(?:\x1b\\]|\x9d)[^\x07\x1b\x9c\n]{0,2000}(?:\x07|\x1b\\\\|\x9c)"
    "|\x1b[P^_X][^\x1b\n]{0,2000}\x1b\\\\"
    "|\x1b[ -/]{0,4}[0-~]"
)
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_ENDS = re.compile("\r\n?")
_ODD_ENDS = re.compile("[\x0b\x0c\x85\u2028\u2029]")
_HALVES = re.compile("[\ud800-\udfff]")


def visible(text: str) -> str:
    """Return the text without what cannot be seen; its lines end with a newline each, and it can be sent as UTF-8."""
    text = _ENDS.sub("\n", text)
    text = _ODD_ENDS.sub(" ", text)
    if "\x1b" in text or "\x9b" in text or "\x9d" in text:
        text = _ESCAPES.sub("", text)
    return _HALVES.sub("\ufffd", _UNSEEN.sub("", text))
