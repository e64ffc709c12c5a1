"""The command `audit fix`, as people run it: planned, applied and taken back over moto by HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.aws.conftest import Cloud

BLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def print_of(cloud: Cloud, rule: str) -> str:
    """Audit, and return the first digits of the finding of a rule."""
    found = [each for each in cloud.audit()["findings"] if each["rule"] == rule]
    return str(found[0]["fingerprint"][:12])


def block_of(cloud: Cloud) -> Any:
    """Return the bucket's switches; None where none are set."""
    client = cloud.client()
    try:
        return client.get_public_access_block(Bucket="shop")["PublicAccessBlockConfiguration"]
    except client.exceptions.ClientError:
        return None


@pytest.fixture
def finding(cloud: Cloud) -> str:
    """Return the digits of a finding that can be repaired."""
    cloud.buckets("shop", acl="public-read")
    return print_of(cloud, "s3-block-public-access")


def test_a_plan_is_shown_and_nothing_is_changed(cloud: Cloud, finding: str) -> None:
    """Before, after, the exact call and who loses access are told, and how it is done; nothing is written."""
    told = cloud("audit", "fix", finding)

    assert "(nothing is set)" in told.stdout
    assert '+  "BlockPublicAcls": true' in told.stdout
    assert "s3 PutPublicAccessBlock" in told.stdout
    assert "cannot any more then" in told.stdout
    assert f"watchkeeper audit fix {finding} --apply" in told.stderr
    assert block_of(cloud) is None


def test_it_is_applied_and_taken_back(cloud: Cloud, finding: str) -> None:
    """What was applied is read again, the state before is kept, and the way back is the state before."""
    applied = json.loads(cloud("audit", "fix", finding, "--apply", "--yes", "--json").stdout)
    during = block_of(cloud)
    again = cloud("audit", "fix", finding, "--apply", "--yes")
    cloud.audit(code=0)  # the finding is fixed meanwhile, and can be taken back all the same
    back = json.loads(cloud("audit", "fix", finding, "--rollback", "--yes", "--json").stdout)

    assert during == BLOCKED
    assert applied["is_applied"] is True
    assert applied["state"].startswith(str(cloud.home / "data" / "aws" / "production" / "repairs"))
    assert "Nothing was to be done" in again.stdout
    assert back["restored"] == ["block public access"]
    assert block_of(cloud) is None


def test_the_plan_that_was_shown_is_the_one_that_is_applied(cloud: Cloud, finding: str, tmp_path: Path) -> None:
    """A plan from before is applied as it was shown, and refused once the bucket is another; so is a changed plan."""
    file = tmp_path / "plan.json"
    file.write_text(cloud("audit", "fix", finding, "--json").stdout)
    words = ("audit", "fix", finding, "--apply", "--yes", "--plan", str(file), "--json")
    cloud.client().put_public_access_block(
        Bucket="shop", PublicAccessBlockConfiguration={**BLOCKED, "BlockPublicAcls": False}
    )
    outdated = json.loads(cloud(*words, code=3).stdout)
    cloud.client().delete_public_access_block(Bucket="shop")
    applied = json.loads(cloud(*words).stdout)
    forged = json.loads(file.read_text())
    forged["plan"]["changes"][0]["after"] = "null"
    file.write_text(json.dumps(forged))
    refused = json.loads(cloud(*words, code=3).stdout)

    assert outdated["error"]["title"] == "The plan is outdated"
    assert applied["is_applied"] is True
    assert refused["error"]["title"] == "The state before cannot be read"
    assert block_of(cloud) == BLOCKED


def test_nothing_is_done_where_nobody_can_agree(cloud: Cloud, finding: str) -> None:
    """Without a terminal and without --yes it is refused, before AWS is asked."""
    asked = len(cloud.proxy.asked)

    told = cloud("audit", "fix", finding, "--apply", code=2)

    assert "Nothing was changed" in told.stderr
    assert len(cloud.proxy.asked) == asked
    assert block_of(cloud) is None


@pytest.mark.slow
def test_what_has_no_repair_says_so(cloud: Cloud, finding: str) -> None:
    """A rule without a repair, one that needs a name, no such finding and nothing to take back are sentences."""
    cloud.client().put_bucket_policy(
        Bucket="shop",
        Policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"}
                ],
            }
        ),
    )
    policy, logging = print_of(cloud, "s3-public-policy"), print_of(cloud, "s3-access-logging")

    told = [
        cloud("audit", "fix", policy, code=3).stderr,
        cloud("audit", "fix", logging, code=3).stderr,
        cloud("audit", "fix", "0123456789ab", code=2).stderr,
        cloud("audit", "fix", finding, "--rollback", "--yes", code=2).stderr,
    ]

    assert "There is no repair for s3-public-policy" in told[0]
    assert "Access logs need a bucket" in told[1]
    assert "There is no finding 0123456789ab" in told[2]
    assert "No repair of this finding is kept" in told[3]


def test_a_bucket_of_another_account_is_left_alone(cloud: Cloud, finding: str) -> None:
    """When the profile's account has no such bucket any more, nothing is planned."""
    cloud.client().delete_bucket(Bucket="shop")

    told = cloud("audit", "fix", finding, code=3)

    assert "has no bucket shop. Nothing was changed." in told.stderr
