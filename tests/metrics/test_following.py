"""Metrics are served when the settings ask for it, on a port that can be had, and nothing is left behind."""

from __future__ import annotations

import asyncio
import socket
import stat
import sys
import threading
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from structlog.testing import capture_logs

from app.agents.settings import MetricsSettings
from app.domain.events import KeyRotated, MetricsServed
from app.engine.bus import Bus
from app.engine.notices import Notices
from app.metrics.following import Metrics
from app.metrics.serving import Serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from app.metrics.tally import Tally


class House:
    """A bus with metrics on it, whose settings a test changes."""

    def __init__(self, clock: Any, runtime: Path, make: Callable[[Tally], Any]) -> None:
        self.clock = clock
        self.settings = MetricsSettings()
        self.runtime = runtime
        self.bus = Bus(clock)
        self.told: list[tuple[str, str]] = []
        self.secrets: list[str] = []
        self.bus.subscribe(lambda event, _: isinstance(event, MetricsServed) and self._note(event))
        numbers = count()
        serving = Serving(
            runtime,
            monotonic=clock.monotonic,
            make=make,
            new_token=lambda: f"token-{next(numbers)}-{'x' * 20}",
            register=self.secrets.append,
        )
        notices = Notices(self.bus.publish, clock)
        self.metrics = Metrics(
            self.bus, clock, settings=lambda: self.settings, notices=notices, load=lambda: serving, close_s=0.25
        )

    def _note(self, event: MetricsServed) -> None:
        self.told.append((event.address, event.token_file))

    async def set(self, **settings: Any) -> None:
        """Change the settings, and let the house see it."""
        self.settings = MetricsSettings(**settings)
        self.clock.advance(1.0)
        await self.settled()

    async def settled(self) -> None:
        for _ in range(3):  # what was woken must have begun before it can be waited for
            await asyncio.sleep(0)
        await self.clock.wait_for_sleepers()

    @property
    def address(self) -> str:
        return self.bus.snapshot.health.metrics

    @property
    def notice(self) -> tuple[str, str] | None:
        found = self.bus.snapshot.notices.get("metrics")
        return None if found is None else (found.text, found.hint)

    async def get(self, token: str = "") -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(self.address, headers=headers)
        return answer.status_code, answer.text


@pytest.fixture
def make_text(told: Any) -> Callable[[Tally], Any]:
    """Makes the real text, of what is counted."""

    def make(tally: Tally) -> Any:
        told.exposition._tally = tally
        return told.exposition

    return make


@asynccontextmanager
async def lived_in(house: House) -> AsyncIterator[House]:
    async with house.metrics:
        await house.settled()
        yield house


@pytest.fixture
def house(fake_clock: Any, tmp_path: Path, make_text: Callable[[Tally], Any]) -> House:
    """A house without metrics in it yet."""
    return House(fake_clock, tmp_path, make_text)


@pytest.fixture
def free_port() -> int:
    """A port that can be had, and so can the next ten, in all likelihood."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return min(int(listener.getsockname()[1]), 65_000)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No thread is left behind by any of these tests."""
    before = set(threading.enumerate())
    yield
    left = [each.name for each in threading.enumerate() if each not in before and each.name.startswith("sync-async")]
    assert left == []


async def test_nothing_is_served_unless_the_settings_ask_for_it(house: House) -> None:
    """By default there is no socket, no thread, and nobody counts."""
    async with lived_in(house):
        subscribers = len(house.bus._subscribers)
        await house.set(enabled=False)

        assert (house.address, house.told, house.notice) == ("", [], None)
        assert len(house.bus._subscribers) == subscribers == 1


async def test_settings_are_followed_while_the_program_runs(house: House, free_port: int) -> None:
    """On, another port, and off again, each with the next look; what was counted is kept over a change of port."""
    async with lived_in(house):
        await house.set(enabled=True, port=free_port)
        first = house.address
        house.bus.publish(KeyRotated(at=1.0))
        status, text = await house.get()
        await house.set(enabled=True, port=free_port + 20)
        second = house.address
        house.clock.advance(1.0)
        await house.settled()
        _, later = await house.get()
        await house.set(enabled=False, port=free_port + 20)

        assert (first, second) == (
            f"http://127.0.0.1:{free_port}/metrics",
            f"http://127.0.0.1:{free_port + 20}/metrics",
        )
        assert (status, house.address) == (200, "")
        assert "watchkeeper_vault_key_rotations_total 1.0" in text
        assert "watchkeeper_vault_key_rotations_total 1.0" in later
        assert [address for address, _ in house.told] == [first, "", second, ""]
        assert not _listens(free_port)
        assert not _listens(free_port + 20)


async def test_leaving_ends_the_server_and_says_so(house: House, free_port: int) -> None:
    """The port is free again, and no face shows an address that answers no more."""
    async with lived_in(house):
        await house.set(enabled=True, port=free_port)
    listens = _listens(free_port)

    assert not listens
    assert house.address == ""
    assert len(house.bus._subscribers) == 1


async def test_leaving_while_it_begins_leaves_nothing_behind(
    fake_clock: Any, tmp_path: Path, free_port: int, make_text: Callable[[Tally], Any]
) -> None:
    """A stop in the middle of the start finds the server that its thread goes on to make, and ends it."""
    begun = threading.Event()
    go_on = threading.Event()

    def slow(tally: Tally) -> Any:
        begun.set()
        go_on.wait(10)
        return make_text(tally)

    house = House(fake_clock, tmp_path, slow)
    house.settings = MetricsSettings(enabled=True, port=free_port)
    async with house.metrics:
        await asyncio.to_thread(begun.wait, 10)
        asyncio.get_running_loop().call_later(0.05, go_on.set)

    assert not _listens(free_port)


async def test_a_token_lies_in_a_file_for_this_user_alone(house: House, free_port: int) -> None:
    """The event tells the file and never the token, which is another one each time and is known to the redactor."""
    file = house.runtime / "metrics.token"
    async with lived_in(house):
        await house.set(enabled=True, port=free_port, token=True)
        first, mode = file.read_text(), stat.S_IMODE(file.stat().st_mode)
        without, with_it = await house.get(), await house.get(first)
        told, shown = list(house.told), house.bus.snapshot.health.metrics_token
        await house.set(enabled=False, port=free_port, token=True)
        gone = not file.exists()
        await house.set(enabled=True, port=free_port, token=True)
        second = file.read_text()

    assert (without[0], with_it[0]) == (401, 200)
    assert mode == 0o600 or sys.platform == "win32"
    assert shown == str(file)
    assert first not in repr(told)
    assert gone
    assert first != second
    assert house.secrets == [first, second]
    assert not file.exists()


async def test_a_link_in_the_place_of_the_token_is_not_followed(house: House, free_port: int, tmp_path: Path) -> None:
    """What the link leads to stays as it was."""
    other = tmp_path / "other"
    other.write_text("mine")
    (house.runtime / "metrics.token").symlink_to(other)

    async with lived_in(house):
        await house.set(enabled=True, port=free_port, token=True)

    assert other.read_text() == "mine"


async def test_a_token_that_cannot_be_kept_is_no_reason_to_serve_without(
    fake_clock: Any, tmp_path: Path, free_port: int, make_text: Callable[[Tally], Any]
) -> None:
    """Nothing is served, and the notice names the folder."""
    house = House(fake_clock, tmp_path / "missing", make_text)

    async with lived_in(house):
        await house.set(enabled=True, port=free_port, token=True)

        assert house.address == ""
        assert house.notice is not None
        assert str(tmp_path / "missing") in house.notice[0]
        assert not _listens(free_port)


async def test_a_system_that_gives_no_thread_is_told_of_and_asked_again(
    house: House, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings are followed on, and a minute later there is one."""
    start, refuses = threading.Thread.start, True

    def started(thread: threading.Thread) -> None:
        if refuses and thread.name == "sync-async-wrapper":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", started)
    async with lived_in(house):
        await house.set(enabled=True, port=free_port)
        notice = house.notice
        refuses = False
        house.clock.advance(60.0)
        await house.settled()
        status, _ = await house.get()

    assert notice is not None
    assert "thread" in notice[0]
    assert status == 200


async def test_metrics_are_served_while_the_loop_hangs(house: House, free_port: int) -> None:
    """A loop that is blocked is just what somebody outside is to see: the answer comes, and tells of the silence."""
    async with lived_in(house):
        await house.set(enabled=True, port=free_port)
        address, answers = house.address, []
        asking = threading.Thread(
            target=lambda: answers.append(httpx.get(address, trust_env=False, timeout=5).status_code)
        )
        house.clock.advance(0.5)
        asking.start()
        asking.join(10)  # on the loop's thread: nothing of the loop runs meanwhile

    assert answers == [200]


async def test_no_token_is_logged(house: House, free_port: int) -> None:
    """What goes to the log says where metrics are served, and not with which token."""
    with capture_logs() as logged:
        async with lived_in(house):
            await house.set(enabled=True, port=free_port, token=True)
            await house.get("wrong")

    assert [each["event"] for each in logged] == ["metrics are served"]
    assert house.secrets[0] not in repr(logged)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
