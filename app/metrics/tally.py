"""What is counted from events, since a snapshot holds only how things stand now."""

from __future__ import annotations

import bisect
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.domain import events
from app.domain.analysis import AnalysisView, ExplainStage
from app.domain.health import Lateness
from app.domain.verdicts import CauseKind, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.domain.snapshot import Snapshot

    Labelled = tuple[str, ...]

RUN_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
VERDICT_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
AUDIT_S = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
ANSWER_S = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 45.0, 90.0)

REMEMBERED_AUDITS = 256
"""One audit may be told again when a history is restored: it is still one."""


@dataclass(slots=True)
class Histogram:
    """How often values fell into which bucket.

    Attributes:
        bounds: The upper bounds of the buckets, ascending; one without a bound comes after them.
        counts: How many values fell into each, not cumulative; one more than there are bounds.
        total: The sum of all values.
    """

    bounds: Sequence[float]
    counts: list[int]
    total: float = 0.0

    @classmethod
    def empty(cls, bounds: Sequence[float]) -> Histogram:
        """Return one without values."""
        return cls(bounds, [0] * (len(bounds) + 1))

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value

    def copy(self) -> Histogram:
        """Return one that later values do not change."""
        return Histogram(self.bounds, list(self.counts), self.total)


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted by one moment. Projects go by their root folder here, agents and providers by their name.

    Attributes:
        snapshot: The state after the last event that was counted.
        counts: Counters by name and then by labels.
        histograms: Likewise.
        beats: When each agent beat last, on the monotonic clock.
        ticked: When the event loop showed last that it runs, on the monotonic clock.
    """

    snapshot: Snapshot
    counts: Mapping[str, Mapping[Labelled, float]] = field(default_factory=dict)
    histograms: Mapping[str, Mapping[Labelled, Histogram]] = field(default_factory=dict)
    beats: Mapping[str, float] = field(default_factory=dict)
    ticked: float = 0.0


class Tally:
    """Counts events on the loop's thread, and is read from any other.

    Args:
        snapshot: The state to begin with.
        monotonic: The monotonic clock, in seconds.
    """

    def __init__(self, snapshot: Snapshot, monotonic: Callable[[], float]) -> None:
        # Held for a few microseconds: a scrape copies what is counted, and works on the copy.
        self._lock = threading.Lock()
        self._snapshot = snapshot
        self._monotonic = monotonic
        self._counts: defaultdict[str, defaultdict[Labelled, float]] = defaultdict(lambda: defaultdict(float))
        self._histograms: defaultdict[str, dict[Labelled, Histogram]] = defaultdict(dict)
        self._beats: dict[str, float] = {}
        self._ticked = monotonic()
        self._saved: dict[str, tuple[str, float]] = {}
        self._audits: dict[str, None] = {}
        self._analysis = None if snapshot.analysis == AnalysisView() else snapshot.analysis

    def see(self, event: events.Event, snapshot: Snapshot) -> None:
        """Count an event; `snapshot` is the state after it."""
        with self._lock:
            self._snapshot = snapshot
            self._see(event)

    def tick(self) -> None:
        """Note that the loop runs."""
        with self._lock:
            self._ticked = self._monotonic()

    def scraped(self, status: int) -> None:
        """Note a request for metrics, and the HTTP status of its answer."""
        with self._lock:
            self._add("scrapes", str(status))

    def made(self, took_s: float) -> None:
        """Note that the text of all metrics was made, and how long that took, in seconds."""
        with self._lock:
            self._add("texts")
            self._add("text_seconds", by=took_s)

    def counted(self) -> Counted:
        """Return what was counted so far."""
        with self._lock:
            return Counted(
                self._snapshot,
                {name: dict(series) for name, series in self._counts.items()},
                {name: {key: each.copy() for key, each in of.items()} for name, of in self._histograms.items()},
                dict(self._beats),
                self._ticked,
            )

    def _add(self, name: str, *labels: str, by: float = 1.0) -> None:
        self._counts[name][labels] += by

    def _observe(self, name: str, labels: Labelled, value: float, bounds: Sequence[float]) -> None:
        of = self._histograms[name]
        if labels not in of:
            of[labels] = Histogram.empty(bounds)
        of[labels].add(value)

    def _see(self, event: events.Event) -> None:
        match event:
            case events.AgentBeat():
                self._beats[event.agent] = self._monotonic()
            case events.LoopLagged(kind=Lateness.BLOCKED):
                self._add("loop_stalls")
            case events.SystemResumed():
                self._add("resumes")
                self._add("slept", by=max(0.0, event.slept_s))
            case events.KeyRotated():
                self._add("key_rotations")
            case events.AccessLogBroken():
                self._add("access_log_problems")
            case events.AuditKept() | events.AuditEnded():
                self._see_audit(event)
            case events.FailureAnswered() | events.ExchangeEnded() | events.AnalysisChanged():
                self._see_model(event)
            case events.ExplanationChanged(explained=explained) if explained.stage is ExplainStage.UNANSWERED:
                self._add("unanswered", event.project)
            case _:
                self._see_tests(event)

    def _see_tests(self, event: events.Event) -> None:
        match event:
            case events.RunStarted(cause=cause) if cause.kind is CauseKind.SAVE:
                self._saved[event.project] = (event.run_id, self._monotonic())
            case events.RunStaged(verdict=verdict) if verdict is not None:
                self._first_word(event.project, event.run_id)
            case events.TestsRan():
                for result in event.results:
                    self._add("results", event.project, result.outcome.value)
            case events.VerdictChanged():
                self._first_word(event.project, event.run_id)
            case events.RunFinished():
                self._add("runs", event.project, event.verdict.value)
                if event.verdict is Verdict.CANCELLED:
                    self._saved.pop(event.project, None)
                else:
                    self._observe("run", (event.project,), event.duration_s, RUN_S)
                    self._first_word(event.project, event.run_id)
            case events.TestChecked():
                blame = event.check.blame
                self._add("checks", event.project, blame.value if blame is not None else "unknown")

    def _first_word(self, project: str, run_id: str) -> None:
        saved, since = self._saved.get(project, ("", 0.0))
        if saved == run_id:
            del self._saved[project]
            self._observe("first_verdict", (project,), self._monotonic() - since, VERDICT_S)

    def _see_audit(self, event: events.AuditKept | events.AuditEnded) -> None:
        if isinstance(event, events.AuditEnded):
            trigger = event.trigger.kind.value
            self._add("audits", event.project, trigger, event.verdict.value)
            self._add("triggers", event.project, trigger, by=1 + event.trigger.others)
        elif event.report.id not in self._audits:
            self._audits[event.report.id] = None
            if len(self._audits) > REMEMBERED_AUDITS:
                del self._audits[next(iter(self._audits))]
            self._observe("audit", (event.project,), event.report.duration_s, AUDIT_S)

    def _see_model(self, event: events.FailureAnswered | events.ExchangeEnded | events.AnalysisChanged) -> None:
        match event:
            case events.FailureAnswered(answer=answer):
                self._add("answers", answer.provider, "answered")
                self._observe("answer", (answer.provider,), answer.usage.latency_s, ANSWER_S)
            case events.ExchangeEnded(exchange=exchange):
                outcome = "answered" if not exchange.trouble else "cut" if exchange.provider else "failed"
                self._add("answers", exchange.provider or "none", outcome)
                if exchange.provider:
                    self._observe("answer", (exchange.provider,), exchange.usage.latency_s, ANSWER_S)
            case events.AnalysisChanged(analysis=now):
                # What is spent falls to nothing at midnight, and what was spent before the start is not ours to count.
                before, self._analysis = self._analysis, now
                if before is not None:
                    self._add("tokens", by=_grown(before.tokens_today, now.tokens_today))
                    self._add("dollars", by=_grown(before.cost_today, now.cost_today))


def _grown(before: float, now: float) -> float:
    return now - before if now >= before else now
