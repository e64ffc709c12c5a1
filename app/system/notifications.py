"""Desktop notifications: one Protocol, the operating system's own way, and the tray's balloon behind it."""

from __future__ import annotations

import asyncio
import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from app.system.notifications_dbus import ServiceLink, disconnect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from desktop_notifier import Notification as LibraryNotification
    from desktop_notifier.backends.base import DesktopNotifierBackend

_log = structlog.get_logger(__name__)

APP_NAME: Final = "Watchkeeper"
"""What notification centres list us under; on Windows it must equal the AppUserModelID of the shortcut."""

DEADLINE_S: Final = 2.0
"""A service that does not answer for this long shows nothing: the next notifier is asked."""


@dataclass(frozen=True, slots=True)
class Notification:
    """What a person is to be shown.

    Attributes:
        key: Names the cause: a newer notification of the same key takes the place of the older one.
        title: One line of plain text.
        body: Some lines of plain text; what a service takes for markup is escaped on the way.
        urgent: True when it may break through do-not-disturb and stays until it is dismissed.
        buttons: Labels, and what is called on the loop's thread when one is pressed.
        on_clicked: What is called on the loop's thread when the notification itself is clicked; None for nothing.
        icon: A PNG file; None shows the program's icon.
    """

    key: str
    title: str
    body: str
    urgent: bool = False
    buttons: tuple[tuple[str, Callable[[], None]], ...] = ()
    on_clicked: Callable[[], None] | None = None
    icon: Path | None = None


class Notifier(Protocol):
    """A way to show notifications."""

    async def send(self, notification: Notification) -> bool:
        """Show it. Returns False when it could not be shown; never raises, and never takes long."""

    async def aclose(self) -> None:
        """Take back what is shown, and give back what is held open."""


class DesktopNotifierAdapter:
    """Shows notifications through the operating system: D-Bus on Linux, toasts on Windows, the centre on macOS.

    Each attempt begins anew where the last one failed, so it recovers by itself when a session bus, a service or an
    answer comes back. A message that a hanging service reads after the deadline is shown late, beside the fallback's.

    Args:
        icon: The application's icon as a PNG or SVG file; None shows the service's default.
        app_name: The name that notification centres show.
        deadline_s: Seconds that one `send`, or `aclose`, may take at most.
    """

    def __init__(self, icon: Path | None, *, app_name: str = APP_NAME, deadline_s: float = DEADLINE_S) -> None:
        self._icon = icon
        self._app_name = app_name
        self._deadline_s = deadline_s
        self._turn = asyncio.Lock()
        self._backend: DesktopNotifierBackend | None = None
        self._link: ServiceLink | None = None
        self._shown: dict[str, str] = {}

    async def send(self, notification: Notification) -> bool:
        """Show it in place of an older one of the same key. Returns False when the system does not show it."""
        try:
            async with asyncio.timeout(self._deadline_s), self._turn:
                shown = await self._show(notification)
        except Exception as error:  # noqa: BLE001 - a library over four systems, each of which fails in its own way
            _log.info("no desktop notification", reason=f"{type(error).__name__}: {error}".rstrip(": "))
            return False
        return shown

    async def aclose(self) -> None:
        """Take back the notifications, whose buttons would do nothing from now on, and close the connection."""
        try:
            async with asyncio.timeout(self._deadline_s), self._turn:
                if self._backend is not None and (self._link is None or await self._link.holds()):
                    for identifier in self._shown.values():
                        await self._clear(self._backend, identifier)
        except Exception as error:  # noqa: BLE001 - as in send; what cannot be taken back stays on the screen
            _log.debug("notifications were not taken back", reason=repr(error))
        await self._drop()

    async def _show(self, notification: Notification) -> bool:
        try:
            backend = await self._ready()
            if not await backend.has_authorisation():
                return False
            await self._clear(backend, self._shown.pop(notification.key, ""))
            dispatched: list[bool] = []
            native = await self._native(backend, notification, lambda: dispatched.append(True))
            await backend.send(native)
        except BaseException:
            await self._drop()
            raise
        if not dispatched:  # the library has logged why
            await self._drop()
            return False
        self._shown[notification.key] = native.identifier
        return True

    async def _ready(self) -> DesktopNotifierBackend:
        if self._backend is not None and self._link is not None and not await self._link.holds():
            await self._drop()
        if self._backend is None:
            self._backend = await asyncio.to_thread(_backend, self._app_name, self._icon)
            self._link = await ServiceLink.open(self._backend)
            await self._backend.request_authorisation()
        return self._backend

    async def _native(
        self, backend: DesktopNotifierBackend, notification: Notification, on_dispatched: Callable[[], None]
    ) -> LibraryNotification:
        from desktop_notifier import Button, Capability, Icon, Urgency  # noqa: PLC0415 - 0.1 s, paid with the first one
        from desktop_notifier import Notification as LibraryNotification  # noqa: PLC0415 - likewise

        body = _sendable(notification.body)
        buttons = notification.buttons if Capability.BUTTONS in await backend.get_capabilities() else ()
        return LibraryNotification(
            title=_sendable(notification.title),
            message=html.escape(body, quote=False) if self._link is not None and self._link.takes_markup else body,
            icon=None if notification.icon is None else Icon(path=notification.icon),
            urgency=Urgency.Critical if notification.urgent else Urgency.Normal,
            buttons=tuple(Button(title=label, on_pressed=_on_loop(pressed)) for label, pressed in buttons),
            on_dispatched=on_dispatched,
            on_clicked=None if notification.on_clicked is None else _on_loop(notification.on_clicked),
        )

    async def _clear(self, backend: DesktopNotifierBackend, identifier: str) -> None:
        if identifier in await backend.get_current_notifications():
            await backend.clear(identifier)

    async def _drop(self) -> None:
        backend, self._backend, self._link = self._backend, None, None
        self._shown.clear()
        if backend is not None:
            await disconnect(backend)


class BalloonNotifier:
    """Shows title and body in the tray's own balloon, which has no buttons: the last resort.

    Args:
        balloon: Shows a title and a body, and returns False where there is no tray; called on the loop's thread.
    """

    def __init__(self, balloon: Callable[[str, str], bool]) -> None:
        self._balloon = balloon

    async def send(self, notification: Notification) -> bool:
        """Hand title and body to the balloon. Returns False when it could not show them, or raised."""
        try:
            return self._balloon(notification.title, notification.body)
        except Exception:  # noqa: BLE001 - a foreign callback, and a notification is not worth a crash
            _log.exception("the tray's balloon failed")
            return False

    async def aclose(self) -> None:
        """Do nothing: the balloon is the tray's."""


def _backend(app_name: str, icon: Path | None) -> DesktopNotifierBackend:
    """Build the library's backend for this operating system, in a thread: the imports take 0.1 to 0.2 s.

    Raises:
        NotImplementedError: The library has only its dummy here, which shows nothing and says that it did.
    """
    from desktop_notifier import Icon  # noqa: PLC0415 - the point of this function
    from desktop_notifier.backends.dummy import DummyNotificationCenter  # noqa: PLC0415 - likewise
    from desktop_notifier.main import get_backend_class  # noqa: PLC0415 - likewise

    made = get_backend_class()
    if issubclass(made, DummyNotificationCenter):
        raise NotImplementedError("this system shows notifications only for an installed application")
    return made(app_name, None if icon is None else Icon(path=icon.absolute()))


def _on_loop(callback: Callable[[], None]) -> Callable[[], None]:
    """Let the loop call it, whichever thread the library uses; what it raises goes to the loop's handler."""
    loop = asyncio.get_running_loop()

    def call() -> None:
        loop.call_soon_threadsafe(callback)

    return call


def _sendable(text: str) -> str:
    """Return the text without what D-Bus refuses in a string: lone surrogates (odd file names) and NUL."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
