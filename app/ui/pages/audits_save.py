"""Saving an audit's report as a file, in one of its forms."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QDir, Qt
from PySide6.QtWidgets import QFileDialog, QWidget

from app.domain import words
from app.engine.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.findings import AuditReport, Past
    from app.ui.requests import PageContext

FILTERS = (
    ("Page for a browser (*.html)", "html"),
    ("Markdown (*.md)", "md"),
    ("SARIF, for other programs (*.sarif)", "sarif"),
    ("JSON (*.json)", "json"),
)
"""What a report can be saved as: the name of the filter, and of the form, which is its suffix as well."""
_FORMS = dict(FILTERS)
READABLE = 0o644


def ask_where(
    context: PageContext,
    report: AuditReport,
    past: tuple[Past, ...],
    over: QWidget,
    done: Callable[[str], None],
) -> QFileDialog:
    """Ask for a file's name in a window that blocks nothing, and save a report to it.

    Args:
        context: It is told of what goes wrong.
        report: The audit.
        past: The audits before it, the oldest first.
        over: The window that the question lies over.
        done: Called with the path once the file is written.

    Returns:
        The question, which is open.
    """
    dialog = QFileDialog(over, "Save the report")
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilters([name for name, _ in FILTERS])
    dialog.setDefaultSuffix(FILTERS[0][1])
    dialog.setDirectory(QDir.homePath())
    dialog.selectFile(file_name(report))
    dialog.filterSelected.connect(lambda name: dialog.setDefaultSuffix(_FORMS.get(name, FILTERS[0][1])))

    def unexpected(_error: BaseException) -> None:
        context.complain("That went wrong inside Watchkeeper.", "The log says more.")

    def chosen(path: str) -> None:
        form = form_of(path, dialog.selectedNameFilter())
        work = _save(context, lambda: _text(report, past, form), path, done)
        context.spawn(work, name="window: save a report", on_error=unexpected)

    dialog.fileSelected.connect(chosen)
    dialog.open()
    return dialog


def file_name(report: AuditReport) -> str:
    """Return a name for a report's file, without what a file system may refuse, and without its suffix."""
    name = words.file_name(report.project.replace("\\", "/"))
    kept = "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in name).strip("-.")
    return f"audit-{kept[:60] or 'project'}"


def form_of(path: str, chosen: str) -> str:
    """Return the form that a file's suffix names, else the one of the filter that was chosen."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    return suffix if suffix in _FORMS.values() else _FORMS.get(chosen, FILTERS[0][1])


async def _save(context: PageContext, text: Callable[[], str], path: str, done: Callable[[str], None]) -> None:
    try:
        await asyncio.to_thread(lambda: write_atomic(Path(path), text().encode("utf-8", "replace"), mode=READABLE))
    except OSError as error:
        context.complain(f"{path} cannot be written: {error.strerror or error}.", "Choose another folder.")
        return
    done(path)


def _text(report: AuditReport, past: tuple[Past, ...], form: str) -> str:
    from app.agents.auditing.reports.forms import FORMS  # noqa: PLC0415 - few save
    from app.agents.auditing.reports.outline import without_root  # noqa: PLC0415 - likewise

    return FORMS[form](without_root(report), past)
