"""Draws every icon from the one SVG sheet: states by shape and by colour, for light, dark and one-coloured panels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QImage, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from app.domain.snapshot import Mood
from app.ui.resources import resource

if TYPE_CHECKING:
    from pathlib import Path

CELL = 64.0
"""Side of an icon's cell on the sheet, in its own units."""
PANEL_SIZES = (16, 20, 22, 24, 32, 44, 48, 64)
"""Pixel sizes that trays ask for, doubled ones for high-DPI panels among them."""
APP_SIZES = (16, 24, 32, 48, 64, 128, 256)
_DIGIT = (24.0, 36.0)
_SMALL = 32
"""Below this many pixels three characters cannot be read."""


class Panel(StrEnum):
    """What an icon lies on."""

    LIGHT = "light"
    DARK = "dark"
    MONO_LIGHT = "mono-light"
    """A light panel that wants dark icons of one colour."""
    MONO_DARK = "mono-dark"

    @property
    def is_mono(self) -> bool:
        """True when shape alone must tell the state: a glyph is cut out of its body."""
        return self in (Panel.MONO_LIGHT, Panel.MONO_DARK)


@dataclass(frozen=True, slots=True)
class Paint:
    """The colours of one state on one panel, as `#rrggbb`."""

    body: str
    glyph: str


_ON_LIGHT = {
    Mood.GREEN: "#1a8f52",
    Mood.RED: "#d42c3f",
    Mood.ATTENTION: "#d17f00",
    Mood.PAUSED: "#6b7684",
    Mood.RUNNING: "#2f6fed",
    Mood.CONFIRMING: "#0f8077",
    Mood.DEGRADED: "#7d55d6",
    Mood.UNKNOWN: "#7d8998",
}
_ON_DARK = {
    Mood.GREEN: "#3fcf8c",
    Mood.RED: "#ff6170",
    Mood.ATTENTION: "#ffb73d",
    Mood.PAUSED: "#aab4c2",
    Mood.RUNNING: "#6ba3ff",
    Mood.CONFIRMING: "#45d6c8",
    Mood.DEGRADED: "#b598ff",
    Mood.UNKNOWN: "#97a2b1",
}


def paint_of(mood: Mood, panel: Panel) -> Paint:
    """Return the colours of a state on a panel."""
    match panel:
        case Panel.LIGHT:
            return Paint(_ON_LIGHT[mood], "#ffffff")
        case Panel.DARK:
            return Paint(_ON_DARK[mood], "#11151b")
        case Panel.MONO_LIGHT:
            return Paint("#20252c", "#20252c")
        case _:
            return Paint("#f2f5f8", "#f2f5f8")


class Icons:
    """The icons of the program, drawn when first asked for and kept.

    Args:
        source: The SVG sheet; by default the one that comes with the program.

    Raises:
        InternalError: The sheet is missing.
    """

    def __init__(self, source: Path | None = None) -> None:
        self._renderer = QSvgRenderer(str(source or resource("icons/watchkeeper.svg")))
        self._icons: dict[tuple[str, ...], QIcon] = {}
        self._pixmaps: dict[tuple[str, str, int, float], QPixmap] = {}

    def tray(self, mood: Mood, count: int = 0, panel: Panel = Panel.LIGHT) -> QIcon:
        """Return the icon of a mood for a tray, in each size of `PANEL_SIZES`; `count` shows when the mood is red."""
        label = _label(mood, count)
        key = ("tray", mood, label, panel)
        if key not in self._icons:
            icon = QIcon()
            for size in PANEL_SIZES:
                icon.addPixmap(QPixmap.fromImage(self.mood_image(mood, size, count, panel)))
            self._icons[key] = icon
        return self._icons[key]

    def mood_pixmap(
        self, mood: Mood, size: int, ratio: float = 1.0, panel: Panel = Panel.LIGHT, count: int = 0
    ) -> QPixmap:
        """Return a mood's picture of `size` logical pixels for a screen of this device pixel ratio."""
        key = (f"{mood}/{panel}", _label(mood, count), size, ratio)
        if key not in self._pixmaps:
            pixmap = QPixmap.fromImage(self.mood_image(mood, round(size * ratio), count, panel))
            pixmap.setDevicePixelRatio(ratio)
            self._pixmaps[key] = pixmap
        return self._pixmaps[key]

    def mood_image(self, mood: Mood, size: int, count: int = 0, panel: Panel = Panel.LIGHT) -> QImage:
        """Return a mood's picture of `size` by `size` device pixels."""
        paint = paint_of(mood, panel)
        image = self._mask([(f"mood-{mood}-body", QRectF(0, 0, CELL, CELL), CELL)], size, paint.body)
        glyphs = self._glyphs(mood, _label(mood, count), size)
        if glyphs:
            glyph = self._mask(glyphs, size, paint.glyph)
            painter = QPainter(image)
            if panel.is_mono:
                painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_DestinationOut)
            painter.drawImage(0, 0, glyph)
            painter.end()
        return image

    def symbol(self, name: str, color: str, size: int = 16, ratio: float = 1.0) -> QPixmap:
        """Return one symbol of the sheet (`outcome-failed`, `button-run`, ...) in one colour."""
        key = (name, color, size, ratio)
        if key not in self._pixmaps:
            cell = QRectF(0, 0, CELL, CELL)
            pixmap = QPixmap.fromImage(self._mask([(name, cell, CELL)], round(size * ratio), color))
            pixmap.setDevicePixelRatio(ratio)
            self._pixmaps[key] = pixmap
        return self._pixmaps[key]

    def symbol_icon(self, name: str, color: str, checked: str = "", disabled: str = "") -> QIcon:
        """Return a symbol as an icon for a button, in the colours of its states (`#rrggbb`)."""
        key = ("symbol", name, color, checked, disabled)
        if key not in self._icons:
            icon = QIcon()
            for size in (16, 20, 32, 40):
                icon.addPixmap(self.symbol(name, color, size))
                if checked:
                    icon.addPixmap(self.symbol(name, checked, size), QIcon.Mode.Normal, QIcon.State.On)
                if disabled:
                    icon.addPixmap(self.symbol(name, disabled, size), QIcon.Mode.Disabled)
            self._icons[key] = icon
        return self._icons[key]

    def app(self) -> QIcon:
        """Return the icon of the program itself, 16 to 256 px."""
        key = ("app",)
        if key not in self._icons:
            icon = QIcon()
            for size in APP_SIZES:
                icon.addPixmap(QPixmap.fromImage(self._app_image(size)))
            self._icons[key] = icon
        return self._icons[key]

    def app_png(self, size: int = 128) -> bytes:
        """Return the icon of the program as a PNG file of `size` px, for what takes a file: the sheet is no icon."""
        return _png(self._app_image(size))

    def mood_png(self, mood: Mood, size: int = 128) -> bytes:
        """Return a mood's picture as a PNG file of `size` px."""
        return _png(self.mood_image(mood, size))

    def _app_image(self, size: int) -> QImage:
        image = _blank(size)
        painter = _painter(image, size)
        self._draw(painter, "app", QRectF(0, 0, CELL, CELL), CELL)
        painter.end()
        return image

    def _glyphs(self, mood: Mood, label: str, size: int) -> list[tuple[str, QRectF, float]]:
        whole = QRectF(0, 0, CELL, CELL)
        if not label or (len(label) > 2 and size < _SMALL):  # noqa: PLR2004 - two digits fit in the smallest panel
            name = f"mood-{mood}-glyph"
            return [(name, whole, CELL)] if self._renderer.elementExists(name) else []
        scale = {1: 1.12, 2: 0.96}.get(len(label), 0.74)
        width, height = _DIGIT[0] * scale, _DIGIT[1] * scale
        left = (CELL - width * len(label)) / 2
        return [
            (
                "digit-more" if char == "+" else f"digit-{char}",
                QRectF(left + place * width, (CELL - height) / 2, width, height),
                _DIGIT[0],
            )
            for place, char in enumerate(label)
        ]

    def _mask(self, parts: list[tuple[str, QRectF, float]], size: int, color: str) -> QImage:
        image = _blank(size)
        painter = _painter(image, size)
        for name, box, units in parts:
            self._draw(painter, name, box, units)
        painter.resetTransform()
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
        painter.fillRect(image.rect(), QColor(color))
        painter.end()
        return image

    def _draw(self, painter: QPainter, name: str, box: QRectF, units: float) -> None:
        """Draw an element of the sheet so that its cell of `units` width fills `box` (in units of an icon)."""
        bounds, scale = self._renderer.boundsOnElement(name), box.width() / units
        target = QRectF(
            box.x() + bounds.x() * scale, box.y() + bounds.y() * scale, bounds.width() * scale, bounds.height() * scale
        )
        self._renderer.render(painter, name, target)


def _label(mood: Mood, count: int) -> str:
    if mood is not Mood.RED or count < 1:
        return ""
    return str(count) if count < 100 else "99+"  # noqa: PLR2004 - three digits are no more than a smudge


def _png(image: QImage) -> bytes:
    content = QBuffer()
    content.open(QBuffer.OpenModeFlag.WriteOnly)
    image.save(content, "PNG")  # type: ignore[call-overload] # Qt's stubs miss that a name may be str
    return bytes(content.data().data())


def _blank(size: int) -> QImage:
    image = QImage(size, size, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    return image


def _painter(image: QImage, size: int) -> QPainter:
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(size / CELL, size / CELL)
    return painter
