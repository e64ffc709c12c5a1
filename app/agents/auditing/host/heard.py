"""What is heard of a check while it runs, and what it comes to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.agents.auditing.plugin import Progressed
from app.domain.findings import AuditVerdict, Checked, CheckOutcome, Finding, Severity, weighs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_FINDINGS = 5000
"""Findings of one check that are kept."""
FLOOD = 100_000
"""Findings after which a check is ended: it tells of everything, and so of nothing."""
MOST_REASONS = 20
OTHERS_DEADLINE_S = 120.0
_TEXTS = ("rule", "title", "path", "evidence", "detail", "remedy", "commit", "resource")


@dataclass(frozen=True, slots=True)
class CheckPlace:
    """Where a check is found.

    Attributes:
        id: The check's id.
        title: Its name for people.
        entry: The name of its entry point; empty for one that comes with Watchkeeper.
        deadline_s: How long it may take.
    """

    id: str
    title: str
    entry: str = ""
    deadline_s: float = OTHERS_DEADLINE_S


class Heard:
    """What came of one check so far.

    Args:
        place: Which check.
        on_progress: Called with how far it is; None for nobody.
    """

    def __init__(self, place: CheckPlace, on_progress: Callable[[Progressed], None] | None = None) -> None:
        self.is_done = False
        self.is_ended = False
        self.has_failed = False
        self._place = place
        self._on_progress = on_progress
        self._target = ""
        self._findings: list[Finding] = []
        self._count = 0
        self._reasons: dict[str, None] = {}
        self._more_reasons = 0

    @property
    def has_reasons(self) -> bool:
        """Whether anything could not be looked at."""
        return bool(self._reasons)

    def unknown(self, reason: str) -> None:
        """Take note of something that could not be looked at."""
        if len(self._reasons) < MOST_REASONS:
            self._reasons[" ".join(reason.split()) or "it does not say why"] = None
        else:
            self._more_reasons += 1

    def failed(self, reason: str) -> None:
        """Take note of why the check itself failed."""
        self.has_failed = True
        self.unknown(reason)

    def line(self, line: bytes) -> None:
        """Take what the program told."""
        try:
            told = json.loads(line)
            if told.get("done") is True:
                self.is_done = True
            elif "failed" in told:
                self.failed(str(told["failed"]))
                self.is_done = True
            elif "unknown" in told:
                self.unknown(str(told["unknown"]))
            elif "progress" in told:
                self._progressed(*told["progress"])
            elif "target" in told:
                self._target = str(told["target"])
            else:
                self.take(finding_of(told["finding"], self._place.id))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self.failed("it told something that cannot be read")

    def _progressed(self, done: object, total: object) -> None:
        if not isinstance(done, int) or not isinstance(total, int):
            raise TypeError("progress is told by two numbers")
        if self._on_progress is not None:
            self._on_progress(Progressed(done, total))

    def take(self, finding: Finding) -> None:
        """Take a finding."""
        self._count += 1
        if len(self._findings) < MOST_FINDINGS:
            self._findings.append(finding)
        if self._count >= FLOOD:
            self.failed(f"it was ended after {FLOOD:,} findings")
            self.is_ended = True

    def checked(self, took_s: float) -> Checked:
        """Return what it came to."""
        reasons = [*self._reasons, *([f"and {self._more_reasons} more reasons"] if self._more_reasons else [])]
        verdict = AuditVerdict.UNKNOWN if reasons else AuditVerdict.PASS
        if any(map(weighs, self._findings)):
            verdict = AuditVerdict.FAIL
        left_out = self._count - len(self._findings)
        outcome = CheckOutcome(
            self._place.id, self._place.title, verdict, tuple(reasons), self._count, left_out, took_s
        )
        return Checked(outcome, tuple(self._findings), self._target)


def finding_of(told: Mapping[str, Any], check: str) -> Finding:
    """Return a finding that came as JSON.

    Raises:
        ValueError: A field is not what it should be.
        KeyError: A field is missing.
    """
    texts = {name: told.get(name, "") for name in _TEXTS}
    line = told.get("line", 0)
    if not all(isinstance(text, str) for text in texts.values()) or not isinstance(line, int) or line < 0:
        raise ValueError("a field of a finding is of the wrong kind")
    if not texts["rule"] or not texts["title"]:
        raise ValueError("a finding has a rule and a title")
    return Finding(check=check, severity=Severity(told["severity"]), line=int(line), **texts)
