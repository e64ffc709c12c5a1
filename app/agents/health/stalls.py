"""Agents that beat, have work waiting, and come no further."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.agents import AgentState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.domain.snapshot import AgentView


class Stalls:
    """Watches how far agents come. Pure: all times come as arguments, in seconds during which this process ran.

    An idle agent has nothing waiting, a paused one is not to begin anything, and one that is down is the supervisor's
    to tell of: none of them stalls.

    Args:
        after_s: An agent that comes no further for so long is stalled.
    """

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._marks: dict[str, tuple[tuple[int, int], float]] = {}

    def look(self, agents: Iterable[AgentView], awake_s: float) -> Iterator[tuple[str, float]]:
        """Yield the agents that are stalled from now on, with the seconds, and those that go on again, with 0."""
        for view in agents:
            at = (view.progress, view.restarts)
            known, since = self._marks.get(view.name, (None, awake_s))
            if not _has_work(view) or at != known:
                self._marks[view.name] = at, awake_s
                if view.stalled_s:
                    yield view.name, 0.0
            elif awake_s - since >= self._after_s and not view.stalled_s:
                yield view.name, awake_s - since


def _has_work(view: AgentView) -> bool:
    return view.waiting > 0 and not view.paused and view.state in (AgentState.RUNNING, AgentState.DEGRADED)
