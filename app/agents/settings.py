"""All that a person may set, put together from the sections: the one declaration behind file, CLI and window."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from app.agents.analysis.settings import AnalysisSettings
from app.agents.auditing.settings import AuditSettings
from app.agents.keyrotation.settings import KeySettings
from app.agents.testing.settings import TestSettings
from app.agents.updates.settings import UpdateSettings
from app.domain.addresses import is_safe_address
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


def _is_quiet_time(text: str) -> str:
    if text and not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d-([01]?\d|2[0-3]):[0-5]\d", text):
        raise ValueError("two times of day such as 22:00-07:00, or nothing")
    if text and len({_minute(each) for each in text.split("-")}) == 1:
        raise ValueError("two different times of day such as 22:00-07:00: these are the same, and so no time at all")
    return text


def _minute(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(":")))


def _is_mail_host(text: str) -> str:
    if text and not re.fullmatch(r"[\w.\-]+", text):
        try:
            ipaddress.IPv6Address(text)
        except ValueError:
            raise ValueError("the name or the IP address of a server alone, such as smtp.example.org") from None
    return text


def _is_bots_address(text: str) -> str:
    if not is_safe_address(text):
        raise ValueError("an https address; http goes to this machine alone, for it would show the token to others")
    return text


QuietTime = Annotated[str, AfterValidator(_is_quiet_time)]
MailHost = Annotated[str, AfterValidator(_is_mail_host)]
BotsAddress = Annotated[str, AfterValidator(_is_bots_address)]


class MailSettings(Section):
    """The section `[alerts.mail]`: on once there is a server and somebody to write to."""

    host: MailHost = Field(default="", description="The mail server that takes alerts; empty sends no mail")
    port: int = Field(default=587, ge=1, le=65_535, description="Its port")
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="How the connection is encrypted; none sends no password and goes to this machine alone",
    )
    user: str = Field(default="", description="The name to log in with; empty logs in nowhere")
    password: str = Field(
        default="MAIL_PASSWORD", description="The name of the secret in the vault that is its password"
    )
    sender: str = Field(default="", description="The address that mails come from; empty for the user's")
    to: tuple[str, ...] = Field(default=(), description="The addresses that mails go to")


class TelegramSettings(Section):
    """The section `[alerts.telegram]`: on once there is a chat."""

    chat: str = Field(default="", description="The id of the chat that a bot writes to; empty writes nothing")
    token: str = Field(
        default="TELEGRAM_TOKEN", description="The name of the secret in the vault that is the bot's token"
    )
    url: BotsAddress = Field(
        default="https://api.telegram.org", description="The address of the bots' service; https, or this machine's"
    )


class WebhookSettings(Section):
    """The section `[alerts.webhook]`: on once a form is chosen. Its address lets anyone post, so it is a secret."""

    form: Literal["", "slack", "teams", "json"] = Field(
        default="",
        description="What the webhook takes: slack, teams (a workflow's adaptive card), json; empty posts nothing",
    )
    url: str = Field(default="WEBHOOK_URL", description="The name of the secret in the vault that is its address")


class AlertSettings(Section):
    """The section `[alerts]`: what goes further than this desktop."""

    least: Literal["news", "warning", "critical"] = Field(
        default="warning",
        description="The least that is sent: news (green again too), warning (red tests, findings, keys), critical",
    )
    repeat_minutes: float = Field(
        default=15.0, ge=1, le=1_440, description="One test, or other cause, is told of at most once in so many minutes"
    )
    quiet: QuietTime = Field(
        default="",
        description="When nothing but what is critical is sent or shown: 22:00-07:00, local time; the rest comes after",
    )
    mail: MailSettings = MailSettings()
    telegram: TelegramSettings = TelegramSettings()
    webhook: WebhookSettings = WebhookSettings()


class MetricsSettings(Section):
    """The section `[metrics]`."""

    enabled: bool = Field(default=False, description="Serve metrics for Prometheus on this machine alone")
    port: int = Field(default=9464, ge=1, le=65_535, description="The port; when it is taken, one of the next ten")
    token: bool = Field(
        default=False, description="Ask for a token, which lies in a file that only you can read (`watchkeeper health`)"
    )


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


class UiSettings(Section):
    """The section `[ui]`."""

    language: Literal["", "en", "ru"] = Field(
        default="", description="The language of the first start's questions; empty: the system's"
    )


class Settings(Section):
    """The whole settings file."""

    projects: tuple[str, ...] = Field(default=(), description="The folders that are watched when none is named")
    tests: TestSettings = TestSettings()
    watch: WatchSettings = WatchSettings()
    notifications: NotificationSettings = NotificationSettings()
    alerts: AlertSettings = AlertSettings()
    metrics: MetricsSettings = MetricsSettings()
    history: HistorySettings = HistorySettings()
    log: LogSettings = LogSettings()
    keys: KeySettings = KeySettings()
    analysis: AnalysisSettings = AnalysisSettings()
    audits: AuditSettings = AuditSettings()
    updates: UpdateSettings = UpdateSettings()
    ui: UiSettings = UiSettings()


class ProjectSettings(Section):
    """What a project may bring along, once it is trusted."""

    tests: TestSettings = TestSettings()
    watch: WatchSettings = WatchSettings()
