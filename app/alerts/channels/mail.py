"""Alerts as mail: one message to all addresses, handed to one's own mail server (RFC 6409).

A server that has taken the message says so with 250. When the connection breaks between the end of DATA and that
answer, nobody can tell; the message is then sent again with the same Message-ID, by which mailboxes know it for the
same (RFC 5322, 3.6.4).
"""

from __future__ import annotations

import asyncio
import hashlib
import platform
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from app.alerts.channels.secret import secret_of
from app.alerts.channels.wording import body_of, title_of
from app.domain import words
from app.domain.addresses import is_this_machine
from app.domain.alerts import Urgency
from app.domain.errors import ChannelError

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiosmtplib

    from app.agents.settings import MailSettings
    from app.alerts.channels.secret import Secret
    from app.domain.alerts import Alert

DEADLINE_S: Final = 30.0
"""For one message: the name, the connection, TLS, the login, and all that is said."""

_QUIT_S: Final = 1.0
_PERMANENT: Final = 500
"""From here on a server means that the same will be refused again (RFC 5321, 4.2.1)."""

_ITSELF: Final = "[127.0.0.1]"
"""What this machine calls itself (RFC 5321, 4.1.3): its true name would be looked up, and is nobody's business."""

_LONGEST_WORDS: Final = 200


class Mail:
    """The channel `mail`.

    Args:
        settings: Which server, who writes, and to whom.
        secret: Gives the password.
        trust: Makes the context that certificates are checked with; called in a thread.
        deadline_s: For one message.
    """

    def __init__(
        self,
        settings: MailSettings,
        secret: Secret,
        trust: Callable[[], ssl.SSLContext],
        *,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._trust = trust
        self._deadline_s = deadline_s

    @property
    def name(self) -> str:
        """`mail`."""
        return "mail"

    async def send(self, alert: Alert) -> None:
        """Send a mail; see app.alerts.channel.Channel. It went when the server took it for one of the addresses."""
        host, security = self._settings.host, self._settings.security
        if security == "none" and not is_this_machine(host):
            raise ChannelError(
                f"Mail to {host} would go in clear.", "Set alerts.mail.security to starttls or tls.", is_final=True
            )
        sender = _address(self._settings.sender or self._settings.user)
        to = tuple(map(_address, self._settings.to))
        message = composed(alert, sender, to)
        # In clear there is no login: whoever listens would have the password.
        has_login = bool(self._settings.user) and security != "none"
        password = await secret_of(self._secret, self._settings.password) if has_login else ""
        talk = _Talk(f"The mail server {host}")
        failed: ChannelError
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._talk(talk, sender, to, message, password)
        except TimeoutError:
            failed = ChannelError(f"{talk.whom} did not answer in time.", is_in_doubt=talk.is_in_doubt)
        except _errors() as error:
            failed = talk.failed(error)
        else:
            return
        # Raised here, so that it has no context: that may hold the password.
        raise failed

    async def _talk(self, talk: _Talk, sender: str, to: tuple[str, ...], message: bytes, password: str) -> None:
        settings = self._settings
        context = None if settings.security == "none" else await asyncio.to_thread(self._trust)
        smtp = await asyncio.to_thread(_client, settings, context)
        try:
            await smtp.connect()
            await smtp.ehlo()
            if settings.security == "starttls":
                if not smtp.supports_extension("starttls"):
                    raise _NoTls
                await smtp.starttls()
                await smtp.ehlo()
            if password:
                talk.step = "login"
                await smtp.login(settings.user, password)
            talk.step = "sender"
            await smtp.mail(sender)
            talk.step = "address"
            await _name_all(smtp, to)
            talk.step = "data"
            await smtp.data(message)
            talk.step = ""
            with suppress(TimeoutError, *_errors()):
                async with asyncio.timeout(_QUIT_S):
                    await smtp.quit()
        finally:
            await _hang_up(smtp)


class _NoTls(ValueError):
    """The server offers no STARTTLS."""


class _Talk:
    """How far a conversation has come, and what its end means."""

    def __init__(self, whom: str) -> None:
        self.whom = whom
        self.step = "connection"

    @property
    def is_in_doubt(self) -> bool:
        """Whether the message may have been taken although no answer came."""
        return self.step == "data"

    def failed(self, error: Exception) -> ChannelError:
        """Return what an exception of the library, or of the system below it, means."""
        import aiosmtplib  # noqa: PLC0415 - a start without alerts does not pay for it

        if isinstance(error, _NoTls):
            return ChannelError(
                f"{self.whom} offers no STARTTLS, so nothing was sent.",
                "See alerts.mail.port; a server on port 465 wants alerts.mail.security to be tls.",
                is_final=True,
            )
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
            error = min(error.recipients, key=lambda each: each.code)
        if isinstance(error, aiosmtplib.SMTPResponseException):
            return self._answered(error.code, error.message)
        for each in (error, error.__cause__, error.__context__):
            if isinstance(each, ssl.SSLError):
                why = getattr(each, "verify_message", "") or each.reason or "the handshake failed"
                return ChannelError(
                    f"No secure connection (TLS) to {self.whom.lower()} can be made: {why}.",
                    "Nothing was sent. See whether the clock is right, and alerts.mail.host and port.",
                )
        if self.step == "connection":
            return ChannelError(f"{self.whom} cannot be connected to.", "See whether the network is up.")
        if isinstance(error, aiosmtplib.SMTPServerDisconnected | OSError):
            return ChannelError(f"{self.whom} broke the connection off.", is_in_doubt=self.is_in_doubt)
        return ChannelError(
            f"{self.whom} does not do what is asked ({self.step}).", is_final=True, is_in_doubt=self.is_in_doubt
        )

    def _answered(self, code: int, said: str) -> ChannelError:
        is_final = code >= _PERMANENT
        if self.step == "login":  # its words are not shown: a server may echo what it was sent
            return ChannelError(
                f"{self.whom} does not take the name or the password ({code}).",
                "See alerts.mail.user, and set the password anew." if is_final else "",
                is_final=is_final,
            )
        text = words.clip(words.one_line(said), _LONGEST_WORDS)
        return ChannelError(f"{self.whom} refuses the {self.step} ({code}): {text}", is_final=is_final)


def composed(alert: Alert, sender: str, to: tuple[str, ...]) -> bytes:
    """Return an alert as a message, which is the same each time.

    It is marked as made by a machine, so that no out-of-office note answers it (RFC 3834, 5).

    Args:
        alert: The alert.
        sender: Its sender's address.
        to: Those it goes to.
    """
    message = EmailMessage(policy=SMTP)
    message["Subject"] = f"Watchkeeper: {title_of(alert)}".rstrip(": ")
    message["From"] = Address("Watchkeeper", addr_spec=sender)
    message["To"] = [Address(addr_spec=each) for each in to]
    message["Date"] = format_datetime(datetime.fromtimestamp(alert.at, tz=UTC))
    own = alert.id or f"{alert.cause}|{alert.at!r}|{alert.title}"
    digest = hashlib.sha256(own.encode("utf-8", "replace")).hexdigest()[:32]
    message["Message-ID"] = f"<{digest}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    if alert.urgency is Urgency.CRITICAL:
        message["Importance"] = "high"
    said = body_of(alert) or title_of(alert)
    message.set_content(f"{said}\n\nFrom {_machine()}\n".lstrip(), cte="base64")
    return message.as_bytes()


def _machine() -> str:
    """Return this machine's name: whoever watches on several would not know which one it was."""
    return words.clip(words.one_line(platform.node()), _LONGEST_WORDS) or "this machine"


def _address(text: str) -> str:
    """Return an address that can stand in a header and in a command, with its host in ASCII (RFC 5891)."""
    local, at, host = text.strip().rpartition("@")
    try:
        found = f"{local}{at}{host.encode('idna').decode('ascii')}"
        Address(addr_spec=found)
        is_good = bool(local and host) and found.isascii() and found.isprintable() and " " not in found
    except (MessageError, ValueError, IndexError):  # the standard library's parser raises all of them
        is_good = False
    if not is_good:
        raise ChannelError(
            f"{words.clip(words.one_line(text), 80)!r} is no mail address.",
            "See alerts.mail.sender, alerts.mail.user and alerts.mail.to.",
            is_final=True,
        )
    return found


def _client(settings: MailSettings, context: ssl.SSLContext | None) -> aiosmtplib.SMTP:
    """Make the library's client. Called in a thread, for the import."""
    import aiosmtplib  # noqa: PLC0415 - as above

    return aiosmtplib.SMTP(
        hostname=settings.host,
        port=settings.port,
        use_tls=settings.security == "tls",
        start_tls=False,  # it is begun here, after a look at what the server offers
        tls_context=context,
        local_hostname=_ITSELF,
        timeout=None,  # one deadline holds for all of it
    )


async def _name_all(smtp: aiosmtplib.SMTP, to: tuple[str, ...]) -> None:
    """Name those it goes to; that the server takes one of them is enough, since the others would get it twice."""
    import aiosmtplib  # noqa: PLC0415 - as above

    refused: list[aiosmtplib.SMTPRecipientRefused] = []
    for each in to:
        try:
            await smtp.rcpt(each)
        except aiosmtplib.SMTPRecipientRefused as error:
            refused.append(error)
    if len(refused) == len(to):
        raise aiosmtplib.SMTPRecipientsRefused(refused)


async def _hang_up(smtp: aiosmtplib.SMTP) -> None:
    """End the connection at once: a polite end of TLS would wait for a server that says nothing."""
    transport = smtp.transport
    smtp.close()
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
    await asyncio.sleep(0)  # the loop closes the socket in its next turn


def _errors() -> tuple[type[Exception], ...]:
    import aiosmtplib  # noqa: PLC0415 - as above

    return aiosmtplib.SMTPException, OSError, ValueError, UnicodeError
