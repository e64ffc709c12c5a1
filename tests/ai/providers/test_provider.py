"""Providers and presets: which addresses may be asked, what a host is called, and when a price holds."""

from __future__ import annotations

import pytest

from app.ai.providers.presets import PRESETS
from app.ai.providers.provider import Price, Provider
from app.domain.errors import UsageError


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.deepseek.com", "api.deepseek.com"),
        ("https://API.Example.org:443/v1/", "api.example.org"),
        ("https://api.example.org:8443/v1", "api.example.org:8443"),
        ("http://127.0.0.1:11434/v1", "127.0.0.1:11434"),
        ("http://localhost/v1", "localhost"),
        ("http://[::1]:1234/v1", "[::1]:1234"),
    ],
)
def test_an_address_that_may_be_asked(url: str, host: str) -> None:
    """Https anywhere, plain http on this machine; the host is what a person reads, and agrees to."""
    provider = Provider("one", url, "a-model", "A_KEY")

    assert provider.host == host
    assert provider.endpoint == f"{url.rstrip('/')}/chat/completions"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.deepseek.com",
        "ftp://api.deepseek.com",
        "file:///etc/passwd",
        "https://",
        "https://user:hunter2secret@api.example.org/v1",
        "https://hunter2secret@api.example.org/v1",
        "https://api.example.org/v1?key=hunter2secret",
        "https://api.example.org/v1#hunter2secret",
        "https://api.example.org:port/v1",
        "https://api.example.org:0/v1",
        "https://[::1/v1",
        "https://api.example.org/ v1",
        "https://api.example.org\\@evil.example.org",
        "https://api.example.org/\r\nX-Evil: 1",
        "https://аpi.example.org/v1",  # noqa: RUF001 - a Cyrillic look-alike is the point
        "https://a" + "a" * 500,
    ],
)
def test_an_address_that_cannot_be_asked(url: str) -> None:
    """It is refused with the setting's name, and not shown: it may hold a password."""
    with pytest.raises(UsageError) as told:
        Provider("one", url, "a-model")

    assert "analysis.one.base_url" in told.value.hint
    assert "hunter2secret" not in f"{told.value!r}{told.value}"


@pytest.mark.parametrize("host", ["api.example.org", "8.8.8.8", "0.0.0.0", "my-desktop", "127.0.0.1.example.org"])  # noqa: S104 - refused
def test_plain_http_to_others_is_refused(host: str) -> None:
    """What others could read on its way is not sent, with a key or without."""
    with pytest.raises(UsageError, match="by plain http"):
        Provider("one", f"http://{host}/v1", "a-model")


def test_plain_http_in_a_private_network_goes_without_a_key_alone() -> None:
    """A model in the next room may be asked, but a key must not travel in the open."""
    assert Provider("one", "http://192.168.1.20:11434/v1", "a-model").host == "192.168.1.20:11434"

    with pytest.raises(UsageError, match="its key by plain http") as told:
        Provider("one", "http://192.168.1.20:11434/v1", "a-model", "A_KEY")

    assert "analysis.one.key" in told.value.hint


@pytest.mark.parametrize(
    ("words", "setting"), [({"model": " "}, "analysis.one.model"), ({"temperature": 3}, "analysis.temperature")]
)
def test_what_else_cannot_be(words: dict[str, object], setting: str) -> None:
    """A provider without a model, or too free a temperature, names the setting."""
    with pytest.raises(UsageError) as told:
        Provider(**{"name": "one", "base_url": "https://a.example.org", "model": "m", **words})  # type: ignore[arg-type]

    assert setting in told.value.hint


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "custom"])
def test_each_preset_makes_a_provider(name: str) -> None:
    """A preset needs no setting; those of this machine need no key and cost nothing."""
    provider = PRESETS[name].provider(name)

    assert provider.is_local is not provider.base_url.startswith("https://")
    assert bool(provider.key) is not provider.is_local
    if provider.is_local:
        assert provider.price == Price(0, 0)


def test_deepseek_is_the_first() -> None:
    """DeepSeek is the default, at its own address, with its own key."""
    assert next(iter(PRESETS)) == "deepseek"
    provider = PRESETS["deepseek"].provider("deepseek")

    assert (provider.base_url, provider.model, provider.key) == (
        "https://api.deepseek.com",
        "deepseek-chat",
        "DEEPSEEK_API_KEY",
    )


def test_a_custom_provider_needs_its_settings() -> None:
    """Without an address the setting is named; with one it works, and its price is not known."""
    with pytest.raises(UsageError, match=r"base_url|address"):
        PRESETS["custom"].provider("custom")

    provider = PRESETS["custom"].provider("custom", base_url="https://a.example.org/v1", model="m")
    assert (provider.price, provider.key) == (None, "")


def test_a_price_holds_for_its_own_model_and_address_alone() -> None:
    """Another model, or the same one at another place, has no known price unless one is set."""
    deepseek = PRESETS["deepseek"]

    assert deepseek.provider("d").price is not None
    assert deepseek.provider("d", model="deepseek-chat", base_url="https://api.deepseek.com/").price is not None
    assert deepseek.provider("d", model="deepseek-reasoner").price is None
    assert deepseek.provider("d", base_url="https://proxy.example.org").price is None
    assert deepseek.provider("d", model="other", price=Price(1, 2)).price == Price(1, 2)


def test_a_key_does_not_follow_to_another_address() -> None:
    """The preset's key goes to the preset's address; elsewhere a person must name one."""
    deepseek = PRESETS["deepseek"]

    assert deepseek.provider("d", base_url="https://proxy.example.org").key == ""
    assert deepseek.provider("d", base_url="https://proxy.example.org", key="MY_KEY").key == "MY_KEY"


def test_a_price_is_for_a_million() -> None:
    """Half a million tokens sent and a quarter of a million back cost their share."""
    assert Price(2.0, 8.0).cost(500_000, 250_000) == pytest.approx(3.0)
