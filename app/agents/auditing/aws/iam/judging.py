"""Judges the root user, the password policy, users and policies by what is known of them: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.agents.auditing.aws.iam.rules import KEY_AGE, KEY_UNUSED, PASSWORD_LENGTH, ROOT_KEYS, ROOT_MFA, USER_MFA
from app.agents.auditing.aws.opinions import Opinion, fails, named, not_known, passes, unknown
from app.agents.auditing.aws.policy import Answer, IdentityVerdict, Ternary
from app.agents.auditing.aws.reading import NotRead
from app.domain.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.agents.auditing.aws.iam.facts import AccessKey, Account, Holder, Managed, User
    from app.agents.auditing.aws.reading import Fact
    from app.agents.auditing.aws.shape import Rule

DAY_S = 86_400.0
OLD_DAYS = 90
"""After "AWS Identity and Access Management controls" (IAM.3, IAM.8), AWS Security Hub User Guide."""
LEAST_LENGTH = 14
LEAST_REMEMBERED = 24
"""Likewise, IAM.15 and IAM.16."""
DEFAULT_LENGTH = 8
"""What AWS asks for without a policy ("Set an account password policy for IAM users", IAM User Guide)."""


def account_opinion(rule: Rule, account: Account) -> Opinion:
    """Return how an account stands to a rule about its root user or its password policy.

    Args:
        rule: One of OF_ACCOUNT.
        account: What is known of it.
    """
    if rule.id in {ROOT_KEYS.id, ROOT_MFA.id}:
        root = account.root
        if isinstance(root, NotRead):
            return not_known([root])
        if rule.id == ROOT_KEYS.id:
            said = fails("The root user has access keys.") if root.has_keys else passes("It has no access keys.")
        elif root.has_mfa:
            said = passes("The root user has an MFA device.")
        elif not root.has_password:
            said = passes("The root user has no password.")
        else:
            said = fails("The root user has no MFA device.")
        return _from(root.source, said)
    policy = account.password_policy
    if isinstance(policy, NotRead):
        return not_known([policy])
    if rule.id == PASSWORD_LENGTH.id:
        if policy is None:
            return fails(f"There is no password policy: passwords of {DEFAULT_LENGTH} characters are taken.")
        enough = policy.length >= LEAST_LENGTH
        why, evidence = f"Passwords need {policy.length} characters.", f"MinimumPasswordLength: {policy.length}"
    else:
        if policy is None:
            return fails("There is no password policy: old passwords can be used again.")
        enough = policy.remembered >= LEAST_REMEMBERED
        why, evidence = (
            f"{policy.remembered} old passwords are remembered.",
            f"PasswordReusePrevention: {policy.remembered}",
        )
    return passes(why) if enough else fails(why, evidence)


def _from(source: str, said: Opinion) -> Opinion:
    if not source:
        return said
    return Opinion(said.verdict, f"{said.why} That is from {source}.", said.evidence, said.severity)


def user_opinion(rule: Rule, user: User, now: float) -> Opinion:
    """Return how a user stands to a rule about users.

    Args:
        rule: One of OF_USERS.
        user: What is known of it.
        now: Wall-clock time.
    """
    if rule.id == USER_MFA.id:
        return _from(user.source, _mfa(user))
    if isinstance(user.keys, NotRead):
        return not_known([user.keys])
    active = [key for key in user.keys if key.active]
    if not active:
        return _from(user.source, passes("It has no active access key."))
    if rule.id == KEY_AGE.id:
        said = _age(active, now)
    elif rule.id == KEY_UNUSED.id:
        said = _unused(active, now)
    elif len(active) > 1:
        said = fails(f"It has {len(active)} active access keys.", _shown(active, now))
    else:
        said = passes("It has one active access key.")
    return _from(user.source, said)


def _mfa(user: User) -> Opinion:
    if not isinstance(user.devices, NotRead) and user.devices > 0:
        return passes("It has an MFA device.")
    if user.has_password is False:
        return passes("It has no console password.")
    lost = [each for each in (user.has_password, user.devices) if isinstance(each, NotRead)]
    if lost:
        return not_known(lost)
    return fails("It has a console password and no MFA device.")


def _days(since: float, now: float) -> int:
    return int((now - since) // DAY_S)


def _is_old(since: float, now: float) -> bool:
    return now - since > OLD_DAYS * DAY_S


def _shown(keys: Sequence[AccessKey], now: float) -> str:
    return "; ".join(f"access key {key.name}, {_days(key.created_at, now)} days old" for key in keys)


def _age(active: Sequence[AccessKey], now: float) -> Opinion:
    old = [key for key in active if _is_old(key.created_at, now)]
    if not old:
        return passes(f"No active access key is older than {OLD_DAYS} days.")
    oldest = max(_days(key.created_at, now) for key in old)
    return fails(f"An active access key is {oldest} days old.", _shown(old, now))


def _unused(active: Sequence[AccessKey], now: float) -> Opinion:
    lost: list[NotRead] = []
    told: list[str] = []
    for key in active:
        if not _is_old(key.created_at, now):
            continue
        if isinstance(key.used_at, NotRead):
            lost.append(key.used_at)
        elif key.used_at is None:
            told.append(f"access key {key.name}, {_days(key.created_at, now)} days old, was never used")
        elif _is_old(key.used_at, now):
            told.append(f"access key {key.name} was used last {_days(key.used_at, now)} days ago")
    if told:
        return fails(f"An active access key was not used for more than {OLD_DAYS} days.", "; ".join(told))
    if lost:
        return not_known(lost)
    return passes(f"Its active access keys are younger than {OLD_DAYS} days or were used in that time.")


def administrates(verdict: IdentityVerdict) -> Answer:
    """Return whether a policy makes administrators, be it by wildcards or by actions that it names one by one.

    Args:
        verdict: What the policy comes to.

    Returns:
        A no tells as its reasons where the policy allows such actions on some users or roles: that does not count.
    """
    wildly, anyhow = verdict.administrator, verdict.escalates
    if wildly.value is not Ternary.YES and anyhow.value is Ternary.YES:
        return anyhow
    return Answer(Ternary.NO, anyhow.reasons) if wildly.value is Ternary.NO else wildly


def _said_besides(answers: Sequence[Answer]) -> str:
    reasons = list(dict.fromkeys(reason for each in answers for reason in each.reasons))
    return f" Does not count: {named(reasons)}." if reasons else ""


def managed_opinion(managed: Managed, answer: Answer) -> Opinion:
    """Return how a managed policy stands to ADMINISTRATOR_POLICY.

    Args:
        managed: The policy.
        answer: Whether it makes administrators.
    """
    if not managed.text:
        return unknown("Not known: its default version was not told.")
    if answer.value is Ternary.YES:
        why = f"Its default version makes administrators: {answer.reasons[0]}."
        if managed.attachments:
            return fails(f"{why} It is attached {_times(managed.attachments)}.", "; ".join(answer.reasons[:3]))
        return fails(f"{why} It is attached to nobody.", "; ".join(answer.reasons[:3]), Severity.LOW)
    if answer.value is Ternary.UNKNOWN:
        return unknown(f"Not known whether it makes administrators: {named(answer.reasons)}.")
    return passes(f"Its default version makes no administrators.{_said_besides([answer])}")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def inline_opinion(holder: Holder, answers: Sequence[Answer]) -> Opinion:
    """Return how a user, group or role stands to INLINE_ADMINISTRATOR.

    Args:
        holder: Whom.
        answers: Whether each of its inline policies makes administrators, in their order.
    """
    return _holder(
        [(name, answer) for (name, _), answer in zip(holder.inline, answers, strict=True)],
        "inline policy",
        "It has no inline policy that makes administrators.",
    )


def attached_opinion(holder: Holder, answers: Mapping[str, Fact[Answer]]) -> Opinion:
    """Return how a user stands to USER_ADMINISTRATOR.

    Args:
        holder: The user.
        answers: Whether managed policies make administrators, by their ARNs; those that are attached are in it.
    """
    return _holder(
        [(arn, answers[arn]) for arn in holder.attached],
        "attached policy",
        "No policy that makes administrators is attached to it directly.",
    )


def _holder(found: Sequence[tuple[str, Fact[Answer]]], what: str, otherwise: str) -> Opinion:
    lost: list[str] = []
    surely: list[tuple[str, Answer]] = []
    for name, answer in found:
        if isinstance(answer, NotRead):
            lost.append(f"{name}: {answer.why}")
        elif answer.value is Ternary.YES:
            surely.append((name, answer))
        elif answer.value is Ternary.UNKNOWN:
            lost.append(f"{name}: {named(answer.reasons)}")
    if surely:
        names = named([name for name, _ in surely])
        return fails(
            f"Its {what} makes it administrator: {names}.",
            "; ".join(f"{name}: {answer.reasons[0]}" for name, answer in surely[:3]),
        )
    if lost:
        return unknown(f"Not known whether it is administrator: {named(lost)}.")
    harmless = [answer for _, answer in found if not isinstance(answer, NotRead)]
    return passes(f"{otherwise}{_said_besides(harmless)}")
