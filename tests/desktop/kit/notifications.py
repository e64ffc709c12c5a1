"""Eyes on the session bus: which notifications were sent, and what became of them."""

from __future__ import annotations

import html
import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from kit.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

NAME = "org.freedesktop.Notifications"


@dataclass(frozen=True, slots=True)
class Sent:
    """A notification as it was handed to the service."""

    app: str
    icon: str
    title: str
    body: str
    buttons: tuple[str, ...]
    urgency: int


class NotificationMonitor:
    """Sees every notification of Watchkeeper on the bus, shown or not; an async context manager.

    A monitor in the sense of the D-Bus Specification (BecomeMonitor): it may only listen.

    Args:
        address: The bus's address.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._bus: MessageBus | None = None
        self.sent: list[Sent] = []
        self.pressed: list[str] = []

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self._bus = await MessageBus(bus_address=self._address).connect()
        self._bus.add_message_handler(self._see)
        rules = [f"type='{kind}',interface='{NAME}'" for kind in ("method_call", "signal")]
        answer = await self._bus.call(
            Message(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus.Monitoring",
                member="BecomeMonitor",
                signature="asu",
                body=[rules, 0],
            )
        )
        assert answer is not None
        assert answer.message_type is MessageType.METHOD_RETURN, answer.body
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End listening."""
        if self._bus is not None:
            self._bus.disconnect()
            await self._bus.wait_for_disconnect()

    def _see(self, message: Message) -> bool:
        if message.interface == NAME and message.member == "Notify":
            app, _, icon, title, body, actions, hints, _ = message.body
            buttons = tuple(label for label in actions[1::2] if label)
            urgency = hints["urgency"].value if "urgency" in hints else 1
            if app == "Watchkeeper":
                self.sent.append(Sent(app, icon, title, body, buttons, urgency))
        elif message.interface == NAME and message.member == "ActionInvoked":
            self.pressed.append(message.body[1])
        # A monitor that answers is thrown off the bus; "handled" keeps the library from answering.
        return message.sender != "org.freedesktop.DBus" or message.message_type is MessageType.METHOD_CALL

    @property
    def titles(self) -> list[str]:
        """The titles in order."""
        return [each.title for each in self.sent]

    async def until_count(self, count: int) -> Sent:
        """Wait until there were this many notifications, and return the last of them."""
        await until(lambda: len(self.sent) >= count, f"notification {count}")
        return self.sent[count - 1]


class Dunst:
    """The session's notification service.

    Args:
        environ: The session's environment.
        folder: The session's folder, where the menu program of dunst looks for what to choose.
    """

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._environ = dict(environ)
        self._folder = folder

    def press(self, button: str) -> None:
        """Press a button of the notifications on the screen, by dunst's own menu of their buttons."""
        (self._folder / "choice").write_text(f"#{button} (")
        self._control("context")

    def click(self) -> None:
        """Click on the newest notification."""
        self._control("action", "0")

    def displayed(self) -> int:
        """Return how many notifications are on the screen."""
        return int(self._control("count", "displayed"))

    def shown_text(self) -> str:
        """Return the text of the notification that was closed last, without markup, as dunst drew it."""
        self.close_all()
        history = json.loads(self._control("history"))["data"][0]
        newest = max(history, key=lambda each: each["id"]["data"])
        return html.unescape(str(newest["message"]["data"]))

    def close_all(self) -> None:
        """Take all notifications off the screen."""
        self._control("close-all")

    def _control(self, *words: str) -> str:
        argv = ["dunstctl", *words]
        return subprocess.run(argv, env=self._environ, capture_output=True, text=True, check=True, timeout=10).stdout
