"""Takes a remedy back by request, from its state file: once, and not over what somebody changed since."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.agents.auditing.aws.clients.batch import Failed
from app.agents.auditing.aws.errors import AWSError
from app.agents.auditing.aws.reading import told
from app.agents.auditing.aws.remedy.errors import ChangedSince, NotPossible, NotTakenBack
from app.agents.auditing.aws.remedy.kept import Journal, Status, held, read_kept, to_the_end
from app.agents.auditing.aws.remedy.looking import text_of
from app.agents.auditing.aws.remedy.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.remedy.kept import Kept
    from app.agents.auditing.aws.remedy.plan import Change, Plan
    from app.agents.auditing.aws.remedy.settings import Json
    from app.engine.clock import Clock

_AS_BEFORE = frozenset({Status.TAKEN_BACK, Status.RESTORED})


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What came of it.

    Attributes:
        plan: What was taken back.
        written: The titles of the settings that were written; empty when all was as before already.
        journal: What was done, as lines, with those of when it was applied.
    """

    plan: Plan
    written: tuple[str, ...]
    journal: tuple[str, ...]


async def roll_back(
    path: Path,
    context: AuditContext,
    *,
    clock: Clock,
    force: bool = False,
    say: Callable[[str], None] | None = None,
) -> TakenBack:
    """Put everything back as it was before a remedy; a second time nothing is done.

    Args:
        path: The state file.
        context: The account.
        clock: Tells the time, and waits between one look and the next.
        force: Whether what others have set since is overwritten; it is kept in the file then.
        say: Is told each line of the journal as it comes; None for nobody.

    Raises:
        NotReadable: The file is not what was written.
        NotPossible: The context is of another account.
        Busy: Another repair of the same bucket or account is under way.
        ChangedSince: Somebody has changed it since.
        NotKept: The file cannot be written.
        NotTakenBack: A call came to nothing; it says what was put back.
    """
    kept = await asyncio.to_thread(read_kept, path)
    place = kept.plan.place
    if context.account.id != place.account:
        raise NotPossible(
            f"{path} is of account {place.account}, and the keys are of {context.account.id}. Nothing was changed.",
            "Take it back with the keys of its own account.",
        )
    with held(path.parent, place):
        kept = await asyncio.to_thread(read_kept, path)
        journal = Journal(clock, say, kept.journal)
        if kept.status in _AS_BEFORE:
            return TakenBack(kept.plan, (), journal.lines)
        return await _Return(kept, Writer(context, place, clock, journal), journal).run(force=force)


class _Return:
    """One remedy being taken back."""

    def __init__(self, kept: Kept, writer: Writer, journal: Journal) -> None:
        self._kept = kept
        self._plan = kept.plan
        self._writer = writer
        self._journal = journal

    async def run(self, *, force: bool) -> TakenBack:
        found = await self._found()
        # in reverse, since an earlier setting may be writable only once a later one is back: no ACL while disabled
        due = [each for each in reversed(self._plan.changes) if not self._writer.is_back(each)(found[each.setting])]
        foreign = [each for each in due if not self._writer.is_done(each)(found[each.setting])]
        if foreign and not force:
            raise self._changed(foreign, found)
        if foreign:
            over = {each.setting: text_of(found[each.setting]) for each in foreign}
            self._kept = replace(self._kept, overwritten={**self._kept.overwritten, **over})
            self._journal.add(f"overwritten though somebody changed it: {', '.join(each.of.title for each in foreign)}")
        await to_the_end(self._keep(self._kept.status))
        written: list[str] = []
        for each in due:
            await self._undo(each, written)
        self._journal.add(f"{self._plan.place.name} is as before")
        await to_the_end(self._keep(Status.TAKEN_BACK))
        return TakenBack(self._plan, tuple(written), self._journal.lines)

    async def _found(self) -> dict[str, Json]:
        found = {}
        for each in self._plan.changes:
            try:
                found[each.setting] = await self._writer.read(each)
            except AWSError as error:
                raise self._failed(each, told(Failed(error), error.call.service, error.call.operation), []) from None
        return found

    async def _undo(self, change: Change, written: list[str]) -> None:
        try:
            why = await self._writer.undo(change)
        except AWSError as error:
            why = f"{error.operation} {error.short}"
        if why:
            self._journal.add(f"{change.of.title} of {self._plan.place.name} was not put back: {why}")
            await to_the_end(self._keep(Status.PARTLY))
            raise self._failed(change, why, written)
        written.append(change.of.title)

    async def _keep(self, status: Status) -> None:
        self._kept = self._kept.now(status, self._journal)
        await asyncio.to_thread(self._kept.write)

    def _failed(self, change: Change, why: str, written: list[str]) -> NotTakenBack:
        place = self._plan.place
        done = f"As before already: {', '.join(written)}." if written else "Nothing was changed by this attempt."
        left = [each.of.title for each in reversed(self._plan.changes) if each.of.title not in written]
        return NotTakenBack(
            f"{change.of.title} of {place.name} in {place.region} is not taken back: {why}. {done} "
            f"Not put back: {', '.join(left)}.",
            "Allow that call to who repairs, or try again later: what is back already is left alone then.",
            path=self._kept.path,
            restored=tuple(written),
            left=tuple(left),
            journal=self._journal.lines,
        )

    def _changed(self, foreign: list[Change], found: dict[str, Json]) -> ChangedSince:
        differs = tuple(
            f"{each.of.title} was set to {each.after[:300]}, and is {json.dumps(found[each.setting])[:300]}"
            for each in foreign
        )
        return ChangedSince(
            f"{self._plan.place.name} in {self._plan.place.region} was changed since: {'; '.join(differs)}. "
            "Nothing was taken back.",
            "Change it by hand, or force it: what is there now is overwritten then, and kept in the state file.",
            differs=differs,
        )
