"""What a check is made of. Others install theirs by the entry-point group `watchkeeper.audits`.

    class NoPrints(SyncCheck):
        id = "no-prints"
        title = "No print left behind"
        severity = Severity.LOW

        def look(self, context):
            for path in context.files("*.py"):
                for number, line in enumerate(context.text(path).splitlines(), 1):
                    if line.lstrip().startswith("print("):
                        yield self.finding("print", "A print was left behind", path, number, evidence=line)

A check runs in a program of its own, which ends when its deadline has passed. It only reads: the project belongs to
the person.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from app.domain.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from app.agents.auditing.context import Context

__all__ = ["GROUP", "Check", "Finding", "Named", "NotKnown", "Progressed", "Severity", "SyncCheck", "Told"]

GROUP = "watchkeeper.audits"
"""The entry-point group in which checks are found."""


@dataclass(frozen=True, slots=True)
class NotKnown:
    """Something that could not be looked at. One of them, and the check does not pass.

    Attributes:
        reason: What could not be looked at, and why, in words for people.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a check is that takes long; shown while it runs, and not kept.

    Attributes:
        done: Parts of its work that are done.
        total: Parts that are known; more may come.
    """

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Named:
    """What a check saw that it looks at, where that is no folder of a person's: as `target` of AuditReport."""

    target: str


Told: TypeAlias = Finding | NotKnown | Progressed | Named
"""What a check yields."""


class Check(ABC):
    """A check. Made without arguments, once for each audit, in the program in which it runs."""

    id: ClassVar[str]
    """Lower case with dashes; unique among all checks."""
    title: ClassVar[str]
    """Its name for people, in a few words."""
    severity: ClassVar[Severity] = Severity.MEDIUM
    """Of its findings, where they do not say another."""
    deadline_s: ClassVar[float] = 120.0
    """It is ended after so many seconds; what it has found until then counts, and its verdict is UNKNOWN."""

    @abstractmethod
    def scan(self, context: Context) -> AsyncIterator[Told]:
        """Yield what is found, and what could not be looked at, as it comes.

        An exception ends the check: its verdict is UNKNOWN, and its text the reason.

        Args:
            context: The project, and what is known of it.
        """

    def finding(
        self,
        rule: str,
        title: str,
        path: str = "",
        line: int = 0,
        *,
        evidence: str = "",
        severity: Severity | None = None,
        detail: str = "",
        remedy: str = "",
        commit: str = "",
        resource: str = "",
    ) -> Finding:
        """Return a finding of this check; for its fields see app.domain.findings.Finding."""
        return Finding(
            check=self.id,
            rule=rule,
            title=title,
            severity=severity or self.severity,
            path=path,
            line=line,
            evidence=evidence.strip(),
            detail=detail,
            remedy=remedy,
            commit=commit,
            resource=resource,
        )


class SyncCheck(Check):
    """A check without asyncio: it runs in a thread, and only what it yields passes to the loop."""

    @abstractmethod
    def look(self, context: Context) -> Iterable[Told]:
        """Yield what is found, as `scan`."""

    async def scan(self, context: Context) -> AsyncIterator[Told]:
        """Yield what `look` yields."""
        found = iter(self.look(context))
        more = True
        while more:
            told, more = await asyncio.to_thread(_several, found)
            for each in told:
                yield each


_AT_ONCE = 256
_TOLD_EVERY_S = 0.2


def _several(found: Iterator[Told]) -> tuple[list[Told], bool]:
    """Take what comes within a moment, and say whether more may come."""
    began = time.monotonic()
    taken: list[Told] = []
    for each in found:
        taken.append(each)
        if len(taken) == _AT_ONCE or time.monotonic() - began > _TOLD_EVERY_S:
            return taken, True
    return taken, False
