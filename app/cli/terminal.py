"""Writing to a terminal, a pipe or a file: colour only where wanted, and never a control sequence from outside."""

from __future__ import annotations

import io
import json
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

SCHEMA = 1
"""Version of the JSON documents that commands print."""

_CODES = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "bold": "1", "dim": "2"}
_WIPE = "\r\x1b[K"
_NARROWEST = 20


class _Nowhere(io.TextIOBase):
    """What a program writes to that Windows started without a console: there, Python's own streams are None."""

    def write(self, text: str) -> int:
        return len(text)


class Terminal:
    """Standard output and error of one command.

    Args:
        out: Data goes here; None, as `sys.stdout` may be, for nowhere.
        err: Everything else; likewise.
        environ: `NO_COLOR` (no-color.org) and `TERM` are respected.

    Attributes:
        moving: The last line can be written again.
        colour: Colours are shown.
    """

    def __init__(self, out: TextIO | None, err: TextIO | None, environ: Mapping[str, str]) -> None:
        self._out: TextIO | _Nowhere = out or _Nowhere()
        self._err: TextIO | _Nowhere = err or _Nowhere()
        self._passing = False
        can = sys.platform != "win32" or "WT_SESSION" in environ
        self._can_move = can and environ.get("TERM") != "dumb"
        self._progressing = False
        self.moving = self._out.isatty() and self._can_move
        self.colour = self.moving and not environ.get("NO_COLOR")
        for stream in (self._out, self._err):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                # A test's name may hold what the terminal's encoding does not.
                reconfigure(errors="backslashreplace")

    def say(self, text: str = "") -> None:
        """Print a line of data, in the place of a passing one."""
        if self._passing:
            self._out.write(_WIPE)
            self._passing = False
        self._out.write(text + "\n")

    def pass_by(self, text: str) -> None:
        """Show a line, cut to the terminal's width, until the next one takes its place; nothing where none moves.

        Args:
            text: One line without colours.
        """
        if self.moving:
            width = max(_NARROWEST, shutil.get_terminal_size().columns - 1)
            self._out.write(_WIPE + text[:width])
            self._out.flush()
            self._passing = True

    def progress(self, text: str) -> None:
        """Show a line beside the data, cut to the terminal's width, until the next one or a note; nothing into a file.

        Args:
            text: One line without colours; empty to wipe it.
        """
        if self._err.isatty() and self._can_move:
            width = max(_NARROWEST, shutil.get_terminal_size().columns - 1)
            self._err.write(_WIPE + text[:width])
            self._err.flush()
            self._progressing = bool(text)

    def note(self, text: str) -> None:
        """Print a line that is no data."""
        if self._progressing:
            self.progress("")
        self._err.write(text + "\n")

    def document(self, content: Mapping[str, object]) -> None:
        """Print the one JSON document of a command. In ASCII, so that no text from outside moves the cursor."""
        self.say(json.dumps({"schema": SCHEMA, **content}, indent=2, default=_of_domain))

    def record(self, content: Mapping[str, object]) -> None:
        """Print one JSON document of many, a line each, for programs that follow; it is handed on at once."""
        from app.control.protocol import dump

        self.say(dump(content))
        self._out.flush()

    def flush(self) -> None:
        """Hand everything on now, so that a reader that has left is noticed here."""
        self._out.flush()
        self._err.flush()

    def paint(self, text: str, *styles: str) -> str:
        """Return the text in colours, where this terminal has them."""
        if not self.colour or not styles or not text:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"

    def table(self, rows: Sequence[Sequence[str]], *, indent: str = "") -> None:
        """Print rows in columns as wide as they need; the last column is not padded."""
        if not rows:
            return
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            self.say(indent + "  ".join([*cells, row[-1]]).rstrip())


def plain(text: object) -> str:
    """Return text from outside without control characters, which could rewrite what the terminal shows."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in str(text))


def _of_domain(value: object) -> object:
    """Return a value of the domain as what JSON knows; asked only for what JSON does not know itself."""
    from app.control.protocol import dump

    return json.loads(dump(value))
