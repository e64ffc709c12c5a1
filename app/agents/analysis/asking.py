"""Whom to ask, in which language, and what the person has agreed to: what explanations and conversations share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.agents.analysis.language import language_of
from app.ai.providers.budget import BudgetLimits
from app.ai.providers.presets import PRESETS
from app.ai.providers.provider import Price
from app.domain.analysis import When
from app.domain.errors import CommandRefused, ConsentMissing, ModelNotSetUp, UsageError
from app.engine.resilience.calls import CallLimits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping
    from pathlib import Path

    from app.agents.analysis.consent import Consent
    from app.agents.analysis.settings import AnalysisSettings, ProviderSettings
    from app.ai.failures.privacy import Privacy
    from app.ai.providers.budget import Budget
    from app.ai.providers.provider import Provider
    from app.ai.providers.service import Models

ATTEMPT_S = 60.0
"""A whole answer takes no longer, or is given up: a thinking model's takes half a minute."""


SWITCHED_OFF = ("Models are switched off by the setting analysis.when.", "watchkeeper config set analysis.when ask")


class Asking:
    """It. Belongs to the loop's thread.

    Args:
        models: All providers as one.
        budget: What may be spent.
        consent: The person's word.
        settings: Gives the settings in force.
        look: Sees to it that they are those that the file holds now: what a person has just set holds for their next
            question. Raises nothing.
        privacy: Gives what takes secrets out of what is sent about a project (None: about no project); called in a
            thread.
        environ: The environment, which may tell the person's language.
        new_nonce: Gives random letters and digits, new each time.
    """

    def __init__(
        self,
        models: Models,
        budget: Budget,
        consent: Consent,
        *,
        settings: Callable[[], AnalysisSettings],
        look: Callable[[], Awaitable[None]],
        privacy: Callable[[Path | None], Privacy],
        environ: Mapping[str, str],
        new_nonce: Callable[[], str],
    ) -> None:
        self._models = models
        self.budget = budget
        self.privacy = privacy
        self.new_nonce = new_nonce
        self._consent = consent
        self._settings = settings
        self._look = look
        self._on_change: Callable[[], None] = lambda: None
        self._environ = environ
        self._in_force: AnalysisSettings | None = None
        self._trouble = ("", "")

    @property
    def models(self) -> Models:
        """All providers as one, as the settings name them now."""
        self._refresh()
        return self._models

    @property
    def trouble(self) -> tuple[str, str]:
        """What is wrong with the providers in the settings, and what to do; empty when nothing is."""
        self._refresh()
        return self._trouble

    def on_change(self, heard: Callable[[], None]) -> None:
        """Have somebody told when whom to ask has changed, or how they fare."""
        self._on_change = heard
        self._models.on_change = heard

    async def look_at_settings(self) -> None:
        """Take the settings as their file holds them now; to be awaited before it is decided whom to ask, and why."""
        await self._look()
        self._refresh()

    @property
    def settings(self) -> AnalysisSettings:
        """The settings in force."""
        return self._settings()

    @property
    def when(self) -> When:
        """When models are asked about failures."""
        return When(self.settings.when)

    @property
    def language(self) -> str:
        """The language of explanations, by its English name."""
        return language_of(self.settings.language, self._environ)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where the providers are, in the order in which they are asked."""
        return tuple(dict.fromkeys(provider.host for provider in self.models.providers))

    def first(self, agreed: Collection[str]) -> Provider | None:
        """Return who is asked first of those at these hosts, or of all where there is none; None when nobody is."""
        providers = self.models.providers
        return next((each for each in providers if each.host in agreed), next(iter(providers), None))

    async def agreed(self, project: str) -> frozenset[str]:
        """Return the hosts of now that parts of a project's source may be sent to, by the settings of now."""
        await self.look_at_settings()
        return (await self._consent.hosts(project)).intersection(self.hosts)

    async def may_send(self, project: str) -> frozenset[str]:
        """Return the hosts of now that parts of a project's source may be sent to; at least one.

        Raises:
            CommandRefused: Models are switched off.
            ModelNotSetUp: Nobody is set up to be asked.
            ConsentMissing: The person has not agreed.
        """
        agreed = await self.agreed(project)
        if self.when is When.NEVER:
            raise CommandRefused(*SWITCHED_OFF)
        if not self.hosts:
            raise not_set_up(self.trouble)
        if not agreed:
            raise ConsentMissing(
                f"Parts of {project} would be sent to {', '.join(self.hosts)}, and you have not agreed to that.",
                f"Agree in the window, or with: watchkeeper explain --allow --project {project}",
            )
        return agreed

    async def set_consent(self, project: str, shown: str, *, given: bool) -> tuple[str, ...]:
        """Keep the person's word for the hosts of now, and return them.

        Args:
            project: The project's root.
            shown: The hosts that the person was shown, with commas between; empty for those of now.
            given: Whether they agree.

        Raises:
            CommandRefused: Other hosts are set up now than the person was shown.
            CannotError: It cannot be kept.
        """
        await self.look_at_settings()
        hosts = self.hosts
        if not given:
            await self._consent.take_back(project)
        elif shown and set(shown.split(",")) != set(hosts):
            now = ", ".join(hosts) or "nobody"
            raise CommandRefused(
                f"You were shown {shown.replace(',', ', ')}, and now it would be sent to {now}.",
                "The settings have changed meanwhile: look at what is sent, and agree again.",
            )
        else:
            await self._consent.give(project, hosts)
        return hosts

    def _refresh(self) -> None:
        """Take providers and limits from the settings, if those have changed."""
        settings = self.settings
        if settings != self._in_force:
            self._in_force = settings
            providers, text, hint = providers_of(settings)
            self._trouble = (text, hint)
            self.budget.limits = BudgetLimits(settings.tokens_per_day, settings.dollars_per_day)
            deadline_s = settings.deadline_seconds
            limits = CallLimits(deadline_s=deadline_s, attempt_s=min(ATTEMPT_S, deadline_s))
            self._models.reconfigure(providers, limits)
            self._on_change()


def providers_of(settings: AnalysisSettings) -> tuple[tuple[Provider, ...], str, str]:
    """Return the providers that the settings name, and what is wrong with one of the others, and what to do."""
    found, text, hint = [], "", ""
    for name in settings.providers:
        own: ProviderSettings = getattr(settings, name)
        try:
            provider = PRESETS[name].provider(
                name,
                base_url=own.base_url,
                model=own.model,
                key=own.key or None,
                price=Price(*own.prices) if own.prices else None,
                temperature=settings.temperature,
            )
        except UsageError as error:
            text, hint = text or error.message, hint or error.hint
        else:
            found.append(provider)
    return tuple(found), text, hint


def not_set_up(trouble: tuple[str, str] = ("", "")) -> ModelNotSetUp:
    """Return the error for settings that name nobody who could be asked.

    Args:
        trouble: What is wrong with one whom they do name, and what to do; empty for nothing.
    """
    if trouble[0]:
        return ModelNotSetUp(*trouble)
    return ModelNotSetUp(
        "No model is set up that could be asked.", "Name one: watchkeeper config set analysis.providers deepseek"
    )
