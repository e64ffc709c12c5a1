"""Keeps what was found, each secret once, wherever it stands; and none of its value."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.domain.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from app.agents.auditing.checks.secrets.rules import Rule
    from app.agents.auditing.checks.secrets.scanner import Hit

MOST = 5000
"""So many different secrets are kept."""
_PLACES = 5
_LINES = 20
_BETWEEN_LINES = re.compile(rb"\\[nrt]|[^A-Za-z0-9+/=]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret stands.

    Attributes:
        path: The file, relative with `/`.
        line: Counted from 1.
        evidence: The line with the value masked.
        commit: The commit that added it; empty for the working tree.
    """

    path: str
    line: int
    evidence: str
    commit: str = ""


@dataclass(slots=True)
class _Entry:
    rule: Rule
    severity: Severity
    place: Place
    commit: str = ""
    others: list[Place] = field(default_factory=list)
    more: int = 0


class Ledger:
    """Secrets by what they are. Their values are kept as digests, under a key that is drawn anew for each audit."""

    def __init__(self) -> None:
        """Begin with none."""
        self._key = os.urandom(32)
        self._entries: dict[bytes, _Entry] = {}
        self.overflowed = False

    def add(self, hit: Hit, path: str, line: int, evidence: Callable[[], str], commit: str = "") -> None:
        """Take a secret that was found: those of the working tree first, then those of commits, the oldest first.

        Args:
            hit: It.
            path: The file, relative with `/`.
            line: Counted from 1.
            evidence: Gives the line with the value masked; called only when it is told.
            commit: The commit that added it; empty for the working tree.
        """
        value = _BETWEEN_LINES.sub(b"", hit.value) if hit.rule.reach else hit.value
        digest = hashlib.blake2b(value, key=self._key, digest_size=16).digest()
        entry = self._entries.get(digest)
        if entry is None:
            if len(self._entries) < MOST:
                place = Place(path, line, evidence(), commit)
                self._entries[digest] = _Entry(hit.rule, hit.severity, place, commit)
            else:
                self.overflowed = True
            return
        worse = hit.severity.rank > entry.severity.rank
        if worse:
            entry.rule, entry.severity = hit.rule, hit.severity
        if commit:
            entry.commit = entry.commit or commit
            return
        place = Place(path, line, evidence() if worse else "")
        if worse:
            place, entry.place = entry.place, place
        if all((place.path, place.line) != (each.path, each.line) for each in (entry.place, *entry.others)):
            if len(entry.others) < _PLACES:
                entry.others.append(place)
            else:
                entry.more += 1

    def findings(self, check: str) -> Iterator[Finding]:
        """Yield a finding for each secret, in the order in which they were found.

        What only informs, as test data does, is one finding for each kind and file.
        """
        alike: dict[tuple[str, str, bool], list[_Entry]] = {}
        for entry in self._entries.values():
            if entry.severity is Severity.INFO:
                alike.setdefault(_sort(entry), []).append(entry)
        for entry in self._entries.values():
            others = alike.get(_sort(entry), [entry]) if entry.severity is Severity.INFO else [entry]
            if others[0] is not entry:
                continue
            place, kind = entry.place, entry.rule.kind
            where = "an earlier commit" if place.commit else "the working tree"
            yield Finding(
                check=check,
                rule=entry.rule.id,
                title=f"{kind[0].upper()}{kind[1:]} in {where}",
                severity=entry.severity,
                path=_readable(place.path),
                line=place.line,
                evidence=place.evidence,
                detail=_detail(entry, others[1:]),
                remedy=entry.rule.remedy,
                commit=entry.commit,
            )


def _sort(entry: _Entry) -> tuple[str, str, bool]:
    return entry.rule.id, entry.place.path, bool(entry.place.commit)


def _detail(entry: _Entry, alike: Sequence[_Entry] = ()) -> str:
    told: list[str] = []
    if alike:
        lines = ", ".join(str(each.place.line) for each in alike[:_LINES])
        more = f" and {len(alike) - _LINES} more" if len(alike) > _LINES else ""
        told.append(f"Likewise in {'line' if len(alike) == 1 else 'lines'} {lines}{more} of the file.")
    if entry.place.commit:
        told.append("It is no longer in the working tree, but whoever has the repository has it.")
    elif entry.commit:
        told.append("It was committed: whoever has the repository has it.")
    if entry.others:
        others = ", ".join(f"{_readable(each.path)}:{each.line}" for each in entry.others)
        told.append(f"It is also in {others}{f' and {entry.more} more places' if entry.more else ''}.")
    if entry.rule.guess:
        told.append("Only its name says that it is a secret: if it is none, write `watchkeeper: allow` on its line.")
    return "\n".join(told)


def _readable(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "replace")
