"""Whether there is a newer release: asked, believed or not, fetched, and at a person's wish started.

One for the program. Everything here belongs to the loop's thread; what blocks is done in others.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from app.agents.updates import fetching
from app.agents.updates.signature import check_signature
from app.domain.errors import UpdateError, UpdateRefused
from app.domain.events import FeedRefused, ReleaseFetched, ReleaseFound, UpdatesChanged
from app.domain.releases import UpdateView, check_time, choose, parse_feed
from app.domain.updatewords import how_to_install
from app.system.installed import Channel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.agents.updates.asking import FeedClient, Signed
    from app.agents.updates.memory import Memory, Remembered
    from app.domain.events import Event
    from app.domain.releases import ReleaseFeed
    from app.engine.clock import Clock
    from app.system.installed import Feed

_log = structlog.get_logger(__name__)

TELL_EVERY_S: Final = 0.25
"""How often it is told how much of a file has come."""


@dataclass(frozen=True, slots=True)
class Mine:
    """What this program is.

    Attributes:
        version: Its version.
        channel: What brought it.
        feed: Where newer ones are announced.
        language: In which language its person reads what is new: `en`, `ru`.
        program: What starts it, where its package says so.
    """

    version: str
    channel: Channel
    feed: Feed
    language: str = "en"
    program: Path | None = None


class Updates:
    """It.

    Args:
        mine: What this program is.
        client: Asks.
        memory: Remembers.
        clock: Time.
        publish: Takes events.
        is_on: Gives whether it is asked by itself.
        start: Starts a file that was fetched, and returns at once. Called in a thread.
    """

    def __init__(
        self,
        mine: Mine,
        client: FeedClient,
        memory: Memory,
        clock: Clock,
        *,
        publish: Callable[[Event], None],
        is_on: Callable[[], bool],
        start: Callable[[Path], None],
    ) -> None:
        self._mine = mine
        self._client = client
        self._memory = memory
        self._clock = clock
        self._publish = publish
        self._is_on = is_on
        self._start = start
        self._asking = asyncio.Lock()
        self._fetching = asyncio.Lock()
        self._is_told = False
        program = mine.program if mine.channel is Channel.PORTABLE else None
        self.view = UpdateView(
            offered=True,
            is_on=is_on(),
            channel=mine.channel,
            current=mine.version,
            beside=str(program.parents[1]) if program is not None else "",
        )

    async def load(self) -> None:
        """Take up what is known from before; nobody is asked."""
        async with self._asking:
            remembered = await asyncio.to_thread(self._memory.read)
            feed = await asyncio.to_thread(self._kept, remembered.published)
            await self._show(remembered, feed)

    def follow(self) -> None:
        """Show it where the person has switched it on or off."""
        self._change(replace(self.view, is_on=self._is_on()))

    async def check(self) -> UpdateView:
        """Ask now, and return how it stands; that an answer is not believed stands there too.

        Raises:
            UpdateError: There is no answer.
        """
        async with self._asking:
            now = self._clock.wall()
            remembered = replace(await asyncio.to_thread(self._memory.read), asked_at=now)
            try:
                feed, etag = await self._asked(remembered)
            except UpdateError as error:
                _log.info("releases could not be asked for", reason=error.message)
                await self._note(replace(remembered, trouble=error.message))
                raise
            except UpdateRefused as error:
                _log.warning("the feed of releases was refused", reason=error.message)
                await self._refuse(remembered, error)
            else:
                await self._believe(remembered, feed, etag)
            return self.view

    async def download(self) -> UpdateView:
        """Fetch the file of the release that is offered, and return how it stands.

        Raises:
            UpdateError: There is none, or it cannot be had.
            UpdateRefused: It is not what was announced.
        """
        async with self._fetching:
            release, file = self.view.newer, self.view.file
            if release is None or file is None:
                raise UpdateError("No newer release is known.", "Ask for one: watchkeeper update check")
            async with self._telling() as tell:
                path = await fetching.fetch(self._client, file, self._memory.files, tell)
            was_ready = self.view.ready
            if self.view.file != file:  # another one is offered by now
                return self.view
            self._change(replace(self.view, ready=str(path)))
            if not was_ready:
                self._publish(
                    ReleaseFetched(
                        at=self._clock.wall(),
                        version=release.version,
                        channel=self._mine.channel,
                        path=str(path),
                        how=how_to_install(self.view),
                    )
                )
            return self.view

    async def install(self) -> None:
        """Start what was fetched, checked once more; it asks this program to leave by itself.

        Raises:
            UpdateError: Nothing was fetched, it is not started but installed by a command, or it does not start.
            UpdateRefused: What was fetched has been changed since.
        """
        release, file, path = self.view.newer, self.view.file, Path(self.view.ready)
        if release is None or file is None or not self.view.ready:
            raise UpdateError("No newer release was fetched yet.", "Fetch it: watchkeeper update download")
        if self._mine.channel is not Channel.SETUP:
            raise UpdateError("This package is not started, but installed by you.", how_to_install(self.view))
        if not await asyncio.to_thread(fetching.is_whole, path, file):
            self._change(replace(self.view, ready=""))
            await asyncio.to_thread(fetching.clear, self._memory.files)
            raise UpdateRefused(
                f"{file.name} is not what was fetched any more, and was deleted.",
                "Fetch it again: watchkeeper update download",
            )
        _log.info("the setup of a newer release is started", version=release.version)
        try:
            await asyncio.to_thread(self._start, path)
        except OSError as error:
            raise UpdateError(
                f"{path} does not start: {error.strerror or error}.", "Start it yourself, by a double click."
            ) from error

    async def skip(self, version: str) -> None:
        """Tell and show no more of this version."""
        async with self._asking:
            remembered = replace(await asyncio.to_thread(self._memory.read), skipped=version)
            await asyncio.to_thread(self._memory.write, remembered)
            newer = self.view.newer
            self._change(replace(self.view, is_skipped=newer is not None and newer.version == version))

    async def _asked(self, remembered: Remembered) -> tuple[ReleaseFeed, str]:
        """Ask, and return a feed that is believed, with its etag.

        Raises:
            UpdateError: There is no answer.
            UpdateRefused: It is not believed.
        """
        url = self._mine.feed.url
        known = await asyncio.to_thread(self._memory.feed, remembered.etag)
        signed = await self._client.feed(url, known)
        if not await asyncio.to_thread(self._is_signed, signed):
            # A new feed may have been put there between the two answers, or the one that was kept is damaged.
            signed = await self._client.feed(url)
        feed = await asyncio.to_thread(self._checked, signed, remembered.published)
        is_kept = signed is known or await asyncio.to_thread(self._memory.keep, signed)
        return feed, signed.etag if is_kept else ""

    def _is_signed(self, signed: Signed) -> bool:
        try:
            check_signature(signed.content, signed.signature, self._mine.feed.keys)
        except UpdateRefused:
            return False
        return True

    def _checked(self, signed: Signed, newest: float) -> ReleaseFeed:
        """Return what a feed says, believed: the signature first, then all else."""
        check_signature(signed.content, signed.signature, self._mine.feed.keys)
        feed = parse_feed(signed.content)
        check_time(feed, now=self._clock.wall(), newest=newest)
        return feed

    def _kept(self, newest: float) -> ReleaseFeed | None:
        """Return the feed that was kept, if it would be believed now as well."""
        signed = self._memory.feed()
        if signed is None:
            return None
        try:
            return self._checked(signed, newest)
        except UpdateRefused as error:
            _log.info("the feed that was kept is not used", reason=error.message)
            return None

    async def _believe(self, remembered: Remembered, feed: ReleaseFeed, etag: str) -> None:
        now = self._clock.wall()
        remembered = replace(
            remembered,
            published=max(remembered.published, feed.published),
            answered_at=now,
            etag=etag,
            trouble="",
            refused="",
            hint="",
            refusal_told=False,
        )
        await self._show(remembered, feed)
        found = self.view.shown
        if found is not None and found.version not in remembered.told:
            remembered = replace(remembered, told=(*remembered.told, found.version))
            self._publish(
                ReleaseFound(
                    at=now,
                    release=found,
                    current=self._mine.version,
                    notes=self.view.notes,
                    channel=self._mine.channel,
                )
            )
        await asyncio.to_thread(self._memory.write, remembered)

    async def _refuse(self, remembered: Remembered, error: UpdateRefused) -> None:
        is_told = remembered.refusal_told
        await self._note(
            replace(remembered, trouble="", refused=error.message, hint=error.hint, refusal_told=True, etag="")
        )
        if not is_told:
            self._publish(FeedRefused(at=self._clock.wall(), reason=error.message, hint=error.hint))

    async def _note(self, remembered: Remembered) -> None:
        """Keep what came of a question, and show it; the release that is known stays so."""
        await asyncio.to_thread(self._memory.write, remembered)
        self._change(_with(self.view, remembered))

    async def _show(self, remembered: Remembered, feed: ReleaseFeed | None) -> None:
        """Show what is remembered, and what a feed offers."""
        channel = self._mine.channel
        newer = choose(feed, current=self._mine.version, channel=channel) if feed is not None else None
        view = replace(
            _with(self.view, remembered),
            newer=newer,
            notes=newer.notes_in(self._mine.language) if newer is not None else "",
            is_skipped=newer is not None and newer.version == remembered.skipped,
        )
        file = view.file
        path = self._memory.files / file.name if file is not None else None
        is_ready = path is not None and file is not None and await asyncio.to_thread(fetching.is_whole, path, file)
        if file is None:
            await asyncio.to_thread(fetching.clear, self._memory.files)
        self._change(replace(view, ready=str(path) if is_ready else ""))

    def _change(self, view: UpdateView) -> None:
        if view != self.view or not self._is_told:
            self.view, self._is_told = view, True
            self._publish(UpdatesChanged(at=self._clock.wall(), updates=view))

    @asynccontextmanager
    async def _telling(self) -> AsyncIterator[Callable[[int], None]]:
        """Show how much of a file has come, as long as the block is in."""
        told_at = self._clock.monotonic()
        self._change(replace(self.view, fetched=0))

        def tell(count: int) -> None:
            nonlocal told_at
            now = self._clock.monotonic()
            if now - told_at >= TELL_EVERY_S:
                told_at = now
                self._change(replace(self.view, fetched=count))

        try:
            yield tell
        finally:
            self._change(replace(self.view, fetched=None))


def _with(view: UpdateView, remembered: Remembered) -> UpdateView:
    return replace(
        view,
        asked_at=remembered.asked_at or None,
        answered_at=remembered.answered_at or None,
        trouble=remembered.trouble,
        refused=remembered.refused,
        hint=remembered.hint,
    )
