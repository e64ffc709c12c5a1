"""What is known of one failure before anybody explains it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.domain.analysis import SourceDiff

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.history import TestMoment
    from app.domain.verdicts import Cause, Check, Outcome


@dataclass(frozen=True, slots=True)
class FailureFacts:
    """What is known of one failure.

    Attributes:
        root: The project's root folder, absolute.
        nodeid: The test.
        outcome: How it ended.
        output: The failure's text and what the test printed, as the runner told it; not redacted.
        cause: What caused the run in which it went red.
        diff: How the source differs from when it was last green; not redacted.
        check: The second look, or None.
        moments: How it ended in earlier runs, the newest first; this failure may be among them.
        since: Wall-clock time at which it went red.
        others: Other tests that went red with it.
        now: Wall-clock time of the explanation.
    """

    root: Path
    nodeid: str
    outcome: Outcome
    output: str
    cause: Cause
    diff: SourceDiff = field(default_factory=SourceDiff)
    check: Check | None = None
    moments: tuple[TestMoment, ...] = ()
    since: float = 0.0
    others: tuple[str, ...] = ()
    now: float = 0.0
