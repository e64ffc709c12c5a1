"""What alerts go through beside the desktop, as far as a person has set it up: mail, Telegram, a webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.alerts.channels.mail import Mail
from app.alerts.channels.post import Poster
from app.alerts.channels.telegram import Telegram
from app.alerts.channels.trust import system_trust
from app.alerts.channels.webhook import Webhook

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from app.agents.settings import AlertSettings
    from app.alerts.channel import Channel
    from app.alerts.channels.secret import Secret


def channels(
    settings: AlertSettings,
    secret: Secret,
    *,
    wall: Callable[[], float],
    trust: Callable[[], ssl.SSLContext] = system_trust,
) -> tuple[Channel, ...]:
    """Return the channels that are set up. Connects to nothing and imports no library.

    Args:
        settings: The section `[alerts]`.
        secret: Gives a secret's value by its name when a message is sent; it is not kept.
        wall: Tells the wall time, for the dates that services give.
        trust: Makes the context that certificates are checked with; called in a thread.
    """
    poster = Poster(trust, wall=wall)
    found: list[Channel] = []
    if settings.mail.host and settings.mail.to:
        found.append(Mail(settings.mail, secret, trust))
    if settings.telegram.chat:
        found.append(Telegram(settings.telegram, secret, poster))
    if settings.webhook.form:
        found.append(Webhook(settings.webhook, secret, poster))
    return tuple(found)
