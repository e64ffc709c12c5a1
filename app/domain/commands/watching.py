"""What is asked of the Test Watcher."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.commands.base import Command


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
class ReadDiff(Command):
    """Answer: app.domain.analysis.SourceDiff, how a project's source differs from when its tests were last green."""

    project: str
