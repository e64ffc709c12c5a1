"""The AWS accounts of the settings, as the agent and a command audit them: beside projects, and in the same way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from app.agents.auditing.auditor import Wanted
from app.agents.auditing.aws.named import PARTLY, NamedAccount, own_environ, remember
from app.agents.auditing.host.known import account_checks
from app.domain.errors import CannotError, SecretMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from app.agents.auditing.settings import AWSSettings
    from app.domain.findings import Trigger


class Secrets(Protocol):
    """Gives secrets of the vault; see app.keys.manager."""

    async def secret(self, name: str, *, why: str) -> str:
        """Return a secret's value.

        Raises:
            SecretMissing: The vault holds none of this name.
            WatchkeeperError: The vault does not open.
        """


class Accounts:
    """It.

    Args:
        folder: Where the accounts' folders lie.
        settings: Gives the settings in force.
        secrets: Gives keys of the vault.
    """

    def __init__(self, folder: Path, settings: Callable[[], AWSSettings], secrets: Secrets) -> None:
        self._folder = folder
        self._settings = settings
        self._secrets = secrets

    def of_settings(self) -> Mapping[str, NamedAccount]:
        """Return the accounts of the settings by their root folders."""
        settings = self._settings()
        accounts = [account_named(each, settings) for each in settings.accounts]
        return {str(each.root(self._folder)): each for each in accounts}

    @property
    def daily(self) -> str:
        """When they are audited each day; empty for never."""
        return self._settings().daily

    async def wanted(
        self, account: NamedAccount, trigger: Trigger, services: Sequence[str] = (), *, is_partly: bool = False
    ) -> Wanted:
        """Return the audit of an account, with its folder made.

        Args:
            account: Which one.
            trigger: What made it begin.
            services: Which ones of it; none for all.
            is_partly: Whether its regions are fewer than those that are looked at otherwise.

        Raises:
            CannotError: Its folder cannot be made.
            WatchkeeperError: Its keys cannot be had from the vault.
        """
        try:
            root = await asyncio.to_thread(remember, account, self._folder)
        except OSError as error:
            raise CannotError(
                f"{account.root(self._folder)} cannot be made: {error.strerror or type(error).__name__}.",
                "Look whether the disk is full and the folder yours.",
            ) from error
        checks = account_checks(services)
        options = {**account.to_json(), PARTLY: is_partly}
        return Wanted(
            root,
            checks,
            trigger,
            options={place.id: options for place in checks},
            target=account.target(account.id),
            environ=await environ_of(account, self._secrets),
            only=tuple(place.id for place in checks) if services or is_partly else (),
        )


def account_named(name: str, settings: AWSSettings) -> NamedAccount:
    """Return an account with what the settings say of all of them.

    Raises:
        UsageError: The name names none.
    """
    files = (settings.scheduler_ca, settings.scheduler_certificate, settings.scheduler_key)
    return NamedAccount(
        name,
        settings.regions,
        settings.rules,
        settings.external_id,
        settings.endpoint,
        settings.scheduler,
        files if any(files) else (),
    )


async def environ_of(account: NamedAccount, secrets: Secrets) -> dict[str, str | None]:
    """Return what the environment has of a program that enters an account: keys of the vault, where it needs them.

    Raises:
        SecretMissing: The vault does not hold them.
        WatchkeeperError: It does not open.
    """
    wanted = account.secrets()
    if not wanted:
        return {}
    given: dict[str, str] = {}
    for variable, (name, is_needed) in wanted.items():
        try:
            given[variable] = await secrets.secret(name, why=f"for {account.title}")
        except SecretMissing:
            if is_needed:
                raise
    return own_environ(given)
