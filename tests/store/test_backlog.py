"""The queue between the loop and the writer thread: bounded, in order, and honest about what it drops."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import StoreError
from app.domain.events import AgentBeat, Event, ProjectWatched, RunFinished, RunStarted, TestsRan
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult, TestState, Verdict
from app.store.backlog import BATCH_RESULTS, Backlog


def started(run_id: str) -> RunStarted:
    return RunStarted(at=1.0, project="/p", run_id=run_id, cause=Cause(CauseKind.START))


def ran(run_id: str, count: int, output: str = "") -> TestsRan:
    results = tuple(TestResult(f"t.py::test_{index}", Outcome.FAILED, 0.1, output) for index in range(count))
    return TestsRan(at=2.0, project="/p", run_id=run_id, results=results)


def finished(run_id: str) -> RunFinished:
    return RunFinished(at=3.0, project="/p", run_id=run_id, verdict=Verdict.RED, duration_s=1.0)


def test_events_come_out_in_order() -> None:
    """What history keeps comes out as it went in; the rest is not taken at all."""
    backlog = Backlog()
    events = [started("a"), ran("a", 2), finished("a")]

    for event in [*events, AgentBeat(at=1.0, agent="x", progress=1)]:
        backlog.put(event)

    assert backlog.take() == tuple(events)
    assert backlog.recorded == 3


def test_what_is_taken_is_given_again_until_settled() -> None:
    """A batch that could not be written is the next batch too, without anything that came later."""
    backlog = Backlog()
    backlog.put(started("a"))

    first = backlog.take()
    backlog.put(finished("a"))

    assert backlog.take() == first
    assert backlog.pending == 2
    backlog.settle()
    assert backlog.take() == (finished("a"),)


def test_settling_in_part_keeps_the_rest() -> None:
    """Events that were written one by one are not given again."""
    backlog = Backlog()
    for event in (started("a"), ran("a", 1), finished("a")):
        backlog.put(event)
    backlog.take()

    backlog.settle(2)

    assert backlog.take() == (finished("a"),)


def test_a_batch_is_bounded() -> None:
    """One batch holds about BATCH_RESULTS results, however many wait."""
    backlog = Backlog()
    for _ in range(40):
        backlog.put(ran("a", BATCH_RESULTS // 10))

    batch = backlog.take()

    assert sum(len(event.results) for event in batch if isinstance(event, TestsRan)) == BATCH_RESULTS


def test_the_tests_that_history_told_are_not_kept() -> None:
    """A project's known tests, which history told itself, take no memory."""
    backlog = Backlog()
    state = TestState("t", Outcome.PASSED, 0.1, 1.0, Cause(CauseKind.START), "r")

    backlog.put(ProjectWatched(at=1.0, project="/p", name="p", known=(state,)))

    assert backlog.take() == (ProjectWatched(at=1.0, project="/p", name="p"),)


def test_the_oldest_outputs_go_first() -> None:
    """When it is full, the oldest outputs are dropped and counted, and no result is."""
    backlog = Backlog(capacity_bytes=60_000)

    for index in range(4):
        backlog.put(ran(str(index), 1, "x" * 19_000))

    kept = [len(event.results[0].output) for event in backlog.take() if isinstance(event, TestsRan)]
    assert kept == [0, 19_000, 19_000, 19_000]
    assert (backlog.losses.outputs, backlog.losses.results, backlog.losses.events) == (1, 0, 0)


def test_the_oldest_results_go_next_and_runs_stay() -> None:
    """When the outputs are gone and it is full still, the oldest results go; runs begin and end all the same."""
    backlog = Backlog(capacity_bytes=30_000)

    backlog.put(started("a"))
    for _ in range(10):
        backlog.put(ran("a", 20, "x" * 100))
    backlog.put(finished("a"))

    left = backlog.take()
    assert (left[0], left[-1]) == (started("a"), finished("a"))
    kept = sum(len(event.results) for event in left if isinstance(event, TestsRan))
    assert kept + backlog.losses.results == 200
    assert backlog.losses.events == 0


@given(
    st.lists(
        st.one_of(
            st.builds(started, st.sampled_from("abc")),
            st.builds(ran, st.sampled_from("abc"), st.integers(1, 30), st.text(max_size=500)),
            st.builds(finished, st.sampled_from("abc")),
            st.sampled_from(["take", "settle", "settle one"]),
        ),
        max_size=80,
    ),
    st.integers(2_000, 20_000),
)
def test_memory_is_bounded_and_everything_is_accounted_for(steps: list[Event | str], capacity: int) -> None:
    """Whatever happens, the estimate stays in bounds, order is kept, and each result is written, waiting or counted."""
    backlog = Backlog(capacity)
    results = events = held = 0
    out: list[Event] = []

    for step in steps:
        if isinstance(step, Event):
            backlog.put(step)
            results += len(step.results) if isinstance(step, TestsRan) else 0
            events += not isinstance(step, TestsRan)
        elif step == "take":
            held = len(backlog.take())
        else:
            count = min(held, 1) if step == "settle one" else held
            out += backlog.take()[:count] if held else ()
            backlog.settle(count)
            held -= count
        assert backlog.cost_bytes <= capacity + 20_000  # what the writer holds cannot be dropped
    while batch := backlog.take():
        out += batch
        backlog.settle()

    kept = sum(len(event.results) for event in out if isinstance(event, TestsRan))
    assert kept + backlog.losses.results == results
    assert sum(not isinstance(event, TestsRan) for event in out) + backlog.losses.events == events
    assert backlog.pending == 0
    assert backlog.cost_bytes == 0


def test_a_closed_backlog_takes_nothing() -> None:
    """After the end an event is counted as lost, and a question is refused at once."""
    backlog = Backlog()
    backlog.close()

    backlog.put(started("a"))

    assert backlog.losses.events == 1
    with pytest.raises(StoreError, match="closed"):
        backlog.ask(Future(), None)


def test_what_cannot_be_written_at_the_end_is_counted() -> None:
    """Abandoning counts results and other events apart."""
    backlog = Backlog()
    for event in (started("a"), ran("a", 7), finished("a")):
        backlog.put(event)
    backlog.take()

    assert backlog.abandon() == 3
    assert (backlog.losses.results, backlog.losses.events, backlog.pending) == (7, 2, 0)
