"""The settings that hold now: the person's file, read again when it changed, and over it what a project may bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from app.agents.settings import ProjectSettings, Settings
from app.domain.errors import SettingsError
from app.engine.overrides import ProjectOverrides
from app.engine.patience import Patience
from app.engine.settings import SettingsFile
from app.engine.statefile import StateFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.engine.places import Places

_log = structlog.get_logger(__name__)

TRUST_SCHEMA = 1

ANSWERS_S = 5.0
"""How long a folder may take to answer: one that takes longer is that of a dead disk or server."""


def overrides_of(places: Places, base: Callable[[], Settings]) -> ProjectOverrides[Settings]:
    """Return what puts projects' own settings over the person's, and keeps the word on which of them are trusted.

    Args:
        places: Where that word lies.
        base: Gives the person's own settings.
    """
    return ProjectOverrides(base, ProjectSettings, StateFile(places.trusted_projects, schema=TRUST_SCHEMA))


class SettingsInForce:
    """Answers what holds now. Safe to use from any thread; each answer costs a few file system calls.

    A folder that does not answer is given up after `ANSWERS_S`: what was read last holds meanwhile, and that is said.

    Args:
        places: Where the settings file, its last good copy and the word on trusted projects lie.
        answers_s: How long a folder may take.
    """

    def __init__(self, places: Places, *, answers_s: float = ANSWERS_S) -> None:
        self._file = SettingsFile(Settings, places.settings_file, last_good=places.last_good_settings)
        self._overrides = overrides_of(places, lambda: self._file.current)
        self._answers_s = answers_s
        self._reading = Patience("settings", answers_s)
        self._projects: dict[Path, Patience] = {}
        self._is_loaded = False
        self._seen: tuple[int, ...] | None = None
        self.general()

    @property
    def current(self) -> Settings:
        """The person's own settings as they were read last."""
        return self._file.current

    def general(self) -> tuple[Settings, tuple[str, str]]:
        """Return the person's own settings, and what is wrong with their file and what to do: empty when nothing is."""
        try:
            trouble = self._reading.do(self._refreshed)
        except TimeoutError:
            return self._file.current, _silent(self._file.path.parent)
        return self._file.current, (trouble.message, trouble.hint) if trouble is not None else ("", "")

    def of_project(self, root: Path) -> tuple[Settings, tuple[str, str]]:
        """Return the settings for a project, and what is wrong with those that the project itself brings along."""
        self.general()
        # Not by the thread of the person's own file: that would have all projects wait for one of them.
        reading = self._projects.get(root)
        if reading is None:
            reading = self._projects.setdefault(root, Patience("project-settings", self._answers_s))
        try:
            settings, notice = reading.do(lambda: self._overrides.project_settings(root))
        except TimeoutError:
            return self._file.current, _silent(root)
        return settings, (notice.text, notice.hint) if notice is not None else ("", "")

    def _refreshed(self) -> SettingsError | None:
        """Read the file where it has changed, and return what is wrong with it."""
        stamp = self._stamp()
        if not self._is_loaded:
            self._seen = stamp
            self._file.load()
            self._is_loaded = True
        elif stamp != self._seen:
            self._seen = stamp
            try:
                self._file.reload()
            except SettingsError as error:
                _log.warning("the settings file has a mistake, and the old settings stay", problem=error.message)
        return self._file.trouble

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            found = self._file.path.stat()
        except OSError:
            return None
        # Two writes may fall into one tick of the file system's clock: a new file has another number.
        return found.st_mtime_ns, found.st_size, found.st_ino


def _silent(folder: Path) -> tuple[str, str]:
    return (
        f"{folder} does not answer, so the settings that were read last hold.",
        "Look whether its disk or server is there.",
    )
