"""An account of moto's for each test, reached through a proxy that can answer otherwise."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from moto.server import ThreadedMotoServer

from app.agents.auditing.aws.clients.account import Account
from app.agents.auditing.aws.clients.backend import Patience
from app.agents.auditing.aws.clients.context import AuditContext
from app.agents.auditing.aws.clients.credentials import GivenKeys, Keys
from app.agents.auditing.aws.clients.manager import AsyncClientManager
from tests.agents.auditing.aws.denying import Denying

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from app.agents.auditing.aws.clients.backend import Backend
    from app.agents.auditing.aws.shape import Judgement, Scanner, Unit
    from app.domain.findings import AuditVerdict

REGION = "us-east-1"
_ids = itertools.count(100_000_000_001)


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """Give the address of a server of moto's."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@dataclass
class Audited:
    """An account that is seeded past the proxy and audited through it.

    Attributes:
        moto: Moto's address.
        context: What is audited.
        proxy: What stands between.
        keys: The account's.
        clients: Its clients of boto3, by service and region.
    """

    moto: str
    context: AuditContext
    proxy: Denying
    keys: Keys
    clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The account's id."""
        return self.context.account.id

    def client(self, service: str, region: str = REGION) -> Any:
        """Return a client to seed with."""
        if (service, region) not in self.clients:
            self.clients[service, region] = boto3.client(
                service,
                region_name=region,
                endpoint_url=self.moto,
                aws_access_key_id=self.keys.access_key,
                aws_secret_access_key=self.keys.secret_key,
                aws_session_token=self.keys.token,
            )
        return self.clients[service, region]

    async def units(self, scanner: Scanner, rules: Sequence[str] = (), regions: Sequence[str] = ()) -> list[Unit]:
        """Return the units of some rules, of all where none are named."""
        wanted = rules or [each.id for each in scanner.rules]
        return [each async for each in scanner.units(self.context, wanted, regions)]

    async def audit(
        self, scanner: Scanner, rules: Sequence[str] = (), regions: Sequence[str] = ()
    ) -> dict[tuple[str, str], Judgement]:
        """Return all judgements, by the rule and the resource's last part, as `group/admins` or `sg-1`."""
        judged = [
            judgement
            for unit in await self.units(scanner, rules, regions)
            for judgement in await scanner.judge(self.context, unit)
        ]
        found = {(each.rule, each.resource): each for each in judged}
        assert len(found) == len(judged)
        return found


def verdicts(found: dict[tuple[str, str], Judgement]) -> dict[tuple[str, str], AuditVerdict]:
    """Return the verdicts of judgements."""
    return {key: each.verdict for key, each in found.items()}


def short(found: dict[tuple[str, str], Judgement]) -> dict[tuple[str, str], Judgement]:
    """Return judgements by their rules and the ends of their ARNs."""
    return {(rule, resource.split(":", 5)[5]): each for (rule, resource), each in found.items()}


@contextlib.asynccontextmanager
async def audited(moto: str, backend: Backend) -> AsyncIterator[Audited]:
    """Give an account that is empty, since moto keeps accounts apart by the role that was assumed."""
    account = str(next(_ids))
    anybodys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    sts = boto3.client("sts", region_name=REGION, endpoint_url=moto, **anybodys)
    given = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/auditor", RoleSessionName="test")["Credentials"]
    sts.close()
    keys = Keys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    with Denying(moto) as proxy:
        patience = Patience(connect_s=5.0, read_s=20.0, attempts=1)
        async with AsyncClientManager(backend, endpoint_url=proxy.url, patience=patience, close_s=0.2) as clients:
            context = AuditContext(Account(account, GivenKeys(keys)), REGION, clients)
            made = Audited(moto, context, proxy, keys)
            yield made
            for each in made.clients.values():
                each.close()
