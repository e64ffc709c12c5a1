"""An account for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.agents.auditing.aws.accounts import Audited, audited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.agents.auditing.aws.clients.backend import Backend


@pytest.fixture
async def aws(moto_url: str, backend: Backend, no_aws_around: None) -> AsyncIterator[Audited]:
    """Give an account that is empty."""
    del no_aws_around
    async with audited(moto_url, backend) as made:
        yield made
