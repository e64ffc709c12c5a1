"""What a person or a program asks for. Each command has one handler, and its answer's type is said beside it.

The same commands serve the tray, the window and, over the local socket, the command line.
`project` is the project's root folder as an absolute path; None means all of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something that is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTests(Command):
    """Run the tests now. Answer: None."""

    project: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRun(Command):
    """End the running tests. Answer: None."""

    project: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchProject(Command):
    """Watch one more project. Answer: its root as str. Refused with ProjectError."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(Command):
    """Pause an agent, or all of them, for `seconds`, or until resumed. Answer: the names that were paused."""

    agent: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Command):
    """Let a paused agent, or all of them, work again, and try those that failed at once.

    Answer: the names that were resumed.
    """

    agent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snooze(Command):
    """Keep notifications silent for `seconds`. Answer: None."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseWindow(Command):
    """Show the window, on a test where one is named. Answer: None."""

    project: str | None = None
    nodeid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(Command):
    """End the program in an orderly way. Answer: None."""

    reason: str = "asked to"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStatus(Command):
    """Answer: the current Snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTest(Command):
    """Answer: app.domain.history.TestDetail of one test."""

    project: str
    nodeid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadWhy(Command):
    """Answer: app.domain.history.Why of one test. Refused with UsageError when the test or project is not known."""

    project: str
    nodeid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRuns(Command):
    """Answer: the last runs, newest first, as a tuple of app.domain.history.RunRecord."""

    project: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLogs(Command):
    """Answer: the log lines after `after`, oldest first, as a tuple of app.domain.history.LogLine."""

    after: int = 0
    limit: int = 500
