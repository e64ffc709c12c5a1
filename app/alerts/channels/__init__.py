"""What alerts go through beside the desktop, as far as a person has set it up: mail, Telegram, a webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.system.trust import system_trust

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
    """Return the channels that are set up. Connects to nothing.

    Args:
        settings: The section `[alerts]`.
        secret: Gives a secret's value by its name when a message is sent; it is not kept.
        wall: Tells the wall time, for the dates that services give.
        trust: Makes the context that certificates are checked with; called in a thread.
    """
    found: list[Channel] = []
    # Each import takes hundredths of a second, which a start without that channel does not pay.
    if settings.mail.host and settings.mail.to:
        from app.alerts.channels.mail import Mail  # noqa: PLC0415

        found.append(Mail(settings.mail, secret, trust))
    if not (settings.telegram.chat or settings.webhook.form):
        return tuple(found)
    from app.alerts.channels.post import Poster  # noqa: PLC0415
    from app.alerts.channels.telegram import Telegram  # noqa: PLC0415
    from app.alerts.channels.webhook import Webhook  # noqa: PLC0415

    poster = Poster(trust, wall=wall)
    if settings.telegram.chat:
        found.append(Telegram(settings.telegram, secret, poster))
    if settings.webhook.form:
        found.append(Webhook(settings.webhook, secret, poster))
    return tuple(found)
