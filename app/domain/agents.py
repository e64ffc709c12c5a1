"""The states of an agent as the supervisor tells them."""

from __future__ import annotations

from enum import StrEnum

HEALTH = "health"
"""The agent that watches the program itself; what people pause and resume is the others."""


class AgentState(StrEnum):
    """Where an agent stands."""

    DISABLED = "disabled"
    """Switched off in the settings."""
    STOPPED = "stopped"
    """Stopped by a person, and never started again by anything else."""
    STARTING = "starting"
    RUNNING = "running"
    DEGRADED = "degraded"
    """Alive, but something it depends on is out."""
    STALE = "stale"
    """No heartbeat for too long."""
    STOPPING = "stopping"
    BACKOFF = "backoff"
    """Failed, and waiting to be started again."""
    FAILED = "failed"
    """Failed too often: told once, and tried again slowly."""
    ABANDONED = "abandoned"
    """Did not end when told to; what it still writes is refused."""

    @property
    def is_alive(self) -> bool:
        """True when the agent does its work."""
        return self in (AgentState.STARTING, AgentState.RUNNING, AgentState.DEGRADED)
