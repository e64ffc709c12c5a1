"""All that a person may set, put together from the sections: the one declaration behind file, CLI and window."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.agents.analysis.settings import AnalysisSettings
from app.agents.auditing.settings import AuditSettings
from app.agents.keyrotation.settings import KeySettings
from app.agents.testing.settings import TestSettings
from app.engine.settings import Section


class WatchSettings(Section):
    """The section `[watch]`."""

    ignore: tuple[str, ...] = Field(
        default=(), description="Patterns as in .gitignore of files whose changes start no run, beside .gitignore's own"
    )


class NotificationSettings(Section):
    """The section `[notifications]`."""

    enabled: bool = Field(default=True, description="Tell on the desktop when tests turn red or green")
    snooze_minutes: float = Field(default=30.0, ge=1, le=10_080, description="How long Snooze keeps them silent")


class HistorySettings(Section):
    """The section `[history]`."""

    keep_runs: int = Field(
        default=200, ge=10, le=100_000, description="Runs kept for each project; older ones are dropped"
    )


class LogSettings(Section):
    """The section `[log]`."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least level that is logged"
    )


class Settings(Section):
    """The whole settings file."""

    projects: tuple[str, ...] = Field(default=(), description="The folders that are watched when none is named")
    tests: TestSettings = TestSettings()
    watch: WatchSettings = WatchSettings()
    notifications: NotificationSettings = NotificationSettings()
    history: HistorySettings = HistorySettings()
    log: LogSettings = LogSettings()
    keys: KeySettings = KeySettings()
    analysis: AnalysisSettings = AnalysisSettings()
    audits: AuditSettings = AuditSettings()


class ProjectSettings(Section):
    """What a project may bring along, once it is trusted."""

    tests: TestSettings = TestSettings()
    watch: WatchSettings = WatchSettings()
