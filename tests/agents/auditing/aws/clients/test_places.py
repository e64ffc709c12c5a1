"""Where calls go that name an account before the host, as those of S3 Control do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.aws.clients.backend import Patience
from app.agents.auditing.aws.clients.context import AuditContext
from app.agents.auditing.aws.clients.manager import AsyncClientManager

if TYPE_CHECKING:
    from app.agents.auditing.aws.clients.backend import Backend

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])
SWITCHES = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": False,
    "RestrictPublicBuckets": True,
}


async def test_the_accounts_settings_are_had_from_a_stand_in(backend: Backend, moto_url: str, tools: Any) -> None:
    """An address without names for accounts is asked as it was given, and answers."""
    async with AsyncClientManager(backend, endpoint_url=moto_url) as clients:
        context = AuditContext(tools.account(1), tools.region, clients)
        account = {"AccountId": "123456789012"}
        await context.execute_async(
            "s3control", "PutPublicAccessBlock", PublicAccessBlockConfiguration=SWITCHES, **account
        )

        answer = await context.execute_async("s3control", "GetPublicAccessBlock", **account)

    assert answer["PublicAccessBlockConfiguration"] == SWITCHES


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("http://aws.test:8000", "aws.test:8000"),
        ("http://control.vpce-1.s3.eu-central-1.vpce.amazonaws.com", "000000000001.control.vpce-1.s3."),
    ],
)
async def test_endpoints_of_aws_keep_their_names_for_accounts(  # noqa: PLR0917 - fixtures and cases
    backend: Backend, aws: Any, tools: Any, monkeypatch: pytest.MonkeyPatch, address: str, host: str
) -> None:
    """What is of AWS has the account before the host, and what is not has none."""
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, aws.url)

    patience = Patience(connect_s=5.0, read_s=20.0, attempts=1)
    async with AsyncClientManager(backend, endpoint_url=address, patience=patience) as clients:
        context = AuditContext(tools.account(1), tools.region, clients)
        await context.execute_async("s3control", "GetPublicAccessBlock", AccountId=context.account.id)

    (seen,) = aws.seen
    assert seen.host.startswith(host)
