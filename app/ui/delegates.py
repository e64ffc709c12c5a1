"""How rows of tests, of red tests, of covered files and of the log are painted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QFontMetrics, QPainter

from app.domain import words
from app.domain.verdicts import Outcome
from app.ui.items import RowDelegate
from app.ui.log_model import LEVELS, LINE_ROLE
from app.ui.painted import draw_share
from app.ui.tests_model import NODE_ROLE
from app.ui.tests_tree import Level

if TYPE_CHECKING:
    from PySide6.QtWidgets import QStyleOptionViewItem

    from app.domain.history import LogLine
    from app.ui.coverage_view import FileRow
    from app.ui.icons import Icons
    from app.ui.items import AnyIndex
    from app.ui.now_view import RedRow
    from app.ui.tests_tree import Node
    from app.ui.theme import Theme

ROW_ROLE = int(Qt.ItemDataRole.UserRole) + 2
"""Gives what a row is painted from: an app.ui.now_view.RedRow, an app.ui.coverage_view.FileRow."""
_LEFT = int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
_RIGHT = int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight)
_TITLE_SHARE = 0.7
"""Of a row's width: a name gets so much of it before a count gets any."""
_PILL_PADDING = 7
_SHARE_WIDTH, _SHARE_HEIGHT = 56, 6
_MIDDLE, _END = Qt.TextElideMode.ElideMiddle, Qt.TextElideMode.ElideRight


class _Rows(RowDelegate):
    """What the delegates of this module share: the symbols of tests, and a word of doubt."""

    def __init__(self, icons: Icons, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(theme, parent)
        self.icons = icons

    def pill(self, painter: QPainter, box: QRect, text: str) -> None:
        """Draw a word that casts doubt on a red test at the left of the box, where a name has left room for it."""
        metrics = painter.fontMetrics()
        width = metrics.horizontalAdvance(text) + 2 * _PILL_PADDING
        if not text or width > box.width():
            return
        height = metrics.height() + 1
        shape = QRectF(box.left(), box.top() + (box.height() - height) / 2, width, height)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.theme.amber_wash))
        painter.drawRoundedRect(shape, height / 2, height / 2)
        painter.setPen(QColor(self.theme.amber))
        painter.drawText(shape, int(Qt.AlignmentFlag.AlignCenter), text)

    def symbol(self, painter: QPainter, box: QRect, outcome: Outcome, size: int) -> None:
        pixmap = self.icons.symbol(
            f"outcome-{outcome.value}", self.theme.outcome(outcome), size, painter.device().devicePixelRatio()
        )
        painter.drawPixmap(box.left(), box.top() + (box.height() - size) // 2, pixmap)


class TestDelegate(_Rows):
    """A row of the tree of tests."""

    __test__ = False

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:
        """Return the height of a row."""
        del index
        return QSize(120, QFontMetrics(option.font).height() + 10)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        """Draw a node: its state, its name, and for what holds tests how many are red."""
        node: Node = index.data(NODE_ROLE)
        self.ground(painter, option)
        painter.save()
        box = option.rect.adjusted(4, 0, -8, 0)
        if index.column() == 1:
            self.text(painter, box, words.duration(node.duration_s), self.theme.muted, flags=_RIGHT)
        else:
            self._name(painter, box, node, option.font)
        painter.restore()

    def _name(self, painter: QPainter, box: QRect, node: Node, font: QFont) -> None:
        self.symbol(painter, box, node.outcome, 14)
        box = box.adjusted(20, 0, 0, 0)
        bold = QFont(font)
        bold.setBold(node.level is Level.PROJECT)
        painter.setFont(bold)
        if node.level is Level.TEST:
            dim = node.outcome in (Outcome.SKIPPED, Outcome.XFAILED)
            doubt = words.doubt(node.state.check) if node.state is not None else ""
            used = self.text(painter, box, node.title, self.theme.muted if dim else self.theme.text)
            self.pill(painter, box.adjusted(used + 8, 0, 0, 0), doubt)
            return
        badge = _badge(painter.fontMetrics(), node, box.width())
        room = painter.fontMetrics().horizontalAdvance(badge) + 12 if badge else 0
        used = self.text(painter, box.adjusted(0, 0, -room, 0), node.title, self.theme.text)
        painter.setFont(font)
        color = self.theme.red if node.red else self.theme.muted
        self.text(painter, box.adjusted(used + 10, 0, 0, 0), badge, color)


def _badge(metrics: QFontMetrics, node: Node, width: int) -> str:
    """Return the longest count that leaves its room to the name, which says more."""
    title = min(metrics.horizontalAdvance(node.title), int(width * _TITLE_SHARE))
    total = f"{node.total:,}"
    for badge in (f"{node.red:,} of {total}", f"{node.red:,}") if node.red else (total,):
        if metrics.horizontalAdvance(badge) + 12 + title <= width:
            return badge
    return ""


class RedDelegate(_Rows):
    """A row of the list of red tests: two lines."""

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:
        """Return the height of two lines."""
        del index
        return QSize(120, 2 * QFontMetrics(option.font).height() + 16)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        """Draw a red test: name and age above, file and cause below."""
        row: RedRow = index.data(ROW_ROLE)
        self.ground(painter, option)
        painter.save()
        box = option.rect.adjusted(8, 6, -8, -6)
        half = box.height() // 2
        top = QRect(box.left() + 26, box.top(), box.width() - 26, half)
        low = QRect(top.left(), box.top() + half, top.width(), half)
        self.symbol(painter, QRect(box.left(), box.top(), 16, half), Outcome(row.outcome), 16)
        self.text(painter, top, row.since, self.theme.muted, flags=_RIGHT)
        age = painter.fontMetrics().horizontalAdvance(row.since) + 12
        font = QFont(option.font)
        font.setBold(True)
        painter.setFont(font)
        used = self.text(painter, top.adjusted(0, 0, -age, 0), row.name, self.theme.text)
        painter.setFont(option.font)
        self.pill(painter, top.adjusted(used + 8, 0, -age, 0), row.doubt)
        cause = min(painter.fontMetrics().horizontalAdvance(row.cause) + 2, low.width() // 2)
        self.text(painter, low.adjusted(low.width() - cause, 0, 0, 0), row.cause, self.theme.muted, flags=_RIGHT)
        self.text(painter, low.adjusted(0, 0, -cause - 12, 0), row.where, self.theme.muted)
        painter.restore()


class CoverageDelegate(_Rows):
    """A file and its coverage: two lines."""

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:
        """Return the height of two lines."""
        del index
        return QSize(120, 2 * QFontMetrics(option.font).height() + 12)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        """Draw a file: its path and its share above, the lines that are not covered below."""
        row: FileRow = index.data(ROW_ROLE)
        self.ground(painter, option)
        painter.save()
        box = option.rect.adjusted(10, 4, -10, -4)
        half = box.height() // 2
        top = QRect(box.left(), box.top(), box.width(), half)
        self.text(painter, top, row.percent, self.theme.text, flags=_RIGHT)
        figures = painter.fontMetrics().horizontalAdvance("100.0 %") + 10
        bar = QRectF(top.right() - figures - _SHARE_WIDTH, 0, _SHARE_WIDTH, _SHARE_HEIGHT)
        bar.moveTop(top.top() + (top.height() - _SHARE_HEIGHT) / 2)
        draw_share(painter, bar, row.share, self.theme)
        self.text(painter, top.adjusted(0, 0, -figures - _SHARE_WIDTH - 12, 0), row.path, self.theme.text)
        self.text(painter, top.translated(0, half), row.missing, self.theme.muted, elide=_END)
        painter.restore()


class LogDelegate(_Rows):
    """A row of the log: time, level, where from, and what."""

    def __init__(self, icons: Icons, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(icons, theme, parent)
        self._font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        self._metrics = QFontMetrics(self._font)

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:
        """Return the height of one line."""
        del option, index
        return QSize(200, self._metrics.height() + 5)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        """Draw a log line."""
        line: LogLine = index.data(LINE_ROLE)
        self.ground(painter, option)
        painter.save()
        painter.setFont(self._font)
        unit = self._metrics.horizontalAdvance("0")
        box = option.rect.adjusted(10, 0, -10, 0)
        self.text(painter, box, words.time_of_day(line.at), self.theme.muted)
        box = box.adjusted(10 * unit, 0, 0, 0)
        self.text(painter, box, line.level, self._color(line.level))
        box = box.adjusted(9 * unit, 0, 0, 0)
        origin = line.logger.removeprefix("app.")
        self.text(painter, QRect(box.left(), box.top(), 22 * unit, box.height()), origin, self.theme.muted)
        box = box.adjusted(24 * unit, 0, 0, 0)
        self.text(painter, box, words.one_line(line.text), self.theme.text, elide=_END)
        painter.restore()

    def _color(self, level: str) -> str:
        rank = LEVELS.get(level, LEVELS["info"])
        if rank >= LEVELS["error"]:
            return self.theme.red
        if rank >= LEVELS["warning"]:
            return self.theme.amber
        return self.theme.accent if rank >= LEVELS["info"] else self.theme.muted
