"""The settings that hold now: the person's file, read again when it changed, and over it what a project may bring."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from app.agents.settings import ProjectSettings, Settings
from app.domain.errors import SettingsError
from app.engine.overrides import ProjectOverrides
from app.engine.settings import SettingsFile
from app.engine.statefile import StateFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.engine.places import Places

_log = structlog.get_logger(__name__)

TRUST_SCHEMA = 1


def overrides_of(places: Places, base: Callable[[], Settings]) -> ProjectOverrides[Settings]:
    """Return what puts projects' own settings over the person's, and keeps the word on which of them are trusted.

    Args:
        places: Where that word lies.
        base: Gives the person's own settings.
    """
    return ProjectOverrides(base, ProjectSettings, StateFile(places.trusted_projects, schema=TRUST_SCHEMA))


class SettingsInForce:
    """Answers what holds now. Safe to use from any thread; each answer costs a few file system calls.

    Args:
        places: Where the settings file, its last good copy and the word on trusted projects lie.
    """

    def __init__(self, places: Places) -> None:
        self._file = SettingsFile(Settings, places.settings_file, last_good=places.last_good_settings)
        self._overrides = overrides_of(places, lambda: self._file.current)
        self._turn = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        with self._turn:
            self._seen = self._stamp()
            self._file.load()

    @property
    def current(self) -> Settings:
        """The person's own settings as they were read last."""
        return self._file.current

    def general(self) -> tuple[Settings, tuple[str, str]]:
        """Return the person's own settings, and what is wrong with their file and what to do: empty when nothing is."""
        with self._turn:
            settings = self._refreshed()
            trouble = self._file.trouble
        return settings, (trouble.message, trouble.hint) if trouble is not None else ("", "")

    def of_project(self, root: Path) -> tuple[Settings, tuple[str, str]]:
        """Return the settings for a project, and what is wrong with those that the project itself brings along."""
        with self._turn:
            self._refreshed()
            settings, notice = self._overrides.project_settings(root)
        return settings, (notice.text, notice.hint) if notice is not None else ("", "")

    def _refreshed(self) -> Settings:
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._file.reload()
            except SettingsError as error:
                _log.warning("the settings file has a mistake, and the old settings stay", problem=error.message)
        return self._file.current

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            found = self._file.path.stat()
        except OSError:
            return None
        # Two writes may fall into one tick of the file system's clock: a new file has another number.
        return found.st_mtime_ns, found.st_size, found.st_ino
