"""Linux: what logind tells on the system's D-Bus.

The signals are those of org.freedesktop.login1(5): PrepareForSleep(false) comes after a wake-up, and
PrepareForShutdown(true) before the machine goes down.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from typing import TYPE_CHECKING, Any, Final, Self

import structlog

from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_log = structlog.get_logger(__name__)

_LOGIND: Final = "org.freedesktop.login1"
_MANAGER: Final = "org.freedesktop.login1.Manager"
_DAEMON: Final = "org.freedesktop.DBus"
_MATCH: Final = f"type='signal',sender='{_LOGIND}',interface='{_MANAGER}',path='/org/freedesktop/login1'"

RETRY_S: Final = 300.0
"""How soon a bus that went away, or was not there, is looked for again."""
ANSWER_S: Final = 5.0
"""A bus that takes longer to answer is treated as absent."""


class Logind:
    """Listens to logind for as long as there is one. An async context manager; entering waits for nothing.

    Args:
        on_wake: Called on the loop when the machine woke up, with who says so.
        on_end: Called on the loop when the machine is about to go down, with the reason.
        address: The bus's address; None for the system's.
        retry_s: How soon a bus that is absent is looked for again, in seconds.
    """

    def __init__(
        self,
        on_wake: Callable[[str], None],
        on_end: Callable[[str], None],
        *,
        address: str | None = None,
        retry_s: float = RETRY_S,
    ) -> None:
        self._on_wake = on_wake
        self._on_end = on_end
        self._address = address
        self._retry_s = retry_s
        self._keeping: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()
        """Set while there is a bus that tells."""

    async def __aenter__(self) -> Self:
        """Begin to look for the bus."""
        self._keeping = spawn(self._keep(), name="logind")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of it."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])

    async def _keep(self) -> None:
        is_told = False
        await asyncio.to_thread(importlib.import_module, "dbus_fast.aio")
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - there is no bus, no logind, or neither answers: as on many machines
                if not is_told:
                    _log.info("logind is out of reach: a wake-up is noticed by the clocks alone", reason=repr(error))
                is_told = True
            await asyncio.sleep(self._retry_s)

    async def _listen(self) -> None:
        """Listen until the bus goes away.

        Raises:
            Exception: Whatever the library and the bus refuse with.
        """
        from dbus_fast import BusType, Message  # noqa: PLC0415 - imported in a thread by now
        from dbus_fast.aio import MessageBus  # noqa: PLC0415 - likewise

        # The library reads the address before it connects, and raises from there.
        bus: Any = MessageBus(bus_address=self._address, bus_type=BusType.SYSTEM)
        checks: set[asyncio.Task[None]] = set()

        def hear(message: Any) -> None:  # noqa: ANN401 - the library's Message, which is not imported at start
            if message.interface == _MANAGER and message.member in ("PrepareForSleep", "PrepareForShutdown"):
                check = spawn(self._heard(bus, message), name="logind says")
                checks.add(check)
                check.add_done_callback(checks.discard)

        try:
            await asyncio.wait_for(bus.connect(), ANSWER_S)
            bus.add_message_handler(hear)
            await _asked(
                bus, Message(_DAEMON, "/org/freedesktop/DBus", _DAEMON, "AddMatch", signature="s", body=[_MATCH])
            )
            _log.info("listening to logind")
            self.listening.set()
            await bus.wait_for_disconnect()
        finally:
            self.listening.clear()
            for check in checks:
                check.cancel()
            bus.disconnect()
            with contextlib.suppress(Exception):  # how it ended is of no interest once it must go
                await asyncio.wait_for(bus.wait_for_disconnect(), 1.0)

    async def _heard(self, bus: Any, message: Any) -> None:  # noqa: ANN401 - the library's classes, not imported at start
        """Take in a signal, if it is logind's: anybody may send one of this name to anybody on the bus."""
        from dbus_fast import Message  # noqa: PLC0415 - imported by now

        question = Message(_DAEMON, "/org/freedesktop/DBus", _DAEMON, "GetNameOwner", signature="s", body=[_LOGIND])
        try:
            answer = await _asked(bus, question)
        except Exception as error:  # noqa: BLE001 - the bus goes away, and whoever said it is not logind any more
            _log.info("a signal of unknown origin is passed over", member=message.member, reason=repr(error))
            return
        if answer.body != [message.sender] or len(message.body) != 1:
            _log.warning("a signal that is not logind's is passed over", member=message.member)
            return
        is_before = message.body[0] is True
        if message.member == "PrepareForSleep" and not is_before:
            self._on_wake("logind")
        elif message.member == "PrepareForShutdown" and is_before:
            self._on_end("the machine goes down")


async def _asked(bus: Any, message: Any) -> Any:  # noqa: ANN401 - the library's classes, not imported at start
    """Have a question answered.

    Raises:
        OSError: It was refused, or not answered in time.
    """
    answer = await asyncio.wait_for(bus.call(message), ANSWER_S)
    if answer.error_name:
        raise OSError(f"{message.member}: {answer.error_name}")
    return answer
