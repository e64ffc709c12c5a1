"""Things that are done one after the other."""

from __future__ import annotations

import asyncio
from functools import partial

from structlog.testing import capture_logs

from app.agents.testing.afterwards.chores import PAUSES, Chores


class Desk:
    """Writes down what is begun and done; each thing takes until it is let go."""

    def __init__(self) -> None:
        self.chores = Chores()
        self.seen: list[str] = []
        self._begun = asyncio.Event()
        self._gates: dict[str, asyncio.Event] = {}

    async def _do(self, name: str) -> None:
        self.seen.append(f"{name} begins")
        self._begun.set()
        try:
            await self._gates.setdefault(name, asyncio.Event()).wait()
            self.seen.append(name)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.seen.append(f"{name} ended")
            raise

    def begin(self, *names: str) -> None:
        self.chores.begin(partial(self._do, name) for name in names)

    def let_go(self, name: str) -> None:
        self._gates.setdefault(name, asyncio.Event()).set()

    async def until(self, seen: str) -> None:
        async with asyncio.timeout(5):
            while seen not in self.seen:
                self._begun.clear()
                await self._begun.wait()

    async def until_done(self) -> None:
        async with asyncio.timeout(5):
            while True:
                if self.chores.are_done:
                    return
                await asyncio.sleep(0)


async def test_one_comes_after_the_other() -> None:
    """In their order, each when the one before it is done."""
    desk = Desk()
    desk.let_go("a")
    desk.let_go("b")

    desk.begin("a", "b")
    await desk.until_done()

    assert desk.seen == ["a begins", "a", "b begins", "b"]


async def test_what_is_put_off_begins_anew() -> None:
    """What was done stays done, what went on is done from its beginning, and then the rest."""
    desk = Desk()
    for name in "ac":
        desk.let_go(name)
    desk.begin("a", "b", "c")
    await desk.until("b begins")

    await desk.chores.pause()
    ended = desk.chores.are_done
    desk.let_go("b")
    desk.chores.go_on()
    await desk.until_done()

    assert ended
    assert desk.seen == ["a begins", "a", "b begins", "b ended", "b begins", "b", "c begins", "c"]


async def test_what_was_ended_for_good_does_not_go_on() -> None:
    """Nor does what is done, or goes on anyway."""
    desk = Desk()
    desk.begin("a", "b")
    await desk.until("a begins")

    desk.chores.go_on()
    await desk.chores.stop()
    desk.chores.go_on()

    assert desk.chores.are_done
    assert desk.seen == ["a begins", "a ended"]


async def test_after_some_pauses_there_are_no_more() -> None:
    """A project that changes by itself has them done in the end; with what begins next the count begins anew."""
    desk = Desk()
    desk.begin("a")
    for _ in range(PAUSES):
        await desk.until("a begins")
        await desk.chores.pause()
        desk.seen.clear()
        desk.chores.go_on()

    await desk.until("a begins")
    await desk.chores.pause()
    goes_on = not desk.chores.are_done
    desk.let_go("a")
    await desk.until_done()
    desk.begin("b")
    await desk.until("b begins")
    await desk.chores.pause()

    assert goes_on
    assert desk.seen == ["a begins", "a", "b begins", "b ended"]


async def test_whoever_ends_them_waits_for_the_end() -> None:
    """Two may ask at the same time: each goes on only when the tests that ran have ended."""
    desk = Desk()
    desk.begin("a")
    await desk.until("a begins")
    ended = []

    async def end(how: str) -> None:
        await (desk.chores.pause() if how == "pause" else desk.chores.stop())
        ended.append((how, desk.seen[-1]))

    await asyncio.gather(end("pause"), end("stop"))

    assert ended == [("pause", "a ended"), ("stop", "a ended")]


async def test_one_that_fails_is_logged() -> None:
    """It and the others of its row are not done again, and the next row begins as ever."""
    desk = Desk()

    async def fail() -> None:
        raise OSError("disk full")

    with capture_logs() as logged:
        desk.chores.begin([fail])
        await desk.until_done()
        await asyncio.sleep(0)
        desk.chores.go_on()
    desk.let_go("a")
    desk.begin("a")
    await desk.until_done()

    assert desk.seen == ["a begins", "a"]
    assert [line["log_level"] for line in logged] == ["error"]
