"""The parent that `watchkeeper --keep` is: it starts the tray, and starts it again when it ends unasked.

It does nothing else and imports nothing of the rest, so that there is little in it that could fail, and it stays small.

On POSIX the program leads a session of its own: a signal reaches the parent alone, even Ctrl+C, and is passed on once.
On Windows there are no signals to pass on: both share the console, where there is one, and each hears Ctrl+C itself;
started by pythonw there is none, and a parent that is ended there leaves the program running, as `kill -9` does on
POSIX. The program goes on then, and says in a notice that nobody keeps it any more.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from app.domain.signals import TO_END, shell_code, signal_name
from app.engine.limits import ORDERLY_CODES
from app.system.installed import PACKAGE, installation
from app.system.service import KEPT_BY, LAST_EXIT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

    from app.engine.limits import Limits

LOOK_EVERY_S = 0.1
"""How often it looks whether it was told to end, while it waits to start the program again."""

_CANNOT = 3

_SIGNALS = TO_END
if sys.platform == "win32":
    _SIGNALS = (*TO_END, signal.SIGBREAK)


_COMMAND = "import sys\nsys.path.append(sys.argv.pop(1))\nfrom app.main import main\nsys.exit(main())"


def own_command(package: Path = PACKAGE) -> list[str]:
    """Return how this program is started again, from wherever it was itself started.

    By the program that an installer has put there, where one has: on Windows an interpreter would open a console. Else
    by this interpreter; with -P the folder that somebody happens to be in is no place for imports: their project may
    have an `app` too.

    Args:
        package: The folder of the package `app`.
    """
    program = installation(package).program
    if program is not None and program.is_file():
        return [str(program)]
    return [sys.executable, "-P", "-c", _COMMAND, str(package.parent)]


class Keeper:
    """Keeps one program running.

    Args:
        first: The program and its arguments.
        again: Likewise, for each further start.
        environ: Its environment; the parent's process id is added, and for a further start how the last life ended.
        limits: The table of times.
        say: Is told in a line what happens.
    """

    def __init__(
        self,
        first: Sequence[str],
        again: Sequence[str],
        *,
        environ: Mapping[str, str],
        limits: Limits,
        say: Callable[[str], None],
    ) -> None:
        self._argv = list(first)
        self._again = list(again)
        self._environ = {**environ, KEPT_BY: str(os.getpid())}
        self._environ.pop(LAST_EXIT, None)
        self._limits = limits
        self._say = say
        self._child: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._asked: int | None = None

    def run(self) -> int:
        """Run the program until it ends in an orderly way, or a signal wants the end, and return its exit code.

        A program that signal N ended after this one was told to end counts as 128 + N, as in a shell.
        """
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            return self._keep()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _keep(self) -> int:
        wait_s = self._limits.keeper_first_s
        while True:
            began = time.monotonic()
            try:
                code = self._one_life()
            except OSError as error:
                self._say(f"{self._argv[0]} cannot be started: {error.strerror or error}.")
                return _CANNOT
            if code in ORDERLY_CODES or self._asked is not None:
                return shell_code(code)
            if time.monotonic() - began >= self._limits.healthy_after_s:
                wait_s = self._limits.keeper_first_s
            # The process id is the child's own on POSIX alone: see `Service.take`.
            pid = 0 if sys.platform == "win32" else self._pid
            self._environ[LAST_EXIT] = f"{pid} {code} {time.time():.3f}"
            self._say(f"Watchkeeper ended unasked ({_how(code)}), and is started again in {wait_s:g} s.")
            if not self._waited(wait_s):
                return 0
            wait_s = min(2 * wait_s, self._limits.keeper_ceiling_s)
            self._argv = self._again

    def _one_life(self) -> int:
        apart = sys.platform != "win32"
        argv = self._argv
        with subprocess.Popen(argv, env=self._environ, start_new_session=apart) as self._child:  # noqa: S603 - it is us
            if self._asked is not None:  # while it was being started
                self._pass_on(self._asked)
            self._pid = self._child.pid
            code = self._child.wait()
        self._child = None
        return code

    def _waited(self, seconds: float) -> bool:
        """Wait; return whether the program is still to be started then."""
        due = time.monotonic() + seconds
        while self._asked is None and time.monotonic() < due:
            time.sleep(LOOK_EVERY_S)
        return self._asked is None

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._asked = number
        self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        if self._child is not None and sys.platform != "win32":
            self._child.send_signal(number)


def _how(code: int) -> str:
    return signal_name(-code) if code < 0 else f"exit code {code}"
