"""moto for what S3 would answer, behind a proxy that lets calls fail, and an account that is repaired through it."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.aws.clients.account import Account
from app.agents.auditing.aws.clients.backend import Patience
from app.agents.auditing.aws.clients.context import AuditContext
from app.agents.auditing.aws.clients.credentials import GivenKeys, Keys
from app.agents.auditing.aws.clients.manager import AsyncClientManager
from tests.agents.auditing.aws.remedy.cases import ACCOUNT, REGION, S3, URL, QuickClock
from tests.agents.auditing.aws.remedy.failing import Failing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from app.agents.auditing.aws.clients.backend import Backend


@pytest.fixture
def proxy(moto_url: str, no_aws_around: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Failing]:
    """Give the proxy in front of moto, which is empty.

    It is an HTTP proxy, since a call to the account's settings puts the account before the host's name.
    """
    del no_aws_around
    reset = urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")  # noqa: S310 - on loopback
    urllib.request.urlopen(reset).close()  # noqa: S310 - likewise
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    with Failing(moto_url) as made:
        for name, value in {"HTTP_PROXY": made.url, "http_proxy": made.url, "no_proxy": "127.0.0.1"}.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
async def context(proxy: Failing, backend: Backend) -> AsyncIterator[AuditContext]:
    """Give the account; each call is attempted once, since what is tested is what becomes of a failure."""
    del proxy
    patience = Patience(connect_s=10.0, read_s=10.0, attempts=1)
    async with AsyncClientManager(backend, endpoint_url=URL, patience=patience) as clients:
        yield AuditContext(Account(ACCOUNT, GivenKeys(Keys("AKIAOFTHETESTS", "secret"))), REGION, clients)


@pytest.fixture
def s3(context: AuditContext) -> S3:
    """Give what sets up buckets."""
    return S3(context)


@pytest.fixture
def clock() -> QuickClock:
    """Give a clock on which nobody waits."""
    return QuickClock()
