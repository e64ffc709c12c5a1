"""Alerts as messages of a Telegram bot (Bot API: sendMessage).

The service knows no id of ours: a message whose answer was lost on the way comes twice. The mark at its end tells that
it is the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from app.alerts.channels.secret import secret_of
from app.alerts.channels.wording import text_of
from app.domain import words
from app.domain.addresses import is_safe_address
from app.domain.errors import ChannelError
from app.engine.resilience.retryafter import LONGEST_WAIT_S

if TYPE_CHECKING:
    from app.agents.settings import TelegramSettings
    from app.alerts.channels.post import Answer, Poster
    from app.alerts.channels.secret import Secret
    from app.domain.alerts import Alert

LONGEST_TEXT: Final = 4096
"""UTF-16 units of a message, as the Bot API counts them."""

_OK, _UNAUTHORIZED, _NOT_FOUND = 200, 401, 404
_TOKEN = re.compile(r"\d{1,20}:[A-Za-z0-9_\-]{10,100}")
_LONGEST_WORDS = 200


class Telegram:
    """The channel `telegram`.

    Args:
        settings: Which chat, and the name of the bot's token.
        secret: Gives the token.
        poster: Posts.
    """

    def __init__(self, settings: TelegramSettings, secret: Secret, poster: Poster) -> None:
        self._settings = settings
        self._secret = secret
        self._poster = poster

    @property
    def name(self) -> str:
        """`telegram`."""
        return "telegram"

    async def send(self, alert: Alert) -> None:
        """Send a message; see app.alerts.channel.Channel. It is plain text: nothing in it is taken for a format."""
        url = self._settings.url.rstrip("/")
        if not is_safe_address(url):
            raise ChannelError(
                "The address of Telegram's service is not https.", "Set alerts.telegram.url.", is_final=True
            )
        token = await secret_of(self._secret, self._settings.token)
        if not _TOKEN.fullmatch(token):
            raise ChannelError(
                f"What the vault holds as {self._settings.token} is no token of a bot.",
                f"Set it anew: watchkeeper keys set {self._settings.token}",
                is_final=True,
            )
        payload = {
            "chat_id": self._settings.chat,
            "text": text_of(alert, LONGEST_TEXT),
            "link_preview_options": {"is_disabled": True},
        }
        answer = await self._poster.post("Telegram", f"{url}/bot{token}/sendMessage", payload)
        self._judge(answer, token)

    def _judge(self, answer: Answer, token: str) -> None:
        found = answer.json
        said = found if isinstance(found, dict) else {}
        if answer.status == _OK and (said.get("ok") is True or not answer.is_whole):
            return  # of an answer that is cut off the status says enough
        if answer.status == _OK:
            raise ChannelError(
                "What answers at the address of Telegram's service is not Telegram.",
                "See alerts.telegram.url, and whether a proxy stands between.",
                is_in_doubt=True,
            )
        if answer.status in {_UNAUTHORIZED, _NOT_FOUND}:
            raise ChannelError(
                f"Telegram does not take the token {self._settings.token}.",
                f"Set a valid one: watchkeeper keys set {self._settings.token}",
                is_final=True,
            )
        description = said.get("description")
        text = description.replace(token, "") if isinstance(description, str) else ""
        raise self._poster.refused(
            "Telegram",
            answer,
            said=words.clip(words.one_line(text), _LONGEST_WORDS),
            after_s=_wait_of(said.get("parameters")),
        )


def _wait_of(parameters: Any) -> float | None:  # noqa: ANN401 - whatever JSON holds
    seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    return float(min(max(0, seconds), LONGEST_WAIT_S))  # in this order: JSON has integers that no float holds
