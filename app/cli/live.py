"""The terminal as a face: what `run --headless` shows while it watches."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from app.cli.terminal import plain
from app.domain import events, words
from app.domain.verdicts import Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.cli.terminal import Terminal
    from app.domain.snapshot import ProjectView, RunView, Snapshot

NAMES_SHOWN = 10
OUTPUT_SHOWN = 15
"""Last lines of what pytest printed, when the run went wrong as a whole."""
FILES_SHOWN = 5
"""Files with changed lines that no test executes."""
_INDENT = " " * 10


class LiveReport:
    """Writes a line for each thing worth telling, and on a terminal a line that moves while tests run.

    Args:
        terminal: Where to write.
        as_json: Write each event as one line of JSON instead: `{"event": NAME, ...its fields}`.
    """

    def __init__(self, terminal: Terminal, *, as_json: bool) -> None:
        self._terminal = terminal
        self._as_json = as_json
        self._coverage: dict[str, str] = {}

    def __call__(self, event: events.Event, snapshot: Snapshot) -> None:
        """Tell an event."""
        if self._as_json:
            self._tell_json(event)
        elif isinstance(event, events.TestsRan):
            view = snapshot.projects.get(event.project)
            if view is not None and view.current is not None:
                self._show_progress(view.current)
        else:
            self._tell(event, snapshot)
            self._terminal.flush()

    def _tell_json(self, event: events.Event) -> None:
        if not isinstance(event, (events.AgentBeat, events.VitalsTaken)):
            told = {field.name: getattr(event, field.name) for field in fields(event)}
            self._terminal.record({"event": type(event).__name__, **told})

    def _tell(self, event: events.Event, snapshot: Snapshot) -> None:
        if isinstance(event, (events.RunStarted, events.RunFinished)):
            view = snapshot.projects.get(event.project)
            if view is not None:
                self._tell_run(event, view)
        elif isinstance(event, events.RunStaged):
            view = snapshot.projects.get(event.project)
            if view is not None and view.current is not None and event.stage is Stage.REST:
                self._tell_stage(event, view.current, view.name)
        elif isinstance(event, events.VerdictChanged):
            self._changes(event)
        elif isinstance(event, (events.TestChecked, events.ChangeCovered, events.CoverageMeasured)):
            self._tell_finding(event)
        else:
            text = self._words(event)
            if text:
                self._say(event, text)

    def _tell_run(self, event: events.RunStarted | events.RunFinished, view: ProjectView) -> None:
        if isinstance(event, events.RunStarted):
            if not self._terminal.moving:
                self._say(event, plain(f"running the tests of {view.name} ({event.cause})"))
        elif event.verdict is not Verdict.CANCELLED:
            self._say(event, self._verdict(event, view.last, view.name))
            self._list("red", "red", [state.nodeid for state in view.red])

    def _tell_stage(self, event: events.RunStaged, run: RunView, name: str) -> None:
        """Tell what the tests of the change say: on a terminal the moving line does, until the whole is known."""
        if run.is_confirming and self._terminal.moving:
            self._show_progress(run)
        elif run.is_confirming:
            self._say(event, f"green so far  {plain(name)}  {', '.join(words.so_far(run.impacted, run.expected))}")
        elif event.verdict is Verdict.RED:
            word = self._terminal.paint("RED so far", "red")
            self._say(event, f"{word}  {plain(name)}  {run.counts}, the others are being run")

    def _tell_finding(self, event: events.TestChecked | events.ChangeCovered | events.CoverageMeasured) -> None:
        paint = self._terminal.paint
        match event:
            case events.TestChecked():
                text = words.check(event.check)
                if text:
                    self._terminal.say(f"{_INDENT}{plain(event.nodeid)}  {paint(text, 'yellow')}")
            case events.ChangeCovered():
                if event.lines.uncovered:
                    where = plain(words.places(event.lines.uncovered, FILES_SHOWN))
                    self._terminal.say(paint(f"{_INDENT}{words.changed_lines(event.lines)}, not {where}", "dim"))
            case events.CoverageMeasured():
                text = words.percent(event.coverage.percent)
                if self._coverage.get(event.project) != text:
                    self._coverage[event.project] = text
                    self._terminal.say(paint(f"{_INDENT}coverage {text}", "dim"))

    def _words(self, event: events.Event) -> str:
        paint = self._terminal.paint
        match event:
            case events.ProjectWatched():
                return f"watching {plain(event.name)}  {paint(plain(event.project), 'dim')}"
            case events.InterpreterFound():
                return paint(plain(f"the tests run with {event.interpreter} ({event.source})"), "dim")
            case events.NoticeRaised():
                return paint(plain(f"{event.text} {event.hint}".rstrip()), "yellow")
            case events.AgentChanged() if not event.state.is_alive and event.reason:
                text = f"{words.agent_name(event.agent)}: {words.state(event.state)} ({event.reason})"
                return paint(plain(text), "yellow")
            case events.StopBegan():
                return plain(f"stopping: {event.reason}")
            case _:
                return ""

    def _verdict(self, event: events.RunFinished, last: RunView | None, name: str) -> str:
        counts = "" if last is None or not last.counts.total else f"  {last.counts}"
        colour = "green" if event.verdict is Verdict.GREEN else "red"
        word = self._terminal.paint(words.verdict_word(event.verdict), colour)
        cause = "" if last is None else f"  ({last.cause})"
        text = f"{word}  {plain(name)}{counts} in {words.duration(event.duration_s)}{plain(cause)}"
        tail = [line for line in event.output.splitlines() if line.strip()][-OUTPUT_SHOWN:]
        return "\n".join([text, *(f"{_INDENT}{plain(line)}" for line in (*event.message.splitlines(), *tail))])

    def _changes(self, event: events.VerdictChanged) -> None:
        if not event.complete:
            self._list("red", "went red", event.broke)
        self._list("green", "is green again", event.fixed)
        self._list("yellow", "is gone", event.gone)

    def _list(self, colour: str, word: str, nodeids: Sequence[str]) -> None:
        for nodeid in nodeids[:NAMES_SHOWN]:
            self._terminal.say(f"{_INDENT}{self._terminal.paint(word, colour)}  {plain(nodeid)}")
        if len(nodeids) > NAMES_SHOWN:
            self._terminal.say(f"{_INDENT}... and {len(nodeids) - NAMES_SHOWN} more")

    def _show_progress(self, run: RunView) -> None:
        of = f" of {run.expected}" if run.expected else ""
        red = f", {run.counts.red} red" if run.counts.red else ""
        if run.stage is Stage.IMPACTED:
            of = f" of {words.of_the_change(run.impacted)}"
        so_far = f", {words.so_far(run.impacted, run.expected)[0]}" if run.is_confirming else ""
        self._terminal.pass_by(f"{_INDENT}{run.counts.total}{of}{red}{so_far}  {words.one_line(plain(run.running))}")

    def _say(self, event: events.Event, text: str) -> None:
        self._terminal.say(f"{words.time_of_day(event.at)}  {text}")
