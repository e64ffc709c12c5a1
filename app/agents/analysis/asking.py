"""Whom to ask, in which language, and what the person has agreed to: what explanations and conversations share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.agents.analysis.language import language_of
from app.ai.providers.budget import BudgetLimits
from app.ai.providers.presets import PRESETS
from app.ai.providers.provider import Price
from app.domain.analysis import When
from app.domain.errors import UsageError
from app.engine.resilience.calls import CallLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from app.agents.analysis.consent import Consent
    from app.agents.analysis.settings import AnalysisSettings, ProviderSettings
    from app.ai.failures.privacy import Privacy
    from app.ai.providers.budget import Budget
    from app.ai.providers.provider import Provider
    from app.ai.providers.service import Models

ATTEMPT_S = 60.0
"""A whole answer takes no longer, or is given up: a thinking model's takes half a minute."""


class Asking:
    """It. Belongs to the loop's thread.

    Args:
        models: All providers as one.
        budget: What may be spent.
        consent: The person's word.
        settings: Gives the settings in force.
        privacy: Gives what takes secrets out of what is sent about a project (None: about no project); called in a
            thread.
        environ: The environment, which may tell the person's language.
    """

    def __init__(
        self,
        models: Models,
        budget: Budget,
        consent: Consent,
        *,
        settings: Callable[[], AnalysisSettings],
        privacy: Callable[[Path | None], Privacy],
        environ: Mapping[str, str],
    ) -> None:
        self._models = models
        self.budget = budget
        self.privacy = privacy
        self._consent = consent
        self._settings = settings
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

    @property
    def first(self) -> Provider | None:
        """The provider that is asked first; None when none is set up."""
        return next(iter(self.models.providers), None)

    async def agreed(self, project: str) -> frozenset[str]:
        """Return the hosts of now that parts of a project's source may be sent to."""
        return (await asyncio.to_thread(self._consent.hosts, project)).intersection(self.hosts)

    async def set_consent(self, project: str, *, given: bool) -> tuple[str, ...]:
        """Keep the person's word for the hosts of now, and return them.

        Raises:
            CannotError: It cannot be kept.
        """
        hosts = self.hosts
        if given:
            await asyncio.to_thread(self._consent.give, project, hosts)
        else:
            await asyncio.to_thread(self._consent.take_back, project)
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
