"""When people want silence: because they said so, or by the time of day. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from app.domain.agents import HEALTH, AgentState

if TYPE_CHECKING:
    from app.domain.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A time of each day, from one minute on and up to another; it may reach over midnight.

    It is looked up on a clock on the wall: an hour that is left out in spring is not waited for, and one that comes
    twice in autumn counts twice.

    Attributes:
        begins: Minutes after midnight, 0 to 1,439.
        ends: Likewise; the same minute as `begins` makes no time at all.
    """

    begins: int
    ends: int

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return what a setting such as `22:00-07:00` says; None when it is empty.

        Args:
            text: Two times of day, as `[alerts] quiet` lets them pass.
        """
        if not text:
            return None
        begins, ends = (int(hour) * 60 + int(minute) for hour, minute in (each.split(":") for each in text.split("-")))
        return cls(begins, ends)

    def holds_at(self, minute: int) -> bool:
        """Return whether it is quiet in this minute after midnight, local time."""
        if self.begins <= self.ends:
            return self.begins <= minute < self.ends
        return minute >= self.begins or minute < self.ends


def is_silent(snapshot: Snapshot, now: float) -> bool:
    """Return whether people want silence: notifications are snoozed, all agents are paused, or the program ends.

    Args:
        snapshot: All that is visible.
        now: Wall-clock time.
    """
    if snapshot.stopping or snapshot.snoozed_until > now:
        return True
    # The agent that watches the program itself is never paused, and so says nothing of what people want.
    is_paused = False
    for agent in snapshot.agents.values():
        if agent.state is not AgentState.DISABLED and agent.name != HEALTH:
            if not agent.paused:
                return False
            is_paused = True
    return is_paused
