"""The reports of audits that were, as files: whoever audits writes one, the program in the tray or a command alone."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.agents.auditing.memory import key_of
from app.agents.auditing.reports.jsonform import NotAReport, report_from_json, to_json
from app.engine.files import write_atomic
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.domain.findings import AuditReport

KEPT = 100
"""Reports kept of each project, the newest."""
LARGEST = 64 << 20

_NAME = re.compile(r"\d{8}T\d{9}Z-(?P<id>[0-9a-f]{8,32})\.json")


class Archive:
    """Keeps reports. Its methods block.

    Args:
        folder: Where each project has a folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, report: AuditReport, root: Path) -> None:
        """Keep a report, and drop those that are too many.

        Raises:
            OSError: It cannot be written.
        """
        folder = self._folder / key_of(root)
        folder.mkdir(parents=True, exist_ok=True)
        began = datetime.fromtimestamp(report.started_at, UTC)
        name = f"{began:%Y%m%dT%H%M%S}{began.microsecond // 1000:03}Z-{report.id}.json"
        write_atomic(folder / name, to_json(report).encode())
        for path in self._files(root)[:-KEPT]:
            with suppress(OSError):
                path.unlink()

    def count(self, root: Path) -> int:
        """Return how many reports there are."""
        return len(self._files(root))

    def reports(self, root: Path) -> Iterator[AuditReport]:
        """Give the reports, the oldest first; those that cannot be read are left out."""
        for path in self._files(root):
            report = _read(path)
            if report is not None:
                yield report

    def read(self, root: Path, audit: str = "") -> AuditReport | None:
        """Return a report by its id, or the last one; None when there is none that can be read."""
        for path in reversed(self._files(root)):
            found = _NAME.fullmatch(path.name)
            if found is not None and audit in ("", found["id"]):
                return _read(path)
        return None

    def newest(self, root: Path) -> str:
        """Return the id of the last report; empty when there is none."""
        files = self._files(root)
        found = _NAME.fullmatch(files[-1].name) if files else None
        return found["id"] if found is not None else ""

    def _files(self, root: Path) -> list[Path]:
        folder = self._folder / key_of(root)
        with suppress(OSError):
            return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
        return []


def _read(path: Path) -> AuditReport | None:
    with suppress(OSError, NotAReport, UnicodeDecodeError):
        return report_from_json(read_regular(path, LARGEST).decode())
    return None
