"""What waits is on disk, goes out in order and once, is joined after an outage, and is given up after a day alone."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import stat
import sys
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from app.alerts.joining import joined
from app.alerts.outbox import Outbox, OutboxLimits
from app.alerts.shelf import Found, Parcel, Shelf
from app.domain.alerts import Alert, Urgency
from app.domain.errors import ChannelError, VaultLocked
from app.domain.events import ChannelChanged, NetworkChanged, SystemResumed, VaultChanged
from app.domain.health import ChannelTest, ChannelView
from app.domain.keys import VaultState, VaultView
from app.domain.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from app.domain.events import Event

HOUR, DAY = 3600.0, 24 * 3600.0
TURNS = 25
"""Of the loop, within which what was woken runs until it waits for something real."""
REFUSED = ChannelError("It refuses the connection.")
LOST = ChannelError("It broke off.", is_in_doubt=True)
WRONG_TOKEN = ChannelError("It does not take the token.", is_final=True)
BUSY = ChannelError("It asks to wait.", retry_after_s=600.0)


def alert(
    title: str, *, urgency: Urgency = Urgency.WARNING, cause: str = "", at: float = 0.0, over: bool = False
) -> Alert:
    return Alert(cause or title, urgency, title, f"body of {title}", at or 1_700_000_000.0, is_over=over)


@dataclass
class FarSide:
    """A channel whose far end does what the test says.

    Attributes:
        faults: What each attempt fails with; when there are none left, it succeeds.
        down: What every attempt fails with while it is set.
        before: Called with what is sent, before anything comes of it.
    """

    name: str = "mail"
    faults: list[Exception | None] = field(default_factory=list)
    down: Exception | None = None
    tried: list[Alert] = field(default_factory=list)
    sent: list[Alert] = field(default_factory=list)
    before: Callable[[Alert], None] = lambda _alert: None
    hold: asyncio.Event | None = None

    async def send(self, alert: Alert) -> None:
        self.before(alert)
        self.tried.append(alert)
        if self.hold is not None:
            await self.hold.wait()
        fault = self.faults.pop(0) if self.faults else self.down
        if fault is not None:
            raise fault
        self.sent.append(alert)

    @property
    def titles(self) -> list[str]:
        return [each.title for each in self.sent]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what a thread does."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)


class Box:
    """An outbox in a test: its channel, its folder, and what it has told."""

    def __init__(self, folder: Path, clock: Any, channel: FarSide | None = None, **limits: Any) -> None:
        self.folder = folder
        self.clock = clock
        self.channel = channel or FarSide()
        self.told: list[ChannelView] = []
        self._limits = OutboxLimits(**limits)
        self._ids = itertools.count()
        self.outbox = self._made()

    def _made(self) -> Outbox:
        return Outbox(
            self.channel,
            self.folder,
            publish=self._hear,
            clock=self.clock,
            new_id=lambda: f"id-{next(self._ids)}",
            chance=lambda _low, high: high,
            limits=self._limits,
        )

    def _hear(self, event: Event) -> None:
        assert isinstance(event, ChannelChanged)
        self.told.append(event.channel)

    def see(self, event: Event) -> None:
        self.outbox.see(event, Snapshot(started_at=0.0))

    async def at_rest(self) -> None:
        """Wait until nothing happens any more before time passes: it sleeps, and the disk has what it should."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        await self.clock.wait_for_sleepers()
        async with asyncio.timeout(10):
            async with self.outbox._disk:
                pass
            await until(lambda: bool(self.outbox._disk_trouble) or all(each.is_kept for each in self.outbox._parcels))
            await self.clock.wait_for_sleepers()

    async def passes(self, seconds: float) -> None:
        """Let time pass, from one thing that is due to the next."""
        end = self.clock.monotonic() + seconds
        await self.at_rest()
        while (due := self._due()) <= end:
            self.clock.advance(due - self.clock.monotonic())
            await self.at_rest()
        self.clock.advance(end - self.clock.monotonic())
        await self.at_rest()

    def _due(self) -> float:
        return min(due for due, _, wake in self.clock._sleepers if not wake.done())

    async def posts(self, *alerts: Alert) -> None:
        for each in alerts:
            self.outbox.post(each)
        await self.at_rest()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Outbox]:
        """Run it, and a new one over the same folder the next time."""
        async with self.outbox as outbox:
            await self.at_rest()
            yield outbox
        self.outbox = self._made()

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.name[0].isdigit())


async def test_what_is_posted_goes_out_in_order_and_leaves_no_file(tmp_path: Path, fake_clock: Any) -> None:
    """Each alert is sent once, with an id of its own, and the view says when."""
    box = Box(tmp_path / "mail", fake_clock)
    async with box.running():
        for title in ("one", "two", "three"):
            await box.posts(alert(title))

    assert box.channel.titles == ["one", "two", "three"]
    assert [each.id for each in box.channel.sent] == ["id-0", "id-1", "id-2"]
    assert box.files == []
    assert box.told[-1] == ChannelView("mail", sent_at=fake_clock.wall())


async def test_an_alert_is_on_disk_before_it_is_tried(tmp_path: Path, fake_clock: Any) -> None:
    """At the moment of the attempt a file holds it, for this user alone, and says that it is tried."""
    seen: list[tuple[str, int, str]] = []

    def look(_alert: Alert) -> None:
        seen.extend((path.name, stat.S_IMODE(path.stat().st_mode), path.read_text()) for path in folder.glob("0*"))

    folder = tmp_path / "alerts" / "mail"
    box = Box(folder, fake_clock, FarSide(before=look))
    async with box.running():
        await box.posts(alert("one"))

    [(name, mode, content)] = seen
    assert name == "000000000001.trying.json"
    assert "body of one" in content
    assert sys.platform == "win32" or (mode == 0o600 and stat.S_IMODE(folder.stat().st_mode) == 0o700)


async def test_it_waits_longer_with_each_failure(tmp_path: Path, fake_clock: Any) -> None:
    """The wait doubles from 5 s to 15 min, a success forgets it, and a new alert does not hurry it."""
    times: list[float] = []
    channel = FarSide(down=REFUSED, before=lambda _alert: times.append(fake_clock.monotonic()))
    box = Box(tmp_path / "mail", fake_clock, channel)
    async with box.running():
        await box.posts(alert("one"))
        await box.passes(1)
        await box.posts(alert("two"))
        await box.passes(2 * HOUR)
        waits = [round(later - earlier) for earlier, later in itertools.pairwise(times)]
        channel.down = None
        await box.passes(900)
        times.clear()
        channel.faults = [REFUSED]
        await box.posts(alert("three"))
        await box.passes(5)

    assert waits[:9] == [5, 10, 20, 40, 80, 160, 320, 640, 900]
    assert set(waits[9:]) == {900}
    assert times[1] - times[0] == 5
    assert next(view.reason for view in box.told if view.reason) == REFUSED.message
    assert box.told[-1].reason == ""


@pytest.mark.parametrize("how", ["network", "resumed", "vault"])
async def test_a_reason_to_try_again_is_taken(how: str, tmp_path: Path, fake_clock: Any) -> None:
    """A network, a machine that woke up, and a vault that opens each end the wait."""
    event = {
        "network": NetworkChanged(at=0, is_online=True),
        "resumed": SystemResumed(at=0, slept_s=3600, source="test"),
        "vault": VaultChanged(at=0, vault=VaultView(VaultState.OPEN)),
    }[how]
    box = Box(tmp_path / "mail", fake_clock, FarSide(faults=[VaultLocked("The vault is locked.")] * 8))
    async with box.running():
        await box.posts(alert("one"))
        await box.passes(1200)
        box.channel.faults.clear()
        box.see(NetworkChanged(at=0, is_online=False))
        box.see(VaultChanged(at=0, vault=VaultView(VaultState.LOCKED)))
        await box.at_rest()
        before = list(box.channel.titles)

        box.see(event)
        await box.at_rest()

    assert before == []
    assert box.channel.titles == ["one"]


async def test_a_service_that_asks_to_wait_is_left_alone(tmp_path: Path, fake_clock: Any) -> None:
    """Retry-After holds against a network, an open vault, a new alert and a restart."""
    box = Box(tmp_path / "mail", fake_clock, FarSide(faults=[BUSY]))
    async with box.running():
        await box.posts(alert("one"))
        await box.passes(300)
        box.see(NetworkChanged(at=0, is_online=True))
        box.see(VaultChanged(at=0, vault=VaultView(VaultState.OPEN)))
        await box.posts(alert("two"))
    async with box.running():
        await box.passes(290)
        early = len(box.channel.tried)
        await box.passes(20)

    assert early == 1
    assert len(box.channel.tried) == 2
    assert box.channel.sent[0].title == "one, and 1 more"


async def test_a_final_failure_waits_for_a_person(tmp_path: Path, fake_clock: Any) -> None:
    """It is tried once an hour, no network hurries it, and a vault in which a secret may be new does."""
    box = Box(tmp_path / "mail", fake_clock, FarSide(down=WRONG_TOKEN))
    async with box.running():
        await box.posts(alert("one"))
        box.see(NetworkChanged(at=0, is_online=True))
        await box.passes(3 * HOUR + 10)
        hourly = len(box.channel.tried)
        box.channel.down = None
        box.see(VaultChanged(at=0, vault=VaultView(VaultState.OPEN)))
        await box.at_rest()

    assert hourly == 4
    assert box.channel.titles == ["one"]


async def test_after_an_outage_there_is_one_message(tmp_path: Path, fake_clock: Any) -> None:
    """51 alerts come as one of twenty lines with the gravest in its title, and the rest is counted."""
    box = Box(tmp_path / "mail", fake_clock, FarSide(down=REFUSED))
    async with box.running():
        await box.posts(*(alert(f"red {number}", cause=f"c{number}") for number in range(40)))
        await box.posts(alert("vault", urgency=Urgency.CRITICAL))
        await box.posts(*(alert(f"red {number}", cause=f"c{number}") for number in range(40, 50)))
        box.channel.down = None
        await box.passes(60)

    [message] = box.channel.sent
    lines = message.body.splitlines()
    assert message.title == "vault, and 50 more"
    assert message.urgency is Urgency.CRITICAL
    assert len(lines) == 21
    assert lines[-1] == "and 31 more"
    assert [line.split(" ", 1)[1] for line in lines[:2]] == ["red 0", "red 1"]
    assert lines[19].endswith("vault")
    assert box.files == []


def test_what_is_over_before_it_was_told_is_one_line() -> None:
    """Trouble and recovery that both wait are one line, only news; what comes again after that stands for itself."""
    red = alert("3 tests red", cause="tests:/shop", urgency=Urgency.CRITICAL, at=1_700_000_000.0)
    green = alert("All green again", cause="tests:/shop", urgency=Urgency.WARNING, at=1_700_000_600.0, over=True)
    again = replace(red, title="1 test red", at=1_700_001_000.0, id="last")

    over = joined([red, green])
    more = joined([red, green, again])

    assert over.body == ""
    assert over.title.startswith("3 tests red, from ")
    assert over.title.endswith(" is over: All green again")
    assert over.urgency is Urgency.NEWS
    assert more.title == "1 test red, and 1 more"
    assert len(more.body.splitlines()) == 2
    assert more.id == "last"
    assert joined([green]) is green


async def test_what_may_have_arrived_is_sent_as_the_same(tmp_path: Path, fake_clock: Any) -> None:
    """After a lost answer the very same message goes again, also after a restart; later alerts come after it."""
    box = Box(tmp_path / "mail", fake_clock, FarSide(faults=[REFUSED, LOST, LOST]))
    async with box.running():
        await box.posts(alert("one"), alert("two"))
        await box.posts(alert("three"))
        await box.passes(5)
        await box.posts(alert("four"))
    async with box.running():
        await box.posts(alert("five"))
        await box.passes(60)

    first, lost, again, same, rest = box.channel.tried
    assert first.title == "one, and 1 more"
    assert lost == again == same
    assert lost.title == "one, and 2 more"
    assert rest.title == "four, and 1 more"
    assert len({lost.id, rest.id, first.id}) == 3
    assert box.files == []


async def test_a_doubt_outlives_a_later_refusal(tmp_path: Path, fake_clock: Any) -> None:
    """That a second attempt was refused tells nothing of the first, which may have arrived: the message stays."""
    box = Box(tmp_path / "mail", fake_clock, FarSide(faults=[LOST, REFUSED]))
    async with box.running():
        await box.posts(alert("one"))
        await box.posts(alert("two"))
        await box.passes(5)
        files = box.files
        await box.passes(60)

    assert files[0] == "000000000001.trying.json"
    assert [each.title for each in box.channel.tried] == ["one", "one", "one", "two"]
    assert len({each.id for each in box.channel.tried}) == 2


async def test_a_day_is_the_limit_and_what_is_given_up_is_counted(tmp_path: Path, fake_clock: Any) -> None:
    """What has waited for 24 h is dropped, not before, and its file with it."""
    box = Box(tmp_path / "mail", fake_clock, FarSide(down=REFUSED))
    async with box.running():
        await box.posts(alert("old"))
        await box.passes(DAY - 2000)
        kept = box.told[-1]
        await box.posts(alert("new"))
        await box.passes(3000)

    assert (kept.waiting, kept.dropped) == (1, 0)
    assert (box.told[-1].waiting, box.told[-1].dropped) == (1, 1)
    assert box.files == ["000000000002.json"]


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_clock_that_is_set_neither_drops_nor_keeps(
    hours: int, tmp_path: Path, fake_clock: Any, *, running: bool
) -> None:
    """An hour on or back, while it runs or between two lives, drops nothing early and keeps nothing for ever."""
    box = Box(tmp_path / "mail", fake_clock, FarSide(down=REFUSED))
    async with box.running():
        await box.posts(alert("one"))
        await box.passes(HOUR)
        if running:
            fake_clock.set_wall(fake_clock.wall() + hours * HOUR)
            await box.passes(HOUR)
    if not running:
        fake_clock.set_wall(fake_clock.wall() + hours * HOUR)
    async with box.running():
        await box.passes(20 * HOUR)
        early = box.told[-1]
        await box.passes(5 * HOUR)

    assert (early.waiting, early.dropped) == (1, 0)
    assert (box.told[-1].waiting, box.told[-1].dropped) == (0, 1)


async def test_a_clock_set_back_again_and_again_keeps_nothing_for_ever(tmp_path: Path, fake_clock: Any) -> None:
    """What was waited in each life counts, however often the clock is set back between two of them."""
    box = Box(tmp_path / "mail", fake_clock, FarSide(down=REFUSED))
    async with box.running():
        await box.posts(alert("one"))
    for _ in range(13):
        async with box.running():
            await box.passes(2 * HOUR)
        fake_clock.set_wall(fake_clock.wall() - 3 * HOUR)

    assert sum(view.dropped for view in box.told[-3:]) > 0
    assert box.files == []


async def test_what_the_machine_slept_counts(tmp_path: Path, fake_clock: Any) -> None:
    """A weekend asleep makes an alert old, also where the monotonic clock stood still; a mere stop counts once."""
    box = Box(tmp_path / "mail", fake_clock, FarSide(down=REFUSED))
    async with box.running():
        await box.posts(alert("one"))
        await box.passes(20 * HOUR)
        box.see(SystemResumed(at=0, slept_s=20 * HOUR, source="the clock went on: nothing was missed"))
        await box.passes(HOUR)
        early = box.told[-1].dropped
        fake_clock.set_wall(fake_clock.wall() + 60 * HOUR)
        box.see(SystemResumed(at=0, slept_s=60 * HOUR, source="test"))
        await box.at_rest()

    assert early == 0
    assert box.told[-1].dropped == 1


async def test_of_too_many_the_oldest_of_the_least_urgency_goes(tmp_path: Path, fake_clock: Any) -> None:
    """The queue is bounded on disk and in memory, and what goes is counted."""
    box = Box(tmp_path / "mail", fake_clock, FarSide(down=REFUSED), most=3)
    async with box.running() as outbox:
        await box.posts(alert("grave", urgency=Urgency.CRITICAL), alert("news", urgency=Urgency.NEWS), alert("red 1"))
        await box.posts(alert("red 2"))
        await box.posts(alert("red 3"))
        left = [parcel.alert.title for parcel in outbox._parcels]
        await box.passes(10)

    assert left == ["grave", "red 2", "red 3"]
    assert box.told[-1].dropped == 2
    assert box.files == ["000000000001.json", "000000000004.json", "000000000005.json"]


async def test_without_a_disk_it_sends_from_memory_and_writes_later(tmp_path: Path, fake_clock: Any) -> None:
    """Where the folder cannot be made, alerts are sent all the same, and what waits is written once it can be."""
    (tmp_path / "alerts").write_text("a file where the folder should be")
    box = Box(tmp_path / "alerts" / "mail", fake_clock)
    async with box.running():
        await box.posts(alert("one"))
        box.channel.down = REFUSED
        await box.posts(alert("two"))
        (tmp_path / "alerts").unlink()
        await box.passes(5)
        files = box.files
        box.channel.down = None
        await box.passes(60)

    assert files == ["000000000002.json"]
    assert box.channel.titles == ["one", "two"]
    assert box.files == []


async def test_what_an_earlier_life_left_outlives_a_folder_that_cannot_be_read(
    tmp_path: Path, fake_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New alerts go from memory meanwhile; none is written over an old one, and the old ones are sent in the end."""
    box = Box(tmp_path / "mail", fake_clock, FarSide(down=REFUSED))
    async with box.running():
        await box.posts(alert("old 1"), alert("old 2"))
    load, failing = Shelf.load, True

    def loaded(shelf: Shelf) -> Found:
        if failing:
            raise OSError(errno.EMFILE, "Too many open files")
        return load(shelf)

    monkeypatch.setattr(Shelf, "load", loaded)
    box.channel.down = None
    async with box.running():
        await box.posts(alert("new 1"))
        box.channel.down = REFUSED
        await box.posts(alert("new 2"))
        files = box.files
        failing = False
        await box.passes(5)
        box.channel.down = None
        await box.passes(60)

    assert files == ["000000000001.json", "000000000002.json"]
    assert box.channel.titles == ["new 1", "old 1, and 2 more"]
    assert box.files == []


async def test_a_disk_that_hangs_from_the_start_holds_no_alert_up(
    tmp_path: Path, fake_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can be sent from memory is, though nobody knows what an earlier life left."""
    answers = threading.Event()
    load = Shelf.load

    def loaded(shelf: Shelf) -> Found:
        answers.wait()
        return load(shelf)

    monkeypatch.setattr(Shelf, "load", loaded)
    box = Box(tmp_path / "mail", fake_clock, disk_s=0.02)
    async with box.outbox:
        box.outbox.post(alert("one"))
        await until(lambda: box.channel.titles == ["one"])
        answers.set()

    assert box.channel.titles == ["one"]


async def test_a_stop_cancels_what_is_under_way_and_keeps_it(tmp_path: Path, fake_clock: Any) -> None:
    """It ends within half a second although the channel hangs; a new life sends all of it."""
    channel = FarSide(hold=asyncio.Event())
    box = Box(tmp_path / "mail", fake_clock, channel)
    async with box.outbox:
        box.outbox.post(alert("one"))
        await until(lambda: bool(channel.tried))
        box.outbox.post(alert("two"))
        began = time.monotonic()
    took = time.monotonic() - began
    channel.hold = None
    box.outbox = box._made()
    async with box.running():
        await box.at_rest()

    assert took < 0.5
    assert channel.titles == ["one", "two"]
    assert box.files == []


async def test_what_is_posted_right_before_a_stop_is_kept(tmp_path: Path, fake_clock: Any) -> None:
    """An alert that nothing had time for is on disk when the outbox has ended."""
    box = Box(tmp_path / "mail", fake_clock)
    async with box.outbox:
        box.outbox.post(alert("last words"))
    box.outbox = box._made()
    async with box.running():
        pass

    assert box.channel.titles == ["last words"]


async def test_a_sent_mark_that_a_kill_left_sends_nothing_again(tmp_path: Path, fake_clock: Any) -> None:
    """Killed while it took away what was sent, it goes on taking away."""
    box = Box(tmp_path / "mail", fake_clock, FarSide(down=REFUSED))
    async with box.running():
        await box.posts(alert("one"), alert("two"), alert("three"))
    (box.folder / "000000000002.json").rename(box.folder / "000000000002.sent.json")
    box.channel.down = None
    async with box.running():
        pass

    assert box.channel.titles == ["three"]
    assert box.files == []


def test_what_was_sent_and_cannot_be_removed_is_not_sent_again(tmp_path: Path) -> None:
    """A removal that fails half-way leaves a mark, by which the rest is known for sent."""
    shelf = Shelf(tmp_path)
    for number in range(1, 5):
        shelf.put(Parcel(number, replace(alert(str(number)), id=str(number)), since=0.0))
    (tmp_path / "000000000001.json").unlink()
    (tmp_path / "000000000001.json" / "in the way").mkdir(parents=True)

    with pytest.raises(OSError, match="000000000001"):
        shelf.clear(3)
    found = Shelf(tmp_path).load()

    assert [parcel.number for parcel in found.parcels] == [4]
    assert found.last == 4


async def test_what_is_no_alert_is_set_aside(tmp_path: Path, fake_clock: Any) -> None:
    """Garbage, a large file and a pipe stop nothing, and the good one among them is sent."""
    folder = tmp_path / "mail"
    box = Box(folder, fake_clock, FarSide(down=REFUSED))
    async with box.running():
        await box.posts(alert("good"))
    (folder / "000000000002.json").write_text("{")
    (folder / "000000000003.json").write_bytes(b" " * 300_000)
    (folder / "000000000004.json").write_text('{"schema": 1, "since": NaN, "alert": {}}')
    (folder / "000000000005.trying.json").write_text("[]")
    (folder / "notes.txt").write_text("a person's")
    (folder / "time.json").write_text("garbage")
    if sys.platform != "win32":
        os.mkfifo(folder / "000000000006.json")
    box.channel.down = None
    async with box.running():
        await box.posts(alert("next"))

    assert box.channel.titles == ["good", "next"]
    assert [name for name in box.files if not name.endswith(".broken")] == []
    assert (folder / "notes.txt").exists()


async def test_a_fault_of_the_channel_itself_loses_nothing(
    tmp_path: Path, fake_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception that should not be is told by its kind alone: its text may hold a secret."""
    box = Box(tmp_path / "mail", fake_clock, FarSide(faults=[KeyError("token-canary")]))
    async with box.running():
        await box.posts(alert("one"))
        reason = box.told[-1].reason
        await box.passes(5)

    assert reason == "It has a fault (KeyError)."
    assert "canary" not in caplog.text
    assert box.channel.titles == ["one"]


async def test_an_attempt_that_never_ends_is_cut_off(tmp_path: Path, fake_clock: Any) -> None:
    """A channel that knows no deadline is held to the outbox's own, and what it had may have arrived."""
    channel = FarSide(hold=asyncio.Event())
    box = Box(tmp_path / "mail", fake_clock, channel, attempt_s=0.1)
    async with box.running():
        await box.posts(alert("one"))
        assert box.files == ["000000000001.trying.json"]
        channel.hold = None
        await box.passes(5)

    assert channel.titles == ["one"]


async def test_what_was_handed_over_before_a_kill_is_not_taken_twice(tmp_path: Path, fake_clock: Any) -> None:
    """An alert of an id that waits already is the same, whether it is posted before or after the folder was read."""
    box = Box(tmp_path / "mail", fake_clock, FarSide(down=REFUSED))
    same = replace(alert("red"), id="same")
    async with box.running():
        await box.posts(same)
    async with box.outbox:
        box.outbox.post(same)
        await box.posts(same)
        box.channel.down = None
        await box.passes(60)

    assert box.channel.titles == ["red"]


async def test_why_and_what_to_do_are_told_until_it_goes(tmp_path: Path, fake_clock: Any) -> None:
    """A locked vault says so itself; a test is remembered until something was sent, or the next test."""
    box = Box(tmp_path / "mail", fake_clock, FarSide(down=ChannelError("The vault is locked.", "Open it.")))
    async with box.running():
        await box.posts(alert("red"))
        failed = box.outbox.view
        box.outbox.tested(ChannelTest("mail", "No such secret.", "Set it."))
        tested = box.outbox.view
        box.channel.down = None
        await box.passes(60)
        sent = box.outbox.view
        box.outbox.tested(ChannelTest("mail"))
        well = box.outbox.view

    assert (failed.reason, failed.hint) == ("The vault is locked.", "Open it.")
    assert (tested.test_reason, tested.test_hint) == ("No such secret.", "Set it.")
    assert (sent.reason, sent.hint, sent.tested_at, sent.test_reason) == ("", "", None, "")
    assert (well.tested_at, well.test_reason) == (fake_clock.wall(), "")
    assert well.sent_at == sent.sent_at


def test_what_waited_together_has_red_tests_first() -> None:
    """The title names the most important of them, also beside what is graver."""
    vault = alert("The vault is in trouble", cause="vault", urgency=Urgency.CRITICAL)
    red = alert("3 tests red", cause="tests:/shop", urgency=Urgency.WARNING)

    told = joined([vault, red])

    assert told.title == "3 tests red, and 1 more"
    assert [line.split(" ", 1)[1] for line in told.body.splitlines()] == ["3 tests red", "The vault is in trouble"]
    assert told.urgency is Urgency.CRITICAL
