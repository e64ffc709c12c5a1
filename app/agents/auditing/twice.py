"""Tells once what two checks see in the same line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.findings import Finding, Standings

_SWALLOWED = ("leftovers", "swallowed")
_SECURITY = "security"
_SAME = frozenset({"S110", "S112"})
"""The rules of security by which an exception is swallowed."""


def told_once(
    found: Sequence[Standings], fixed: Sequence[Finding]
) -> tuple[tuple[Standings, ...], tuple[Finding, ...]]:
    """Return what was found and what is fixed without what another check tells of the same line.

    A swallowed exception is told by the check of security, which tells it as long as it stands, and as severely as it
    is in new work. What only the check of changes no longer sees, for it is no change any more, is not fixed.

    Args:
        found: What was found, with how it stands.
        fixed: What is there no more.
    """
    firm = {_place(each.finding) for each in found if each.finding.check == _SECURITY and each.finding.rule in _SAME}
    if not firm:
        return tuple(found), tuple(fixed)
    severities = {_place(each.finding): each.finding.severity for each in found if _is_swallowed(each.finding)}
    lines = {(each.finding.path, each.finding.evidence) for each in found if _place(each.finding) in firm}
    told = []
    for each in found:
        severity, place = each.finding.severity, _place(each.finding)
        if _is_swallowed(each.finding) and place in firm:
            continue
        if each.finding.check == _SECURITY and each.finding.rule in _SAME and place in severities:
            severity = max(severity, severities[place], key=lambda one: one.rank)
        told.append(replace(each, finding=replace(each.finding, severity=severity)))
    gone = tuple(each for each in fixed if not (_is_swallowed(each) and (each.path, each.evidence) in lines))
    return tuple(told), gone


def _is_swallowed(finding: Finding) -> bool:
    return (finding.check, finding.rule) == _SWALLOWED


def _place(finding: Finding) -> tuple[str, int]:
    return finding.path, finding.line
