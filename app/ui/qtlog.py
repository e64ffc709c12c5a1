"""What Qt itself says goes into the log, and so through the log's redaction, instead of to standard error."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
from PySide6.QtCore import QtMsgType, qInstallMessageHandler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtCore import QMessageLogContext

_log = structlog.get_logger(__name__)

_LEVELS = {
    QtMsgType.QtDebugMsg: "debug",
    QtMsgType.QtInfoMsg: "info",
    QtMsgType.QtWarningMsg: "warning",
    QtMsgType.QtCriticalMsg: "error",
    QtMsgType.QtFatalMsg: "critical",
}


@contextmanager
def qt_messages_logged() -> Iterator[None]:
    """Log Qt's messages until the block is left; they come from any thread."""
    before = qInstallMessageHandler(_heard)
    try:
        yield
    finally:
        qInstallMessageHandler(before)


def _heard(kind: QtMsgType, context: QMessageLogContext, text: str | None) -> None:
    category = getattr(context, "category", None) or "default"
    getattr(_log, _LEVELS.get(kind, "warning"))("Qt says", text=text or "", category=category)
