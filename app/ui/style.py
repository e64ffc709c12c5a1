"""The window's style sheet, made from a theme."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING

from app.ui.theme import RADIUS

if TYPE_CHECKING:
    from app.ui.theme import Theme

_SHEET = Template("""
#window, #page, #content, QFileDialog { background: $window; }
QWidget { color: $text; }
QLabel { background: transparent; }
QToolTip { background: $raised; color: $text; border: 1px solid $border; padding: 4px 6px; }

#sidebar { background: $surface; border-right: 1px solid $border; }
#brand { font-size: 15px; font-weight: 600; }
#nav { text-align: left; padding: 9px 12px; border: none; border-radius: 8px; background: transparent; color: $muted;
       font-weight: 500; }
#nav:hover { background: $hover; color: $text; }
#nav:checked { background: $selection; color: $text; font-weight: 600; }
#nav:focus { border: 2px solid $accent; padding: 7px 10px; }
#status { color: $muted; font-size: 11px; }

#card { background: $surface; border: 1px solid $border; border-radius: ${radius}px; }
#title { font-size: 22px; font-weight: 600; }
#section { font-weight: 600; color: $muted; font-size: 12px; }
#muted { color: $muted; }
#strong { font-weight: 600; }
#heading { font-size: 16px; font-weight: 600; }

#notice { background: $amber_wash; border: 1px solid $border; border-left: 4px solid $amber; border-radius: 6px; }
#good { background: $raised; border: 1px solid $border; border-left: 4px solid $green; border-radius: 6px; }
#error { background: $red_wash; border: 1px solid $border; border-left: 4px solid $red; border-radius: 6px; }

QPushButton { background: $surface; border: 1px solid $border; border-radius: 8px; padding: 6px 14px; font-weight: 500;
              min-height: 20px; }
QPushButton:hover { background: $hover; }
QPushButton:pressed { background: $selection; }
QPushButton:focus { border: 2px solid $accent; padding: 5px 13px; }
QPushButton:disabled { color: $muted; background: $window; }
QPushButton#primary { background: $accent; border: 1px solid $accent; color: $accent_text; font-weight: 600; }
QPushButton#primary:hover { background: $accent_hover; }
QPushButton#primary:focus { border: 2px solid $text; }
QPushButton#primary:disabled { background: $border; border-color: $border; color: $muted; }
QPushButton#link { border: none; background: transparent; color: $accent; padding: 2px 4px; min-height: 16px; }
QPushButton#link:hover { text-decoration: underline; }
QPushButton#link:focus { border: 1px solid $accent; border-radius: 4px; padding: 1px 3px; }
QPushButton#segment { border-radius: 0; padding: 6px 12px; }
QPushButton#segment[edge="left"] { border-top-left-radius: 8px; border-bottom-left-radius: 8px; border-right: none; }
QPushButton#segment[edge="right"] { border-top-right-radius: 8px; border-bottom-right-radius: 8px; }
QPushButton#segment[edge="middle"] { border-right: none; }
QPushButton#segment:checked { background: $selection; }
QPushButton#segment:focus { border: 2px solid $accent; padding: 5px 11px; }

QLineEdit, QComboBox { background: $surface; border: 1px solid $border; border-radius: 8px; padding: 6px 10px;
    min-height: 20px; selection-background-color: $selection; selection-color: $text; }
QLineEdit:focus, QComboBox:focus { border: 2px solid $accent; padding: 5px 9px; }
QComboBox::drop-down { border: none; width: 22px; }
QComboBox::down-arrow { width: 0; height: 0; border-left: 4px solid $surface; border-right: 4px solid $surface;
    border-top: 5px solid $muted; margin-right: 8px; }
QComboBox QAbstractItemView { background: $surface; border: 1px solid $border; selection-background-color: $selection;
    selection-color: $text; outline: none; }
QCheckBox { spacing: 8px; padding: 4px; border: 2px solid transparent; border-radius: 6px; }
QCheckBox:focus { border: 2px solid $accent; }
QCheckBox::indicator { width: 16px; height: 16px; border: 1px solid $muted; border-radius: 4px; background: $surface; }
QCheckBox::indicator:checked { background: $accent; border-color: $accent; }
QCheckBox::indicator:disabled { border-color: $border; }
QCheckBox::indicator:checked:disabled { background: $muted; border-color: $muted; }

QAbstractItemView { background: $surface; border: none; outline: none; selection-background-color: $selection;
    selection-color: $text; }
#framed { background: $surface; border: 1px solid $border; border-radius: ${radius}px; }
#framed:focus { border: 1px solid $accent; }
QPlainTextEdit { background: $raised; border: 1px solid $border; border-radius: 8px; padding: 6px;
    selection-background-color: $selection; selection-color: $text; }
QPlainTextEdit:focus { border: 1px solid $accent; }
QScrollArea { background: transparent; border: none; }
QSplitter::handle { background: transparent; }
QSplitter::handle:hover { background: $border; }
QMenu { background: $surface; border: 1px solid $border; padding: 4px; }
QMenu::item { padding: 6px 20px; border-radius: 6px; }
QMenu::item:selected { background: $selection; }

QScrollBar:vertical { background: transparent; width: 12px; margin: 2px; }
QScrollBar:horizontal { background: transparent; height: 12px; margin: 2px; }
QScrollBar::handle { background: $border; border-radius: 4px; min-height: 28px; min-width: 28px; }
QScrollBar::handle:hover { background: $muted; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
""")


def style_sheet(theme: Theme) -> str:
    """Return the style sheet of the window in these colours."""
    colors = {name: getattr(theme, name) for name in theme.__slots__}
    hover = "#3f78ea" if not theme.is_dark else "#9cc3ff"
    return _SHEET.substitute(colors, accent_hover=hover, radius=RADIUS)
