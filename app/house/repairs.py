"""Repairs of what audits of AWS found: planned, applied and taken back, in a command's own program."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.house.aws import AtHand, folder_of_accounts, must_be_installed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from app.agents.auditing.archive import Archive
    from app.agents.auditing.aws.clients.account import Account
    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.clients.manager import AsyncClientManager
    from app.agents.auditing.aws.named import NamedAccount
    from app.agents.auditing.aws.remedy.plan import Plan
    from app.agents.auditing.aws.remedy.settings import Place
    from app.cli.launchers import RepairOptions, SecretOf
    from app.domain.findings import Finding
    from app.engine.clock import Clock
    from app.engine.places import Places

LOOK_UP = "account"
"""Said in place of an account's id while it is looked up."""


@dataclass(frozen=True, slots=True)
class _Meant:
    """A finding, and the account that has it."""

    root: Path
    account: NamedAccount
    finding: Finding

    @property
    def repairs(self) -> Path:
        """Where the states before repairs lie."""
        from app.agents.auditing.aws.named import REPAIRS

        return self.root / REPAIRS


async def repair(
    places: Places, options: RepairOptions, secret: SecretOf, *, clock: Clock, say: Callable[[str], None]
) -> dict[str, Any]:
    """Do one step of a repair, and return what came of it as JSON holds it.

    The document has `finding`, `rule`, `resource`, `account` (its title), `step` and, for a plan, `plan`, `diff` (the
    lines of each setting), `is_empty`; once it was applied `is_applied`, `state` (the file by which it is taken back,
    or null) and `journal`; once it was taken back `restored`, `state` and `journal`.

    Args:
        places: Where Watchkeeper's files lie.
        options: What to do.
        secret: Gives keys of the vault.
        clock: Tells the time, and waits between one look and the next.
        say: Is told what is done as it is done.

    Raises:
        UsageError: There is no such finding, or nothing to take back.
        CannotError: There is no repair for it, or it cannot be done; says what was done.
    """
    from app.agents.auditing.archive import Archive
    from app.cli.launchers import Step

    must_be_installed()
    meant = await asyncio.to_thread(_meant, places, Archive(places.data / "audits"), options)
    told = {
        "finding": meant.finding.fingerprint,
        "rule": meant.finding.rule,
        "resource": meant.finding.resource,
        "account": meant.account.target(),
        "step": options.step.value,
    }
    if options.step is Step.ROLL_BACK:
        return {**told, **await _taken_back(meant, options, secret, clock, say)}
    if options.step is Step.APPLY and options.plan:
        return {**told, **await _applied_as_shown(meant, options, secret, clock, say)}
    async with _entered(meant, secret) as context:
        plan = await _planned(meant, options, context, clock)
        shown = _shown(plan)
        if options.step is Step.PLAN:
            return {**told, **shown}
        options.show({**told, **shown})
        if plan.is_empty or not await asyncio.to_thread(options.confirm):
            return {**told, **shown, "is_applied": False, "state": None, "journal": []}
        return {**told, **shown, **await _applied(meant, plan, context, clock, say)}


def _meant(places: Places, archive: Archive, options: RepairOptions) -> _Meant:
    """Return the finding that is meant. Blocks.

    Raises:
        UsageError: There is none, or several.
    """
    from app.agents.auditing.aws.named import remembered_accounts
    from app.cli.launchers import Step
    from app.domain.errors import UsageError
    from app.domain.fingerprints import finding_named

    found = []
    for root, account in remembered_accounts(folder_of_accounts(places)):
        if options.account in ("", account.name, account.label):
            for report in _reports(archive, root, every=options.step is Step.ROLL_BACK):
                standing = finding_named(report, options.finding)
                if standing is not None:
                    found.append(_Meant(root, account, standing.finding))
                    break
    if not found:
        raise UsageError(
            f"There is no finding {options.finding} in the last audits of AWS accounts.",
            "See them, with their digits: watchkeeper audit aws",
        )
    if len(found) > 1:
        names = ", ".join(each.account.name for each in found)
        raise UsageError(f"{options.finding} is a finding of {names}.", "Say which: --account ACCOUNT")
    return found[0]


def _reports(archive: Archive, root: Path, *, every: bool) -> Iterator[Any]:
    known = archive.together(root)
    if known is not None:
        yield known
    if every:  # what is repaired is in no later report
        yield from reversed(list(archive.reports(root)))


@asynccontextmanager
async def _entered(meant: _Meant, secret: SecretOf) -> AsyncIterator[AuditContext]:
    """Give the account of a finding, once its id is known."""
    from app.agents.auditing.aws.clients.backend import backend
    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.clients.manager import AsyncClientManager
    from app.agents.auditing.checks.aws import target_of

    access = target_of(meant.account).access
    speaks = await asyncio.to_thread(backend)
    try:
        async with AsyncClientManager(speaks, endpoint_url=access.endpoint_url) as clients:
            by = await _account(meant.account, clients, access.partition, secret)
            if access.role:
                from app.agents.auditing.aws.clients.credentials import Role

                by = clients.assumed(Role(access.role, access.external_id), by, access.region)
            answer = await AuditContext(by, access.region, clients).execute_async("sts", "GetCallerIdentity")
            yield AuditContext(replace(by, id=str(answer["Account"])), access.region, clients)
    finally:
        speaks.close()


async def _account(named: NamedAccount, clients: AsyncClientManager, partition: str, secret: SecretOf) -> Account:
    from app.agents.auditing.accounts import environ_of
    from app.agents.auditing.aws.clients.account import Account
    from app.agents.auditing.aws.clients.credentials import GivenKeys, Keys
    from app.agents.auditing.aws.named import ID, SECRET, TOKEN

    if not named.of_vault:
        return clients.profile(LOOK_UP, named.profile, partition=partition)
    given = await environ_of(named, AtHand(secret))
    key, value, token = (given.get(f"AWS_{each}") or "" for each in (ID, SECRET, TOKEN))
    return Account(LOOK_UP, GivenKeys(Keys(key, value, token)), partition)


async def _planned(meant: _Meant, options: RepairOptions, context: AuditContext, clock: Clock) -> Plan:
    from app.agents.auditing.aws.remedy.catalogue import remedy_for

    remedy = remedy_for(meant.finding.rule, key=options.kms_key, target=options.logs_to, keep_named=options.keep_named)
    place = await _place(meant.finding, context)
    return await remedy.plan(context, place, now=datetime.fromtimestamp(clock.wall(), UTC))


async def _place(finding: Finding, context: AuditContext) -> Place:
    """Return the bucket or account of a finding, once it is sure that it is this account's.

    Raises:
        NotPossible: It is not, or not any more.
        NotPlanned: That cannot be read.
    """
    from app.agents.auditing.aws.reading import NotRead, listed
    from app.agents.auditing.aws.remedy.errors import NotPlanned, NotPossible
    from app.agents.auditing.aws.remedy.settings import Place
    from app.agents.auditing.aws.s3.gathering import locate

    partition, bucket = finding.resource.split(":")[1], finding.resource.partition(":s3:::")[2]
    account = context.account.id
    if not bucket:
        if finding.resource.split(":")[4] != account:
            raise NotPossible(
                f"The finding is about {finding.resource}, and the keys are of account {account}. Nothing was changed.",
                "See which account the profile is of.",
            )
        return Place(account, context.region, "", partition)
    found = await listed(
        context,
        "s3",
        "ListBuckets",
        lambda page: [(each["Name"], each.get("BucketRegion", "")) for each in page.get("Buckets") or []],
        Prefix=bucket,
    )
    regions = dict(found.items)
    if bucket not in regions:
        if found.lost:
            raise NotPlanned(f"Whose bucket {bucket} is is not known: {found.lost}. Nothing was changed.", "Allow it.")
        raise NotPossible(
            f"Account {account} has no bucket {bucket}. Nothing was changed.",
            "It is gone, or the profile is of another account than it was when it was audited.",
        )
    region = regions[bucket]
    if not region:
        (where,) = await locate(context, [bucket])
        if isinstance(where, NotRead) or where is None:
            why = where.why if isinstance(where, NotRead) else "it is gone"
            raise NotPlanned(f"Where bucket {bucket} is is not known: {why}. Nothing was changed.", "Allow it.")
        region = where
    return Place(account, region, bucket, partition)


def _shown(plan: Plan) -> dict[str, Any]:
    return {
        "plan": plan.to_json(),
        "place": plan.place.name,
        "is_empty": plan.is_empty,
        "diff": [{"setting": each.of.title, "lines": list(each.lines())} for each in plan.changes],
    }


async def _applied(
    meant: _Meant, plan: Plan, context: AuditContext, clock: Clock, say: Callable[[str], None]
) -> dict[str, Any]:
    from app.agents.auditing.aws.remedy.apply import apply

    done = await apply(plan, context, shown=plan.digest, folder=meant.repairs, clock=clock, say=say)
    state = str(done.path) if done.path is not None else None
    return {"is_applied": True, "state": state, "journal": list(done.journal)}


async def _applied_as_shown(
    meant: _Meant, options: RepairOptions, secret: SecretOf, clock: Clock, say: Callable[[str], None]
) -> dict[str, Any]:
    """Apply a plan that was shown before, and no other."""
    from app.agents.auditing.aws.remedy.errors import NotReadable, NotShown
    from app.agents.auditing.aws.remedy.plan import plan_of

    try:
        told = json.loads(options.plan)
        plan = plan_of(told.get("plan", told))
    except (ValueError, AttributeError, RecursionError):
        raise NotReadable(
            "This is no plan of a repair.", "Take what `watchkeeper audit fix FINDING --json` says."
        ) from None
    if plan.rule != meant.finding.rule or plan.place.arn != meant.finding.resource:
        raise NotShown(
            f"The plan is for {plan.rule} of {plan.place.arn}, and the finding is another one. Nothing was changed.",
            "Name the finding that the plan is of.",
        )
    shown = _shown(plan)
    options.show(shown)
    if plan.is_empty or not await asyncio.to_thread(options.confirm):
        return {**shown, "is_applied": False, "state": None, "journal": []}
    async with _entered(meant, secret) as context:
        return {**shown, **await _applied(meant, plan, context, clock, say)}


async def _taken_back(
    meant: _Meant, options: RepairOptions, secret: SecretOf, clock: Clock, say: Callable[[str], None]
) -> dict[str, Any]:
    from app.agents.auditing.aws.remedy.rollback import roll_back

    path = await asyncio.to_thread(_kept, meant)
    options.show({"state": str(path)})
    if not await asyncio.to_thread(options.confirm):
        return {"state": str(path), "restored": [], "journal": []}
    async with _entered(meant, secret) as context:
        done = await roll_back(path, context, clock=clock, force=options.force, say=say)
    return {"state": str(path), "restored": list(done.written), "journal": list(done.journal)}


def _kept(meant: _Meant) -> Path:
    """Return the state file of the last repair of a finding. Blocks.

    Raises:
        UsageError: There is none.
    """
    from app.agents.auditing.aws.remedy.errors import NotReadable
    from app.agents.auditing.aws.remedy.kept import read_kept
    from app.domain.errors import UsageError

    unread = ""
    for path in sorted(meant.repairs.glob("*.json"), reverse=True):
        try:
            plan = read_kept(path).plan
        except NotReadable as error:
            unread = error.message
            continue
        if plan.rule == meant.finding.rule and plan.place.arn == meant.finding.resource:
            return path
    raise UsageError(
        f"No repair of this finding is kept in {meant.repairs}. {unread}".strip(),
        "Only what `watchkeeper audit fix FINDING --apply` did can be taken back.",
    )
