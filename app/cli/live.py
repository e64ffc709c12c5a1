"""The terminal as a face: what `run --headless` shows while it watches."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, TextIO

from app.domain import events
from app.domain.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.snapshot import ProjectView, RunView, Snapshot

NAMES_SHOWN = 10
_GREEN, _RED, _YELLOW, _DIM, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


class LiveReport:
    """Writes a line for each thing worth telling, and on a terminal a line that moves while tests run.

    Args:
        out: Where to write.
        as_json: Write each event as one line of JSON instead: `{"event": NAME, ...its fields}`.
        moving: The terminal can overwrite its last line.
        colour: The terminal shows colours.
        width: Gives the terminal's width in columns.
    """

    def __init__(
        self, out: TextIO, *, as_json: bool, moving: bool, colour: bool, width: Callable[[], int] = lambda: 80
    ) -> None:
        self._out = out
        self._as_json = as_json
        self._moving = moving and not as_json
        self._colour = colour
        self._width = width
        self._progress = ""

    def __call__(self, event: events.Event, snapshot: Snapshot) -> None:
        """Tell an event."""
        if self._as_json:
            self._tell_json(event)
        elif isinstance(event, (events.RunStarted, events.TestsRan, events.RunFinished)):
            view = snapshot.projects.get(event.project)
            if view is not None:
                self._tell_run(event, view)
        elif isinstance(event, events.VerdictChanged):
            self._changes(event)
        else:
            text = self._words(event)
            if text:
                self._say(event, text)

    def _tell_json(self, event: events.Event) -> None:
        if isinstance(event, events.AgentBeat):
            return
        document = {"event": type(event).__name__, **asdict(event)}
        self._out.write(json.dumps(document, default=str) + "\n")
        self._out.flush()

    def _tell_run(self, event: events.RunStarted | events.TestsRan | events.RunFinished, view: ProjectView) -> None:
        if isinstance(event, events.TestsRan):
            if self._moving and view.current is not None:
                self._show_progress(view.current)
        elif isinstance(event, events.RunStarted):
            if not self._moving:
                self._say(event, f"running the tests of {view.name} ({event.cause})")
        elif event.verdict is not Verdict.CANCELLED:
            self._say(event, self._verdict(event, view.last, view.name))

    def _words(self, event: events.Event) -> str:
        match event:
            case events.ProjectWatched():
                return f"watching {event.name}  {self._tint(_DIM, event.project)}"
            case events.InterpreterFound():
                return self._tint(_DIM, f"the tests run with {event.interpreter} ({event.source})")
            case events.NoticeRaised():
                return self._tint(_YELLOW, f"{event.text} {event.hint}".rstrip())
            case events.AgentChanged() if not event.state.is_alive and event.reason:
                return self._tint(_YELLOW, f"{event.agent} is in state {event.state}: {event.reason}")
            case events.StopBegan():
                return f"stopping: {event.reason}"
            case _:
                return ""

    def _verdict(self, event: events.RunFinished, last: RunView | None, name: str) -> str:
        counts = "" if last is None or not last.counts.total else f"  {last.counts}"
        word = event.verdict.value.replace("-", " ").upper()
        tint = _GREEN if event.verdict is Verdict.GREEN else _RED
        text = f"{self._tint(tint, word)}  {name}{counts} in {event.duration_s:.1f} s"
        return f"{text}\n          {event.message}" if event.message else text

    def _changes(self, event: events.VerdictChanged) -> None:
        for tint, word, nodeids in (
            (_RED, "went red", event.broke),
            (_GREEN, "is green again", event.fixed),
            (_YELLOW, "is gone", event.gone),
        ):
            for nodeid in nodeids[:NAMES_SHOWN]:
                self._write(f"          {self._tint(tint, word)}  {nodeid}")
            if len(nodeids) > NAMES_SHOWN:
                self._write(f"          ... and {len(nodeids) - NAMES_SHOWN} more")

    def _show_progress(self, run: RunView) -> None:
        of = f" of {run.expected}" if run.expected else ""
        red = f", {run.counts.red} red" if run.counts.red else ""
        text = f"          {run.counts.total}{of}{red}  {run.running}"[: max(20, self._width() - 1)]
        self._out.write("\r\x1b[K" + text)
        self._out.flush()
        self._progress = text

    def _say(self, event: events.Event, text: str) -> None:
        self._write(f"{time.strftime('%H:%M:%S', time.localtime(event.at))}  {text}")

    def _write(self, text: str) -> None:
        if self._progress:
            self._out.write("\r\x1b[K")
            self._progress = ""
        self._out.write(text + "\n")
        self._out.flush()

    def _tint(self, tint: str, text: str) -> str:
        return f"{tint}{text}{_PLAIN}" if self._colour else text
