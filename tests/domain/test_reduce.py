"""The reducer: events fold into the one snapshot that every face shows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import events
from app.domain.agents import AgentState
from app.domain.snapshot import Mood, Snapshot, reduce
from app.domain.verdicts import Cause, CauseKind, Counts, Outcome, TestResult, Verdict

ROOT = "/p"
START = Cause(CauseKind.START)
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


@pytest.mark.parametrize(
    ("happened", "mood"),
    [
        ([], Mood.UNKNOWN),
        ([watched()], Mood.UNKNOWN),
        ([watched(), run("1", at=1)[0]], Mood.RUNNING),
        ([watched(), *run("1", at=1)], Mood.GREEN),
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
    """Red goes before trouble, trouble before a pause, a pause before work, work before green."""
    assert after(*happened).mood is mood


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
    assert all(view.last is None or view.last.verdict is not Verdict.CANCELLED for view in last.projects.values())


@given(st.lists(any_event, max_size=20), any_event)
def test_reduce_changes_none_of_its_arguments(happened: list[events.Event], event: events.Event) -> None:
    """The snapshot before is the same after, and the same arguments give the same answer."""
    before = after(*happened)
    copy = after(*happened)

    assert reduce(before, event) == reduce(before, event)
    assert before == copy
