"""The reducer: events fold into the one snapshot that every face shows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import events
from app.domain.agents import AgentState
from app.domain.coverage import ChangedLines, Coverage, FileCoverage
from app.domain.findings import AuditView, Severity
from app.domain.reduce import reduce
from app.domain.snapshot import Mood, RunView, Snapshot
from app.domain.verdicts import Cause, CauseKind, Check, Counts, Outcome, Stage, TestResult, Verdict

ROOT = "/p"
START = Cause(CauseKind.START)
LINES = ChangedLines(3, 2, (("a.py", (7,)),))
COVERAGE = Coverage((FileCoverage("a.py", 4, (7,)),))
SAVE = Cause(CauseKind.SAVE, ("a.py",))


def after(*happened: events.Event, start: Snapshot | None = None) -> Snapshot:
    snapshot = start or Snapshot(started_at=0.0)
    for event in happened:
        snapshot = reduce(snapshot, event)
    return snapshot


def watched() -> events.Event:
    return events.ProjectWatched(at=1, project=ROOT, name="p")


def run(run_id: str, *results: TestResult, at: float, cause: Cause = START, **end: Any) -> list[events.Event]:
    end = {"verdict": Verdict.GREEN, "duration_s": 1.0} | end
    return [
        events.RunStarted(at=at, project=ROOT, run_id=run_id, cause=cause),
        events.RunCollected(at=at, project=ROOT, run_id=run_id, total=len(results)),
        events.TestsRan(at=at, project=ROOT, run_id=run_id, results=results),
        events.RunFinished(at=at, project=ROOT, run_id=run_id, **end),
    ]


def test_a_run_is_current_while_it_goes_on_and_last_when_it_has_ended() -> None:
    """A run moves from `current` to `last`, with its counts."""
    passed = TestResult("t.py::a", Outcome.PASSED, 0.1)
    started, collected, ran, finished = run("1", passed, at=5)

    going = after(watched(), started, collected, ran)
    ended = after(finished, start=going)

    current = going.projects[ROOT].current
    assert current is not None
    assert (current.expected, current.counts) == (1, Counts(passed=1))
    assert ended.projects[ROOT].current is None
    last = ended.projects[ROOT].last
    assert last is not None
    assert (last.verdict, last.counts.total) == (Verdict.GREEN, 1)


def test_a_test_that_ends_twice_in_a_run_counts_once() -> None:
    """The tests of a change run again with the whole; their last end counts."""
    first, again = TestResult("t.py::a", Outcome.FAILED), TestResult("t.py::a", Outcome.PASSED)
    events_of = run("1", first, TestResult("t.py::b", Outcome.PASSED), at=1)[:3]
    whole = events.TestsRan(at=2, project=ROOT, run_id="1", results=(again, TestResult("t.py::c", Outcome.SKIPPED)))

    current = after(watched(), *events_of, whole).projects[ROOT].current

    assert current is not None
    assert current.counts == Counts(passed=2, skipped=1)


def test_a_test_remembers_when_and_by_what_it_turned() -> None:
    """`since` and `cause` are those of the turn from green to red, and stay while it remains red."""
    green = run("1", TestResult("t.py::a", Outcome.PASSED), at=1)
    red = run("2", TestResult("t.py::a", Outcome.FAILED), at=2, cause=SAVE, verdict=Verdict.RED)
    still = run("3", TestResult("t.py::a", Outcome.ERROR), at=3, verdict=Verdict.RED)

    state = after(watched(), *green, *red, *still).projects[ROOT].tests["t.py::a"]

    assert (state.outcome, state.since, state.cause, state.run_id) == (Outcome.ERROR, 2, SAVE, "3")


def test_a_cancelled_run_leaves_the_last_verdict_alone() -> None:
    """What a cancelled run says nothing about stays as it was."""
    green = run("1", at=1)
    cancelled = run("2", at=2, verdict=Verdict.CANCELLED)

    view = after(watched(), *green, *cancelled).projects[ROOT]

    assert view.current is None
    assert view.last is not None
    assert view.last.run_id == "1"


def test_tests_that_are_gone_are_forgotten() -> None:
    """A red test that was deleted does not keep the project red."""
    red = run("1", TestResult("t.py::a", Outcome.FAILED), at=1, verdict=Verdict.RED)
    green = run("2", at=2, gone=("t.py::a",))

    snapshot = after(watched(), *red, *green)

    assert snapshot.red_count == 0
    assert snapshot.mood is Mood.GREEN


def test_results_of_another_run_are_not_taken() -> None:
    """Late results of a run that is over change no test."""
    late = events.TestsRan(at=9, project=ROOT, run_id="old", results=(TestResult("t.py::a", Outcome.FAILED),))

    snapshot = after(watched(), run("1", at=1)[0], late)

    assert snapshot.red_count == 0


def staged(verdict: Verdict | None, *rest: TestResult, tests: int | None = 1) -> list[events.Event]:
    """A run of which one green test of the change has ended, and whose rest has begun."""
    of = {"at": 2.0, "project": ROOT, "run_id": "2"}
    return [
        events.RunStarted(**of, cause=SAVE),
        events.RunStaged(**of, stage=Stage.IMPACTED, tests=tests),
        events.TestsRan(**of, results=(TestResult("t.py::a", Outcome.PASSED),)),
        events.RunStaged(**of, stage=Stage.REST, tests=9, verdict=verdict),
        *([events.TestsRan(**of, results=rest)] if rest else []),
    ]


def current(snapshot: Snapshot) -> RunView:
    run = snapshot.projects[ROOT].current
    assert run is not None
    return run


def test_a_run_tells_its_stage_and_what_the_tests_of_the_change_said() -> None:
    """The first stage has a number of tests, the second knows the verdict of the first, and neither is an end."""
    happened = staged(Verdict.GREEN)

    first = current(after(watched(), *happened[:2]))
    second = current(after(watched(), *happened))

    assert (first.stage, first.impacted, first.impacted_verdict) == (Stage.IMPACTED, 1, None)
    assert (second.stage, second.impacted, second.impacted_verdict) == (Stage.REST, 1, Verdict.GREEN)
    assert second.verdict is None


def test_tests_of_the_change_are_counted_where_their_number_was_not_known() -> None:
    """When the rest begins, those that have ended are the tests of the change."""
    assert current(after(watched(), *staged(Verdict.GREEN, tests=None))).impacted == 1


@pytest.mark.parametrize(
    ("verdict", "rest", "confirming"),
    [
        (Verdict.GREEN, (), True),
        (Verdict.GREEN, (TestResult("t.py::b", Outcome.PASSED),), True),
        (Verdict.GREEN, (TestResult("t.py::b", Outcome.FAILED),), False),
        (Verdict.RED, (), False),
        (None, (), False),
    ],
)
def test_a_run_confirms_for_as_long_as_nothing_of_it_is_red(
    verdict: Verdict | None, rest: tuple[TestResult, ...], *, confirming: bool
) -> None:
    """Green tests of the change, and no red one among the rest so far."""
    assert current(after(watched(), *staged(verdict, *rest))).is_confirming is confirming


def test_an_ended_run_confirms_no_more() -> None:
    """Its own verdict says all, and the stage is kept for those who look back."""
    end = events.RunFinished(at=3, project=ROOT, run_id="2", verdict=Verdict.GREEN, duration_s=1)

    snapshot = after(watched(), *staged(Verdict.GREEN), end)

    last = snapshot.projects[ROOT].last
    assert last is not None
    assert (last.is_confirming, last.stage, last.impacted_verdict) == (False, Stage.REST, Verdict.GREEN)
    assert snapshot.mood is Mood.GREEN


def test_a_stage_of_another_run_changes_nothing() -> None:
    """Late words of a run that was cancelled are not taken for the next one's."""
    late = events.RunStaged(at=9, project=ROOT, run_id="old", stage=Stage.REST, verdict=Verdict.GREEN)

    assert current(after(watched(), run("1", at=1)[0], late)).stage is None


def test_a_second_look_stays_with_a_red_test_until_it_turns() -> None:
    """A run that finds it red again keeps the look; one that finds it green, or red anew, has none."""
    red, green = TestResult("t.py::a", Outcome.FAILED), TestResult("t.py::a", Outcome.PASSED)
    check = Check(Outcome.PASSED)
    looked = events.TestChecked(at=2, project=ROOT, nodeid="t.py::a", check=check)
    checked = after(watched(), *run("1", red, at=1, verdict=Verdict.RED), looked)

    still = after(*run("2", red, at=3, verdict=Verdict.RED), start=checked)
    mended = after(*run("3", green, at=4), start=still)
    anew = after(*run("4", red, at=5, verdict=Verdict.RED), start=mended)

    assert [s.projects[ROOT].tests["t.py::a"].check for s in (checked, still, mended, anew)] == [
        check,
        check,
        None,
        None,
    ]


def test_a_look_at_a_test_that_is_not_red_is_not_kept() -> None:
    """It came too late: the test is green again, or nobody knows it."""
    mended = after(watched(), *run("1", TestResult("t.py::a", Outcome.PASSED), at=1))

    late = [events.TestChecked(at=2, project=ROOT, nodeid=each, check=Check()) for each in ("t.py::a", "t.py::x")]

    assert after(*late, start=mended).projects == mended.projects


def test_changed_lines_belong_to_their_run_whether_it_goes_on_or_has_ended() -> None:
    """The newest that is known is the project's; a run that nobody remembers changes nothing."""

    def covered(run_id: str) -> events.Event:
        return events.ChangeCovered(at=2, project=ROOT, run_id=run_id, lines=LINES)

    going = after(watched(), run("1", at=1)[0], covered("1"))
    ended = after(watched(), *run("1", at=1), covered("1"))
    next_one = after(run("2", at=3)[0], covered("0"), start=ended)

    assert [s.projects[ROOT].changed_lines for s in (going, ended, next_one)] == [LINES] * 3
    assert current(next_one).changed_lines is None
    assert after(watched(), covered("1")).projects[ROOT].changed_lines is None


def test_coverage_is_the_projects_until_it_is_measured_again() -> None:
    """Runs come and go without it."""
    measured = events.CoverageMeasured(at=2, project=ROOT, coverage=COVERAGE)

    snapshot = after(watched(), *run("1", at=1), measured, *run("2", at=3))

    assert snapshot.projects[ROOT].coverage == COVERAGE


@pytest.mark.parametrize(
    ("happened", "mood"),
    [
        ([], Mood.UNKNOWN),
        ([watched()], Mood.UNKNOWN),
        ([watched(), run("1", at=1)[0]], Mood.RUNNING),
        ([watched(), *run("1", at=1)], Mood.GREEN),
        ([watched(), *run("1", at=1), *staged(None)[:3]], Mood.RUNNING),
        ([watched(), *run("1", at=1), *staged(Verdict.GREEN)], Mood.CONFIRMING),
        ([watched(), *staged(Verdict.GREEN)], Mood.CONFIRMING),
        ([watched(), *staged(Verdict.GREEN, TestResult("t.py::b", Outcome.FAILED))], Mood.RED),
        ([watched(), *run("1", TestResult("x", Outcome.FAILED), at=1), *staged(Verdict.GREEN)], Mood.RED),
        ([watched(), *run("1", at=1, verdict=Verdict.NO_PYTEST), *staged(Verdict.GREEN)], Mood.ATTENTION),
        (
            [
                watched(),
                *staged(Verdict.GREEN),
                events.ProjectWatched(at=1, project="/q", name="q"),
                events.RunStarted(at=1, project="/q", run_id="1", cause=START),
            ],
            Mood.RUNNING,
        ),
        ([watched(), *run("1", at=1, verdict=Verdict.NO_PYTEST)], Mood.ATTENTION),
        ([watched(), *run("1", TestResult("a", Outcome.HUNG), at=1, verdict=Verdict.HUNG)], Mood.RED),
        ([watched(), *run("1", at=1), events.AgentChanged(at=1, agent="a", state=AgentState.FAILED)], Mood.ATTENTION),
        ([watched(), *run("1", at=1), events.AgentChanged(at=1, agent="a", state=AgentState.BACKOFF)], Mood.DEGRADED),
        (
            [
                watched(),
                *run("1", at=1),
                events.AgentChanged(at=1, agent="a", state=AgentState.RUNNING),
                events.AgentPaused(at=1, agent="a", until=None),
            ],
            Mood.PAUSED,
        ),
    ],
)
def test_the_mood_is_the_first_that_applies(happened: list[events.Event], mood: Mood) -> None:
    """Red goes before trouble, then a pause, work, green so far, and green at last."""
    assert after(*happened).mood is mood


@pytest.mark.parametrize(
    ("project", "found", "mood"),
    [
        (ROOT, ((Severity.HIGH, 1),), Mood.ATTENTION),
        (ROOT, ((Severity.CRITICAL, 2), (Severity.LOW, 3)), Mood.ATTENTION),
        (ROOT, ((Severity.MEDIUM, 9), (Severity.INFO, 1)), Mood.GREEN),
        (ROOT, ((Severity.HIGH, 0),), Mood.GREEN),
        ("/not-watched", ((Severity.CRITICAL, 1),), Mood.GREEN),
    ],
)
def test_a_grave_finding_asks_for_attention(project: str, found: tuple[tuple[Severity, int], ...], mood: Mood) -> None:
    """One of high severity or above that is open in a watched project does, until it is not; red tests go before it."""
    told = events.AuditChanged(at=2, audit=AuditView(project, open=found))
    green = after(watched(), *run("1", at=1), told)
    red = after(watched(), *run("1", TestResult("a", Outcome.FAILED), at=1), told)

    assert green.mood is mood
    assert red.mood is Mood.RED
    assert after(events.AuditChanged(at=3, audit=AuditView(project)), start=green).mood is Mood.GREEN


def test_a_notice_stands_until_it_is_cleared() -> None:
    """A notice of the same key replaces the first; clearing removes it."""
    raised = [events.NoticeRaised(at=n, key="k", text=f"text {n}") for n in (1, 2)]

    standing = after(*raised)
    cleared = after(events.NoticeCleared(at=3, key="k"), start=standing)

    assert [notice.text for notice in standing.notices.values()] == ["text 2"]
    assert not cleared.notices


names = st.sampled_from(["/p", "/q", "t.py::a", "t.py::b", "agent"])
results = st.lists(st.builds(TestResult, nodeid=names, outcome=st.sampled_from(Outcome)), max_size=4).map(tuple)
any_event = st.one_of(
    st.builds(events.ProjectWatched, at=st.floats(0, 9), project=names, name=names),
    st.builds(events.RunStarted, at=st.floats(0, 9), project=names, run_id=names, cause=st.just(SAVE)),
    st.builds(events.RunCollected, at=st.just(1.0), project=names, run_id=names, total=st.integers(0, 9)),
    st.builds(events.TestsRan, at=st.floats(0, 9), project=names, run_id=names, results=results),
    st.builds(
        events.RunFinished,
        at=st.just(1.0),
        project=names,
        run_id=names,
        verdict=st.sampled_from(Verdict),
        duration_s=st.just(1.0),
        gone=st.lists(names, max_size=2).map(tuple),
    ),
    st.builds(
        events.RunStaged,
        at=st.just(1.0),
        project=names,
        run_id=names,
        stage=st.sampled_from(Stage),
        tests=st.none() | st.integers(0, 9),
        verdict=st.sampled_from([None, Verdict.GREEN, Verdict.RED]),
    ),
    st.builds(events.TestChecked, at=st.just(1.0), project=names, nodeid=names, check=st.just(Check())),
    st.builds(events.ChangeCovered, at=st.just(1.0), project=names, run_id=names, lines=st.just(LINES)),
    st.builds(events.CoverageMeasured, at=st.just(1.0), project=names, coverage=st.just(COVERAGE)),
    st.builds(events.AgentChanged, at=st.just(1.0), agent=names, state=st.sampled_from(AgentState)),
    st.builds(events.AgentPaused, at=st.just(1.0), agent=names, until=st.none()),
    st.builds(events.AgentResumed, at=st.just(1.0), agent=names),
    st.builds(events.NoticeRaised, at=st.just(1.0), key=names, text=st.just("t")),
    st.builds(events.NoticeCleared, at=st.just(1.0), key=names),
)


@given(st.lists(any_event, max_size=30))
def test_any_events_in_any_order_give_a_consistent_snapshot(happened: list[events.Event]) -> None:
    """No order of events raises; each counts once; the red ones are exactly those whose outcome is red."""
    snapshots = [Snapshot(started_at=0.0)]
    for event in happened:
        snapshots.append(reduce(snapshots[-1], event))

    last = snapshots[-1]
    assert [snapshot.seq for snapshot in snapshots] == list(range(len(happened) + 1))
    assert last.red_count == sum(len(view.red) for view in last.projects.values())
    assert all(view.current is None or view.current.verdict is None for view in last.projects.values())
    assert all(test.check is None or test.outcome.is_red for v in last.projects.values() for test in v.tests.values())
    assert all(view.last is None or view.last.verdict is not Verdict.CANCELLED for view in last.projects.values())


@given(st.lists(any_event, max_size=20), any_event)
def test_reduce_changes_none_of_its_arguments(happened: list[events.Event], event: events.Event) -> None:
    """The snapshot before is the same after, and the same arguments give the same answer."""
    before = after(*happened)
    copy = after(*happened)

    assert reduce(before, event) == reduce(before, event)
    assert before == copy
