"""The terminal as a face: what `run --headless` shows while it watches."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from app.cli.terminal import plain
from app.domain import events, words
from app.domain.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.cli.terminal import Terminal
    from app.domain.snapshot import ProjectView, RunView, Snapshot

NAMES_SHOWN = 10
OUTPUT_SHOWN = 15
"""Last lines of what pytest printed, when the run went wrong as a whole."""
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
        if not isinstance(event, events.AgentBeat):
            told = {field.name: getattr(event, field.name) for field in fields(event)}
            self._terminal.record({"event": type(event).__name__, **told})

    def _tell(self, event: events.Event, snapshot: Snapshot) -> None:
        if isinstance(event, (events.RunStarted, events.RunFinished)):
            view = snapshot.projects.get(event.project)
            if view is not None:
                self._tell_run(event, view)
        elif isinstance(event, events.VerdictChanged):
            self._changes(event)
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
        self._terminal.pass_by(f"{_INDENT}{run.counts.total}{of}{red}  {words.one_line(plain(run.running))}")

    def _say(self, event: events.Event, text: str) -> None:
        self._terminal.say(f"{words.time_of_day(event.at)}  {text}")
