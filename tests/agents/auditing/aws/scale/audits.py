"""What the tests of audits share: what is audited, and an audit read to its end."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from app.agents.auditing.aws.audit import Progress, audit_accounts
from app.agents.auditing.aws.s3 import RULES
from app.agents.auditing.aws.shape import Judgement
from app.agents.auditing.aws.target import Target
from tests.benchmarks.aws.buckets import BUCKETS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from app.agents.auditing.aws.audit import Told
    from app.agents.auditing.aws.clients.backend import Backend, Patience, Place, Wire
    from app.agents.auditing.aws.clients.credentials import Credentials

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/audit"
ENDPOINT = "http://aws.test"
"""Spoken to by way of the proxy, since a call to the account's settings puts the account before the host's name."""
TARGET = Target(ACCOUNT, role=ROLE, endpoint_url=ENDPOINT)
S3_RULES = tuple(each.id for each in RULES)
A_FEW = (*BUCKETS[:4], BUCKETS[8])
"""In four regions, so that there are five units; each setting that is judged is right in some and wrong in others."""
MANY = BUCKETS[:20]


class Borrowed:
    """A backend that others use as well, so that it outlives who closes it.

    Args:
        backend: What speaks to AWS.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def name(self) -> str:
        """How people are told which one it is."""
        return self._backend.name

    async def connect(self, place: Place, patience: Patience) -> Wire:
        """Make a client."""
        return await self._backend.connect(place, patience)

    def profile(self, name: str) -> Credentials:
        """Return the credentials of a profile."""
        return self._backend.profile(name)

    def close(self) -> None:
        """Leave it to who made it."""


async def read(told: AsyncGenerator[Told, None]) -> tuple[list[Judgement], dict[str, Progress]]:
    """Return all judgements, sorted, and the last progress of each account."""
    judgements: list[Judgement] = []
    progress: dict[str, Progress] = {}
    async with aclosing(told):
        async for each in told:
            if isinstance(each, Judgement):
                judgements.append(each)
            else:
                progress[each.account] = each
    return sorted(judgements, key=lambda each: (each.rule, each.resource)), progress


async def audited(
    targets: Sequence[Target] = (TARGET,), rules: Sequence[str] = S3_RULES, **more: Any
) -> tuple[list[Judgement], dict[str, Progress]]:
    """Audit, and return what was told."""
    return await read(audit_accounts(targets, rules, **more))
