"""What a model said and what a test printed, on a terminal: nothing of it can move the cursor or hide a word."""

from __future__ import annotations

import sys
import unicodedata
from typing import TYPE_CHECKING, TextIO

from app.cli.terminal import plain
from app.domain import words

if TYPE_CHECKING:
    from collections.abc import Mapping

_WIPE = "\r\x1b[K"
_LONGEST_LINE = 240


def shown(text: str) -> str:
    """Return text from outside for several lines of a terminal.

    Line ends are of one kind and typographic spaces plain ones, which models like to write; whatever else cannot be
    printed, escape sequences and changes of the writing's direction among it, stands there in letters.
    """
    text = text.replace("\r\n", "\n")
    return plain("".join(" " if unicodedata.category(sign) == "Zs" else sign for sign in text))


def line(text: str, limit: int = _LONGEST_LINE) -> str:
    """Return text from outside for one line of a terminal, cut to `limit` characters."""
    return words.clip(words.one_line(text), limit)


def indented(text: str, by: str = "  ") -> str:
    """Return text from outside for several lines of a terminal, each of them set in, so that it is seen whose it is."""
    return "\n".join(f"{by}{each}".rstrip() for each in shown(text).strip("\n").split("\n"))


class AnswerStream:
    """Writes an answer as it comes, piece by piece.

    Args:
        out: Where to.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._held = ""
        self._last = "\n"

    def write(self, piece: str) -> None:
        """Write a piece, and hand it on at once. A line end that was cut in two is put together again."""
        text = self._held + piece
        self._held = "\r" if text.endswith("\r") else ""
        self._put(shown(text.removesuffix(self._held)))

    def end(self) -> None:
        """Write what was held back, and end the last line."""
        self._put(shown(self._held))
        self._held = ""
        if self._last != "\n":
            self._put("\n")

    def _put(self, text: str) -> None:
        if text:
            # Before it is written: an interrupt may come in between, and one line end too many does no harm.
            self._last = text[-1]
            self._out.write(text)
            self._out.flush()


class Progress:
    """One line on standard error that says what is waited for: on a terminal alone, and calm.

    Args:
        err: Where to.
        environ: A dumb terminal, which writes no line again, gets each text once.
    """

    def __init__(self, err: TextIO, environ: Mapping[str, str]) -> None:
        self._err = err
        self._is_seen = err.isatty()
        can = sys.platform != "win32" or "WT_SESSION" in environ
        self._is_moving = self._is_seen and can and environ.get("TERM") != "dumb"
        self._text = ""

    def show(self, text: str, since_s: float) -> None:
        """Say what is waited for, and on a terminal that can, for how long."""
        told = f"{text}  {words.elapsed(since_s)}" if self._is_moving and since_s >= 1 else text
        if not self._is_seen or told == self._text:
            return
        self._text = told
        self._err.write(f"{_WIPE}{told}" if self._is_moving else f"{told}\n")
        self._err.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._is_moving and self._text:
            self._err.write(_WIPE)
            self._err.flush()
        self._text = ""
