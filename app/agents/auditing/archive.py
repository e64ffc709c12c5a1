"""The reports of audits that were, as files: whoever audits writes one, the program in the tray or a command alone."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.agents.auditing.memory import key_of
from app.agents.auditing.reports.jsonform import NotAReport, report_from_json, to_json
from app.domain.findings import past_of
from app.engine.files import write_atomic
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.domain.findings import AuditReport, Finding, Past, Standings

KEPT = 100
"""Reports kept of each project, the newest; and as many of audits that were limited to some checks."""
PAST = 10
"""Audits before one of which its answer tells."""
LARGEST = 64 << 20

_NAME = re.compile(r"\d{8}T\d{9}Z-(?P<id>[0-9a-f]{8,32})(?P<limited>-some)?\.json")


class Archive:
    """Keeps reports. Its methods block.

    That of an audit which was limited to some checks is found by its id, and is never the last one.

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
        name = f"{began:%Y%m%dT%H%M%S}{began.microsecond // 1000:03}Z-{report.id}{'-some' if report.only else ''}.json"
        write_atomic(folder / name, to_json(report).encode())
        files = self._files(root)
        for kind in (False, True):
            for path in [path for path, found in files if bool(found["limited"]) is kind][:-KEPT]:
                with suppress(OSError):
                    path.unlink()

    def count(self, root: Path) -> int:
        """Return how many reports there are of whole audits."""
        return sum(not found["limited"] for _, found in self._files(root))

    def reports(self, root: Path) -> Iterator[AuditReport]:
        """Give the reports, the oldest first; those that cannot be read are left out."""
        for path, _ in self._files(root):
            report = _read(path)
            if report is not None:
                yield report

    def together(self, root: Path) -> AuditReport | None:
        """Return the last report with what limited audits after it found and saw fixed; None when there is none.

        It tells what is known of findings, and not what an audit came to.
        """
        found: dict[str, Standings] = {}
        fixed: dict[str, Finding] = {}
        newest = None
        for path, name in reversed(self._files(root)):
            report = _read(path)
            if report is not None:
                seen = found.keys() | fixed.keys()
                newest = newest or report
                found |= {each.finding.fingerprint: each for each in report.findings
                          if each.finding.fingerprint not in seen}  # fmt: skip
                fixed |= {each.fingerprint: each for each in report.fixed if each.fingerprint not in seen}
            if not name["limited"]:
                break
        return replace(newest, findings=(*found.values(),), fixed=(*fixed.values(),)) if newest is not None else None

    def past(self, root: Path, audit: str, most: int = PAST) -> tuple[Past, ...]:
        """Return the whole audits before one in figures, the oldest first.

        Args:
            root: The project's root folder.
            audit: The id of that one; audits that began after it are left out.
            most: At most so many, the last ones.
        """
        files = self._files(root)
        ids = [found["id"] for _, found in files]
        before = files[: ids.index(audit)] if audit in ids else files
        paths = [path for path, found in before if not found["limited"]]
        return tuple(past_of(report) for path in paths[-most:] if (report := _read(path)) is not None)

    def read(self, root: Path, audit: str = "") -> AuditReport | None:
        """Return a report by its id, or the last one; None when there is none that can be read."""
        for path, found in reversed(self._files(root)):
            if found["id"] == audit or not (audit or found["limited"]):
                return _read(path)
        return None

    def newest(self, root: Path) -> str:
        """Return the id of the last report; empty when there is none."""
        return next((found["id"] for _, found in reversed(self._files(root)) if not found["limited"]), "")

    def _files(self, root: Path) -> list[tuple[Path, re.Match[str]]]:
        folder = self._folder / key_of(root)
        with suppress(OSError):
            return [(path, found) for path in sorted(folder.iterdir()) if (found := _NAME.fullmatch(path.name))]
        return []


def _read(path: Path) -> AuditReport | None:
    with suppress(OSError, NotAReport, UnicodeDecodeError):
        return report_from_json(read_regular(path, LARGEST).decode())
    return None
