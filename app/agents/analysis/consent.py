"""The person's word on which projects' source may be sent where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.errors import CannotError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.engine.statefile import StateFile

CONSENT_SCHEMA = 1


class Consent:
    """It, per project and host: who agreed to one provider has not agreed to the next. Blocks: call it in a thread.

    Args:
        file: Where it is kept.
    """

    def __init__(self, file: StateFile) -> None:
        self._file = file

    def hosts(self, project: str) -> frozenset[str]:
        """Return the hosts that parts of a project's source may be sent to."""
        hosts = self._read().get(project, [])
        return frozenset(str(host) for host in hosts) if isinstance(hosts, list) else frozenset()

    def give(self, project: str, hosts: Iterable[str]) -> None:
        """Keep that the person has agreed.

        Raises:
            CannotError: It cannot be kept.
        """
        self._write(project, sorted({*self.hosts(project), *hosts}))

    def take_back(self, project: str) -> None:
        """Keep that the person no longer agrees, to any host.

        Raises:
            CannotError: It cannot be kept.
        """
        self._write(project, [])

    def _read(self) -> dict[str, object]:
        found = self._file.read()[0].get("projects")
        return found if isinstance(found, dict) else {}

    def _write(self, project: str, hosts: list[str]) -> None:
        projects = {**self._read(), project: hosts}
        try:
            self._file.write({"projects": {root: kept for root, kept in projects.items() if kept}})
        except OSError as error:
            raise CannotError(
                f"{self._file.path} cannot be written: {error.strerror or error}.",
                "Nothing was agreed to or taken back.",
            ) from error
