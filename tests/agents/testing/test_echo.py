"""Echo and inbox: what tests write themselves, and what waits for the next run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.agents.testing.echo import (
    CLOSE_S,
    ECHO_S,
    HOLD_AFTER,
    HOLD_LONGEST_S,
    PATIENCE,
    SOURCES_PATIENCE,
    Echo,
    left_alone,
)
from app.agents.testing.inbox import Inbox
from app.domain.verdicts import Cause, CauseKind

if TYPE_CHECKING:
    from pathlib import Path


class Wrote:
    """Tests that run beside."""

    def __init__(self, wrote: dict[str, tuple[int, int] | None]) -> None:
        self.wrote = wrote


def test_what_tests_beside_write_is_held_back_until_they_end(fake_clock: Any) -> None:
    """Only then shows whether it is as they left it."""
    echo = Echo(fake_clock)
    writer = Wrote({"out.txt": None})
    echo.goes_on(writer)

    held = echo.holds_back(["out.txt", "calc.py"])
    writer.wrote["out.txt"] = (1, 2)

    assert held == {"out.txt"}
    assert echo.held_back() == {"out.txt": (1, 2)}
    echo.ended(writer.wrote)
    assert not echo.holds_back(["out.txt"])
    assert set(echo.own()) == {"out.txt"}


def test_what_the_tests_wrote_is_theirs_for_a_while(fake_clock: Any) -> None:
    """Such a file is looked at for as long as a batch can be late."""
    echo = Echo(fake_clock)

    echo.began()
    echo.ended({"out.txt": (1, 2)})
    soon = set(echo.own())
    fake_clock.advance(ECHO_S + 0.1)

    assert soon == {"out.txt"}
    assert not echo.own()


def test_a_file_that_a_person_changed_after_the_tests_is_not_theirs(tmp_path: Path) -> None:
    """Not the name decides, but whether the file is as the tests left it."""
    left, edited, removed = (tmp_path / name for name in ("left", "edited", "removed"))
    left.write_text("by the test")
    edited.write_text("by the test")
    wrote = {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in (left, edited)}
    edited.write_text("by a person, later")

    alone = left_alone(tmp_path, wrote | {"removed": (0, -1), "unknown": None})

    assert alone == {"left", "removed", "unknown"}
    removed.touch()
    assert "removed" not in left_alone(tmp_path, {"removed": (0, -1)})


def test_runs_that_start_themselves_come_to_a_verdict_and_are_held_apart(fake_clock: Any) -> None:
    """Whatever the files are called: the second in a row is not ended by them, and later ones wait, up to a bound."""
    echo = Echo(fake_clock)
    patient, holds = [], []
    for _ in range(12):
        echo.began()
        patient.append(echo.is_patient)
        echo.heard()
        echo.ended({})
        holds.append(echo.hold_s)
        fake_clock.advance(0.1)

    assert patient == [False] * PATIENCE + [True] * (12 - PATIENCE)
    assert holds[:HOLD_AFTER] == [0.0] * HOLD_AFTER
    assert 0 < holds[HOLD_AFTER] < holds[-1] == HOLD_LONGEST_S


def test_a_person_who_saves_between_runs_is_not_held(fake_clock: Any) -> None:
    """A save that comes when a run has ended is a person's, however quick."""
    echo = Echo(fake_clock)
    for _ in range(12):
        echo.began()
        echo.ended({})
        fake_clock.advance(CLOSE_S + 0.1)
        echo.heard()

    assert echo.hold_s == 0.0
    assert not echo.is_patient


def test_the_inbox_gives_all_reasons_once() -> None:
    """A cause holds each changed file once, in order; then the inbox is empty."""
    inbox = Inbox()
    inbox.wish(CauseKind.REQUEST)
    inbox.saved(["b.py", "a.py", "b.py"])

    cause = inbox.take()

    assert cause == Cause(CauseKind.SAVE, ("b.py", "a.py"))
    assert not inbox.has_work


def test_what_a_cancelled_run_was_for_comes_first_in_the_next() -> None:
    """Changes that had no verdict are not forgotten."""
    inbox = Inbox()
    inbox.saved(["new.py"])

    inbox.give_back(Cause(CauseKind.SAVE, ("old.py",)))

    assert inbox.take().paths == ("old.py", "new.py")


def test_a_cancel_is_for_the_run_that_goes_on_alone() -> None:
    """Once taken, or once a new run took the inbox, it is over."""
    inbox = Inbox()
    inbox.cancel()
    inbox.take()

    assert not inbox.take_cancel()


def test_a_person_who_saves_sources_during_each_run_is_neither_waited_for_nor_held(fake_clock: Any) -> None:
    """The newest save wins, however long the suite; only very many in a row look like the tests' own."""
    echo = Echo(fake_clock)
    patient = []
    for _ in range(SOURCES_PATIENCE + PATIENCE + 2):
        echo.began()
        patient.append(echo.is_patient)
        echo.heard(["calc.py"], is_source=True)
        echo.ended({})
        fake_clock.advance(0.1)

    assert not any(patient[: SOURCES_PATIENCE + 1])
    assert patient[-1]


def test_what_changes_beside_is_a_persons_unless_it_changed_during_runs_before(fake_clock: Any) -> None:
    """Tests run again to be traced write what they wrote before."""
    echo = Echo(fake_clock)
    holds = []
    for path in ("notes.txt", "log.txt"):
        for _ in range(HOLD_AFTER + 2):
            echo.began()
            if path == "log.txt":
                echo.heard([path])
            echo.ended({})
            fake_clock.advance(CLOSE_S + 1)
            echo.goes_on(Wrote({}))
            echo.heard([path])
            echo.ended({})
        holds.append(echo.hold_s)

    assert holds[0] == 0
    assert holds[1] > 0
