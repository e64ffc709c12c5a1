"""Alerts as the house wires them: from an event to a far end, and tests of the channels."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.settings import Settings
from app.domain.agents import AgentState
from app.domain.commands import Snooze, TestAlerts
from app.domain.errors import SecretMissing, UsageError
from app.domain.events import AgentChanged, VerdictChanged
from app.domain.health import ChannelTest
from app.domain.verdicts import Cause, CauseKind
from app.engine.bus import Bus
from app.engine.clock import SystemClock
from app.engine.limits import Limits
from app.engine.notices import Notices
from app.engine.places import Places
from app.engine.redaction import Redactor
from app.house.alerts import alerts
from tests.alerts.channels.farends import FarEnd, Hook, answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from app.domain.snapshot import Mood

WITH_HOOK = Settings.model_validate({"alerts": {"webhook": {"form": "json"}}})
FAILED = AgentChanged(at=0, agent="audits", state=AgentState.FAILED, reason="Disk full, says sk-canary-1234567890")


class Vault:
    """Holds the webhook's address, if any; a far end."""

    def __init__(self, url: str = "") -> None:
        self._url = url

    async def secret(self, name: str, *, why: str) -> str:
        """Return a secret's value."""
        assert why == "alerts"
        if not self._url:
            raise SecretMissing(f"The vault holds no secret {name!r}.", "Put it there.")
        return self._url


class InForce:
    """Settings of which a file may hold newer ones."""

    def __init__(self, settings: Settings) -> None:
        self.current = settings
        self.written = settings

    def general(self) -> None:
        """Read what is written."""
        self.current = self.written


class Tray:
    """A desktop whose balloon shows, or has none."""

    def __init__(self, *, works: bool = True) -> None:
        self.works = works
        self.shown: list[str] = []

    def icon_png(self, mood: Mood | None) -> bytes:
        """Give a picture, which nobody looks at here."""
        return f"{mood}".encode()

    def balloon(self, title: str, body: str) -> bool:
        """Keep the title, and say whether there was a tray."""
        del body
        self.shown.append(title)
        return self.works


@pytest.fixture
def no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session has no service for notifications, so that none shows on a developer's desktop."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")


@contextlib.asynccontextmanager
async def _alerted(
    home: Path, settings: Settings, vault: Vault, tray: Tray | None = None, written: Settings | None = None
) -> AsyncIterator[Bus]:
    clock = SystemClock()
    bus = Bus(clock)
    places = Places.find({"WATCHKEEPER_HOME": str(home)})
    places.create()
    ground: Any = SimpleNamespace(
        bus=bus, clock=clock, places=places, limits=Limits(), log=SimpleNamespace(redactor=Redactor())
    )
    built: Any = SimpleNamespace(in_force=InForce(settings), keys=vault, notices=Notices(bus.publish, clock))
    built.in_force.written = written or settings
    desk: Any = tray
    async with alerts(ground, built, desk):
        yield bus


async def test_an_alert_reaches_the_webhook_without_secrets(tmp_path: Path) -> None:
    """An agent's failure goes out by itself, also without a desktop."""
    hook = Hook()

    with FarEnd(hook.serve) as server:
        async with _alerted(tmp_path, WITH_HOOK, Vault(f"http://127.0.0.1:{server.port}/hook")) as bus:
            bus.publish(FAILED)
            assert await asyncio.to_thread(hook.met.wait, 10)

    (asked,) = hook.asked
    assert asked.json["cause"] == "agent:audits"
    assert asked.json["title"] == 'Agent "Audits" has failed'
    assert "canary" not in asked.body.decode()


async def test_a_test_goes_past_silence_and_says_what_came_of_it(tmp_path: Path) -> None:
    """Snoozed or not, it is sent at once; what the far end refuses is told, and is in no queue afterwards."""
    hook = Hook([None, answer(404)])

    with FarEnd(hook.serve) as server:
        async with _alerted(tmp_path, WITH_HOOK, Vault(f"http://127.0.0.1:{server.port}/hook")) as bus:
            await bus.send(Snooze(seconds=600))
            well = await bus.send(TestAlerts())
            ill = await bus.send(TestAlerts(channel="webhook"))
            waiting = bus.snapshot.health.channels["webhook"].waiting

    assert well == (ChannelTest("webhook"),)
    assert isinstance(ill, tuple)
    assert "404" in ill[0].reason
    assert waiting == 0
    assert [each.json["cause"] for each in hook.asked] == ["test", "test"]


async def test_a_channel_that_is_not_set_up_is_refused(tmp_path: Path) -> None:
    """The refusal names those that are; of none at all there is nothing to test."""
    async with _alerted(tmp_path, Settings(), Vault()) as bus:
        with pytest.raises(UsageError, match=r"not set up.*'mail'.*none"):
            await bus.send(TestAlerts(channel="mail"))

        assert await bus.send(TestAlerts()) == ()


@pytest.mark.usefixtures("no_service")
@pytest.mark.parametrize("works", [True, False])
async def test_the_desktop_is_tested_too(tmp_path: Path, *, works: bool) -> None:
    """By the way that shows notifications there; a desktop that can show none says so."""
    tray = Tray(works=works)

    async with _alerted(tmp_path, Settings(), Vault(), tray) as bus:
        told = await bus.send(TestAlerts())

    assert isinstance(told, tuple)
    assert [(each.channel, not each.reason) for each in told] == [("desktop", works)]
    assert tray.shown == ["This is a test alert of Watchkeeper"]


@pytest.mark.usefixtures("no_service")
async def test_a_channel_that_fails_is_shown_and_noted(tmp_path: Path) -> None:
    """By a notification and a notice, and by nothing that goes through it: its queue holds what came before alone."""
    tray = Tray()

    async with _alerted(tmp_path, WITH_HOOK, Vault(), tray) as bus:
        bus.publish(FAILED)
        async with asyncio.timeout(10):
            while "channel:webhook" not in bus.snapshot.notices or len(tray.shown) < 2:  # noqa: ASYNC110 - threads answer
                await asyncio.sleep(0.01)
        waiting = bus.snapshot.health.channels["webhook"].waiting

    assert tray.shown == ['Agent "Audits" has failed', "Alerts do not go through the webhook"]
    assert waiting == 1


@pytest.mark.usefixtures("no_service")
async def test_notifications_that_are_switched_off_are_not_shown(tmp_path: Path) -> None:
    """The setting holds for the desktop alone."""
    off = WITH_HOOK.model_copy(update={"notifications": WITH_HOOK.notifications.model_copy(update={"enabled": False})})
    tray, hook = Tray(), Hook()

    with FarEnd(hook.serve) as server:
        async with _alerted(tmp_path, off, Vault(f"http://127.0.0.1:{server.port}/hook"), tray) as bus:
            bus.publish(FAILED)
            assert await asyncio.to_thread(hook.met.wait, 10)

    assert tray.shown == []


async def test_a_red_test_that_was_held_is_sent_by_the_next_life(tmp_path: Path) -> None:
    """It lies on disk while people want silence, and goes out once, with a word about why it is late."""
    hook = Hook()
    held = Places.find({"WATCHKEEPER_HOME": str(tmp_path)}).data / "alerts" / "held.json"
    broke = VerdictChanged(
        at=1.0, project="/p", run_id="r", cause=Cause(CauseKind.SAVE, ()), broke=("t.py::test_a",), still_red=1
    )

    with FarEnd(hook.serve) as server:
        vault = Vault(f"http://127.0.0.1:{server.port}/hook")
        async with _alerted(tmp_path, WITH_HOOK, vault) as bus:
            await bus.send(Snooze(seconds=600))
            bus.publish(broke)
            async with asyncio.timeout(10):
                while not held.exists():  # noqa: ASYNC110 - a thread writes it
                    await asyncio.sleep(0.01)
            by_then = hook.asked[:]
        for _ in range(2):
            async with _alerted(tmp_path, WITH_HOOK, vault) as bus:
                assert await asyncio.to_thread(hook.met.wait, 10)
                left = bus.snapshot.health.held.count

    assert by_then == []
    assert [each.json["title"] for each in hook.asked] == ["test_a went red"]
    assert hook.asked[0].json["body"].endswith("it was held when Watchkeeper ended.")
    assert left == 0


@pytest.mark.usefixtures("no_service")
async def test_a_channel_that_fails_is_shown_once_a_day_over_restarts(tmp_path: Path) -> None:
    """The second life knows when the first one showed it."""
    shown = []
    for _ in range(2):
        tray = Tray()
        async with _alerted(tmp_path, WITH_HOOK, Vault(), tray) as bus:
            bus.publish(FAILED)
            async with asyncio.timeout(10):
                while "channel:webhook" not in bus.snapshot.notices:  # noqa: ASYNC110 - threads answer
                    await asyncio.sleep(0.01)
                bus.publish(replace(FAILED, agent="last"))
                while 'Agent "Last" has failed' not in tray.shown:  # noqa: ASYNC110 - threads answer
                    await asyncio.sleep(0.01)
        shown.append("Alerts do not go through the webhook" in tray.shown)

    assert shown == [True, False]


async def test_a_test_goes_by_the_settings_that_were_just_written(tmp_path: Path) -> None:
    """Nobody has to wait for the next look at the file."""
    hook = Hook()

    with FarEnd(hook.serve) as server:
        vault = Vault(f"http://127.0.0.1:{server.port}/hook")
        async with _alerted(tmp_path, Settings(), vault, written=WITH_HOOK) as bus:
            told = await bus.send(TestAlerts())
            view = bus.snapshot.health.channels["webhook"]

    assert told == (ChannelTest("webhook"),)
    assert view.tested_at is not None
    assert not view.test_reason
