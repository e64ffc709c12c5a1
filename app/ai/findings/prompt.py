"""What a model is told of a finding that a conversation is about: no secrets, in a budget, as data without commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.ai.failures.trimming import THIRDS, size_of, trimmed
from app.ai.findings.material import finding_sections
from app.ai.framing import harmless, introduced

if TYPE_CHECKING:
    from app.ai.failures.privacy import Privacy
    from app.ai.failures.sources import Sources
    from app.domain.analysis import PromptSection
    from app.domain.findings import AuditReport, Standings

LEAST_TOKENS = 200
"""A smaller budget is taken for this one."""


def finding_context(
    found: Standings, report: AuditReport, *, sources: Sources, privacy: Privacy, budget_tokens: int, nonce: str
) -> tuple[str, tuple[PromptSection, ...]]:
    """Return what a model is told of a finding, and what that consists of. Blocks, as it reads a file.

    Args:
        found: What was found.
        report: The audit that has found it.
        sources: The project's files.
        privacy: Takes out what must not leave.
        budget_tokens: How many tokens it may have; from 200 on.
        nonce: Letters and digits that nobody can foresee, new for each prompt: the data's marks carry them.
    """
    privacy.learn(f"{found.finding.title}\n{found.finding.evidence}")
    sections = finding_sections(found, report, sources=sources, clean=harmless(privacy.clean, nonce))
    thirds = max(budget_tokens, LEAST_TOKENS) * THIRDS - size_of(introduced("", nonce))
    data, told = trimmed(sections, thirds)
    return introduced(data, nonce), told
