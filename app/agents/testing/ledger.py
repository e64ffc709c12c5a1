"""The ledger of one project's tests: what is red, what was told, and so what has changed. Pure; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.domain.verdicts import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from app.domain.verdicts import TestResult


@dataclass(frozen=True, slots=True)
class Turn:
    """What changed, for a person: the tests that broke and were fixed, and the trouble that came or went."""

    broke: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    trouble: Verdict | None = None
    recovered: Verdict | None = None

    def __bool__(self) -> bool:
        """True when there is something to tell."""
        return bool(self.broke or self.fixed or self.gone or self.trouble or self.recovered)


@dataclass(slots=True)
class Ledger:
    """Follows one project over its runs.

    What is told is always the difference between what is red now and what was told last. So a run that is cut off
    before it could tell loses nothing: the next one tells it.

    Attributes:
        known: Every test that was seen, in the order in which it was.
        red: Those that are red now, in the order in which they went red.
        told: Those that a person knows to be red.
        trouble: The trouble that the last run ended with, or None.
        fresh: True until a run has ended and nothing was known before: what a first look finds red is no change.
    """

    known: dict[str, None] = field(default_factory=dict)
    red: dict[str, None] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    trouble: Verdict | None = None
    fresh: bool = True

    @classmethod
    def remembering(cls, tests: Iterable[tuple[str, Outcome]]) -> Ledger:
        """Begin with what history knows: node ids and how they ended last."""
        known = dict(tests)
        red = dict.fromkeys(nodeid for nodeid, outcome in known.items() if outcome.is_red)
        return cls(dict.fromkeys(known), red, set(red), fresh=not known)

    def add(self, results: Iterable[TestResult]) -> None:
        """Take in tests that ended; where one ends again, its last word counts."""
        for result in results:
            self.known[result.nodeid] = None
            if result.outcome.is_red:
                self.red[result.nodeid] = None
            else:
                self.red.pop(result.nodeid, None)

    @property
    def untold(self) -> tuple[str, ...]:
        """The tests that are red and were not told, in the order in which they went red."""
        return tuple(nodeid for nodeid in self.red if nodeid not in self.told)

    def broke_so_far(self) -> Turn:
        """Return what broke and was not told yet, and take it as told."""
        if self.fresh:
            return Turn()
        broke = self.untold
        self.told.update(broke)
        return Turn(broke=broke)

    def finish(self, verdict: Verdict, collected: Collection[str], *, complete: bool) -> tuple[Turn, tuple[str, ...]]:
        """End a run, and return what changed and which tests no longer exist.

        Args:
            verdict: What the run says. A cancelled run ends nothing.
            collected: The node ids that the run collected.
            complete: True when it collected all that there is and ran it to the end.
        """
        if verdict is Verdict.CANCELLED:
            return Turn(), ()
        lost = tuple(nodeid for nodeid in self.known if nodeid not in collected) if complete else ()
        for nodeid in lost:
            del self.known[nodeid]
            self.red.pop(nodeid, None)
        files = {nodeid.partition("::")[0] for nodeid in collected}
        gone = tuple(nodeid for nodeid in lost if nodeid in self.told and nodeid not in files)
        broke = self.broke_so_far().broke
        fixed = tuple(sorted(self.told.difference(self.red, gone)))
        trouble = verdict if verdict.is_trouble else None
        turn = Turn(
            broke=broke,
            fixed=fixed,
            gone=gone,
            trouble=trouble if trouble is not self.trouble else None,
            recovered=self.trouble if trouble is None else None,
        )
        self.told = set(self.red)
        self.trouble = trouble
        self.fresh = False
        return turn, lost
