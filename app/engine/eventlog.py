"""Puts what happens into the log, so that it tells what was run, with what verdict, and what stood in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from app.domain import events

if TYPE_CHECKING:
    from app.domain.snapshot import Snapshot

_log = structlog.get_logger(__name__)


def log_event(event: events.Event, _snapshot: Snapshot) -> None:
    """Log an event, a line each; those that come many times a second, and those that log themselves, are left out."""
    match event:
        case events.ProjectWatched():
            _log.info("a project is watched", project=event.project, tests_known=len(event.known))
        case events.InterpreterFound():
            _log.info("an interpreter was found", python=event.interpreter, source=event.source)
        case events.RunStarted():
            _log.info("tests run", project=event.project, cause=str(event.cause), run=event.run_id)
        case events.RunFinished():
            seconds = round(event.duration_s, 3)
            _log.info(
                "tests ran", verdict=event.verdict.value, seconds=seconds, message=event.message, run=event.run_id
            )
        case events.VerdictChanged():
            _log.info("the verdict changed", broke=len(event.broke), fixed=len(event.fixed), gone=len(event.gone))
        case events.AgentChanged():
            _log.info("an agent changed", agent=event.agent, state=event.state.value, reason=event.reason)
        case events.AgentPaused() | events.AgentResumed():
            _log.info("a person paused or resumed", agent=event.agent, paused=isinstance(event, events.AgentPaused))
        case events.NoticeRaised():
            _log.warning("notice", text=event.text, hint=event.hint)
        case _:
            return
