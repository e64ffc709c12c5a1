"""Text that came from elsewhere, without what a terminal or a screen would obey or hide."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"\x1b\[[0-?]{0,64}[ -/]{0,16}[@-~]"  # colours, cursor movements (ECMA-48)
    r"|\x1b[\]PX^_][^\x07\x1b\n]{0,4096}(?:\x07|\x1b\\)?"  # titles, links, device strings
    r"|\x1b[ -/]{0,16}[0-~]"
    r"|\x9b[0-?]{0,64}[ -/]{0,16}[@-~]"
)
_UNSEEN = re.compile(
    "["
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff"  # halves of a character: no file and no socket takes them
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "]+"
)
_BREAKS = re.compile("\r\n?|[\u2028\u2029]")


def plain(text: str, limit: int | None = None) -> str:
    """Return the text with newlines, tabs and what is visible; no escape, control, bidi or zero-width characters.

    Args:
        text: Any text. Takes time in proportion to its length.
        limit: Characters that are kept at most.
    """
    text = _UNSEEN.sub("", _BREAKS.sub("\n", _ESCAPES.sub("", text)))
    return text if limit is None else text[:limit]
