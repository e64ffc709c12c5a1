"""An audit that was, as short as a trend needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.findings import AuditVerdict, Severity, Standing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.domain.findings import AuditReport


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier audit in figures.

    Attributes:
        at: When it began, wall-clock time.
        verdict: What it came to.
        counts: How many findings of each severity were neither muted nor fixed.
        new: How many of them were new.
        fixed: How many of the audit before were gone.
    """

    at: float
    verdict: AuditVerdict
    counts: Mapping[Severity, int]
    new: int = 0
    fixed: int = 0

    @property
    def open(self) -> int:
        """How many findings were neither muted nor fixed."""
        return sum(self.counts.values())


def past_of(report: AuditReport) -> Past:
    """Return an audit in figures, to be kept for the trend of later ones."""
    return Past(
        at=report.started_at,
        verdict=report.verdict,
        counts=report.counts(),
        new=sum(report.counts(Standing.NEW).values()),
        fixed=len(report.fixed),
    )
