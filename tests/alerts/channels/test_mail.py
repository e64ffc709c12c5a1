"""Mail goes to a real server over TLS, and what a server does wrong is told and judged rightly."""

from __future__ import annotations

import asyncio
import email
import email.policy
import platform
import threading
import time
import traceback
from typing import TYPE_CHECKING

import psutil
import pytest

from app.agents.settings import MailSettings
from app.alerts.channels.mail import Mail, composed
from app.domain.alerts import Alert, Urgency
from app.domain.errors import ChannelError, SecretMissing, VaultLocked
from app.system.trust import system_trust
from tests.alerts.channels.farends import FarEnd, Line, Mailbox, RealMailServer, closed_port, message_id

if TYPE_CHECKING:
    from tests.alerts.channels.farends import Authority

PASSWORD = "correct-horse-canary-battery"  # noqa: S105 - of a server in this test
ALERT = Alert(
    cause="tests:/shop",
    urgency=Urgency.CRITICAL,
    title="Тесты красные: test_сумма",
    body="Проект «Магазин»\nchanged cart.py",
    at=1_700_000_000.0,
    id="0123456789abcdef",
)


async def vault(name: str) -> str:
    assert name == "MAIL_PASSWORD"
    return PASSWORD


def settings(port: int, security: str = "none", **more: object) -> MailSettings:
    values = {"host": "localhost", "port": port, "security": security, "to": ("masha@example.org",)}
    return MailSettings.model_validate(values | {"sender": "watchkeeper@example.org"} | more)


def mail(port: int, *, deadline_s: float = 10.0) -> Mail:
    return Mail(settings(port, host="127.0.0.1"), vault, system_trust, deadline_s=deadline_s)


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_mail_arrives_over_tls(security: str, authority: Authority) -> None:
    """The server gets name and password over TLS, and a mail whose Cyrillic words can be read."""
    user = "masha" if security == "starttls" else ""
    with RealMailServer(authority, tls=security == "tls", password=PASSWORD if user else "") as server:
        channel = Mail(settings(server.port, security, user=user), vault, authority.trusting)

        await channel.send(ALERT)

    assert server.logins == ([(b"masha", PASSWORD.encode())] if user else [])
    [envelope] = server.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("watchkeeper@example.org", ["masha@example.org"])
    found = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert found["Subject"] == f"Watchkeeper: {ALERT.title}"
    assert found.get_content().splitlines() == [*ALERT.body.splitlines(), "", f"From {platform.node()}"]
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["Importance"] == "high"
    assert PASSWORD.encode() not in envelope.content


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_that_nobody_vouches_for_is_refused(security: str, authority: Authority) -> None:
    """Neither login nor mail goes to a server whose certificate the system does not trust."""
    with RealMailServer(authority, tls=security == "tls") as server:
        channel = Mail(settings(server.port, security, user="masha"), vault, system_trust)

        with pytest.raises(ChannelError, match="certificate") as caught:
            await channel.send(ALERT)

    assert not server.logins
    assert not server.envelopes
    assert not caught.value.is_in_doubt


async def test_a_wrong_password_is_final_and_in_no_error(authority: Authority) -> None:
    """A refused login is told without the password, in the whole chain of exceptions."""
    with RealMailServer(authority, password="another") as server:  # noqa: S106 - likewise
        channel = Mail(settings(server.port, "starttls", user="masha"), vault, authority.trusting)

        with pytest.raises(ChannelError, match="password") as caught:
            await channel.send(ALERT)

    assert caught.value.is_final
    assert caught.value.__context__ is None
    assert PASSWORD not in "".join(traceback.format_exception(caught.value, chain=True)) + repr(vars(caught.value))


async def test_without_starttls_nothing_is_sent() -> None:
    """A server that offers no STARTTLS gets neither password nor mail."""
    box = Mailbox()
    with FarEnd(box.serve) as server:
        channel = Mail(settings(server.port, "starttls", user="masha", host="127.0.0.1"), vault, system_trust)

        with pytest.raises(ChannelError, match="STARTTLS") as caught:
            await channel.send(ALERT)

    assert caught.value.is_final
    assert not box.taken


async def test_in_clear_mail_goes_to_this_machine_alone() -> None:
    """Another host is refused before anything is connected, and a name to log in with is not used in clear."""
    asked: list[str] = []

    async def secret(name: str) -> str:
        asked.append(name)
        return PASSWORD

    box = Mailbox()
    with FarEnd(box.serve) as server:
        await Mail(settings(server.port, user="masha", host="127.0.0.1"), secret, system_trust).send(ALERT)
    with pytest.raises(ChannelError, match="clear") as caught:
        await Mail(settings(25, host="mail.example.org"), secret, system_trust).send(ALERT)

    assert caught.value.is_final
    assert len(box.taken) == 1
    assert not asked


@pytest.mark.parametrize(
    ("wrong", "says", "is_final", "is_in_doubt"),
    [
        ("silent", "in time", False, False),
        ("hang", "in time", False, False),
        ("421", "421", False, False),
        ("450", "450", False, False),
        ("550", "550", True, False),
        ("552", "552", True, False),
        ("reset", "broke", False, True),
        ("lost", "broke", False, True),
    ],
)
async def test_what_a_server_does_wrong_is_judged(wrong: str, says: str, *, is_final: bool, is_in_doubt: bool) -> None:
    """Each fault is told in words, tells whether it can help to try again, and whether the mail may be there."""
    box = Mailbox([wrong])
    with FarEnd(box.serve) as server:
        channel = mail(server.port, deadline_s=0.4 if says == "in time" else 10.0)
        began = time.monotonic()

        with pytest.raises(ChannelError, match=says) as caught:
            await channel.send(ALERT)
        took = time.monotonic() - began

    assert (caught.value.is_final, caught.value.is_in_doubt) == (is_final, is_in_doubt)
    assert took < 3


async def test_a_refused_connection_is_tried_again() -> None:
    """Where nobody listens, it is neither final nor in doubt."""
    channel = mail(closed_port())

    with pytest.raises(ChannelError, match="cannot be connected") as caught:
        await channel.send(ALERT)

    assert not caught.value.is_final
    assert not caught.value.is_in_doubt


async def test_tls_that_never_comes_ends_at_the_deadline(authority: Authority) -> None:
    """A server that says 220 to STARTTLS and then nothing holds the channel no longer than its deadline."""

    def serve(line: Line) -> None:
        line.say("220 mail.example ESMTP")
        line.hear()
        line.say("250-mail.example", "250 STARTTLS")
        line.hear()
        line.say("220 go on")
        line.hang()

    with FarEnd(serve) as server:
        channel = Mail(settings(server.port, "starttls"), vault, authority.trusting, deadline_s=0.5)

        with pytest.raises(ChannelError, match="in time") as caught:
            await channel.send(ALERT)

    assert not caught.value.is_in_doubt


async def test_a_server_that_falls_silent_under_tls_is_left_at_once(authority: Authority) -> None:
    """No socket lingers for a polite end of TLS that the server never answers."""
    over = threading.Event()

    def serve(line: Line) -> None:
        line.say("220 mail.example ESMTP")
        over.wait(10)

    with FarEnd(serve, tls=authority.serving()) as server:
        channel = Mail(settings(server.port, "tls"), vault, authority.trusting, deadline_s=0.4)

        with pytest.raises(ChannelError, match="in time"):
            await channel.send(ALERT)
        await asyncio.sleep(0)
        left = [each for each in psutil.Process().net_connections() if each.raddr and each.raddr.port == server.port]
        over.set()

    assert [each.status for each in left if each.status == psutil.CONN_ESTABLISHED] == []


async def test_a_mail_that_is_sent_again_has_the_same_id() -> None:
    """After a connection that broke between DATA and 250, mailboxes can tell that both are one; others differ."""
    box = Mailbox(["lost"])
    with FarEnd(box.serve) as server:
        channel = mail(server.port)
        with pytest.raises(ChannelError):
            await channel.send(ALERT)

        await channel.send(ALERT)
        await channel.send(Alert("other", Urgency.NEWS, "Other", "", 1.0, id="another"))

    first, again, other = map(message_id, box.taken)
    assert box.taken[0] == box.taken[1]
    assert first == again != other


async def test_one_of_two_addresses_is_enough() -> None:
    """A mail that one address took is not sent again to it because of another."""
    box = Mailbox()
    refused: list[str] = []

    def serve(line: Line) -> None:
        hear = line.hear

        def hearing() -> str:
            word = hear()
            while "nobody@" in word and word.startswith("RCPT"):
                refused.append(word)
                line.say("550 5.1.1 no such user")
                word = hear()
            return word

        line.hear = hearing  # type: ignore[method-assign] # the far end's own
        box.serve(line)

    with FarEnd(serve) as server:
        to = ("nobody@example.org", "masha@example.org")
        await Mail(settings(server.port, host="127.0.0.1", to=to), vault, system_trust).send(ALERT)

    assert len(refused) == 1
    assert len(box.taken) == 1


async def test_a_cancelled_mail_leaves_no_connection() -> None:
    """A stop does not wait for a server that says nothing."""
    box = Mailbox(["silent"])
    with FarEnd(box.serve) as server:
        sending = asyncio.ensure_future(mail(server.port, deadline_s=30).send(ALERT))
        assert await asyncio.to_thread(box.met.wait, 10)
        began = time.monotonic()

        sending.cancel()
        await asyncio.wait([sending])

        assert sending.cancelled()
        assert time.monotonic() - began < 0.3


@pytest.mark.parametrize(
    ("trouble", "says"),
    [(VaultLocked("No way opens the vault."), "locked"), (SecretMissing("There is none."), "no secret MAIL_PASSWORD")],
)
async def test_without_the_password_it_waits_for_the_vault(trouble: Exception, says: str) -> None:
    """A vault that is locked, or holds no such secret, is no final failure."""

    async def secret(_name: str) -> str:
        raise trouble

    channel = Mail(settings(closed_port(), "starttls", user="masha"), secret, system_trust)

    with pytest.raises(ChannelError, match=says) as caught:
        await channel.send(ALERT)

    assert not caught.value.is_final


@pytest.mark.parametrize("address", ["", "masha", "a@b\r\nBcc: x@y", "a b@c", "маша@example.org", "@", "a@"])
async def test_what_is_no_address_is_refused(address: str) -> None:
    """A setting that is no address is told of, and gets into no header or command."""
    channel = Mail(settings(closed_port(), to=(address,)), vault, system_trust)

    with pytest.raises(ChannelError, match="mail address") as caught:
        await channel.send(ALERT)

    assert caught.value.is_final


def test_no_header_can_be_smuggled_in() -> None:
    """Line ends, halves of characters and what a terminal obeys in a title stay within the subject."""
    nasty = Alert("x", Urgency.NEWS, "Red\r\nBcc: eve@example.org\x00\x1b[31m\udc80 " + "я" * 500, "\n.\n\udcff", 1.0)

    found = email.message_from_bytes(composed(nasty, "a@example.org", ("b@example.org",)), policy=email.policy.default)

    assert found["Bcc"] is None
    made = {"subject", "from", "to", "date", "message-id", "auto-submitted"}
    assert {name.lower() for name in found} == made | {"content-type", "content-transfer-encoding", "mime-version"}
    assert found["Subject"].startswith("Watchkeeper: Red Bcc: eve@example.org")
