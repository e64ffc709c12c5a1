"""The person's word on which projects' source may be sent where."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from app.domain.errors import CannotError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.agents.analysis.work import Work
    from app.engine.statefile import StateFile

_log = structlog.get_logger(__name__)

CONSENT_SCHEMA = 1


class Consent:
    """It, per project and host: who agreed to one provider has not agreed to the next.

    Belongs to the loop's thread. This program alone writes the file; where it cannot be read, nobody has agreed.

    Args:
        file: Where it is kept.
        work: Reads and writes it, in time or not at all.
    """

    def __init__(self, file: StateFile, work: Work) -> None:
        self._file = file
        self._work = work
        self._turn = asyncio.Lock()
        self._projects: dict[str, tuple[str, ...]] | None = None

    async def hosts(self, project: str) -> frozenset[str]:
        """Return the hosts that parts of a project's source may be sent to."""
        async with self._turn:
            return frozenset((await self._known()).get(project, ()))

    async def give(self, project: str, hosts: Iterable[str]) -> None:
        """Keep that the person has agreed.

        Raises:
            CannotError: It cannot be kept.
        """
        async with self._turn:
            known = await self._known()
            await self._keep({**known, project: tuple(sorted({*known.get(project, ()), *hosts}))})

    async def take_back(self, project: str) -> None:
        """Keep that the person no longer agrees, to any host. It holds at once, whether it can be written or not.

        Raises:
            CannotError: It cannot be kept, and so would no longer hold after a restart.
        """
        async with self._turn:
            left = {root: hosts for root, hosts in (await self._known()).items() if root != project}
            self._projects = left
            await self._keep(left)

    async def _known(self) -> dict[str, tuple[str, ...]]:
        if self._projects is None:
            try:
                found, trouble = await self._work.do(self._file.read)
            except CannotError as error:
                _log.warning("what was agreed to cannot be read, so nothing is", reason=error.message)
                return {}
            if trouble:
                _log.warning("what was agreed to cannot be read, so nothing is", reason=trouble)
            self._projects = _read(found.get("projects"))
        return self._projects

    async def _keep(self, projects: dict[str, tuple[str, ...]]) -> None:
        try:
            await self._work.do(lambda: self._file.write({"projects": projects}))
        except OSError as error:
            raise CannotError(
                f"{self._file.path} cannot be written: {error.strerror or error}.", "What you agreed to is not kept."
            ) from error
        self._projects = projects


def _read(projects: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(projects, dict):
        return {}
    return {str(root): tuple(map(str, hosts)) for root, hosts in projects.items() if isinstance(hosts, list) and hosts}
