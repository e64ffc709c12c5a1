"""What the D-Bus way of showing notifications needs beyond the library: it neither watches nor closes its connection.

The service is `org.freedesktop.Notifications` of the Desktop Notifications Specification. Its ids and capabilities are
those of one running service: after a restart an old id may name another program's notification.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from desktop_notifier.backends.base import DesktopNotifierBackend

_SERVICE: Final = "org.freedesktop.Notifications"
_DAEMON: Final = "org.freedesktop.DBus"
_DAEMON_PATH: Final = "/org/freedesktop/DBus"

_CLOSE_S: Final = 1.0
"""Closing a local socket takes one turn of the loop; more means that the loop does not turn."""


class ServiceLink:
    """The library's connection to the one service that answers now.

    Attributes:
        takes_markup: True when the service reads the body as markup, so that `<` and `&` must be escaped.
    """

    def __init__(self, bus: Any, daemon: Any, owner: str, *, takes_markup: bool) -> None:  # noqa: ANN401 - dbus-fast makes these classes from introspection
        self._bus = bus
        self._daemon = daemon
        self._owner = owner
        self.takes_markup = takes_markup

    @classmethod
    async def open(cls, backend: DesktopNotifierBackend) -> ServiceLink | None:
        """Connect the library to the service, which D-Bus starts where it can.

        Args:
            backend: The library's backend for this operating system.

        Returns:
            The link, or None when this backend does not go through D-Bus.

        Raises:
            Exception: Whatever the library and the bus refuse with: no bus, no service, no answer.
        """
        await backend.get_capabilities()  # its `send` swallows why it cannot connect, this does not
        bus, interface = getattr(backend, "bus", None), getattr(backend, "interface", None)
        if bus is None or interface is None:
            return None
        daemon = bus.get_proxy_object(_DAEMON, _DAEMON_PATH, await bus.introspect(_DAEMON, _DAEMON_PATH))
        daemon = daemon.get_interface(_DAEMON)
        owner = await daemon.call_get_name_owner(_SERVICE)
        takes_markup = "body-markup" in await interface.call_get_capabilities()
        return cls(bus, daemon, owner, takes_markup=takes_markup)

    async def holds(self) -> bool:
        """Return True while the very service that was linked to still answers on the bus."""
        if not self._bus.connected:
            return False
        return bool(await self._daemon.call_name_has_owner(_SERVICE)) and (
            await self._daemon.call_get_name_owner(_SERVICE) == self._owner
        )


async def disconnect(backend: DesktopNotifierBackend) -> None:
    """Close the connection that the library may have opened, whole or half. Never raises."""
    bus: Any = getattr(backend, "bus", None)
    if bus is None:
        return
    bus.disconnect()
    with contextlib.suppress(Exception):  # how the connection ended is of no interest once it must go
        await asyncio.wait_for(bus.wait_for_disconnect(), _CLOSE_S)
