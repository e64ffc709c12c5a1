"""Metrics of the work: tests, audits, and the asking of models."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from app.domain.analysis import BreakerState, ExplainStage
from app.domain.findings import Severity
from app.domain.verdicts import Outcome, Verdict
from app.metrics.reading import counted, counter, gauge, measured, spread, states

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from app.domain.snapshot import ProjectView
    from app.metrics.reading import Reading


def families(reading: Reading) -> Iterator[Metric]:
    """Yield them all."""
    yield from _runs(reading)
    yield from _tests(reading)
    yield from _audits(reading)
    yield from _models(reading)


def _projects(reading: Reading) -> Iterator[tuple[str, ProjectView]]:
    for root, view in reading.snapshot.projects.items():
        yield reading.labels.projects[root], view


def _runs(reading: Reading) -> Iterator[Metric]:
    runs = counter("runs", "Test runs that ended, by what they said.", "project", "verdict")
    seen = dict(reading.by_project("runs"))
    going = gauge("run_in_progress", "1 while tests of the project run.", "project")
    trouble = gauge(
        "run_trouble",
        "1 while the last run went wrong as a whole, so that its tests do not tell how the project stands.",
        "project",
    )
    last = gauge("last_run_timestamp_seconds", "When the last run ended that said something.", "project")
    for label, view in _projects(reading):
        # A series that begins at 1 hides its first increase from rate(): all verdicts stand at 0 from the start.
        for verdict in Verdict:
            runs.add_metric([label, verdict.value], seen.get((label, verdict.value), 0.0))
        going.add_metric([label], float(view.current is not None))
        trouble.add_metric([label], float(view.trouble is not None))
        if view.last is not None and view.last.finished_at is not None:
            last.add_metric([label], view.last.finished_at)
    yield from (runs, going, trouble, last)
    yield spread(
        "run_duration_seconds",
        "How long test runs took that were not cancelled.",
        reading.spread_by_project("run"),
        "project",
    )
    yield spread(
        "first_verdict_seconds",
        "Time from the start of a run after a save to its first word on the change: tests that broke, the tests of the"
        " change green, or its end. The wait for a save to settle is not in it.",
        reading.spread_by_project("first_verdict"),
        "project",
    )


def _tests(reading: Reading) -> Iterator[Metric]:
    results = counter("test_results", "Tests that ended in a run, by how.", "project", "outcome")
    seen = dict(reading.by_project("results"))
    tests = gauge("tests", "Tests of the project, by how they ended last.", "project", "outcome")
    red = gauge("red_tests", "Tests that a person must look at.", "project")
    covered = gauge("coverage_ratio", "Statements that the tests executed, of all, when last measured.", "project")
    change = gauge(
        "changed_lines_coverage_ratio", "Changed lines that the tests execute, of all of the last change.", "project"
    )
    for root, view in reading.snapshot.projects.items():
        label, now = reading.labels.projects[root], reading.tests.get(root, {})
        for outcome in Outcome:
            results.add_metric([label, outcome.value], seen.get((label, outcome.value), 0.0))
            tests.add_metric([label, outcome.value], now.get(outcome, 0))
        red.add_metric([label], sum(count for outcome, count in now.items() if outcome.is_red))
        if view.coverage is not None:
            covered.add_metric([label], view.coverage.percent / 100)
        if view.changed_lines is not None and view.changed_lines.total:
            change.add_metric([label], view.changed_lines.covered / view.changed_lines.total)
    yield from (results, tests, red, covered, change)
    checks = counter(
        "second_looks",
        "Second looks at tests that went red, by what they blame: the change, something else, the test itself"
        " (flaky), or nothing that is known.",
        "project",
        "blame",
    )
    for labels, value in reading.by_project("checks"):
        checks.add_metric(labels, value)
    yield checks


def _audits(reading: Reading) -> Iterator[Metric]:
    audits = counter("audits", "Audits that ended, by what began them and what they came to.", *_AUDIT, "verdict")
    triggers = counter(
        "audit_triggers", "What asked for an audit, also where several were folded into one audit.", *_AUDIT
    )
    for family, name in ((audits, "audits"), (triggers, "triggers")):
        for labels, value in reading.by_project(name):
            family.add_metric(labels, value)
        yield family
    yield spread("audit_duration_seconds", "How long audits took.", reading.spread_by_project("audit"), "project")
    going = gauge("audit_in_progress", "1 while an audit of the project is on its way.", "project")
    last = gauge("last_audit_timestamp_seconds", "When the last audit ended.", "project")
    found = gauge("open_findings", "Findings that are neither muted nor fixed, by severity.", "project", "severity")
    new = gauge("new_findings", "Of the open findings those that the audit before did not have.", "project")
    for root, view in reading.snapshot.audits.items():
        label = reading.labels.projects.get(root)
        if label is None:
            continue
        going.add_metric([label], float(bool(view.running)))
        if view.last_id:
            last.add_metric([label], view.last_at)
            new.add_metric([label], view.new)
            by_severity = dict(view.open)
            for severity in Severity:
                found.add_metric([label, severity.value], by_severity.get(severity, 0))
    yield from (going, last, found, new)


_AUDIT = ("project", "trigger")


def _models(reading: Reading) -> Iterator[Metric]:
    plain = reading.labels.plain
    answers = counter(
        "model_answers",
        "Questions to models that ended, by who answered and what came of it: answered, cut, failed. Reviews of audits"
        " are not in it, their tokens are in the tokens.",
        "provider",
        "outcome",
    )
    for (provider, outcome), value in reading.counted.counts.get("answers", {}).items():
        answers.add_metric([plain(provider), outcome], value)
    yield answers
    yield spread(
        "model_answer_duration_seconds",
        "Time from a question to the end of its answer, all attempts together.",
        (((plain(who),), each) for (who,), each in reading.counted.histograms.get("answer", {}).items()),
        "provider",
    )
    unanswered = counter(
        "unanswered_explanations", "Explanations of red tests that a model was asked for and did not give.", "project"
    )
    explained = gauge("explanations", "Red tests by how far their explanation has come.", "project", "stage")
    for labels, value in reading.by_project("unanswered"):
        unanswered.add_metric(labels, value)
    for label, view in _projects(reading):
        stages = Counter(each.stage for each in view.explained.values())
        for stage in ExplainStage:
            explained.add_metric([label, stage.value], stages[stage])
    yield from (unanswered, explained)
    now = reading.snapshot.analysis
    yield counted("model_tokens", "Tokens that questions to models took, both ways.", reading.count("tokens"))
    yield counted("model_cost_dollars", "US dollars that they took, as far as known.", reading.count("dollars"))
    yield measured("model_tokens_today", "Tokens used since local midnight.", now.tokens_today)
    yield measured(
        "model_tokens_daily_limit", "Tokens that a day may take; absent for any number.", _limit(now.tokens_limit)
    )
    yield measured("model_cost_today_dollars", "US dollars spent since local midnight.", now.cost_today)
    yield measured(
        "model_cost_daily_limit_dollars", "US dollars that a day may take; absent for any.", _limit(now.cost_limit)
    )
    yield measured("model_questions_pending", "Questions to models that are on their way.", now.asking)
    breakers = gauge("model_breaker_state", "1 for the state of the provider's circuit breaker.", "provider", "state")
    usable = gauge("model_provider_usable", "1 while the provider can be asked, as far as known.", "provider")
    for each in now.providers:
        states(breakers, BreakerState, each.breaker, plain(each.name))
        usable.add_metric([plain(each.name)], float(not each.reason))
    yield from (breakers, usable)


def _limit(value: float) -> float | None:
    return value or None
