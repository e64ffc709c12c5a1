"""Asking the programs of the operating system that look after start entries."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

from app.engine.windowless import NO_WINDOW

ANSWERS_S = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How such a program ended; `code` is None when it is not there, or did not answer in `ANSWERS_S`."""

    code: int | None
    out: bytes = b""
    err: bytes = b""

    @property
    def is_good(self) -> bool:
        """Whether it did what it was asked."""
        return self.code == 0


Ask = Callable[[Sequence[str]], Answer]
"""Runs a program of the operating system with these words, to its end."""


def ask(argv: Sequence[str]) -> Answer:
    """Run a program of the operating system, without a console window, and return how it ended."""
    # Into files: a pipe has no end while something that the program left behind holds it.
    with TemporaryFile() as out, TemporaryFile() as err:
        try:
            code = subprocess.call(  # noqa: S603 - fixed programs of the system, their arguments ours
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=ANSWERS_S,
                creationflags=NO_WINDOW,
            )
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            return Answer(None, err=str(error).encode())
        return Answer(code, _content(out), _content(err))


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
