"""Alerts to a webhook: Slack's, a workflow's of Microsoft Teams, or one of one's own.

The form `json` posts one object:

    id       text; a message whose answer was lost comes again under the same (also as the header Idempotency-Key)
    cause    text; what it is about; empty where several alerts are joined
    urgency  "news", "warning" or "critical"
    title    text, one line
    body     text, lines; may be empty
    at       number; seconds since the epoch
    is_over  true when it tells that what the cause's last alert told of is over

Slack and Teams know no id: there the mark at the end tells that two messages are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.alerts.channels.secret import secret_of
from app.alerts.channels.wording import body_of, mark_of, text_of, title_of
from app.domain import words
from app.domain.addresses import is_safe_address
from app.domain.alerts import Urgency
from app.domain.errors import ChannelError

if TYPE_CHECKING:
    from app.agents.settings import WebhookSettings
    from app.alerts.channels.post import Poster
    from app.alerts.channels.secret import Secret
    from app.domain.alerts import Alert

LONGEST_SLACK: Final = 4000
"""UTF-16 units: Slack cuts longer texts."""
LONGEST_CARD: Final = 8000
"""UTF-16 units: Teams refuses a message of more than 28 KB."""

_SUCCESS = range(200, 300)
_COLOURS = {Urgency.NEWS: "Good", Urgency.WARNING: "Warning", Urgency.CRITICAL: "Attention"}


class Webhook:
    """The channel `webhook`.

    Args:
        settings: Which form, and the name of the secret that is the address.
        secret: Gives the address.
        poster: Posts.
    """

    def __init__(self, settings: WebhookSettings, secret: Secret, poster: Poster) -> None:
        self._settings = settings
        self._secret = secret
        self._poster = poster

    @property
    def name(self) -> str:
        """`webhook`."""
        return "webhook"

    async def send(self, alert: Alert) -> None:
        """Post a message; see app.alerts.channel.Channel. Any status of success means that it was taken."""
        url = await secret_of(self._secret, self._settings.url)
        if not is_safe_address(url):
            raise ChannelError(
                f"What the vault holds as {self._settings.url} is no address with https.",
                f"Set it anew: watchkeeper keys set {self._settings.url}",
                is_final=True,
            )
        form = self._settings.form
        headers = {"Idempotency-Key": f'"{alert.id}"'} if form == "json" and _is_token(alert.id) else {}
        answer = await self._poster.post("The webhook", url, _payload(form, alert), headers=headers)
        if answer.status not in _SUCCESS:
            raise self._poster.refused("The webhook", answer)


def _payload(form: str, alert: Alert) -> dict[str, Any]:
    match form:
        case "slack":
            return {"text": _escaped(text_of(alert, LONGEST_SLACK))}
        case "teams":
            return _card(alert)
        case _:
            return {
                "id": alert.id,
                "cause": alert.cause,
                "urgency": alert.urgency.value,
                "title": title_of(alert),
                "body": body_of(alert),
                "at": alert.at,
                "is_over": alert.is_over,
            }


def _escaped(text: str) -> str:
    """Return the text as Slack asks for it: these three would begin a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _card(alert: Alert) -> dict[str, Any]:
    """Return an Adaptive Card in the envelope that a workflow's webhook takes."""
    blocks: list[dict[str, Any]] = [
        {
            "type": "TextBlock",
            "text": _literal(title_of(alert)),
            "weight": "Bolder",
            "size": "Medium",
            "wrap": True,
            "color": _COLOURS[alert.urgency],
        }
    ]
    body = words.clip(body_of(alert), LONGEST_CARD)
    # One line end is a space in a card's Markdown.
    blocks += [{"type": "TextBlock", "text": _literal(body).replace("\n", "\n\n"), "wrap": True}] if body else []
    if mark := mark_of(alert):
        blocks.append({"type": "TextBlock", "text": _literal(mark), "isSubtle": True, "size": "Small"})
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _literal(text: str) -> str:
    """Return the text with what a card's Markdown would take for a format or a link taken literally."""
    return "".join(f"\\{sign}" if sign in "\\*_[]()#`~" else sign for sign in text)


def _is_token(text: str) -> bool:
    return bool(text) and all(sign.isascii() and (sign.isalnum() or sign in "-_.") for sign in text)
