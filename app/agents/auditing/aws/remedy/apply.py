"""Applies a plan that was shown: reads again, keeps the state before, calls, verifies, and puts back what failed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from app.agents.auditing.aws.errors import AWSError, Denied
from app.agents.auditing.aws.remedy.errors import NotApplied, NotKept, NotPossible, NotShown, Outdated
from app.agents.auditing.aws.remedy.kept import Journal, Kept, Status, free_path, held, to_the_end
from app.agents.auditing.aws.remedy.looking import look_again
from app.agents.auditing.aws.remedy.writing import PASSING, Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.remedy.looking import Known
    from app.agents.auditing.aws.remedy.plan import Change, Plan
    from app.engine.clock import Clock

_log = structlog.get_logger(__name__)
_MOST_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of a plan.

    Attributes:
        plan: The plan.
        path: The state file, by which it can be taken back; None when there was nothing to do.
        journal: What was done, as lines.
    """

    plan: Plan
    path: Path | None
    journal: tuple[str, ...]


async def apply(
    plan: Plan,
    context: AuditContext,
    *,
    shown: str,
    folder: Path,
    clock: Clock,
    say: Callable[[str], None] | None = None,
) -> Applied:
    """Do what a plan says, and nothing else; a second time nothing is done.

    Args:
        plan: The plan.
        context: The account.
        shown: The digest of the plan that the person saw and confirmed.
        folder: Where state files are kept.
        clock: Tells the time, and waits between one look and the next.
        say: Is told each line of the journal as it comes; None for nobody.

    Raises:
        NotShown: Another plan was shown.
        NotPossible: The context is of another account.
        Outdated: What the plan rests on has changed.
        Busy: Another repair of the same bucket or account is under way.
        NotKept: The state before cannot be kept.
        NotApplied: A call came to nothing; it says what was put back.
        asyncio.CancelledError: It was cancelled; what was done is put back, as far as it could be.
    """
    if shown != plan.digest:
        raise NotShown(
            f"The plan for {plan.place.name} is not the one that was confirmed. Nothing was changed.",
            "Look at the plan, and confirm that.",
        )
    if context.account.id != plan.place.account:
        raise NotPossible(
            f"The plan is for account {plan.place.account}, and the keys are of {context.account.id}. "
            "Nothing was changed.",
            "Apply it with the keys of its own account.",
        )
    journal = Journal(clock, say)
    if plan.is_empty:
        journal.add(f"{plan.place.name}: nothing to do, all is as it should be")
        return Applied(plan, None, journal.lines)
    with held(folder, plan.place):
        found = await look_again(context, plan.place, plan.expects)
        if _is_applied(plan, found):
            journal.add(f"{plan.place.name}: nothing to do, the plan is applied already")
            return Applied(plan, None, journal.lines)
        _must_be_as_planned(plan, found)
        kept = Kept(free_path(folder, plan, clock), plan)
        return await _Application(kept, Writer(context, plan.place, clock, journal), journal).run()


class _Application:
    """One plan being applied."""

    def __init__(self, kept: Kept, writer: Writer, journal: Journal) -> None:
        self._kept = kept
        self._plan = kept.plan
        self._writer = writer
        self._journal = journal
        self._answered: list[Change] = []
        self._called: Change | None = None

    async def run(self) -> Applied:
        try:
            await self._do()
        except NotKept:
            raise
        except asyncio.CancelledError as error:
            self._journal.add("cancelled")
            with suppress(asyncio.CancelledError):
                await to_the_end(self._put_back(error))
            for line in self._journal.lines:
                error.add_note(line)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing stays half done
            restored, left = await to_the_end(self._put_back(error))
            raise self._not_applied(error, restored, left) from None
        return Applied(self._plan, self._kept.path, self._journal.lines)

    async def _do(self) -> None:
        await to_the_end(self._keep_first())
        for change in self._plan.changes:
            self._called = change
            await self._writer.write(change)
            self._called = None
            self._answered.append(change)
        for change in self._plan.changes:
            if not await self._writer.shows(change, self._writer.is_done(change)):
                raise _NotSeen(f"{change.of.title} was written, but does not show")
            self._journal.add(f"{change.of.title} of {self._plan.place.name} was read again, and is as planned")
        await to_the_end(self._keep(Status.APPLIED))

    async def _keep_first(self) -> None:
        self._journal.add(f"the state before is kept in {self._kept.path}")
        self._kept = self._kept.now(Status.BEGUN, self._journal)
        await asyncio.to_thread(self._kept.write)

    async def _keep(self, status: Status) -> None:
        self._kept = self._kept.now(status, self._journal)
        try:
            await asyncio.to_thread(self._kept.write)
        except NotKept as error:
            # what is needed to take it back is in the file since before the first call
            _log.warning("the journal of a repair was not kept", file=str(self._kept.path), why=error.message)

    async def _put_back(self, error: BaseException) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Put back what was done, in reverse; return which settings are as before, and which may not be and why."""
        restored, left = [], []
        pending = [(each, True) for each in self._answered]
        if self._called is not None:
            pending.append((self._called, False))
        for change, answered in reversed(pending):
            title = change.of.title
            refused = not answered and isinstance(error, AWSError) and not isinstance(error, PASSING)
            why = "" if refused else await self._writer.put_back(change, answered=answered)
            if why:
                left.append(f"{title} ({why})")
                self._journal.add(f"{title} of {self._plan.place.name} was not put back: {why}")
            else:
                restored.append(title)
                self._journal.add(f"{title} of {self._plan.place.name} is as before")
        await self._keep(Status.PARTLY if left else Status.RESTORED)
        return tuple(restored), tuple(left)

    def _not_applied(self, error: Exception, restored: tuple[str, ...], left: tuple[str, ...]) -> NotApplied:
        place = self._plan.place
        what, hint = _told(error)
        if left:
            now = f"As before: {', '.join(restored) or 'nothing'}. Not put back: {', '.join(left)}."
            hint = f"Put it back by {self._kept.path}, once the calls are allowed and answered. {hint}"
        else:
            now = "Nothing is changed: what was done is put back."
        return NotApplied(
            f"{self._plan.title}: {place.name} in {place.region}: {what}. {now}",
            hint.strip(),
            path=self._kept.path,
            restored=restored,
            left=left,
            journal=self._journal.lines,
        )


class _NotSeen(Exception):
    """What was written does not show."""


def _told(error: Exception) -> tuple[str, str]:
    """Return what went wrong, and what to do about it."""
    if isinstance(error, Denied):
        who, by = error.principal or "the credentials in use", f" ({error.by})" if error.by else ""
        hint = f"Allow {error.operation} to {who}, then plan again."
        if error.call.operation in {"PutBucketPolicy", "PutBucketAcl"}:
            hint += " Block public access denies it too, where the policy or the ACL is public."
        return f"{who} may not do {error.operation}{by}", hint
    if isinstance(error, AWSError):
        code = f" ({error.code})" if error.code else ""
        return (
            f"{error.operation} {error.short}{code}",
            error.hint or "See what AWS says of that code, then plan again.",
        )
    if isinstance(error, _NotSeen):
        return str(error), "Look whether something else sets it, a stack or a policy of the organisation; plan again."
    return f"an answer was not understood ({type(error).__name__})", "Plan again, and tell us if it stays so."


def _is_applied(plan: Plan, found: tuple[Known, ...]) -> bool:
    now = {(each.setting, each.bucket): each for each in found}
    every = [(each, now[_key(plan, each)]) for each in plan.changes]
    return all(not known.unread and each.of.equal(known.document, each.document_after) for each, known in every)


def _key(plan: Plan, change: Change) -> tuple[str, str]:
    return change.setting, "" if change.of.service == "s3control" else plan.place.bucket


def _must_be_as_planned(plan: Plan, found: tuple[Known, ...]) -> None:
    differs = tuple(
        f"{was.title} was {_short(was)}, and is {_short(now)}"
        for was, now in zip(plan.expects, found, strict=True)
        if was.differs(now)
    )
    if differs:
        raise Outdated(
            f"{plan.place.name} in {plan.place.region} has changed since the plan was made: {'; '.join(differs)}. "
            "Nothing was changed by us.",
            "Plan again, and look at the new plan.",
            differs=differs,
        )


def _short(known: Known) -> str:
    if known.unread:
        return f"not known ({known.unread})"
    if known.text == "null":
        return "not set"
    return known.text if len(known.text) <= _MOST_SHOWN else f"{known.text[:_MOST_SHOWN]} ..."
