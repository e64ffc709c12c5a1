"""What `run --headless` writes."""

from __future__ import annotations

import io
import json

import pytest

from app.cli.live import LiveReport
from app.cli.terminal import Terminal
from app.domain import events
from app.domain.agents import AgentState
from app.domain.coverage import ChangedLines, Coverage, FileCoverage
from app.domain.reduce import reduce
from app.domain.snapshot import Snapshot
from app.domain.verdicts import Cause, CauseKind, Check, Outcome, Stage, TestResult, Verdict

ROOT = "/p/flask"
HAPPENED: list[events.Event] = [
    events.ProjectWatched(at=0, project=ROOT, name="flask"),
    events.AgentBeat(at=0, agent="tests:flask", progress=0),
    events.RunStarted(at=1, project=ROOT, run_id="1", cause=Cause(CauseKind.SAVE, ("app.py",))),
    events.RunCollected(at=1, project=ROOT, run_id="1", total=2),
    events.TestsRan(
        at=2,
        project=ROOT,
        run_id="1",
        results=(TestResult("t.py::a", Outcome.FAILED, 0.1, "boom"),),
        running="t.py::b",
    ),
    events.RunFinished(at=3, project=ROOT, run_id="1", verdict=Verdict.RED, duration_s=1.5),
    events.VerdictChanged(
        at=3, project=ROOT, run_id="1", cause=Cause(CauseKind.SAVE, ("app.py",)), broke=("t.py::a",), still_red=1
    ),
]


OSC = "\x1b]0;owned\x07"


class Tty(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def told(happened: list[events.Event], *, as_json: bool = False, tty: bool = False, **environ: str) -> str:
    out = Tty() if tty else io.StringIO()
    report = LiveReport(Terminal(out, io.StringIO(), {"WT_SESSION": "1", **environ}), as_json=as_json)
    snapshot = Snapshot(started_at=0.0)
    for event in happened:
        snapshot = reduce(snapshot, event)
        report(event, snapshot)
    return out.getvalue()


def test_a_pipe_gets_plain_lines() -> None:
    """No colour, nothing overwritten; the verdict and what changed."""
    text = told(HAPPENED)

    assert "\x1b" not in text
    assert "\r" not in text
    assert "watching flask" in text
    assert "running the tests of flask (app.py)" in text
    assert "RED  flask  1 failed in 1.50 s" in text
    assert "red  t.py::a" in text


def test_a_terminal_gets_a_line_that_moves_and_is_wiped() -> None:
    """Progress overwrites itself, and the verdict takes its place."""
    text = told(HAPPENED, tty=True)

    assert "\r\x1b[K          1 of 2, 1 red  t.py::b" in text
    assert text.index("1 of 2") < text.rindex("\r\x1b[K") < text.index("RED")


def test_json_is_one_document_a_line_without_heartbeats() -> None:
    """Each event by its name, for programs that follow."""
    lines = [json.loads(line) for line in told(HAPPENED, as_json=True, tty=True).splitlines()]

    assert [line["event"] for line in lines] == [
        type(event).__name__ for event in HAPPENED if not isinstance(event, events.AgentBeat)
    ]
    assert lines[-1]["broke"] == ["t.py::a"]


def test_a_dumb_terminal_gets_plain_lines() -> None:
    """As a pipe does: nothing is written over, and nothing is coloured."""
    assert "\x1b" not in told(HAPPENED, tty=True, TERM="dumb")


def test_no_colour_leaves_the_line_that_moves() -> None:
    """NO_COLOR speaks of colours alone."""
    text = told(HAPPENED, tty=True, NO_COLOR="1")

    assert "\r\x1b[K" in text
    assert "\x1b[" not in text.replace("\r\x1b[K", "")


def hostile() -> list[events.Event]:
    """What happens when each text from outside tries to set the terminal's title."""
    cause = Cause(CauseKind.SAVE, (f"a{OSC}.py",))
    run = {"project": f"/p/{OSC}", "run_id": "1"}
    result = TestResult(f"t.py::a{OSC}", Outcome.FAILED, 0.1, f"boom {OSC}")
    return [
        events.ProjectWatched(at=0, project=run["project"], name=f"n{OSC}"),
        events.InterpreterFound(at=0, project=run["project"], interpreter=f"/bin/{OSC}", source=OSC),
        events.NoticeRaised(at=0, key="k", text=OSC, hint=OSC),
        events.AgentChanged(at=0, agent=f"tests:{OSC}", state=AgentState.FAILED, reason=OSC),
        events.RunStarted(at=1, **run, cause=cause),
        events.TestsRan(at=2, **run, results=(result,), running=f"t.py::b{OSC}"),
        events.RunFinished(at=3, **run, verdict=Verdict.CRASHED, duration_s=1.5, message=OSC),
        events.VerdictChanged(at=3, **run, cause=cause, broke=(result.nodeid,), still_red=1),
        events.StopBegan(at=4, reason=OSC),
    ]


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("as_json", [False, True])
def test_no_control_sequence_from_outside_gets_through(*, tty: bool, as_json: bool) -> None:
    """A name, an output or a message that sets the terminal's title is shown instead of obeyed."""
    text = told(hostile(), tty=tty, as_json=as_json, NO_COLOR="1")

    assert "owned" in text
    assert "\x1b]" not in text
    assert "\x07" not in text
    assert text.isascii()


def test_agents_have_their_name_for_people() -> None:
    """In JSON they keep the one that programs know."""
    happened = [events.AgentChanged(at=0, agent="tests:shop", state=AgentState.STALE, reason="no beat for 30 s")]

    assert "Tests of shop: not answering (no beat for 30 s)" in told(happened)
    assert json.loads(told(happened, as_json=True))["agent"] == "tests:shop"


def staged(verdict: Verdict, outcome: Outcome) -> list[events.Event]:
    """A run of which one test of the change has ended, and whose rest begins."""
    run = {"project": ROOT, "run_id": "1"}
    return [
        *HAPPENED[:1],
        events.RunStarted(at=1, **run, cause=Cause(CauseKind.SAVE, ("app.py",))),
        events.RunStaged(at=1, **run, stage=Stage.IMPACTED, tests=1),
        events.TestsRan(at=2, **run, results=(TestResult("t.py::a", outcome, 0.1),), running=""),
        events.RunStaged(at=2, **run, stage=Stage.REST, verdict=verdict),
        events.RunCollected(at=2, **run, total=8),
        events.TestsRan(at=3, **run, results=(TestResult("t.py::b", Outcome.PASSED, 0.1),), running="t.py::c"),
    ]


@pytest.mark.parametrize(
    ("verdict", "outcome", "line"),
    [
        (
            Verdict.GREEN,
            Outcome.PASSED,
            "green so far  flask  1 test of the change is green, the others are being confirmed",
        ),
        (Verdict.RED, Outcome.FAILED, "RED so far  flask  1 failed, the others are being run"),
    ],
)
def test_a_pipe_is_told_what_the_tests_of_the_change_say(verdict: Verdict, outcome: Outcome, line: str) -> None:
    """At once, and without a claim about the others."""
    text = told(staged(verdict, outcome))

    assert line in text
    assert "GREEN" not in text


def test_a_terminal_shows_it_in_the_line_that_moves() -> None:
    """The first stage counts out of the tests of the change, the second out of all, and no line is left behind."""
    text = told(staged(Verdict.GREEN, Outcome.PASSED), tty=True, NO_COLOR="1")

    assert "1 of 1 test of the change  " in text
    assert "2 of 8, 1 test of the change is green  t.py::c" in text
    assert "so far" not in text
    assert text.count("\n") == 1


def test_what_comes_after_a_run_is_told_once() -> None:
    """A second look, changed lines that no test executes, and a coverage that is another than before."""
    coverage = Coverage((FileCoverage("a.py", 8, (3,)),))
    run = {"project": ROOT, "run_id": "1"}
    text = told(
        [
            *HAPPENED,
            events.TestChecked(at=4, project=ROOT, nodeid=f"t.py::a{OSC}", check=Check(Outcome.PASSED)),
            events.TestChecked(at=4, project=ROOT, nodeid="t.py::b", check=Check()),
            events.ChangeCovered(at=4, **run, lines=ChangedLines(4, 2, ((f"a{OSC}.py", (7, 8)),))),
            events.ChangeCovered(at=4, **run, lines=ChangedLines(2, 2)),
            events.CoverageMeasured(at=5, project=ROOT, coverage=coverage),
            events.CoverageMeasured(at=6, project=ROOT, coverage=coverage),
        ]
    )

    assert [line.strip() for line in text.splitlines()[-3:]] == [
        "t.py::a\\x1b]0;owned\\x07  flaky: green when run again alone",
        "2 of 4 changed lines are covered, not a\\x1b]0;owned\\x07.py:7-8",
        "coverage 87.5 %",
    ]


def test_json_tells_a_second_look_with_what_it_means() -> None:
    """A program need not know how the blame follows from the two outcomes."""
    event = events.TestChecked(at=4, project=ROOT, nodeid="t", check=Check(Outcome.FAILED, Outcome.FAILED))

    assert json.loads(told([event], as_json=True))["check"] == {
        "alone": "failed",
        "before": "failed",
        "blame": "elsewhere",
    }
