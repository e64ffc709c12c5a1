"""The picture of a soak: what was used over time, where the faults were, and how late the loop was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QImage, QPainter, QPen, QPolygonF

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.faults.soak.samples import Sample

_WIDTH, _PLOT, _GAP, _LEFT = 1400, 150, 34, 90
_INK, _GRID, _FAULT, _LIFE = QColor("#1f2933"), QColor("#d9dee5"), QColor(214, 69, 65, 90), QColor("#2563eb")


def draw(
    path: Path,
    title: str,
    samples: Sequence[Sample],
    marks: Sequence[tuple[float, str]],
    *,
    bounds: Sequence[float],
    counts: Sequence[int],
) -> None:
    """Write the picture as a PNG.

    Args:
        path: The file.
        title: What stands above it.
        samples: What was measured.
        marks: When a fault was, in seconds since the beginning, and its name.
        bounds: The upper bounds of the loop's lags, in seconds.
        counts: How many ticks were that late; one more than bounds.
    """
    application = QGuiApplication.instance() or QGuiApplication(["soak"])
    plots: tuple[tuple[str, Callable[[Sample], float | None]], ...] = (
        ("memory (MiB)", lambda each: each.rss / 1024 / 1024),
        ("descriptors", lambda each: each.descriptors),
        ("threads", lambda each: each.threads),
        ("timers", lambda each: each.timers),
        ("child processes", lambda each: each.children),
    )
    height = 60 + (len(plots) + 1) * (_PLOT + _GAP) + 20
    image = QImage(_WIDTH, height, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.white)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(_INK)
    painter.setFont(QFont("DejaVu Sans", 13, QFont.Weight.Bold))
    painter.drawText(QRectF(20, 10, _WIDTH - 40, 30), title)
    painter.setFont(QFont("DejaVu Sans", 9))
    end = max([each.at for each in samples] + [at for at, _ in marks] + [1.0])
    top = 60.0
    for name, value in plots:
        points = [(each.at, value(each), each.pid) for each in samples]
        known = [(at, float(number), pid) for at, number, pid in points if number is not None]
        _plot(painter, QRectF(_LEFT, top, _WIDTH - _LEFT - 20, _PLOT), name, known, marks=marks, end=end)
        top += _PLOT + _GAP
    _histogram(painter, QRectF(_LEFT, top, _WIDTH - _LEFT - 20, _PLOT), bounds, counts)
    painter.end()
    image.save(str(path))
    del application


def _plot(
    painter: QPainter,
    box: QRectF,
    name: str,
    points: Sequence[tuple[float, float, int]],
    *,
    marks: Sequence[tuple[float, str]],
    end: float,
) -> None:
    highest = max([value for _, value, _ in points] + [1.0]) * 1.1
    _frame(painter, box, name, highest)

    def place(at: float, value: float) -> QPointF:
        return QPointF(box.left() + box.width() * at / end, box.bottom() - box.height() * value / highest)

    painter.setPen(QPen(_FAULT, 1))
    for at, _ in marks:
        painter.drawLine(place(at, 0), place(at, highest))
    painter.setPen(QPen(_LIFE, 1.6))
    for pid in dict.fromkeys(pid for _, _, pid in points):
        painter.drawPolyline(QPolygonF([place(at, value) for at, value, each in points if each == pid]))
    painter.setPen(_INK)
    for minute in range(0, int(end // 60) + 1, max(1, int(end // 60) // 10)):
        painter.drawText(
            QRectF(place(minute * 60, 0).x() - 20, box.bottom() + 3, 40, 16),
            Qt.AlignmentFlag.AlignHCenter,
            f"{minute} min",
        )


def _histogram(painter: QPainter, box: QRectF, bounds: Sequence[float], counts: Sequence[int]) -> None:
    total = max(1, sum(counts))
    _frame(painter, box, "lag of the loop", 100, "%")
    wide = box.width() / max(1, len(counts))
    for number, count in enumerate(counts):
        share = count / total
        left = box.left() + number * wide
        bar = QRectF(left + 4, box.bottom() - box.height() * share, wide - 8, box.height() * share)
        painter.fillRect(bar, _LIFE)
        told = f"to {bounds[number] * 1000:g} ms" if number < len(bounds) else "more"
        painter.drawText(QRectF(left, box.bottom() + 3, wide, 16), Qt.AlignmentFlag.AlignHCenter, told)
        painter.drawText(QRectF(left, bar.top() - 17, wide, 16), Qt.AlignmentFlag.AlignHCenter, f"{count}")


def _frame(painter: QPainter, box: QRectF, name: str, highest: float, unit: str = "") -> None:
    painter.setPen(QPen(_GRID, 1))
    for share in (0.0, 0.5, 1.0):
        y = box.bottom() - box.height() * share
        painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))
        painter.setPen(_INK)
        painter.drawText(
            QRectF(box.left() - 60, y - 8, 52, 16), Qt.AlignmentFlag.AlignRight, f"{highest * share:.0f}{unit}"
        )
        painter.setPen(QPen(_GRID, 1))
    painter.setPen(_INK)
    painter.drawText(QRectF(box.left(), box.top() - 18, 400, 16), name)
