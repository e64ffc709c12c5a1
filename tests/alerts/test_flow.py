"""From an event to both ways out, each with a memory of its own."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.alerts.flow import Alerts, Route
from app.alerts.policy import Policy, Rules
from app.alerts.quiet import QuietHours
from app.domain.agents import AgentState
from app.domain.alerts import Urgency
from app.domain.commands import Snooze
from app.domain.events import (
    AgentChanged,
    ChannelChanged,
    LifeBegan,
    ProjectWatched,
    RunStarted,
    StopBegan,
    TestsRan,
    VerdictChanged,
)
from app.domain.health import ChannelView, Ending, KeptBy, UncleanEnd
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult
from app.engine.bus import Bus
from tests.alerts.kit import Screen, on_desktop, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.alerts.occasions import Occasion
    from app.domain.alerts import Alert

ROOT = "/home/ann/shop"
SAVE = Cause(CauseKind.SAVE, ("app/auth.py",))
NIGHT = QuietHours.read("22:00-07:00")


class Ways:
    """Both ways out, which keep what they are told; the settings may be changed."""

    def __init__(self) -> None:
        self.shown: list[Alert] = []
        self.sent: list[Alert] = []
        self.least = Urgency.WARNING
        self.quiet: QuietHours | None = None

    def routes(self) -> list[Route]:
        """The desktop, and what goes further."""
        return [
            Route(Policy(news_at_once=True), Rules, lambda: self.quiet, self._show),
            Route(Policy(), lambda: Rules(self.least), lambda: self.quiet, self._send, lambda one: not one.is_local),
        ]

    def _show(self, occasion: Occasion) -> None:
        self.shown.append(occasion.alert)

    def _send(self, occasion: Occasion) -> None:
        self.sent.append(occasion.alert)


def _utc_minute(wall: float) -> int:
    at = datetime.fromtimestamp(wall, UTC)
    return at.hour * 60 + at.minute


@contextlib.asynccontextmanager
async def _alerted(clock: Any, ways: Ways, **more: Any) -> AsyncIterator[Bus]:
    bus = Bus(clock)
    bus.publish(ProjectWatched(at=0, project=ROOT, name="shop"))
    async with Alerts(bus, clock, ways.routes(), minute=_utc_minute, **more):
        yield bus


def _ran(bus: Bus, run_id: str, outcome: Outcome) -> None:
    """One run of one test, which changes the verdict."""
    of: dict[str, Any] = {"at": 1.0, "project": ROOT, "run_id": run_id}
    bus.publish(RunStarted(**of, cause=SAVE))
    bus.publish(TestsRan(**of, results=(TestResult("t.py::a", outcome),)))
    is_red = outcome is Outcome.FAILED
    names = {"broke" if is_red else "fixed": ("t.py::a",)}
    bus.publish(VerdictChanged(**of, cause=SAVE, still_red=int(is_red), **names))


async def test_the_desktop_tells_each_transition_and_channels_what_is_left(fake_clock: Any) -> None:
    """A test that goes red three times in ten minutes is shown three times, and sent twice: at once and afterwards."""
    ways = Ways()

    async with _alerted(fake_clock, ways) as bus:
        for number in range(5):
            _ran(bus, f"r{number}", Outcome.PASSED if number % 2 else Outcome.FAILED)
            await fake_clock.pass_time(120)
        sent_by_then = [each.title for each in ways.sent]
        await fake_clock.pass_time(900)

    assert [each.title for each in ways.shown] == [*["a went red", "All green again"] * 2, "a went red"]
    assert sent_by_then == ["a went red"]
    assert [each.title for each in ways.sent] == ["a went red"] * 2
    # The second red, which was mended, is forgotten with its mending.
    assert "meanwhile" not in ways.sent[1].body


async def test_an_agents_failure_is_told_on_both_ways_once(fake_clock: Any) -> None:
    """A flapping agent is one message in a quarter of an hour, and then one with how often."""
    ways = Ways()

    async with _alerted(fake_clock, ways) as bus:
        for _ in range(3):
            for state in (AgentState.FAILED, AgentState.STARTING, AgentState.RUNNING):
                bus.publish(AgentChanged(at=0, agent="audits", state=state, reason="disk full"))
            await fake_clock.pass_time(60)
        bus.publish(AgentChanged(at=0, agent="audits", state=AgentState.FAILED, reason="disk full"))
        await fake_clock.pass_time(900)

    assert [each.title for each in ways.sent] == ['Agent "Audits" has failed'] * 2
    assert [each.title for each in ways.shown] == [
        'Agent "Audits" has failed',
        'Agent "Audits" works again',
        'Agent "Audits" has failed',
    ]


async def test_quiet_hours_hold_all_but_what_is_critical(fake_clock: Any) -> None:
    """A red test at night is told at seven, if it is red then; that the program was stuck is told at night."""
    ways = Ways()
    ways.quiet = NIGHT
    fake_clock.set_wall(datetime(2026, 5, 4, 23, 30, tzinfo=UTC).timestamp())

    async with _alerted(fake_clock, ways) as bus:
        _ran(bus, "r1", Outcome.FAILED)
        end = UncleanEnd(1.0, Ending.STUCK, "a.py:1 in f")
        bus.publish(LifeBegan(at=1.0, kept_by=KeptBy.SYSTEMD, ends=(end,), is_restart=True))
        await fake_clock.pass_time(7.4 * 3600)
        by_night = [each.cause for each in (*ways.shown, *ways.sent)]
        await fake_clock.pass_time(0.2 * 3600)

    assert by_night == ["life", "life"]
    assert [each.title for each in ways.shown[1:]] == ["a went red"]
    assert [each.title for each in ways.sent[1:]] == ["a went red"]


async def test_a_clock_that_is_set_ends_quiet_hours(fake_clock: Any) -> None:
    """Whether it is night is looked up again and again, and not computed once."""
    ways = Ways()
    ways.quiet = NIGHT
    fake_clock.set_wall(datetime(2026, 5, 4, 23, 30, tzinfo=UTC).timestamp())

    async with _alerted(fake_clock, ways) as bus:
        _ran(bus, "r1", Outcome.FAILED)
        await fake_clock.pass_time(60)
        fake_clock.set_wall(datetime(2026, 5, 5, 8, 0, tzinfo=UTC).timestamp())
        await fake_clock.pass_time(60)

    assert [each.title for each in ways.sent] == ["a went red"]


async def test_settings_hold_from_the_next_alert_on(fake_clock: Any) -> None:
    """Nothing is remembered of a setting that was changed."""
    ways = Ways()

    async with _alerted(fake_clock, ways) as bus:
        _ran(bus, "r1", Outcome.FAILED)
        ways.least = Urgency.NEWS
        _ran(bus, "r2", Outcome.PASSED)
        ways.least = Urgency.CRITICAL
        await fake_clock.pass_time(1000)
        _ran(bus, "r3", Outcome.FAILED)
        await fake_clock.pass_time(1000)

    assert [each.title for each in ways.sent] == ["a went red", "All green again"]


async def test_a_snooze_silences_both_ways_and_its_end_tells_what_is_left(fake_clock: Any) -> None:
    """The end of the snooze is met exactly."""
    ways = Ways()

    async with _alerted(fake_clock, ways) as bus:
        await bus.send(Snooze(seconds=100))
        _ran(bus, "r1", Outcome.FAILED)
        await fake_clock.pass_time(99)
        silent = [*ways.shown, *ways.sent]
        await fake_clock.pass_time(2)

    assert silent == []
    assert [each.title for each in (*ways.shown, *ways.sent)] == ["a went red"] * 2


async def test_a_clock_that_is_set_back_makes_no_snooze_longer(fake_clock: Any) -> None:
    """By a year, say, when a time server puts it right: a red test is told after the seconds that were asked for."""
    ways = Ways()

    async with _alerted(fake_clock, ways) as bus:
        await bus.send(Snooze(seconds=100))
        fake_clock.set_wall(fake_clock.wall() - 365 * 86_400)
        _ran(bus, "r1", Outcome.FAILED)
        await fake_clock.pass_time(99)
        silent = [*ways.shown, *ways.sent]
        await fake_clock.pass_time(2)

    assert silent == []
    assert [each.title for each in (*ways.shown, *ways.sent)] == ["a went red"] * 2


async def test_a_shorter_snooze_ends_the_longer_one(fake_clock: Any) -> None:
    """Silence of no seconds tells at once what was held."""
    ways = Ways()

    async with _alerted(fake_clock, ways) as bus:
        await bus.send(Snooze(seconds=3600))
        _ran(bus, "r1", Outcome.FAILED)
        await bus.send(Snooze(seconds=0))

    assert [each.title for each in ways.sent] == ["a went red"]


async def test_what_a_channel_fails_for_is_sent_nowhere(fake_clock: Any) -> None:
    """It is shown once a day, however often the channel says so, with what is true of it then."""
    ways = Ways()

    async with _alerted(fake_clock, ways) as bus:
        for number in range(30):
            view = ChannelView("mail", number, "The server refuses the login.")
            bus.publish(ChannelChanged(at=fake_clock.wall(), channel=view))
            await fake_clock.pass_time(3600)

    assert ways.sent == []
    assert [each.title for each in ways.shown] == ["Alerts do not go through mail"] * 2
    assert ways.shown[1].body.endswith("23 alerts wait.")


async def test_secrets_leave_by_no_way(fake_clock: Any) -> None:
    """What a reason or a name holds is taken out before any channel sees it."""
    ways = Ways()

    async with _alerted(fake_clock, ways, redact=lambda text: text.replace("hunter2", "[redacted]")) as bus:
        bus.publish(AgentChanged(at=0, agent="tests:hunter2", state=AgentState.FAILED, reason="login hunter2"))

    assert len(ways.shown) == len(ways.sent) == 1
    assert "hunter2" not in f"{ways.shown[0]}{ways.sent[0]}"


async def test_nothing_is_told_by_a_program_that_ends(fake_clock: Any) -> None:
    """Neither what happens then, nor what was held before."""
    ways = Ways()

    async with _alerted(fake_clock, ways) as bus:
        await bus.send(Snooze(seconds=60))
        _ran(bus, "r1", Outcome.FAILED)
        bus.publish(StopBegan(at=0, reason="asked to"))
        bus.publish(AgentChanged(at=0, agent="audits", state=AgentState.FAILED))
        await fake_clock.pass_time(120)

    assert ways.shown == ways.sent == []


async def test_a_notification_that_waited_says_how_often(fake_clock: Any) -> None:
    """The desktop shows a count where a cause came up more than once."""
    screen, bus = Screen(), Bus(fake_clock)

    async with on_desktop(bus, fake_clock, screen):
        await bus.send(Snooze(seconds=60))
        for number in range(3):
            bus.publish(AgentChanged(at=0, agent="audits", state=AgentState.FAILED, reason=f"no {number}"))
        await fake_clock.pass_time(61)
        await settle()

    (shown,) = screen.shown
    assert shown.body.startswith("no 2\n")
    assert shown.body.endswith("This came up 3 times meanwhile.")
