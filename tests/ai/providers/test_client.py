"""One question to one service, over real HTTP: what is sent, how answers are read, and what each fault becomes."""

from __future__ import annotations

import asyncio
import base64
import gc
import socket
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from app import __version__
from app.ai.messages import Message, Role
from app.ai.providers.client import ChatClient, ClientLimits
from app.ai.providers.draft import LONGEST_ANSWER, Draft, Question
from app.ai.providers.keys import NO_KEY, Key
from app.ai.providers.provider import Price, Provider
from app.domain.errors import ModelBusy, ModelError, ModelNonsense, ModelOutOfReach, ModelRefused
from app.engine.clock import SystemClock
from app.engine.logs import LogRing, configure
from app.engine.places import Places
from tests.ai.modelserver import (
    HOSTILE,
    KEY,
    MODEL,
    ModelServer,
    busy,
    cut,
    error_in_stream,
    event,
    failing,
    huge,
    piece,
    raw,
    redirect,
    refused,
    silent,
    stalls,
    stream,
    whole,
)
from tests.ai.providers.conftest import provider_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.ai.modelserver import Wire

A_KEY = Key("A_KEY", KEY)
QUESTION = Question((Message(Role.SYSTEM, "Be short."), Message(Role.USER, "Why?")), 500)
MUST_NOT_GROW = 12 * 1024 * 1024


@pytest.fixture
async def client() -> AsyncIterator[ChatClient]:
    client = ChatClient(clock=SystemClock())
    yield client
    await client.aclose()


async def answer_of(client: ChatClient, provider: Provider, question: Question = QUESTION, key: Key = A_KEY) -> Draft:
    draft = Draft(question.on_text)
    await client.ask(provider, key, question, draft)
    return draft


async def fault_of(
    client: ChatClient, provider: Provider, *, key: Key = A_KEY, draft: Draft | None = None
) -> ModelError:
    """Return what asking raises, after it was seen that nothing of the key comes along."""
    with pytest.raises(ModelError) as told:
        await client.ask(provider, key, QUESTION, draft or Draft())
    error = told.value
    assert KEY not in f"{error!r} {error} {error.args!r} {error.hint}"
    assert (error.__cause__, error.__context__) == (None, None)
    assert error.message.endswith((".", "!", "?", "…"))
    return error


async def test_a_streamed_answer_is_read_with_its_tokens(server: ModelServer, client: ChatClient) -> None:
    """The pieces come one by one, thinking is no part of the answer, and the service's own figures are taken."""
    server.then(stream("It is the off-by-one in cart.py: größer, больше.", usage=(70, 9), reasoning="Let me think."))
    pieces: list[str] = []

    draft = await answer_of(client, provider_at(server), Question(QUESTION.messages, 500, on_text=pieces.append))

    assert draft.text == "It is the off-by-one in cart.py: größer, больше."
    assert "".join(pieces) == draft.text
    assert len(pieces) > 2
    assert (draft.prompt_tokens, draft.answer_tokens, draft.model, draft.trouble) == (70, 9, MODEL, "")


async def test_what_is_sent_is_what_was_asked_and_little_else(server: ModelServer, client: ChatClient) -> None:
    """One POST with the messages as they are, the key in one header, our name, and no cookie."""
    server.then(raw(whole_body("yes"), content_type="application/json", headers={"Set-Cookie": "track=me; Path=/"}))
    await answer_of(client, provider_at(server))

    await answer_of(client, provider_at(server))

    asked = server.asked[1]
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    assert asked.json == {
        "model": MODEL,
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Why?"}],
        "stream": True,
        "max_tokens": 500,
        "temperature": 0.3,
        "stream_options": {"include_usage": True},
    }
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["user-agent"] == f"watchkeeper/{__version__}"
    assert "cookie" not in asked.headers
    assert server.everything.count(KEY) == 2


def whole_body(text: str) -> bytes:
    sent: list[bytes] = []

    class Ear:
        def head(self, *_: Any) -> None: ...

        def send(self, content: bytes) -> None:
            sent.append(content)

    whole(text)(Ear())  # type: ignore[arg-type]
    return sent[0]


async def test_without_a_key_no_authorization_is_sent(server: ModelServer, client: ChatClient) -> None:
    """A service on this machine is asked without a key, and not with an empty one."""
    await answer_of(client, provider_at(server, key=""), key=NO_KEY)

    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize(("knows", "wants", "sent"), [(True, True, True), (True, False, False), (False, True, False)])
async def test_json_is_asked_for_only_where_it_is_known_and_wanted(
    server: ModelServer, client: ChatClient, *, knows: bool, wants: bool, sent: bool
) -> None:
    """`response_format` goes to a provider that takes it, and for a question that wants it."""
    await answer_of(client, provider_at(server, json_mode=knows), Question(QUESTION.messages, 500, as_json=wants))

    assert ("response_format" in server.asked[0].json) is sent


async def test_an_option_that_is_refused_is_left_out_and_remembered(server: ModelServer, client: ChatClient) -> None:
    """A 400 that names `stream_options` leads to one more request without it, and to none the next time."""
    server.then(refused(400, "Unrecognized request argument supplied: stream_options"))

    draft = await answer_of(client, provider_at(server))
    await answer_of(client, provider_at(server))

    assert draft.text == "All is well."
    assert ["stream_options" in each.json for each in server.asked] == [True, False, False]


async def test_newer_names_of_options_are_learnt(server: ModelServer, client: ChatClient) -> None:
    """A model that knows `max_tokens` by its newer name is asked by that one, and still with a limit."""
    server.then(refused(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."))

    await answer_of(client, provider_at(server))

    assert "max_tokens" not in server.asked[1].json
    assert server.asked[1].json["max_completion_tokens"] == 500


async def test_a_400_that_names_no_option_is_not_repeated(server: ModelServer, client: ChatClient) -> None:
    """A question that the service refuses is asked once."""
    server.always(refused(400, "max_tokens must be at most 8192"))

    error = await fault_of(client, provider_at(server))

    assert isinstance(error, ModelRefused)
    assert "max_tokens must be at most 8192" in error.message
    assert len(server.asked) == 1


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", "text/plain"])
async def test_one_document_is_read_although_a_stream_was_asked_for(
    server: ModelServer, client: ChatClient, content_type: str
) -> None:
    """Whatever its type is called, an answer that begins as JSON is read as JSON."""
    server.then(raw(b"\n " + whole_body("It is whole."), content_type=content_type))

    draft = await answer_of(client, provider_at(server))

    assert (draft.text, draft.prompt_tokens, draft.trouble) == ("It is whole.", 100, "")


async def test_a_stream_without_done_is_whole_when_it_said_why_it_ended(
    server: ModelServer, client: ChatClient
) -> None:
    """Some services end with a reason and no `[DONE]`."""
    server.then(stream("Enough.", done=False))

    draft = await answer_of(client, provider_at(server))

    assert (draft.text, draft.is_whole) == ("Enough.", True)


@pytest.mark.parametrize(
    ("finish", "word"), [("length", "limit of tokens"), ("content_filter", "filter"), ("stop", "")]
)
async def test_an_answer_that_ended_early_says_why(
    server: ModelServer, client: ChatClient, finish: str, word: str
) -> None:
    """An answer at its limit of tokens, or stopped by a filter, is not passed off as whole."""
    server.then(stream("Half an ans", finish=finish))

    draft = await answer_of(client, provider_at(server))

    assert word in draft.trouble
    assert bool(draft.trouble) is bool(word)


async def test_a_model_that_only_thought_is_told_apart(server: ModelServer, client: ChatClient) -> None:
    """When thinking used up all tokens, the setting that helps is named."""
    server.then(stream("", finish="length", reasoning="hm " * 100))

    error = await fault_of(client, provider_at(server))

    assert isinstance(error, ModelNonsense)
    assert "analysis.answer_tokens" in error.hint


async def test_tokens_are_reckoned_when_the_service_does_not_tell(server: ModelServer, client: ChatClient) -> None:
    """Without figures, or with impossible ones, usage is an estimate from the texts, and rather too high."""
    lies = {"prompt_tokens": 5, "completion_tokens": True}
    server.then(
        raw(event(piece({"content": "abc" * 30}, "stop", usage=lies))),
        raw(event(piece({"content": "ok"}, "stop", usage={"prompt_tokens": 10**15, "completion_tokens": 1}))),
        raw(event(piece({"content": "ok"}, "stop", usage={"prompt_tokens": 5, "completion_tokens": -1}))),
    )

    drafts = [await answer_of(client, provider_at(server)) for _ in range(3)]

    usage = drafts[0].usage(QUESTION, Price(1.0, 2.0), 1.5)
    assert (usage.prompt_tokens, usage.answer_tokens, usage.is_estimate) == (3 + 4 + 2 + 4, 30, True)
    assert usage.cost == pytest.approx((13 + 60) / 1_000_000)
    assert all(draft.usage(QUESTION, None, 0.0).is_estimate for draft in drafts)
    assert drafts[1].usage(QUESTION, None, 0.0).cost is None


async def test_hostile_text_is_text(server: ModelServer, client: ChatClient) -> None:
    """What a model says is handed on as it is, and half characters that no file could hold are replaced."""
    server.then(
        stream(HOSTILE), raw(b'data: {"choices":[{"delta":{"content":"a\\ud800b"},"finish_reason":"stop"}]}\n\n')
    )

    drafts = [await answer_of(client, provider_at(server)) for _ in range(2)]

    assert drafts[0].text == HOSTILE
    assert drafts[1].text == "a\ufffdb"


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (refused(400, "context too long"), ModelRefused, "context too long"),
        (refused(401, "no such key"), ModelRefused, "does not take the key A_KEY"),
        (refused(402, "Insufficient Balance"), ModelRefused, "no money left"),
        (refused(403, "region"), ModelRefused, "does not let the key A_KEY do this"),
        (refused(404, "Model Not Exist"), ModelRefused, f"no model {MODEL}"),
        (refused(413), ModelRefused, "too long"),
        (refused(422, "bad"), ModelRefused, "(422): bad"),
        (refused(429, "quota", code="insufficient_quota"), ModelRefused, "no money left"),
        (busy(), ModelBusy, "asks to wait"),
        (failing(500), ModelOutOfReach, "fails (500)"),
        (failing(502), ModelOutOfReach, "fails (502)"),
        (failing(503), ModelOutOfReach, "fails (503)"),
        (refused(418), ModelRefused, "(418)"),
        (raw(b'["no", "object"]', status=400), ModelRefused, "refuses the question (400)."),
        (raw(b"{" * 60_000, status=500), ModelOutOfReach, "fails (500)."),
        (raw(b"", status=204, headers={"Content-Length": "0"}), ModelRefused, "(204)"),
        (error_in_stream("overloaded"), ModelOutOfReach, "overloaded"),
        (error_in_stream("slow down", code=429), ModelBusy, "slow down"),
        (error_in_stream("strange", code={"a": 1}), ModelOutOfReach, "strange"),
        (raw(b"data: {not json}\n\n"), ModelNonsense, "is no JSON"),
        (raw(b"data: [1]\n\n"), ModelNonsense, "no JSON object"),
        (raw(b"data: " + b"[" * 100_000 + b"\n\n"), ModelNonsense, "is no JSON"),
        (raw(b'data: {"choices": [7]}\n\n'), ModelNonsense, "another form"),
        (raw(b'data: {"choices": [{"delta": {"content": 7}}]}\n\n'), ModelNonsense, "another form"),
        (raw(b'{"answer": "in another schema"}'), ModelNonsense, "is empty"),
        (raw(b"<!doctype html><title>Log in to the hotel"), ModelNonsense, "web page"),
        (raw(b""), ModelNonsense, "was cut off"),
        (raw(event("[DONE]")), ModelNonsense, "is empty"),
        (raw(b"x", headers={"Content-Encoding": "br"}), ModelNonsense, "not known"),
        (raw(b"not gzip", headers={"Content-Encoding": "gzip"}), ModelNonsense, "damaged"),
        (cut(""), ModelNonsense, "was cut off"),
    ],
)
async def test_each_fault_becomes_the_error_that_says_it(
    server: ModelServer, client: ChatClient, reply: Callable[[Wire], None], kind: type[ModelError], words: str
) -> None:
    """Whatever a service answers is an answer or one of our errors: with its own words, and what to do next."""
    server.then(reply)

    error = await fault_of(client, provider_at(server))

    assert isinstance(error, kind)
    assert words in error.message
    assert error.hint


@pytest.mark.parametrize("rudely", [True, False])
async def test_a_cut_stream_leaves_what_came(server: ModelServer, client: ChatClient, *, rudely: bool) -> None:
    """The draft keeps the text of a stream that broke off, and the error says that it did."""
    server.then(cut("It is the off-by-one", rudely=rudely))
    draft = Draft()

    error = await fault_of(client, provider_at(server), draft=draft)

    assert isinstance(error, ModelNonsense)
    assert "cut off" in error.message
    assert draft.text == "It is the off-by-one"


async def test_a_key_that_is_echoed_is_taken_out(server: ModelServer, client: ChatClient) -> None:
    """A service that repeats the key in its refusal does not bring it into our message."""
    server.keys = {"another"}

    error = await fault_of(client, provider_at(server))

    assert "your api key: [redacted] is invalid" in error.message


@pytest.mark.parametrize("key", ["k2", "sk-a-key-of-some-length"])
async def test_a_key_is_taken_out_in_any_form(server: ModelServer, client: ChatClient, key: str) -> None:
    """A short key is found as it is, a longer one in base64 as well."""
    packed = base64.b64encode(key.encode()).decode()
    server.then(refused(401, f"bad: {key}, in words {packed if len(key) > 6 else key}"))

    error = await fault_of(client, provider_at(server), key=Key("A_KEY", key))

    assert key not in error.message
    assert packed not in error.message
    assert error.message.count("[redacted]") == 2


async def test_a_service_cannot_write_to_the_terminal(server: ModelServer, client: ChatClient) -> None:
    """Its words are one line, bounded, and without what a terminal would obey."""
    server.then(refused(400, f"a\n\x1b[2Jb \u202e {'long ' * 10_000}"))

    error = await fault_of(client, provider_at(server))

    assert error.message.isprintable()
    assert len(error.message) < 500


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry-After": "7"}, 7, 7),
        ({"Retry-After": "0.5"}, 0.5, 0.5),
        ({"Retry-After": "-3"}, 0, 0),
        ({"Retry-After": "1e400"}, None, None),
        ({"Retry-After": "9" * 30}, 86_400, 86_400),
        ({"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=9), usegmt=True)}, 3_600, 32_401),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0, 0),
        ({"Retry-After": "soon"}, None, None),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "20ms"}, 360, 360),
        ({"x-ratelimit-reset-requests": "1h0m1.5s"}, 3601.5, 3601.5),
        ({"x-ratelimit-reset-requests": "17"}, None, None),
        ({}, None, None),
    ],
)
async def test_how_long_to_wait_is_read(
    server: ModelServer, client: ChatClient, headers: dict[str, str], least: float | None, most: float | None
) -> None:
    """Retry-After in seconds or as a date, else the spans of the rate limit's own headers; nonsense is none."""
    server.then(refused(429, "wait", headers=headers))

    error = await fault_of(client, provider_at(server))

    assert isinstance(error, ModelBusy)
    if least is None or most is None:
        assert error.retry_after_s is None
    else:
        assert error.retry_after_s is not None
        assert least <= error.retry_after_s <= most


async def test_a_redirect_is_not_followed(server: ModelServer, second: ModelServer, client: ChatClient) -> None:
    """The key does not travel to another host, and the message says where the service pointed."""
    server.then(redirect(f"{second.url}/chat/completions?token=abcdef"))

    error = await fault_of(client, provider_at(server))

    assert isinstance(error, ModelRefused)
    assert "http://127.0.0.1/v1/chat/completions" in error.message
    assert "abcdef" not in error.message
    assert second.asked == []


async def test_nobody_there(client: ChatClient) -> None:
    """A port that nobody listens at is said to refuse."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"

        error = await fault_of(client, Provider("first", url, MODEL, "A_KEY"))

    assert isinstance(error, ModelOutOfReach)
    assert "refuses the connection" in error.message


async def test_a_name_that_does_not_resolve(client: ChatClient) -> None:
    """Without DNS, or with a name that is nobody's, it is the name that is told of."""
    provider = Provider("first", "https://nobody.invalid/v1", MODEL, "A_KEY")

    error = await fault_of(client, provider)

    assert isinstance(error, ModelOutOfReach)
    assert "nobody.invalid is not found" in error.message


async def test_a_certificate_that_nobody_trusts(client: ChatClient) -> None:
    """TLS trouble is named as such, says what to do, and nothing was sent."""
    with ModelServer(tls=True) as server:
        error = await fault_of(client, provider_at(server))

        assert isinstance(error, ModelOutOfReach)
        assert "(TLS)" in error.message
        assert "self" in error.message
        assert "SSL_CERT_FILE" in error.hint
        assert server.asked == []


async def test_tls_spoken_to_a_plain_server(server: ModelServer, client: ChatClient) -> None:
    """An https address at which plain http is spoken is TLS trouble too."""
    error = await fault_of(client, provider_at(server, base_url=f"https://{server.host}/v1"))

    assert isinstance(error, ModelOutOfReach)
    assert "(TLS)" in error.message


@pytest.mark.parametrize("reply", [silent(), silent(after_head=True), stalls("It is")])
async def test_a_silent_service_is_given_up(server: ModelServer, reply: Callable[[Wire], None]) -> None:
    """Neither the first byte nor the next piece is waited for longer than the limit says."""
    client = ChatClient(clock=SystemClock(), limits=ClientLimits(between_s=0.3))
    server.then(reply)

    error = await fault_of(client, provider_at(server))
    await client.aclose()

    assert isinstance(error, ModelOutOfReach)
    assert "has not answered in time" in error.message


@pytest.mark.parametrize("kind", ["text", "reasoning", "line", "json", "gzip", "noise"])
async def test_far_too_much_is_cut_off_in_bounded_memory(server: ModelServer, client: ChatClient, kind: str) -> None:
    """50 MB in any form are not read: the memory stays flat, and what was text is kept to its limit."""
    server.then(stream("warm"), huge(kind))
    await answer_of(client, provider_at(server))
    draft = Draft()
    gc.collect()
    tracemalloc.start()
    try:
        error = await fault_of(client, provider_at(server), draft=draft)

        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert isinstance(error, ModelNonsense)
    assert len(draft.text) <= LONGEST_ANSWER
    assert draft.has_text is (kind == "text")
    assert peak < MUST_NOT_GROW


async def test_far_too_much_of_an_error_is_not_read(server: ModelServer, client: ChatClient) -> None:
    """An error's body is read to its limit, and the connection given up."""
    server.then(huge("json", status=500))

    error = await fault_of(client, provider_at(server))

    assert isinstance(error, ModelOutOfReach)


async def test_reading_too_much_leaves_the_loop_its_turns(server: ModelServer, client: ChatClient) -> None:
    """While a packed body of blank lines is unpacked, other tasks run: it is read in small blocks."""
    server.then(stream("warm"), huge("gzip"))
    await answer_of(client, provider_at(server))
    draft = Draft()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += draft.is_begun
            # who always has something to do keeps Qt from looking at the sockets
            await asyncio.sleep(0 if turns % 50 else 0.001)

    counting = asyncio.ensure_future(count())
    await fault_of(client, provider_at(server), draft=draft)
    counting.cancel()

    assert turns > 20


async def test_a_proxy_is_not_asked_for_what_is_on_this_machine(
    server: ModelServer, second: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model on loopback is asked directly, whatever proxy the environment names."""
    monkeypatch.setenv("HTTP_PROXY", f"http://{second.host}")
    client = ChatClient(clock=SystemClock())

    draft = await answer_of(client, provider_at(server))
    await client.aclose()

    assert draft.text == "All is well."
    assert second.asked == []


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost.", "192.168.255.254"])
async def test_a_proxy_does_not_read_plain_http(
    server: ModelServer, second: ModelServer, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """What is asked by plain http goes straight there, or nowhere: the proxy that the environment names has no part."""
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{second.host}")
    client = ChatClient(clock=SystemClock(), limits=ClientLimits(connect_s=0.3, between_s=0.3))
    provider = provider_at(server, key="", base_url=f"http://{host}:{server.host.partition(':')[2]}/v1")

    with suppress(ModelOutOfReach):
        await answer_of(client, provider, key=NO_KEY)
    await client.aclose()

    assert second.asked == []


async def test_a_proxy_that_cannot_be_used_is_said(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of a kind that is not known is an error for people, with the variables that name it."""
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:1")
    client = ChatClient(clock=SystemClock())

    error = await fault_of(client, provider_at(server))

    assert isinstance(error, ModelOutOfReach)
    assert "ALL_PROXY" in error.hint


async def test_the_log_has_no_word_of_it(server: ModelServer, client: ChatClient, tmp_path: Path) -> None:
    """At the level debug, the library's own lines are not logged, and neither are key and question."""
    ring = LogRing()

    with configure(Places.find({"WATCHKEEPER_HOME": str(tmp_path)}), "debug", ring=ring):
        await answer_of(client, provider_at(server))
        server.always(refused(401, "no"))
        await fault_of(client, provider_at(server))

    said = "\n".join(f"{line.logger} {line.text}" for line in ring.after(0))
    assert "httpx" not in said
    assert "httpcore" not in said
    assert KEY not in said
    assert "Why?" not in said


async def test_a_cancelled_question_ends_its_connection(server: ModelServer, client: ChatClient) -> None:
    """The person's cancel passes through at once, and no task or connection stays."""
    server.always(silent())
    before = len(asyncio.all_tasks())
    asking = asyncio.ensure_future(answer_of(client, provider_at(server)))
    await asyncio.to_thread(server.wait_for, 1)

    asking.cancel()
    await asyncio.wait([asking])

    assert asking.cancelled()
    assert len(asyncio.all_tasks()) == before


def test_keys_are_in_no_repr() -> None:
    """A key that is shown by mistake shows its name alone."""
    assert repr(A_KEY) == "Key(name='A_KEY')"


def test_the_http_library_is_imported_by_who_asks_alone() -> None:
    """A start that asks nothing does not pay for it."""
    code = "import sys, app.ai.providers.service; sys.exit('httpx' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
