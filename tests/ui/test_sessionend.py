"""The end of the session: an orderly stop, which Qt's own quit neither cuts short nor replaces."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from PySide6.QtGui import QSessionManager

from app.ui.sessionend import QT_QUITS, SESSION_ENDS, SessionEnd

HINTS = QSessionManager.RestartHint


class Manager:
    """The desktop's session manager; Qt alone can make the real one."""

    def __init__(self) -> None:
        self.hint = HINTS.RestartIfRunning
        self.was_held_up = False

    def setRestartHint(self, hint: QSessionManager.RestartHint) -> None:  # noqa: N802 - Qt's name
        self.hint = hint

    def allowsInteraction(self) -> bool:  # noqa: N802 - Qt's name
        self.was_held_up = True
        return True

    cancel = allowsErrorInteraction = allowsInteraction  # noqa: N815 - Qt's name


def listeners(app: Any) -> list[int]:
    return [app.receivers(f"2{name}Request(QSessionManager&)") for name in ("commitData", "saveState")]


async def test_the_sessions_end_is_a_wish_to_stop(qapp: Any) -> None:
    """Nothing is asked of the person, and a session that is restored does not start a second one."""
    asked: list[str] = []
    manager: Any = Manager()

    with SessionEnd(qapp, asked.append) as session:
        session.leave(manager)

    assert asked == [SESSION_ENDS]
    assert manager.hint is HINTS.RestartNever
    assert not manager.was_held_up


async def test_a_session_that_is_saved_goes_on(qapp: Any) -> None:
    """It is told the same of a restart, and the program does not end."""
    asked: list[str] = []
    manager: Any = Manager()

    with SessionEnd(qapp, asked.append) as session:
        session.never_restart(manager)

    assert asked == []
    assert manager.hint is HINTS.RestartNever


async def test_qt_is_listened_to_meanwhile(qapp: Any) -> None:
    """Both signals have one listener more, and no longer than that."""
    before = listeners(qapp)

    with SessionEnd(qapp, lambda _reason: None):
        during = listeners(qapp)

    assert during == [count + 1 for count in before]
    assert listeners(qapp) == before


QUITS = """
import asyncio, sys, time
from PySide6.QtWidgets import QApplication
from app.ui.loop import run
from app.ui.sessionend import SessionEnd

app = QApplication(["quits"])

async def main():
    asked, reasons, stages = asyncio.Event(), [], []
    def ask(reason):
        reasons.append(reason)
        asked.set()
    with SessionEnd(app, ask):
        app.quit()
        await asked.wait()
        begun = time.process_time()
        for stage in range(20):
            asyncio.get_running_loop().call_later(0.01 * stage, app.quit)
            await asyncio.sleep(0.02)
            stages.append(stage)
    print(sorted(set(reasons)), len(stages), time.process_time() - begun < 0.3, flush=True)
    return 0

sys.exit(run(main, app))
"""


def test_a_quit_of_qt_lets_the_stop_come_to_its_end() -> None:
    """However often Qt is told to quit meanwhile: every stage is done, and the program ends with 0."""
    root = Path(__file__).parents[2]

    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(QUITS)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (ended.stdout, ended.returncode) == (f"{[QT_QUITS]} 20 True\n", 0), ended.stderr
