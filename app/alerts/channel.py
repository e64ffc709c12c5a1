"""What an alert goes through beside the desktop: a mailbox, a messenger, an address of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.domain.alerts import Alert


class Channel(Protocol):
    """One way to reach a person who may be elsewhere."""

    @property
    def name(self) -> str:
        """Return what people and settings call it: `mail`, `telegram` or `webhook`."""
        ...

    async def send(self, alert: Alert) -> None:
        """Send one alert, and return when it was taken over for good. Safe to cancel.

        Args:
            alert: What to tell; its words are without secrets already.

        Raises:
            ChannelError: It did not go through; the error says whether trying again can help, and when.
            WatchkeeperError: What it needs of others is not to be had now, such as a secret of a locked vault.
        """
        ...
