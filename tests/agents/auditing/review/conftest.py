"""A scratch repository, and a reviewer of its changes: all of it real but the model's service."""

from __future__ import annotations

import os
import secrets
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.analysis.asking import Asking
from app.agents.analysis.consent import CONSENT_SCHEMA, Consent
from app.agents.analysis.settings import AnalysisSettings, ProviderSettings
from app.agents.analysis.work import Work
from app.agents.auditing.context import Context
from app.agents.auditing.host.known import REVIEW_PLACE
from app.agents.auditing.review.ledger import Ledger
from app.agents.auditing.review.reviewer import Reviewer
from app.ai.failures.privacy import Privacy
from app.ai.providers import budget as budgets
from app.ai.providers.service import Models
from app.engine.clock import SystemClock
from app.engine.redaction import Redactor
from app.engine.statefile import StateFile
from tests.ai.modelserver import ModelServer, NoKeys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from app.domain.findings import Checked
    from tests.agents.auditing.conftest import Repository

TOKENS = 30_000


@dataclass
class Reviewing:
    """A reviewer, and the repository whose changes it has reviewed."""

    repository: Repository
    asking: Asking
    reviewer: Reviewer
    tokens: list[int]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def project(self) -> str:
        return str(self.repository.root)

    async def agree(self) -> None:
        await self.asking.set_consent(self.project, "", given=True)

    async def review(self, since: str = "") -> Checked:
        return await self.reviewer.run(REVIEW_PLACE, Context(self.repository.root, since=since))


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as listening:
        yield listening


@pytest.fixture
def reviewing_at(
    repository: Repository, server: ModelServer, tmp_path: Path
) -> Callable[..., AbstractAsyncContextManager[Reviewing]]:
    """Return what sets up a reviewer; its data outlive it."""

    @asynccontextmanager
    async def at(**environ: str) -> AsyncIterator[Reviewing]:
        clock, data, environment = SystemClock(), tmp_path / "data", {**os.environ, **environ}
        settings: dict[str, Any] = {
            "providers": ("custom",),
            "custom": ProviderSettings(base_url=server.url, model="stand-in-1", prices=(1.0, 2.0)),
            "language": "English",
        }

        async def look() -> None:
            """Settings hold at once here."""

        async with AsyncExitStack() as stack:
            spending = StateFile(data / "spending.json", schema=budgets.SCHEMA)
            budget = budgets.Budget(budgets.BudgetLimits(), spending, clock=clock)
            models = Models((), keys=NoKeys(), clock=clock, budget=budget)
            stack.push_async_callback(models.aclose)
            work = Work()
            stack.callback(work.close)
            asking = Asking(
                models,
                budget,
                Consent(StateFile(data / "consent.json", schema=CONSENT_SCHEMA), work),
                settings=lambda: AnalysisSettings(**settings),
                look=look,
                privacy=lambda root: Privacy(
                    Redactor(), home=tmp_path, user="masha", host="mashas-laptop", environ=environment, root=root
                ),
                environ=environment,
                new_nonce=lambda: secrets.token_hex(8),
            )
            tokens = [TOKENS]
            reviewer = Reviewer(asking, Ledger(data / "reviews"), work=work.do, tokens=lambda: tokens[0], clock=clock)
            yield Reviewing(repository, asking, reviewer, tokens, settings)

    return at
