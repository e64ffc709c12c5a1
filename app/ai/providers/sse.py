"""Server-sent events, read from bytes as they come.

After the WHATWG's HTML Living Standard, "Server-sent events", 9.2.5 and 9.2.6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.domain.errors import ModelNonsense

LONGEST = 256 * 1024
"""Bytes of one line, and of the data of one event."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event.

    Attributes:
        data: Its lines, joined by line feeds.
        kind: Its `event` field; `message` when it had none.
    """

    data: str
    kind: str = "message"


class EventReader:
    """Reads events from the chunks of a stream, wherever they are cut.

    The fields `id` and `retry` serve those who connect anew, which nobody does here: they are passed over, as are
    unknown ones. What the stream's end leaves unfinished is no event.

    Args:
        longest: Bytes that a line, and an event's data, may have.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._line = bytearray()
        self._data: list[str] = []
        self._size = 0
        self._kind = ""
        self._is_first = True
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that are complete with this chunk.

        Raises:
            ModelNonsense: A line or an event is too long.
        """
        if not chunk:
            return []
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]  # the other half of a CRLF
            self._after_cr = False
            if not chunk:
                return []
        self._after_cr = chunk.endswith(b"\r")
        *ended, rest = _LINE_END.split(chunk)
        found: list[ServerSentEvent] = []
        for part in ended:
            self._grow(part)
            line, self._line = self._line, bytearray()
            event = self._take(bytes(line))
            if event is not None:
                found.append(event)
        self._grow(rest)
        return found

    def _grow(self, part: bytes) -> None:
        if len(self._line) + len(part) > self._longest:
            raise ModelNonsense(f"The service sent a line of more than {self._longest // 1024} KiB.")
        self._line += part

    def _take(self, line: bytes) -> ServerSentEvent | None:
        if self._is_first:
            self._is_first = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatched()
        # A line end is never part of a longer character in UTF-8, so each line can be read for itself.
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._size += len(line)
            if self._size > self._longest:
                raise ModelNonsense(f"The service sent an event of more than {self._longest // 1024} KiB.")
            self._data.append(value)
        elif name == "event":
            self._kind = value
        return None

    def _dispatched(self) -> ServerSentEvent | None:
        data, kind = self._data, self._kind
        self._data, self._size, self._kind = [], 0, ""
        return ServerSentEvent("\n".join(data), kind or "message") if data else None
