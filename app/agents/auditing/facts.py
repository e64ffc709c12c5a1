"""What Watchkeeper knows of a project's tests, as checks are told it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.domain.snapshot import ProjectView


def facts_of(view: ProjectView | None) -> dict[str, Any]:
    """Return the facts of a project; none of one that nobody watches. See Context for their names.

    Args:
        view: The project as faces see it.
    """
    if view is None or view.last is None:
        return {}
    at = view.last.finished_at or view.last.started_at
    tests = [{"nodeid": test.nodeid, "outcome": test.outcome.value, "at": at} for test in view.tests.values()]
    facts: dict[str, Any] = {"tests": tests, "verdict_at": at}
    if view.last.verdict is not None:
        facts["verdict"] = view.last.verdict.value
    if view.coverage is not None:
        facts["coverage"] = {"percent": view.coverage.percent, "at": at}
    return facts
