"""Asks IAM for facts: only for those that the rules need. Answers are as the AWS IAM API Reference tells them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from app.agents.auditing.aws.clients.context import Ask
from app.agents.auditing.aws.iam.facts import AccessKey, Account, Holder, Managed, PasswordPolicy, Root, User
from app.agents.auditing.aws.iam.rules import KEY_USES, KEYS, LOGIN, MFA, PASSWORD_POLICY, SUMMARY
from app.agents.auditing.aws.reading import NOT_ASKED, Fact, Listed, NotRead, fact_of, is_missing, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from app.agents.auditing.aws.clients.backend import Answer
    from app.agents.auditing.aws.clients.batch import Outcome
    from app.agents.auditing.aws.clients.context import AuditContext

T = TypeVar("T")

_OPERATIONS = {LOGIN: "GetLoginProfile", MFA: "ListMFADevices", KEYS: "ListAccessKeys"}
_FROM_KINDS = (("UserDetailList", "User"), ("GroupDetailList", "Group"), ("RoleDetailList", "Role"))


def _fact(outcome: Outcome[Answer], operation: str, read: Callable[[Answer], T]) -> Fact[T]:
    return fact_of(outcome, "iam", operation, read)


async def read_account(context: AuditContext, needs: Collection[str]) -> Account:
    """Return what holds for the whole account.

    Args:
        context: The account.
        needs: The facts that are wanted.
    """
    operations = {SUMMARY: "GetAccountSummary", PASSWORD_POLICY: "GetAccountPasswordPolicy"}
    wanted = [each for each in operations if each in needs]
    outcomes = await context.batch_execute_async(Ask("iam", operations[each], {}) for each in wanted)
    found = dict(zip(wanted, outcomes, strict=True))
    root: Fact[Root] = NOT_ASKED
    policy: Fact[PasswordPolicy | None] = NOT_ASKED
    if SUMMARY in found:
        root = _fact(found[SUMMARY], operations[SUMMARY], _root)
    if PASSWORD_POLICY in found:
        missing = is_missing(found[PASSWORD_POLICY])
        policy = None if missing else _fact(found[PASSWORD_POLICY], operations[PASSWORD_POLICY], _password_policy)
    return Account(root, policy)


def _root(answer: Answer) -> Root:
    summary = answer["SummaryMap"]
    return Root(
        has_keys=summary["AccountAccessKeysPresent"] > 0,
        has_mfa=summary["AccountMFAEnabled"] > 0,
        has_password=summary.get("AccountPasswordPresent", 1) > 0,
    )


def _password_policy(answer: Answer) -> PasswordPolicy:
    policy = answer["PasswordPolicy"]
    return PasswordPolicy(int(policy["MinimumPasswordLength"]), int(policy.get("PasswordReusePrevention") or 0))


async def list_users(context: AuditContext) -> Listed[str]:
    """Return the ARNs of all users.

    Args:
        context: The account.
    """
    return await listed(context, "iam", "ListUsers", lambda page: [each["Arn"] for each in page["Users"]])


async def read_users(
    context: AuditContext, arns: Sequence[str], needs: Collection[str], older_than: float
) -> list[User]:
    """Return what is known of users, without those that do not exist any more.

    Args:
        context: The account.
        arns: Which users.
        needs: The facts that are wanted.
        older_than: Only of active keys made before it, the last use is asked for.
    """
    wanted = [each for each in _OPERATIONS if each in needs]
    names = [arn.rpartition("/")[2] for arn in arns]
    outcomes = await context.batch_execute_async(
        Ask("iam", _OPERATIONS[fact], {"UserName": name}) for name in names for fact in wanted
    )
    users = []
    for number, arn in enumerate(arns):
        found = dict(zip(wanted, outcomes[number * len(wanted) : (number + 1) * len(wanted)], strict=True))
        # of the login profile, the same answer says that there is no password
        if not any(is_missing(outcome) for fact, outcome in found.items() if fact != LOGIN):
            users.append(_user(arn, found))
    return await _with_uses(context, users, older_than) if KEY_USES in needs else users


def _user(arn: str, found: Mapping[str, Outcome[Answer]]) -> User:
    password: Fact[bool] = NOT_ASKED
    devices: Fact[int] = NOT_ASKED
    keys: Fact[tuple[AccessKey, ...]] = NOT_ASKED
    if LOGIN in found:
        missing = is_missing(found[LOGIN])
        password = False if missing else _fact(found[LOGIN], _OPERATIONS[LOGIN], lambda it: bool(it["LoginProfile"]))
    if MFA in found:
        devices = _fact(found[MFA], _OPERATIONS[MFA], lambda answer: len(answer["MFADevices"]))
    if KEYS in found:
        keys = _fact(found[KEYS], _OPERATIONS[KEYS], _keys)
    return User(arn, password, devices, keys)


def _keys(answer: Answer) -> tuple[AccessKey, ...]:
    return tuple(
        AccessKey(each["AccessKeyId"], each["Status"] == "Active", each["CreateDate"].timestamp())
        for each in answer["AccessKeyMetadata"]
    )


async def _with_uses(context: AuditContext, users: Iterable[User], older_than: float) -> list[User]:
    """Return users with the last use of their old keys."""
    users = list(users)
    ids = [
        key.id
        for user in users
        if not isinstance(user.keys, NotRead)
        for key in user.keys
        if key.active and key.created_at < older_than
    ]
    operation = "GetAccessKeyLastUsed"
    outcomes = await context.batch_execute_async(Ask("iam", operation, {"AccessKeyId": each}) for each in ids)
    uses = {name: _fact(outcome, operation, _used_at) for name, outcome in zip(ids, outcomes, strict=True)}
    return [
        user
        if isinstance(user.keys, NotRead)
        else replace(user, keys=tuple(replace(key, used_at=uses.get(key.id)) for key in user.keys))
        for user in users
    ]


def _used_at(answer: Answer) -> float | None:
    used = answer["AccessKeyLastUsed"].get("LastUsedDate")
    return None if used is None else float(used.timestamp())


async def read_details(context: AuditContext, kinds: Sequence[str]) -> Listed[Holder | Managed]:
    """Return users, groups and roles with their policies, and the account's managed policies.

    Args:
        context: The account.
        kinds: Which of `User`, `Group`, `Role` and `LocalManagedPolicy`.
    """
    return await listed(context, "iam", "GetAccountAuthorizationDetails", _details, Filter=list(kinds))


def _details(page: Answer) -> list[Holder | Managed]:
    found: list[Holder | Managed] = [
        Holder(
            each["Arn"],
            kind == "User",
            tuple(
                (policy["PolicyName"], _json(policy["PolicyDocument"])) for policy in each.get(f"{kind}PolicyList", ())
            ),
            tuple(policy["PolicyArn"] for policy in each.get("AttachedManagedPolicies", ())),
        )
        for group, kind in _FROM_KINDS
        for each in page.get(group, ())
    ]
    found += [
        Managed(
            each["Arn"],
            next(
                (_json(version["Document"]) for version in each["PolicyVersionList"] if version["IsDefaultVersion"]), ""
            ),
            each.get("AttachmentCount", 0),
        )
        for each in page.get("Policies", ())
    ]
    return found


def _json(document: Any) -> str:  # noqa: ANN401 - botocore gives what the JSON held, or the text where it was none
    return unquote(document) if isinstance(document, str) else json.dumps(document)


async def read_policies(context: AuditContext, arns: Sequence[str]) -> dict[str, Fact[str]]:
    """Return the default versions of managed policies, as JSON, by their ARNs.

    Args:
        context: The account.
        arns: Which policies.
    """
    outcomes = await context.batch_execute_async(Ask("iam", "GetPolicy", {"PolicyArn": each}) for each in arns)
    made: dict[str, Fact[str]] = {
        arn: _fact(outcome, "GetPolicy", lambda answer: str(answer["Policy"]["DefaultVersionId"]))
        for arn, outcome in zip(arns, outcomes, strict=True)
    }
    versions = {arn: each for arn, each in made.items() if isinstance(each, str)}
    documents = await context.batch_execute_async(
        Ask("iam", "GetPolicyVersion", {"PolicyArn": arn, "VersionId": version}) for arn, version in versions.items()
    )
    for arn, outcome in zip(versions, documents, strict=True):
        made[arn] = _fact(outcome, "GetPolicyVersion", lambda answer: _json(answer["PolicyVersion"]["Document"]))
    return made
