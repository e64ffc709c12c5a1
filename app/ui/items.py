"""What Qt's item models, and what paints them, share."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt

AnyIndex = QModelIndex | QPersistentModelIndex
"""What Qt hands over as an index."""
SPOKEN_ROLES = frozenset(
    {int(Qt.ItemDataRole.DisplayRole), int(Qt.ItemDataRole.ToolTipRole), int(Qt.ItemDataRole.AccessibleTextRole)}
)
"""The roles under which a row says what it is: to eyes, under the pointer, to a screen reader."""
