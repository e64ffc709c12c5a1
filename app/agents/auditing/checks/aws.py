"""The checks of an AWS account, one for each service: what is open, unprotected or too powerful there.

In the order there is no key: the environment of this program has those of the vault, a profile or a role names others.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from app.agents.auditing.aws.audit import Progress, audit_accounts
from app.agents.auditing.aws.findings import Tally, finding_of
from app.agents.auditing.aws.named import MISSING, PARTLY, account_of, aws_is_installed
from app.agents.auditing.aws.opinions import named
from app.agents.auditing.aws.scale.inprocess import InProcess
from app.agents.auditing.aws.scale.workplace import Workplace
from app.agents.auditing.aws.target import Target
from app.agents.auditing.host.builtin import ACCOUNT_S
from app.agents.auditing.plugin import Check, Named, NotKnown, Progressed
from app.domain.errors import SettingsError, WatchkeeperError
from app.domain.findings import AuditVerdict, Severity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.agents.auditing.aws.named import NamedAccount
    from app.agents.auditing.aws.scale.executor import Executor
    from app.agents.auditing.aws.shape import Rule
    from app.agents.auditing.context import Context
    from app.agents.auditing.plugin import Told

LAST_S = 120.0
"""Left of the deadline for telling what was not looked at."""
UNITS = "units"
_FILES = 3
"""Authority, certificate and key."""


class OfService(Check):
    """What a rule of one service of an account does not find as it should be."""

    deadline_s: ClassVar[float] = ACCOUNT_S

    async def scan(self, context: Context) -> AsyncIterator[Told]:
        """Yield findings as they come, how far it is, and at the end what is not known: a sentence for each cause."""
        if not aws_is_installed():
            yield NotKnown(" ".join(MISSING))
            return
        try:
            account = account_of(context.options)
            async with AsyncExitStack() as stack:
                workplace = await stack.enter_async_context(Workplace())
                rules = self._rules(workplace, account)
                if not rules:
                    return
                executor = await _executor(stack, workplace, account)
                target = target_of(account)
                tally = Tally(rules, [target.account])
                told = await stack.enter_async_context(
                    aclosing(
                        audit_accounts(
                            (target,),
                            tuple(rules),
                            executor=executor,
                            workplace=workplace,
                            journals=context.cache / UNITS,
                            deadline_s=ACCOUNT_S - LAST_S,
                        )
                    )
                )
                known = ""
                async for each in told:
                    tally.take(each)
                    if isinstance(each, Progress):
                        yield Progressed(each.done, each.total)
                        continue
                    if each.account != known and each.account.isdecimal():
                        known = each.account
                        yield Named(account.target(known))
                    if each.verdict is AuditVerdict.FAIL:
                        yield finding_of(rules[each.rule], each)
                if context.options.get(PARTLY):
                    yield NotKnown(f"As you asked, only {named(account.regions)} was looked at.")
                for reason in tally.lacking():
                    yield NotKnown(reason)
        except (WatchkeeperError, ValueError) as error:
            said = f"{error.message} {error.hint}" if isinstance(error, WatchkeeperError) else str(error)
            yield NotKnown(said.strip())

    def _rules(self, workplace: Workplace, account: NamedAccount) -> dict[str, Rule]:
        """Return the rules to judge by: those that are a matter of taste only where they are wanted."""
        return {
            each.id: each
            for each in workplace.scanners[self.id].rules
            if each.severity is not Severity.INFO or each.id in account.rules
        }


class S3(OfService):
    """Buckets: who gets in, and what is protected."""

    id = "s3"
    title = "S3"


class IAM(OfService):
    """Users, roles, keys and policies."""

    id = "iam"
    title = "IAM"


class EC2(OfService):
    """Security groups."""

    id = "ec2"
    title = "EC2"


def target_of(account: NamedAccount) -> Target:
    """Return an account as an audit wants it.

    Raises:
        SettingsError: What is set of it does not fit together.
    """
    return Target(
        account.id or account.label,
        account.profile,
        account.role,
        account.external_id if account.role else "",
        account.regions,
        account.endpoint,
    )


async def _executor(stack: AsyncExitStack, workplace: Workplace, account: NamedAccount) -> Executor:
    if not account.scheduler:
        return InProcess(workplace)
    if account.of_vault:
        raise SettingsError(
            f"The keys {account.of_vault} of the vault stay on this machine, and so do not go to {account.scheduler}.",
            "Name a role or a profile that the workers know, or set no scheduler.",
        )
    from app.agents.auditing.aws.scale.dask import Certificates, DaskExecutor  # noqa: PLC0415 - an extra

    files = [Path(os.path.expanduser(each)) for each in account.scheduler_files if each]  # noqa: ASYNC240, PTH111 - no disk is asked
    certificates = Certificates(*files) if len(files) == _FILES else None
    return await stack.enter_async_context(DaskExecutor(account.scheduler, certificates))
