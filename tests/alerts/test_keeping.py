"""What is held for the channels outlives the program, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from app.alerts.flow import Alerts, Route
from app.alerts.keeping import TESTS_KEPT, Keeping
from app.alerts.policy import Policy, Rules
from app.alerts.quiet import QuietHours
from app.domain.agents import AgentState
from app.domain.commands import Snooze
from app.domain.events import AgentChanged, ProjectWatched, RunStarted, StopBegan, TestsRan, VerdictChanged
from app.domain.health import HeldFor, HeldView
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult, TestState
from app.engine.bus import Bus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from app.domain.alerts import Alert

SAVE = Cause(CauseKind.SAVE, ("app/auth.py",))


class Lives:
    """Lives of the program, one after the other, with one file; what each sends is kept."""

    def __init__(self, path: Path, clock: Any) -> None:
        self.path = path
        self.clock = clock
        self.sent: list[Alert] = []
        self.known: list[TestState] = []
        self.quiet: QuietHours | None = None
        self.minute = 0
        self.gate = asyncio.Event()
        self.gate.set()

    @contextlib.asynccontextmanager
    async def life(self, *, redact: Any = str) -> AsyncIterator[Bus]:
        """Begin a life; it ends in an orderly way unless its file is put back."""
        bus = Bus(self.clock)
        numbers = iter(range(1000))

        async def handed_over() -> None:
            await self.gate.wait()

        keeping = Keeping(
            self.path, self.clock, new_id=lambda: f"id{next(numbers)}", redact=redact, handed_over=handed_over
        )
        async with keeping:
            route = Route(
                Policy(),
                Rules,
                lambda: self.quiet,
                lambda occasion: self.sent.append(occasion.alert),
                keeping=keeping,
                is_further=True,
            )
            async with Alerts(bus, self.clock, [route], redact=redact, minute=lambda _wall: self.minute):
                # Its agents begin after it, and remember what was red.
                bus.publish(ProjectWatched(at=0, project="/shop", name="shop", known=tuple(self.known)))
                yield bus
                self.known = list(bus.snapshot.projects["/shop"].tests.values())

    async def written(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many are in the file, and return them."""
        async with asyncio.timeout(10):
            while len(held := self.held) != count:  # noqa: ASYNC110 - a thread writes it
                await asyncio.sleep(0.005)
        return held

    @property
    def held(self) -> list[dict[str, Any]]:
        """What is in the file."""
        found = json.loads(self.path.read_text() or "{}").get("held") if self.path.exists() else []
        return found if isinstance(found, list) else []

    @property
    def titles(self) -> list[str]:
        """The titles of what was sent."""
        return [each.title for each in self.sent]


@pytest.fixture
def lives(tmp_path: Path, fake_clock: Any) -> Lives:
    """A machine on which nothing was held yet."""
    return Lives(tmp_path / "held.json", fake_clock)


def _ran(bus: Bus, run_id: str, *nodeids: str, outcome: Outcome = Outcome.FAILED) -> None:
    of: dict[str, Any] = {"at": 1.0, "project": "/shop", "run_id": run_id}
    bus.publish(RunStarted(**of, cause=SAVE))
    bus.publish(TestsRan(**of, results=tuple(TestResult(each, outcome) for each in nodeids)))
    is_red = outcome is Outcome.FAILED
    names = {"broke" if is_red else "fixed": nodeids}
    bus.publish(VerdictChanged(**of, cause=SAVE, still_red=len(nodeids) if is_red else 0, **names))


async def test_what_is_held_lies_on_disk_at_once_and_a_kill_loses_nothing(lives: Lives) -> None:
    """The next life tells it, once, and says that it comes late; the one after that has nothing to tell."""
    async with lives.life() as bus:
        await bus.send(Snooze(seconds=600))
        _ran(bus, "r1", "t.py::a")
        [kept] = await lives.written(1)
    async with lives.life():
        first = lives.sent[:]
        await lives.written(0)
    async with lives.life():
        pass

    assert [each.title for each in first] == ["a went red"]
    assert first[0].body.endswith("it was held when Watchkeeper ended.")
    assert first[0].id == kept["alert"]["id"]
    assert lives.sent == first


async def test_what_is_handed_over_stays_on_disk_until_it_is_safe_elsewhere(lives: Lives) -> None:
    """A kill in between tells it again under the same id, by which the outbox knows it."""
    async with lives.life() as bus:
        await bus.send(Snooze(seconds=600))
        _ran(bus, "r1", "t.py::a")
        [kept] = await lives.written(1)
        lives.gate.clear()
        await bus.send(Snooze(seconds=0))
        between = lives.held
        lives.gate.set()
        await lives.written(0)

    assert [each["alert"]["id"] for each in between] == [kept["alert"]["id"]] == [each.id for each in lives.sent]


async def test_quiet_hours_go_on_over_a_restart(lives: Lives) -> None:
    """What was held in the evening joins what breaks in the night, and people can see that it is held."""
    lives.quiet = QuietHours.read("22:00-07:00")
    lives.minute = 23 * 60
    async with lives.life() as bus:
        _ran(bus, "r1", "t.py::a")
    async with lives.life() as bus:
        _ran(bus, "r2", "t.py::b")
        held = bus.snapshot.health.held
        by_night = lives.titles
        lives.minute = 8 * 60
        await lives.clock.pass_time(31)

    assert by_night == []
    assert (held.count, held.why) == (1, HeldFor.QUIET)
    assert held.until is not None
    assert 0 <= lives.clock.wall() + 8 * 3600 - held.until < 120
    assert lives.titles == ["2 tests went red"]


async def test_what_is_mended_in_the_next_life_is_not_told(lives: Lives) -> None:
    """Nobody was told of the red, so nobody needs to hear that it is over."""
    lives.quiet, lives.minute = QuietHours.read("22:00-07:00"), 23 * 60
    async with lives.life() as bus:
        _ran(bus, "r1", "t.py::a")
    async with lives.life() as bus:
        _ran(bus, "r2", "t.py::a", outcome=Outcome.PASSED)
        lives.minute = 8 * 60
        await lives.clock.pass_time(31)

    assert lives.titles == []
    assert lives.held == []


async def test_what_an_agent_does_because_the_program_ends_is_not_kept(lives: Lives) -> None:
    """The next life begins it anew."""
    async with lives.life() as bus:
        bus.publish(StopBegan(at=0, reason="asked to"))
        bus.publish(AgentChanged(at=0, agent="audits", state=AgentState.FAILED))
        _ran(bus, "r1", "t.py::a")

    assert [each["alert"]["cause"] for each in lives.held] == ["tests:/shop"]


async def test_why_something_is_held_is_told(lives: Lives) -> None:
    """A person can look it up: silence, and what was told a short time ago, with the time it ends."""
    async with lives.life() as bus:
        seen = [bus.snapshot.health.held]
        await bus.send(Snooze(seconds=600))
        _ran(bus, "r1", "t.py::a")
        seen.append(bus.snapshot.health.held)
        await bus.send(Snooze(seconds=0))
        seen.append(bus.snapshot.health.held)
        _ran(bus, "r2", "t.py::a")
        seen.append(bus.snapshot.health.held)
        now = lives.clock.wall()

    assert seen == [
        HeldView(),
        HeldView(1, HeldFor.SNOOZE, now + 600),
        HeldView(),
        HeldView(1, HeldFor.TOLD, round(now + 900)),
    ]


async def test_no_secret_and_no_endless_list_is_written(lives: Lives) -> None:
    """Known secrets are taken out of all that is kept, names of tests too."""
    async with lives.life(redact=lambda text: text.replace("hunter2", "[redacted]")) as bus:
        await bus.send(Snooze(seconds=600))
        _ran(bus, "r1", *(f"t.py::hunter2[{number}]" for number in range(3 * TESTS_KEPT)))
        [kept] = await lives.written(1)

    assert "hunter2" not in lives.path.read_text()
    assert len(kept["verdict"]["broke"]) == TESTS_KEPT


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"schema": 1, "held": 3, "told": []}',
        '{"schema": 1, "held": [{"alert": {"cause": "x", "at": "soon"}}, null, 7], "told": {"a": "b"}}',
        '{"schema": 9, "held": []}',
    ],
)
async def test_a_file_that_is_not_ours_holds_nothing_up(lives: Lives, content: str) -> None:
    """It is left out, and what is held from then on is written."""
    lives.path.write_text(content)

    async with lives.life() as bus:
        await bus.send(Snooze(seconds=600))
        _ran(bus, "r1", "t.py::a")

    assert lives.titles == []
    assert [each["alert"]["cause"] for each in lives.held] == ["tests:/shop"]
