"""Telegram and webhooks: what is posted, how each answer is judged, and that no secret shows anywhere."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.settings import AlertSettings, MailSettings, TelegramSettings, WebhookSettings
from app.alerts.channels import channels
from app.alerts.channels.post import LONGEST_ANSWER, Poster
from app.alerts.channels.telegram import Telegram
from app.alerts.channels.webhook import Webhook
from app.domain.alerts import Alert, Urgency
from app.domain.errors import ChannelError, VaultLocked
from app.system.trust import system_trust
from tests.alerts.channels.farends import FarEnd, Hook, Line, answer, closed_port, cut, drop, flood, hang

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from app.alerts.channel import Channel
    from tests.alerts.channels.farends import Authority

CANARY = "AAcanary_of_a_token_that_must_not_leak"
TOKEN = f"123456789:{CANARY}"
NOW = 1_700_000_000.0
ALERT = Alert("tests:/shop", Urgency.WARNING, "Красный <b>тест</b> & *всё*", "a_b\n[c](d)", NOW, id="0123456789abcdef")


def poster(deadline_s: float = 10.0) -> Poster:
    return Poster(system_trust, wall=lambda: NOW, deadline_s=deadline_s)


def telegram(url: str, *, token: str = TOKEN, deadline_s: float = 10.0) -> Telegram:
    async def vault(name: str) -> str:
        assert name == "TELEGRAM_TOKEN"
        return token

    settings = TelegramSettings.model_construct(chat="42", url=url)  # unchecked: what sends it looks once more
    return Telegram(settings, vault, poster(deadline_s))


def webhook(url: str, form: str = "json", *, deadline_s: float = 10.0) -> Webhook:
    async def vault(name: str) -> str:
        assert name == "WEBHOOK_URL"
        return url

    return Webhook(WebhookSettings.model_validate({"form": form}), vault, poster(deadline_s))


def at(server: FarEnd, path: str = "") -> str:
    return f"http://127.0.0.1:{server.port}{path}"


async def test_telegram_gets_plain_text() -> None:
    """The bot writes into the chat, and nothing in the alert is taken for a format."""
    hook = Hook()
    with FarEnd(hook.serve) as server:
        await telegram(at(server)).send(ALERT)

    [asked] = hook.asked
    assert asked.path == f"/bot{TOKEN}/sendMessage"
    assert asked.json["chat_id"] == "42"
    assert asked.json["text"] == f"{ALERT.title}\n\n{ALERT.body}\n\n(alert 01234567)"
    assert "parse_mode" not in asked.json


async def test_a_long_text_fits_into_a_message() -> None:
    """4,096 UTF-16 units, the mark among them: emoji count twice."""
    hook = Hook()
    with FarEnd(hook.serve) as server:
        await telegram(at(server)).send(Alert("x", Urgency.NEWS, "Long", "🙂" * 9000, NOW, id="mark"))

    text = hook.asked[0].json["text"]
    assert 4090 <= len(text.encode("utf-16-le")) // 2 <= 4096
    assert text.endswith("…\n\n(alert mark)")


_CASES: dict[str, tuple[Callable[[Line], None], str, bool, bool, float | None]] = {
    "429": (answer(429, b'{"ok":false,"parameters":{"retry_after":37}}'), "37 s", False, False, 37.0),
    "429 header": (answer(429, b"", Retry_After="5"), "5 s", False, False, 5.0),
    "429 date": (answer(429, b"", Retry_After="Tue, 14 Nov 2023 22:14:20 GMT"), "60 s", False, False, 60.0),
    "429 endless": (answer(429, b'{"parameters":{"retry_after":1%b}}' % (b"0" * 400)), "wait", False, False, 86_400.0),
    "429 nonsense": (answer(429, b'{"parameters":{"retry_after":"soon"}}'), "asks to wait", False, False, None),
    "500": (answer(500, b"oops"), "500", False, False, None),
    "504": (answer(504), "504", False, True, None),
    "400": (answer(400, b'{"ok":false,"description":"chat not found"}'), "refuses", True, False, None),
    "403": (answer(403, b'{"ok":false,"description":"bot was blocked"}'), "refuses", True, False, None),
    "redirect": (answer(307, b"", Location="https://evil.example/"), "elsewhere", True, False, None),
    "hang": (hang, "in time", False, True, None),
    "drop": (drop, "broke", False, True, None),
    "no HTTP": (lambda line: line.say("SSH-2.0-OpenSSH_9.2"), "broke", False, True, None),
}


@pytest.mark.parametrize("kind", ["telegram", "webhook"])
@pytest.mark.parametrize("case", _CASES)
async def test_each_answer_is_judged(kind: str, case: str) -> None:
    """Whether it can help to try again, when, and whether the message may have arrived, is told without the secret."""
    reply, says, is_final, is_in_doubt, after_s = _CASES[case]
    if kind == "webhook" and case == "429 endless":
        reply, after_s = answer(429, b"", Retry_After="1" + "0" * 30), 86_400.0
    if kind == "webhook" and case == "429":
        reply, after_s = answer(429, b"", Retry_After="37"), 37.0
    hook = Hook([reply])
    with FarEnd(hook.serve) as server:
        deadline_s = 0.4 if case == "hang" else 10.0
        channel: Channel = telegram(at(server), deadline_s=deadline_s)
        if kind == "webhook":
            channel = webhook(at(server, f"/{CANARY}"), deadline_s=deadline_s)

        with pytest.raises(ChannelError, match=says) as caught:
            await channel.send(ALERT)

    error = caught.value
    assert (error.is_final, error.is_in_doubt, error.retry_after_s) == (is_final, is_in_doubt, after_s)
    assert len(hook.asked) == 1
    assert error.__context__ is None
    assert CANARY not in "".join(traceback.format_exception(error)) + repr(vars(error))


async def test_a_token_that_is_not_taken_is_final() -> None:
    """401 names the secret, and an echo of the token in the service's words does not show."""
    echo = json.dumps({"ok": False, "description": f"Unauthorized {TOKEN}"}).encode()
    hook = Hook([answer(401, echo), answer(400, echo)])
    with FarEnd(hook.serve) as server:
        with pytest.raises(ChannelError, match="TELEGRAM_TOKEN") as first:
            await telegram(at(server)).send(ALERT)
        with pytest.raises(ChannelError, match="Unauthorized") as second:
            await telegram(at(server)).send(ALERT)

    assert first.value.is_final
    assert second.value.is_final
    assert CANARY not in f"{first.value}{second.value}"


async def test_a_success_that_is_not_telegrams_is_no_success() -> None:
    """A page of a proxy with status 200 does not count as sent; an answer that was cut off behind its status does."""
    hook = Hook([answer(200, b"<html>log in</html>"), answer(200, b"[" * 50_000), cut(200, b'{"ok": tr')])
    with FarEnd(hook.serve) as server:
        for _ in range(2):
            with pytest.raises(ChannelError, match="not Telegram") as caught:
                await telegram(at(server)).send(ALERT)
            assert caught.value.is_in_doubt

        await telegram(at(server)).send(ALERT)

    assert len(hook.asked) == 3


async def test_a_huge_answer_is_not_read() -> None:
    """Of 50 MB no more is taken than the connection holds."""
    sent: list[int] = []
    hook = Hook([flood(50, sent)])
    with FarEnd(hook.serve) as server:
        await webhook(at(server)).send(ALERT)

    assert len(sent) < 20
    assert LONGEST_ANSWER < 1 << 20


async def test_nothing_logs_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the token nor the webhook's address gets into any log, at any level, whatever comes of it."""
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    hook = Hook([None, None, answer(500), drop])
    with FarEnd(hook.serve) as server:
        for channel in (telegram(at(server)), webhook(at(server, f"/{CANARY}"))):
            await channel.send(ALERT)
        for channel in (telegram(at(server)), webhook(at(server, f"/{CANARY}"))):
            with pytest.raises(ChannelError):
                await channel.send(ALERT)

    assert len(hook.asked) == 4
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "",
        "https://",
        "http://127.0.0.1:99999/",
        "x y",
    ],
)
async def test_only_a_safe_address_is_posted_to(url: str) -> None:
    """Plain http goes to this machine alone; what is no address is told of, without it."""
    with pytest.raises(ChannelError, match="https") as one:
        await webhook(url).send(ALERT)
    with pytest.raises(ChannelError, match="https") as two:
        await telegram(url).send(ALERT)

    assert one.value.is_final
    assert two.value.is_final


async def test_over_tls_the_certificate_is_checked(authority: Authority) -> None:
    """A message goes to a server that the system vouches for, and to no other."""

    async def send(trust: Callable[[], ssl.SSLContext]) -> None:
        async def vault(_name: str) -> str:
            return f"https://localhost:{server.port}/"

        await Webhook(WebhookSettings(form="json"), vault, Poster(trust, wall=lambda: NOW)).send(ALERT)

    hook = Hook()
    with FarEnd(hook.serve, tls=authority.serving()) as server:
        with pytest.raises(ChannelError, match="certificate") as caught:
            await send(system_trust)
        assert not hook.asked

        await send(authority.trusting)

    assert len(hook.asked) == 1
    assert not caught.value.is_in_doubt


async def test_a_token_cannot_lead_elsewhere() -> None:
    """What is no token is not put into an address."""
    hook = Hook()
    with FarEnd(hook.serve) as server, pytest.raises(ChannelError, match="no token") as caught:
        await telegram(at(server), token="../../admin?x=").send(ALERT)  # noqa: S106 - it is none

    assert caught.value.is_final
    assert not hook.asked


async def test_where_nobody_listens_it_is_tried_again() -> None:
    """A refused connection is neither final nor in doubt."""
    with pytest.raises(ChannelError, match=r"refuses the connection|cannot be connected") as caught:
        await webhook(f"http://127.0.0.1:{closed_port()}/").send(ALERT)

    assert not caught.value.is_final
    assert not caught.value.is_in_doubt


async def test_slack_gets_escaped_text() -> None:
    """What would be a link or a mention in Slack is only text."""
    hook = Hook(well=b"ok")
    with FarEnd(hook.serve) as server:
        await webhook(at(server), "slack").send(ALERT)

    text = hook.asked[0].json["text"]
    assert text.startswith("Красный &lt;b&gt;тест&lt;/b&gt; &amp; *всё*\n\n")
    assert list(hook.asked[0].json) == ["text"]


async def test_teams_gets_an_adaptive_card() -> None:
    """A workflow gets a message with one card, whose texts are no Markdown."""
    hook = Hook(well=b"")
    with FarEnd(hook.serve) as server:
        await webhook(at(server), "teams").send(ALERT)

    message: dict[str, Any] = hook.asked[0].json
    assert message["type"] == "message"
    [attachment] = message["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"]["type"] == "AdaptiveCard"
    texts = [block["text"] for block in attachment["content"]["body"]]
    assert texts == [r"Красный <b>тест</b> & \*всё\*", "a\\_b\n\n\\[c\\]\\(d\\)", r"\(alert 01234567\)"]


async def test_a_webhook_of_ones_own_gets_the_documented_fields() -> None:
    """The id comes in the object and as a header, so that one that comes twice can be told."""
    hook = Hook(well=b"")
    with FarEnd(hook.serve) as server:
        await webhook(at(server)).send(ALERT)

    [asked] = hook.asked
    assert asked.headers["idempotency-key"] == f'"{ALERT.id}"'
    assert asked.json == {
        "id": ALERT.id,
        "cause": "tests:/shop",
        "urgency": "warning",
        "title": ALERT.title,
        "body": ALERT.body,
        "at": NOW,
        "is_over": False,
    }


async def test_a_locked_vault_is_tried_again() -> None:
    """Without the address nothing is posted, and it is no final failure."""

    async def vault(_name: str) -> str:
        raise VaultLocked("No way opens it.")

    with pytest.raises(ChannelError, match="locked") as caught:
        await Webhook(WebhookSettings(form="json"), vault, poster()).send(ALERT)

    assert not caught.value.is_final


async def test_a_cancelled_post_ends_at_once() -> None:
    """A stop does not wait for a service that says nothing."""
    hook = Hook([hang])
    with FarEnd(hook.serve) as server:
        sending = asyncio.ensure_future(webhook(at(server)).send(ALERT))
        await asyncio.sleep(0)
        assert await asyncio.to_thread(hook.met.wait, 10)
        began = time.monotonic()

        sending.cancel()
        await asyncio.wait([sending])

        assert sending.cancelled()
        assert time.monotonic() - began < 0.3


def test_what_is_set_up_is_made() -> None:
    """No setting makes no channel; each makes its own."""

    async def vault(name: str) -> str:
        return name

    none = channels(AlertSettings(), vault, wall=lambda: NOW)
    settings = AlertSettings(
        mail=MailSettings(host="mail.example.org", to=("masha@example.org",)),
        telegram=TelegramSettings(chat="42"),
        webhook=WebhookSettings(form="slack"),
    )
    every = channels(settings, vault, wall=lambda: NOW)

    assert none == ()
    assert [each.name for each in every] == ["mail", "telegram", "webhook"]
