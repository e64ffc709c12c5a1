"""What `run --headless` writes."""

from __future__ import annotations

import io
import json

from app.cli.live import LiveReport
from app.domain import events
from app.domain.snapshot import Snapshot, reduce
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult, Verdict

ROOT = "/p/flask"
HAPPENED = [
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


def told(*, as_json: bool = False, moving: bool = False, colour: bool = False) -> str:
    out = io.StringIO()
    report = LiveReport(out, as_json=as_json, moving=moving, colour=colour)
    snapshot = Snapshot(started_at=0.0)
    for event in HAPPENED:
        snapshot = reduce(snapshot, event)
        report(event, snapshot)
    return out.getvalue()


def test_a_pipe_gets_plain_lines() -> None:
    """No colour, nothing overwritten; the verdict and what changed."""
    text = told()

    assert "\x1b" not in text
    assert "\r" not in text
    assert "watching flask" in text
    assert "running the tests of flask (app.py)" in text
    assert "RED  flask  1 failed in 1.5 s" in text
    assert "went red  t.py::a" in text


def test_a_terminal_gets_a_line_that_moves_and_is_wiped() -> None:
    """Progress overwrites itself, and the verdict takes its place."""
    text = told(moving=True, colour=True)

    assert "\r\x1b[K          1 of 2, 1 red  t.py::b" in text
    assert text.index("1 of 2") < text.rindex("\r\x1b[K") < text.index("RED")


def test_json_is_one_document_a_line_without_heartbeats() -> None:
    """Each event by its name, for programs that follow."""
    lines = [json.loads(line) for line in told(as_json=True, moving=True).splitlines()]

    assert [line["event"] for line in lines] == [
        type(event).__name__ for event in HAPPENED if not isinstance(event, events.AgentBeat)
    ]
    assert lines[-1]["broke"] == ["t.py::a"]
