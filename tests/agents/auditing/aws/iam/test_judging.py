"""How accounts, users and policies stand to the rules, by tables of facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.aws.iam.facts import AccessKey, Account, Holder, Managed, PasswordPolicy, Root, User
from app.agents.auditing.aws.iam.judging import (
    DAY_S,
    account_opinion,
    administrates,
    attached_opinion,
    inline_opinion,
    managed_opinion,
    user_opinion,
)
from app.agents.auditing.aws.iam.rules import (
    KEY_AGE,
    KEY_UNUSED,
    PASSWORD_LENGTH,
    PASSWORD_REUSE,
    ROOT_KEYS,
    ROOT_MFA,
    SEVERAL_KEYS,
    USER_MFA,
)
from app.agents.auditing.aws.policy import Answer, IdentityVerdict, Ternary
from app.agents.auditing.aws.reading import NOT_ASKED, NotRead
from app.domain.findings import AuditVerdict, Severity

if TYPE_CHECKING:
    from app.agents.auditing.aws.reading import Fact

P, F, U = AuditVerdict.PASS, AuditVerdict.FAIL, AuditVerdict.UNKNOWN
NOW = 1_800_000_000.0
LOST = NotRead("iam:Something denied")
ARN = "arn:aws:iam::111122223333:user/alice"
YES = Answer(Ternary.YES, ("statement 1 allows everything",))
NO = Answer(Ternary.NO)
DOUBT = Answer(Ternary.UNKNOWN, ("statement 1 is strange",))


@pytest.mark.parametrize(
    ("root", "keys", "mfa"),
    [
        (Root(has_keys=False, has_mfa=True), P, P),
        (Root(has_keys=True, has_mfa=True), F, P),
        (Root(has_keys=False, has_mfa=False), P, F),
        (Root(has_keys=False, has_mfa=False, has_password=False), P, P),
        (Root(has_keys=True, has_mfa=False, has_password=False), F, P),
        (LOST, U, U),
    ],
)
def test_root(root: Fact[Root], keys: AuditVerdict, mfa: AuditVerdict) -> None:
    """The root user is to have no keys, and a second factor if it has a password."""
    account = Account(root, NOT_ASKED)

    found = [account_opinion(rule, account) for rule in (ROOT_KEYS, ROOT_MFA)]

    assert [each.verdict for each in found] == [keys, mfa]
    assert all(("iam:Something denied" in each.why) == (each.verdict is U) for each in found)


@pytest.mark.parametrize(
    ("policy", "length", "reuse"),
    [
        (None, F, F),
        (PasswordPolicy(13, 24), F, P),
        (PasswordPolicy(14, 24), P, P),
        (PasswordPolicy(14, 23), P, F),
        (PasswordPolicy(20), P, F),
        (LOST, U, U),
    ],
)
def test_password_policies(policy: Fact[PasswordPolicy | None], length: AuditVerdict, reuse: AuditVerdict) -> None:
    """Fourteen characters and twenty-four old passwords are enough, and no policy is none."""
    account = Account(NOT_ASKED, policy)

    found = [account_opinion(rule, account).verdict for rule in (PASSWORD_LENGTH, PASSWORD_REUSE)]

    assert found == [length, reuse]


@pytest.mark.parametrize(
    ("password", "devices", "expected"),
    [
        (True, 0, F),
        (True, 1, P),
        (False, 0, P),
        (False, 1, P),
        (LOST, 0, U),
        (LOST, 2, P),
        (True, LOST, U),
        (False, LOST, P),
        (LOST, LOST, U),
    ],
)
def test_second_factors(password: Fact[bool], devices: Fact[int], expected: AuditVerdict) -> None:
    """One of two facts is enough where it decides; else what is not known makes it unknown."""
    found = user_opinion(USER_MFA, User(ARN, password, devices, NOT_ASKED), NOW)

    assert found.verdict is expected
    assert ("iam:Something denied" in found.why) == (expected is U)


def key(days: float, used: Fact[float | None] = None, *, active: bool = True, last: str = "AAAA") -> AccessKey:
    """Return a key of an age, used so many days ago."""
    at = used if used is None or isinstance(used, NotRead) else NOW - used * DAY_S
    return AccessKey(f"AKIA00000000{last}", active, NOW - days * DAY_S, at)


@pytest.mark.parametrize(
    ("keys", "age", "unused", "several"),
    [
        ((), P, P, P),
        ((key(90),), P, P, P),
        ((key(90.01, 1),), F, P, P),
        ((key(90.01),), F, F, P),
        ((key(89),), P, P, P),
        ((key(200, 90),), F, P, P),
        ((key(200, 90.01),), F, F, P),
        ((key(200, active=False),), P, P, P),
        ((key(1), key(2)), P, P, F),
        ((key(1), key(2, active=False)), P, P, P),
        ((key(1), key(100, 3)), F, P, F),
        ((key(100, LOST),), F, U, P),
        ((key(100, LOST), key(100)), F, F, F),
        (LOST, U, U, U),
    ],
)
def test_keys(
    keys: Fact[tuple[AccessKey, ...]], age: AuditVerdict, unused: AuditVerdict, several: AuditVerdict
) -> None:
    """Only active keys count; the ninetieth day is still allowed; a young key need not have been used."""
    user = User(ARN, NOT_ASKED, NOT_ASKED, keys)

    found = [user_opinion(rule, user, NOW) for rule in (KEY_AGE, KEY_UNUSED, SEVERAL_KEYS)]

    assert [each.verdict for each in found] == [age, unused, several]
    assert all(("iam:Something denied" in each.why) == (each.verdict is U) for each in found)
    assert all(bool(each.evidence) == (each.verdict is F) for each in found)


def test_keys_are_told_by_the_end_of_their_ids() -> None:
    """Nobody reads a whole id in a report."""
    found = user_opinion(KEY_UNUSED, User(ARN, NOT_ASKED, NOT_ASKED, (key(120, last="WXYZ"),)), NOW)

    assert found.why == "An active access key was not used for more than 90 days."
    assert found.evidence == "access key ...WXYZ, 120 days old, was never used"


SOME = Answer(Ternary.UNKNOWN, ("statement 1 allows iam:PutRolePolicy on some",))


@pytest.mark.parametrize(
    ("wildly", "anyhow", "expected"),
    [(YES, YES, YES), (YES, DOUBT, YES), (NO, YES, YES), (DOUBT, YES, YES), (DOUBT, DOUBT, DOUBT), (NO, NO, NO)],
)
def test_administrators(wildly: Answer, anyhow: Answer, expected: Answer) -> None:
    """Who may change any policy is administrator, by wildcards or by names."""
    assert administrates(IdentityVerdict(wildly, anyhow, NO)) == expected


def test_power_over_some_does_not_count_and_is_told() -> None:
    """A policy that lets its holder change some roles passes, and says so."""
    found = managed_opinion(Managed("arn", "{}", 2), administrates(IdentityVerdict(NO, SOME, NO)))

    assert found.verdict is P
    assert found.why.endswith("Does not count: statement 1 allows iam:PutRolePolicy on some.")


@pytest.mark.parametrize(
    ("managed", "answer", "verdict", "severity"),
    [
        (Managed("arn", "{}", 2), YES, F, None),
        (Managed("arn", "{}", 0), YES, F, Severity.LOW),
        (Managed("arn", "{}", 2), NO, P, None),
        (Managed("arn", "{}", 2), DOUBT, U, None),
        (Managed("arn", "", 2), YES, U, None),
    ],
)
def test_managed_policies(managed: Managed, answer: Answer, verdict: AuditVerdict, severity: Severity | None) -> None:
    """A policy that makes administrators matters less while nobody has it."""
    found = managed_opinion(managed, answer)

    assert (found.verdict, found.severity) == (verdict, severity)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [((), P), ((NO,), P), ((NO, YES), F), ((DOUBT, YES), F), ((DOUBT, NO), U)],
)
def test_inline_policies(answers: tuple[Answer, ...], expected: AuditVerdict) -> None:
    """One that makes administrators decides; else one that is not understood does."""
    holder = Holder(ARN, is_user=True, inline=tuple((f"policy-{number}", "{}") for number in range(len(answers))))

    assert inline_opinion(holder, answers).verdict is expected


@pytest.mark.parametrize(
    ("answers", "expected"),
    [((), P), ((NO,), P), ((LOST, NO), U), ((LOST, YES), F), ((DOUBT,), U)],
)
def test_attached_policies(answers: tuple[Fact[Answer], ...], expected: AuditVerdict) -> None:
    """A policy that could not be read leaves it open, unless another decides."""
    arns = tuple(f"arn:{number}" for number in range(len(answers)))
    holder = Holder(ARN, is_user=True, attached=arns)

    found = attached_opinion(holder, dict(zip(arns, answers, strict=True)))

    assert found.verdict is expected
    assert ("iam:Something denied" in found.why) == (LOST in answers and expected is U)
