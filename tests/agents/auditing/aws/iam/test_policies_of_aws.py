"""Policies that AWS keeps itself, where they are attached to users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.aws.iam.rules import USER_ADMINISTRATOR
from app.agents.auditing.aws.iam.scanner import IAMScanner
from app.domain.findings import AuditVerdict
from tests.agents.auditing.aws.accounts import short
from tests.agents.auditing.aws.denying import DENIED

if TYPE_CHECKING:
    from tests.agents.auditing.aws.accounts import Audited

P, F, U = AuditVerdict.PASS, AuditVerdict.FAIL, AuditVerdict.UNKNOWN


@pytest.fixture
def policies_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have moto know the policies that AWS itself keeps, for accounts that begin now."""
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")


@pytest.fixture
def by_aws(policies_of_aws: None, aws: Audited) -> Audited:
    """Give an account whose users have policies of AWS."""
    del policies_of_aws
    iam = aws.client("iam")
    for name, policy in {
        "admin": "AdministratorAccess",
        "keeper": "IAMFullAccess",
        "amplifier": "AdministratorAccess-Amplify",
        "power": "PowerUserAccess",
        "reader": "ReadOnlyAccess",
    }.items():
        iam.create_user(UserName=name)
        iam.attach_user_policy(UserName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    return aws


async def test_policies_of_aws_are_read(by_aws: Audited) -> None:
    """Who has one that makes administrators fails, by wildcards or by names; who has a harmless one does not."""
    found = short(await by_aws.audit(IAMScanner(), [USER_ADMINISTRATOR.id]))

    assert {name: each.verdict for (_, name), each in found.items()} == {
        "user/admin": F,
        "user/keeper": F,
        "user/amplifier": F,
        "user/power": P,
        "user/reader": P,
    }
    assert "allows iam:PutRolePolicy on any role" in found[USER_ADMINISTRATOR.id, "user/amplifier"].evidence


async def test_policies_of_aws_that_cannot_be_read_leave_it_open(by_aws: Audited) -> None:
    """Only the user whose policy it is becomes unknown."""
    by_aws.proxy.when = lambda asked: "PowerUserAccess" in asked.body
    for operation in ("GetPolicy", "GetPolicyVersion"):
        by_aws.proxy.answers = {f"iam:{operation}": DENIED}

        found = short(await by_aws.audit(IAMScanner(), [USER_ADMINISTRATOR.id]))

        assert {name for (_, name), each in found.items() if each.verdict is U} == {"user/power"}
        assert f"iam:{operation} denied" in found[USER_ADMINISTRATOR.id, "user/power"].why
