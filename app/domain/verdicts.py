"""What a test run can say: outcomes of tests, verdicts of runs, causes and counts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How one test ended, in pytest's own terms, and two more that pytest cannot say itself."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    """Setup or teardown failed, or the file could not be collected."""
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"
    CRASHED = "crashed"
    """The interpreter died while this test ran."""
    HUNG = "hung"
    """The run was ended because this test gave no sign of life."""

    @property
    def is_red(self) -> bool:
        """True when a person must look at it."""
        return self in _RED


_RED = frozenset({Outcome.FAILED, Outcome.ERROR, Outcome.CRASHED, Outcome.HUNG})


class Verdict(StrEnum):
    """What a whole run says."""

    GREEN = "green"
    RED = "red"
    COLLECTION_ERROR = "collection-error"
    """Test files could not be imported, so their tests did not run."""
    NO_TESTS = "no-tests"
    NO_PYTEST = "no-pytest"
    NO_INTERPRETER = "no-interpreter"
    USAGE_ERROR = "usage-error"
    """pytest refused its arguments or its configuration."""
    CRASHED = "crashed"
    """The interpreter died (a signal, a hard exit)."""
    HUNG = "hung"
    ERROR = "error"
    """Anything else that kept the tests from being run to their end."""
    CANCELLED = "cancelled"
    """A newer save or a person ended the run: it says nothing about the project."""

    @property
    def is_trouble(self) -> bool:
        """True when the run itself went wrong, so that its tests alone do not tell the state of the project."""
        return self not in (Verdict.GREEN, Verdict.RED, Verdict.CANCELLED)

    @property
    def is_bad(self) -> bool:
        """True when a person must look: red tests or a run that went wrong."""
        return self.is_trouble or self is Verdict.RED


class CauseKind(StrEnum):
    """Why a run was started."""

    START = "start"
    SAVE = "save"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a run was started.

    Attributes:
        kind: The sort of cause.
        paths: For a save, the changed files, relative to the project's root, with forward slashes.
    """

    kind: CauseKind
    paths: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the cause in words: `a.py`, `a.py and 2 more`, `start`, `request`."""
        if not self.paths:
            return self.kind.value
        more = len(self.paths) - 1
        return self.paths[0] if not more else f"{self.paths[0]} and {more} more"


@dataclass(frozen=True, slots=True)
class TestResult:
    """How one test ended in one run.

    Attributes:
        nodeid: pytest's node id; for a file that cannot be collected, the file's.
        outcome: How it ended.
        duration_s: Seconds of setup, call and teardown together.
        output: For a red outcome the failure's text and what the test printed, capped; else empty.
    """

    __test__ = False  # pytest must not take the name for a test class

    nodeid: str
    outcome: Outcome
    duration_s: float = 0.0
    output: str = ""


class Stage(StrEnum):
    """Which part of a run goes on: what the change touches comes first, then everything else."""

    IMPACTED = "impacted"
    REST = "rest"


class Blame(StrEnum):
    """What a red test's second look says of the change that came before it."""

    CHANGE = "change"
    """It is green on the last source that was green: the change did it."""
    ELSEWHERE = "elsewhere"
    """It is red there too: something else did, a clock, a network, an installed package."""
    FLAKY = "flaky"
    """On the same source it is green when it runs once more, alone."""


@dataclass(frozen=True, slots=True)
class Check:
    """A second look at a test that went red.

    Attributes:
        alone: How it ended when it ran once more, alone, on the same source; None when that was not tried.
        before: How it ended on the last source that was green; None when there is none, or it could not be run there.
    """

    alone: Outcome | None = None
    before: Outcome | None = None

    @property
    def blame(self) -> Blame | None:
        """What both looks say together; None when they say nothing."""
        if self.alone is not None and not self.alone.is_red:
            return Blame.FLAKY
        if self.before is None:
            return None
        return Blame.ELSEWHERE if self.before.is_red else Blame.CHANGE


@dataclass(frozen=True, slots=True)
class TestState:
    """The last known state of one test.

    Attributes:
        nodeid: pytest's node id.
        outcome: How it ended last.
        duration_s: Seconds it took last.
        since: Wall-clock time at which it went from red to not red or back.
        cause: What caused the run in which that happened.
        run_id: The run that it ended in last.
        check: The second look, for a red one that had it; else None.
    """

    __test__ = False

    nodeid: str
    outcome: Outcome
    duration_s: float
    since: float
    cause: Cause
    run_id: str
    check: Check | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tests of a run ended in which way."""

    passed: int = 0
    failed: int = 0
    error: int = 0
    skipped: int = 0
    xfailed: int = 0
    xpassed: int = 0
    crashed: int = 0
    hung: int = 0

    @classmethod
    def of(cls, outcomes: list[Outcome]) -> Counts:
        """Count a list of outcomes."""
        return cls(**{str(each.value): outcomes.count(each) for each in Outcome})

    def plus(self, other: Counts) -> Counts:
        """Return the sum, field by field."""
        return Counts(**{each.value: getattr(self, each.value) + getattr(other, each.value) for each in Outcome})

    def minus(self, other: Counts) -> Counts:
        """Return the difference, field by field: of tests that ended again, their last end counts."""
        return Counts(**{each.value: getattr(self, each.value) - getattr(other, each.value) for each in Outcome})

    @property
    def total(self) -> int:
        """All tests that ended."""
        return sum(getattr(self, each.value) for each in Outcome)

    @property
    def red(self) -> int:
        """The tests that a person must look at."""
        return self.failed + self.error + self.crashed + self.hung

    def __str__(self) -> str:
        """Return the counts in words, without the zeros: `3 failed, 480 passed`."""
        order = ("failed", "error", "crashed", "hung", "passed", "skipped", "xfailed", "xpassed")
        return ", ".join(f"{getattr(self, name)} {name}" for name in order if getattr(self, name)) or "no tests"
