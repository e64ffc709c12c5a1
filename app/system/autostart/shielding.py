"""What goes before a program on Unix: its environment, and a shell for a name that no entry may begin with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOME = "WATCHKEEPER_HOME"

_ENV = "/usr/bin/env"
_SHELL = ("/bin/sh", "-c", 'exec "$0" "$@"')
"""Becomes the program that the next word names, so that whoever supervises it sees one process."""
_ODD = re.compile(r"""[=$%'"\\]""")
"""The Desktop Entry Specification and env(1) bar "=" from a program's name, systemd.service(5) the quotes and
backslash; "$" and "%" are expanded there, but not unescaped in each place."""


def shielded(words: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return a command line that starts these words with these variables set.

    Args:
        words: Program and arguments.
        environ: What to set; may be empty.
    """
    shell = _SHELL if _ODD.search(words[0]) else ()
    env = (_ENV, *(f"{name}={value}" for name, value in environ.items())) if environ else ()
    return (*env, *shell, *words)


def unshielded(words: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the WATCHKEEPER_HOME that a command line sets, or nothing, and the words that it starts."""
    home, rest = "", tuple(words)
    if rest[:1] == (_ENV,) and len(rest) > 1 and rest[1].startswith(f"{HOME}="):
        home, rest = rest[1].partition("=")[2], rest[2:]
    if rest[: len(_SHELL)] == _SHELL:
        rest = rest[len(_SHELL) :]
    return home, rest
