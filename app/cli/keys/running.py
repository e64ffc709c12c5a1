"""The command `keys run`: secrets for one program, and masked in what it prints."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from app.cli.exits import EXIT_PIPE
from app.cli.keys.vaults import opened
from app.domain.errors import CannotError, SecretError, UsageError
from app.engine.redaction import forms_of
from app.keys.log.chain import Action
from app.keys.masking import StreamMask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.cli.context import Context

_PIECE = 64 * 1024


def run(context: Context) -> int:
    """Run a program with the chosen secrets in its environment, and return its exit code."""
    said = context.words
    argv = said.argv[1:] if said.argv[:1] == ["--"] else said.argv
    if not argv:
        raise UsageError("No program is named.", "Write it behind --: watchkeeper keys run --only NAME -- COMMAND")
    wanted = [_wanted(each) for each in said.only]
    with opened(context) as usual:
        why = os.path.basename(argv[0])  # noqa: PTH119 - a word of a command line
        given = {}
        for variable, name in wanted:
            value = usual.vault.get(name, why=f"for {why}", action=Action.USE)
            if b"\0" in value:
                raise SecretError(f"{name} holds a zero byte, so that no environment can hold it.", "Leave it out.")
            given[variable] = value
    environ = {**os.environ, **{variable: os.fsdecode(value) for variable, value in given.items()}}
    try:
        if said.no_mask:
            with subprocess.Popen(argv, env=environ) as child:  # noqa: S603 - the person's own
                return _code(_waited(child))
        return _masked(argv, environ, list(given.values()))
    except OSError as error:
        raise CannotError(f"{argv[0]} cannot be started: {error.strerror or error}.", "Check its name.") from error


def _wanted(text: str) -> tuple[str, str]:
    """Return the variable and the secret's name that `AS=NAME` or `NAME` says."""
    variable, equals, name = text.partition("=")
    name = name if equals else variable
    if not variable.isidentifier():
        raise UsageError(f"{variable!r} is no name of a variable.", "Give it one: --only KEY=NAME")
    return variable, name


def _masked(argv: Sequence[str], environ: Mapping[str, str], values: Sequence[bytes]) -> int:
    forms = [form for value in values for form in forms_of(value)]
    gone = threading.Event()
    with subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:  # noqa: S603 - likewise
        pairs = ((child.stdout, sys.stdout.buffer), (child.stderr, sys.stderr.buffer))
        pumps = [threading.Thread(target=_pump, args=(*pair, StreamMask(forms), gone), daemon=True) for pair in pairs]
        for pump in pumps:
            pump.start()
        code = _waited(child)
        for pump in pumps:
            pump.join()
    return EXIT_PIPE if gone.is_set() else _code(code)


def _waited(child: subprocess.Popen[bytes]) -> int:
    """Wait for a child, whose exit code is returned; what tells this program to end is handed on to it."""
    names = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]
    before = {number: signal.signal(number, lambda told, _frame: child.send_signal(told)) for number in names}
    try:
        while True:
            with suppress(KeyboardInterrupt):  # the child has it too, and ends as it likes
                return child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _pump(source: IO[bytes], target: IO[bytes], mask: StreamMask, gone: threading.Event) -> None:
    try:
        while piece := os.read(source.fileno(), _PIECE):
            target.write(mask.feed(piece))
            target.flush()
        target.write(mask.end())
        target.flush()
    except OSError:  # the reader has left, or its disk is full
        gone.set()
    finally:
        source.close()  # so that the child hears of it, and does not wait for somebody to read


def _code(returned: int) -> int:
    """Return a child's exit code as a shell tells it: 128 and the signal's number for one that a signal ended."""
    return returned if returned >= 0 else 128 - returned
