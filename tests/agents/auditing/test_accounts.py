"""AWS accounts as the agent audits them, beside projects: over moto by HTTP, each check in its own program."""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.request
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import pytest

from app.agents.auditing.accounts import Accounts, environ_of
from app.agents.auditing.agent import AuditAgent
from app.agents.auditing.archive import Archive
from app.agents.auditing.auditor import Auditor
from app.agents.auditing.aws.named import NamedAccount, account_of, is_account_name, remember, remembered_accounts
from app.agents.auditing.aws.remedy.catalogue import REPAIRABLE as REPAIRABLE_THERE
from app.agents.auditing.host.known import account_checks, known_checks
from app.agents.auditing.host.program import CheckPrograms
from app.agents.auditing.memory import Memories
from app.agents.auditing.settings import AuditSettings
from app.domain.errors import SecretMissing, UsageError
from app.domain.events import AuditChanged
from app.domain.findings import TriggerKind
from app.domain.repairs import REPAIRABLE
from app.engine.bus import Bus
from app.engine.clock import SystemClock
from app.engine.heartbeat import Pulse
from app.engine.processes import ProcessRunner
from tests.agents.auditing.aws.accounts import moto_server
from tests.agents.auditing.aws.denying import Denying
from tests.agents.auditing.conftest import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from app.domain.events import Event

ROLE = "arn:aws:iam::111122223333:role/team/Audit"
ENDPOINT = "http://aws.test"
SECRET = "AWS_PROD_SECRET_ACCESS_KEY"  # noqa: S105 - the name of one


def _published(holder: list[Watch], event: Event) -> None:
    holder[0].publish(event)


def files_with(folder: Path, content: bytes) -> list[Path]:
    """Return the files that hold something."""
    return [path for path in folder.rglob("*") if path.is_file() and content in path.read_bytes()]


class Vault:
    """Holds keys of moto's."""

    def __init__(self, **secrets: str) -> None:
        self.secrets = secrets
        self.asked: list[str] = []

    async def secret(self, name: str, *, why: str) -> str:
        """Return a secret's value."""
        self.asked.append(f"{name} {why}")
        if name not in self.secrets:
            raise SecretMissing(f"The vault holds no {name}.")
        return self.secrets[name]


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Denying]:
    """Give moto's server, with a public bucket, behind a proxy through which this machine speaks to AWS."""
    with moto_server() as moto, Denying(moto) as made:
        urllib.request.urlopen(urllib.request.Request(f"{moto}/moto-api/reset", method="POST")).close()  # noqa: S310 - on loopback
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        client = boto3.client("s3", region_name="us-east-1", endpoint_url=moto, **keys)
        client.create_bucket(Bucket="shop")
        client.put_bucket_acl(Bucket="shop", ACL="public-read")
        client.close()
        for name in ("HTTPS_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"HTTP_PROXY": made.url, "AWS_EC2_METADATA_DISABLED": "true"}.items():
            monkeypatch.setenv(name, value)
        yield made


@asynccontextmanager
async def watching(folder: Path, vault: Vault, **aws: object) -> AsyncIterator[Watch]:
    """Put an agent to work that watches no project, and the accounts of these settings."""
    usual = {"endpoint": ENDPOINT, "regions": ("us-east-1",)}
    settings = AuditSettings.model_validate({"aws": {**usual, **aws}})
    clock = SystemClock()
    programs = CheckPrograms(
        ProcessRunner(clock=clock), clock, environ=os.environ, cache=folder / "cache", plugins=folder / "plugins"
    )
    memories, archive = Memories(folder / "audits"), Archive(folder / "audits")
    events: list[Watch] = []
    agent = AuditAgent(
        Auditor(programs, memories, archive, clock=clock, new_id=lambda: uuid4().hex[:16]),
        memories,
        archive,
        plugins=folder / "plugins",
        settings=lambda: events[0].settings,
        projects=dict,
        publish=lambda event: _published(events, event),
        clock=clock,
        look_every_s=0.1,
        accounts=Accounts(folder / "aws", lambda: events[0].settings.aws, vault),
    )
    watch = Watch(agent, settings, {}, archive=archive)
    events.append(watch)
    pulse = Pulse("audits", Bus(clock), clock, beat_every_s=0.5, on_health=lambda _why: None)
    life = asyncio.ensure_future(agent.run(pulse))
    try:
        await watch.until(lambda: any(isinstance(event, AuditChanged) for event in watch.events))
        yield watch
    finally:
        pulse.stopping.set()
        life.cancel()
        await asyncio.wait({life})


async def test_an_account_of_the_settings_is_audited_like_a_project(proxy: Denying, tmp_path: Path) -> None:
    """Asked for, its audit tells how far it is and what is grave, by the account's name; its keys are its own."""
    del proxy
    vault = Vault(AWS_PROD_ACCESS_KEY_ID="AKIAOFTHEVAULT", **{SECRET: "canary-of-the-vault"})
    root = str(tmp_path / "aws" / NamedAccount("keys:AWS_PROD").folder)

    async with watching(tmp_path, vault, accounts=("keys:AWS_PROD",)) as watch:
        before = watch.told[-1]
        await watch.agent.start(root)
        report = await watch.audits(1)

    assert (before.project, before.target, before.verdict) == (root, "AWS AWS_PROD", None)
    assert report.target == "AWS account AWS_PROD (123456789012)"
    assert {each.check for each in report.checks} == {"s3", "iam", "ec2"}
    assert any(each.finding.resource == "arn:aws:s3:::shop" for each in report.findings)
    assert any(view.running.startswith("S3 ") and " of " in view.running for view in watch.told)
    assert watch.told[-1].grave
    assert watch.ended[0].told
    assert files_with(tmp_path, b"AWS_PROD")
    assert not files_with(tmp_path, b"canary-of-the-vault")


async def test_accounts_are_audited_at_their_time_of_day(proxy: Denying, tmp_path: Path) -> None:
    """Once a day, and not again when it was done."""
    del proxy
    daily = time.strftime("%H:%M", time.localtime(time.time() - 60))
    vault = Vault()

    async with watching(tmp_path, vault, accounts=("keys:GONE",), daily=daily) as watch:
        await watch.until(lambda: bool(watch.agent.name) and any("GONE" in each for each in vault.asked))
        await asyncio.sleep(0.5)

    assert [view.trigger.kind for view in watch.told if view.running] == [TriggerKind.SCHEDULE]
    assert vault.asked == ["GONE_ACCESS_KEY_ID for AWS GONE"]


async def test_an_account_that_is_set_no_more_is_let_go(tmp_path: Path) -> None:
    """No face shows it any more, and it cannot be audited; set again, it is back."""
    async with watching(tmp_path, Vault(), accounts=("production",)) as watch:
        usual, root = watch.settings, watch.told[-1].project
        watch.settings = AuditSettings()
        await watch.until(lambda: watch.told[-1].target == "")
        with pytest.raises(UsageError, match="is not watched"):
            await watch.agent.start(root)
        watch.settings = usual
        await watch.until(lambda: watch.told[-1].target == "AWS production")

    assert {view.project for view in watch.told} == {root}


async def test_an_account_nobody_set_is_refused(tmp_path: Path) -> None:
    """It is not audited by its folder's name."""
    async with watching(tmp_path, Vault(), accounts=("production",)) as watch:
        with pytest.raises(UsageError, match="is not watched"):
            await watch.agent.start(str(tmp_path / "aws" / "other"))


def test_checks_of_accounts_are_no_checks_of_code(tmp_path: Path) -> None:
    """Projects do not see them, and accounts see no others."""
    of_code = {place.id for place in known_checks(tmp_path)[0]}

    assert [place.id for place in account_checks()] == ["s3", "iam", "ec2"]
    assert [place.id for place in account_checks(("iam",))] == ["iam"]
    assert not of_code & {"s3", "iam", "ec2"}
    assert "secrets" in of_code


async def test_keys_of_the_vault_win_over_what_is_there() -> None:
    """Only an account that names them has them; what would be used in their place is taken out."""
    vault = Vault(AWS_PROD_ACCESS_KEY_ID="AKIA", **{SECRET: "secret"})

    given = await environ_of(NamedAccount("keys:AWS_PROD"), vault)
    none = await environ_of(NamedAccount("production"), vault)

    assert given["AWS_ACCESS_KEY_ID"] == "AKIA"
    assert given["AWS_SESSION_TOKEN"] is None
    assert given["AWS_PROFILE"] is None
    assert none == {}
    with pytest.raises(SecretMissing):
        await environ_of(NamedAccount("keys:OTHER"), vault)


def test_names_of_accounts() -> None:
    """A profile, a role and keys of the vault are told apart, and each has a folder that no other has."""
    good = (
        "production",
        "Prod",
        "my profile",
        ROLE,
        "arn:aws:iam::111122223333:role/Audit",
        "keys:AWS_PROD",
        "keys-aws",
    )
    bad = ("", " x", "-x", "arn:aws:iam::1:role/x", "arn:aws:s3:::shop", "keys:", "keys:lower", "a\nb", "../../x\0")

    accounts = [NamedAccount(name) for name in good]

    assert [is_account_name(name) for name in bad] == [False] * len(bad)
    assert len({account.folder for account in accounts}) == len(good)
    assert not [account.folder for account in accounts if set(account.folder) & set("/\\.: ")]
    assert NamedAccount("../../etc").folder.startswith("etc-")
    role = NamedAccount(ROLE)
    assert (role.id, role.title, role.target(role.id)) == (
        "111122223333", "AWS 111122223333/Audit", "AWS account 111122223333/Audit"
    )  # fmt: skip
    assert NamedAccount("production").target("111122223333") == "AWS account production (111122223333)"


def test_how_an_account_is_entered_is_kept(tmp_path: Path) -> None:
    """It is read back as it was, what is no account is passed over, and the folder is private."""
    account = NamedAccount(ROLE, ("eu-west-1",), ("s3-lifecycle",), "external", ENDPOINT)

    root = remember(account, tmp_path / "aws")
    (tmp_path / "aws" / "broken").mkdir()
    (tmp_path / "aws" / "broken" / "account.json").write_text("[")

    assert list(remembered_accounts(tmp_path / "aws")) == [(root, account)]
    assert account_of(json.loads(json.dumps(account.to_json()))) == account
    assert root.stat().st_mode & 0o077 == 0


def test_faces_know_which_rules_can_be_repaired() -> None:
    """What they offer is what there is."""
    assert REPAIRABLE == REPAIRABLE_THERE
