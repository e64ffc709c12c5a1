"""The forms of a report by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from app.agents.auditing.reports.htmlpage import to_html
from app.agents.auditing.reports.jsonform import to_json
from app.agents.auditing.reports.markdown import to_markdown
from app.agents.auditing.reports.sarif import to_sarif
from app.agents.auditing.reports.text import to_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.domain.findings import AuditReport, Past


class Form(Protocol):
    """Turns a report into text."""

    def __call__(self, report: AuditReport, past: Sequence[Past] = (), /) -> str:
        """Return the report in this form.

        Args:
            report: The audit.
            past: The audits before it, the oldest first.
        """


FORMS: Mapping[str, Form] = {
    "text": to_text,
    "json": to_json,
    "sarif": to_sarif,
    "html": to_html,
    "md": to_markdown,
}
"""Each form's function by the name that `--format` takes."""
