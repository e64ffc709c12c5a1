"""The command `keys run`: secrets for one program, and masked in what it prints."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING

from app.cli.exits import EXIT_PIPE
from app.cli.keys.vaults import opened
from app.domain.errors import CannotError, SecretError, UsageError
from app.domain.signals import TO_END, shell_code
from app.engine.redaction import forms_of
from app.keys.log.chain import Action
from app.keys.masking import StreamMask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType
    from typing import Self

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
            with _Ends() as ends, subprocess.Popen(argv, env=environ) as child:  # noqa: S603 - the person's own
                return shell_code(ends.waited(child))
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
    with (
        _Ends() as ends,
        subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child,  # noqa: S603 - likewise
    ):
        pairs = ((child.stdout, sys.stdout.buffer), (child.stderr, sys.stderr.buffer))
        pumps = [threading.Thread(target=_pump, args=(*pair, StreamMask(forms), gone), daemon=True) for pair in pairs]
        for pump in pumps:
            pump.start()
        code = ends.waited(child)
        for pump in pumps:
            pump.join()
    return EXIT_PIPE if gone.is_set() else shell_code(code)


class _Ends:
    """What tells this program to end, for the one that it runs: that ends as it likes, and this one after it.

    It holds from before that one's start, since what comes in the middle of it would end this one alone. A terminal
    tells both of ^C, so that is not handed on. What is ignored here, as under nohup, stays ignored in both.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._kept: list[int] = []
        heard = [number for number in TO_END if signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._hear) for number in heard}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def waited(self, child: subprocess.Popen[bytes]) -> int:
        """Hand on to a child until it has ended, and return its exit code."""
        self._child = child
        for number in self._kept:
            child.send_signal(number)
        code = child.wait()
        self._let_go()
        return code

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            return
        if self._child is None:
            self._kept.append(number)
        else:
            self._child.send_signal(number)

    def _let_go(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())


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
