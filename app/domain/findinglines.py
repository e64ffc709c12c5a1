"""Whether the lines of a file around a finding may be shown, or sent. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.domain.findings import AuditReport, Finding

SECRETS = "secrets"
"""The id of the check whose findings have values that are never shown: no file in which it found one is read."""


def may_be_read(finding: Finding, report: AuditReport) -> bool:
    """Return whether the lines around a finding may be shown: never those of a file in which a secret was found."""
    if finding.line < 1 or not finding.path or finding.commit or finding.check == SECRETS:
        return False
    return not holds_secret(finding.path, report)


def holds_secret(path: str, report: AuditReport) -> bool:
    """Return whether an audit found a secret in a file, be it that it is muted.

    Of a secret that stands in several files the others are named in its detail.

    Args:
        path: The file, relative to the project's root.
        report: The audit.
    """
    secrets = (each.finding for each in report.findings if each.finding.check == SECRETS)
    return any(each.path == path or f"{path}:" in each.detail for each in secrets)


def is_its_line(finding: Finding, line: str) -> bool:
    """Return whether a line of a file is the one that was found, and not another that has taken its place since.

    Args:
        finding: What was found.
        line: The line that stands where it was found.
    """
    own = _squeezed(line)
    evidence = _squeezed(finding.evidence.splitlines()[0] if finding.evidence.strip() else "")
    return bool(own) and (not evidence or evidence in own or own in evidence)


def _squeezed(line: str) -> str:
    return "".join(line.split())
