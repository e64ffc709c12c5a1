"""The end of the desktop's session, as Qt tells it, and Qt's own quit.

Windows asks before a session ends (WM_QUERYENDSESSION), and macOS likewise; both come as Qt's commitDataRequest. On X11
it would come by XSMP, which the wheels of PySide6 are built without: there the X server goes away, upon which Qt quits.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self

from PySide6.QtCore import QLoggingCategory
from PySide6.QtGui import QGuiApplication, QSessionManager

from app.ui.loop import QtLoop

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

SESSION_ENDS = "the session ends"
QT_QUITS = "Qt was told to quit: the session ends, or its display is gone"
BREATH_S = 0.005
"""Without a display Qt quits as often as it is turned (200,000 times a second, measured), each time with a warning."""


class SessionEnd:
    """Wants the program to end in an orderly way when the session does, and when Qt is told to quit.

    The session is not held up: nothing is asked of the person, and what goes on is ended within the time that every
    stop has. Qt goes on turning the loop after its quit, so that the stop comes to its end. A context manager on the
    loop's thread.

    Args:
        app: The application.
        ask: Wants the program to end, with the reason; calm when asked again.
    """

    def __init__(self, app: QGuiApplication, ask: Callable[[str], None]) -> None:
        self._app = app
        self._ask = ask
        self._quits = 0

    def __enter__(self) -> Self:
        """Begin to listen."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, QtLoop)  # noqa: S101 - for the type checker
        loop.on_quit(self.quits)
        self._app.commitDataRequest.connect(self.leave)
        self._app.saveStateRequest.connect(self.never_restart)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more to the session; Qt's quit stays harmless until the loop ends."""
        self._app.commitDataRequest.disconnect(self.leave)
        self._app.saveStateRequest.disconnect(self.never_restart)

    def leave(self, manager: QSessionManager) -> None:
        """Take in that the session is about to end."""
        self.never_restart(manager)
        self._ask(SESSION_ENDS)

    def never_restart(self, manager: QSessionManager) -> None:
        """Say that a session that is restored starts nothing: that is the autostart's, and two would start it twice."""
        manager.setRestartHint(QSessionManager.RestartHint.RestartNever)

    def quits(self) -> None:
        """Take in that Qt was told to quit."""
        self._quits += 1
        if self._quits > 1:
            QLoggingCategory.setFilterRules("default.warning=false")
            time.sleep(BREATH_S)
        self._ask(QT_QUITS)
