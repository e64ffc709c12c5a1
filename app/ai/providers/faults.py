"""What goes wrong with a service, as errors for people: the one place where the library's and the service's words end.

None of the errors made here has a cause: the library's exceptions hold the request, and the request holds the key.
"""

from __future__ import annotations

import json
import math
import re
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.domain.errors import ModelBusy, ModelError, ModelNonsense, ModelOutOfReach, ModelRefused
from app.domain.words import clip
from app.engine.redaction import REDACTED, Redactor
from app.engine.resilience.retryafter import LONGEST_WAIT_S, asked_wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.ai.providers.keys import Key
    from app.ai.providers.provider import Provider

LONGEST_WORDS = 300
"""Characters of what a service says that are shown."""

_SPAN = re.compile(r"(?:(\d{1,5})h)?(?:(\d{1,5})m(?!s))?(?:(\d{1,7}(?:\.\d{1,6})?)s)?(?:(\d{1,9})ms)?")
_NO_MONEY = frozenset({"insufficient_quota", "insufficient_balance", "billing_hard_limit_reached"})

_UNREACHED = (
    ("gaierror", "is not found: its name does not resolve", "See whether the network is up and the address is right."),
    ("ProxyError", "is not reached by the proxy", "See HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment."),
    ("ConnectTimeout", "cannot be connected to in time", "See whether the network is up."),
    ("PoolTimeout", "is asked too much at once", "Try again later."),
    ("TimeoutException", "has not answered in time", "Try again later."),
    ("ConnectionRefusedError", "refuses the connection", "See whether it runs, and whether the address is right."),
    ("ConnectError", "cannot be connected to", "See whether the network is up."),
)
"""What an exception's name means: the first that fits the exception, or what it was raised from."""
_BROKE_OFF = ("broke the connection off", "Try again later.")

_UNAUTHORIZED, _PAYMENT, _FORBIDDEN, _NOT_FOUND, _TIMEOUT, _TOO_LARGE, _BUSY = 401, 402, 403, 404, 408, 413, 429
_UNAVAILABLE = 503
_SERVER = 500
_REDIRECTS = range(300, 400)


class AccountRefused(ModelRefused):
    """The service refuses whoever asks, and not the question: that lasts until somebody does something about it."""


class KeyRefused(AccountRefused):
    """The service does not take this key: another one may do."""


def unreached(provider: Provider, error: BaseException) -> ModelOutOfReach:
    """Return what an exception of the HTTP library, or of the system below it, means. It is not kept as the cause."""
    whom = f"{provider.name} at {provider.host}"
    chain = tuple(_chain(error))
    for each in chain:
        if isinstance(each, ssl.SSLError):
            why = getattr(each, "verify_message", "") or each.reason or "the handshake failed"
            return ModelOutOfReach(
                f"No secure connection (TLS) to {whom} can be made: {_one_line(why)}.",
                "Nothing was sent. See whether the clock is right, and whether a proxy or a virus scanner stands "
                "between; SSL_CERT_FILE names a PEM file with the authorities to trust.",
            )
    names = {kind.__name__ for each in chain for kind in type(each).__mro__}
    how, hint = next(((how, hint) for name, how, hint in _UNREACHED if name in names), _BROKE_OFF)
    return ModelOutOfReach(f"{whom} {how}.", hint)


def unmade(provider: Provider) -> ModelOutOfReach:
    """Return that the library cannot work with what the environment says."""
    return ModelOutOfReach(
        f"{provider.name} cannot be asked: the proxy or the certificates that the environment names cannot be used.",
        "See HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR.",
    )


def answered(  # noqa: PLR0911 - one answer for each status
    provider: Provider, key: Key, status: int, *, headers: Mapping[str, str], body: bytes, now: float
) -> ModelError:
    """Return what an answer that is no success means.

    Args:
        provider: Who answered.
        key: With what it was asked.
        status: The HTTP status, or the code of an `error` object inside a success.
        headers: With names in small letters.
        body: As much of it as was read.
        now: Wall-clock time.
    """
    whom = f"{provider.name} at {provider.host}"
    words, code = _said(body, key)
    also = f": {words}" if words else "."
    # Not `NAME: words`: what stands behind a key's name like that is taken for its value, and taken out of logs.
    says = f". It says: {words}" if words else "."
    name = key.name or provider.key
    if status in _REDIRECTS:
        return ModelRefused(
            f"{whom} points elsewhere, to {_place(headers.get('location', ''))}. That is not followed: the key must "
            "not go to another host.",
            f"If that is right, change it: analysis.{provider.name}.base_url",
        )
    if status == _PAYMENT or (status == _BUSY and code in _NO_MONEY):
        return AccountRefused(f"The account at {whom} has no money left{also}", "Top it up there.")
    if status == _BUSY or (status == _UNAVAILABLE and "retry-after" in headers):
        seconds = wait_of(headers, now)
        wait = "" if seconds is None else f" for {math.ceil(seconds)} s"
        return ModelBusy(f"{whom} asks to wait{wait}{also}", "Try again later.", retry_after_s=seconds)
    if status in {_UNAUTHORIZED, _FORBIDDEN} and not name:
        return ModelRefused(
            f"{whom} wants a key, and none is set{also}", f"Name its secret: analysis.{provider.name}.key"
        )
    if status == _UNAUTHORIZED:
        return KeyRefused(f"{whom} does not take the key {name}{says}", f"Set a valid one: watchkeeper keys set {name}")
    if status == _FORBIDDEN:
        return AccountRefused(
            f"{whom} does not let the key {name} do this{says}", "See what it may do, and where you may use it."
        )
    if status == _NOT_FOUND:
        return ModelRefused(
            f"{whom} has no model {provider.model}, or answers no questions at this address{also}",
            f"See analysis.{provider.name}.model and analysis.{provider.name}.base_url.",
        )
    if status == _TOO_LARGE:
        return ModelRefused(f"The question is too long for {whom}{also}", "Lower it: analysis.prompt_tokens")
    if status >= _SERVER or status == _TIMEOUT:
        return ModelOutOfReach(f"{whom} fails ({status}){also}", "Try again later.")
    return ModelRefused(
        f"{whom} refuses the question ({status}){also}",
        f"See the settings analysis.{provider.name}.model and analysis.prompt_tokens.",
    )


def in_stream(provider: Provider, key: Key, error: object, now: float) -> ModelError:
    """Return what an `error` object inside an answer means that began as a success."""
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and code in range(400, 600) else _SERVER
    return answered(provider, key, status, headers={}, body=json.dumps({"error": error}).encode(), now=now)


def wait_of(headers: Mapping[str, str], now: float) -> float | None:
    """Return for how many seconds a service asks to wait (RFC 9110, 10.2.3), or None when it does not say.

    Where there is no Retry-After, the spans of `x-ratelimit-reset-requests` and `-tokens` are taken (`6m0s`, `20ms`).
    """
    if said := headers.get("retry-after", "").strip():
        return asked_wait(said, now)
    spans = (_span(headers.get(f"x-ratelimit-reset-{what}", "")) for what in ("requests", "tokens"))
    return max((span for span in spans if span is not None), default=None)


def _span(said: str) -> float | None:
    found = _SPAN.fullmatch(said.strip())
    if not said.strip() or found is None:
        return None
    hours, minutes, seconds, thousandths = (float(part or 0) for part in found.groups())
    return min(hours * 3600 + minutes * 60 + seconds + thousandths / 1000, LONGEST_WAIT_S)


def _said(body: bytes, key: Key) -> tuple[str, str]:
    """Return the service's own words, fit to be shown, and its code for the error; both may be empty."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    error = found.get("error", found) if isinstance(found, dict) else None
    if isinstance(error, str):
        return _shown(error, key), ""
    if not isinstance(error, dict):
        return "", ""
    words = error.get("message") or error.get("detail") or ""
    code = error.get("code") or error.get("type") or ""
    return _shown(words, key) if isinstance(words, str) else "", code if isinstance(code, str) else ""


def _shown(words: str, key: Key) -> str:
    """Return words of the service without the key, which some services echo, as a sentence."""
    redactor = Redactor()
    if key.value:
        redactor.register(key.value)
        words = words.replace(key.value, REDACTED)  # also one that is too short to be registered
    said = clip(redactor.redact(_one_line(words[: 8 * LONGEST_WORDS])), LONGEST_WORDS)
    return said if not said or said[-1] in ".!?…" else f"{said}."


def _one_line(words: str) -> str:
    """Return the words without line ends and without what a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())


def _place(location: str) -> str:
    """Return where a redirect points, without what may be secret in it."""
    try:
        parts = urlsplit(location[:1000])
        where = f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else parts.path
    except ValueError:
        return "an unreadable address"
    return clip(_one_line(where), 100) or "nowhere"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception and what it was raised from, to a bounded depth."""
    found: BaseException | None = error
    for _ in range(10):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__


def nonsense(provider: Provider, what: str) -> ModelNonsense:
    """Return that an answer cannot be used, and why."""
    return ModelNonsense(f"The answer of {provider.name} at {provider.host} {what}.", "Ask again, or another model.")
