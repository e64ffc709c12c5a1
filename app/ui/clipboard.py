"""The clipboard for secrets: marked for other programs as a secret, and emptied when its time is over."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol, Self

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QClipboard, QGuiApplication

from app.engine.tasks import spawn

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from app.engine.clock import Clock

CLEAR_S: Final = 30.0
"""How long a secret stays in the clipboard."""

_WINDOWS: Final = 'application/x-qt-windows-mime;value="{}"'
"""Qt's name for a clipboard format of Windows that it does not know itself."""
_NO: Final = bytes(4)
"""A DWORD of 0, as Microsoft's "Clipboard Formats" asks of the formats for history and cloud."""

_MARKS: Final[Mapping[str, Mapping[str, bytes]]] = MappingProxyType(
    {
        "win32": {
            _WINDOWS.format("ExcludeClipboardContentFromMonitorProcessing"): b"1",
            _WINDOWS.format("CanIncludeInClipboardHistory"): _NO,
            _WINDOWS.format("CanUploadToCloudClipboard"): _NO,
        },
        "darwin": {"org.nspasteboard.ConcealedType": b"1"},
    }
)
_MARKS_ELSEWHERE: Final = MappingProxyType({"x-kde-passwordManagerHint": b"secret"})
_MODES: Final = (QClipboard.Mode.Clipboard, QClipboard.Mode.Selection)


def secret_marks(platform: str = sys.platform) -> Mapping[str, bytes]:
    """Return what tells a clipboard manager to keep no copy: content by MIME type, as Qt names it.

    KDE's Klipper and what follows it read `x-kde-passwordManagerHint`; Windows' own history and cloud clipboard read
    the three formats that Microsoft documents; macOS programs keep to nspasteboard.org.

    Args:
        platform: As sys.platform says it.
    """
    return _MARKS.get(platform, _MARKS_ELSEWHERE)


class SystemClipboard(Protocol):
    """What is used of QClipboard."""

    def setMimeData(self, data: QMimeData, /) -> None:
        """Take this content."""

    def supportsSelection(self) -> bool:
        """Return whether there is a second clipboard, of what is marked, as X11 has it."""

    def text(self, mode: QClipboard.Mode, /) -> str:
        """Return the text of one of the two."""

    def clear(self, mode: QClipboard.Mode, /) -> None:
        """Empty one of the two."""


class Clipboard:
    """Puts secrets into the system's clipboard, and takes them out again if they are still there.

    What was put there is remembered by a keyed digest alone. Qt itself holds the text for as long as other programs may
    ask for it. An async context manager: leaving it clears at once. It belongs to the thread of the application.

    Args:
        clock: Time, by which it is cleared.
        clear_s: Seconds after which it is.
        platform: As sys.platform says it; decides the marks.
        system: Gives the system's clipboard.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        clear_s: float = CLEAR_S,
        platform: str = sys.platform,
        system: Callable[[], SystemClipboard] = QGuiApplication.clipboard,
    ) -> None:
        self._clock = clock
        self._clear_s = clear_s
        self._platform = platform
        self._system = system
        self._key = secrets.token_bytes(32)
        self._digest = b""
        self._clearing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Return it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear what is still ours, without waiting for its time."""
        self.clear()

    def put(self, text: str) -> float:
        """Put a secret into the clipboard, and clear it later.

        Args:
            text: The value.

        Returns:
            For how many seconds it stays there.
        """
        content = QMimeData()
        content.setText(text)
        for mime, mark in secret_marks(self._platform).items():
            content.setData(mime, mark)
        self._system().setMimeData(content)
        self._digest = self._digest_of(text)
        self._forget_timer()
        self._clearing = spawn(self._clear_later(), name="clipboard")
        return self._clear_s

    def clear(self) -> None:
        """Empty the clipboard if what was put last is still in it, and the selection of X11 if it came there too.

        What another program has put there since is left alone.
        """
        self._forget_timer()
        digest, self._digest = self._digest, b""
        if not digest:
            return
        clipboard = self._system()
        for mode in _MODES:
            if mode is QClipboard.Mode.Selection and not clipboard.supportsSelection():
                continue
            if hmac.compare_digest(self._digest_of(clipboard.text(mode)), digest):
                clipboard.clear(mode)

    async def _clear_later(self) -> None:
        await self._clock.sleep(self._clear_s)
        self._clearing = None
        self.clear()

    def _forget_timer(self) -> None:
        if self._clearing is not None:
            self._clearing.cancel()
            self._clearing = None

    def _digest_of(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
