"""Which finding of an audit is meant by its fingerprint, or by the beginning of it. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.domain.errors import UsageError
from app.domain.findings import Standing, Standings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.domain.findings import AuditReport

LEAST_DIGITS = 6
"""Digits of a fingerprint that name a finding, when no other begins alike."""
SHOWN_DIGITS = 12
"""As many are shown where a whole one would be too long."""

_LIKE_ONE = re.compile(rf"[0-9a-f]{{{LEAST_DIGITS},24}}", re.IGNORECASE)


def is_like_one(said: str) -> bool:
    """Return whether a word looks like a fingerprint, or like the beginning of one."""
    return _LIKE_ONE.fullmatch(said) is not None


def named(said: str, among: Iterable[str]) -> str:
    """Return the fingerprint that is meant; empty when there is no such.

    Args:
        said: All of it, or as many of its first digits as no other has, `LEAST_DIGITS` at least.
        among: Those that there are.

    Raises:
        UsageError: Several begin like that.
    """
    if not is_like_one(said):
        return ""
    found = [print_ for print_ in among if print_.startswith(said.lower())]
    if len(found) > 1:
        raise UsageError(f"{said} may be several findings.", "Give more of its digits.")
    return found[0] if found else ""


def finding_named(report: AuditReport, said: str) -> Standings | None:
    """Return the finding of a report that is meant; None when there is no such.

    Args:
        report: An audit; what it found and what it saw fixed counts.
        said: A fingerprint, or as many of its first digits as no other has.

    Raises:
        UsageError: Several begin like that.
    """
    fixed = (Standings(each, Standing.FIXED) for each in report.fixed)
    known = {each.finding.fingerprint: each for each in (*fixed, *report.findings)}
    return known.get(named(said, known))
