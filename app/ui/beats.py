"""The last minute of each agent's heartbeats, as the window draws them. Pure, bounded."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.domain.snapshot import Snapshot

SPAN_S = 60.0
"""How far back a trace reaches."""
_KEPT = 300
"""Snapshots come four times a second at most, so a minute has no more than 240 beats that can be told apart."""


@dataclass(frozen=True, slots=True)
class Beat:
    """One heartbeat at a wall-clock time; `worked` when the agent got on with its work since the one before."""

    at: float
    worked: bool


class Beats:
    """Collects heartbeats from snapshots."""

    def __init__(self) -> None:
        self._beats: dict[str, deque[Beat]] = {}
        self._progress: dict[str, int] = {}

    def note(self, snapshot: Snapshot) -> None:
        """Take in the heartbeats of a snapshot that were not seen before."""
        for name, agent in snapshot.agents.items():
            if agent.beat_at is None:
                continue
            beats = self._beats.setdefault(name, deque(maxlen=_KEPT))
            if not beats or agent.beat_at > beats[-1].at:
                beats.append(Beat(agent.beat_at, agent.progress > self._progress.get(name, agent.progress)))
                self._progress[name] = agent.progress

    def of(self, agent: str, now: float) -> tuple[Beat, ...]:
        """Return an agent's beats of the last `SPAN_S` seconds, oldest first."""
        return tuple(beat for beat in self._beats.get(agent, ()) if now - SPAN_S <= beat.at <= now)
