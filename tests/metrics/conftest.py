"""A whole story told in events, as the program tells it, and what is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.domain import events
from app.domain.agents import AgentState
from app.domain.analysis import (
    AnalysisView,
    Answer,
    BreakerState,
    Exchange,
    Explained,
    ExplainStage,
    ProviderView,
    Subject,
    Usage,
)
from app.domain.coverage import ChangedLines, Coverage, FileCoverage
from app.domain.findings import AuditReport, AuditVerdict, AuditView, Severity, Trigger, TriggerKind
from app.domain.health import ChannelView, Ending, KeptBy, UncleanEnd, Vitals
from app.domain.keys import SecretView, VaultState, VaultView
from app.domain.verdicts import Cause, CauseKind, Check, Outcome, Stage, TestResult, Verdict
from app.engine.bridge import BridgeCounters
from app.engine.bus import Bus
from app.metrics.exposition import Exposition
from app.metrics.tally import Tally
from app.store.counters import HistoryCounters

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.engine.clock import Clock

ROOT = "/home/anna/secret-customer/shop"
SAVE = Cause(CauseKind.SAVE, ("cart.py",))
BRIDGE = BridgeCounters(depth=3, pending=5, wait_s=0.25, worst_wait_s=1.5, accepted=100, refused=2, merged=40)
VITALS = Vitals(
    at=1.0,
    rss_bytes=90_000_000,
    descriptors=40,
    threads=9,
    tasks=21,
    lag_p50_s=0.001,
    lag_p99_s=0.02,
    lag_worst_s=0.4,
    bridge_depth=1,
    timers=6,
    lag_sum_s=0.03,
    lag_bounds_s=(0.01, 0.05),
    lag_counts=(0, 1, 0),
)
HISTORY = HistoryCounters(50, 48, 2, 4096, 7, 1, 1, 4, 5, 6)


class Told:
    """A bus whose events are counted, and the text that is made of them."""

    def __init__(self, clock: Any, redact: Callable[[str], str] = str) -> None:
        self.clock = clock
        self.bus = Bus(clock)
        self.tally = Tally(self.bus.snapshot, clock.monotonic)
        self.bus.subscribe(self.tally.see)
        self.exposition = Exposition(self.tally, clock, bridge=lambda: BRIDGE, history=lambda: HISTORY, redact=redact)

    def tell(self, *told: events.Event) -> None:
        for event in told:
            self.bus.publish(event)

    def text(self) -> str:
        self.clock.advance(1.0)
        return self.exposition.text().decode()

    def values(self) -> dict[tuple[str, ...], float]:
        """Read the text back: each sample by its name and its labels' values, in the order of their names."""
        return values_of(self.text())

    def watch(self, root: str, name: str) -> None:
        self.tell(events.ProjectWatched(at=1.0, project=root, name=name))

    def has_run(
        self, root: str, verdict: Verdict, *results: TestResult, run_id: str = "r1", cause: Cause = SAVE
    ) -> None:
        at = self.clock.wall()
        self.tell(
            events.RunStarted(at=at, project=root, run_id=run_id, cause=cause),
            events.TestsRan(at=at, project=root, run_id=run_id, results=results),
            events.RunFinished(at=at, project=root, run_id=run_id, verdict=verdict, duration_s=3.0),
        )


def values_of(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _of_tests(told: Told) -> None:
    at = told.clock.wall()
    told.watch(ROOT, "shop")
    told.tell(events.RunStarted(at=at, project=ROOT, run_id="r1", cause=SAVE))
    told.clock.advance(0.7)
    red = TestResult("tests/test_cart.py::test_total", Outcome.FAILED, 0.1, "boom")
    told.tell(
        events.TestsRan(at=at, project=ROOT, run_id="r1", results=(red, TestResult("t::b", Outcome.PASSED))),
        events.RunStaged(at=at, project=ROOT, run_id="r1", stage=Stage.REST, verdict=Verdict.RED),
        events.VerdictChanged(at=at, project=ROOT, run_id="r1", cause=SAVE, broke=(red.nodeid,), still_red=1),
        events.ChangeCovered(at=at, project=ROOT, run_id="r1", lines=ChangedLines(4, 3)),
        events.RunFinished(at=at, project=ROOT, run_id="r1", verdict=Verdict.RED, duration_s=3.0),
        events.TestChecked(at=at, project=ROOT, nodeid=red.nodeid, check=Check(alone=Outcome.PASSED)),
        events.CoverageMeasured(at=at, project=ROOT, coverage=Coverage((FileCoverage("cart.py", 4, (1,)),))),
    )


def _of_audits_and_models(told: Told) -> None:
    at = told.clock.wall()
    marker = Trigger(TriggerKind.MARKER, "TASK_COMPLETE.md", others=2)
    report = AuditReport("a1", ROOT, at, 12.0, marker)
    view = AuditView(
        ROOT, last_id="a1", last_at=at, verdict=AuditVerdict.FAIL, open=((Severity.HIGH, 2), (Severity.LOW, 1)), new=1
    )
    answer = Answer(at, "deepseek", "chat", Usage(1000, 200, 0.01, 8.0), cause="off by one")
    spent = AnalysisView(
        providers=(ProviderView("deepseek", "api.example.org", "chat", BreakerState.OPEN, "It failed too often."),),
        tokens_today=1200,
        tokens_limit=100_000,
        cost_today=0.01,
        cost_limit=1.0,
    )
    told.tell(
        events.AuditKept(at=at, project=ROOT, report=report),
        events.AuditChanged(at=at, audit=view),
        events.AuditEnded(at=at, project=ROOT, audit="a1", verdict=AuditVerdict.FAIL, trigger=marker),
        events.AnalysisChanged(at=at, analysis=AnalysisView()),
        events.AnalysisChanged(at=at, analysis=spent),
        events.FailureAnswered(
            at=at, project=ROOT, nodeid="tests/test_cart.py::test_total", fingerprint="f", answer=answer
        ),
        events.ExchangeEnded(
            at=at, conversation="c", subject=Subject(), title="?", exchange=Exchange(1, at, "?", trouble="no network")
        ),
        events.ExplanationChanged(
            at=at, project=ROOT, explained=Explained("tests/test_cart.py::test_total", ExplainStage.UNANSWERED)
        ),
    )


def _of_the_program(told: Told) -> None:
    at = told.clock.wall()
    told.tell(
        events.LifeBegan(
            at=at, kept_by=KeptBy.SYSTEMD, ends=(UncleanEnd(at - 60, Ending.STUCK, "x.py:1 in f"),), safe_mode="why"
        ),
        events.AgentChanged(at=at, agent="tests:shop", state=AgentState.RUNNING, restarts=2),
        events.AgentBeat(at=at, agent="tests:shop", progress=17),
        events.ProgressMissed(at=at, agent="tests:shop", seconds=120.0),
        events.VitalsTaken(at=at, vitals=VITALS),
        events.LoopLagged(at=at, lag_s=2.5, where="x.py:3 in g"),
        events.SystemResumed(at=at, slept_s=600.0, source="logind"),
        events.NetworkChanged(at=at, is_online=True),
        events.ChannelChanged(at=at, channel=ChannelView("mail", 3, "The server says no.", at, 1)),
        events.NoticeRaised(at=at, key="k", text="t"),
        events.VaultChanged(at=at, vault=VaultView(VaultState.OPEN, secrets=(SecretView("OPENAI_KEY", due=1),))),
        events.KeyRotated(at=at),
        events.AccessLogBroken(at=at, problem="cut"),
    )
    told.tally.tick()
    told.tally.scraped(200)


@pytest.fixture
def told(fake_clock: Clock) -> Told:
    """A bus that nothing was told on yet."""
    return Told(fake_clock)


@pytest.fixture
def whole_story(fake_clock: Clock) -> Told:
    """A bus on which something of every kind happened, so that no series is missing."""
    told = Told(fake_clock)
    _of_tests(told)
    _of_audits_and_models(told)
    _of_the_program(told)
    return told
