"""The credential report in place of calls that are denied."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.aws.iam.facts import Root, User
from app.agents.auditing.aws.iam.judging import DAY_S
from app.agents.auditing.aws.iam.report import filled, is_lost, report_of
from app.agents.auditing.aws.iam.rules import KEY_AGE, KEY_UNUSED, OF_USERS, ROOT_KEYS, ROOT_MFA, SEVERAL_KEYS, USER_MFA
from app.agents.auditing.aws.iam.scanner import IAMScanner
from app.agents.auditing.aws.reading import NOT_ASKED, NotRead
from app.domain.findings import AuditVerdict
from tests.agents.auditing.aws.denying import DENIED, Asked, Reply

if TYPE_CHECKING:
    from tests.agents.auditing.aws.accounts import Audited

P, F, U = AuditVerdict.PASS, AuditVerdict.FAIL, AuditVerdict.UNKNOWN
NOW = time.time()
COLUMNS = (
    "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,"
    "mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,"
    "access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,"
    "access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,"
    "cert_2_last_rotated"
)


class At:
    """A clock that stands still until somebody sleeps."""

    def __init__(self, at: float) -> None:
        """Stand at a time."""
        self.at = at

    def wall(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


def days_ago(days: float) -> str:
    return datetime.fromtimestamp(NOW - days * DAY_S, UTC).isoformat(timespec="seconds")


def row(arn: str, *, signs_in: str = "false", mfa: str = "false", keys: tuple[tuple[str, str, str], ...] = ()) -> str:
    """Return a line of a report; keys are (active, rotated, used)."""
    name = "<root_account>" if arn.endswith(":root") else arn.rpartition("/")[2]
    cells = [name, arn, days_ago(400), signs_in, "N/A", "N/A", "N/A", mfa]
    for active, rotated, used in (*keys, ("false", "N/A", "N/A"), ("false", "N/A", "N/A"))[:2]:
        cells += [active, rotated, used, "N/A", "N/A"]
    return ",".join([*cells, "false", "N/A", "false", "N/A"])


def answer(rows: list[str], age_s: float = 60.0) -> Reply:
    """Return a report as IAM answers it."""
    content = base64.b64encode("\n".join([COLUMNS, *rows]).encode()).decode()
    made = datetime.fromtimestamp(NOW - age_s, UTC).isoformat(timespec="seconds")
    told = f"<Content>{content}</Content><ReportFormat>text/csv</ReportFormat><GeneratedTime>{made}</GeneratedTime>"
    result = f"<GetCredentialReportResult>{told}</GetCredentialReportResult>"
    return Reply(200, body=f"<GetCredentialReportResponse>{result}</GetCredentialReportResponse>")


def arn_of(aws: Audited, name: str) -> str:
    return f"arn:aws:iam::{aws.id}:{name}"


def reported(aws: Audited) -> list[str]:
    """Return a report's lines: the root user, one who has all wrong and one who has all right."""
    bad = (("true", days_ago(200), days_ago(150)), ("true", days_ago(100), "N/A"))
    return [
        row(arn_of(aws, "root"), signs_in="not_supported", keys=(("true", days_ago(1), "N/A"),)),
        row(arn_of(aws, "user/bad"), signs_in="true", keys=bad),
        row(arn_of(aws, "user/good"), signs_in="true", mfa="true", keys=(("true", days_ago(3), "N/A"),)),
    ]


def test_a_report_is_read() -> None:
    """Root, passwords, second factors and both keys are in it."""
    text = "\n".join(
        [
            COLUMNS,
            row("arn:aws:iam::1:root", signs_in="not_supported", mfa="true"),
            row(
                "arn:aws:iam::1:user/a",
                signs_in="true",
                keys=(("false", days_ago(5), "N/A"), ("true", days_ago(9), days_ago(2))),
            ),
        ]
    )

    found = report_of(text, NOW)

    assert found.root == Root(has_keys=False, has_mfa=True, has_password=True, source=found.root.source)  # type: ignore[union-attr]
    user = found.users["arn:aws:iam::1:user/a"]
    assert (user.has_password, user.devices) == (True, 0)
    assert [(each.name, each.active, each.used_at is None) for each in user.keys] == [  # type: ignore[union-attr]
        ("the first", False, True),
        ("the second", True, False),
    ]


def test_a_member_accounts_root_without_password() -> None:
    """Where root access is central, the report says that there is no password."""
    found = report_of(f"{COLUMNS}\n{row('arn:aws:iam::1:root', signs_in='FALSE')}", NOW)

    assert found.root.has_password is False  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text", ["user,arn\na,b", 'user\n"', f"{COLUMNS}\na,b,c", f"{COLUMNS}\n{row('x').replace('N/A', '?')}"]
)
def test_what_is_no_report_is_refused(text: str) -> None:
    """Another table, a broken one, or dates that are none."""
    if "?" in text:
        text = text.replace("false,?,?", "true,soon,later", 1)

    with pytest.raises(ValueError, match=r"report|isoformat"):
        report_of(text, NOW)


def test_only_what_was_lost_is_filled_in() -> None:
    """What IAM itself told stays, what nobody asked for is not filled in, and the source is named."""
    report = report_of(f"{COLUMNS}\n{row('arn:a', signs_in='true', mfa='true')}", NOW)
    user = User("arn:a", has_password=False, devices=NotRead("denied"), keys=NOT_ASKED)

    made = filled(user, report)

    assert (made.has_password, made.devices, made.keys) == (False, 1, NOT_ASKED)
    assert made.source.startswith("the credential report of ")
    assert is_lost(user)
    assert not is_lost(made)


def test_a_user_that_is_younger_than_the_report_stays() -> None:
    """Who is not in it is not known any better."""
    user = User("arn:new", NotRead("denied"), NotRead("denied"), NOT_ASKED)

    assert filled(user, report_of(COLUMNS, NOW)) is user


EXPECTED = {
    ("bad", USER_MFA.id): F,
    ("bad", KEY_AGE.id): F,
    ("bad", KEY_UNUSED.id): F,
    ("bad", SEVERAL_KEYS.id): F,
    ("good", USER_MFA.id): P,
    ("good", KEY_AGE.id): P,
    ("good", KEY_UNUSED.id): P,
    ("good", SEVERAL_KEYS.id): P,
}


@pytest.mark.parametrize("denied", [("ListUsers",), ("GetLoginProfile", "ListMFADevices", "ListAccessKeys")])
async def test_the_report_answers_for_denied_calls(aws: Audited, denied: tuple[str, ...]) -> None:
    """Users have the verdicts that the report gives, also those who could not be listed; it is said whence."""
    for name in ("bad", "good"):
        aws.client("iam").create_user(UserName=name)
    aws.proxy.answers = {f"iam:{each}": DENIED for each in denied}
    aws.proxy.answers["iam:GetCredentialReport"] = answer(reported(aws))

    found = await aws.audit(IAMScanner(At(NOW)), [each.id for each in OF_USERS])

    assert {(key[1].rpartition("/")[2], key[0]): each.verdict for key, each in found.items()} == EXPECTED
    assert all("That is from the credential report of " in each.why for each in found.values())
    assert aws.proxy.count("iam:GenerateCredentialReport") == 0


async def test_the_report_answers_for_root(aws: Audited) -> None:
    """Without the account's summary, the report's line of the root user counts."""
    aws.proxy.answers = {"iam:GetAccountSummary": DENIED, "iam:GetCredentialReport": answer(reported(aws))}

    found = await aws.audit(IAMScanner(At(NOW)), [ROOT_KEYS.id, ROOT_MFA.id])

    assert {rule: each.verdict for (rule, _), each in found.items()} == {ROOT_KEYS.id: F, ROOT_MFA.id: F}


@pytest.mark.parametrize(
    "report",
    [
        DENIED,
        Reply(410, "ReportNotPresent"),
        Reply(404, "ReportInProgress"),
        Reply(200, body="<a/>"),
    ],
    ids=["denied", "none", "being made", "nonsense"],
)
async def test_without_a_report_the_denied_call_is_named(aws: Audited, report: Reply) -> None:
    """No report is made unasked."""
    aws.client("iam").create_user(UserName="alice")
    aws.proxy.answers = {"iam:ListMFADevices": DENIED, "iam:GetLoginProfile": DENIED, "iam:GetCredentialReport": report}

    (found,) = (await aws.audit(IAMScanner(At(NOW)), [USER_MFA.id])).values()

    assert (found.verdict, found.why) == (U, "Not known: iam:GetLoginProfile denied and iam:ListMFADevices denied.")
    assert aws.proxy.count("iam:GenerateCredentialReport") == 0


async def test_a_stale_report_is_not_believed(aws: Audited) -> None:
    """What was so more than a day ago decides nothing."""
    aws.client("iam").create_user(UserName="bad")
    aws.proxy.answers = {"iam:GetLoginProfile": DENIED, "iam:GetCredentialReport": answer(reported(aws), 25 * 3600)}

    (found,) = (await aws.audit(IAMScanner(At(NOW)), [USER_MFA.id])).values()

    assert (found.verdict, found.why) == (U, "Not known: iam:GetLoginProfile denied.")


async def test_a_report_is_made_where_that_is_allowed(aws: Audited) -> None:
    """It is asked for once, waited for, and read."""
    aws.client("iam").create_user(UserName="bad")
    replies = iter([Reply(410, "ReportNotPresent"), Reply(404, "ReportInProgress"), answer(reported(aws))])
    aws.proxy.answers = {"iam:GetLoginProfile": DENIED}

    def by_turn(asked: Asked) -> None:
        if asked.operation == "iam:GetCredentialReport":
            aws.proxy.answers[asked.operation] = next(replies)

    aws.proxy.before = by_turn
    clock = At(NOW)

    (found,) = (await aws.audit(IAMScanner(clock, may_generate_report=True), [USER_MFA.id])).values()

    assert found.verdict is F
    assert aws.proxy.count("iam:GenerateCredentialReport") == 1
    assert clock.wall() == NOW + 4


@pytest.mark.parametrize("generate", [DENIED, None], ids=["denied", "never done"])
async def test_a_report_that_is_not_made_is_not_waited_for_endlessly(aws: Audited, generate: Reply | None) -> None:
    """Where it may not be made, or never is, the denied call is named."""
    aws.client("iam").create_user(UserName="bad")
    aws.proxy.answers = {
        "iam:GetLoginProfile": DENIED,
        "iam:GetCredentialReport": Reply(410, "ReportNotPresent" if generate else "ReportExpired"),
    }
    if generate:
        aws.proxy.answers["iam:GenerateCredentialReport"] = generate
    clock = At(NOW)

    (found,) = (await aws.audit(IAMScanner(clock, may_generate_report=True), [USER_MFA.id])).values()

    assert (found.verdict, found.why) == (U, "Not known: iam:GetLoginProfile denied.")
    assert clock.wall() <= NOW + 60


async def test_motos_own_report_is_read(aws: Audited) -> None:
    """A whole report as the service makes it, made when that is allowed."""
    iam = aws.client("iam")
    iam.create_user(UserName="alice")
    iam.create_login_profile(UserName="alice", Password="not-a-real-1!Password")  # noqa: S106 - of nobody
    aws.proxy.answers = {"iam:GetLoginProfile": DENIED}
    moto_dates_its_reports = datetime(2015, 2, 2, 21, tzinfo=UTC).timestamp()

    found = await aws.audit(IAMScanner(At(moto_dates_its_reports), may_generate_report=True), [USER_MFA.id])

    assert [each.verdict for each in found.values()] == [F]
    assert "2015" in next(iter(found.values())).why
