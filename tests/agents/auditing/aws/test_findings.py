"""Judgements as findings, and what a rule came to."""

from __future__ import annotations

from app.agents.auditing.aws.audit import Progress
from app.agents.auditing.aws.findings import Tally, causes_of, finding_of
from app.agents.auditing.aws.shape import Judgement, Rule
from app.agents.auditing.standing import Remembered, judged
from app.domain.findings import AuditVerdict, Severity, Standing

PASS, FAIL, UNKNOWN = AuditVerdict.PASS, AuditVerdict.FAIL, AuditVerdict.UNKNOWN
TLS = Rule("s3-tls-only", "Bucket policy denies requests without TLS", Severity.MEDIUM, "Add a Deny.", "It matters.")
TASTE = Rule("s3-replication", "Objects are replicated", Severity.INFO, "Replicate them.")
RULES = {each.id: each for each in (TLS, TASTE)}
ACCOUNT = "111122223333"
DONE = Progress(ACCOUNT, 3, 3, listed=True, resumed=0, calls=9)


def on(
    verdict: AuditVerdict, name: str = "shop", why: str = "So it is.", rule: Rule = TLS, account: str = ACCOUNT
) -> Judgement:
    """Return a judgement."""
    return Judgement(rule.id, f"arn:aws:s3:::{name}", account, "eu-west-1", verdict, why, '{"Effect": "Allow"}')


def tally(*told: Judgement | Progress) -> Tally:
    """Return what an audit of one account came to."""
    made = Tally(RULES, [ACCOUNT])
    for each in told:
        made.take(each)
    return made


def test_a_failure_is_a_finding_of_its_service() -> None:
    """It is about the resource, and says what decides it, what shows it and what to do."""
    finding = finding_of(TLS, on(FAIL, why="There is no policy."))

    assert (finding.check, finding.rule, finding.resource) == ("s3", "s3-tls-only", "arn:aws:s3:::shop")
    assert (finding.title, finding.severity, finding.remedy) == ("There is no policy.", Severity.MEDIUM, "Add a Deny.")
    assert finding.evidence == '{"Effect": "Allow"}'
    assert "without TLS" in finding.detail
    assert "Account 111122223333 in eu-west-1." in finding.detail


def test_a_judgement_may_weigh_more_than_its_rule() -> None:
    """Its own severity counts."""
    assert finding_of(TLS, Judgement(TLS.id, "a", "1", "", FAIL, "w", severity=Severity.HIGH)).severity is Severity.HIGH


def test_a_rule_is_counted() -> None:
    """How many resources are as they should be, are not, and are not known; one that fails makes it FAIL."""
    outcome = tally(on(PASS, "a"), on(PASS, "b"), on(FAIL, "c"), on(UNKNOWN, "d", "s3:GetBucketPolicy denied"), DONE)

    (told, _) = outcome.outcomes()

    assert (told.passed, told.failed, told.unknown) == (2, 1, 1)
    assert (told.checked.outcome.check, told.checked.outcome.verdict) == ("s3-tls-only", FAIL)
    assert told.checked.outcome.findings == 1


def test_one_missing_permission_is_one_sentence() -> None:
    """Of two hundred buckets in two accounts, whatever else the reasons say."""
    lost = [
        on(
            UNKNOWN,
            f"b{number}",
            f"Not known: s3:GetBucketPolicy denied. Bucket b{number}.",
            account=f"{number % 2:012d}",
        )
        for number in range(200)
    ]

    (told, _) = tally(*lost, DONE).outcomes()

    assert told.checked.outcome.verdict is UNKNOWN
    assert told.checked.outcome.reasons == (
        "s3:GetBucketPolicy denied: 200 resources in account 000000000000 and account 000000000001 not known.",
    )


def test_what_is_missing_is_told_over_all_rules() -> None:
    """One sentence for each call, with the rules that it is for."""
    lost = [on(UNKNOWN, "b", "s3:GetBucketPolicy denied", rule) for rule in (TLS, TASTE)]

    assert tally(*lost, DONE).lacking() == (
        (
            "s3:GetBucketPolicy denied: arn:aws:s3:::b in account 111122223333 not known. "
            "Rules: s3-replication and s3-tls-only."
        ),
    )


def test_only_a_whole_audit_passes() -> None:
    """One that was ended, or of which nothing was heard, is not known; nothing found in a whole one is a pass."""
    half = Progress(ACCOUNT, 1, 3, listed=True, resumed=0, calls=1)
    unlisted = Progress(ACCOUNT, 1, 1, listed=False, resumed=0, calls=1)

    verdicts = [
        tally(*told).outcomes()[0].checked.outcome for told in ((DONE,), (), (half,), (unlisted,), (DONE, half))
    ]

    assert [each.verdict for each in verdicts] == [PASS, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN]
    assert "was ended before all was looked at in 111122223333" in verdicts[1].reasons[0]


def test_what_is_only_told_does_not_fail() -> None:
    """A finding of severity INFO is there, and its rule passes."""
    (_, told) = tally(on(FAIL, rule=TASTE), DONE).outcomes()

    assert told.checked.outcome.verdict is PASS
    assert [each.resource for each in told.checked.findings] == ["arn:aws:s3:::shop"]


def test_causes_are_the_calls() -> None:
    """Each call that came to nothing, once; where none is named, the words."""
    assert causes_of("Not known: s3:GetBucketAcl denied, s3:GetBucketPolicy throttled, s3:GetBucketAcl denied.") == (
        "s3:GetBucketAcl denied",
        "s3:GetBucketPolicy throttled",
    )
    assert causes_of("It took longer than 3 s.") == ("It took longer than 3 s.",)
    assert causes_of("") == ("It is not known why.",)


def test_a_finding_is_known_again_by_its_resource() -> None:
    """Two buckets with the same fault are two findings, and one whose policy has changed is still the same one."""
    first = tally(on(FAIL, "a"), on(FAIL, "b"), DONE).outcomes()
    changed = [Judgement(TLS.id, "arn:aws:s3:::a", ACCOUNT, "eu-west-1", FAIL, "Other words.", "another policy")]

    before = judged([each.checked for each in first], Remembered(), now=1.0)
    after = judged(
        [each.checked for each in tally(*changed, DONE).outcomes()], Remembered(before.findings_by_check), now=2.0
    )

    assert [each.standing for each in before.findings] == [Standing.NEW, Standing.NEW]
    assert [(each.finding.resource, each.standing) for each in after.findings] == [("arn:aws:s3:::a", Standing.KNOWN)]
    assert [each.resource for each in after.fixed] == ["arn:aws:s3:::b"]
