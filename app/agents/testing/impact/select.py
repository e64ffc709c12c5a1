"""A choice of tests: which ones a change touches and why, and in which order they tell most in the least time. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from app.agents.testing.impact.source import SourceIndex

PROBES = 3
"""Tests of a file that run ahead of its own order, when there are many."""

START_S = 0.004
"""What the smallest test costs with all that pytest does around it."""

COLLECT_S = 0.00012
"""What collecting one test costs, imports left out (measured on three public projects: 0.05 to 0.2 ms)."""

RED, OWN, NEW, EXECUTES, READS, NEAR, REACHES = 100.0, 60.0, 50.0, 20.0, 15.0, 4.0, 1.0
"""How likely a test is to tell something: it is red; it was itself changed; its file is new; it executes a changed
function, or reads a changed file; it executes something of a file whose module-level code changed; it only imports
it."""

NAMED = 4.0
"""By how much more so, when its name holds that of what changed."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a test is among those that a change touches: how much that weighs, and a sentence for people."""

    weight: float
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """One test file of a run: what the worker is told of it.

    Attributes:
        path: The file.
        leave: Its known tests that are left for the rest of the run; what is not known runs.
        probe: Those that run first.
        only: None, or the only tests that run.
        unused: Its test functions of which none runs, as `TestOne::test_it`.
    """

    path: str
    leave: tuple[str, ...] = ()
    probe: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    unused: tuple[str, ...] = ()

    def as_order(self) -> dict[str, object]:
        """Return it as the worker reads it."""
        lists = {"leave": self.leave, "probe": self.probe, "unused": self.unused}
        only = None if self.only is None else list(self.only)
        return {"path": self.path, "only": only, **{name: list(ids) for name, ids in lists.items()}}


@dataclass(frozen=True, slots=True)
class Selection:
    """What a change touches.

    Attributes:
        impacted: Why, by node id.
        new_files: Test files that are not known yet.
        whole: Why nothing was chosen, as a sentence; empty when something was, or might have been.
        indexes: The changed files as they are now; None for one that is gone.
    """

    impacted: Mapping[str, Reason] = field(default_factory=dict)
    new_files: tuple[str, ...] = ()
    whole: str = ""
    indexes: Mapping[str, SourceIndex | None] = field(default_factory=dict)

    @property
    def is_chosen(self) -> bool:
        """True when there are tests to run ahead of the rest."""
        return not self.whole and bool(self.impacted or self.new_files)


def in_order(
    selection: Selection, files: Mapping[str, Sequence[str]], durations: Mapping[str, float]
) -> tuple[Chunk, ...]:
    """Return the files to run, the one first that is likely to tell most in the least time.

    Within a file pytest's order is kept but for a few tests ahead of it: fixtures of a module's scope are then set up
    and torn down for the same tests as in a whole run.

    Args:
        selection: What was chosen.
        files: The known tests of each file, in pytest's order.
        durations: Seconds of each test, where known.
    """
    by_file: dict[str, list[str]] = {}
    for nodeid in selection.impacted:
        by_file.setdefault(nodeid.partition("::")[0], []).append(nodeid)
    ranked = []
    for path, chosen in by_file.items():
        known = files.get(path, ())
        values = {nodeid: selection.impacted[nodeid].weight / _cost(nodeid, durations) for nodeid in chosen}
        best = max(chosen, key=values.__getitem__)
        seconds = _cost(best, durations) + COLLECT_S * len(known)
        likely = sum(sorted((selection.impacted[nodeid].weight for nodeid in chosen), reverse=True)[:PROBES])
        wanted = set(known if path in chosen else chosen)  # the file itself is red when it could not be imported
        leave = tuple(nodeid for nodeid in known if nodeid not in wanted)
        chunk = Chunk(path, leave, _probes(chosen, known, values), unused=_unused(leave, wanted))
        ranked.append((likely / seconds, chunk))
    ranked += [(NEW / START_S, Chunk(path)) for path in selection.new_files]
    ranked.sort(key=lambda each: -each[0])
    return tuple(chunk for _, chunk in ranked)


def _probes(chosen: Collection[str], known: Sequence[str], values: Mapping[str, float]) -> tuple[str, ...]:
    """Return the few that run first; never a file's last test, whose teardown is also the file's."""
    if len(chosen) <= PROBES:
        return ()
    last = known[-1] if known else ""
    return tuple(sorted((nodeid for nodeid in chosen if nodeid != last), key=lambda each: -values[each])[:PROBES])


def _unused(leave: Iterable[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """Return the functions of tests that are left, save for those that a wanted one may inherit."""
    inherited = {_function(nodeid).rpartition("::")[2] for nodeid in wanted}
    names = dict.fromkeys(map(_function, leave))
    return tuple(name for name in names if name.rpartition("::")[2] not in inherited)


def _function(nodeid: str) -> str:
    return nodeid.partition("::")[2].partition("[")[0]


def _cost(nodeid: str, durations: Mapping[str, float]) -> float:
    return START_S + durations.get(nodeid, START_S)
