"""Row 47: the port of the metrics is taken, by real sockets: the next port or off, with a message."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import urllib.request
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.settings import MetricsSettings
from app.engine.bridge import BridgeCounters
from app.engine.bus import Bus
from app.engine.notices import Notices
from app.metrics.exposition import Exposition
from app.metrics.following import TRY_AGAIN_S, Metrics
from app.metrics.serving import MORE_PORTS, Serving
from app.store.counters import HistoryCounters

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

BRIDGE = BridgeCounters(depth=0, pending=0, wait_s=0.0, worst_wait_s=0.0, accepted=0, refused=0, merged=0)
HISTORY = HistoryCounters(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


class Taken:
    """Ports in a row that other programs have."""

    def __init__(self, first: int, holders: list[ExitStack]) -> None:
        self.first = first
        self._holders = holders

    def give_back(self, port: int) -> None:
        self._holders[port - self.first].close()


def _take(count: int) -> tuple[Taken, ExitStack] | None:
    """Take so many ports in a row with sockets that listen; None where one of them belongs to somebody else."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        first = int(probe.getsockname()[1])
    holders, whole = [], ExitStack()
    for port in range(first, first + count):
        holder = whole.enter_context(ExitStack())
        try:
            holder.enter_context(socket.create_server(("127.0.0.1", port)))
        except (OSError, OverflowError):
            whole.close()
            return None
        holders.append(holder)
    return Taken(first, holders), whole


@pytest.fixture
def taken(request: pytest.FixtureRequest) -> Iterator[Taken]:
    """As many ports in a row as the test asks for."""
    tries = (_take(request.param) for _ in range(100))
    found, whole = next(each for each in tries if each is not None)
    with whole:
        yield found


class House:
    """Metrics over a bus, and what people are told of them."""

    def __init__(self, clock: Any, runtime: Path, port: int) -> None:
        self.clock = clock
        self.bus = Bus(clock)
        self.settings = MetricsSettings(enabled=True, port=port)
        serving = Serving(
            runtime,
            monotonic=clock.monotonic,
            make=lambda tally: Exposition(tally, clock, bridge=lambda: BRIDGE, history=lambda: HISTORY),
            new_token=lambda: "unused",
        )
        notices = Notices(self.bus.publish, clock)
        self.metrics = Metrics(
            self.bus, clock, settings=lambda: self.settings, notices=notices, load=lambda: serving, close_s=0.25
        )

    @property
    def address(self) -> str:
        return self.bus.snapshot.health.metrics

    @property
    def said(self) -> str:
        found = self.bus.snapshot.notices.get("metrics")
        return "" if found is None else f"{found.text} {found.hint}"

    async def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for _ in range(3):
            await asyncio.sleep(0)
        await self.clock.wait_for_sleepers()

    async def answers(self) -> bool:
        body = await asyncio.to_thread(lambda: urllib.request.urlopen(self.address, timeout=5).read())  # noqa: S310 - http, by the house itself
        return b"watchkeeper_build_info" in body


def _run(new_loop: Callable[[], asyncio.AbstractEventLoop], story: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story)


@pytest.mark.parametrize("taken", [2], indirect=True)
def test_row_47_a_taken_port_gives_way_to_the_next(
    taken: Taken, fake_clock: Any, tmp_path: Path, new_loop: Any
) -> None:
    """Two programs have the port and the next: metrics are at a later one, faces show where, and people are told."""
    house = House(fake_clock, tmp_path, taken.first)

    async def story() -> None:
        async with house.metrics:
            await fake_clock.wait_for_sleepers()
            port = int(house.address.split(":")[2].split("/")[0])

            assert taken.first + 2 <= port <= taken.first + MORE_PORTS
            assert await house.answers()
            assert house.said == (
                f"Metrics are served on port {port}, since port {taken.first} is taken. "
                "Let Prometheus ask there, or set metrics.port to a free port."
            )

    _run(new_loop, story())


@pytest.mark.parametrize("taken", [MORE_PORTS + 1], indirect=True)
def test_row_47_with_all_ports_taken_metrics_are_off_and_come_when_one_is_free(
    taken: Taken, fake_clock: Any, tmp_path: Path, new_loop: Any
) -> None:
    """One notice says what to do, with a command; nothing else suffers; a minute after a port is free, it is used."""
    house = House(fake_clock, tmp_path, taken.first)

    async def story() -> None:
        async with house.metrics:
            await fake_clock.wait_for_sleepers()
            off, said = house.address, house.said
            for _ in range(10):
                await house.after(1.0)
            events = house.bus.snapshot.seq
            taken.give_back(taken.first)
            await house.after(TRY_AGAIN_S)

            assert off == ""
            assert re.search(
                rf"ports {taken.first} to {taken.first + MORE_PORTS}\b.*config set metrics\.port \d+", said
            )
            assert events == 1  # the notice: told once, and not once a second
            assert house.address == f"http://127.0.0.1:{taken.first}/metrics"
            assert await house.answers()
            assert house.said == ""

    _run(new_loop, story())
    assert [each.name for each in threading.enumerate() if each.name.startswith("sync-async")] == []


@pytest.mark.parametrize("taken", [1], indirect=True)
def test_row_47_another_port_in_the_settings_mends_it_at_once(
    taken: Taken, fake_clock: Any, tmp_path: Path, new_loop: Any
) -> None:
    """Who follows the notice's advice need not restart: the notice goes with the next look at the settings."""
    house = House(fake_clock, tmp_path, taken.first)

    async def story() -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(house.metrics)
            await fake_clock.wait_for_sleepers()
            before = house.said
            free = int(house.address.split(":")[2].split("/")[0])
            house.settings = MetricsSettings(enabled=True, port=free)
            await house.after(1.0)

            assert "is taken" in before
            assert house.said == ""
            assert house.address == f"http://127.0.0.1:{free}/metrics"
            assert await house.answers()

    _run(new_loop, story())


def test_row_47_the_last_ports_there_are_do_not_run_over(fake_clock: Any, tmp_path: Path) -> None:
    """From port 65535 on there is no next one, and that is told, not raised."""
    with ExitStack() as stack:
        with suppress(OSError):  # somebody may have it already, which does as well
            stack.enter_context(socket.create_server(("127.0.0.1", 65_535)))
        house = House(fake_clock, tmp_path, 65_535)

        async def story() -> None:
            async with house.metrics:
                await fake_clock.wait_for_sleepers()

                assert house.address == ""
                assert "port 65535 cannot be had" in house.said
                assert "metrics.port 64535" in house.said

        asyncio.run(story())
