"""What the history counts about itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """What the writer thread did: written by it alone, read by others."""

    written: int = 0
    batches: int = 0
    failures: int = 0
    recoveries: int = 0


@dataclass(frozen=True, slots=True)
class HistoryCounters:
    """What the history did since it was opened.

    Attributes:
        recorded: Events that came in.
        written: Events that are in the database.
        pending: Events that wait.
        pending_bytes: Memory that they take, by estimate.
        batches: Transactions that wrote them.
        failures: Attempts to open or write that failed.
        recoveries: How often a damaged file was replaced.
        dropped_outputs: Outputs that did not fit into memory while the database could not be written.
        dropped_results: Results that likewise did not fit, or that the database refused.
        dropped_events: Other events of that kind.
    """

    recorded: int
    written: int
    pending: int
    pending_bytes: int
    batches: int
    failures: int
    recoveries: int
    dropped_outputs: int
    dropped_results: int
    dropped_events: int
