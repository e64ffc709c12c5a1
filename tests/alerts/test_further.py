"""What goes further than the desktop, for as long as it is set up."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from app.agents.settings import AlertSettings, TelegramSettings, WebhookSettings
from app.alerts.further import LOOK_S, TEST_S, Further
from app.control.protocol import ANSWER_TIMEOUT_S
from app.domain.alerts import Alert, Urgency
from app.domain.errors import ChannelError
from app.domain.events import ChannelChanged, NetworkChanged
from app.domain.health import ChannelTest, ChannelView
from app.engine.bus import Bus
from tests.alerts.kit import settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import pytest

    from app.domain.events import Event
    from app.domain.snapshot import Snapshot

ALERT = Alert("vault", Urgency.CRITICAL, "The vault is in trouble", "", 0.0)
BOTH = AlertSettings(telegram=TelegramSettings(chat="1"), webhook=WebhookSettings(form="json"))
ONE = AlertSettings(telegram=TelegramSettings(chat="1"))


class FarEnd:
    """A channel whose far end takes what it is sent, refuses it, or says nothing."""

    def __init__(self, name: str, answer: str = "") -> None:
        self.name = name
        self._answer = answer

    async def send(self, alert: Alert) -> None:
        """Answer as was said."""
        del alert
        if self._answer == "breaks":
            raise KeyError("token-canary")
        if self._answer == "hangs":
            await asyncio.get_running_loop().create_future()
        elif self._answer:
            raise ChannelError(self._answer, "Do something.", is_final=True)


class Waiting:
    """A queue that keeps what is posted and seen."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.posted: list[Alert] = []
        self.woken = 0
        self.seen: list[Event] = []
        self.is_open = False

    def post(self, alert: Alert) -> None:
        """Keep it."""
        self.posted.append(alert)

    def see(self, event: Event, _snapshot: Snapshot) -> None:
        """Keep it."""
        self.seen.append(event)

    def tested(self, test: ChannelTest) -> None:
        """Count those that went through."""
        self.woken += not test.reason

    async def kept(self) -> None:
        """Nothing lies on disk."""


class World:
    """Settings that may change, and the queues that were made for them."""

    def __init__(self, clock: Any, settings: AlertSettings, *, answer: str = "", test_s: float = TEST_S) -> None:
        self.settings = settings
        self.queues: list[Waiting] = []
        self.bus = Bus(clock)
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: Exception | None = None
        self._answer = answer
        self.further = Further(
            lambda: self.settings, self._channels, self._queue, bus=self.bus, clock=clock, test_s=test_s
        )

    def _channels(self, settings: AlertSettings) -> Sequence[FarEnd]:
        if self.fault is not None:
            raise self.fault
        names = (("telegram", settings.telegram.chat), ("webhook", settings.webhook.form))
        return [FarEnd(name, self._answer) for name, is_on in names if is_on]

    @contextlib.asynccontextmanager
    async def _queue(self, channel: FarEnd) -> AsyncIterator[Waiting]:
        queue = Waiting(channel.name)
        self.queues.append(queue)
        queue.is_open = True
        yield queue
        queue.is_open = False
        await self.gate.wait()


async def test_an_alert_goes_into_each_queue(fake_clock: Any) -> None:
    """Each channel has its own, which hears of the network, and all are closed at the end."""
    world = World(fake_clock, BOTH)

    async with world.further as further:
        further.post(ALERT)
        world.bus.publish(NetworkChanged(at=0, is_online=True))
        names = further.names

    assert names == ("telegram", "webhook")
    assert [(each.name, each.posted, len(each.seen), each.is_open) for each in world.queues] == [
        ("telegram", [ALERT], 1, False),
        ("webhook", [ALERT], 1, False),
    ]
    world.bus.publish(NetworkChanged(at=0, is_online=False))
    assert len(world.queues[0].seen) == 1


async def test_what_is_set_up_otherwise_gets_new_queues(fake_clock: Any) -> None:
    """A channel that is switched off is closed, and said to wait for nothing; no other queue is changed by that."""
    world = World(fake_clock, BOTH)
    told: list[ChannelView] = []

    async with world.further as further:
        world.bus.subscribe(lambda event, _: told.append(event.channel) if isinstance(event, ChannelChanged) else None)
        world.settings = BOTH.model_copy(update={"repeat_minutes": 5.0})
        await fake_clock.pass_time(2 * LOOK_S)
        same = len(world.queues)
        world.settings = ONE
        await fake_clock.pass_time(LOOK_S)
        further.post(ALERT)
        names = further.names

    assert names == ("telegram",)
    assert [(each.name, len(each.posted)) for each in world.queues] == [
        ("telegram", 1),
        ("webhook", 0),
    ]
    assert same == 2
    assert told == [ChannelView("webhook")]


async def test_what_comes_while_queues_are_changed_is_not_lost(fake_clock: Any) -> None:
    """It goes into the new ones, and once into those that stay."""
    world = World(fake_clock, BOTH)

    async with world.further as further:
        world.gate.clear()
        world.settings = BOTH.model_copy(update={"telegram": TelegramSettings(chat="2")})
        await fake_clock.pass_time(LOOK_S)
        further.post(ALERT)
        world.gate.set()
        await settle()

    assert [(each.name, each.posted) for each in world.queues] == [
        ("telegram", []),
        ("webhook", [ALERT]),
        ("telegram", [ALERT]),
    ]


async def test_channels_that_cannot_be_made_are_made_with_the_next_settings(fake_clock: Any) -> None:
    """The settings are followed on after a fault; what was set up before goes on, and nothing piles up meanwhile."""
    world = World(fake_clock, ONE)

    async with world.further as further:
        world.fault = ImportError("no such library")
        world.settings = BOTH
        await fake_clock.pass_time(LOOK_S)
        further.post(ALERT)
        held = further._waiting
        world.fault = None
        world.settings = BOTH.model_copy(update={"repeat_minutes": 5.0})
        await fake_clock.pass_time(LOOK_S)
        world.settings = BOTH.model_copy(update={"webhook": WebhookSettings(form="slack")})
        await fake_clock.pass_time(LOOK_S)
        further.post(ALERT)

    assert held is None
    assert [(each.name, each.posted) for each in world.queues] == [("telegram", [ALERT, ALERT]), ("webhook", [ALERT])]


async def test_settings_hold_at_once_when_they_are_asked_for(fake_clock: Any) -> None:
    """A test right after a channel was set up does not wait for the next look."""
    world = World(fake_clock, ONE)

    async with world.further as further:
        world.settings = BOTH
        await further.refresh()
        names = further.names

    assert names == ("telegram", "webhook")


async def test_a_fault_of_a_channel_tells_no_secret_in_a_test(
    fake_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told by its kind alone: the exception may hold the address, or what was sent with it."""
    async with World(fake_clock, ONE, answer="breaks").further as further:
        told = await further.test("telegram", ALERT)

    assert told.reason == "It has a fault (KeyError)."
    assert "canary" not in caplog.text + told.hint


async def test_a_test_says_why_it_did_not_go_through(fake_clock: Any) -> None:
    """The channel's own words and what to do; nothing when it went through."""
    world = World(fake_clock, ONE, answer="The token is refused.")

    async with world.further as further:
        refused = await further.test("telegram", ALERT)
        gone = await further.test("mail", ALERT)
    other = World(fake_clock, ONE)
    async with other.further as further:
        well = await further.test("telegram", ALERT)

    assert refused == ChannelTest("telegram", "The token is refused.", "Do something.")
    assert gone.reason
    assert well == ChannelTest("telegram")
    assert [each.posted for each in world.queues] == [[]]
    assert [each.woken for each in world.queues] == [0]
    assert [each.woken for each in other.queues] == [1]


async def test_a_test_that_hangs_ends(fake_clock: Any) -> None:
    """And before whoever asked over the socket gives up waiting."""
    async with World(fake_clock, ONE, answer="hangs", test_s=0.01).further as further:
        told = await further.test("telegram", ALERT)

    assert told.reason == "It did not answer in 0.01 s."
    assert TEST_S < ANSWER_TIMEOUT_S
