"""Where alerts wait for one channel: on disk before they are tried, in order, until they are sent or a day old.

An alert is sent once wherever the channel can tell. Where it cannot, because the connection broke after the whole
message had gone and before the answer came, or the program was killed then, the very same message is tried again under
the same id: no alert joins it, and none leaves it but by age.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Self, TypeVar

import structlog

from app.alerts.counted import Counted
from app.alerts.joining import joined
from app.alerts.shelf import Parcel, Shelf
from app.domain.errors import ChannelError, WatchkeeperError
from app.domain.events import ChannelChanged, NetworkChanged, SystemResumed, VaultChanged
from app.domain.health import ChannelView
from app.domain.keys import VaultState
from app.engine.tasks import spawn
from app.engine.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from app.alerts.channel import Channel
    from app.domain.alerts import Alert
    from app.domain.events import Event
    from app.domain.health import ChannelTest
    from app.domain.snapshot import Snapshot
    from app.engine.clock import Clock

    Chance = Callable[[float, float], float]

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_STOP_S: Final = 0.2
"""How long an attempt may take to end when it is cancelled, and then how long the disk may take."""

_SOON_S: Final = 0.001
"""A wait of less is over: sums of seconds are not exact, and to sleep for what they are off would be to spin."""


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """How long alerts wait, and how many. All times are seconds.

    Attributes:
        keep_s: An alert that has waited for longer is given up.
        most: Alerts that wait; of more, the oldest of the least urgency is given up.
        attempt_s: How long an attempt may take, whatever the channel itself allows.
        backoff_first_s: Ceiling of the first wait after a failure; it doubles with each further one.
        backoff_ceiling_s: The longest wait.
        final_s: How long it waits after a failure that only a person can mend.
        asked_most_s: The longest that a service may ask to be left alone.
        look_s: How often it looks for what is too old, and tries the disk again.
        disk_s: How long the disk may take for one step.
    """

    keep_s: float = 24 * 3600.0
    most: int = 1000
    attempt_s: float = 45.0
    backoff_first_s: float = 5.0
    backoff_ceiling_s: float = 900.0
    final_s: float = 3600.0
    asked_most_s: float = 24 * 3600.0
    look_s: float = 900.0
    disk_s: float = 5.0


class Outbox:
    """The queue of one channel. An async context manager; all else belongs to the loop's thread. Used once.

    A channel that fails makes no alert: it is told by ChannelChanged alone. Only one program uses the folder at a time.

    Args:
        channel: What the alerts go through.
        folder: The channel's own folder for what waits.
        publish: Takes ChannelChanged.
        clock: Time.
        new_id: Makes an id for an alert that has none.
        chance: Gives a number between two bounds, for the jitter of the back-off.
        limits: See OutboxLimits.
    """

    def __init__(
        self,
        channel: Channel,
        folder: Path,
        *,
        publish: Callable[[Event], None],
        clock: Clock,
        new_id: Callable[[], str],
        chance: Chance = random.uniform,
        limits: OutboxLimits | None = None,
    ) -> None:
        self._channel = channel
        self._shelf = Shelf(folder)
        self._publish = publish
        self._clock = clock
        self._new_id = new_id
        self._chance = chance
        self._limits = limits or OutboxLimits()
        self._pool = WorkerPool(1, name=f"outbox-{channel.name}")
        self._counted = Counted(clock, None)
        self._is_loaded = False
        self._parcels: list[Parcel] = []
        self._tried: int | None = None
        self._is_in_doubt = False
        self._last = 0
        self._gone: set[int] = set()
        self._sent: int = 0
        self._posted = asyncio.Event()
        self._woken = asyncio.Event()
        self._disk = asyncio.Lock()
        self._failures = 0
        self._is_final = False
        self._retry_at = 0.0
        self._asked_until = 0.0
        self._disk_trouble = ""
        self._given_up_for = ""
        self._view = self._told = ChannelView(channel.name)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def view(self) -> ChannelView:
        """How the channel stands."""
        return self._view

    async def __aenter__(self) -> Self:
        """Begin to send what waits, also what an earlier life left."""
        self._publish(ChannelChanged(at=self._clock.wall(), channel=self._view))
        self._tasks = [
            spawn(self._run(), name=f"outbox {self._channel.name}"),
            spawn(self._write(), name=f"outbox {self._channel.name} to disk"),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it within half a second. An attempt that is under way is cancelled, and what waits is kept on disk."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=_STOP_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                if self._is_loaded or await self._load():
                    await self._keep()
                    if self._parcels:
                        await self._note()
        self._pool.shutdown(wait=False)

    def post(self, alert: Alert) -> None:
        """Have an alert sent. It is written to disk at once, in a thread, and tried after that."""
        if alert.id and any(parcel.alert.id == alert.id for parcel in self._parcels):
            return  # an earlier life handed it over already, and was killed before it could note that
        self._last += 1
        known = alert if alert.id else replace(alert, id=self._new_id())
        self._parcels.append(Parcel(self._last, known, self._counted.now()))
        self._bound()
        self._tell()
        self._posted.set()
        self._woken.set()

    async def kept(self) -> None:
        """Wait until what was posted lies on disk, as far as the disk lets."""
        await self._keep()

    def tested(self, test: ChannelTest) -> None:
        """Note what came of a test of the channel; one that went through tells that nothing is wrong any more."""
        self._view = replace(
            self._view,
            tested_at=self._clock.wall(),
            test_reason=test.reason,
            test_hint=test.hint if test.reason else "",
        )
        if not test.reason:
            self.wake(is_mended=True)
            if not self._parcels:
                self._view = replace(self._view, reason="", hint="")
        self._tell()

    def see(self, event: Event, _snapshot: Snapshot) -> None:
        """Try again at once when there is a reason to: a network, the machine is awake again, the vault is open."""
        match event:
            case NetworkChanged(is_online=True):
                self.wake()
            case SystemResumed(slept_s=seconds):
                self._counted.slept(seconds)
                self.wake()
            case VaultChanged(vault=vault) if vault.state is VaultState.OPEN:
                self.wake(is_mended=True)
            case _:
                pass

    def wake(self, *, is_mended: bool = False) -> None:
        """Try again at once, unless the service asked to wait.

        Args:
            is_mended: A person has perhaps changed what the channel failed for: a secret, or something at the service.
        """
        if is_mended or not self._is_final:
            self._is_final = False
            self._retry_at = 0.0
            self._woken.set()

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            await self._pause(await self._look())

    async def _write(self) -> None:
        while True:
            await self._posted.wait()
            self._posted.clear()
            await self._keep()

    async def _look(self) -> float:
        """Do what there is to do, and return for how many seconds there is nothing more."""
        # Not with a message in doubt: what an earlier life left would become part of it.
        if not self._is_loaded and self._tried is None:
            await self._load()
        idle_s = self._limits.look_s if self._is_loaded else self._limits.backoff_first_s
        self._expire()
        await self._keep()
        if not self._parcels:
            return idle_s
        left = max(self._retry_at, self._asked_until) - self._counted.now()
        if left <= _SOON_S:
            await self._attempt()
            left = max(self._retry_at, self._asked_until) - self._counted.now()
        return min(max(left, 0.0), idle_s) if self._parcels else idle_s

    async def _pause(self, seconds: float) -> None:
        """Wait for so long, or until there is something to do."""
        both = {
            spawn(self._clock.sleep(seconds), name="outbox pause"),
            spawn(self._woken.wait(), name="outbox wake"),
        }
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()

    async def _load(self) -> bool:
        """Take over what an earlier life left. Until that is done nothing is written: it would take its place."""
        try:
            found = await self._in_thread(self._shelf.load)
        except TimeoutError:
            self._tell_disk("it does not answer")
            return False
        except OSError as error:
            self._tell_disk(error.strerror or type(error).__name__)
            return False
        before = self._counted.now()
        newest = max((parcel.since for parcel in found.parcels), default=0.0)
        self._counted = Counted(self._clock, found.reckoning, least=newest)
        ahead = self._counted.now() - before
        for parcel in self._parcels:  # posted meanwhile
            parcel.number += found.last
            parcel.since += ahead
        self._retry_at += ahead
        self._asked_until += ahead
        left = {parcel.alert.id for parcel in found.parcels}
        self._parcels = [*found.parcels, *(parcel for parcel in self._parcels if parcel.alert.id not in left)]
        self._last += found.last
        if self._tried is not None:
            self._tried += found.last
        elif found.tried is not None and any(parcel.number <= found.tried for parcel in found.parcels):
            self._tried, self._is_in_doubt = found.tried, True
        if found.reckoning is not None:
            self._ask(max(found.reckoning.asked, self._asked_until) - self._counted.now())
        self._is_loaded = True
        self._bound()
        self._tell()
        return True

    async def _attempt(self) -> None:
        """Send what waits as one message."""
        if self._tried is None:
            # What was posted a moment ago may not be on disk yet; without a disk, all goes from memory.
            kept = [parcel for parcel in self._parcels if parcel.is_kept]
            self._tried = (kept or self._parcels)[-1].number
            if self._is_loaded:
                await self._on_disk(partial(self._shelf.mark, self._tried))
        number = self._tried
        message = joined([parcel.alert for parcel in self._parcels if parcel.number <= number])
        try:
            async with asyncio.timeout(self._limits.attempt_s):
                await self._channel.send(message)
        except ChannelError as error:
            await self._failed(error)
        except WatchkeeperError as error:
            await self._failed(ChannelError(error.message, error.hint))
        except TimeoutError:
            await self._failed(ChannelError("It did not answer in time.", is_in_doubt=True))
        except Exception as error:  # noqa: BLE001 - a fault in a channel must not lose what waits
            # Neither its text nor its chain: they may hold what was sent, and with what secret.
            _log.error("a channel has a fault", channel=self._channel.name, kind=type(error).__name__)
            await self._failed(ChannelError(f"It has a fault ({type(error).__name__}).", is_in_doubt=True))
        else:
            await self._went(number)

    async def _went(self, number: int) -> None:
        """Take away what was sent."""
        self._parcels = [parcel for parcel in self._parcels if parcel.number > number]
        self._tried, self._is_in_doubt = None, False
        self._sent = number if self._is_loaded else 0
        self._failures = 0
        self._retry_at = 0.0
        self._given_up_for = ""
        self._view = replace(self._view, reason="", hint="", sent_at=self._clock.wall())
        self._view = replace(self._view, tested_at=None, test_reason="", test_hint="")
        await self._keep()
        self._tell()

    async def _failed(self, error: ChannelError) -> None:
        """Say why, and when to try again."""
        if error.message != self._view.reason:
            _log.warning("alerts wait", channel=self._channel.name, waiting=len(self._parcels), reason=error.message)
        self._view = replace(self._view, reason=error.message, hint=error.hint)
        ceiling = min(self._limits.backoff_ceiling_s, self._limits.backoff_first_s * 2 ** min(self._failures, 20))
        self._failures += 1
        self._is_final = error.is_final
        wait = self._limits.final_s if error.is_final else self._chance(ceiling / 2, ceiling)
        self._retry_at = self._counted.now() + wait
        if error.retry_after_s is not None:
            self._ask(error.retry_after_s)
        # What an earlier attempt left in doubt stays so: that this one has not arrived tells nothing of that.
        self._is_in_doubt |= error.is_in_doubt
        number = self._tried
        if number is not None and not self._is_in_doubt:
            self._tried = None
            if self._is_loaded:
                await self._on_disk(partial(self._shelf.unmark, number))
        if error.retry_after_s is not None and self._is_loaded:
            await self._note()
        self._tell()

    def _ask(self, seconds: float) -> None:
        self._asked_until = self._counted.now() + min(max(0.0, seconds), self._limits.asked_most_s)

    def _expire(self) -> None:
        oldest = self._counted.now() - self._limits.keep_s
        if late := [parcel for parcel in self._parcels if parcel.since < oldest]:
            self._give_up(late, why="they waited for too long")

    def _bound(self) -> None:
        """Give up the oldest of the least urgency, but none of a message that is tried."""
        while len(self._parcels) > self._limits.most:
            tried = self._tried or 0
            free = (parcel for parcel in self._parcels if parcel.number > tried)
            least = min(free, key=lambda parcel: parcel.alert.urgency.rank, default=self._parcels[0])
            self._give_up([least], why="too many wait")

    def _give_up(self, parcels: list[Parcel], *, why: str) -> None:
        numbers = {parcel.number for parcel in parcels}
        if why != self._given_up_for:  # a flood is told of once
            _log.warning("alerts are given up", channel=self._channel.name, count=len(numbers), why=why)
        self._given_up_for = why
        self._parcels = [parcel for parcel in self._parcels if parcel.number not in numbers]
        if self._tried is not None and all(parcel.number > self._tried for parcel in self._parcels):
            self._tried, self._is_in_doubt = None, False
        if self._is_loaded:  # before, nothing of this life lies on disk, and the numbers are not the last word
            self._gone |= numbers
        self._view = replace(self._view, dropped=self._view.dropped + len(numbers))
        self._tell()

    def _tell(self) -> None:
        """Publish how the channel stands, if that is news."""
        self._view = replace(self._view, waiting=len(self._parcels))
        if self._view != self._told:
            self._told = self._view
            self._publish(ChannelChanged(at=self._clock.wall(), channel=self._view))

    async def _keep(self) -> None:
        """Bring the disk to what is true, as far as it lets: take away what is gone, write what is new."""
        if not self._is_loaded:
            return
        async with self._disk:
            sent, gone = self._sent, frozenset(self._gone)
            if sent and await self._on_disk(partial(self._shelf.clear, sent)) and self._sent == sent:
                self._sent = 0
            if gone and await self._on_disk(partial(self._shelf.remove, sorted(gone))):
                self._gone -= gone
            for parcel in tuple(self._parcels):
                if parcel.is_kept or parcel.number in self._gone:
                    continue
                if not await self._on_disk(partial(self._shelf.put, parcel)):
                    return
                parcel.is_kept = True
            if not (self._sent or self._gone):
                self._disk_trouble = ""
            if self._parcels and self._counted.is_astray:
                await self._note()

    async def _note(self) -> None:
        await self._on_disk(partial(self._shelf.note, self._counted.noted(asked=self._asked_until)))

    async def _on_disk(self, step: Callable[[], None]) -> bool:
        """Do a step in the thread, and return whether it was done; what was not is tried again by and by."""
        try:
            await self._in_thread(step)
        except TimeoutError:
            self._tell_disk("it does not answer")
        except OSError as error:
            self._tell_disk(error.strerror or type(error).__name__)
        else:
            return True
        return False

    async def _in_thread(self, step: Callable[[], T]) -> T:
        async with asyncio.timeout(self._limits.disk_s):
            return await asyncio.get_running_loop().run_in_executor(self._pool, step)

    def _tell_disk(self, why: str) -> None:
        if why != self._disk_trouble:
            _log.warning("alerts are kept in memory alone", channel=self._channel.name, why=why)
        self._disk_trouble = why
