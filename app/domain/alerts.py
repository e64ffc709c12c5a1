"""What a person is alerted to, whatever it goes through."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Urgency(StrEnum):
    """How much an alert matters, from the least on."""

    NEWS = "news"
    """Good to know: green again, recovered."""
    WARNING = "warning"
    """Wants a look: a red test, a finding, a key that is due."""
    CRITICAL = "critical"
    """Something has failed that people rely on: an agent is down, the program was stuck, the vault is damaged."""

    @property
    def rank(self) -> int:
        """Its place among the urgencies; the least is 0."""
        return list(Urgency).index(self)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, in words for people; without secrets.

    Attributes:
        cause: What it is about: `tests:/root`, `agent:NAME`, `vault`. A later alert of the same cause goes on from it.
        urgency: How much it matters.
        title: One line.
        body: Some lines; may be empty.
        at: Wall-clock time, in seconds since the epoch.
        is_over: True when it tells that what the cause's last alert told of is over.
        id: Its own, by which one that comes twice is known for the same; empty until it is put into a queue.
    """

    cause: str
    urgency: Urgency
    title: str
    body: str
    at: float
    is_over: bool = False
    id: str = ""


def is_red(alert: Alert) -> bool:
    """Return whether it tells that tests broke: of several alerts, people are told of these first."""
    return alert.cause.startswith("tests:") and alert.urgency is not Urgency.NEWS
