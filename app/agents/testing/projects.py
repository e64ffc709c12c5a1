"""The watched projects: a folder is checked, given a name, and a test watcher of its own."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from app.domain.commands import CancelRun, ReadDiff, ReadWhy, RunTests, WatchProject
from app.domain.errors import ProjectError, UsageError
from app.domain.events import SystemResumed
from app.domain.verdicts import CauseKind
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from app.agents.testing.agent import TestWatcher
    from app.domain.analysis import SourceDiff
    from app.domain.events import Event
    from app.domain.history import Why
    from app.domain.snapshot import Snapshot
    from app.engine.bus import Bus
    from app.engine.supervisor import Supervisor


def check_folder(path: str | Path, *, home: Path | None = None) -> Path:
    """Return the absolute path of a folder that can be watched.

    Args:
        path: The folder as a person gave it.
        home: The person's home folder, by default the system's word for it.

    Raises:
        ProjectError: It does not exist, is no folder, cannot be read, or is far too much to watch.
    """
    folder = Path(path)
    try:
        folder = folder.expanduser().absolute()
        folder = folder.resolve(strict=True)
        is_folder = folder.is_dir()
    except FileNotFoundError:
        raise ProjectError(f"{folder} does not exist.", "Check the path, or change into the project first.") from None
    except (OSError, RuntimeError, ValueError) as error:
        raise ProjectError(f"{folder} cannot be opened: {error}.", "Check its permissions.") from None
    if not is_folder:
        hint = f"Give the folder of the project, such as {folder.parent}."
        raise ProjectError(f"{folder} is a file, not a folder.", hint)
    if not os.access(folder, os.R_OK | os.X_OK):
        raise ProjectError(f"{folder} cannot be read by you.", f"Check its permissions: ls -ld {folder}")
    if folder == folder.parent or folder == (home or Path.home()):
        raise ProjectError(f"{folder} is far more than one project.", "Give the folder of one project.")
    return folder


class Projects:
    """All watched projects; a context manager.

    Answers `WatchProject`, `RunTests`, `CancelRun`, `ReadWhy` and `ReadDiff`. After the machine slept, each project is
    looked at for changes that nobody told of.

    Args:
        bus: Whose commands it answers.
        supervisor: Who keeps the watchers alive.
        make: Builds the watcher of a folder under a title.
    """

    def __init__(self, bus: Bus, supervisor: Supervisor, make: Callable[[Path, str], TestWatcher]) -> None:
        self._bus = bus
        self._supervisor = supervisor
        self._make = make
        self._watchers: dict[str, TestWatcher] = {}
        self._unhandle: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._unhandle = [
            self._bus.handle(WatchProject, self._watch),
            self._bus.handle(RunTests, self._run_tests),
            self._bus.handle(CancelRun, self._cancel_run),
            self._bus.handle(ReadWhy, self._why),
            self._bus.handle(ReadDiff, self._diff),
            self._bus.subscribe(self._heed),
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answer no more. The watchers themselves end with the supervisor."""
        for unhandle in self._unhandle:
            unhandle()

    def watch(self, folder: Path) -> str:
        """Watch a folder that was checked; one that is watched already stays as it is. Returns its root."""
        root = str(folder)
        if root not in self._watchers:
            watcher = self._make(folder, self._title(folder))
            self._supervisor.add(watcher)
            self._watchers[root] = watcher
        return root

    def _title(self, folder: Path) -> str:
        taken = {watcher.name.removeprefix("tests:") for watcher in self._watchers.values()}
        title = folder.name
        for parent in folder.parents:
            if title not in taken:
                break
            title = f"{parent.name}/{title}"
        return title

    def _chosen(self, project: str | None) -> list[TestWatcher]:
        if project is None:
            return list(self._watchers.values())
        watcher = self._watchers.get(str(Path(project).absolute()))
        if watcher is None:
            known = ", ".join(self._watchers) or "none"
            raise UsageError(f"{project} is not watched.", f"The watched projects are: {known}.")
        return [watcher]

    async def _watch(self, command: WatchProject) -> str:
        return self.watch(await asyncio.to_thread(check_folder, command.path))

    def _heed(self, event: Event, _snapshot: Snapshot) -> None:
        if isinstance(event, SystemResumed):
            for watcher in self._watchers.values():
                spawn(watcher.rescan(), name=f"{watcher.name} looks again")

    def _run_tests(self, command: RunTests) -> None:
        for watcher in self._chosen(command.project):
            watcher.inbox.wish(CauseKind.REQUEST)

    def _cancel_run(self, command: CancelRun) -> None:
        for watcher in self._chosen(command.project):
            watcher.inbox.cancel()

    def _why(self, command: ReadWhy) -> Why:
        (watcher,) = self._chosen(command.project)
        why = watcher.impact.why(command.project, command.nodeid)
        if why is None:
            raise UsageError(
                f"Nothing is known of {command.nodeid} yet.",
                "Look whether its name is right (`watchkeeper tests last` lists them), or run the tests once.",
            )
        return why

    async def _diff(self, command: ReadDiff) -> SourceDiff:
        (watcher,) = self._chosen(command.project)
        return await watcher.diff()
