"""audit_accounts: all accounts by all rules, told as it comes, resumed where it was interrupted, ended in time.

    async with Workplace() as workplace:
        told = audit_accounts(targets, rules, executor=InProcess(workplace), workplace=workplace)
        async with aclosing(told):
            async for each in told: ...

What could not be looked at is told as UNKNOWN with its reason, and so is what there was no time for.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from app import __version__
from app.agents.auditing.aws.scale.counting import counting
from app.agents.auditing.aws.scale.documents import UNIT_S, Work, content_of, digest
from app.agents.auditing.aws.scale.journal import Journal
from app.agents.auditing.aws.scale.workplace import loss_of
from app.agents.auditing.aws.scanners import for_rules, rules_of
from app.agents.auditing.aws.shape import Judgement
from app.agents.auditing.aws.target import check_targets
from app.domain.errors import CannotError, SettingsError
from app.domain.findings import AuditVerdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.scale.documents import Access, Result
    from app.agents.auditing.aws.scale.executor import Executor
    from app.agents.auditing.aws.scale.workplace import Workplace
    from app.agents.auditing.aws.shape import Scanner, Unit
    from app.agents.auditing.aws.target import Target
    from app.engine.clock import Clock

LIST_AT_ONCE = 8
"""Accounts whose resources are listed at a time."""
WAITING = 1_000
"""Units that wait to be done, at most; listing waits then."""
UNREAD = 64
"""Results that wait to be read, at most."""
TIME_UP = "The time of the audit was up before it was looked at."


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an account is.

    Attributes:
        account: As its target names it.
        done: Units that are done, or came to nothing.
        total: Units that are known.
        listed: Whether there will be no more of them.
        resumed: Of those that are done, how many were so by an audit that was interrupted.
        calls: How many calls were made for it.
    """

    account: str
    done: int
    total: int
    listed: bool
    resumed: int
    calls: int


Told: TypeAlias = Progress | Judgement
"""What an audit tells."""


def plan_of(targets: Sequence[Target], rules: Collection[str]) -> str:
    """Return 24 hexadecimal digits of what an audit looks at: two that differ share no results.

    Args:
        targets: The accounts.
        rules: The ids of the rules.
    """
    accounts = sorted((asdict(each) for each in targets), key=lambda each: str(each["account"]))
    return digest({"release": __version__, "targets": accounts, "rules": sorted(set(rules))})


def audit_accounts(
    targets: Sequence[Target],
    rules: Collection[str],
    *,
    executor: Executor,
    workplace: Workplace,
    journals: Path | None = None,
    deadline_s: float | None = None,
    unit_s: float = UNIT_S,
    clock: Clock | None = None,
) -> AsyncGenerator[Told, None]:
    """Audit accounts, and tell judgements and progress as they come. When it is closed, nothing of it is alive.

    Args:
        targets: The accounts.
        rules: The ids of the rules.
        executor: Does the units; it is borrowed.
        workplace: Where accounts are listed; it is borrowed.
        journals: The folder in which is kept what is done; None for no resuming.
        deadline_s: How long all may take, in seconds; None for as long as it takes.
        unit_s: How long a unit may take, in seconds.
        clock: Tells how old what is kept is.

    Raises:
        SettingsError: An account is named twice, or there is no such rule.
    """
    check_targets(targets)
    known = rules_of(for_rules(workplace.scanners, rules))
    strange = sorted(set(rules) - set(known))
    if strange or not rules:
        raise SettingsError(f"There is no rule {strange[0]!r} for AWS." if strange else "There is no rule to judge by.")
    journal = None if journals is None else Journal(journals, plan_of(targets, rules), clock=clock)
    return _stream(
        _Audit(targets, rules, executor=executor, workplace=workplace, journal=journal, unit_s=unit_s), deadline_s
    )


async def _stream(audit: _Audit, deadline_s: float | None) -> AsyncGenerator[Told, None]:
    running = asyncio.create_task(audit.run(deadline_s), name="aws-audit")
    try:
        while (told := await audit.out.get()) is not None:
            for each in told:
                yield each
        await running
    finally:
        running.cancel()
        await asyncio.wait([running])


@dataclass(slots=True)
class _Account:
    """An account on its way.

    Attributes:
        target: Which one.
        id: Its id once it is known; before that its name.
        open: The services that are yet to be listed, with the rules for each.
        calls: The calls that listing it took.
    """

    target: Target
    id: str
    open: dict[str, tuple[str, ...]]
    done: int = 0
    total: int = 0
    resumed: int = 0
    made: int = 0
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def progress(self) -> Progress:
        calls = self.made + self.calls.total()
        return Progress(self.target.account, self.done, self.total, not self.open, self.resumed, calls)


class _Audit:
    def __init__(
        self,
        targets: Sequence[Target],
        rules: Collection[str],
        *,
        executor: Executor,
        workplace: Workplace,
        journal: Journal | None,
        unit_s: float,
    ) -> None:
        self.out: asyncio.Queue[Sequence[Told] | None] = asyncio.Queue(UNREAD)
        self._executor = executor
        self._workplace = workplace
        self._journal = journal
        self._unit_s = unit_s
        self._id = secrets.token_hex(12)
        self._until: float | None = None
        wanted = {
            service: tuple(rule.id for rule in scanner.rules if rule.id in set(rules))
            for service, scanner in for_rules(workplace.scanners, rules).items()
        }
        services = {service: ids for service, ids in wanted.items() if ids}
        self._accounts = [_Account(each, each.id or each.account, dict(services)) for each in targets]
        self._waiting: asyncio.Queue[tuple[_Account, Unit] | None] = asyncio.Queue(WAITING)
        self._pending: dict[str, tuple[_Account, Unit]] = {}
        self._seen: set[str] = set()
        self._is_whole = True

    async def run(self, deadline_s: float | None) -> None:
        """Do all; what is told goes to `out`, and None at the end."""
        is_over = False
        try:
            if self._journal is not None:
                await self._journal.read()
            try:
                async with asyncio.timeout(deadline_s) as scope:
                    self._until = scope.when()
                    await self._all()
            except TimeoutError:
                if not scope.expired():
                    raise
            is_over = not self._pending
        finally:
            if not is_over:
                await self._executor.stop(self._id)
            # who is cancelled reads no more: then nothing waits for room
            if (task := asyncio.current_task()) is None or not task.cancelling():
                await self._tell_rest()

    async def _tell_rest(self) -> None:
        """Tell what was not done, and that this is all."""
        try:
            for account in self._accounts:
                rest = [each for service in account.open for each in self._unlisted(account, service, TIME_UP)]
                rest += [
                    each for of, unit in self._pending.values() if of is account for each in _lost(of, unit, TIME_UP)
                ]
                if rest:
                    self._is_whole = False
                    await self.out.put(rest)
            if self._journal is not None and self._is_whole:
                await self._journal.end()
        finally:
            await self.out.put(None)

    async def _all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(max(1, self._executor.at_once)):
                group.create_task(self._work(), name="aws-units")
            await self._list_all()
            for _ in range(max(1, self._executor.at_once)):
                await self._waiting.put(None)

    async def _list_all(self) -> None:
        room = asyncio.Semaphore(LIST_AT_ONCE)

        async def one(account: _Account) -> None:
            async with room:
                await self._list(account)

        async with asyncio.TaskGroup() as group:
            for each in self._accounts:
                group.create_task(one(each), name="aws-listing")

    async def _list(self, account: _Account) -> None:
        with counting() as account.calls:
            try:
                context = await self._entered(account)
            except Exception as error:  # noqa: BLE001 - the other accounts go on
                for service in tuple(account.open):
                    await self._give_up(account, service, loss_of(error).why)
                return
            await self.out.put([account.progress])
            for service, rules in tuple(account.open.items()):
                try:
                    await self._units(account, context, self._workplace.scanners[service], rules)
                except Exception as error:  # noqa: BLE001 - the other services go on
                    await self._give_up(account, service, loss_of(error).why)
                else:
                    del account.open[service]
                    await self.out.put([account.progress])

    async def _entered(self, account: _Account) -> AuditContext:
        """Return the account, once it is sure that it is the one that is meant.

        GetCallerIdentity needs no permission ("GetCallerIdentity", AWS STS API Reference).

        Raises:
            CannotError: It is another one, or cannot be entered.
        """
        access = account.target.access
        context = await self._workplace.context(access, account.target.id)
        found = str((await context.execute_async("sts", "GetCallerIdentity")).get("Account", ""))
        if account.target.id and found != account.target.id:
            with_ = f"profile {access.profile}" if access.profile else "the credentials in use"
            raise CannotError(f"With {with_} one is in account {found}, not in {account.target.id}.")
        account.id = found
        return context if account.target.id else await self._workplace.context(access, found)

    async def _units(self, account: _Account, context: AuditContext, scanner: Scanner, rules: tuple[str, ...]) -> None:
        units = scanner.units(context, rules, account.target.regions)
        async with aclosing(units) if isinstance(units, AsyncGenerator) else nullcontext():
            async for unit in units:
                await self._offer(account, unit)

    async def _offer(self, account: _Account, unit: Unit) -> None:
        if unit.id in self._seen:
            return
        self._seen.add(unit.id)
        account.total += 1
        self._pending[unit.id] = (account, unit)
        content = content_of(unit, account.target.access)
        known = None if self._journal is None else self._journal.result(unit.id, content)
        if known is None:
            await self._waiting.put((account, unit))
        else:
            account.resumed += 1
            await self._take(account, unit, known.judgements)

    async def _give_up(self, account: _Account, service: str, why: str) -> None:
        self._is_whole = False
        told: list[Told] = [*self._unlisted(account, service, why)]
        account.open.pop(service)
        await self.out.put([*told, account.progress])

    async def _work(self) -> None:
        while (waiting := await self._waiting.get()) is not None:
            account, unit = waiting
            access = account.target.access
            result = await self._executor.run(Work(unit, access, self._id, self._left_s()))
            account.made += sum((result.calls or {}).values())
            if result.error is None and self._journal is not None:
                await self._journal.add(unit.id, content_of(unit, access), result)
            await self._take(account, unit, self._judged(account, unit, result))

    def _left_s(self) -> float:
        if self._until is None:
            return self._unit_s
        return max(0.001, min(self._unit_s, self._until - asyncio.get_running_loop().time()))

    def _judged(self, account: _Account, unit: Unit, result: Result) -> Iterable[Judgement]:
        if result.error is None:
            return result.judgements
        self._is_whole = False
        return _lost(account, unit, result.error.why)

    async def _take(self, account: _Account, unit: Unit, judgements: Iterable[Judgement]) -> None:
        account.done += 1
        await self.out.put([*judgements, account.progress])
        # only what was told is done
        self._pending.pop(unit.id)

    def _unlisted(self, account: _Account, service: str, why: str) -> Iterable[Judgement]:
        for rule in account.open[service]:
            yield _unknown(account, "", rule, _arn(account.target.access, service, "", account.id, "*"), why)


def _lost(account: _Account, unit: Unit, why: str) -> Iterable[Judgement]:
    """Give the judgements of a unit that came to nothing."""
    for name in unit.resources or ("*",):
        resource = _arn(account.target.access, unit.service, unit.region, unit.account, name)
        for rule in unit.rules:
            yield _unknown(account, unit.region, rule, resource, why)


def _unknown(account: _Account, region: str, rule: str, resource: str, why: str) -> Judgement:
    return Judgement(rule, resource, account.id, region, AuditVerdict.UNKNOWN, why)


def _arn(access: Access, service: str, region: str, account: str, name: str) -> str:
    """Return a resource's ARN as far as it is known; a bucket's names neither region nor account."""
    if name.startswith("arn:"):
        return name
    if service == "s3" and name != "*":
        return f"arn:{access.partition}:s3:::{name}"
    kind = "security-group/" if service == "ec2" else ""
    return f"arn:{access.partition}:{service}:{region}:{account}:{kind}{name}"
