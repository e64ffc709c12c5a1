"""The rules and what judges by them, by tables of facts: no service, no loop."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.aws.policy import (
    ALL_USERS,
    AUTHENTICATED_USERS,
    LOG_DELIVERY,
    AclGrant,
    Ownership,
    PublicAccessBlock,
    judge_resource_policy,
)
from app.agents.auditing.aws.reading import NOT_ASKED, NotRead
from app.agents.auditing.aws.s3.exposures import open_to
from app.agents.auditing.aws.s3.facts import Acl, Bucket, Encryption, ObjectLock, Policy, Versioning
from app.agents.auditing.aws.s3.rules import ACCOUNT_RULES, IN_EFFECT, JUDGES, RULES, WHERE_OPEN
from app.domain.findings import AuditVerdict, Severity

if TYPE_CHECKING:
    from app.agents.auditing.aws.reading import Fact

PASS, FAIL, UNKNOWN = AuditVerdict.PASS, AuditVerdict.FAIL, AuditVerdict.UNKNOWN
OWNER, OTHER = "111122223333", "444455556666"
ME = "c" * 64
ALL_ON = PublicAccessBlock(
    block_public_acls=True, ignore_public_acls=True, block_public_policy=True, restrict_public_buckets=True
)
ALL_FACTS = {
    "acl": "s3:GetBucketAcl",
    "policy": "s3:GetBucketPolicy",
    "block": "s3:GetBucketPublicAccessBlock",
    "account_block": "s3:GetAccountPublicAccessBlock",
    "ownership": "s3:GetBucketOwnershipControls",
    "encryption": "s3:GetEncryptionConfiguration",
    "logging": "s3:GetBucketLogging",
    "versioning": "s3:GetBucketVersioning",
    "object_lock": "s3:GetBucketObjectLockConfiguration",
    "lifecycle": "s3:GetLifecycleConfiguration",
    "replication": "s3:GetReplicationConfiguration",
}


def policy(*statements: dict[str, Any]) -> Policy:
    """Return the policy of the bucket `shop`."""
    both = ["arn:aws:s3:::shop", "arn:aws:s3:::shop/*"]
    text = json.dumps({"Version": "2012-10-17", "Statement": [{"Resource": both, **each} for each in statements]})
    return Policy(text, judge_resource_policy(text, OWNER, resource="arn:aws:s3:::shop"))


def allow(principal: Any, *actions: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": list(actions), **more}


def acl(*grants: tuple[str, str]) -> Acl:
    return Acl(ME, (AclGrant(ME, "FULL_CONTROL"), *(AclGrant(*each) for each in grants)))


def bucket(**facts: Any) -> Bucket:
    """Return the bucket `shop`, of which all is known; nothing is set but what is given."""
    known: dict[str, Any] = {**dict.fromkeys(ALL_FACTS), "acl": acl(), "versioning": Versioning(), **facts}
    return Bucket("shop", "eu-west-1", OWNER, **known)


def denied(fact: str) -> NotRead:
    return NotRead(f"{ALL_FACTS[fact]} denied")


READS = policy(allow("*", "s3:GetObject", Sid="Web"))
WRITES = policy(allow("*", "s3:PutObject"))
INSPECTS = policy(allow("*", "s3:GetBucketLocation"))
FROM_OFFICE = policy(allow("*", "s3:*", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}))
TO_OTHER = policy(allow({"AWS": f"arn:aws:iam::{OTHER}:root"}, "s3:GetObject"))
OTHER_WRITES = policy(allow({"AWS": OTHER}, "s3:PutObject"))
OTHER_RULES = policy(allow({"AWS": OTHER}, "s3:PutBucketPolicy"))
PLAIN_HTTP = {"Bool": {"aws:SecureTransport": "false"}}
TLS = policy({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Condition": PLAIN_HTTP})
STRANGE = policy(allow("*", "s3:GetObject", Condition={"StringEquals": {"aws:NotInvented": "yet"}}))
OTHER_PERHAPS = policy(allow({"AWS": OTHER}, "s3:GetObject", Condition={"StringEquals": {"aws:NotInvented": "yet"}}))
BROKEN = Policy("{", judge_resource_policy("{", OWNER))
RESTRICTS = PublicAccessBlock(restrict_public_buckets=True)
IGNORES = PublicAccessBlock(ignore_public_acls=True)
READ_ALL, WRITE_ALL = acl((ALL_USERS, "READ")), acl((ALL_USERS, "WRITE"))
KMS = Encryption("aws:kms", "arn:aws:kms:eu-west-1:111122223333:key/1")

EXPOSED: dict[str, list[tuple[dict[str, Fact[Any]], AuditVerdict, Severity | None, str]]] = {
    "s3-public-policy": [
        ({}, PASS, None, "no policy"),
        ({"policy": READS}, FAIL, None, '"Web" lets in'),
        ({"policy": INSPECTS}, FAIL, Severity.MEDIUM, "lets in"),
        ({"policy": FROM_OFFICE}, PASS, None, "aws:SourceIp"),
        ({"policy": TO_OTHER}, PASS, None, "nobody"),
        ({"policy": STRANGE}, UNKNOWN, None, "otInvented"),
        ({"policy": BROKEN}, UNKNOWN, None, "no JSON"),
        ({"policy": READS, "block": RESTRICTS}, PASS, None, "RestrictPublicBuckets"),
        ({"policy": READS, "account_block": RESTRICTS}, PASS, None, "RestrictPublicBuckets"),
        ({"policy": READS, "block": IGNORES}, FAIL, None, "lets in"),
        ({"policy": READS, "block": PublicAccessBlock(block_public_policy=True)}, FAIL, None, "lets in"),
        ({"policy": READS, "account_block": denied("account_block")}, UNKNOWN, None, "s3:GetAccountPublicAccessBlock"),
        ({"policy": denied("policy")}, UNKNOWN, None, "s3:GetBucketPolicy denied"),
        ({"policy": denied("policy"), "block": RESTRICTS}, PASS, None, "RestrictPublicBuckets"),
        ({"policy": READS, "acl": denied("acl"), "ownership": denied("ownership")}, FAIL, None, "lets in"),
    ],
    "s3-public-acl": [
        ({}, PASS, None, "nobody"),
        ({"acl": READ_ALL}, FAIL, None, "READ to anybody"),
        ({"acl": acl((AUTHENTICATED_USERS, "FULL_CONTROL"))}, FAIL, None, "an AWS account"),
        ({"acl": acl((ALL_USERS, "READ_ACP"))}, FAIL, Severity.MEDIUM, "READ_ACP"),
        ({"acl": acl((ALL_USERS, "READ_ACP"), (LOG_DELIVERY, "WRITE"))}, FAIL, Severity.MEDIUM, "READ_ACP"),
        ({"acl": acl((LOG_DELIVERY, "WRITE"))}, PASS, None, "nobody"),
        ({"acl": READ_ALL, "ownership": Ownership.ENFORCED}, PASS, None, "ACLs are disabled"),
        ({"acl": READ_ALL, "ownership": Ownership.PREFERRED}, FAIL, None, "READ to anybody"),
        ({"acl": READ_ALL, "account_block": IGNORES}, PASS, None, "IgnorePublicAcls"),
        ({"acl": READ_ALL, "block": RESTRICTS}, FAIL, None, "READ to anybody"),
        ({"acl": READ_ALL, "ownership": denied("ownership")}, UNKNOWN, None, "s3:GetBucketOwnershipControls denied"),
        ({"acl": denied("acl")}, UNKNOWN, None, "s3:GetBucketAcl denied"),
        ({"acl": denied("acl"), "ownership": Ownership.ENFORCED}, PASS, None, "ACLs are disabled"),
        ({"acl": denied("acl"), "block": IGNORES}, PASS, None, "IgnorePublicAcls"),
        ({"acl": READ_ALL, "policy": denied("policy")}, FAIL, None, "READ to anybody"),
    ],
    "s3-public-write": [
        ({}, PASS, None, "names"),
        ({"policy": READS, "acl": READ_ALL}, PASS, None, ""),
        ({"policy": WRITES}, FAIL, None, "lets in"),
        ({"acl": WRITE_ALL}, FAIL, None, "WRITE to anybody"),
        ({"acl": acl((ALL_USERS, "WRITE_ACP"))}, FAIL, None, "WRITE_ACP to anybody"),
        ({"policy": policy(allow("*", "s3:PutBucketPolicy"))}, FAIL, None, "lets in"),
        ({"policy": WRITES, "acl": WRITE_ALL, "block": ALL_ON}, PASS, None, ""),
        ({"policy": WRITES, "block": IGNORES}, FAIL, None, "lets in"),
        ({"acl": WRITE_ALL, "policy": denied("policy")}, FAIL, None, "WRITE to anybody"),
        ({"policy": denied("policy")}, UNKNOWN, None, "s3:GetBucketPolicy denied"),
        ({"acl": denied("acl")}, UNKNOWN, None, "s3:GetBucketAcl denied"),
    ],
    "s3-cross-account": [
        ({}, PASS, None, "nobody"),
        ({"policy": TO_OTHER}, FAIL, Severity.LOW, "1 outsider "),
        ({"policy": OTHER_WRITES}, FAIL, Severity.MEDIUM, "1 outsider "),
        ({"policy": OTHER_RULES}, FAIL, Severity.HIGH, "1 outsider "),
        ({"policy": OTHER_PERHAPS}, UNKNOWN, None, "otInvented"),
        ({"policy": policy(allow({"AWS": OWNER}, "s3:*"))}, PASS, None, "nobody"),
        ({"policy": policy(allow({"CanonicalUser": ME}, "s3:*"))}, PASS, None, "nobody"),
        ({"policy": policy(allow({"CanonicalUser": ME}, "s3:*")), "acl": denied("acl")}, UNKNOWN, None, "GetBucketAcl"),
        ({"policy": policy(allow({"Service": "cloudtrail.amazonaws.com"}, "s3:PutObject"))}, PASS, None, "nobody"),
        ({"acl": acl(("d" * 64, "READ"))}, FAIL, Severity.LOW, "1 outsider "),
        ({"acl": acl(("d" * 64, "READ")), "ownership": Ownership.ENFORCED}, PASS, None, "nobody"),
        ({"acl": acl(("d" * 64, "READ")), "ownership": denied("ownership")}, UNKNOWN, None, "OwnershipControls"),
        ({"policy": denied("policy")}, UNKNOWN, None, "s3:GetBucketPolicy denied"),
        ({"policy": denied("policy"), "block": ALL_ON}, UNKNOWN, None, "s3:GetBucketPolicy denied"),
        ({"policy": TO_OTHER, "acl": denied("acl")}, FAIL, Severity.LOW, "1 outsider "),
        ({"acl": denied("acl")}, UNKNOWN, None, "s3:GetBucketAcl denied"),
        ({"acl": denied("acl"), "ownership": Ownership.ENFORCED}, PASS, None, "nobody"),
        ({"policy": BROKEN}, UNKNOWN, None, "no JSON"),
    ],
    "s3-block-public-access": [
        ({}, FAIL, None, "BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets"),
        ({"block": ALL_ON}, PASS, None, "by the bucket"),
        ({"account_block": ALL_ON}, PASS, None, "by the account"),
        ({"account_block": ALL_ON, "block": denied("block")}, PASS, None, "by the account"),
        ({"block": replace(ALL_ON, restrict_public_buckets=False)}, FAIL, None, "account: RestrictPublicBuckets."),
        (
            {"block": replace(ALL_ON, restrict_public_buckets=False), "account_block": RESTRICTS},
            PASS,
            None,
            "by bucket and account together",
        ),
        ({"account_block": denied("account_block")}, UNKNOWN, None, "s3:GetAccountPublicAccessBlock denied"),
        ({"block": denied("block")}, UNKNOWN, None, "s3:GetBucketPublicAccessBlock denied"),
    ],
    "s3-account-block-public-access": [
        ({}, FAIL, None, "RestrictPublicBuckets"),
        ({"account_block": ALL_ON}, PASS, None, "on"),
        ({"account_block": replace(ALL_ON, ignore_public_acls=False)}, FAIL, None, "account: IgnorePublicAcls."),
        ({"block": ALL_ON}, FAIL, None, "account"),
        ({"account_block": denied("account_block")}, UNKNOWN, None, "s3:GetAccountPublicAccessBlock denied"),
    ],
}
PLAIN: dict[str, list[tuple[dict[str, Fact[Any]], AuditVerdict, Severity | None, str]]] = {
    "s3-tls-only": [
        ({}, FAIL, None, "no policy"),
        ({"policy": TLS}, PASS, None, "denies"),
        ({"policy": READS}, FAIL, None, "No Deny"),
        ({"policy": BROKEN}, UNKNOWN, None, "no JSON"),
        ({"policy": denied("policy")}, UNKNOWN, None, "s3:GetBucketPolicy denied"),
    ],
    "s3-default-encryption": [
        ({}, FAIL, None, "no default"),
        ({"encryption": Encryption("AES256")}, PASS, None, "AES256"),
        ({"encryption": KMS}, PASS, None, "aws:kms"),
        ({"encryption": denied("encryption")}, UNKNOWN, None, "s3:GetEncryptionConfiguration denied"),
    ],
    "s3-kms-encryption": [
        ({}, FAIL, None, "nothing"),
        ({"encryption": Encryption("AES256")}, FAIL, None, "AES256"),
        ({"encryption": KMS}, PASS, None, "aws:kms"),
        ({"encryption": Encryption("aws:kms:dsse")}, PASS, None, "aws:kms:dsse"),
        ({"encryption": denied("encryption")}, UNKNOWN, None, "s3:GetEncryptionConfiguration denied"),
    ],
    "s3-access-logging": [
        ({}, FAIL, None, "not logged"),
        ({"logging": "logs"}, PASS, None, "to logs"),
        ({"logging": denied("logging")}, UNKNOWN, None, "s3:GetBucketLogging denied"),
    ],
    "s3-versioning": [
        ({}, FAIL, None, "never"),
        ({"versioning": Versioning("Suspended", mfa_delete=True)}, FAIL, None, "suspended"),
        ({"versioning": Versioning("Enabled")}, PASS, None, "on"),
        ({"versioning": denied("versioning")}, UNKNOWN, None, "s3:GetBucketVersioning denied"),
    ],
    "s3-mfa-delete": [
        ({}, FAIL, None, "off"),
        ({"versioning": Versioning("Enabled")}, FAIL, None, "off"),
        ({"versioning": Versioning("Enabled", mfa_delete=True)}, PASS, None, "on"),
        ({"versioning": denied("versioning")}, UNKNOWN, None, "s3:GetBucketVersioning denied"),
    ],
    "s3-acls-disabled": [
        ({}, FAIL, None, "no ownership controls"),
        ({"ownership": Ownership.PREFERRED}, FAIL, None, "BucketOwnerPreferred"),
        ({"ownership": Ownership.ENFORCED}, PASS, None, "BucketOwnerEnforced"),
        ({"ownership": denied("ownership")}, UNKNOWN, None, "s3:GetBucketOwnershipControls denied"),
    ],
    "s3-object-lock": [
        ({}, FAIL, None, "off"),
        ({"object_lock": ObjectLock()}, PASS, None, "on"),
        ({"object_lock": denied("object_lock")}, UNKNOWN, None, "s3:GetBucketObjectLockConfiguration denied"),
    ],
    "s3-lifecycle": [
        ({}, FAIL, None, "No life cycle"),
        ({"lifecycle": 0}, FAIL, None, "No life cycle"),
        ({"lifecycle": 2}, PASS, None, "2 life cycle rules"),
        ({"lifecycle": denied("lifecycle")}, UNKNOWN, None, "s3:GetLifecycleConfiguration denied"),
    ],
    "s3-replication": [
        ({}, FAIL, None, "No replication"),
        ({"replication": ()}, FAIL, None, "No replication"),
        ({"replication": ("arn:aws:s3:::copy",)}, PASS, None, "replicated"),
        ({"replication": denied("replication")}, UNKNOWN, None, "s3:GetReplicationConfiguration denied"),
    ],
}
TABLES = EXPOSED | PLAIN


ROWS = [
    pytest.param(rule, *row, id=f"{rule}-{number}")
    for rule, table in TABLES.items()
    for number, row in enumerate(table)
]


@pytest.mark.parametrize(("rule", "facts", "verdict", "severity", "why"), ROWS)
def test_a_rule_judges_by_facts(
    rule: str, facts: dict[str, Any], verdict: AuditVerdict, severity: Severity | None, why: str
) -> None:
    """Each row of the tables has its verdict, its severity where it is not the rule's, and says what decides."""
    judged = JUDGES[rule](bucket(**facts))

    assert (judged.verdict, judged.severity) == (verdict, severity)
    assert why in judged.why


def test_each_rule_has_a_table() -> None:
    """No rule is without a pass, a failure and an unknown in the tables above."""
    seen = {rule: {verdict for _, verdict, _, _ in table} for rule, table in TABLES.items()}

    assert seen == {each.id: {PASS, FAIL, UNKNOWN} for each in RULES}


SITUATIONS = [facts for table in EXPOSED.values() for facts, *_ in table]
SITUATIONS += [{"versioning": Versioning("Enabled"), "lifecycle": 1, "encryption": KMS, "policy": TLS, "logging": "l"}]


@pytest.mark.parametrize("number", range(len(SITUATIONS)))
def test_knowing_less_never_turns_a_verdict_round(number: int) -> None:
    """With any facts taken away a verdict stays or becomes UNKNOWN, and then names a call that was taken away."""
    full = bucket(**SITUATIONS[number])
    for rule in RULES:
        needs = [each for each in sorted(rule.needs) if not isinstance(getattr(full, each), NotRead)]
        before = JUDGES[rule.id](full).verdict
        for count in range(1, len(needs) + 1):
            for missing in combinations(needs, count):
                after = JUDGES[rule.id](replace(full, **{each: denied(each) for each in missing}))

                assert after.verdict in {before, UNKNOWN}, (rule.id, missing)
                if after.verdict is UNKNOWN and before is not UNKNOWN:
                    assert any(f"{ALL_FACTS[each]} denied" in after.why for each in missing), (rule.id, after.why)


@pytest.mark.parametrize("number", range(len(SITUATIONS)))
def test_what_a_rule_does_not_need_changes_nothing(number: int) -> None:
    """Facts that are not among a rule's needs may all be missing: its opinion is the same to the letter."""
    full = bucket(**SITUATIONS[number])
    for rule in RULES:
        others = {each: denied(each) for each in ALL_FACTS if each not in rule.needs}

        assert JUDGES[rule.id](replace(full, **others)) == JUDGES[rule.id](full), rule.id


@pytest.mark.parametrize("number", range(len(SITUATIONS)))
def test_what_is_asked_for_of_open_buckets_alone_turns_no_verdict_round(number: int) -> None:
    """Where policy and ACL open nothing, switches and ownership need not be known; also where those two were denied."""
    for taken in ((), ("policy",), ("acl",), ("policy", "acl")):
        full = replace(bucket(**SITUATIONS[number]), **{each: denied(each) for each in taken})
        for rule in IN_EFFECT:
            needs = next(each.needs for each in RULES if each.id == rule)
            seen = replace(full, **{each: NOT_ASKED for each in ("policy", "acl") if each not in needs})
            left_out = WHERE_OPEN - (open_to(seen) & needs)

            asked = JUDGES[rule](replace(seen, **dict.fromkeys(left_out, NOT_ASKED)))

            known = JUDGES[rule](full)
            assert (asked.verdict, asked.severity) == (known.verdict, known.severity), (rule, asked.why, known.why)
            assert NOT_ASKED.why not in asked.why


def test_the_statement_that_opens_the_bucket_is_the_evidence() -> None:
    """Of several statements only the one that lets in everybody is shown."""
    shown = JUDGES["s3-public-policy"](bucket(policy=policy(
        allow({"AWS": OWNER}, "s3:*", Sid="Ours"), allow("*", "s3:GetObject", Sid="Web"))))  # fmt: skip

    assert json.loads(shown.evidence)["Sid"] == "Web"


def test_the_grants_that_open_the_bucket_are_the_evidence() -> None:
    """Of an ACL only what lets anybody change something is shown for public write."""
    shown = JUDGES["s3-public-write"](
        bucket(acl=acl((ALL_USERS, "READ"), (ALL_USERS, "WRITE"), (LOG_DELIVERY, "WRITE")))
    )

    assert shown.evidence == f"WRITE: {ALL_USERS}"


def test_what_may_be_read_besides_is_not_made_light_of() -> None:
    """Where anybody sees the settings, and it is not understood whether the objects too, the severity is the rule's."""
    doubtful = policy(allow("*", "s3:GetBucketLocation"), json.loads(STRANGE.text)["Statement"][0])

    judged = JUDGES["s3-public-policy"](bucket(policy=doubtful))

    assert (judged.verdict, judged.severity) == (FAIL, None)


def test_evidence_does_not_grow_without_end() -> None:
    """A policy that names hundreds of outsiders is cut, and tells how many they are."""
    many = policy(allow({"AWS": [f"{number:012d}" for number in range(300)]}, "s3:GetObject"))

    judged = JUDGES["s3-cross-account"](bucket(policy=many))

    assert judged.verdict is FAIL
    assert "300 outsiders" in judged.why
    assert len(judged.evidence) < 2_100


def test_rules_are_told_apart_and_name_their_facts() -> None:
    """Ids are unique, needs are facts of a bucket, and all tell people what is right and what to do."""
    assert len({each.id for each in RULES}) == len(RULES)
    for each in RULES:
        assert each.id.startswith("s3-")
        assert each.needs
        assert each.needs <= set(ALL_FACTS)
        assert each.title
        assert each.detail
        assert each.remedy.endswith(".")
        assert each.prowler.startswith("s3_")
    assert {each.id for each in RULES if not each.security_hub} == {"s3-default-encryption"}
    assert all(JUDGES[each](bucket()).verdict is FAIL for each in ACCOUNT_RULES)
