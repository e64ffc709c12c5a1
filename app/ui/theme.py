"""Colours and spacing, light and dark, following the system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QPalette

from app.domain.agents import AgentState
from app.domain.findings import Severity
from app.domain.verdicts import Outcome
from app.ui.icons import Panel, paint_of

if TYPE_CHECKING:
    from app.domain.snapshot import AgentView, Mood

SPACE = 8
"""The unit of all distances, in logical pixels."""
RADIUS = 10


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of one appearance, as `#rrggbb`.

    Text on `window`, `surface` and `raised` keeps a contrast of at least 4.5 to 1 (WCAG 2.1, 1.4.3), `muted` included.
    """

    panel: Panel
    window: str
    surface: str
    raised: str
    border: str
    text: str
    muted: str
    accent: str
    accent_text: str
    selection: str
    hover: str
    red: str
    red_wash: str
    amber: str
    amber_wash: str
    green: str
    grid: str

    @property
    def is_dark(self) -> bool:
        """True for light text on a dark ground."""
        return self.panel is Panel.DARK

    def mood(self, mood: Mood) -> str:
        """Return the colour of a mood."""
        return paint_of(mood, self.panel).body

    def outcome(self, outcome: Outcome) -> str:
        """Return the colour of a test's outcome."""
        if outcome.is_red:
            return self.red
        return {Outcome.PASSED: self.green, Outcome.XPASSED: self.amber}.get(outcome, self.muted)

    def severity(self, severity: Severity) -> str:
        """Return the colour of a finding's severity."""
        if severity.rank >= Severity.HIGH.rank:
            return self.red
        return self.amber if severity is Severity.MEDIUM else self.muted

    def agent(self, agent: AgentView) -> str:
        """Return the colour of an agent's state."""
        if agent.state in (AgentState.FAILED, AgentState.ABANDONED, AgentState.STALE):
            return self.red
        if agent.paused or agent.state in (AgentState.DISABLED, AgentState.STOPPED, AgentState.STOPPING):
            return self.muted
        return self.green if agent.state is AgentState.RUNNING else self.amber

    def palette(self) -> QPalette:
        """Return the colours as Qt's palette."""
        role = QPalette.ColorRole
        palette = QPalette()
        for each, color in (
            (role.Window, self.window),
            (role.WindowText, self.text),
            (role.Base, self.surface),
            (role.AlternateBase, self.raised),
            (role.Text, self.text),
            (role.Button, self.surface),
            (role.ButtonText, self.text),
            (role.BrightText, self.accent_text),
            (role.Highlight, self.selection),
            (role.HighlightedText, self.text),
            (role.PlaceholderText, self.muted),
            (role.ToolTipBase, self.raised),
            (role.ToolTipText, self.text),
            (role.Mid, self.border),
            (role.Link, self.accent),
        ):
            palette.setColor(each, QColor(color))
        return palette


LIGHT = Theme(
    panel=Panel.LIGHT,
    window="#f3f5f8",
    surface="#ffffff",
    raised="#f7f9fb",
    border="#dde2e9",
    text="#1a2029",
    muted="#596575",
    accent="#2460d8",
    accent_text="#ffffff",
    selection="#dbe7ff",
    hover="#eef2f8",
    red="#c9283b",
    red_wash="#fdecee",
    amber="#9a5b00",
    amber_wash="#fff5e0",
    green="#177c48",
    grid="#e6eaf0",
)
DARK = Theme(
    panel=Panel.DARK,
    window="#13171d",
    surface="#1b2028",
    raised="#222934",
    border="#303845",
    text="#e7ebf1",
    muted="#9ca7b6",
    accent="#7db0ff",
    accent_text="#0d1420",
    selection="#2a4166",
    hover="#242c38",
    red="#ff7a86",
    red_wash="#3a2026",
    amber="#f3b84f",
    amber_wash="#352a17",
    green="#4bd394",
    grid="#28303c",
)


def current_theme() -> Theme:
    """Return the theme that fits the system's appearance now."""
    scheme = QGuiApplication.styleHints().colorScheme()
    if scheme is Qt.ColorScheme.Unknown:
        dark = QGuiApplication.palette().color(QPalette.ColorRole.Window).lightness() < 128  # noqa: PLR2004 - of 255
    else:
        dark = scheme is Qt.ColorScheme.Dark
    return DARK if dark else LIGHT
