"""Asking the person: hidden, and only where there is one."""

from __future__ import annotations

import getpass
import secrets
import sys
from typing import TYPE_CHECKING

from app.cli.terminal import plain
from app.domain.errors import SecretError, UsageError
from app.keys.vault.secret import LARGEST_VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.cli.context import Context

RETYPED = 2
"""Groups of the recovery code that are typed again: whoever has written it down has them."""

TRIES = 3


def has_person() -> bool:
    """True when somebody sits at the terminal."""
    streams = (sys.stdin, sys.stderr)  # None where they are closed, as `<&-` leaves them
    return all(stream is not None and stream.isatty() for stream in streams)


def ask_hidden(question: str, *, instead: str) -> str:
    """Return what the person types, unseen.

    Args:
        question: It.
        instead: What to do where nobody can be asked.

    Raises:
        UsageError: Nobody can.
    """
    if not has_person():
        raise UsageError(f"{question.rstrip(': ')} is asked for at a terminal, and there is none here.", instead)
    try:
        return getpass.getpass(question, sys.stderr)
    except EOFError:
        raise UsageError("Nothing was typed.", instead) from None


def ask_twice(question: str, *, instead: str) -> str:
    """Return what the person types twice, unseen.

    Raises:
        UsageError: Nobody can be asked.
        SecretError: They differ, again and again.
    """
    for _ in range(TRIES):
        first = ask_hidden(question, instead=instead)
        if first == ask_hidden("The same again: ", instead=instead):
            return first
        print("They differ.", file=sys.stderr)
    raise SecretError("What was typed differed each time.", "Try again.")


def ask_yes(question: str, *, instead: str) -> bool:
    """Return whether the person types yes, whole.

    Raises:
        UsageError: Nobody can be asked.
    """
    if not has_person():
        raise UsageError(f"{question} cannot be asked here.", instead)
    print(f"{question} Type yes: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() in {"yes", "да"}


def value_of(name: str) -> bytes:
    """Return a secret's value: typed twice, unseen; or all of standard input, without the line end that `echo` adds.

    Raises:
        UsageError: It would be seen while it is typed.
        SecretError: What was typed differed each time.
    """
    if has_person():
        return ask_twice(f"Value of {plain(name)}: ", instead="").encode("utf-8")
    if sys.stdin.isatty():
        raise UsageError("A value cannot be asked for unseen here.", "Let standard error be the terminal too.")
    content = sys.stdin.buffer.read(LARGEST_VALUE + 3)
    for end in (b"\r\n", b"\n"):
        if content.endswith(end):
            return content[: -len(end)]
    return content


def passphrase_of() -> str:
    """Return the vault's passphrase: typed unseen, or the first line of a pipe; empty where there is neither.

    What is no UTF-8 comes back as lone surrogates, which no passphrase holds.
    """
    if has_person():
        return ask_hidden("Passphrase of the vault: ", instead="Run it in a terminal.")
    if sys.stdin is None or sys.stdin.isatty():  # nothing to read; or what is typed would be seen
        return ""
    # A line and not all: what holds the pipe open need not end for it.
    return sys.stdin.buffer.readline(LARGEST_VALUE).rstrip(b"\r\n").decode("utf-8", "surrogateescape")


def show_code(context: Context, code: str) -> None:
    """Show a recovery code once, and go on only when parts of it were typed again.

    Raises:
        UsageError: Nobody can be asked.
        SecretError: It was typed wrong again and again.
    """
    if not has_person():
        raise UsageError(
            "A recovery code is shown at a terminal, and there is none here.",
            "Have it written to a file that you then keep elsewhere: --recovery-file FILE",
        )
    groups = code.split("-")
    note = context.terminal.note
    note("This is the recovery code. It opens the vault when nothing else does, and is shown this once.")
    note("Write it down, and keep it away from this machine.\n")
    for start in range(0, len(groups), 7):
        note("    " + "-".join(groups[start : start + 7]))
    note("")
    wanted = sorted(secrets.SystemRandom().sample(range(len(groups)), RETYPED))
    _retype(groups, wanted)


def _retype(groups: Sequence[str], wanted: Sequence[int]) -> None:
    for _ in range(TRIES):
        asked = " and ".join(str(index + 1) for index in wanted)
        print(f"Type groups {asked} of it again: ", end="", file=sys.stderr, flush=True)
        typed = sys.stdin.readline().upper().replace("-", " ").split()
        if typed == [groups[index] for index in wanted]:
            return
        print("That is not what stands there.", file=sys.stderr)
    raise SecretError("The recovery code was not typed again as it is.", "Nothing was made. Try again.")
