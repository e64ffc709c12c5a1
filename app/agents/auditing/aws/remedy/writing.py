"""Writes settings and reads them again, with patience for what S3 shows only a little later.

"Amazon S3 data consistency model" (Amazon S3 User Guide): "Bucket configurations have an eventual consistency model".
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.agents.auditing.aws.clients.batch import Failed
from app.agents.auditing.aws.errors import AWSError, Broken, Throttled, Unreachable
from app.agents.auditing.aws.reading import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.agents.auditing.aws.clients.context import Ask, AuditContext
    from app.agents.auditing.aws.remedy.kept import Journal
    from app.agents.auditing.aws.remedy.plan import Change
    from app.agents.auditing.aws.remedy.settings import Json, Place
    from app.engine.clock import Clock

PAUSES_S = (0.5, 1.0, 2.0, 4.0)
"""Between one look and the next."""
PUT_BACK_S = 60.0
"""How long one setting may take to be put back, all calls together."""
PASSING = (Broken, Throttled, Unreachable)
"""After these a call may have been done all the same, and may be made again."""


class Writer:
    """Writes the settings of one bucket or account.

    Args:
        context: The account.
        place: The bucket or account.
        clock: Waits.
        journal: Is told what was done.
    """

    def __init__(self, context: AuditContext, place: Place, clock: Clock, journal: Journal) -> None:
        self._context = context
        self._place = place
        self._clock = clock
        self._journal = journal

    async def write(self, change: Change) -> None:
        """Do what a change says.

        Raises:
            AWSError: It came to nothing, or that is not known.
        """
        await self._call(change.call(self._place))

    async def _call(self, ask: Ask) -> None:
        action = f"{ask.service}:{ask.operation}"
        self._journal.add(f"{action} on {self._place.name} ...")
        try:
            await self._context.execute_async(ask.service, ask.operation, region=ask.region, **ask.parameters)
        except AWSError as error:
            self._journal.add(f"{action} on {self._place.name}: {error.short}")
            raise
        self._journal.add(f"{action} on {self._place.name}: done")

    async def read(self, change: Change) -> Json:
        """Return what a setting is now.

        Raises:
            AWSError: It cannot be read.
        """
        ask = change.of.ask(self._place)
        try:
            answer = await self._context.execute_async(ask.service, ask.operation, region=ask.region, **ask.parameters)
        except AWSError as error:
            if error.code in change.of.missing:
                return None
            raise
        return change.of.read(answer)

    async def shows(self, change: Change, is_so: Callable[[Json], bool]) -> bool:
        """Return whether a setting is, or soon becomes, what it should be.

        Args:
            change: Of which setting.
            is_so: Whether it is what it should be.

        Raises:
            AWSError: It cannot be read, at the last look either.
        """
        for pause in (*PAUSES_S, None):
            try:
                if is_so(await self.read(change)):
                    return True
            except PASSING:
                if pause is None:
                    raise
            if pause is not None:
                await self._clock.sleep(pause)
        return False

    def is_done(self, change: Change) -> Callable[[Json], bool]:
        """Return what tells whether a change shows."""
        return lambda found: change.of.equal(found, change.document_after)

    def is_back(self, change: Change) -> Callable[[Json], bool]:
        """Return what tells whether a setting is as before a change."""
        return lambda found: change.of.is_back(found, change.document_before)

    async def put_back(self, change: Change, *, answered: bool) -> str:
        """Put a setting back after a call that wrote it, or may have; return why not, empty when it is as before.

        What somebody else has set meanwhile stays.

        Args:
            change: What was written.
            answered: Whether S3 said that it was; else it may have been, or may be in a moment.
        """
        try:
            async with asyncio.timeout(PUT_BACK_S):
                return await self._put_back(change, answered=answered)
        except TimeoutError:
            return "no answer in time"
        except Exception as error:  # noqa: BLE001 - whatever it is, the other settings are put back
            ask = change.undoing(self._place)
            return told(Failed(error), ask.service, ask.operation)

    async def _put_back(self, change: Change, *, answered: bool) -> str:
        is_done, is_back = self.is_done(change), self.is_back(change)
        shows = answered or await self.shows(change, is_done)
        # where the state before cannot be written, as of versioning, it is left alone as long as it is as it was
        untouched = not shows and change.document_before is None and change.of.least is not None
        if untouched and change.of.equal(await self._patiently(change), None):
            return ""
        found = await self._patiently(change)
        if not is_done(found) and not is_back(found):
            return "somebody else has changed it meanwhile"
        return await self.undo(change)

    async def undo(self, change: Change) -> str:
        """Write what was before; return why it does not show, empty when it does.

        Raises:
            AWSError: It came to nothing.
        """
        for pause in (*PAUSES_S, None):
            try:
                await self._call(change.undoing(self._place))
                break
            except PASSING:
                if pause is None:
                    raise
                await self._clock.sleep(pause)
        return "" if await self.shows(change, self.is_back(change)) else "it was put back, but does not show"

    async def _patiently(self, change: Change) -> Json:
        for pause in PAUSES_S:
            try:
                return await self.read(change)
            except PASSING:
                await self._clock.sleep(pause)
        return await self.read(change)
