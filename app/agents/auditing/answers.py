"""The answer beside a marker: `NAME.audit.md` for who reads, `NAME.audit.json` for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.agents.auditing.reports.jsonform import to_json
from app.agents.auditing.reports.markdown import to_markdown
from app.agents.auditing.reports.outline import without_root
from app.engine.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.domain.findings import AuditReport

OF_THE_PROJECT = 0o644


def answer_beside(root: Path, marker: str, report: AuditReport) -> tuple[Path, ...]:
    """Write both answers, in place of older ones, and return their paths.

    Args:
        root: The project's root folder.
        marker: The marker's path, relative to it with `/`.
        report: What the audit came to.

    Raises:
        OSError: They cannot be written.
    """
    path = root / marker
    stem = path.name.removesuffix(".md") or path.name
    told: Sequence[tuple[str, str]] = (
        (".audit.md", to_markdown(report)),
        (".audit.json", to_json(without_root(report))),
    )
    written = []
    for end, text in told:
        answer = path.with_name(stem + end)
        write_atomic(answer, text.encode(), mode=OF_THE_PROJECT)
        written.append(answer)
    return tuple(written)
