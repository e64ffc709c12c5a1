"""A tray of the StatusNotifier kind, as KDE and GNOME's extension have it: it takes items, reads them, presses entries.

After https://www.freedesktop.org/wiki/Specifications/StatusNotifierItem/ and com.canonical.dbusmenu.
"""

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Annotated, Any, Self

from dbus_fast import Message, MessageType, PropertyAccess, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusInt32, DBusSignature, DBusStr
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

WATCHER = "org.kde.StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
ITEM_PATH = "/StatusNotifierItem"
MENU = "com.canonical.dbusmenu"


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One entry of an item's menu; a separator has no label."""

    number: int
    label: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class ItemState:
    """What an item shows.

    Attributes:
        icons: The icon's pixels by width: ARGB in network byte order.
    """

    name: str
    title: str
    status: str
    tooltip: str
    icons: dict[int, bytes]
    menu_path: str


class _Watcher(ServiceInterface):
    def __init__(self) -> None:
        super().__init__(WATCHER)
        self.items: list[str] = []
        self.came = asyncio.Event()

    @dbus_method()
    def RegisterStatusNotifierItem(self, service: DBusStr) -> None:  # noqa: N802 - the interface's own name
        self.items.append(service)
        self.StatusNotifierItemRegistered(service)
        self.came.set()

    @dbus_method()
    def RegisterStatusNotifierHost(self, service: DBusStr) -> None:  # noqa: N802 - likewise
        del service

    @dbus_property(access=PropertyAccess.READ)
    def RegisteredStatusNotifierItems(self) -> Annotated[list[str], DBusSignature("as")]:  # noqa: N802 - likewise
        return self.items

    @dbus_property(access=PropertyAccess.READ)
    def IsStatusNotifierHostRegistered(self) -> DBusBool:  # noqa: N802 - likewise
        return True

    @dbus_property(access=PropertyAccess.READ)
    def ProtocolVersion(self) -> DBusInt32:  # noqa: N802 - likewise
        return 0

    @dbus_signal()
    def StatusNotifierItemRegistered(self, service: DBusStr) -> DBusStr:  # noqa: N802 - likewise
        return service


class TrayHost:
    """The tray, from the moment it is entered; an async context manager.

    Args:
        address: The session bus's address.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._watcher = _Watcher()
        self._bus: MessageBus | None = None

    async def __aenter__(self) -> Self:
        """Take the watcher's name on the bus."""
        self._bus = await MessageBus(bus_address=self._address).connect()
        self._bus.export("/StatusNotifierWatcher", self._watcher)
        await self._bus.request_name(WATCHER)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bus."""
        if self._bus is not None:
            self._bus.disconnect()
            await self._bus.wait_for_disconnect()

    async def item(self, deadline_s: float = 20.0) -> str:
        """Wait until an item has registered, and return its service name (the newest one's)."""
        async with asyncio.timeout(deadline_s):
            await self._watcher.came.wait()
        return self._watcher.items[-1]

    async def read(self, item: str) -> ItemState:
        """Return what an item shows now."""
        [found] = await self._call(item, ITEM_PATH, "org.freedesktop.DBus.Properties", "GetAll", "s", [ITEM])
        values = {name: variant.value for name, variant in found.items()}
        tooltip = values.get("ToolTip") or ["", [], "", ""]
        return ItemState(
            name=values["Id"],
            title=values["Title"],
            status=values["Status"],
            tooltip=" ".join(filter(None, (tooltip[2], tooltip[3]))),
            icons={width: bytes(pixels) for width, _, pixels in values.get("IconPixmap", [])},
            menu_path=values["Menu"],
        )

    async def entries(self, item: str) -> list[MenuEntry]:
        """Open an item's menu, return its entries from the top, and close it again."""
        path = (await self.read(item)).menu_path
        await self._call(item, path, MENU, "AboutToShow", "i", [0])
        await self._tell(item, path, 0, "opened")
        _, (_, _, children) = await self._call(item, path, MENU, "GetLayout", "iias", [0, -1, []])
        await self._tell(item, path, 0, "closed")
        nodes = [child.value for child in children]
        return [
            MenuEntry(
                number,
                _text(properties, "label").replace("__", "\0").replace("_", "").replace("\0", "_"),
                bool(properties.get("enabled", Variant("b", True)).value),  # noqa: FBT003 - a D-Bus value
            )
            for number, properties, _ in nodes
        ]

    async def press(self, item: str, label: str) -> None:
        """Choose the entry with this label.

        Raises:
            AssertionError: There is no such entry, or it cannot be chosen.
        """
        entries = await self.entries(item)
        entry = next((each for each in entries if each.label == label), None)
        assert entry is not None, f"no entry {label!r} in {[each.label for each in entries]}"
        assert entry.enabled, f"the entry {label!r} cannot be chosen"
        path = (await self.read(item)).menu_path
        await self._tell(item, path, entry.number, "clicked")

    async def activate(self, item: str) -> None:
        """Click on the icon."""
        await self._call(item, ITEM_PATH, ITEM, "Activate", "ii", [0, 0])

    async def _tell(self, item: str, path: str, number: int, event: str) -> None:
        await self._call(item, path, MENU, "Event", "isvu", [number, event, Variant("s", ""), 0])

    async def _call(  # noqa: PLR0917 - a D-Bus call has these parts
        self, service: str, path: str, interface: str, member: str, signature: str, body: list[Any]
    ) -> list[Any]:
        assert self._bus is not None
        message = Message(
            destination=service, path=path, interface=interface, member=member, signature=signature, body=body
        )
        answer = await asyncio.wait_for(self._bus.call(message), 10)
        assert answer is not None
        assert answer.message_type is MessageType.METHOD_RETURN, f"{member}: {answer.body}"
        return list(answer.body)


def _text(properties: dict[str, Variant], name: str) -> str:
    return str(properties[name].value) if name in properties else ""
