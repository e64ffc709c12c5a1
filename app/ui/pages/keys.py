"""The Keys page: the vault of API keys, as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from app.domain.commands import LockVault
from app.domain.keys import VaultState
from app.ui.keys_view import closed_view
from app.ui.pages.keys_closed import ClosedPart
from app.ui.pages.keys_code import CodeFlow
from app.ui.pages.keys_open import OpenPart
from app.ui.parts import Card, Page, button, label, row
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from PySide6.QtGui import QHideEvent

    from app.domain.keys import VaultView
    from app.domain.snapshot import Snapshot
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

_WIDTH = 560
_WHAT_FOR = (
    "A vault keeps the API keys of your project encrypted, in place of a file that anything can read. "
    "Agents and the command line take from it what they need, and it tells who read what, and what is to be renewed."
)


class KeysPage(Page):
    """One part for each way that the vault can stand, and the steps of a new recovery code above them all."""

    def __init__(self, context: PageContext, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._vault: VaultView | None = None
        self._given_up = False
        self._in_flow = False
        self._missing = self._make_missing()
        self._closed = ClosedPart(context)
        self._closed.given_up.connect(self._give_up)
        self._open = OpenPart(context, theme)
        self._open.kit_wanted.connect(lambda: self._begin(makes_vault=False))
        self._flow = CodeFlow(context)
        self._flow.left.connect(self._leave_flow)
        self._parts = QStackedWidget()
        for part in (self._missing, self._closed, self._open, self._flow):
            self._parts.addWidget(part)
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        box.addWidget(self._parts)

    @property
    def open_part(self) -> OpenPart:
        """What is shown of an open vault."""
        return self._open

    def render_snapshot(self, snapshot: Snapshot) -> None:
        """Show how the vault stands."""
        before, self._vault = self._vault, snapshot.vault
        if before is snapshot.vault:
            self.tick()
            return
        if before is not None and before.state is not snapshot.vault.state:
            self._turn(before.state, snapshot.vault.state)
        self._show()

    def tick(self) -> None:
        """Bring ages up to date."""
        if self._parts.currentWidget() is self._open:
            self._open.tick()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        for part in (self._closed, self._open, self._flow):
            part.wear(theme)

    def focus_search(self) -> bool:
        """Put the cursor into the search field, where there is something to search."""
        if self._parts.currentWidget() is not self._open:
            return False
        self._open.focus_search()
        return True

    def hideEvent(self, event: QHideEvent) -> None:
        """Keep no code that nobody looks at: it opens nothing yet, and the next one is as good."""
        super().hideEvent(event)
        if not event.spontaneous() and self._in_flow:
            self._leave_flow()

    def _make_missing(self) -> QWidget:
        make = button("Make a vault", "primary", "In three steps, the first of which needs pen and paper")
        make.clicked.connect(lambda: self._begin(makes_vault=True))
        card = Card()
        card.body.setSpacing(SPACE + 4)
        card.body.addWidget(label("There is no vault yet", "heading"))
        card.body.addWidget(label(_WHAT_FOR, wraps=True))
        card.body.addLayout(row(make, 1))
        card.setFixedWidth(_WIDTH)
        part = QWidget()
        box = QVBoxLayout(part)
        box.setContentsMargins(0, 0, 0, 0)
        box.addStretch(2)
        box.addLayout(row(1, card, 1))
        box.addStretch(3)
        return part

    def _turn(self, before: VaultState, state: VaultState) -> None:
        """Let go of what belongs to the state of before."""
        if state is not VaultState.WAITING:
            self._given_up = False
        if before is VaultState.OPEN:
            self._open.forget()
            if self._in_flow:
                self._leave_flow()
        if state is VaultState.OPEN:
            self._closed.forget()

    def _show(self) -> None:
        vault = self._vault
        if vault is None:
            return
        if vault.state is VaultState.OPEN:
            self._open.show_vault(vault)
        elif vault.state is not VaultState.NONE:
            self._closed.show_view(closed_view(vault, given_up=self._given_up))
        if self._in_flow:
            part: QWidget = self._flow
        elif vault.state is VaultState.OPEN:
            part = self._open
        else:
            part = self._missing if vault.state is VaultState.NONE else self._closed
        self._parts.setCurrentWidget(part)

    def _begin(self, *, makes_vault: bool) -> None:
        self._in_flow = True
        self._flow.begin(makes_vault=makes_vault)
        self._show()

    @Slot()
    def _leave_flow(self) -> None:
        self._in_flow = False
        self._flow.forget()
        self._show()

    @Slot()
    def _give_up(self) -> None:
        self._given_up = True
        self._context.request(LockVault())
        self._show()
