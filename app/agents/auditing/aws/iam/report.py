"""The credential report: one table of all users, which IAM makes every four hours at most, when asked to.

It is read only where the plain calls are denied, since it tells what was so when it was made. Its columns are from "Get
credential reports for your AWS account" of the IAM User Guide.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.agents.auditing.aws.errors import AWSError
from app.agents.auditing.aws.iam.facts import AccessKey, Root, User
from app.agents.auditing.aws.reading import Fact, NotRead, was_lost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.agents.auditing.aws.clients.context import AuditContext
    from app.engine.clock import Clock

STALE_S = 24 * 3600.0
"""A report that is older is not believed."""
_ASK_AGAIN_S = 2.0
_TURNS = 15
"""IAM takes some seconds to make one."""
_ROOT = "<root_account>"
_NONE = frozenset({"", "N/A", "no_information", "not_supported"})
_TO_BE_MADE = frozenset({"ReportNotPresent", "ReportExpired"})
_BEING_MADE = "ReportInProgress"


@dataclass(frozen=True, slots=True)
class Report:
    """What a credential report tells.

    Attributes:
        users: By their ARNs.
        root: The root user.
    """

    users: Mapping[str, User]
    root: Fact[Root]


async def read_report(context: AuditContext, clock: Clock, *, may_generate: bool) -> Report | None:
    """Return the account's credential report; None when there is none, or it may not be read.

    Args:
        context: The account.
        clock: Tells how old it is, and waits.
        may_generate: Whether one may be made (iam:GenerateCredentialReport) where there is none.
    """
    for _ in range(_TURNS):
        try:
            answer = await context.execute_async("iam", "GetCredentialReport")
            at = answer["GeneratedTime"].timestamp()
            if clock.wall() - at <= STALE_S:
                return report_of(answer["Content"].decode(), at)
            being_made = False
        except AWSError as error:
            being_made = error.code == _BEING_MADE
            if not being_made and error.code not in _TO_BE_MADE:
                return None
        except (AttributeError, KeyError, ValueError):
            return None
        if not may_generate or (not being_made and not await _generate(context)):
            return None
        await clock.sleep(_ASK_AGAIN_S)
    return None


async def _generate(context: AuditContext) -> bool:
    try:
        await context.execute_async("iam", "GenerateCredentialReport")
    except AWSError:
        return False
    return True


def report_of(text: str, at: float) -> Report:
    """Return what a report tells.

    Args:
        text: CSV.
        at: When it was made.

    Raises:
        ValueError: It is no credential report.
    """
    source = f"the credential report of {datetime.fromtimestamp(at, UTC):%d %B %Y, %H:%M} UTC"
    users: dict[str, User] = {}
    root: Fact[Root] = NotRead("the credential report does not tell")
    try:
        for row in csv.DictReader(text.splitlines(), strict=True):
            if row["user"] == _ROOT:
                root = _root(row, source)
            else:
                users[row["arn"]] = _user(row, source)
    except (KeyError, TypeError, AttributeError, csv.Error):
        raise ValueError("It is no credential report.") from None
    return Report(users, root)


def _root(row: Mapping[str, str], source: str) -> Root:
    return Root(
        has_keys=_is(row["access_key_1_active"]) or _is(row["access_key_2_active"]),
        has_mfa=_is(row["mfa_active"]),
        # what is not supported for the root user in the report, it has
        has_password=row["password_enabled"].lower() != "false",
        source=source,
    )


def _user(row: Mapping[str, str], source: str) -> User:
    keys = tuple(
        AccessKey(
            name, _is(row[f"access_key_{number}_active"]), made, _time(row[f"access_key_{number}_last_used_date"])
        )
        for number, name in ((1, "the first"), (2, "the second"))
        if (made := _time(row[f"access_key_{number}_last_rotated"])) is not None
    )
    return User(row["arn"], _is(row["password_enabled"]), int(_is(row["mfa_active"])), keys, source)


def _is(text: str) -> bool:
    return text.lower() == "true"


def _time(text: str) -> float | None:
    return None if text in _NONE else datetime.fromisoformat(text).timestamp()


def filled(user: User, report: Report) -> User:
    """Return a user with what could not be asked taken from a report.

    Args:
        user: The user.
        report: The report; a user that is younger is not in it, and stays as it is.
    """
    told_of = report.users.get(user.arn)
    if told_of is None:
        return user
    made = replace(
        user,
        has_password=told_of.has_password if was_lost(user.has_password) else user.has_password,
        devices=told_of.devices if was_lost(user.devices) else user.devices,
        keys=told_of.keys if _keys_were_lost(user) else user.keys,
    )
    return user if made == user else replace(made, source=told_of.source)


def is_lost(user: User) -> bool:
    """Return whether something of a user was asked in vain."""
    return was_lost(user.has_password) or was_lost(user.devices) or _keys_were_lost(user)


def _keys_were_lost(user: User) -> bool:
    keys = user.keys
    return was_lost(keys) if isinstance(keys, NotRead) else any(was_lost(key.used_at) for key in keys)
