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
        fresh: True until a run has ended and nothing was known before: what a first look finds red is no change,
            unless the same look has seen it green.
    """

    known: dict[str, None] = field(default_factory=dict)
    red: dict[str, None] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    trouble: Verdict | None = None
    fresh: bool = True
    _seen_red: dict[str, None] = field(default_factory=dict)
    _seen_green: set[str] = field(default_factory=set)

    @classmethod
    def remembering(
        cls, tests: Iterable[tuple[str, Outcome]], *, told: Collection[str] = (), trouble: Verdict | None = None
    ) -> Ledger:
        """Begin with what history knows.

        Args:
            tests: Node ids and how they ended last.
            told: Those of the red ones that a person was told of.
            trouble: The trouble that the last run ended with.
        """
        known = dict(tests)
        red = dict.fromkeys(nodeid for nodeid, outcome in known.items() if outcome.is_red)
        return cls(dict.fromkeys(known), red, set(red).intersection(told), trouble, fresh=not known and trouble is None)

    def begin(self) -> None:
        """Begin a run."""
        self._seen_red.clear()

    def add(self, results: Iterable[TestResult]) -> None:
        """Take in tests that ended; where one ends again, its last word counts."""
        for result in results:
            self.known[result.nodeid] = None
            if result.outcome.is_red:
                self.red[result.nodeid] = None
                self._seen_red[result.nodeid] = None
            else:
                self.red.pop(result.nodeid, None)
                self._seen_red.pop(result.nodeid, None)
                self._seen_green.add(result.nodeid)

    @property
    def untold(self) -> tuple[str, ...]:
        """The tests that this run found red and that were not told, in the order in which they went red."""
        return tuple(nodeid for nodeid in self._seen_red if self._is_news(nodeid))

    def broke_so_far(self) -> Turn:
        """Return what this run broke and was not told yet, and take it as told."""
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
        lost = self._lost(verdict, collected, complete=complete)
        files = {nodeid.partition("::")[0] for nodeid in collected}
        gone = [nodeid for nodeid in lost if nodeid in self.told and not self._collects_again(nodeid, files, complete)]
        for nodeid in lost:
            del self.known[nodeid]
            self.red.pop(nodeid, None)
        broke = [nodeid for nodeid in self.red if self._is_news(nodeid)]
        fixed = sorted(self.told.difference(self.red, gone))
        # A test whose id holds the time of day is gone and new in each run: the same red test is no news.
        renamed = {_stem(nodeid) for nodeid in gone} & {_stem(nodeid) for nodeid in broke}
        trouble = verdict if verdict.is_trouble else None
        turn = Turn(
            broke=tuple(nodeid for nodeid in broke if _stem(nodeid) not in renamed),
            fixed=tuple(fixed),
            gone=tuple(nodeid for nodeid in gone if _stem(nodeid) not in renamed),
            trouble=trouble if trouble is not self.trouble else None,
            recovered=self.trouble if trouble is None else None,
        )
        self.told = set(self.red)
        self.trouble = trouble
        self.fresh = False
        return turn, lost

    @staticmethod
    def _collects_again(nodeid: str, files: Collection[str], complete: bool) -> bool:  # noqa: FBT001 - one caller
        return "::" not in nodeid and (not complete or nodeid in files or _serves(nodeid))

    def _is_news(self, nodeid: str) -> bool:
        return nodeid not in self.told and (not self.fresh or nodeid in self._seen_green)

    def _lost(self, verdict: Verdict, collected: Collection[str], *, complete: bool) -> tuple[str, ...]:
        """Return what exists no more: tests that a complete run has not, and files that can be collected again."""
        collects = not verdict.is_trouble
        return tuple(
            nodeid
            for nodeid in self.known
            if (nodeid not in collected if complete else collects and "::" not in nodeid)
            and nodeid not in self._seen_red
        )


def _stem(nodeid: str) -> str:
    """Return a node id without its parameters."""
    return nodeid.partition("[")[0]


def _serves(nodeid: str) -> bool:
    """Return whether a file is no test file itself: it collects nothing when it is well."""
    return nodeid.rpartition("/")[2] in ("conftest.py", "__init__.py", "")
