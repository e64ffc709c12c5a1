"""What the history answers: records of runs, of tests and of log lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.domain.verdicts import Cause, Counts, Outcome, Stage, Verdict


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as history keeps it; times are wall-clock seconds (UTC).

    While it goes on `finished_at` is None; with an end but no verdict it was cut off by the end of the program.
    """

    run_id: str
    project: str
    cause: Cause
    started_at: float
    finished_at: float | None
    duration_s: float
    verdict: Verdict | None
    message: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class TestMoment:
    """How a test ended in one run."""

    __test__ = False

    run_id: str
    at: float
    outcome: Outcome
    duration_s: float
    cause: Cause


@dataclass(frozen=True, slots=True)
class TestDetail:
    """All that is known of one test: its last output, and its moments, newest first."""

    __test__ = False

    project: str
    nodeid: str
    output: str
    moments: tuple[TestMoment, ...]


@dataclass(frozen=True, slots=True)
class Why:
    """Why a test was run when it was, or was not.

    Attributes:
        stage: In which part of the last run that chose tests it stood; None when it stood in none.
        ran: Whether it has ended in that run.
        cause: What caused that run; None when none chose tests yet.
        reasons: Sentences for people, the strongest first: which changed function it executes, which file it reads.
        depends_on: Files of the project that it executes or reads, sorted.
        functions: How many functions of the project it executes.
    """

    project: str
    nodeid: str
    stage: Stage | None
    ran: bool
    cause: Cause | None
    reasons: tuple[str, ...]
    depends_on: tuple[str, ...]
    functions: int


@dataclass(frozen=True, slots=True)
class TestTrait:
    """What history says of a test over its last runs: how often it ended red and green, and how long it takes.

    Attributes:
        runs: Runs looked at.
        reds: How many of them ended red.
        flips: How often it changed between red and green with no change of a file between (`flaky` when above 0).
        mean_s: Mean duration in seconds.
    """

    __test__ = False

    project: str
    nodeid: str
    runs: int
    reds: int
    flips: int
    mean_s: float


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log; `seq` grows by one with each line and orders them whatever the clock does."""

    seq: int
    at: float
    level: str
    logger: str
    text: str
