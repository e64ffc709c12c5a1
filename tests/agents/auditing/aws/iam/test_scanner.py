"""Audits an account's users, keys and policies on moto's server: what is found, and what denied calls leave unknown."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from app.agents.auditing.aws.iam.judging import DAY_S
from app.agents.auditing.aws.iam.rules import (
    ADMINISTRATOR_POLICY,
    INLINE_ADMINISTRATOR,
    KEY_AGE,
    KEY_UNUSED,
    OF_ACCOUNT,
    OF_POLICIES,
    OF_USERS,
    PASSWORD_LENGTH,
    PASSWORD_REUSE,
    ROOT_KEYS,
    ROOT_MFA,
    RULES,
    SEVERAL_KEYS,
    USER_ADMINISTRATOR,
    USER_MFA,
)
from app.agents.auditing.aws.iam.scanner import USERS_IN_A_UNIT, IAMScanner
from app.domain.findings import AuditVerdict, Severity
from tests.agents.auditing.aws.accounts import short, verdicts
from tests.agents.auditing.aws.denying import BROKEN, DENIED, SLOW_DOWN, Asked, Reply

if TYPE_CHECKING:
    from tests.agents.auditing.aws.accounts import Audited

P, F, U = AuditVerdict.PASS, AuditVerdict.FAIL, AuditVerdict.UNKNOWN
WILD = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
TAME = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
)
NO_REPORT = {"iam:GetCredentialReport": DENIED}
"""The fallback is denied as well, so that each call stands for itself."""


class Later:
    """A clock a hundred days ahead of moto's."""

    def wall(self) -> float:
        return time.time() + 100 * DAY_S

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


class Seeded:
    """Users, groups, roles and policies of each kind."""

    def __init__(self, aws: Audited) -> None:
        """Make them."""
        self.iam = iam = aws.client("iam")
        for name in ("careless", "careful", "program", "admin", "scribbler"):
            iam.create_user(UserName=name)
        for name in ("careless", "careful"):
            iam.create_login_profile(UserName=name, Password="not-a-real-1!Password")  # noqa: S106 - of nobody
        device = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]["SerialNumber"]
        iam.enable_mfa_device(
            UserName="careful", SerialNumber=device, AuthenticationCode1="123456", AuthenticationCode2="654321"
        )
        self.keys = [iam.create_access_key(UserName="program")["AccessKey"]["AccessKeyId"] for _ in range(2)]
        idle = iam.create_access_key(UserName="careful")["AccessKey"]["AccessKeyId"]
        iam.update_access_key(UserName="careful", AccessKeyId=idle, Status="Inactive")
        self.wild = iam.create_policy(PolicyName="wild", PolicyDocument=WILD)["Policy"]["Arn"]
        self.spare = iam.create_policy(PolicyName="spare", PolicyDocument=WILD)["Policy"]["Arn"]
        self.tame = iam.create_policy(PolicyName="tame", PolicyDocument=TAME)["Policy"]["Arn"]
        iam.attach_user_policy(UserName="admin", PolicyArn=self.wild)
        iam.attach_user_policy(UserName="program", PolicyArn=self.tame)
        iam.put_user_policy(UserName="scribbler", PolicyName="all", PolicyDocument=WILD)
        iam.create_group(GroupName="staff")
        iam.put_group_policy(GroupName="staff", PolicyName="read", PolicyDocument=TAME)
        trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        iam.create_role(
            RoleName="machine",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )
        iam.put_role_policy(RoleName="machine", PolicyName="all", PolicyDocument=WILD)
        iam.update_account_password_policy(MinimumPasswordLength=14)


USERS = {
    "careless": (F, P, P, P),
    "careful": (P, P, P, P),
    "program": (P, F, F, F),
    "admin": (P, P, P, P),
    "scribbler": (P, P, P, P),
}
ACCOUNT = {ROOT_KEYS.id: P, ROOT_MFA.id: F, PASSWORD_LENGTH.id: P, PASSWORD_REUSE.id: F}
POLICIES = {
    (ADMINISTRATOR_POLICY.id, "policy/wild"): F,
    (ADMINISTRATOR_POLICY.id, "policy/spare"): F,
    (ADMINISTRATOR_POLICY.id, "policy/tame"): P,
    **{(USER_ADMINISTRATOR.id, f"user/{name}"): F if name == "admin" else P for name in USERS},
    **{(INLINE_ADMINISTRATOR.id, f"user/{name}"): F if name == "scribbler" else P for name in USERS},
    (INLINE_ADMINISTRATOR.id, "group/staff"): P,
    (INLINE_ADMINISTRATOR.id, "role/machine"): F,
}
EXPECTED = {
    **{(rule, "root"): verdict for rule, verdict in ACCOUNT.items()},
    **{
        (rule.id, f"user/{name}"): verdict
        for name, row in USERS.items()
        for rule, verdict in zip((USER_MFA, KEY_AGE, KEY_UNUSED, SEVERAL_KEYS), row, strict=True)
    },
    **POLICIES,
}


@pytest.fixture
def seeded(aws: Audited) -> Seeded:
    """Give what is in the account."""
    return Seeded(aws)


async def test_accounts_are_judged_as_they_are(aws: Audited, seeded: Seeded) -> None:
    """Each user, group, role and policy has the verdict that it was made for."""
    found = short(await aws.audit(IAMScanner(Later())))

    assert verdicts(found) == EXPECTED
    assert {each.region for each in found.values()} == {""}
    assert found[ADMINISTRATOR_POLICY.id, "policy/wild"].severity is None
    assert found[ADMINISTRATOR_POLICY.id, "policy/spare"].severity is Severity.LOW
    assert found[USER_ADMINISTRATOR.id, "user/admin"].why.endswith(f"makes it administrator: {seeded.wild}.")
    assert all(f"...{each[-4:]}" in found[KEY_UNUSED.id, "user/program"].evidence for each in seeded.keys)
    assert not any(each in found[KEY_UNUSED.id, "user/program"].evidence for each in seeded.keys)


NEEDS = {
    "GetAccountSummary": {(ROOT_KEYS.id, "root"), (ROOT_MFA.id, "root")},
    "GetAccountPasswordPolicy": {(PASSWORD_LENGTH.id, "root"), (PASSWORD_REUSE.id, "root")},
    # who has an MFA device, or is known to have no password, needs the other fact no more
    "GetLoginProfile": {(USER_MFA.id, f"user/{name}") for name in USERS if name != "careful"},
    "ListMFADevices": {(USER_MFA.id, f"user/{name}") for name in ("careless", "careful")},
    "ListAccessKeys": {(rule.id, f"user/{name}") for rule in (KEY_AGE, KEY_UNUSED, SEVERAL_KEYS) for name in USERS},
    "GetAccessKeyLastUsed": {(KEY_UNUSED.id, "user/program")},
}


@pytest.mark.parametrize(
    ("operation", "reply", "word"),
    [
        *((each, DENIED, "denied") for each in NEEDS),
        *(pytest.param(each, BROKEN, "out of order", marks=pytest.mark.slow) for each in NEEDS),
        # the last one that is asked: botocore slows down all that comes after it
        ("GetAccessKeyLastUsed", SLOW_DOWN, "throttled"),
    ],
    ids=lambda each: getattr(each, "code", each),
)
async def test_each_denied_call_leaves_unknown_what_needs_it(
    aws: Audited, seeded: Seeded, operation: str, reply: Reply, word: str
) -> None:
    """Exactly those judgements are unknown, and name the call; all others are as before."""
    del seeded
    aws.proxy.answers = {**NO_REPORT, f"iam:{operation}": reply}

    found = short(await aws.audit(IAMScanner(Later())))

    assert verdicts(found) == {**EXPECTED, **dict.fromkeys(NEEDS[operation], U)}
    assert {found[each].why for each in NEEDS[operation]} == {f"Not known: iam:{operation} {word}."}


async def test_without_details_nothing_is_known_of_policies(aws: Audited, seeded: Seeded) -> None:
    """Each rule about policies has one unknown judgement, and the others are as before."""
    del seeded
    aws.proxy.answers = {**NO_REPORT, "iam:GetAccountAuthorizationDetails": DENIED}

    found = short(await aws.audit(IAMScanner(Later())))

    lost = {
        (ADMINISTRATOR_POLICY.id, "policy/*"): U,
        (INLINE_ADMINISTRATOR.id, "*"): U,
        (USER_ADMINISTRATOR.id, "user/*"): U,
    }
    assert verdicts(found) == {**{key: each for key, each in EXPECTED.items() if key not in POLICIES}, **lost}
    assert {found[each].why for each in lost} == {
        "Not all of them could be read: iam:GetAccountAuthorizationDetails denied."
    }


async def test_without_a_list_of_users_their_rules_are_unknown(aws: Audited, seeded: Seeded) -> None:
    """The rest of the account is judged all the same."""
    del seeded
    aws.proxy.answers = {**NO_REPORT, "iam:ListUsers": DENIED}

    found = short(await aws.audit(IAMScanner(Later())))

    lost = {(rule.id, "user/*"): U for rule in OF_USERS}
    kept = {key: each for key, each in EXPECTED.items() if key[0] not in {rule.id for rule in OF_USERS}}
    assert verdicts(found) == {**kept, **lost}
    assert {found[each].why for each in lost} == {"Not all users could be listed: iam:ListUsers denied."}


async def test_users_that_can_be_listed_later_are_judged(aws: Audited, seeded: Seeded) -> None:
    """A unit that stands for all users lists them again when it is judged."""
    del seeded
    aws.proxy.answers = {"iam:ListUsers": BROKEN}
    (unit,) = await aws.units(IAMScanner(Later()), [USER_MFA.id])
    aws.proxy.answers = {}

    found = await IAMScanner(Later()).judge(aws.context, unit)

    assert unit.resources == ()
    assert {each.resource.rpartition("/")[2]: each.verdict for each in found} == {
        name: row[0] for name, row in USERS.items()
    }


async def test_a_summary_that_does_not_tell_is_no_pass(aws: Audited) -> None:
    """An answer without the entry is not taken for a zero."""
    result = "<GetAccountSummaryResult><SummaryMap/></GetAccountSummaryResult>"
    body = f"<GetAccountSummaryResponse>{result}</GetAccountSummaryResponse>"
    aws.proxy.answers = {**NO_REPORT, "iam:GetAccountSummary": Reply(200, body=body)}

    found = await aws.audit(IAMScanner(Later()), [ROOT_KEYS.id, ROOT_MFA.id])

    assert {each.verdict for each in found.values()} == {U}
    assert {each.why for each in found.values()} == {
        "Not known: iam:GetAccountSummary answered what is not understood."
    }


@pytest.mark.parametrize(
    ("keys", "mfa", "password", "expected"),
    [(0, 1, "1", (P, P)), (1, 1, "1", (F, P)), (0, 0, "1", (P, F)), (0, 0, "0", (P, P)), (0, 0, "", (P, F))],
)
async def test_the_summary_is_read(
    aws: Audited, keys: int, mfa: int, password: str, expected: tuple[AuditVerdict, ...]
) -> None:
    """Keys, second factor and password of the root user are in the account's summary."""
    entries = {"AccountAccessKeysPresent": keys, "AccountMFAEnabled": mfa, "AccountPasswordPresent": password}
    told = "".join(
        f"<entry><key>{key}</key><value>{value}</value></entry>" for key, value in entries.items() if value != ""
    )
    result = f"<GetAccountSummaryResult><SummaryMap>{told}</SummaryMap></GetAccountSummaryResult>"
    body = f"<GetAccountSummaryResponse>{result}</GetAccountSummaryResponse>"
    aws.proxy.answers = {"iam:GetAccountSummary": Reply(200, body=body)}

    found = short(await aws.audit(IAMScanner(Later()), [ROOT_KEYS.id, ROOT_MFA.id]))

    assert (found[ROOT_KEYS.id, "root"].verdict, found[ROOT_MFA.id, "root"].verdict) == expected


async def test_without_a_password_policy_both_rules_fail(aws: Audited) -> None:
    """That there is none is an answer, and no failure."""
    found = await aws.audit(IAMScanner(Later()), [PASSWORD_LENGTH.id, PASSWORD_REUSE.id])

    assert {each.verdict for each in found.values()} == {F}
    assert all(each.why.startswith("There is no password policy") for each in found.values())


async def test_a_key_that_was_used_lately_passes(aws: Audited) -> None:
    """Old keys in use are old, and not unused."""
    iam = aws.client("iam")
    iam.create_user(UserName="program")
    iam.create_access_key(UserName="program")
    used = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(Later().wall() - 5 * DAY_S))
    told = f"<LastUsedDate>{used}</LastUsedDate><ServiceName>s3</ServiceName><Region>us-east-1</Region>"
    result = f"<GetAccessKeyLastUsedResult><AccessKeyLastUsed>{told}</AccessKeyLastUsed></GetAccessKeyLastUsedResult>"
    body = f"<GetAccessKeyLastUsedResponse>{result}</GetAccessKeyLastUsedResponse>"
    aws.proxy.answers = {"iam:GetAccessKeyLastUsed": Reply(200, body=body)}

    found = short(await aws.audit(IAMScanner(Later()), [KEY_AGE.id, KEY_UNUSED.id]))

    assert verdicts(found) == {(KEY_AGE.id, "user/program"): F, (KEY_UNUSED.id, "user/program"): P}


async def test_young_keys_are_not_asked_about(aws: Audited, seeded: Seeded) -> None:
    """Whether a key of today was used decides nothing."""
    del seeded

    found = await aws.audit(IAMScanner(), [KEY_UNUSED.id])

    assert {each.verdict for each in found.values()} == {P}
    assert aws.proxy.count("iam:GetAccessKeyLastUsed") == 0


async def test_users_that_are_gone_have_no_judgement(aws: Audited, seeded: Seeded) -> None:
    """Who is deleted between listing and judging is passed over; the others are judged."""
    (unit,) = await aws.units(IAMScanner(Later()), [each.id for each in OF_USERS])
    seeded.iam.delete_login_profile(UserName="careless")
    seeded.iam.delete_user(UserName="careless")

    found = await IAMScanner(Later()).judge(aws.context, unit)

    assert {each.resource.rpartition("/")[2] for each in found} == USERS.keys() - {"careless"}
    assert len(found) == len(OF_USERS) * (len(USERS) - 1)


async def test_only_what_rules_need_is_asked(aws: Audited, seeded: Seeded) -> None:
    """Each rule on its own makes its own calls, and its units name it alone."""
    del seeded
    calls = {
        ROOT_KEYS.id: {"GetAccountSummary"},
        PASSWORD_REUSE.id: {"GetAccountPasswordPolicy"},
        USER_MFA.id: {"ListUsers", "GetLoginProfile", "ListMFADevices"},
        SEVERAL_KEYS.id: {"ListUsers", "ListAccessKeys"},
        KEY_UNUSED.id: {"ListUsers", "ListAccessKeys", "GetAccessKeyLastUsed"},
        ADMINISTRATOR_POLICY.id: {"GetAccountAuthorizationDetails"},
        INLINE_ADMINISTRATOR.id: {"GetAccountAuthorizationDetails"},
        USER_ADMINISTRATOR.id: {"GetAccountAuthorizationDetails"},
    }

    for rule, expected in calls.items():
        aws.proxy.asked.clear()
        found = await aws.audit(IAMScanner(Later()), [rule, "s3-public-policy"])

        assert {each.removeprefix("iam:") for each in aws.proxy.counts} == expected
        assert {each for each, _ in found} == {rule}
    assert await aws.units(IAMScanner(), ["s3-public-policy"]) == []


async def test_many_users_come_in_units(aws: Audited) -> None:
    """Each user is in one unit; units are the same again, and name no more than they hold."""
    names = {f"user-{number:03}" for number in range(2 * USERS_IN_A_UNIT + 1)}
    for name in names:
        aws.client("iam").create_user(UserName=name, Path="/staff/")

    units = await aws.units(IAMScanner(Later()), [SEVERAL_KEYS.id])
    found = await aws.audit(IAMScanner(Later()), [SEVERAL_KEYS.id])

    assert sorted(len(each.resources) for each in units) == [1, USERS_IN_A_UNIT, USERS_IN_A_UNIT]
    assert len({each.id for each in units}) == 3
    assert {resource for _, resource in found} == {f"arn:aws:iam::{aws.id}:user/staff/{name}" for name in names}
    assert {each.verdict for each in found.values()} == {P}
    assert await aws.units(IAMScanner(Later()), [SEVERAL_KEYS.id]) == units


async def test_a_unit_may_be_of_several_kinds(aws: Audited, seeded: Seeded) -> None:
    """What is judged goes by the rules of the unit."""
    del seeded
    (unit,) = await aws.units(IAMScanner(Later()), [ROOT_KEYS.id])

    found = await IAMScanner(Later()).judge(aws.context, replace(unit, rules=tuple(each.id for each in RULES)))

    assert {each.rule for each in found} == {each.id for each in (*OF_ACCOUNT, *OF_USERS, *OF_POLICIES)}


async def test_calls_are_few(aws: Audited, seeded: Seeded) -> None:
    """Policies take one call whatever there is of them, users three each, and old keys one."""
    del seeded

    await aws.audit(IAMScanner(Later()))

    assert dict(aws.proxy.counts) == {
        "iam:GetAccountSummary": 1,
        "iam:GetAccountPasswordPolicy": 1,
        "iam:ListUsers": 1,
        "iam:GetAccountAuthorizationDetails": 1,
        "iam:GetLoginProfile": 5,
        "iam:ListMFADevices": 5,
        "iam:ListAccessKeys": 5,
        "iam:GetAccessKeyLastUsed": 2,
    }


async def test_a_second_page_that_is_denied_loses_only_the_rest(aws: Audited, seeded: Seeded) -> None:
    """What was on the first page is judged; that there may be more is told."""
    page = "<PolicyName>p</PolicyName><Arn>arn:aws:iam::1:policy/p</Arn><AttachmentCount>1</AttachmentCount>"
    document = f"<Document>{quote(WILD)}</Document>"
    version = f"{document}<VersionId>v1</VersionId><IsDefaultVersion>true</IsDefaultVersion>"
    policies = f"<member>{page}<PolicyVersionList><member>{version}</member></PolicyVersionList></member>"
    result = f"<Policies>{policies}</Policies><IsTruncated>true</IsTruncated><Marker>2</Marker>"
    tag = "GetAccountAuthorizationDetails"
    first = Reply(200, body=f"<{tag}Response><{tag}Result>{result}</{tag}Result></{tag}Response>")
    del seeded

    def by_page(asked: Asked) -> None:
        aws.proxy.answers[f"iam:{tag}"] = DENIED if "Marker=2" in asked.body else first

    aws.proxy.before = by_page

    found = short(await aws.audit(IAMScanner(Later()), [ADMINISTRATOR_POLICY.id]))

    assert verdicts(found) == {(ADMINISTRATOR_POLICY.id, "policy/p"): F, (ADMINISTRATOR_POLICY.id, "policy/*"): U}
