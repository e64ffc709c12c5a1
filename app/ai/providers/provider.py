"""Whom to ask: a provider of chat completions, and what it charges."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from app.domain.addresses import is_this_machine
from app.domain.errors import UsageError

_PER = 1_000_000
_DEFAULT_PORTS = {"https": 443, "http": 80}
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Price:
    """What a model charges.

    Attributes:
        prompt: US dollars for a million tokens that are sent.
        answer: US dollars for a million tokens that come back.
    """

    prompt: float
    answer: float

    def cost(self, prompt_tokens: int, answer_tokens: int) -> float:
        """Return US dollars for that many tokens. What a service's cache saves is left out: rather too dear."""
        return (self.prompt * prompt_tokens + self.answer * answer_tokens) / _PER


@dataclass(frozen=True, slots=True)
class Provider:
    """One service, one model, and how it is asked.

    Plain http is for this machine, and for an address of a private network when no key goes along: a key must not
    travel where it can be read, while a model on a machine in the next room is what some people have.

    Attributes:
        name: As in the settings; names are unique.
        base_url: What `/chat/completions` is put behind.
        model: As the service calls it.
        key: The name of the secret in the vault, not its value; empty for a service that wants none.
        price: What it charges; None when that is not known.
        temperature: How free its answers are, 0 to 2.
        json_mode: Whether it takes `response_format: json_object`.
        sends_usage_option: Whether it takes `stream_options`, and so tells the tokens of a streamed answer.
    """

    name: str
    base_url: str
    model: str
    key: str = ""
    price: Price | None = None
    temperature: float = 0.3
    json_mode: bool = False
    sends_usage_option: bool = True

    def __post_init__(self) -> None:
        """Check the address, the model and the temperature.

        Raises:
            UsageError: One of them cannot be used; names the setting.
        """
        _checked(self.base_url, self.name, has_key=bool(self.key))
        if not self.model.strip() or not self.model.isprintable() or len(self.model) > _LONGEST:
            raise UsageError(
                f"The provider {self.name} has no model that could be asked for.",
                f"Name one: analysis.{self.name}.model",
            )
        if not 0 <= self.temperature <= 2:  # noqa: PLR2004 - the range of the API
            raise UsageError(
                f"The temperature of the provider {self.name} is {self.temperature}, which is not between 0 and 2.",
                "Change it: analysis.temperature",
            )

    @property
    def endpoint(self) -> str:
        """Where questions are posted."""
        return f"{self.base_url.rstrip('/')}/chat/completions"

    @property
    def host(self) -> str:
        """The host, with a port that is not the usual one: what people read, and agree to."""
        url = urlsplit(self.base_url)
        name = (url.hostname or "").lower()
        name = f"[{name}]" if ":" in name else name
        return name if url.port in {None, _DEFAULT_PORTS[url.scheme.lower()]} else f"{name}:{url.port}"

    @property
    def is_local(self) -> bool:
        """Whether it is asked on this machine, so that nothing leaves it."""
        return is_this_machine(urlsplit(self.base_url).hostname or "")


def _is_private(host: str) -> bool:
    """True for an address of a private network. A name is not: it can come to mean any machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private and not address.is_unspecified and not address.is_reserved


def _checked(url: str, name: str, *, has_key: bool) -> None:
    """Check a base URL.

    Raises:
        UsageError: It cannot be used, or questions must not be sent there.
    """
    setting = f"Change it: analysis.{name}.base_url"
    parts = _split(url)
    if parts is None or parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        # the address itself is not shown: it may hold a password
        raise UsageError(
            f"The address of the provider {name} is not one like https://api.example.org/v1, without user, password, "
            "question mark and number sign.",
            setting,
        )
    host = (parts.hostname or "").lower()
    if parts.scheme == "https" or is_this_machine(host):
        return
    if not _is_private(host):
        raise UsageError(
            f"The provider {name} would be asked at {host} by plain http, so that others could read what is sent.",
            f"Use https; plain http is for this machine, and for an address like 192.168.1.20 without a key. {setting}",
        )
    if has_key:
        raise UsageError(
            f"The provider {name} would be sent its key by plain http to {host}, so that others could read it.",
            f"Use https, or set no key: analysis.{name}.key. {setting}",
        )


def _split(url: str) -> SplitResult | None:
    if not url or len(url) > _LONGEST or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not match
        return None
    return parts if parts.scheme in _DEFAULT_PORTS and has_place else None
