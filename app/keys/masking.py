"""Takes values out of a stream of bytes as it flows, wherever the pieces of it are cut."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = b"***"


class StreamMask:
    """It, for one stream.

    Args:
        values: What is taken out, in every form in which it may appear; an empty one is ignored.
    """

    def __init__(self, values: Iterable[bytes]) -> None:
        self._values = sorted({value for value in values if value}, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._values))) if self._values else None
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Return what may be shown now: all but an end that may be the beginning of a value."""
        if self._pattern is None:
            return piece
        content = self._held + piece
        shown, at = [], 0
        while match := self._pattern.search(content, at):
            # Another value may begin where this one does, or before it, and end behind what has come yet.
            if len(content) - self._open_end(content[at:]) <= match.start():
                break
            shown += [content[at : match.start()], MASK]
            at = match.end()
        rest = content[at:]
        held = self._open_end(rest)
        self._held = rest[len(rest) - held :]
        return b"".join([*shown, rest[: len(rest) - held]])

    def end(self) -> bytes:
        """Return what was held back: no value came of it, except one that is there whole."""
        held, self._held = self._held, b""
        return self._pattern.sub(MASK, held) if self._pattern is not None else held

    def _open_end(self, content: bytes) -> int:
        """Return how many bytes at the end are the beginning of a value."""
        return max((_open_end(content, value) for value in self._values), default=0)


def _open_end(content: bytes, value: bytes) -> int:
    at = content.find(value[:1], max(0, len(content) - len(value) + 1))
    while at >= 0 and not value.startswith(content[at:]):
        at = content.find(value[:1], at + 1)
    return len(content) - at if at >= 0 else 0
