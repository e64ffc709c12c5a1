"""What waits to be written: bounded by memory, filled by the loop, emptied by the writer thread."""

from __future__ import annotations

import sys
import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.domain.errors import StoreError
from app.domain.events import (
    AuditKept,
    ConversationDeleted,
    ExchangeEnded,
    FailureAnswered,
    ProjectWatched,
    RunCollected,
    RunFinished,
    RunStarted,
    TestsRan,
    VerdictChanged,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from app.domain.events import Event
    from app.domain.findings import Finding
    from app.store.queries import Queries

RECORDED = (
    ProjectWatched,
    RunStarted,
    RunCollected,
    TestsRan,
    RunFinished,
    VerdictChanged,
    FailureAnswered,
    ExchangeEnded,
    ConversationDeleted,
    AuditKept,
)
"""The events that history keeps."""

CLOSED_HINT = "Watchkeeper is stopping: ask again when it runs."
CAPACITY_BYTES = 32 * 1024 * 1024
GATHER_S = 0.1
"""Events wait this long for more, so that one transaction takes them all."""
BATCH_RESULTS = 5_000
"""So many results are written without waiting for more."""
BATCH_BYTES = 4 * 1024 * 1024
_EVENT_BYTES = 400
_RESULT_BYTES = 160


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is asked of the writer thread.

    Attributes:
        future: Resolved with the answer.
        query: What to do with the queries; None asks only that all recorded before `mark` is written.
        mark: How many events had been recorded when it was asked.
    """

    future: Future[object]
    query: Callable[[Queries], object] | None
    mark: int


@dataclass(frozen=True, slots=True)
class Losses:
    """What did not fit into memory while the database could not be written."""

    outputs: int = 0
    results: int = 0
    events: int = 0


@dataclass(slots=True, eq=False)
class _Entry:
    event: Event | None
    cost: int
    results: int
    seq: int


class Backlog:
    """A queue of events, and of jobs, between the loop and the writer thread. All methods may be called by any thread.

    When it is full, the outputs of the oldest results go first, then the oldest results, then the oldest of the rest.

    Args:
        capacity_bytes: How much memory the waiting events may take, by estimate.
    """

    def __init__(self, capacity_bytes: int = CAPACITY_BYTES) -> None:
        self._capacity = capacity_bytes
        self._changed = threading.Condition()
        self._entries: deque[_Entry] = deque()
        self._with_output: deque[_Entry] = deque()
        self._with_results: deque[_Entry] = deque()
        self._taken: deque[_Entry] = deque()
        self._jobs: deque[Job] = deque()
        self._cost = 0
        self._results = 0
        self._recorded = 0
        self._losses = Losses()
        self._closing = False

    @property
    def recorded(self) -> int:
        """How many events came in."""
        return self._recorded

    @property
    def losses(self) -> Losses:
        """What was dropped so far."""
        return self._losses

    @property
    def cost_bytes(self) -> int:
        """An estimate of the memory that the waiting events take."""
        return self._cost

    @property
    def pending(self) -> int:
        """How many events wait, those in the writer's hands among them."""
        with self._changed:
            return len(self._entries) + len(self._taken)

    def put(self, event: Event) -> None:
        """Take an event if history keeps its kind; after `close` it is counted as lost. Never blocks for long."""
        if not isinstance(event, RECORDED):
            return
        if isinstance(event, ProjectWatched):
            event = replace(event, known=())  # history told these itself
        entry = _entry(event)
        with self._changed:
            self._recorded += 1
            if self._closing:
                self._lose(events=1)
                return
            entry.seq = self._recorded
            self._entries.append(entry)
            self._cost += entry.cost
            self._results += entry.results
            if isinstance(event, TestsRan):
                self._with_results.append(entry)
                if any(result.output for result in event.results):
                    self._with_output.append(entry)
            self._shrink()
            if len(self._entries) == 1 or self._results >= BATCH_RESULTS:
                self._changed.notify()

    def ask(self, future: Future[object], query: Callable[[Queries], object] | None) -> None:
        """Have the writer thread resolve `future` with the query's answer, or once all that waits is written.

        Raises:
            StoreError: The history is closed.
        """
        with self._changed:
            if self._closing:
                raise StoreError("The history is closed.", CLOSED_HINT)
            self._jobs.append(Job(future, query, self._recorded))
            self._changed.notify()

    def close(self) -> None:
        """Take nothing more, and wake the writer thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def wait(self, timeout_s: float | None, *, held: bool) -> bool:
        """Block until there is something to do: a job, the end, or events that were gathered.

        Args:
            timeout_s: At most so long; None for as long as it takes.
            held: Events alone are no reason to wake, because the database could not be written just now.

        Returns:
            True when the backlog is closing.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._urgent() or (bool(self._entries) and not held), timeout_s)
            if self._entries and not held:
                self._changed.wait_for(lambda: self._urgent() or self._results >= BATCH_RESULTS, GATHER_S)
            return self._closing

    def take_jobs(self) -> list[Job]:
        """Return the jobs that wait, and forget them."""
        with self._changed:
            jobs = list(self._jobs)
            self._jobs.clear()
            return jobs

    def take(self) -> tuple[Event, ...]:
        """Return the oldest events, about BATCH_RESULTS results at most. They count as waiting until `settle`.

        Until then the same ones are returned again: the writer never holds more than one batch.
        """
        with self._changed:
            results = cost = 0
            fresh = not self._taken
            while fresh and self._entries and results < BATCH_RESULTS and cost < BATCH_BYTES:
                entry = self._entries.popleft()
                for side in (self._with_output, self._with_results):
                    if side and side[0] is entry:
                        side.popleft()
                self._results -= entry.results
                results += entry.results
                cost += entry.cost
                if entry.event is not None:
                    self._taken.append(entry)
            return tuple(entry.event for entry in self._taken if entry.event is not None)

    def settle(self, count: int | None = None) -> None:
        """Forget the first `count` events that were taken, or all: they are written."""
        with self._changed:
            while self._taken and (count is None or count > 0):
                entry = self._taken.popleft()
                self._cost -= entry.cost
                count = None if count is None else count - 1

    def is_settled(self, mark: int) -> bool:
        """True when nothing waits any more of the first `mark` events."""
        with self._changed:
            return not self._taken and (not self._entries or self._entries[0].seq > mark)

    def abandon(self) -> int:
        """Drop all that still waits, because it cannot be written any more. Returns how many events that were."""
        with self._changed:
            left = [entry for entry in (*self._taken, *self._entries) if entry.event is not None]
            self._lose(events=sum(not entry.results for entry in left), results=sum(entry.results for entry in left))
            for queue in (self._entries, self._with_output, self._with_results):
                queue.clear()
            self._taken.clear()
            self._cost = self._results = 0
            return len(left)

    def lost(self, *, results: int = 0, events: int = 0) -> None:
        """Count what the database refused."""
        with self._changed:
            self._lose(results=results, events=events)

    def _urgent(self) -> bool:
        return self._closing or bool(self._jobs)

    def _lose(self, *, outputs: int = 0, results: int = 0, events: int = 0) -> None:
        had = self._losses
        self._losses = Losses(had.outputs + outputs, had.results + results, had.events + events)

    def _shrink(self) -> None:
        while self._cost > self._capacity and self._with_output:
            entry = self._with_output.popleft()
            event = entry.event
            if isinstance(event, TestsRan):
                self._lose(outputs=sum(1 for result in event.results if result.output))
                event = replace(event, results=tuple(replace(result, output="") for result in event.results))
                self._replace(entry, _entry(event))
        while self._cost > self._capacity and self._with_results:
            entry = self._with_results.popleft()
            self._lose(results=entry.results)
            self._replace(entry, None)
        while self._cost > self._capacity and self._entries:
            entry = self._entries.popleft()
            self._lose(events=entry.event is not None)
            self._replace(entry, None)
        while self._entries and self._entries[0].event is None:
            self._entries.popleft()

    def _replace(self, entry: _Entry, by: _Entry | None) -> None:
        self._cost += (by.cost if by else 0) - entry.cost
        self._results += (by.results if by else 0) - entry.results
        entry.event, entry.cost, entry.results = (by.event, by.cost, by.results) if by else (None, 0, 0)


def _entry(event: Event) -> _Entry:
    if isinstance(event, TestsRan):
        texts = sum(sys.getsizeof(each.nodeid) + sys.getsizeof(each.output) for each in event.results)
        return _Entry(event, _EVENT_BYTES + _RESULT_BYTES * len(event.results) + texts, len(event.results), 0)
    cost = _EVENT_BYTES
    if isinstance(event, RunStarted | VerdictChanged):
        cost += sum(map(sys.getsizeof, event.cause.paths))
    if isinstance(event, VerdictChanged):
        cost += sum(map(sys.getsizeof, (*event.broke, *event.fixed, *event.gone)))
    if isinstance(event, RunFinished):
        cost += sys.getsizeof(event.output) + sum(map(sys.getsizeof, event.gone))
    if isinstance(event, FailureAnswered):
        answer = event.answer
        told = (answer.cause, answer.next_step, answer.patch, answer.patch_note, answer.text)
        places = (text for place in answer.evidence for text in (place.path, place.why, place.source))
        cost += sum(map(sys.getsizeof, (*told, *places)))
    if isinstance(event, AuditKept):
        cost += sum(map(_finding_cost, (*(each.finding for each in event.report.findings), *event.report.fixed)))
    if isinstance(event, ExchangeEnded):
        exchange = event.exchange
        cost += sum(map(sys.getsizeof, (event.title, exchange.question, exchange.answer, exchange.trouble)))
    return _Entry(event, cost, 0, 0)


def _finding_cost(finding: Finding) -> int:
    texts = (finding.title, finding.path, finding.evidence, finding.detail, finding.remedy)
    return _RESULT_BYTES + sum(map(sys.getsizeof, texts))
