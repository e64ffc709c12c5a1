"""Audits of AWS accounts for a command."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.agents.auditing.aws.named import NamedAccount
    from app.agents.auditing.context import Context
    from app.agents.auditing.host.heard import CheckPlace
    from app.agents.auditing.plugin import Progressed
    from app.agents.auditing.settings import AWSSettings
    from app.cli.launchers import AccountOptions, SecretOf
    from app.domain.findings import Checked
    from app.engine.clock import Clock
    from app.engine.places import Places
    from app.house.auditing import Done


_COMMAND = "import sys\nsys.path.append(sys.argv.pop(1))\nfrom app.main import main\nsys.exit(main())"


def folder_of_accounts(places: Places) -> Path:
    """Return where the accounts' folders lie."""
    return places.data / "aws"


def own_command() -> list[str]:
    """Return how this program starts the command line, from wherever it was itself started."""
    return [sys.executable, "-I", "-c", _COMMAND, str(Path(__file__).resolve().parents[2])]


class AtHand:
    """Secrets as a command has them.

    Args:
        secret: Gives one.
    """

    def __init__(self, secret: SecretOf) -> None:
        self._secret = secret

    async def secret(self, name: str, *, why: str) -> str:
        """Return a secret's value. Blocks: nothing else goes on yet, and a person may have to type."""
        return self._secret(name, why)


def must_be_installed() -> None:
    """Refuse to go on without what speaks to AWS.

    Raises:
        AWSMissing: It is not installed.
    """
    from app.agents.auditing.aws.errors import AWSMissing
    from app.agents.auditing.aws.named import MISSING, aws_is_installed

    if not aws_is_installed():
        raise AWSMissing(*MISSING)


def accounts_asked_for(
    names: Sequence[str], options: AccountOptions, settings: AWSSettings
) -> tuple[NamedAccount, ...]:
    """Return the accounts that a command is to audit.

    Raises:
        UsageError: None is named, neither here nor in the settings, or a name is none.
        SettingsError: What is said of one does not fit together.
    """
    from app.agents.auditing.accounts import account_named
    from app.agents.auditing.checks.aws import target_of
    from app.domain.errors import UsageError

    accounts = []
    for name in dict.fromkeys(names or settings.accounts):
        account = account_named(name, settings)
        account = replace(
            account,
            regions=options.regions or account.regions,
            endpoint=options.endpoint or account.endpoint,
            scheduler=options.scheduler or account.scheduler,
        )
        target_of(account)
        accounts.append(account)
    if not accounts:
        raise UsageError(
            "No AWS account is named, and the settings name none.",
            "Name a profile: watchkeeper audit aws production, or set those that are yours: "
            "watchkeeper config set audits.aws.accounts production",
        )
    return tuple(accounts)


async def audit_accounts_once(
    places: Places,
    names: Sequence[str],
    options: AccountOptions,
    secret: SecretOf,
    *,
    clock: Clock,
    tell: Callable[[str], None],
) -> tuple[Done, ...]:
    """Audit accounts for a command, one after the other; no instance needs to run.

    Args:
        places: Where Watchkeeper's files lie.
        names: The accounts; none for those of the settings.
        options: What the person asked for.
        secret: Gives keys of the vault.
        clock: Measures, and tells the time.
        tell: Shows a line until the next one.

    Raises:
        UsageError: No account is named, or one is none.
        CannotError: What speaks to AWS is missing, keys cannot be had, or what is found cannot be kept.
    """
    from app.agents.auditing.accounts import Accounts, account_named
    from app.agents.settings_in_force import SettingsInForce
    from app.cli.aws.auditing import check_form
    from app.domain.findings import Trigger
    from app.house.audithistory import AuditRecord
    from app.house.auditing import Done, audit_room

    must_be_installed()
    settings, trouble = (await asyncio.to_thread(SettingsInForce, places)).general()
    accounts = accounts_asked_for(names, options, settings.audits.aws)
    check_form(options.report.form, len(accounts))
    room = audit_room(places, clock=clock, reviewer=_NoReview())
    known = Accounts(folder_of_accounts(places), lambda: settings.audits.aws, AtHand(secret))
    notes = [" ".join(trouble).strip(), *_strange(settings.audits.aws.rules)]
    done = []
    async with AuditRecord(places, room.archive, clock=clock) as record:
        for account in accounts:

            def progressed(title: str, how: Progressed, label: str = account.label) -> None:
                tell(f"{label}: {title} {how.done:,} of {how.total:,}")

            tell(f"{account.label}: asking AWS what there is")
            usual = account_named(account.name, settings.audits.aws).regions
            is_partly = set(account.regions) != set(usual) and bool(account.regions)
            wanted = await known.wanted(account, Trigger(), options.services, is_partly=is_partly)
            report = await room.auditor.audit(wanted, on_progress=progressed)
            done.append((report, await record.keep(report)))
    tell("")
    return tuple(Done(report, past, (*notes, record.note)) for report, past in done)


def _strange(rules: Sequence[str]) -> list[str]:
    from app.agents.auditing.aws.scanners import rules_of, scanners

    if not rules:
        return []
    known = rules_of(scanners())
    return [f"There is no rule {each}, which audits.aws.rules names." for each in rules if each not in known]


class _NoReview:
    """Stands where audits of projects have a review."""

    async def run(self, place: CheckPlace, context: Context) -> Checked:
        """Return that there is none."""
        from app.agents.auditing.host.heard import Heard

        heard = Heard(place)
        heard.unknown(f"{context.root.name} is no project")
        return heard.checked(0.0)
