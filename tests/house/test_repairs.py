"""Repairs as the window asks for them: each step by the command line in a program of its own, over moto by HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import boto3
import pytest

from app.agents.auditing.aws.named import NamedAccount
from app.agents.auditing.repairs import Repairs
from app.cli.aws.secrets import GIVEN
from app.domain.commands import ApplyRepair, PlanRepair, RollBackRepair
from app.domain.errors import CannotError, SecretMissing, UsageError
from app.engine.clock import SystemClock
from app.engine.processes import ProcessRunner
from app.house.aws import own_command
from tests.agents.auditing.aws.accounts import moto_server
from tests.agents.auditing.aws.denying import DENIED, Denying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

ACCOUNT = NamedAccount("keys:AWS_PROD")
CANARY = "canary-of-the-vault"


class Vault:
    """Holds keys of moto's."""

    async def secret(self, name: str, *, why: str) -> str:
        """Return a secret's value."""
        del why
        found = {"AWS_PROD_ACCESS_KEY_ID": "AKIAOFTHEVAULT", "AWS_PROD_SECRET_ACCESS_KEY": CANARY}
        if name not in found:
            raise SecretMissing(f"The vault holds no {name}.")
        return found[name]


class Cloud:
    """A public bucket, and an account that was audited."""

    def __init__(self, moto: str, proxy: Denying, home: Path) -> None:
        self.proxy = proxy
        self.home = home
        keys = {"aws_access_key_id": "AKIAOFTHEVAULT", "aws_secret_access_key": CANARY}
        self.s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=moto, **keys)
        self.s3.create_bucket(Bucket="shop")
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environ |= {
            "WATCHKEEPER_HOME": str(home),
            "HTTP_PROXY": proxy.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PROFILE": "of-the-person",
        }
        self.root = str(ACCOUNT.root(home / "data" / "aws"))
        self.repairs = Repairs(
            home / "data" / "aws",
            own_command(),
            runner=ProcessRunner(clock=SystemClock()),
            environ=self.environ,
            secrets=Vault(),
            given=GIVEN,
        )

    def audit(self) -> str:
        """Audit by the command line, and return the fingerprint of what can be repaired."""
        words = ("audit", "aws", ACCOUNT.name, "--service", "s3", "--endpoint-url", "http://aws.test", "--json")
        own = {GIVEN: "AWS_PROD", "AWS_ACCESS_KEY_ID": "AKIAOFTHEVAULT", "AWS_SECRET_ACCESS_KEY": CANARY}
        done = subprocess.run(
            [sys.executable, "-m", "app.main", *words], env={**self.environ, **own}, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (found,) = (
            each["fingerprint"]
            for each in json.loads(done.stdout)["findings"]
            if each["rule"] == "s3-block-public-access"
        )
        return str(found)

    @property
    def block(self) -> Any:
        """What the bucket's switches are; None where none are set."""
        try:
            return self.s3.get_public_access_block(Bucket="shop")["PublicAccessBlockConfiguration"]
        except self.s3.exceptions.ClientError:
            return None


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Give it, behind a proxy through which programs speak to AWS."""
    with moto_server() as moto, Denying(moto) as proxy:
        urllib.request.urlopen(urllib.request.Request(f"{moto}/moto-api/reset", method="POST")).close()  # noqa: S310 - on loopback
        made = Cloud(moto, proxy, tmp_path / "home")
        yield made
        made.s3.close()


async def test_a_plan_is_made_applied_and_taken_back(cloud: Cloud) -> None:
    """What was shown is what is applied, what was before is had back, and neither keys nor plans are left in files."""
    which = {"project": cloud.root, "fingerprint": await asyncio.to_thread(cloud.audit)}

    plan = await cloud.repairs.plan(PlanRepair(**which))
    before = cloud.block
    applied = await cloud.repairs.apply(ApplyRepair(**which, digest=plan.digest))
    during = cloud.block
    back = await cloud.repairs.roll_back(RollBackRepair(**which))

    assert plan.place == "bucket shop in us-east-1"
    assert [each.lines[0] for each in plan.changes] == ["-(nothing is set)"]
    assert plan.calls[0].startswith("s3 PutPublicAccessBlock\n")
    assert plan.touches
    assert (before, during["BlockPublicAcls"], cloud.block) == (None, True, None)
    assert applied.is_done
    assert back.is_done
    assert applied.state == back.state
    kept = await asyncio.to_thread(lambda: [path for path in cloud.home.rglob("*") if path.is_file()])
    assert not [path for path in kept if CANARY.encode() in path.read_bytes() or path.name.startswith("plan-")]


async def test_what_goes_wrong_is_said(cloud: Cloud) -> None:
    """A plan that was not shown, a denied call, nothing to take back and an unknown account are refused in words."""
    which = {"project": cloud.root, "fingerprint": await asyncio.to_thread(cloud.audit)}

    with pytest.raises(UsageError, match="not there any more"):
        await cloud.repairs.apply(ApplyRepair(**which, digest="0" * 64))
    await cloud.repairs.plan(PlanRepair(**which))
    with pytest.raises(UsageError, match="not there any more"):
        await cloud.repairs.apply(ApplyRepair(**which, digest="0" * 64))
    with pytest.raises(CannotError, match="No repair of this finding is kept"):
        await cloud.repairs.roll_back(RollBackRepair(**which))
    cloud.proxy.answers["s3:GetPublicAccessBlock"] = DENIED
    with pytest.raises(CannotError, match="s3:GetBucketPublicAccessBlock denied"):
        await cloud.repairs.plan(PlanRepair(**which))
    with pytest.raises(UsageError, match="no AWS account"):
        await cloud.repairs.plan(PlanRepair(project="/elsewhere", fingerprint=which["fingerprint"]))

    assert cloud.block is None


def test_nothing_of_aws_is_loaded_where_the_window_is() -> None:
    """What asks for audits and repairs of accounts imports neither library that speaks to AWS."""
    code = (
        "import app.agents.auditing.agent, app.agents.auditing.repairs, app.agents.auditing.accounts, sys\n"
        "print([each for each in ('botocore', 'aiobotocore', 'boto3', 'distributed') if each in sys.modules])"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert said.strip() == "[]"
