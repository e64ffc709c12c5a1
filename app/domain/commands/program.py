"""What is asked of the program as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.commands.base import Command, PrivateCommand


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
    """Show the window: on a test, or on a page, where one is named.

    Pages are `now`, `tests`, `conversation`, `audits`, `keys`, `health` and `log`.
    With a conversation's id it is that one, or with an empty id a new one about the test. Answer: None.
    The page `audits` shows the project that is named with it. A page that there is none of leaves the window where it
    was.
    """

    project: str | None = None
    nodeid: str | None = None
    page: str | None = None
    conversation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(Command):
    """End the program in an orderly way. Answer: None."""

    reason: str = "asked to"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStatus(Command):
    """Answer: the current Snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLogs(Command):
    """Answer: the log lines after `after`, oldest first, as a tuple of app.domain.history.LogLine."""

    after: int = 0
    limit: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartAgent(Command):
    """End an agent and start it again; one that waits, or was given up for a while, is tried at once. Answer: None.

    Refused with UsageError where there is no such agent.
    """

    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveSafeMode(Command):
    """Start the agents that safe mode keeps from starting. Answer: their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestAlerts(Command):
    """Send a test alert through a channel (`desktop`, `mail`, `telegram` or `webhook`), or through all that are set up.

    Answer: app.domain.health.ChannelTest of each. Refused with UsageError where that channel is not set up.
    """

    __test__ = False

    channel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveBundle(Command):
    """Write what helps to find a fault of the program itself into one file, without secrets.

    Answer: the file's path as str. Refused with CannotError when it cannot be written.
    """

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckUpdates(Command):
    """Ask now whether there is a newer release. Answer: app.domain.releases.UpdateView.

    Refused with UpdateError where there is no answer. One that is not believed is told in the view.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadUpdate(Command):
    """Fetch the file of the release that is offered, and check it. Answer: app.domain.releases.UpdateView.

    Refused with UpdateError where there is none, or it cannot be had; with UpdateRefused where it is not what was
    announced.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallUpdate(PrivateCommand):
    """Start the file that was fetched, on Windows: a person has clicked for that. Answer: None.

    Refused with UpdateError where there is none, or it is not started but installed by a command.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipUpdate(Command):
    """Tell and show no more of this version. Answer: None."""

    version: str
