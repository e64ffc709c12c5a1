"""Notifications through a real session bus, with only the notification service itself made up."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from app.system.notifications import BalloonNotifier, DesktopNotifierAdapter, Notification

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

if sys.platform != "linux":
    pytest.skip("D-Bus is Linux's way", allow_module_level=True)

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir={folder}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>"""

INTROSPECTION = f"""<node><interface name="{NAME}">
<method name="GetCapabilities"><arg direction="out" type="as"/></method>
<method name="GetServerInformation"><arg direction="out" type="s"/><arg direction="out" type="s"/>
<arg direction="out" type="s"/><arg direction="out" type="s"/></method>
<method name="Notify"><arg direction="in" type="s"/><arg direction="in" type="u"/><arg direction="in" type="s"/>
<arg direction="in" type="s"/><arg direction="in" type="s"/><arg direction="in" type="as"/>
<arg direction="in" type="a{{sv}}"/><arg direction="in" type="i"/><arg direction="out" type="u"/></method>
<method name="CloseNotification"><arg direction="in" type="u"/></method>
<signal name="NotificationClosed"><arg type="u"/><arg type="u"/></signal>
<signal name="ActionInvoked"><arg type="u"/><arg type="s"/></signal>
</interface></node>"""


class Service:
    """A notification service of the specification's interface that can also hang, refuse and restart."""

    def __init__(self, capabilities: tuple[str, ...] = ("actions", "body", "body-markup")) -> None:
        self.capabilities = capabilities
        self.hangs: set[str] = set()
        self.refuses: set[str] = set()
        self.notified: list[list[object]] = []
        self.closed: list[int] = []
        self._bus: MessageBus | None = None

    async def start(self) -> None:
        """Take the name on the bus."""
        self._bus = await MessageBus().connect()
        self._bus.add_message_handler(self._answer)
        await self._bus.request_name(NAME)

    async def stop(self) -> None:
        """Leave the bus."""
        if self._bus is not None:
            self._bus.disconnect()
            with contextlib.suppress(Exception):  # the bus may have died before
                await self._bus.wait_for_disconnect()
            self._bus = None

    async def press(self, number: int, action: str) -> None:
        """Say that a person pressed this action of the notification with this id."""
        assert self._bus is not None
        await self._bus.send(Message.new_signal(PATH, NAME, "ActionInvoked", "us", [number, action]))

    def _answer(self, message: Message) -> Message | bool | None:
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        member = message.member
        if member in self.hangs:
            return True
        if member in self.refuses:
            return Message.new_error(message, "org.freedesktop.Notifications.Error", "too many")
        self.notified += [message.body] if member == "Notify" else []
        self.closed += message.body if member == "CloseNotification" else []
        answers: dict[str, tuple[str, list[object]]] = {
            "Introspect": ("s", [INTROSPECTION]),
            "GetCapabilities": ("as", [list(self.capabilities)]),
            "GetServerInformation": ("ssss", ["probe", "tests", "1", "1.2"]),
            "Notify": ("u", [len(self.notified)]),
            "CloseNotification": ("", []),
        }
        return Message.new_method_return(message, *answers[member]) if member in answers else None


@pytest.fixture
def session_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """Run a bus daemon of our own that starts no services by itself."""
    config = tmp_path / "bus.conf"
    config.write_text(BUS_CONFIG.format(folder=tmp_path))
    daemon = shutil.which("dbus-daemon")
    assert daemon, "dbus-daemon is missing: apt-get install dbus"
    argv = [daemon, f"--config-file={config}", "--nofork", "--print-address"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        try:
            yield process
        finally:
            process.terminate()


@pytest.fixture
async def service(session_bus: subprocess.Popen[str]) -> AsyncIterator[Service]:
    """Run a notification service with buttons and markup."""
    del session_bus
    async with _running(Service()) as service:
        yield service


@contextlib.asynccontextmanager
async def _running(service: Service) -> AsyncIterator[Service]:
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


@contextlib.asynccontextmanager
async def _adapter(icon: Path | None = None, deadline_s: float = 10.0) -> AsyncIterator[DesktopNotifierAdapter]:
    """Give an adapter with a deadline that a slow machine does not reach, and close it."""
    adapter = DesktopNotifierAdapter(icon, deadline_s=deadline_s)
    try:
        yield adapter
    finally:
        await adapter.aclose()


def _note(key: str = "k", title: str = "test_login went red", body: str = "shop", **more: object) -> Notification:
    return Notification(key, title, body, **more)


async def test_it_shows_title_body_icon_and_buttons(service: Service, tmp_path: Path) -> None:
    """All that a notification says reaches the service, under the application's name."""
    icon = tmp_path / "icon one.png"
    note = _note(buttons=(("Open", print), ("Snooze", print)), urgent=True)

    async with _adapter(icon) as adapter:
        shown = await adapter.send(note)

    assert shown
    [[name, replaces, icon_uri, title, body, actions, hints, timeout]] = service.notified
    assert (name, replaces, title, body, timeout) == ("Watchkeeper", 0, "test_login went red", "shop", -1)
    assert icon_uri == icon.as_uri()
    assert actions[-4:][1::2] == ["Open", "Snooze"]
    assert hints["urgency"].value == 2


async def test_a_button_calls_back_on_the_loop(service: Service) -> None:
    """Pressing a button calls its own callback, on the loop's thread."""
    pressed: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    def press(name: str) -> Callable[[], None]:
        return lambda: pressed.put_nowait((name, threading.get_ident()))

    async with _adapter() as adapter:
        await adapter.send(_note(buttons=(("Open", press("Open")), ("Snooze", press("Snooze")))))
        actions = service.notified[0][5]
        await service.press(1, actions[actions.index("Snooze") - 1])

        assert await asyncio.wait_for(pressed.get(), 10) == ("Snooze", threading.get_ident())
        assert pressed.empty()


async def test_a_click_on_the_notification_calls_back(service: Service) -> None:
    """The notification itself is a button too."""
    clicked = asyncio.Event()

    async with _adapter() as adapter:
        await adapter.send(_note(on_clicked=clicked.set))
        await service.press(1, "default")

        await asyncio.wait_for(clicked.wait(), 10)


def test_it_works_on_the_qt_loop(session_bus: subprocess.Popen[str], qapp: Any) -> None:
    """Under Qt's loop a notification is shown, its button calls back, and a hanging service is given up."""
    from app.ui.loop import QtLoop  # noqa: PLC0415 - Qt is imported by the test that needs it

    del session_bus

    async def scenario() -> tuple[bool, bool]:
        pressed = asyncio.Event()
        async with _running(Service()) as service, _adapter(deadline_s=1.0) as adapter:
            shown = await adapter.send(_note(buttons=(("Open", pressed.set),)))
            actions = service.notified[0][5]
            await service.press(1, actions[actions.index("Open") - 1])
            await asyncio.wait_for(pressed.wait(), 10)
            service.hangs = {"Notify"}
            return shown, await adapter.send(_note("other"))

    with asyncio.Runner(loop_factory=lambda: QtLoop(qapp)) as runner:
        assert runner.run(scenario()) == (True, False)


async def test_a_newer_notification_of_the_same_key_takes_the_older_ones_place(service: Service) -> None:
    """One cause has one notification on the screen; other causes keep theirs."""
    async with _adapter() as adapter:
        await adapter.send(_note("a"))
        await adapter.send(_note("b"))
        await adapter.send(_note("a", "All green again"))

        assert service.closed == [1]


async def test_closing_takes_back_what_is_shown(service: Service) -> None:
    """A notification whose buttons would do nothing does not stay."""
    async with _adapter() as adapter:
        await adapter.send(_note("a"))
        await adapter.send(_note("b"))

    assert sorted(service.closed) == [1, 2]


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        (("body", "body-markup"), 'test_x[&lt;lambda&gt;] &amp; "more"'),
        (("body",), 'test_x[<lambda>] & "more"'),
    ],
)
async def test_markup_is_escaped_only_where_it_is_read(
    session_bus: subprocess.Popen[str], capabilities: tuple[str, ...], expected: str
) -> None:
    """A test's name with signs of markup in it is read as it is written."""
    del session_bus

    async with _running(Service(capabilities)) as service, _adapter() as adapter:
        assert await adapter.send(_note(body='test_x[<lambda>] & "more"'))

        assert service.notified[0][4] == expected


async def test_buttons_are_left_out_where_the_service_has_none(session_bus: subprocess.Popen[str]) -> None:
    """A service without actions would show the buttons as text, or refuse."""
    del session_bus

    async with _running(Service(("body",))) as service, _adapter() as adapter:
        assert await adapter.send(_note(buttons=(("Open", print),)))

        assert "Open" not in service.notified[0][5]


async def test_text_that_no_bus_carries_is_shown_all_the_same(service: Service) -> None:
    """Lone surrogates, as odd file names have them, and NUL do not keep a notification away."""
    async with _adapter() as adapter:
        assert await adapter.send(_note(title="test_\udce4 went red", body="a\0b"))

        assert service.notified[0][3:5] == ["test_? went red", "ab"]


async def test_without_a_bus_nothing_is_shown_and_nothing_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """No session bus means False, at once and each time."""
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)

    async with _adapter() as adapter:
        assert not await adapter.send(_note())
        assert not await adapter.send(_note())


async def test_a_bus_address_that_nobody_listens_on_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A stale address in the environment, as after a crash of the session, means False."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path / 'gone'}")

    async with _adapter() as adapter:
        assert not await adapter.send(_note())


async def test_it_recovers_when_a_service_comes(session_bus: subprocess.Popen[str]) -> None:
    """Without a service it says False, and shows the next one once there is a service."""
    del session_bus

    async with _adapter() as adapter:
        before = await adapter.send(_note())
        async with _running(Service()) as service:
            after = await adapter.send(_note())

            assert (before, after, len(service.notified)) == (False, True, 1)


async def test_a_restarted_service_is_asked_anew(service: Service) -> None:
    """Ids and capabilities of the service before mean nothing to the one after it."""
    async with _adapter() as adapter:
        await adapter.send(_note(body="<a>"))
        await service.stop()
        async with _running(Service(("body",))) as successor:
            shown = await adapter.send(_note(body="<b>"))

            assert shown
            assert successor.closed == []
            assert successor.notified[0][4] == "<b>"


@pytest.mark.parametrize("member", ["Introspect", "GetCapabilities", "Notify"])
async def test_a_service_that_hangs_is_given_up_and_asked_again_later(service: Service, member: str) -> None:
    """At whatever step a service hangs, send ends with False, and works again when the service does."""
    service.hangs = {member}

    async with _adapter(deadline_s=1.0) as adapter:
        hung = await adapter.send(_note())
        service.hangs = set()
        well = await adapter.send(_note())

    assert (hung, well) == (False, True)


async def test_a_service_that_begins_to_hang_does_not_hold_up_the_end(service: Service) -> None:
    """Closing with a service that no longer answers ends too."""
    async with _adapter(deadline_s=0.5) as adapter:
        await adapter.send(_note())
        service.hangs = {"CloseNotification"}

        await asyncio.wait_for(adapter.aclose(), 10)


async def test_several_at_once_wait_no_longer_than_one(service: Service) -> None:
    """The deadline counts from the call: sends that queue behind a hanging one do not add up."""
    service.hangs = {"Notify"}

    async with _adapter(deadline_s=0.5) as adapter:
        shown = await asyncio.wait_for(asyncio.gather(*(adapter.send(_note(str(n))) for n in range(30))), 10)

    assert shown == [False] * 30


async def test_a_service_that_refuses_means_false(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal, as for too many at once, is no error; the library's own warning tells why."""
    service.refuses = {"Notify"}

    async with _adapter() as adapter:
        refused = await adapter.send(_note())
        service.refuses = set()
        taken = await adapter.send(_note())

    assert (refused, taken) == (False, True)
    assert "Notification failed" in caplog.text


async def test_a_bus_that_dies_is_left_behind(session_bus: subprocess.Popen[str]) -> None:
    """When the bus itself dies the next send says False, and no socket of the old connection stays open."""
    async with _running(Service()), _adapter() as adapter:
        assert await adapter.send(_note())
        link = adapter._link
        assert link is not None
        session_bus.terminate()
        async with asyncio.timeout(10):
            while link._bus.connected:  # noqa: ASYNC110 - until the connection has seen its end
                await asyncio.sleep(0.01)

        assert not await adapter.send(_note())

        del link
        gc.collect()


async def test_cancelling_a_send_is_not_swallowed(service: Service) -> None:
    """A task that is cancelled while it waits for the service ends as cancelled, and the adapter works on."""
    async with _adapter() as adapter:
        service.hangs = {"Notify"}
        sending = asyncio.create_task(adapter.send(_note()))
        async with asyncio.timeout(10):
            while adapter._link is None:  # noqa: ASYNC110 - until it is at the service
                await asyncio.sleep(0.01)
        sending.cancel()

        with pytest.raises(asyncio.CancelledError):
            await sending
        service.hangs = set()
        assert await adapter.send(_note())


def test_importing_it_does_not_import_the_library() -> None:
    """The library costs 0.1 s and more, which only the first notification pays."""
    probe = (
        "import sys, app.system.notifications; print([m for m in sys.modules if m.startswith(('desktop_n', 'dbus'))])"
    )

    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("there_is_a_tray", [True, False])
async def test_the_balloon_is_handed_title_and_body(there_is_a_tray: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """The fallback shows what it can, title and body, and says whether there was a tray to show it in."""
    seen: list[tuple[str, str]] = []

    def balloon(title: str, body: str) -> bool:
        seen.append((title, body))
        return there_is_a_tray

    notifier = BalloonNotifier(balloon)

    shown = await notifier.send(_note())
    await notifier.aclose()

    assert (shown, seen) == (there_is_a_tray, [("test_login went red", "shop")])


async def test_a_balloon_that_raises_means_false() -> None:
    """A tray that is gone must not end the program."""

    def balloon(title: str, body: str) -> bool:
        raise RuntimeError(title + body)

    assert not await BalloonNotifier(balloon).send(_note())
