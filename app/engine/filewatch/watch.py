"""FileWatch: tells in batches which files of a project changed, and keeps telling whatever happens to the folder."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import structlog

from app.domain.errors import BridgeClosed, ProjectError
from app.engine.channels import Coalesce
from app.engine.filewatch.changes import Batch, merge
from app.engine.filewatch.fold import STIR_S, Inbox, QuietTime
from app.engine.filewatch.ignore import builtin_ignores
from app.engine.filewatch.lookout import Lookout
from app.engine.filewatch.observe import native_observer
from app.engine.filewatch.pace import StoppedError
from app.engine.filewatch.tree import LimitReachedError, RootLostError
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from app.engine.bridge import SafeAsyncBridge
    from app.engine.clock import Clock
    from app.engine.filewatch.fold import Noted
    from app.engine.filewatch.observe import Observer, Skip

    Observe = Callable[[Inbox, Skip], Observer]

_log = structlog.get_logger(__name__)

CHANNEL = "filewatch"
"""The bridge's channel that all watches share; each watch has one wake-up in it at most."""

GRACE_S = 0.1
"""A file that is gone or empty gets this long to come back, as in the middle of a save, before it is told."""

HOLD_CEILING_S = 30.0
"""Git at work is waited for at most this long."""

HOLD_STEP_S = 0.025

FLOOD = 50
"""More files than this vanishing while more happens may be the root being deleted: wait for the end of it."""

FLOOD_CEILING_S = 10.0

RETRY_S = 1.0
"""How soon a root that went away is looked for again, and how soon the watch goes on after a fault of its own."""

LOSSY_LIMIT = 500
"""Names after which an observer that may lose events is not believed: the tree is compared instead."""


@dataclass(frozen=True, slots=True)
class WatchTimes:
    """How often things are looked at that no event tells of; seconds.

    Args:
        root: The root's own existence: one system call.
        verify: The whole tree by size and times, only if events came since the last comparison.
        poll: The shortest time between two comparisons where the system allows no watches.
        relent: How long polling goes on before watches are tried again.
        share: Comparisons may take this share of the time at most; a slow tree is compared less often.
    """

    root: float = 10.0
    verify: float = 60.0
    poll: float = 2.0
    relent: float = 300.0
    share: float = 0.02


@dataclass(frozen=True, slots=True)
class WatchCounters:
    """What has happened since the start.

    Args:
        batches: Batches told.
        rescans: Comparisons of the whole tree.
        losses: Times that events were lost.
        root_losses: Times that the root was gone or replaced.
        faults: Exceptions that the watch survived.
    """

    batches: int = 0
    rescans: int = 0
    losses: int = 0
    root_losses: int = 0
    faults: int = 0


class FileWatch:
    """Watches the files below a folder. An async context manager; belongs to the loop that enters it.

    Args:
        root: The folder. Entering raises if it is not there.
        ignore: The user's patterns in gitignore's syntax, relative to the root. They outrank all others, so that
            ``!build/`` has an ignored folder watched after all.
        bridge: How the watching threads wake the loop.
        clock: The time.
        on_trouble: Called on the loop with a text and a hint when the watch is hindered (root gone, no watches left),
            and with two empty strings when it no longer is.
        on_stir: Called on the loop, ahead of a batch, with the names that something happened to in what looks like a
            single save that changed something: most often it is complete then, but only the batch knows.
        times: How often things are looked at that no event tells of.
        observe: Makes the observer; other than the system's own for tests and odd file systems.
    """

    def __init__(
        self,
        root: Path,
        *,
        ignore: Sequence[str] = (),
        bridge: SafeAsyncBridge,
        clock: Clock,
        on_trouble: Callable[[str, str], None],
        on_stir: Callable[[frozenset[str]], None] | None = None,
        times: WatchTimes = WatchTimes(),
        observe: Observe = native_observer,
    ) -> None:
        self._root = str(root.absolute())
        self._bridge = bridge
        self._clock = clock
        self._on_stir = on_stir
        self._times = times
        self._inbox = Inbox(self._call_loop, clock.monotonic)
        skip: Skip = _skip_nothing if any(line.startswith("!") for line in ignore) else _skip_builtin
        self._lookout = Lookout(self._root, ignore, lambda: observe(self._inbox, skip), on_trouble)
        self._tree = self._lookout.tree
        self._quiet = QuietTime()
        self._tasks: list[asyncio.Task[None]] = []
        # on the way in
        self._wake = asyncio.Event()
        self._asking = False
        self._asked: list[asyncio.Future[None]] = []
        self._answering: list[asyncio.Future[None]] = []
        self._detached = self._returned = False
        self._doubtful = False
        self._compared_at, self._compare_took = clock.monotonic(), 0.0
        # on the way out
        self._ready: Batch | None = None
        self._told = asyncio.Event()
        self._to_learn = asyncio.Event()
        self._indexed = asyncio.Event()
        self._closed = False
        self.counters = WatchCounters()

    async def __aenter__(self) -> Self:
        """Watch from here on: every change after this is told.

        Raises:
            ProjectError: The root is missing, no folder, or cannot be read.
        """
        self._bridge.channel(CHANNEL, Coalesce(key=id))
        try:
            await self._lookout.attach(first=True)
        except BaseException as error:
            await self._lookout.close()
            if isinstance(error, RootLostError):
                raise ProjectError(f"There is no folder {self._root}.", "Give the path of an existing one.") from error
            if isinstance(error, OSError):
                raise ProjectError(
                    f"The folder {self._root} cannot be read: {error.strerror}.",
                    "Check its permissions, or watch another folder.",
                ) from error
            if isinstance(error, LimitReachedError):
                raise ProjectError(
                    f"The folder {self._root} cannot be read: too many files are open.", "Raise the limit: ulimit -n."
                ) from error
            raise
        self._to_learn.set()
        self._tasks = [
            spawn(self._work(), name="filewatch"),
            spawn(self._keep(), name="filewatch keeper"),
            spawn(self._learn(), name="filewatch index"),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching; `batches` ends."""
        self._closed = True
        self._told.set()
        self._indexed.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._answer(everyone=True)
        await self._lookout.close()

    async def batches(self) -> AsyncIterator[Batch]:
        """Yield what changed until the watch is closed. For one reader; what it is late for is merged."""
        while True:
            while self._ready is None:
                if self._closed:
                    return
                self._told.clear()
                await self._told.wait()
            batch, self._ready = self._ready, None
            if batch.changes or batch.rescanned:
                yield batch

    async def rescan(self) -> None:
        """Compare the whole tree with what is remembered, and return when what was missed is on its way.

        For others to call when events may have been lost: after suspend, or at a person's wish.
        """
        if self._closed:
            return
        done = asyncio.get_running_loop().create_future()
        self._asked.append(done)
        self._ask()
        await done

    async def indexed(self) -> None:
        """Wait until the content of all files is known. Before that, one that is merely touched counts as changed."""
        await self._indexed.wait()

    # From a first event to a batch.

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                if self._detached:
                    await self._reattach()
                await self._round()
            except RootLostError as error:
                await self._lose_root(error)
            except LimitReachedError:
                self._detached = True
                if self._lookout.polling:  # not even that: no more files can be opened
                    await self._clock.sleep(RETRY_S)
                self._wake.set()
            except StoppedError:
                return
            except Exception:  # noqa: BLE001 - a watch that ends is worse than one that looks again
                _log.exception("the file watch stumbled and goes on", root=self._root)
                self._count(faults=1)
                await self._clock.sleep(RETRY_S)
                self._ask()
            finally:
                self._answer()

    async def _round(self) -> None:
        """Wait for quiet, see what became of the files, and tell.

        Raises:
            RootLostError: The root is gone or replaced.
            LimitReachedError: The system allows no more watches.
        """
        rescanned = returned = self._returned
        first_at = last_at = None
        graced = False
        while True:
            await self._settle()
            noted = self._take()
            first_at = noted.first_at if first_at is None else first_at
            last_at = noted.last_at if noted.events or last_at is None else last_at
            everything = noted.lost or (self._lookout.lossy and noted.paths > LOSSY_LIMIT)
            rescanned |= everything
            unsettled = await self._examine(noted, everything=everything)
            if not (unsettled and not graced) and not self._is_flood(noted, first_at):
                break
            graced = True
            await self._clock.sleep(GRACE_S)
        changes, vanished = await self._lookout.run(self._tree.take, deletions=not returned)
        self._returned = False
        self._to_learn.set()
        if changes or (returned and vanished):
            self._quiet.learn((change.path for change in changes), first_at, last_at)
            self._count(batches=1)
            batch = Batch(changes, rescanned=rescanned, last_at=last_at)
            self._ready = batch if self._ready is None else merge(self._ready, batch)
            self._told.set()

    async def _settle(self) -> None:
        """Wait until nothing more happens, or the ceiling is reached, and git has finished."""
        held_since = None
        stirred = 0
        while (noted := self._inbox.peek()).events:
            now = self._clock.monotonic()
            silent = now - noted.last_at
            left = min(self._quiet.wanted(noted) - silent, self._quiet.ceiling(noted) - (now - noted.first_at))
            early = self._is_early(noted, stirred)
            if early and silent < STIR_S:
                await self._clock.sleep(min(STIR_S - silent, max(left, 0.0)))
            elif early and left > 0:
                stirred = noted.events
                await self._stir(stirred)
            elif left > 0:
                await self._clock.sleep(left)
            elif not await self._lookout.run(self._tree.repository.busy, now):
                return
            else:
                held_since = now if held_since is None else held_since
                if now - held_since > HOLD_CEILING_S:
                    _log.warning("git has been at work for long, not waiting for its end", root=self._root)
                    return
                await self._clock.sleep(HOLD_STEP_S)

    def _is_early(self, noted: Noted, stirred: int) -> bool:
        """Return whether what looks like a single save has yet to be told of early, after `stirred` events."""
        return self._on_stir is not None and noted.events != stirred and self._quiet.is_single(noted)

    async def _stir(self, events: int) -> None:
        """Tell early of what looks like a single save, unless nothing changed by it yet, or more happens now."""
        names = self._inbox.names()
        is_saved = await self._lookout.run(self._tree.looks_saved, names)
        if self._on_stir is not None and is_saved and self._inbox.peek().events == events:
            self._on_stir(names)

    def _take(self) -> Noted:
        noted = self._inbox.take()
        self._answering += self._asked
        self._asked = []
        if noted.lost and not self._asking:
            _log.info("file events were lost, comparing the whole tree", root=self._root)
            self._count(losses=1)
        self._asking = False
        self._doubtful = noted.paths > 0 or (self._doubtful and not noted.lost)
        return noted

    async def _examine(self, noted: Noted, *, everything: bool) -> bool:
        started = self._clock.monotonic()
        unsettled = await self._lookout.run(self._tree.examine, noted.names, everything=everything)
        if everything:
            self._compared_at = self._clock.monotonic()
            self._compare_took = self._compared_at - started
            self._count(rescans=1)
        return unsettled

    def _is_flood(self, noted: Noted, since: float) -> bool:
        """Return whether so much vanishes that the root itself may be on its way out: then see the end of it first."""
        return self._tree.vanished > FLOOD and noted.events > 0 and self._clock.monotonic() - since < FLOOD_CEILING_S

    # What no event tells of.

    async def _lose_root(self, error: RootLostError) -> None:
        if not self._detached:
            _log.warning("the watched folder is gone or replaced", root=self._root, error=str(error))
            self._count(root_losses=1)
            self._detached = self._returned = True
            await self._lookout.detach()
        else:
            await self._clock.sleep(RETRY_S)
        self._wake.set()

    async def _reattach(self) -> None:
        """Watch again and compare with what was remembered; the next round tells what changed meanwhile.

        Raises:
            RootLostError: The root is not there, or cannot be read.
        """
        if not await self._lookout.run(self._tree.root_present):
            raise RootLostError("it is still not there")
        try:
            await self._lookout.attach()
        except OSError as error:
            raise RootLostError(str(error)) from error
        self._detached = False
        self._inbox.stir()  # whoever brings the folder back may not be done yet

    async def _keep(self) -> None:
        """Look after a root that moved with a folder above it, a dead observer, and events lost without notice."""
        relent_at = self._clock.monotonic() + self._times.relent
        while True:
            polling = self._lookout.polling
            await self._clock.sleep(self._pause(self._times.poll) if polling else self._times.root)
            now = self._clock.monotonic()
            if self._detached:
                continue
            if polling:
                self._detached = now >= relent_at
                relent_at = now + self._times.relent if self._detached else relent_at
                self._ask()
            elif not self._lookout.alive:
                _log.warning("the observer has ended, starting another", root=self._root)
                self._count(losses=1)
                self._detached = True
                self._ask()
            elif self._doubtful and now - self._compared_at >= self._pause(self._times.verify):
                self._ask()
            else:
                await self._check_root()
            if self._inbox.peek().events:  # a full bridge may have refused a wake-up
                self._wake.set()

    async def _check_root(self) -> None:
        try:
            await self._lookout.run(self._tree.check_root)
        except RootLostError:
            self._wake.set()

    def _pause(self, shortest: float) -> float:
        return max(shortest, self._compare_took / self._times.share)

    async def _learn(self) -> None:
        """Read the content of files that are known by size and time only, a few at a time."""
        while True:
            await self._to_learn.wait()
            self._to_learn.clear()
            try:
                while await self._lookout.run(self._tree.digest_some):
                    pass
            except StoppedError:
                return
            except Exception:  # noqa: BLE001 - the content is learnt again with the next events
                _log.exception("the content of some files could not be learnt", root=self._root)
                self._count(faults=1)
            self._indexed.set()

    # The threads' side, and small change.

    def _call_loop(self) -> None:
        with contextlib.suppress(BridgeClosed):
            self._bridge.submit(_set, self._wake, channel=CHANNEL)

    def _ask(self) -> None:
        """Have the whole tree compared."""
        self._asking = True
        self._inbox.lose()
        self._wake.set()

    def _answer(self, *, everyone: bool = False) -> None:
        if everyone or self._detached:
            self._answering += self._asked
            self._asked = []
        for done in self._answering:
            if not done.done():
                done.set_result(None)
        self._answering = []

    def _count(self, **more: int) -> None:
        self.counters = replace(
            self.counters, **{name: getattr(self.counters, name) + count for name, count in more.items()}
        )


def _set(event: asyncio.Event) -> None:
    event.set()


def _skip_nothing(_name: str, _folder: bool, /) -> bool:  # noqa: FBT001 - a Callable takes no keywords
    return False


def _skip_builtin(name: str, folder: bool, /) -> bool:  # noqa: FBT001 - a Callable takes no keywords
    return builtin_ignores(name, folder=folder)
