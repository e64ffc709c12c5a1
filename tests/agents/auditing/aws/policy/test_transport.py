"""Whether a policy refuses what comes without TLS, and what is put without encryption."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.agents.auditing.aws.policy import Ternary, judge_resource_policy

YES, NO, UNKNOWN = Ternary.YES, Ternary.NO, Ternary.UNKNOWN
OWNER = "111122223333"
OTHER = "444455556666"
BUCKET = "arn:aws:s3:::b"
OBJECTS = "arn:aws:s3:::b/*"


def deny(condition: Any, **more: Any) -> dict[str, Any]:
    named = {} if "NotPrincipal" in more else {"Principal": "*"}
    statement = {"Effect": "Deny", "Action": "s3:*", "Resource": [BUCKET, OBJECTS], **named, **more}
    return statement | ({} if condition is None else {"Condition": condition})


def judged(*statements: dict[str, Any]) -> Any:
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return judge_resource_policy(text, OWNER, resource=BUCKET)


PLAIN = {"Bool": {"aws:SecureTransport": "false"}}
HTTP = [
    (YES, "Bool", [deny(PLAIN)]),
    (YES, "a truth value that is none of text", [deny({"Bool": {"aws:SecureTransport": False}})]),
    (YES, "BoolIfExists", [deny({"BoolIfExists": {"aws:SecureTransport": "false"}})]),
    (YES, "StringEquals", [deny({"StringEquals": {"aws:SecureTransport": "false"}})]),
    (YES, "StringLike", [deny({"StringLike": {"aws:SecureTransport": "false"}})]),
    (YES, "StringNotEquals", [deny({"StringNotEquals": {"aws:SecureTransport": "true"}})]),
    (YES, "a key without case", [deny({"Bool": {"AWS:securetransport": "false"}})]),
    (YES, "everybody as AWS", [deny(PLAIN, Principal={"AWS": "*"})]),
    (YES, "all actions", [deny(PLAIN, Action="*")]),
    (YES, "all resources", [deny(PLAIN, Resource="*")]),
    (YES, "all resources by ARN", [deny(PLAIN, Resource="arn:aws:s3:::*")]),
    (YES, "one pattern for the bucket and its objects", [deny(PLAIN, Resource="arn:aws:s3:::b*")]),
    (YES, "bucket and objects in two statements", [deny(PLAIN, Resource=BUCKET), deny(PLAIN, Resource=OBJECTS)]),
    (YES, "all, TLS or not", [deny(None)]),
    (YES, "a version of TLS, if any", [deny({"NumericLessThanIfExists": {"s3:TlsVersion": "1.2"}})]),
    (YES, "no version of TLS", [deny({"Null": {"s3:TlsVersion": "true"}})]),
    (YES, "beside an Allow", [
        deny(PLAIN), {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": OBJECTS}]),
    (YES, "beside a Deny under what is not known", [deny(PLAIN), deny({"StringEquals": {"example:key": "x"}})]),
    (NO, "no Deny", []),
    (NO, "the wrong way round", [deny({"Bool": {"aws:SecureTransport": "true"}})]),
    (NO, "StringEquals the wrong way round", [deny({"StringEquals": {"aws:SecureTransport": "true"}})]),
    (NO, "a version of TLS, which is absent without TLS", [deny({"NumericLessThan": {"s3:TlsVersion": "1.2"}})]),
    (NO, "the bucket without its objects", [deny(PLAIN, Resource=BUCKET)]),
    (NO, "the objects without their bucket", [deny(PLAIN, Resource=OBJECTS)]),
    (NO, "another bucket", [deny(PLAIN, Resource=["arn:aws:s3:::c", "arn:aws:s3:::c/*"])]),
    (NO, "a folder", [deny(PLAIN, Resource=[BUCKET, "arn:aws:s3:::b/private/*"])]),
    (NO, "reading only", [deny(PLAIN, Action="s3:GetObject")]),
    (NO, "all but reading", [{k: v for k, v in deny(PLAIN, NotAction="s3:GetObject").items() if k != "Action"}]),
    (NO, "one account", [deny(PLAIN, Principal={"AWS": OTHER})]),
    (NO, "the own account", [deny(PLAIN, Principal={"AWS": OWNER})]),
    (NO, "all but one account", [deny(PLAIN, NotPrincipal={"AWS": OTHER})]),
    (NO, "outside of a network only", [deny({**PLAIN, "NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}})]),
    (NO, "outside of a VPC only", [deny({**PLAIN, "StringNotEquals": {"aws:SourceVpc": "vpc-0a1b2c3d"}})]),
    (NO, "outside of an organisation only", [
        deny({**PLAIN, "StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}})]),
    (NO, "until a date", [deny({**PLAIN, "DateLessThan": {"aws:CurrentTime": "2030-01-01"}})]),
    (NO, "an Allow with TLS refuses nothing to who is allowed otherwise", [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": [BUCKET, OBJECTS],
         "Condition": {"Bool": {"aws:SecureTransport": "true"}}}]),
    (YES, "services use TLS, and may be left out", [
        deny({**PLAIN, "BoolIfExists": {"aws:PrincipalIsAWSService": "false"}})]),
    (UNKNOWN, "under what is not known", [deny({**PLAIN, "StringEquals": {"example:key": "x"}})]),
    (UNKNOWN, "no truth value", [deny({"Bool": {"aws:SecureTransport": "no"}})]),
    (UNKNOWN, "an operator that is not known", [deny({"Boolean": {"aws:SecureTransport": "false"}})]),
    (UNKNOWN, "a Deny that is malformed", [{"Effect": "Deny", "Principal": "*", "Resource": "*", "Condition": PLAIN}]),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "why", "statements"), HTTP, ids=[each[1] for each in HTTP])
def test_plain_http(answer: Ternary, why: str, statements: list[dict[str, Any]]) -> None:
    """A policy refuses plain HTTP only when it denies everybody everything that comes so."""
    verdict = judged(*statements)

    assert verdict.refuses_plain_http.value is answer, why
    assert verdict.refuses_plain_http.reasons


SSE = "s3:x-amz-server-side-encryption"
PUTS = [
    (NO, "no header", [deny({"Null": {SSE: "true"}}, Action="s3:PutObject")]),
    (NO, "another header than that", [deny({"StringNotEquals": {SSE: "aws:kms"}}, Action="s3:PutObject")]),
    (NO, "another header, or none", [deny({"StringNotEqualsIfExists": {SSE: "aws:kms"}}, Action="s3:PutObject")]),
    (NO, "no key", [deny({"Null": {f"{SSE}-aws-kms-key-id": "true"}}, Action="s3:Put*")]),
    (NO, "neither header nor a key of one's own", [
        deny({"Null": {SSE: "true", f"{SSE}-customer-algorithm": "true"}}, Action="s3:PutObject")]),
    (NO, "all puts", [deny(None, Action="s3:PutObject")]),
    (YES, "no Deny", []),
    (YES, "a Deny for a header", [deny({"StringEquals": {SSE: "AES256"}}, Action="s3:PutObject")]),
    (YES, "a folder only", [deny({"Null": {SSE: "true"}}, Action="s3:PutObject", Resource="arn:aws:s3:::b/p/*")]),
    (YES, "another account only", [deny({"Null": {SSE: "true"}}, Action="s3:PutObject", Principal={"AWS": OTHER})]),
    (YES, "reading", [deny({"Null": {SSE: "true"}}, Action="s3:GetObject")]),
    (YES, "without TLS only", [deny(PLAIN)]),
    (UNKNOWN, "under what is not known", [
        deny({"Null": {SSE: "true"}, "StringEquals": {"example:key": "x"}}, Action="s3:PutObject")]),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "why", "statements"), PUTS, ids=[each[1] for each in PUTS])
def test_unencrypted_puts(answer: Ternary, why: str, statements: list[dict[str, Any]]) -> None:
    """Unencrypted puts are allowed where no Deny for everybody asks for a header."""
    verdict = judged(*statements)

    assert verdict.allows_unencrypted_puts.value is answer, why
