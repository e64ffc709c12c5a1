"""What a model has said of each part of a change, so that it is asked once."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from app.agents.auditing.host.heard import finding_of
from app.agents.auditing.memory import key_of
from app.engine.statefile import StateFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.domain.findings import Finding

_log = structlog.get_logger(__name__)

SCHEMA = 1
MOST_PARTS = 2_000
"""Parts of a project that are remembered, those that were seen last."""


@dataclass(frozen=True, slots=True)
class Said:
    """A finding, and by what its line is found again.

    Attributes:
        finding: What was claimed.
        mark: The digest of its line; see `mark_of`.
    """

    finding: Finding
    mark: str

    def now(self, marks: Sequence[str]) -> Finding | None:
        """Return the finding where its line stands now, the nearest one to where it stood; None when it is gone.

        Args:
            marks: The marks of the file's lines.
        """
        places = [number for number, mark in enumerate(marks, 1) if mark == self.mark]
        if not places:
            return None
        return replace(self.finding, line=min(places, key=lambda number: abs(number - self.finding.line)))


@dataclass
class Known:
    """What is known of the reviews of a project.

    Attributes:
        since: The commit up to which all was looked at, or from which on not all was; empty when nothing was reviewed.
        looked: The parts that a model has looked at, by their digests, and when each was seen last (wall-clock time).
        open: What it claimed and nobody has mended.
    """

    since: str = ""
    looked: dict[str, float] = field(default_factory=dict)
    open: list[Said] = field(default_factory=list)


def mark_of(line: str) -> str:
    """Return by what a line is found again when it moves, whatever its indent: 16 hexadecimal digits."""
    return hashlib.sha256("".join(line.split()).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Ledger:
    """Keeps it, a file for each project. Its methods block.

    Args:
        folder: Where the files lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, root: Path) -> Known:
        """Return what is known of a project; what cannot be read is looked at again."""
        found, trouble = self._file(root).read()
        if trouble:
            _log.warning("what a model said before is not known any more", reason=trouble)
        try:
            return Known(
                since=str(found.get("since", "")),
                looked={str(digest): float(at) for digest, at in dict(found.get("looked", {})).items()},
                open=[
                    Said(finding_of(each, str(each["check"])), str(each["mark"]))
                    for each in list(found.get("open", []))
                ],
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            _log.warning("what a model said before is not known any more", reason=repr(error))
            return Known()

    def write(self, root: Path, known: Known) -> None:
        """Keep it; where that fails the parts are looked at again another time."""
        newest = sorted(known.looked.items(), key=lambda each: each[1])[-MOST_PARTS:]
        said = [{"mark": each.mark, **asdict(each.finding)} for each in known.open]
        try:
            self._file(root).write({"since": known.since, "looked": dict(newest), "open": said})
        except OSError as error:
            _log.warning("what a model said is not kept", reason=str(error))

    def _file(self, root: Path) -> StateFile:
        return StateFile(self._folder / f"{key_of(root)}.json", schema=SCHEMA)
