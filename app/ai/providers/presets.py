"""The services that are known by name."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from app.ai.providers.provider import Price, Provider

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Preset:
    """What is known of a service beforehand; see Provider for the attributes.

    A price holds for this model at this address alone.
    """

    base_url: str = ""
    model: str = ""
    key: str = ""
    price: Price | None = None
    json_mode: bool = False
    sends_usage_option: bool = True

    def provider(
        self,
        name: str,
        *,
        base_url: str = "",
        model: str = "",
        key: str | None = None,
        price: Price | None = None,
        temperature: float = 0.3,
    ) -> Provider:
        """Return the provider, as far as the settings do not say otherwise.

        Args:
            name: As in the settings.
            base_url: In place of the preset's; empty for that.
            model: Likewise.
            key: The name of the secret; empty for none, None for the preset's. At another address the preset's is not
                taken: a key goes only where it belongs.
            price: Likewise; None for the preset's, where that holds.
            temperature: See Provider.

        Raises:
            UsageError: Address or model are missing or cannot be used; names the setting.
        """
        is_elsewhere = bool(base_url) and base_url.rstrip("/") != self.base_url
        holds = not is_elsewhere and model in {"", self.model}
        return Provider(
            name,
            base_url or self.base_url,
            model or self.model,
            key if key is not None else "" if is_elsewhere else self.key,
            price or (self.price if holds else None),
            temperature,
            self.json_mode,
            self.sends_usage_option,
        )


# Prices in US dollars for a million tokens, from the services' own lists as they were known at the end of
# 2025. They change: what a setting says goes before.
PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "deepseek": Preset(
            "https://api.deepseek.com", "deepseek-chat", "DEEPSEEK_API_KEY", Price(0.28, 0.42), json_mode=True
        ),
        "openai": Preset(
            "https://api.openai.com/v1", "gpt-4o-mini", "OPENAI_API_KEY", Price(0.15, 0.60), json_mode=True
        ),
        "openrouter": Preset(
            "https://openrouter.ai/api/v1", "deepseek/deepseek-chat", "OPENROUTER_API_KEY", json_mode=True
        ),
        "perplexity": Preset(
            "https://api.perplexity.ai", "sonar", "PERPLEXITY_API_KEY", Price(1.0, 1.0), sends_usage_option=False
        ),
        "ollama": Preset("http://127.0.0.1:11434/v1", "qwen2.5-coder:7b", price=Price(0.0, 0.0), json_mode=True),
        "lmstudio": Preset("http://127.0.0.1:1234/v1", "local-model", price=Price(0.0, 0.0)),
        "custom": Preset(),
    }
)
"""By name; the first is the default. `custom` says nothing: address and model come from the settings."""
