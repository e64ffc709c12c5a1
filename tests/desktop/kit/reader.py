"""A screen reader's view of the program: what its windows show, as text, over the accessibility bus (AT-SPI).

It stands in for the accessibility bus and its registry on the session bus, which is all that Qt asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from kit.waiting import until_read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

ROOT = "/org/a11y/atspi/accessible/root"
ACCESSIBLE = "org.a11y.atspi.Accessible"
PROPERTIES = "org.freedesktop.DBus.Properties"
SHOWING = 1 << 25
"""The state's bit that says that it can be seen now (AtspiStateType, ATSPI_STATE_SHOWING)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing on the screen: what it is, what it is called, and the text in it."""

    role: str
    name: str
    text: str


class ScreenReader:
    """Reads the windows of a program that was started with `environ`; an async context manager.

    Args:
        address: The session bus's address.
    """

    environ = {"QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1"}  # noqa: RUF012 - read only

    def __init__(self, address: str) -> None:
        self._address = address
        self._bus: MessageBus | None = None
        self._program: list[str] = []

    async def __aenter__(self) -> Self:
        """Take the names that Qt looks for."""
        self._bus = await MessageBus(bus_address=self._address).connect()
        self._bus.add_message_handler(self._answer)
        for name in ("org.a11y.Bus", "org.a11y.atspi.Registry"):
            await self._bus.request_name(name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bus."""
        if self._bus is not None:
            self._bus.disconnect()
            await self._bus.wait_for_disconnect()

    async def seen(self) -> list[Seen]:
        """Return all that can be seen now, from the top."""
        return [each async for each in self._walk(ROOT)] if self._program else []

    async def until_seen(self, text: str) -> list[Seen]:
        """Wait until something that can be seen has this in its name or its text, and return all that is seen."""
        return await until_read(
            self.seen, lambda seen: any(text in each.name or text in each.text for each in seen), f"{text!r} on screen"
        )

    async def _walk(self, path: str) -> AsyncIterator[Seen]:
        low, *_ = (await self._ask(path, ACCESSIBLE, "GetState"))[0]
        if not low & SHOWING and path != ROOT:
            return
        [role] = await self._ask(path, ACCESSIBLE, "GetRoleName")
        [name] = await self._ask(path, PROPERTIES, "Get", "ss", [ACCESSIBLE, "Name"])
        interfaces = (await self._ask(path, ACCESSIBLE, "GetInterfaces"))[0]
        text = ""
        if "org.a11y.atspi.Text" in interfaces:
            [text] = await self._ask(path, "org.a11y.atspi.Text", "GetText", "ii", [0, -1])
        yield Seen(role, str(name), text)
        for _, child in (await self._ask(path, ACCESSIBLE, "GetChildren"))[0]:
            async for each in self._walk(child):
                yield each

    async def _ask(
        self, path: str, interface: str, member: str, signature: str = "", body: list[Any] | None = None
    ) -> list[Any]:
        assert self._bus is not None
        destination = self._program[-1]
        message = Message(
            destination=destination, path=path, interface=interface, member=member, signature=signature, body=body or []
        )
        answer = await self._bus.call(message)
        assert answer is not None
        # A thing may go between being listed and being looked at: it is then not seen.
        if answer.message_type is not MessageType.METHOD_RETURN:
            return NOTHING[member]
        return [each.value if isinstance(each, Variant) else each for each in answer.body]

    def _answer(self, message: Message) -> Message | None:
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        if message.member == "Embed":
            self._program.append(message.body[0][0])
            assert self._bus is not None
            return Message.new_method_return(message, "(so)", [[self._bus.unique_name, ROOT]])
        answers: dict[str, tuple[str, list[Any]]] = {
            "GetAddress": ("s", [self._address]),
            "GetRegisteredEvents": ("a(ss)", [[]]),
        }
        return Message.new_method_return(message, *answers[message.member]) if message.member in answers else None


NOTHING: dict[str, list[Any]] = {
    "GetState": [[0, 0]],
    "Get": [""],
    "GetRoleName": [""],
    "GetInterfaces": [[]],
    "GetText": [""],
    "GetChildren": [[]],
}
"""What is said of a thing that is gone, by the question."""
