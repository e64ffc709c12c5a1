"""Changes of the person's settings that a face asks for: written into the file, with its comments kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.agents.settings import Settings
from app.agents.testing.projects import check_folder
from app.engine.settings import SettingsFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.agents.settings_in_force import SettingsInForce
    from app.engine.places import Places


class SettingsChanges:
    """Makes them, one after the other. Belongs to the loop's thread.

    Args:
        places: Where the file and its last good copy lie.
        in_force: Has what is written in force at once.
    """

    def __init__(self, places: Places, in_force: SettingsInForce) -> None:
        self._file = SettingsFile(Settings, places.settings_file, last_good=places.last_good_settings)
        self._in_force = in_force
        self._turn = asyncio.Lock()

    async def set(self, key: str, values: Sequence[str]) -> None:
        """Set one of them.

        Raises:
            SettingsError: The file has a mistake, there is no such setting, or the value is not allowed.
            CannotError: The file cannot be written. It is as it was then.
        """
        async with self._turn:
            await asyncio.to_thread(self._set, key, values)

    async def keep_project(self, path: str) -> str:
        """Put a project's folder behind those that are watched at each start, and return its root.

        Raises:
            ProjectError: It cannot be watched.
            SettingsError: The file has a mistake.
            CannotError: The file cannot be written. It is as it was then.
        """
        async with self._turn:
            return await asyncio.to_thread(self._keep, path)

    def _keep(self, path: str) -> str:
        root = str(check_folder(path))
        settings, _ = self._file.check()
        if root not in settings.projects:
            self._set("projects", (*settings.projects, root))
        return root

    def _set(self, key: str, values: Sequence[str]) -> None:
        self._file.set(key, values)
        self._in_force.general()
