"""What a person may set of the asking of models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from app.ai.providers.presets import PRESETS
from app.engine.settings import Section


def _is_pair(prices: object) -> object:
    found = prices if isinstance(prices, list | tuple) and len(prices) in {0, 2} else None
    if found is None or any(isinstance(price, int | float) and price < 0 for price in found):
        raise _allowed("two prices from 0 on, such as [0.28, 0.42], or none: []")
    return tuple(found)  # a list is none to pydantic, once it is Python's


def _are_known(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in PRESETS]
    if unknown:
        raise _allowed(f"names out of {', '.join(PRESETS)}; {unknown[0]!r} is none of them")
    return tuple(dict.fromkeys(names))


def _allowed(what: str) -> PydanticCustomError:
    """Return the error that says what a value must be: of a ValueError pydantic would say that it is one."""
    return PydanticCustomError("not_allowed", "{what}", {"what": what})


class ProviderSettings(Section):
    """The section `[analysis.NAME]` of one provider; what is empty is as usual for it."""

    base_url: str = Field(default="", description="Its address, up to /v1 or the like; empty: its usual one")
    model: str = Field(default="", description="The model that is asked; empty: its usual one")
    key: str = Field(default="", description="The name of its API key in the vault; empty: its usual one")
    prices: Annotated[tuple[float, ...], BeforeValidator(_is_pair)] = Field(
        default=(), description="US dollars for a million tokens sent, and for a million received: [0.28, 0.42]"
    )


class ReportSettings(Section):
    """The section `[analysis.reports]`."""

    enabled: bool = Field(
        default=False, description="Keep a file test_watcher_audit_TIME.json of each run: results, coverage, analysis"
    )
    folder: str = Field(default="", description="Where they go; empty: the data folder of Watchkeeper")
    keep: int = Field(default=50, ge=1, le=100_000, description="How many are kept for each project")


class AnalysisSettings(Section):
    """The section `[analysis]`."""

    when: Literal["never", "ask", "always"] = Field(
        default="ask",
        description="When a model explains a red test: never, when you ask, or always by itself. Nothing of a project "
        "is sent before you have agreed to that",
    )
    providers: Annotated[tuple[str, ...], AfterValidator(_are_known)] = Field(
        default=("deepseek",), description=f"Who is asked, the next when one does not answer: {', '.join(PRESETS)}"
    )
    language: str = Field(
        default="",
        max_length=40,
        description="The language of explanations: English, Russian, ...; empty: the system's",
    )
    temperature: float = Field(default=0.3, ge=0, le=2, description="How freely the model chooses its words")
    prompt_tokens: int = Field(
        default=6_000, ge=1_000, le=200_000, description="Tokens that a question may have, with all that is sent along"
    )
    answer_tokens: int = Field(default=2_000, ge=200, le=32_000, description="Tokens that an answer may have")
    tokens_per_day: int = Field(default=300_000, ge=0, description="Tokens that may be used in a day; 0 for any number")
    dollars_per_day: float = Field(default=1.0, ge=0, description="US dollars that may be spent in a day; 0 for any")
    automatic_per_hour: int = Field(
        default=12, ge=1, le=1_000, description="Explanations in an hour that nobody asked for, with `when` at always"
    )
    deadline_seconds: float = Field(
        default=90.0, ge=5, le=600, description="No answer is waited for longer, all attempts together"
    )
    redis: str = Field(
        default="",
        description="A Redis that keeps the last exchanges of conversations at hand: redis://127.0.0.1:6379/0; empty: "
        "none, their files serve as well. Counts from the next start",
    )
    reports: ReportSettings = ReportSettings()
    deepseek: ProviderSettings = ProviderSettings()
    openai: ProviderSettings = ProviderSettings()
    openrouter: ProviderSettings = ProviderSettings()
    perplexity: ProviderSettings = ProviderSettings()
    ollama: ProviderSettings = ProviderSettings()
    lmstudio: ProviderSettings = ProviderSettings()
    custom: ProviderSettings = ProviderSettings()
