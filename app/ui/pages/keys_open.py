"""The Keys page while the vault is open: the table of secrets, and all that can be done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QFontMetrics, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QMessageBox,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from app.domain.commands import CopySecret, LockVault, RemoveSecret, RotateDataKey
from app.ui.keys_model import AGE, DUE, GROUP, NAME, NOTES, READ, KeysModel
from app.ui.keys_view import open_view
from app.ui.pages.keys_form import SecretForm
from app.ui.parts import button, label, row, set_text
from app.ui.search_field import SearchField
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent, QShowEvent

    from app.domain.keys import SecretView, VaultView
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

_WIDTHS = {AGE: 80, DUE: 182, READ: 124}
_MORE_READ = 120
"""What the reader gets of the room that is left, beside the notes."""
_LEAST_NOTES = 80
_FIXED, _STRETCH = QHeaderView.ResizeMode.Fixed, QHeaderView.ResizeMode.Stretch
_NAME_WIDTHS = (140, 300)
"""A name gets the room that the longest one takes, within these bounds."""
_GROUP_WIDTHS = (80, 150)
_PADDING = 8
_SAID_S = 10.0
"""How long it is said that something was done."""


class OpenPart(QWidget):
    """Search and Add above, the table, what can be done with the chosen secret, and below what concerns the vault."""

    kit_wanted = Signal()
    """A new recovery code is asked for."""

    def __init__(self, context: PageContext, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._vault: VaultView | None = None
        self._chosen = ""
        self._said_until = 0.0
        self._said = ""
        self._counts_down = False
        self._question: QMessageBox | None = None
        self._model = KeysModel(context.icons, theme, self)
        self._title = label("", "heading")
        self._detail = label("", "muted")
        self._search = SearchField("Search the secrets")
        self._search.textChanged.connect(self._refilter)
        self._add = button("Add", "primary", "Put a new secret into the vault (Ctrl+N)")
        self._add.setAccessibleName("Add a secret")
        self._add.clicked.connect(self._open_form_for_new)
        self._form = SecretForm(context)
        self._form.closed.connect(self._form_closed)
        self._table = self._make_table()
        self._empty = label("", "muted", wraps=True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._table)
        self._stack.addWidget(self._empty)
        self._make_buttons()
        self._done = label("", "muted")
        self._keys = label("", "muted", wraps=True)
        self._lay_out()
        self._add_shortcuts()
        self._say("", 0)
        self._enable()

    @property
    def model(self) -> KeysModel:
        """The secrets that are shown."""
        return self._model

    def show_vault(self, vault: VaultView) -> None:
        """Show an open vault; what was chosen stays chosen."""
        self._vault = vault
        self._show()

    def tick(self) -> None:
        """Bring ages, and what is left of a copy's half minute, up to date."""
        self._show()
        self._show_said()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._model.ratio = self.devicePixelRatioF()
        self._model.wear(theme)
        self._form.wear(theme)
        self._table.setStyleSheet(f"QTableView::item {{ padding: 0 {_PADDING}px; }}")
        self._table.horizontalHeader().setStyleSheet(
            f"QHeaderView {{ background: transparent; }} QHeaderView::section {{ background: transparent; border: none;"
            f" border-bottom: 1px solid {theme.border}; color: {theme.muted}; font-weight: 600;"
            f" padding: 7px {_PADDING}px; }}"
        )

    def focus_search(self) -> None:
        """Put the cursor into the search field."""
        self._search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._search.selectAll()

    def forget(self) -> None:
        """Close what is open, keep no name: the vault is not open any more."""
        self._form.forget()
        if self._question is not None:
            self._question.close()
        self._vault = None
        self._chosen = ""
        self._search.setText("")
        self._model.show_rows(())
        self._say("", 0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as many columns as there is room for."""
        super().resizeEvent(event)
        self._fit()

    def showEvent(self, event: QShowEvent) -> None:
        """Likewise, when it is first laid out."""
        super().showEvent(event)
        QTimer.singleShot(0, self, self._fit)

    def changeEvent(self, event: QEvent) -> None:
        """Draw marks anew for another screen."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._model.ratio = self.devicePixelRatioF()

    def _make_buttons(self) -> None:
        self._copy = button("Copy", tooltip="Put its value into the clipboard, for half a minute (Ctrl+C)")
        self._copy.clicked.connect(self._copy_chosen)
        self._renew = button("New value", tooltip="Set a new value, other notes, or another reminder (Enter)")
        self._renew.clicked.connect(self._open_form_for_chosen)
        self._remove = button("Remove", tooltip="Take it out of the vault (Del)")
        self._remove.clicked.connect(self._ask_to_remove)
        self._rotate = button("Rotate", tooltip="Encrypt everything under a new data key now")
        self._rotate.clicked.connect(self._rotate_key)
        self._kit = button("Recovery kit", tooltip="Make a new recovery code: the one of before opens nothing then")
        self._kit.clicked.connect(self.kit_wanted)
        self._lock = button("Lock", tooltip="Forget the vault's keys until it is opened again")
        self._lock.clicked.connect(lambda: self._context.request(LockVault()))

    def _lay_out(self) -> None:
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(SPACE + 4)
        box.addLayout(row(self._title, self._detail, 1))
        bar = row(self._search)
        bar.setStretch(0, 2)
        bar.addStretch(1)
        for each in (self._copy, self._renew, self._remove, self._add):
            bar.addWidget(each)
        box.addLayout(bar)
        box.addWidget(self._form)
        box.addWidget(self._stack, 1)
        box.addWidget(self._done)
        foot = row(self._keys, self._rotate, self._kit, self._lock)
        foot.setStretch(0, 1)
        box.addLayout(foot)

    def _make_table(self) -> QTableView:
        table = QTableView()
        table.setObjectName("framed")
        table.setAccessibleName("Secrets")
        table.setModel(self._model)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setShowGrid(False)
        table.setWordWrap(False)
        table.setTabKeyNavigation(False)
        table.setTextElideMode(Qt.TextElideMode.ElideRight)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + 18)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionsClickable(False)
        header.setMinimumSectionSize(60)
        header.setSectionResizeMode(_FIXED)
        header.setSectionResizeMode(NOTES, _STRETCH)
        self._model.modelReset.connect(self._fit)
        table.selectionModel().currentRowChanged.connect(self._choose)
        table.activated.connect(self._open_form_for_chosen)
        return table

    def _add_shortcuts(self) -> None:
        for keys, does in (
            (QKeySequence(QKeySequence.StandardKey.Copy), self._copy_chosen),
            (QKeySequence(QKeySequence.StandardKey.Delete), self._ask_to_remove),
        ):
            shortcut = QShortcut(keys, self._table)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(does)
        new = QShortcut(QKeySequence(QKeySequence.StandardKey.New), self)
        new.setContext(Qt.ShortcutContext.WindowShortcut)
        new.activated.connect(self._open_form_for_new)

    def _show(self) -> None:
        if self._vault is None:
            return
        view = open_view(self._vault, self._context.clock.wall(), self._search.text())
        set_text(self._title, view.title)
        set_text(self._detail, view.detail)
        set_text(self._keys, view.keys)
        self._model.show_rows(view.rows)
        self._choose_again()
        nothing = "No secret has this in its name, its group or its notes."
        if not self._vault.secrets:
            nothing = "Nothing is in the vault yet.\nAdd the keys that your agents need: no file has to hold them then."
        set_text(self._empty, nothing)
        self._stack.setCurrentWidget(self._table if view.rows else self._empty)
        self._enable()

    @Slot()
    def _fit(self) -> None:
        """Give names the room that they take; what then has none is left out, and stands in a name's tooltip."""
        rows, header = self._model.rows, self._table.horizontalHeader()
        name = self._room([each.name for each in rows], _NAME_WIDTHS)
        group = self._room([each.group for each in rows], _GROUP_WIDTHS)
        left = self._table.viewport().width() - name - sum(_WIDTHS.values())
        shown = {AGE: left >= 0, GROUP: any(each.group for each in rows) and left >= group}
        left -= group if shown[GROUP] else 0
        shown[NOTES] = left >= _LEAST_NOTES
        for column, is_shown in shown.items():
            self._table.setColumnHidden(column, not is_shown)
        # A section that stretches takes no size, so the mode comes first.
        header.setSectionResizeMode(NAME, _FIXED if shown[NOTES] else _STRETCH)
        read = _WIDTHS[READ] + (min((left - _LEAST_NOTES) // 2, _MORE_READ) if shown[NOTES] else 0)
        for column, width in {**_WIDTHS, READ: read, NAME: name, GROUP: group}.items():
            header.resizeSection(column, width)

    def _room(self, texts: list[str], bounds: tuple[int, int]) -> int:
        bold = self._table.font()
        bold.setBold(True)
        metrics = QFontMetrics(bold)
        room = max((metrics.horizontalAdvance(text) for text in texts), default=0) + 2 * _PADDING + 8
        return min(max(room, bounds[0]), bounds[1])

    def _choose_again(self) -> None:
        """Choose the secret of before after the table was filled anew, and none that the person did not choose."""
        place = self._model.row_of(self._chosen)
        if place != self._table.currentIndex().row():
            chosen = self._chosen
            self._table.setCurrentIndex(self._model.index(place, 0) if place >= 0 else QModelIndex())
            self._chosen = chosen

    def _secret(self) -> SecretView | None:
        if self._vault is None or self._model.row_of(self._chosen) < 0:
            return None
        return next((secret for secret in self._vault.secrets if secret.name == self._chosen), None)

    def _enable(self) -> None:
        has_one = self._secret() is not None
        for each in (self._copy, self._renew, self._remove):
            each.setEnabled(has_one)

    @Slot(QModelIndex)
    def _choose(self, index: QModelIndex | QPersistentModelIndex) -> None:
        if index.isValid():
            self._chosen = self._model.rows[index.row()].name
        self._enable()

    @Slot()
    def _refilter(self) -> None:
        self._show()

    @Slot()
    def _open_form_for_new(self) -> None:
        if self._vault is not None and self.isVisible():
            self._form.open_for(None, frozenset(secret.name for secret in self._vault.secrets))

    @Slot()
    def _open_form_for_chosen(self) -> None:
        secret = self._secret()
        if secret is not None:
            self._form.open_for(secret)

    @Slot(str)
    def _form_closed(self, name: str) -> None:
        if name:
            self._chosen = name
            self._say(f"{name} is in the vault.", _SAID_S)
            self._show()
        (self._table if self._table.isVisible() else self._add).setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot()
    def _copy_chosen(self) -> None:
        secret = self._secret()
        if secret is not None:
            self._context.request(CopySecret(name=secret.name), lambda stays: self._copied(secret.name, stays))

    def _copied(self, name: str, stays: object) -> None:
        seconds = float(stays) if isinstance(stays, int | float) else _SAID_S
        self._say(f"{name} is in the clipboard", seconds, counts_down=True)

    @Slot()
    def _rotate_key(self) -> None:
        self._context.request(
            RotateDataKey(), lambda _: self._say("Everything is encrypted under a new data key.", _SAID_S)
        )

    @Slot()
    def _ask_to_remove(self) -> None:
        secret = self._secret()
        if secret is None or self._question is not None:
            return
        question = QMessageBox(
            QMessageBox.Icon.Question,
            "Remove a secret",
            f"Remove {secret.name}?",
            QMessageBox.StandardButton.NoButton,
            self.window(),
        )
        question.setObjectName("content")  # the style's ground: a window of its own inherits none
        question.setPalette(self.window().palette())
        question.setTextFormat(Qt.TextFormat.PlainText)
        question.setInformativeText(
            "Programs that ask for it get nothing then. The provider still takes it until you revoke it there."
        )
        removes = question.addButton("Remove", QMessageBox.ButtonRole.DestructiveRole)
        keeps = question.addButton("Keep", QMessageBox.ButtonRole.RejectRole)
        question.setDefaultButton(keeps)
        question.setEscapeButton(keeps)

        def finished() -> None:
            self._question = None
            question.deleteLater()
            if question.clickedButton() is removes:
                self._context.request(RemoveSecret(name=secret.name), lambda _: self._removed(secret.name))

        question.finished.connect(finished)
        self._question = question
        question.open()

    def _removed(self, name: str) -> None:
        self._say(f"{name} is no longer in the vault.", _SAID_S)

    def _say(self, text: str, seconds: float, *, counts_down: bool = False) -> None:
        self._said, self._counts_down = text, counts_down
        self._said_until = self._context.clock.monotonic() + seconds
        self._show_said()

    def _show_said(self) -> None:
        left = self._said_until - self._context.clock.monotonic()
        if left <= 0:
            self._said = ""
        set_text(
            self._done, f"{self._said}, cleared in {left:.0f} s" if self._said and self._counts_down else self._said
        )
