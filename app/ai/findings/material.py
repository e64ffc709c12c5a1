"""What there is to tell of a finding, in sections by relevance, each cleaned as a whole before anything is cut."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.ai.failures.trimming import Block, Section, shortened
from app.domain.findinglines import SECRETS, holds_secret, is_its_line, may_be_read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.ai.failures.sources import Passage, Sources
    from app.domain.findings import AuditReport, Finding, Standings

    Clean = Callable[[str], str]

_LONGEST_LINE = 150
"""Tokens that a line may have."""
_LONGEST_FUNCTION = 60
"""Lines: of a longer function, those around the place are told."""
_NO_SOURCE = "(no source is shown: a secret was found in this file)"


def finding_sections(found: Standings, report: AuditReport, *, sources: Sources, clean: Clean) -> list[Section]:
    """Return all there is to tell of a finding, the most relevant first. Blocks, as it reads a file.

    Where a secret stands in the same file neither its source is told nor what other checks say of it in its own words:
    what takes out secrets knows most of them by their looks, and this one is known to be there. What the check that
    finds secrets says of them is masked.

    Args:
        found: What was found.
        report: The audit that has found it.
        sources: The project's files.
        clean: Takes out of a text what must not leave; the text keeps its number of lines.
    """
    finding = found.finding
    if finding.check != SECRETS and holds_secret(finding.path, report):
        finding = replace(finding, evidence="", detail="")
    source = _source(finding, report, sources, clean)
    return [
        Section("The finding", (_block(_facts(replace(found, finding=finding)), clean),), 0.35),
        Section("Source around it", source, 0.40),
        Section("More about it", (_block(finding.detail.split("\n"), clean),) if finding.detail.strip() else (), 0.15),
        Section("What its check advises", (_block([finding.remedy], clean),) if finding.remedy.strip() else (), 0.10),
    ]


def _facts(found: Standings) -> list[str]:
    finding = found.finding
    place = f"{finding.path}:{finding.line}" if finding.path and finding.line > 0 else finding.path
    facts = [
        finding.title,
        f"found by: check {finding.check}, rule {finding.rule}",
        f"severity: {finding.severity.value}, standing: {found.standing.value}",
        f"place: {place}" if place else "",
        f"in the commit: {finding.commit}" if finding.commit else "",
        f"muted by a person, because: {found.reason}" if found.reason else "",
        f"evidence: {finding.evidence}" if finding.evidence.strip() else "",
    ]
    return [line for fact in facts if fact for line in fact.split("\n")]


def _source(finding: Finding, report: AuditReport, sources: Sources, clean: Clean) -> tuple[Block, ...]:
    if not may_be_read(finding, report):
        has_place = bool(finding.path) and finding.line > 0 and not finding.commit
        return (Block((_NO_SOURCE,)),) if has_place else ()
    if not is_its_line(finding, sources.line(finding.path, finding.line)):
        return ()  # another line has taken its place since
    passage = sources.passage(finding.path, finding.line)
    if passage is not None and len(passage.lines) > _LONGEST_FUNCTION:
        passage = sources.around(finding.path, finding.line)
    return (_numbered(passage, finding.line, sources, clean),) if passage is not None else ()


def _numbered(passage: Passage, line: int, sources: Sources, clean: Clean) -> Block:
    """Write source with its line numbers. The whole file is cleaned: half a secret is not known by its looks."""
    whole = sources.lines(passage.path)
    cleaned = clean("\n".join(whole)).split("\n")
    if len(cleaned) != len(whole):  # the numbers would be wrong
        cleaned = ["(source that holds a secret)"] * len(whole)
    width = len(str(passage.last))
    shown = [
        shortened(f"{'>' if number == line else ' '}{number:>{width}} {cleaned[number - 1]}".rstrip(), _LONGEST_LINE)
        for number in range(passage.first, passage.last + 1)
    ]
    return Block((*_cleaned([f"--- {passage.path}"], clean), *shown), line - passage.first + 1, 1)


def _block(lines: Iterable[str], clean: Clean) -> Block:
    return Block(_cleaned(lines, clean))


def _cleaned(lines: Iterable[str], clean: Clean) -> tuple[str, ...]:
    return tuple(shortened(line.rstrip(), _LONGEST_LINE) for line in clean("\n".join(lines)).split("\n"))
