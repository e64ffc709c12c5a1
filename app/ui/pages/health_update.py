"""The card of a newer release on the Health page: what is new in it, and the next step towards it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from app.domain import healthwords, updatewords, words
from app.domain.commands import DownloadUpdate, InstallUpdate, SkipUpdate
from app.ui.parts import Card, button, label, row, set_text

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from app.domain.releases import UpdateView
    from app.ui.requests import PageContext


class UpdateCard(Card):
    """It; hidden while no newer release is known, or the person wants to hear no more of it.

    Nothing is fetched before one click, and nothing is installed before another.
    """

    def __init__(self, context: PageContext, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self._context = context
        self._view: UpdateView | None = None
        self._title = label("", "section", wraps=True)
        self._detail = label("", "muted", wraps=True)
        self._notes = label("", wraps=True)
        self._how = label("", wraps=True)
        for text in (self._notes, self._how):
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._next = button("", "primary")
        self._next.clicked.connect(self._take_next_step)
        self._skip = button("Skip this version", "link", "Tell and show no more of this version")
        self._skip.clicked.connect(self._skip_it)
        for widget in (self._title, self._detail, self._notes, self._how):
            self.body.addWidget(widget)
        self.body.addLayout(row(self._next, self._skip, 1))
        self.hide()

    def show_update(self, view: UpdateView, now: float) -> None:
        """Show the release that is offered, and how far it has come, at the wall-clock time `now`."""
        self._view = view
        release = view.shown
        self.setVisible(release is not None)
        if release is None:
            return
        said = updatewords.fetched_title if view.ready else updatewords.found_title
        set_text(self._title, said(release.version))
        self.setAccessibleName(said(release.version))
        set_text(self._detail, f"Released {words.ago(now - release.published)}. What runs here is {view.current}.")
        set_text(self._notes, view.notes)
        self._notes.setVisible(bool(view.notes))
        is_button = self._show_button(view)
        set_text(self._how, "" if is_button else updatewords.how_to_install(view))
        self._how.setVisible(not is_button)

    def _show_button(self, view: UpdateView) -> bool:
        """Show what can be clicked; False where a command of the person's own is the next step."""
        file, is_coming = view.file, view.fetched is not None
        is_started_here = bool(view.ready) and view.channel == updatewords.STARTED_HERE
        is_there = file is not None and (not view.ready or is_started_here)
        if file is not None:
            fetch = (
                f"Downloading: {updatewords.progress(view)}" if is_coming else f"Download {healthwords.size(file.size)}"
            )
            set_text(self._next, "Install" if is_started_here else fetch)
            self._next.setAccessibleName(self._next.text())
        self._next.setVisible(is_there)
        self._next.setEnabled(not is_coming)
        return is_there

    def _take_next_step(self) -> None:
        if self._view is not None:
            self._context.request(InstallUpdate() if self._view.ready else DownloadUpdate())

    def _skip_it(self) -> None:
        if self._view is not None and self._view.newer is not None:
            self._context.request(SkipUpdate(version=self._view.newer.version))
