"""The bus: events in, snapshots out, commands back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.commands import ReadStatus, Snooze
from app.domain.errors import CommandRefused
from app.domain.events import NoticeRaised, StopBegan
from app.engine.bus import Bus

if TYPE_CHECKING:
    from app.domain.snapshot import Snapshot


def notice(key: str) -> NoticeRaised:
    return NoticeRaised(at=1.0, key=key, text="text")


async def test_each_subscriber_sees_each_event_in_order_with_its_snapshot(fake_clock: Any) -> None:
    """A subscriber is told at once, with the state that the event made."""
    bus = Bus(fake_clock)
    seen: list[tuple[str, int]] = []
    bus.subscribe(lambda event, snapshot: seen.append((event.key, len(snapshot.notices))))

    bus.publish(notice("a"))
    bus.publish(notice("b"))

    assert seen == [("a", 1), ("b", 2)]


async def test_a_subscriber_that_fails_silences_nobody(fake_clock: Any) -> None:
    """The others are told, and the one that failed keeps its place."""
    bus = Bus(fake_clock)
    calls: list[str] = []

    def fails(_event: object, _snapshot: Snapshot) -> None:
        calls.append("fails")
        raise ValueError

    bus.subscribe(fails)
    bus.subscribe(lambda _event, _snapshot: calls.append("well"))

    bus.publish(notice("a"))
    bus.publish(notice("b"))

    assert calls == ["fails", "well"] * 2


async def test_who_has_left_is_told_nothing(fake_clock: Any) -> None:
    """The function that subscribe returns ends the subscription."""
    bus = Bus(fake_clock)
    seen: list[object] = []
    leave = bus.subscribe(lambda event, _snapshot: seen.append(event))

    leave()
    bus.publish(notice("a"))

    assert not seen


async def test_faces_get_the_newest_snapshot_and_not_each_one(fake_clock: Any) -> None:
    """A storm of events gives one snapshot for each interval, and its last is the newest."""
    bus = Bus(fake_clock)
    seen: list[int] = []

    async def face() -> None:
        async for snapshot in bus.snapshots(0.25):
            seen.append(snapshot.seq)  # noqa: PERF401 - read while it goes on

    watching = asyncio.ensure_future(face())
    await fake_clock.pass_time(0)
    for number in range(100):
        bus.publish(notice(str(number)))
    await fake_clock.pass_time(0.25)
    await fake_clock.pass_time(10)
    bus.publish(StopBegan(at=1.0, reason="x"))
    await fake_clock.pass_time(0.25)
    watching.cancel()

    assert seen == [0, 100, 101]


async def test_a_command_has_one_handler_that_may_be_async(fake_clock: Any) -> None:
    """The answer comes back; a second handler is a mistake of the program."""
    bus = Bus(fake_clock)

    async def answer(command: Snooze) -> float:
        await asyncio.sleep(0)
        return command.seconds * 2

    leave = bus.handle(Snooze, answer)

    assert await bus.send(Snooze(seconds=4)) == 8
    with pytest.raises(ValueError, match="has a handler"):
        bus.handle(Snooze, answer)
    leave()
    with pytest.raises(CommandRefused):
        await bus.send(Snooze(seconds=4))


async def test_a_command_that_nobody_answers_is_refused_by_name(fake_clock: Any) -> None:
    """A person reads which command it was."""
    with pytest.raises(CommandRefused, match="ReadStatus"):
        await Bus(fake_clock).send(ReadStatus())
