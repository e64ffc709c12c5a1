"""The command `audit aws`, as people run it: over moto by HTTP, with no instance."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.aws.clients.iam import action_of
from app.cli.aws.secrets import GIVEN
from tests.agents.auditing.aws.denying import DENIED
from tests.cli.aws.conftest import ACCOUNT, CANARY, OF_TESTS

if TYPE_CHECKING:
    from tests.cli.aws.conftest import Cloud

ROOT = Path(__file__).parents[3]
INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from app.main import main
sys.exit(main())
"""
"""As in a terminal: what a shell starts in the background ignores Ctrl+C."""
ACCOUNT_AND_TWENTY_BUCKETS = 2
"""Units."""
HIDING = """
import importlib.machinery as machinery
find = machinery.PathFinder.find_spec
def hidden(name, path=None, target=None):
    return None if name.partition(".")[0] in {"aiobotocore", "botocore", "boto3"} else find(name, path, target)
machinery.PathFinder.find_spec = staticmethod(hidden)
"""


def test_a_profile_is_audited_and_remembered(cloud: Cloud) -> None:
    """The report names the account and its resources, the exit code is 1, and the second time nothing is new."""
    cloud.buckets("shop", acl="public-read")

    first = cloud("audit", "aws", "production", "--service", "s3", *OF_TESTS, code=1)
    second = cloud.audit()

    assert f"Audit of AWS account production ({ACCOUNT})" in first.stdout
    assert "arn:aws:s3:::shop · s3/s3-public-acl" in first.stdout
    assert second["target"] == f"AWS account production ({ACCOUNT})"
    assert {each["standing"] for each in second["findings"]} == {"known"}
    assert {each["check"] for each in second["checks"]} == {"s3"}


def test_no_key_lies_in_any_file(cloud: Cloud) -> None:
    """What Watchkeeper keeps of an account names the profile, and is for its person alone."""
    cloud.buckets("shop")
    cloud.audit(code=0)

    kept = [path for path in cloud.home.rglob("*") if path.is_file()]
    assert any(path.name == "account.json" for path in kept)
    assert not [path for path in kept if CANARY.encode() in path.read_bytes()]
    assert (cloud.home / "data" / "aws" / "production").stat().st_mode & 0o077 == 0


def test_what_is_denied_is_one_sentence(cloud: Cloud) -> None:
    """One missing permission on each of thirty buckets is told once, and nothing that needs it is passed."""
    cloud.buckets(*(f"shop-{number}" for number in range(30)))
    cloud.proxy.answers["s3:GetBucketVersioning"] = DENIED

    report = cloud.audit(code=0)

    (check,) = report["checks"]
    assert [each for each in check["reasons"] if "GetBucketVersioning denied" in each] == check["reasons"]
    assert len(check["reasons"]) == 1
    assert "30 resources" in check["reasons"][0]
    assert not [each for each in report["findings"] if each["rule"] == "s3-versioning"]


def test_an_account_that_cannot_be_entered_is_not_known(cloud: Cloud) -> None:
    """Nothing was looked at, which is neither good nor bad: the exit code is 3, and the reason is told."""
    cloud.proxy.answers["sts:GetCallerIdentity"] = DENIED

    report = cloud.audit(code=3)

    assert report["verdict"] == "unknown"
    assert "sts:GetCallerIdentity denied" in report["checks"][0]["reasons"][0]


@pytest.mark.slow
def test_several_accounts_are_a_list(cloud: Cloud) -> None:
    """JSON holds one report for each, text one after the other, and the worst gives the exit code."""
    cloud.buckets("shop", acl="public-read")
    words = ("audit", "aws", "production", "other", "--service", "s3", *OF_TESTS)

    told = json.loads(cloud(*words, "--json", code=1).stdout)
    text = cloud(*words, code=1).stdout
    sarif = json.loads(cloud(*words, "--format", "sarif", code=1).stdout)
    refused = cloud(*words, "--format", "html", code=2)

    assert [each["target"] for each in told] == [f"AWS account {name} ({ACCOUNT})" for name in ("production", "other")]
    assert [line for line in text.splitlines() if line.startswith("Audit of")] == [
        f"Audit of AWS account {name} ({ACCOUNT})" for name in ("production", "other")
    ]
    assert len(sarif["runs"]) == 2
    assert "one account" in refused.stderr


@pytest.mark.slow
def test_accounts_of_the_settings(cloud: Cloud) -> None:
    """Without a name those of the settings are audited, as the settings say; with none at all it is told how."""
    none = cloud("audit", "aws", code=2)
    for key, value in (("accounts", "production"), ("endpoint", "http://aws.test"), ("regions", "us-east-1")):
        cloud("config", "set", f"audits.aws.{key}", value)
    bad = cloud("config", "set", "audits.aws.accounts", "arn:aws:iam::1:role/x", code=2)

    told = json.loads(cloud("audit", "aws", "--service", "s3", "--json").stdout)

    assert "watchkeeper config set audits.aws.accounts" in none.stderr
    assert "the ARN of a role such as" in bad.stderr
    assert told["target"] == f"AWS account production ({ACCOUNT})"


@pytest.mark.slow
def test_fewer_regions_than_usual_never_pass(cloud: Cloud) -> None:
    """What was found elsewhere is not taken for fixed, and the report says where it was not looked."""
    cloud.client("s3").create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    whole = cloud.audit(code=0)

    part = cloud.audit("--regions", "us-east-1", code=0)
    again = cloud.audit(code=0)

    assert [each["resource"] for each in whole["findings"] if each["rule"] == "s3-tls-only"] == ["arn:aws:s3:::far"]
    assert "only us-east-1 was looked at" in " ".join(part["checks"][0]["reasons"])
    assert part["fixed"] == []
    assert {each["standing"] for each in again["findings"]} == {"known"}


def test_keys_of_the_vault_go_through_the_environment(cloud: Cloud) -> None:
    """They enter their own account, whatever else is set here, and lie in no file."""
    sts = cloud.client("sts")
    given = sts.assume_role(RoleArn="arn:aws:iam::222233334444:role/x", RoleSessionName="test")["Credentials"]
    cloud.environ |= {
        GIVEN: "AWS_PROD",
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
        "AWS_PROFILE": "production",
    }

    told = cloud("audit", "aws", "keys:AWS_PROD", "--service", "s3", *OF_TESTS, "--json")

    kept = [path for path in cloud.home.rglob("*") if path.is_file()]
    assert json.loads(told.stdout)["target"] == "AWS account AWS_PROD (222233334444)"
    assert not [path for path in kept if given["SecretAccessKey"].encode() in path.read_bytes()]


@pytest.mark.slow
def test_a_finding_is_muted_for_a_reason(cloud: Cloud) -> None:
    """A mute is of the account that has the finding, and can be listed and taken back."""
    cloud.buckets("shop", acl="public-read")
    (finding,) = [each for each in cloud.audit()["findings"] if each["rule"] == "s3-public-acl"]
    print_ = finding["fingerprint"][:12]

    cloud("audit", "aws", "--mute", print_, "--reason", "it is a website")
    listed = json.loads(cloud("audit", "aws", "--mutes", "--json").stdout)
    muted = cloud.audit(code=0)
    cloud("audit", "aws", "production", "--unmute", print_)
    unknown = cloud("audit", "aws", "--mute", "0123456789ab", "--reason", "x", code=2)

    assert [each["reason"] for each in listed["mutes"]] == ["it is a website"]
    assert [each["standing"] for each in muted["findings"] if each["fingerprint"].startswith(print_)] == ["muted"]
    assert json.loads(cloud("audit", "aws", "--mutes", "--json").stdout)["mutes"] == []
    assert "no finding" in unknown.stderr


def test_without_the_extra_a_sentence_says_so(cloud: Cloud, tmp_path: Path) -> None:
    """What is missing is named, with the command that installs it; nothing else is done."""
    (tmp_path / "hiding").mkdir()
    (tmp_path / "hiding" / "sitecustomize.py").write_text(HIDING)
    cloud.environ["PYTHONPATH"] = f"{tmp_path / 'hiding'}{os.pathsep}{ROOT}"

    told = cloud("audit", "aws", "production", code=3)

    assert "pip install 'watchkeeper[aws]'" in told.stderr
    assert told.stdout == ""


def test_progress_is_told_on_a_terminal(cloud: Cloud) -> None:
    """How many parts are done passes by on stderr; the report on stdout has nothing of it."""
    cloud.buckets(*(f"shop-{number}" for number in range(45)))
    ours, theirs = pty.openpty()

    with subprocess.Popen(
        cloud.argv("audit", "aws", "production", "--service", "s3", *OF_TESTS, "--json"),
        env={**cloud.environ, "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        stdin=subprocess.DEVNULL,
    ) as program:
        os.close(theirs)
        seen: list[bytes] = []
        reader = threading.Thread(target=_read, args=(ours, seen))
        reader.start()
        out = program.communicate()[0]
    reader.join()
    os.close(ours)

    assert b"production: S3 4 of 4" in b"".join(seen)
    assert json.loads(out)["target"] == f"AWS account production ({ACCOUNT})"


def _read(descriptor: int, seen: list[bytes]) -> None:
    while True:
        try:
            piece = os.read(descriptor, 65_536)
        except OSError:  # the other side is closed
            return
        if not piece:
            return
        seen.append(piece)


@pytest.mark.skipif(os.name == "nt", reason="Ctrl+C is another thing there")
def test_an_interrupted_audit_goes_on(cloud: Cloud) -> None:
    """It ends at once with its children, says that what was done is kept, and does not ask for it again."""
    cloud.buckets(*(f"shop-{number:03}" for number in range(100)))
    enough, go_on = threading.Event(), threading.Event()

    def hold(_asked: object) -> None:
        done = [path.read_bytes().count(b"\n") for path in cloud.home.glob("cache/audits/s3/units/*.jsonl")]
        if sum(done) >= ACCOUNT_AND_TWENTY_BUCKETS and not go_on.is_set():
            enough.set()
            go_on.wait(20)

    cloud.proxy.before = hold
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "audit", "aws", "production", "--service", "s3", *OF_TESTS],
        env=cloud.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert enough.wait(40)
        program.send_signal(signal.SIGINT)
        _out, err = program.communicate(timeout=15)
    go_on.set()
    asked = cloud.proxy.count("s3:GetBucketVersioning")
    report = cloud.audit(code=0)

    assert program.returncode == 130
    assert "goes on from there" in err
    assert "Traceback" not in err
    assert len({each["resource"] for each in report["findings"] if each["rule"] == "s3-tls-only"}) == 100
    assert cloud.proxy.count("s3:GetBucketVersioning") - asked <= 80


def test_the_policy_of_the_readme_is_enough(cloud: Cloud) -> None:
    """Each call that a whole audit makes is among the actions that people are told to allow, and each only reads."""
    cloud.buckets("shop", acl="public-read")
    iam = cloud.client("iam")
    iam.create_user(UserName="ada")
    iam.create_login_profile(UserName="ada", Password="Abcdefgh1!")  # noqa: S106 - of nobody
    iam.create_access_key(UserName="ada")
    cloud("audit", "aws", "production", "--regions", "us-east-1", *OF_TESTS, code=1)

    readme = (ROOT / "README.md").read_text("utf-8")
    policy = json.loads(readme.partition("<!-- policy -->\n```json\n")[2].partition("```")[0])
    allowed = set(policy["Statement"][0]["Action"])
    made = {action_of(*each.operation.split(":")) for each in cloud.proxy.asked}

    assert made <= allowed
    assert {"iam:ListUsers", "ec2:DescribeSecurityGroups", "s3:GetBucketPolicy"} & made
    assert not [
        each for each in allowed if not each.partition(":")[2].startswith(("Get", "List", "Describe", "Generate"))
    ]
