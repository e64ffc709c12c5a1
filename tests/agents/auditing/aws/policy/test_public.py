"""Whether a policy that names everybody is public, by each kind of condition on it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.agents.auditing.aws.policy import Access, Ternary, judge_resource_policy

YES, NO, UNKNOWN = Ternary.YES, Ternary.NO, Ternary.UNKNOWN
OWNER = "111122223333"
OTHER = "444455556666"


def judged(condition: dict[str, Any], action: str = "s3:GetObject", version: str = "2012-10-17") -> Any:
    on = "arn:aws:s3:::b" if action.startswith("s3:List") else "arn:aws:s3:::b/*"
    statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": on, "Condition": condition}
    return judge_resource_policy(json.dumps({"Version": version, "Statement": [statement]}), OWNER)


ADDRESSES = [
    (NO, "one address", ["203.0.113.7"]),
    (NO, "one address as a CIDR", ["203.0.113.7/32"]),
    (NO, "a network", ["203.0.113.0/24"]),
    (NO, "several networks", ["203.0.113.0/24", "198.51.100.0/24", "2001:db8::/40"]),
    (NO, "a network written with bits behind its mask", ["203.0.113.9/24"]),
    (NO, "a /8 is not broader than a /8", ["8.0.0.0/8"]),
    (NO, "the same /8 twice is one", ["8.0.0.0/8", "8.0.0.0/8"]),
    (NO, "a /8 and a part of it are one", ["8.0.0.0/8", "8.8.0.0/16"]),
    (YES, "a /7 is broader than a /8", ["8.0.0.0/7"]),
    (YES, "two neighbouring /8 are a /7", ["8.0.0.0/8", "9.0.0.0/8"]),
    (UNKNOWN, "two /8 apart are together more than one, and neither is", ["8.0.0.0/8", "20.0.0.0/8"]),
    (YES, "everywhere", ["0.0.0.0/0"]),
    (YES, "everywhere beside an address", ["203.0.113.7", "0.0.0.0/0"]),
    (YES, "everywhere by version 6", ["::/0"]),
    (YES, "one half", ["0.0.0.0/1"]),
    (YES, "two halves", ["0.0.0.0/1", "128.0.0.0/1"]),
    (YES, "four quarters", ["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/2", "192.0.0.0/2"]),
    (YES, "two halves by version 6", ["::/1", "8000::/1"]),
    (NO, "a /32 of version 6", ["2001:db8::/32"]),
    (YES, "a /31 of version 6", ["2a00::/31"]),
    (YES, "two neighbouring /32 of version 6", ["2a00::/32", "2a00:1::/32"]),
    (NO, "private addresses: nobody comes from them over the internet", ["10.0.0.0/8"]),
    (NO, "all private ranges", ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]),
    (NO, "unique local addresses of version 6", ["fc00::/7"]),
    (NO, "multicast and reserved addresses", ["224.0.0.0/3"]),
    (NO, "this host", ["127.0.0.0/8"]),
    (UNKNOWN, "no address at all", ["somewhere"]),
    (UNKNOWN, "an address with a wildcard", ["203.0.113.*"]),
]


@pytest.mark.parametrize(("answer", "why", "ranges"), ADDRESSES, ids=[each[1] for each in ADDRESSES])
def test_addresses(answer: Ternary, why: str, ranges: list[str]) -> None:
    """A policy that lets in addresses is public as the meaning of public has it."""
    verdict = judged({"IpAddress": {"aws:SourceIp": ranges}})

    assert verdict.public[Access.READ].value is answer, why


LIMITS = [
    # Keys that say who it is: fixed values limit, wildcards do not, and parts are not known.
    (NO, "an organisation", {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
    (NO, "a key knows no case", {"StringEquals": {"AWS:principalorgid": "o-a1b2c3d4e5"}}),
    (NO, "an operator knows no case", {"stringequals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
    (YES, "any organisation", {"StringLike": {"aws:PrincipalOrgID": "*"}}),
    (YES, "any organisation, by its head", {"StringLike": {"aws:PrincipalOrgID": "o-*"}}),
    (NO, "StringEquals knows no wildcards", {"StringEquals": {"aws:PrincipalOrgID": "*"}}),
    (UNKNOWN, "a part of an id", {"StringLike": {"aws:PrincipalOrgID": "o-a1*"}}),
    (NO, "of some fixed ids any", {"StringEquals": {"aws:PrincipalOrgID": ["o-a1b2c3d4e5", "o-b1b2c3d4e5"]}}),
    (YES, "of a fixed id and any id", {"StringLike": {"aws:PrincipalOrgID": ["o-a1b2c3d4e5", "*"]}}),
    (YES, "everybody but one organisation", {"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
    (YES, "absent is enough with IfExists", {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
    (YES, "who is of no organisation", {"Null": {"aws:PrincipalOrgID": "true"}}),
    (YES, "who is of any organisation", {"Null": {"aws:PrincipalOrgID": "false"}}),
    (NO, "the organisation of the owner", {"StringEquals": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}}),
    (NO, "a part of an organisation", {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/r-ab12/*"}}),
    (NO, "all of an organisation by path", {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/*"}}),
    (YES, "any path", {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "*"}}),
    (YES, "ForAllValues holds where the key is absent", {
        "ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/*"}}),
    (NO, "ForAllValues with the key required", {
        "ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/*"},
        "Null": {"aws:PrincipalOrgPaths": "false"}}),
    (YES, "ForAllValues on a key of one value, absent", {
        "ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
    (YES, "who is of no path of them", {"ForAnyValue:StringNotLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/*"}}),
    (NO, "an account", {"StringEquals": {"aws:PrincipalAccount": OTHER}}),
    (NO, "the own account", {"StringEquals": {"aws:PrincipalAccount": "${aws:ResourceAccount}"}}),
    (YES, "any account", {"StringLike": {"aws:PrincipalAccount": "*"}}),
    (UNKNOWN, "accounts that begin so", {"StringLike": {"aws:PrincipalAccount": "1111*"}}),
    (YES, "every other account", {"StringNotEquals": {"aws:PrincipalAccount": OWNER}}),
    (NO, "a role", {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{OTHER}:role/reader"}}),
    (NO, "roles of an account", {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{OTHER}:role/*"}}),
    (NO, "any principal of an account", {"StringLike": {"aws:PrincipalArn": f"arn:aws:iam::{OTHER}:*"}}),
    (YES, "a role of that name in any account", {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Admin"}}),
    (YES, "any principal", {"StringLike": {"aws:PrincipalArn": "*"}}),
    (YES, "a user of that name in any account", {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/bob"}}),
    (YES, "the root of any account", {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}}),
    (YES, "who has credentials and is of no organisation", {
        "Null": {"aws:PrincipalOrgID": "true", "aws:PrincipalArn": "false"}}),
    (YES, "endpoints of accounts without an organisation", {
        "Null": {"aws:VpceOrgID": "true", "aws:SourceVpce": "false"}}),
    (YES, "past access points", {"Null": {"s3:DataAccessPointArn": "true"}}),
    (YES, "any principal of IAM", {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*"}}),
    (UNKNOWN, "ArnLike with too few parts", {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*"}}),
    (NO, "* does not go over the parts of an ARN", {"ArnLike": {"aws:PrincipalArn": "arn:aws:*:role/Admin:x:y:z"}}),
    (UNKNOWN, "a part of an account's id", {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::4444*:role/Admin"}}),
    (YES, "anybody but a role", {"ArnNotEquals": {"aws:PrincipalArn": f"arn:aws:iam::{OTHER}:role/x"}}),
    (NO, "a user by its unique id", {"StringEquals": {"aws:userid": "AIDAEXAMPLEEXAMPLE123"}}),
    (NO, "the sessions of a role by its unique id", {"StringLike": {"aws:userid": "AROAEXAMPLEEXAMPLE123:*"}}),
    (UNKNOWN, "a session's name, which who signs in chooses", {"StringLike": {"aws:userid": "*:session"}}),
    (YES, "any user", {"StringLike": {"aws:userid": "*"}}),
    (YES, "who has no credentials has this id", {"StringEquals": {"aws:userid": "anonymous"}}),
    (YES, "a user's name: anybody has users of that name", {"StringEquals": {"aws:username": "admin"}}),
    (YES, "a tag: anybody tags its own roles", {"StringEquals": {"aws:PrincipalTag/team": "blue"}}),
    (NO, "a tag within an organisation", {
        "StringEquals": {"aws:PrincipalTag/team": "blue", "aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
    (YES, "a second factor: strangers have them too", {"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
    (YES, "an old sign-in", {"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}),
    (YES, "the kind of principal", {"StringEquals": {"aws:PrincipalType": "AssumedRole"}}),
    (NO, "no such kind of principal", {"StringEquals": {"aws:PrincipalType": "Nobody"}}),
    # Networks.
    (NO, "a VPC", {"StringEquals": {"aws:SourceVpc": "vpc-0a1b2c3d"}}),
    (YES, "any VPC", {"StringLike": {"aws:SourceVpc": "vpc-*"}}),
    (YES, "any VPC at all", {"StringLike": {"aws:SourceVpc": "*"}}),
    (UNKNOWN, "VPCs that begin so", {"StringLike": {"aws:SourceVpc": "vpc-0a*"}}),
    (YES, "from elsewhere than a VPC", {"StringNotEquals": {"aws:SourceVpc": "vpc-0a1b2c3d"}}),
    (NO, "a VPC endpoint", {"StringEquals": {"aws:SourceVpce": "vpce-0a1b2c3d"}}),
    (NO, "one of two VPC endpoints", {"StringEquals": {"aws:SourceVpce": ["vpce-0a1b2c3d", "vpce-1a1b2c3d"]}}),
    (YES, "any VPC endpoint", {"Null": {"aws:SourceVpce": "false"}}),
    (YES, "IfExists: over the internet there is no endpoint", {
        "StringEqualsIfExists": {"aws:SourceVpce": "vpce-0a1b2c3d"}}),
    (YES, "addresses in any VPC: strangers have the same ones", {"IpAddress": {"aws:VpcSourceIp": "10.1.0.0/16"}}),
    (NO, "addresses in a VPC", {
        "IpAddress": {"aws:VpcSourceIp": "10.1.0.0/16"}, "StringEquals": {"aws:SourceVpc": "vpc-0a1b2c3d"}}),
    (NO, "an endpoint and an address of the internet cannot both be", {
        "IpAddress": {"aws:SourceIp": "0.0.0.0/0"}, "StringEquals": {"aws:SourceVpc": "vpc-0a1b2c3d"}}),
    (NO, "any endpoint and an address of the internet cannot both be", {
        "IpAddress": {"aws:SourceIp": "0.0.0.0/0"}, "Null": {"aws:SourceVpce": "false"}}),
    (NO, "the account of the endpoint", {"StringEquals": {"aws:VpceAccount": OWNER}}),
    (NO, "the organisation of the endpoint", {"StringEquals": {"aws:VpceOrgID": "o-a1b2c3d4e5"}}),
    (YES, "outside of a network", {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
    (YES, "nowhere on the internet, but over any endpoint", {"NotIpAddress": {"aws:SourceIp": ["0.0.0.0/0", "::/0"]}}),
    (YES, "IfExists: over an endpoint there is no address", {"IpAddressIfExists": {"aws:SourceIp": "203.0.113.0/24"}}),
    (YES, "half of the internet, without a network of it", {
        "IpAddress": {"aws:SourceIp": "0.0.0.0/1"}, "NotIpAddress": {"aws:SourceIp": "8.0.0.0/8"}}),
    (NO, "a network, without half of it", {
        "IpAddress": {"aws:SourceIp": "203.0.113.0/24"}, "NotIpAddress": {"aws:SourceIp": "203.0.113.0/25"}}),
    (UNKNOWN, "addresses are no texts", {"StringEquals": {"aws:SourceIp": "203.0.113.0/24"}}),
    # Services that act for somebody.
    (NO, "a source", {"ArnEquals": {"aws:SourceArn": f"arn:aws:sns:eu-north-1:{OTHER}:topic"}}),
    (NO, "any source of an account", {"ArnLike": {"aws:SourceArn": f"arn:aws:sns:*:{OTHER}:*"}}),
    (YES, "any source", {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:topic"}}),
    (NO, "a bucket as the source", {"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::source"}}),
    (UNKNOWN, "buckets that begin so: anybody names a bucket so", {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::src-*"}}),
    (NO, "a source's account", {"StringEquals": {"aws:SourceAccount": OTHER}}),
    (YES, "any source's account", {"StringLike": {"aws:SourceAccount": "*"}}),
    (NO, "a source's owner", {"StringEquals": {"aws:SourceOwner": OTHER}}),
    (NO, "a source's organisation", {"StringEquals": {"aws:SourceOrgID": "o-a1b2c3d4e5"}}),
    (YES, "IfExists: who asks without a service has no source", {"StringEqualsIfExists": {"aws:SourceAccount": OTHER}}),
    (NO, "a service by name", {"StringEquals": {"aws:PrincipalServiceName": "cloudtrail.amazonaws.com"}}),
    (YES, "any service", {"Bool": {"aws:PrincipalIsAWSService": "true"}}),
    (NO, "what a service asks on behalf of its caller", {"Bool": {"aws:ViaAWSService": "true"}}),
    (YES, "by way of a service that anybody can use", {
        "ForAnyValue:StringEquals": {"aws:CalledVia": "athena.amazonaws.com"}}),
    (NO, "what an MCP server does, which is no action of S3", {"Bool": {"aws:IsMcpServiceAction": "true"}}),
    # Access points.
    (NO, "access points of the owner", {"StringEquals": {"s3:DataAccessPointAccount": OWNER}}),
    (YES, "access points of anybody", {"StringLike": {"s3:DataAccessPointAccount": "*"}}),
    (NO, "an access point", {"ArnEquals": {"s3:DataAccessPointArn": f"arn:aws:s3:eu-north-1:{OWNER}:accesspoint/a"}}),
    (NO, "any access point of the owner", {
        "ArnLike": {"s3:DataAccessPointArn": f"arn:aws:s3:*:{OWNER}:accesspoint/*"}}),
    (YES, "any access point", {"ArnLike": {"s3:DataAccessPointArn": "arn:aws:s3:*:*:accesspoint/*"}}),
    (YES, "access points of a VPC: strangers have such too", {"StringEquals": {"s3:AccessPointNetworkOrigin": "VPC"}}),
    # What who asks writes into the request is no limit.
    (YES, "a referer", {"StringLike": {"aws:Referer": "https://example.org/*"}}),
    (YES, "a user agent", {"StringEquals": {"aws:UserAgent": "secret"}}),
    (YES, "TLS", {"Bool": {"aws:SecureTransport": "true"}}),
    (YES, "no TLS", {"Bool": {"aws:SecureTransport": False}}),
    (YES, "TLS by its text", {"StringEquals": {"aws:SecureTransport": "true"}}),
    (YES, "a version of TLS", {"NumericGreaterThanEquals": {"s3:TlsVersion": "1.2"}}),
    (NO, "a version of TLS that is not taken", {"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
    (NO, "a version of TLS without TLS", {
        "NumericEquals": {"s3:TlsVersion": "1.3"}, "Bool": {"aws:SecureTransport": "false"}}),
    (YES, "until a date", {"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}),
    (YES, "between two dates", {
        "DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"},
        "DateLessThan": {"aws:EpochTime": "1900000000"}}),
    (NO, "a date before itself", {
        "DateLessThan": {"aws:CurrentTime": "2020-01-01"}, "DateGreaterThan": {"aws:EpochTime": "1900000000"}}),
    (YES, "a signature's version", {"StringEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}}),
    (YES, "by a signed link", {"StringEquals": {"s3:authType": "REST-QUERY-STRING"}}),
    (NO, "by no way that there is", {"StringEquals": {"s3:authType": "PIGEON"}}),
    (YES, "a region", {"StringEquals": {"aws:RequestedRegion": "eu-north-1"}}),
    (YES, "an object's tag", {"StringEquals": {"s3:ExistingObjectTag/public": "yes"}}),
    (NO, "reading carries no prefix", {"StringEquals": {"s3:prefix": "public/"}}),
    (NO, "reading carries no encryption", {"StringEquals": {"s3:x-amz-server-side-encryption": "AES256"}}),
    # Texts.
    (YES, "texts without case", {"StringEqualsIgnoreCase": {"aws:UserAgent": "Secret"}}),
    (YES, "other texts without case", {"StringNotEqualsIgnoreCase": {"aws:UserAgent": "Secret"}}),
    (YES, "both of two patterns", {"StringLike": {"aws:Referer": "a*"}, "StringNotLike": {"aws:Referer": "ab*"}}),
    (NO, "a pattern and not it", {"StringLike": {"aws:Referer": "ab*"}, "StringNotLike": {"aws:Referer": "a*"}}),
    (NO, "present and absent", {"StringEquals": {"aws:Referer": "a"}, "Null": {"aws:Referer": "true"}}),
    (YES, "an escaped wildcard is a character", {"StringLike": {"aws:Referer": "a${*}"}}),
    (NO, "two texts at once", {"StringEquals": {"aws:Referer": "a"}, "StringLike": {"aws:Referer": "b"}}),
    (YES, "one tag of several", {"ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}}),
    (NO, "all of none and one of some", {
        "ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}, "ForAnyValue:StringEquals": {"aws:TagKeys": ["b"]}}),
    # What is not understood.
    (UNKNOWN, "a key that is not known", {"StringEquals": {"example:key": "x"}}),
    (UNKNOWN, "the absence of a key that is not known", {"Null": {"example:key": "true"}}),
    (UNKNOWN, "an operator that is not known", {"StringSounds": {"aws:Referer": "x"}}),
    (UNKNOWN, "IfExists on a key that is not known", {"StringEqualsIfExists": {"example:key": "x"}}),
    (NO, "an organisation beside what is not known", {
        "StringEquals": {"example:key": "x", "aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
    (UNKNOWN, "a comparison of the wrong kind", {"NumericLessThan": {"aws:PrincipalAccount": "5"}}),
    (UNKNOWN, "no truth value", {"Bool": {"aws:SecureTransport": "maybe"}}),
    (UNKNOWN, "no date", {"DateLessThan": {"aws:CurrentTime": "soon"}}),
    (UNKNOWN, "no number", {"NumericLessThan": {"s3:TlsVersion": "old"}}),
    (UNKNOWN, "several values without saying how", {"StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/*"}}),
    (UNKNOWN, "bytes", {"BinaryEquals": {"aws:Referer": "QUFB"}}),
    (UNKNOWN, "a variable that is not known", {"StringEquals": {"aws:Referer": "${example:key}"}}),
    (UNKNOWN, "Null of neither", {"Null": {"aws:Referer": "perhaps"}}),
    (UNKNOWN, "Null with IfExists", {"NullIfExists": {"aws:Referer": "true"}}),
    (UNKNOWN, "a tag of the bucket, which is not looked at", {"StringEquals": {"s3:BucketTag/public": "yes"}}),
    (YES, "no condition", {}),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "why", "condition"), LIMITS, ids=[each[1] for each in LIMITS])
def test_conditions(answer: Ternary, why: str, condition: dict[str, Any]) -> None:
    """A condition limits who may read only when a stranger cannot meet it, and what is not understood is told."""
    verdict = judged(condition)

    told = verdict.public[Access.READ]
    assert told.value is answer, why
    assert told.reasons
    assert all("statement 1" in each for each in told.reasons)


PUTS = [
    (YES, "an ACL of its own choice", {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}),
    (YES, "a kind of encryption", {"StringEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}),
    (NO, "a fixed key: who may use it is its own policy's", {
        "StringEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": f"arn:aws:kms:x:{OWNER}:key/1"}}),
    (UNKNOWN, "keys that begin so", {
        "StringLike": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:*:*:key/*"}}),
    (YES, "any key", {"Null": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "false"}}),
    (YES, "a tag of its own choice", {"StringEquals": {"s3:RequestObjectTag/a": "b"}}),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "why", "condition"), PUTS, ids=[each[1] for each in PUTS])
def test_conditions_on_putting(answer: Ternary, why: str, condition: dict[str, Any]) -> None:
    """What who puts an object writes beside it is no limit, except a key of encryption."""
    verdict = judged(condition, "s3:PutObject")

    assert verdict.public[Access.WRITE].value is answer, why


LISTS = [
    (YES, "a prefix", {"StringEquals": {"s3:prefix": "public/"}}),
    (YES, "a few keys at once", {"NumericLessThanEquals": {"s3:max-keys": "10"}}),
    (NO, "less than none", {"NumericLessThan": {"s3:max-keys": "0"}}),
    (YES, "a delimiter", {"StringEquals": {"s3:delimiter": "/"}}),
    (YES, "a number or none", {"NumericEqualsIfExists": {"s3:max-keys": "1"}}),
    (NO, "listing carries no version", {"Null": {"s3:VersionId": "false"}}),
]


@pytest.mark.parametrize(("answer", "why", "condition"), LISTS, ids=[each[1] for each in LISTS])
def test_conditions_on_listing(answer: Ternary, why: str, condition: dict[str, Any]) -> None:
    """What who lists a bucket asks for is no limit."""
    verdict = judged(condition, "s3:ListBucket")

    assert verdict.public[Access.LIST].value is answer, why


def test_an_older_policy_has_no_variables() -> None:
    """In a policy of 2008 a variable is the text itself, which no user is called."""
    condition = {"StringEquals": {"aws:PrincipalAccount": "${aws:PrincipalAccount}"}}

    newer, older = judged(condition), judged(condition, version="2008-10-17")

    assert newer.public[Access.READ].value is YES
    assert older.public[Access.READ].value is NO
