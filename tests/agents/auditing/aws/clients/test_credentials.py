"""Where keys come from, when they are renewed, and that they are never shown."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import pickle
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import app
from app.agents.auditing.aws.clients.account import acting_as
from app.agents.auditing.aws.clients.backend import Patience
from app.agents.auditing.aws.clients.context import AuditContext
from app.agents.auditing.aws.clients.credentials import GivenKeys, Keys, Role
from app.agents.auditing.aws.clients.manager import AsyncClientManager
from app.agents.auditing.aws.errors import Broken, Denied, Expired, NoCredentials
from app.domain.errors import CannotError, SettingsError

if TYPE_CHECKING:
    from app.agents.auditing.aws.clients.backend import Backend

ARN = "arn:aws:iam::210987654321:role/audit"
HOUR_S = 3600.0


class STSFake:
    """Gives keys to who assumes a role, each time others, good for an hour; buckets have no policy."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self.given = 0
        self.fails: tuple[int, str] | None = None
        self.hold = threading.Event()
        self.hold.set()

    def __call__(self, seen: Any) -> tuple[int, str]:
        if seen.method == "GET":
            return 200, "{}"
        self.hold.wait(20)
        if self.fails is not None:
            status, code = self.fails
            return status, f"<ErrorResponse><Error><Code>{code}</Code><Message/></Error></ErrorResponse>"
        self.given += 1
        until = datetime.fromtimestamp(self._clock.wall() + HOUR_S, UTC).isoformat()
        return 200, (
            "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
            f"<AccessKeyId>ASIAROLE{self.given}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
            f"<SessionToken>session-{self.given}</SessionToken><Expiration>{until}</Expiration>"
            "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )


@pytest.fixture
def sts(aws: Any, fake_clock: Any) -> STSFake:
    """Have the stand-in give keys."""
    aws.answer = made = STSFake(fake_clock)
    return made


@pytest.fixture
async def audited(backend: Backend, aws: Any, sts: STSFake, fake_clock: Any, tools: Any) -> Any:
    """Give an account that is entered through a role."""
    del sts
    async with AsyncClientManager(backend, endpoint_url=aws.url, clock=fake_clock, close_s=0.2) as clients:
        account = clients.assumed(Role(ARN, "ext-7", "night-watch"), tools.account(1), tools.region)
        yield AuditContext(account, tools.region, clients)


async def _look(context: AuditContext) -> None:
    await context.execute_async("s3", "GetBucketPolicy", Bucket="shop")


async def test_a_role_is_assumed_by_the_account_that_may(audited: AuditContext, aws: Any) -> None:
    """AssumeRole is signed by the first account, with role, external id and session name; the rest by the role."""
    await _look(audited)

    asked, looked = aws.seen
    assert asked.signer == "AKIA000000000001"
    assert {name: asked.form[name] for name in ("Action", "RoleArn", "ExternalId", "RoleSessionName")} == {
        "Action": "AssumeRole",
        "RoleArn": ARN,
        "ExternalId": "ext-7",
        "RoleSessionName": "night-watch",
    }
    assert (looked.signer, looked.token) == ("ASIAROLE1", "session-1")
    assert audited.account.id == "210987654321"


async def test_many_calls_wait_for_one_renewal(audited: AuditContext, aws: Any, sts: STSFake) -> None:
    """Twenty calls that find no keys assume the role once."""
    await asyncio.gather(*(_look(audited) for _ in range(20)))

    assert sts.given == 1
    assert len(aws.seen) == 21


async def test_keys_are_renewed_before_they_expire(
    audited: AuditContext, aws: Any, sts: STSFake, fake_clock: Any
) -> None:
    """Keys are kept until five minutes before their end, and then renewed, once for all."""
    await _look(audited)
    fake_clock.advance(HOUR_S - 301)
    await _look(audited)
    assert sts.given == 1

    fake_clock.advance(2)
    await asyncio.gather(*(_look(audited) for _ in range(10)))

    assert sts.given == 2
    assert aws.seen[-1].signer == "ASIAROLE2"


async def test_old_keys_serve_while_sts_fails(audited: AuditContext, aws: Any, sts: STSFake, fake_clock: Any) -> None:
    """When STS is out of order, keys that still work are used, and STS is left alone for half a minute."""
    await _look(audited)
    fake_clock.advance(HOUR_S - 200)
    sts.fails = (400, "OperationAborted")
    await _look(audited)
    asked = sum(seen.method == "POST" for seen in aws.seen)
    await _look(audited)
    assert sum(seen.method == "POST" for seen in aws.seen) == asked == 2

    fake_clock.advance(201)

    with pytest.raises(CannotError):
        await _look(audited)


async def test_a_role_that_was_taken_back_is_not_used_on(audited: AuditContext, sts: STSFake, fake_clock: Any) -> None:
    """When the role may no longer be assumed, that is told at once, naming the action."""
    await _look(audited)
    fake_clock.advance(HOUR_S - 200)
    sts.fails = (403, "AccessDenied")

    with pytest.raises(Denied) as caught:
        await _look(audited)

    assert caught.value.operation == "sts:AssumeRole"


async def test_a_renewal_outlives_the_one_that_began_it(audited: AuditContext, aws: Any, sts: STSFake) -> None:
    """The first waiter is cancelled, the second still has the keys, and the role is assumed once."""
    sts.hold.clear()
    first = asyncio.create_task(_look(audited))
    await asyncio.to_thread(aws.wait_for, lambda: aws.seen)
    second = asyncio.create_task(_look(audited))
    await asyncio.sleep(0)

    first.cancel()
    await asyncio.wait([first])
    sts.hold.set()
    await second

    assert sts.given == 1


async def test_a_renewal_that_nobody_waits_for_ends(audited: AuditContext, aws: Any, sts: STSFake) -> None:
    """When all waiters are cancelled, no task is left, and the next call begins anew."""
    sts.hold.clear()
    only = asyncio.create_task(_look(audited))
    await asyncio.to_thread(aws.wait_for, lambda: aws.seen)

    only.cancel()
    await asyncio.wait([only])
    for _ in range(10):
        await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() if task.get_name() == "aws-keys"]
    sts.hold.set()
    await _look(audited)

    assert left == []
    assert aws.seen[-1].signer.startswith("ASIAROLE")


async def test_an_answer_without_keys_is_told(audited: AuditContext, aws: Any) -> None:
    """What STS answers without keys is no reason to go on."""
    aws.answer = lambda _: (200, "<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>")

    with pytest.raises(CannotError, match=f"AWS gave no keys for {ARN}"):
        await _look(audited)


@pytest.mark.parametrize(
    "wrong",
    [
        {"arn": "arn:aws:iam::12:role/audit"},
        {"arn": "arn:aws:iam::210987654321:user/audit"},
        {"arn": f"{ARN}\n"},
        {"arn": ARN, "session_name": "a b"},
        {"arn": ARN, "session_name": "a"},
        {"arn": ARN, "external_id": "x"},
        {"arn": ARN, "duration_s": 899},
        {"arn": ARN, "duration_s": 43_201},
    ],
)
def test_what_cannot_be_a_role_is_refused(wrong: dict[str, Any]) -> None:
    """A role's values are checked before anything is asked."""
    with pytest.raises(SettingsError):
        Role(**wrong)


def test_a_role_of_another_partition_is_one() -> None:
    """China and GovCloud have roles too."""
    role = Role("arn:aws-us-gov:iam::210987654321:role/path/audit", external_id="a:b/c")

    assert (role.partition, role.account) == ("aws-us-gov", "210987654321")


def test_keys_do_not_show_themselves() -> None:
    """Neither repr nor str has a secret, and keys are neither pickled nor copied."""
    keys = Keys("AKIAEXAMPLEOFANID", "canary-secret", "canary-token", 5.0)

    shown = f"{keys!r} {keys} {GivenKeys(keys)!r} {[keys]}"
    assert "canary" not in shown
    assert "AKIA" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(keys)
    with pytest.raises(TypeError):
        copy.deepcopy(keys)


def _config(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text, encoding="utf-8")


async def test_a_profile_gives_its_keys(clients: AsyncClientManager, aws: Any, tools: Any, tmp_path: Path) -> None:
    """A profile with keys signs with them."""
    _config(tmp_path, "[profile day]\naws_access_key_id = AKIADAY\naws_secret_access_key = s\n")
    aws.answer = lambda _: (200, "{}")

    await _look(AuditContext(clients.profile("day-account", "day"), tools.region, clients))

    assert aws.seen[-1].signer == "AKIADAY"


async def test_the_environment_gives_its_keys(
    clients: AsyncClientManager, aws: Any, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a profile the environment is looked at."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    aws.answer = lambda _: (200, "{}")

    await _look(AuditContext(clients.profile("here"), tools.region, clients))

    assert aws.seen[-1].signer == "AKIAENV"


async def test_a_profile_assumes_its_role(  # noqa: PLR0917 - fixtures
    clients: AsyncClientManager, aws: Any, sts: STSFake, tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile with a role and a source is resolved by botocore, external id and all."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
    _config(
        tmp_path,
        "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n"
        f"[profile night]\nrole_arn = {ARN}\nsource_profile = base\nexternal_id = ext-9\nregion = {tools.region}\n",
    )
    # botocore judges by the machine's clock
    sts._clock.set_wall(datetime.now(UTC).timestamp())

    await asyncio.gather(
        *(_look(AuditContext(account, tools.region, clients)) for account in [clients.profile("n", "night")] * 5)
    )

    asked = [seen for seen in aws.seen if seen.method == "POST"]
    assert [(each.signer, each.form["ExternalId"]) for each in asked] == [("AKIABASE", "ext-9")]
    assert {seen.signer for seen in aws.seen if seen.method == "GET"} == {"ASIAROLE1"}


async def test_a_profile_that_does_not_exist_is_told(clients: AsyncClientManager, tools: Any) -> None:
    """A missing profile, and nothing at all, are no credentials."""
    for name in ("nobody", ""):
        with pytest.raises(NoCredentials):
            await _look(AuditContext(clients.profile("x", name), tools.region, clients))


SSO = """[profile office]
sso_start_url = https://example.org/start
sso_region = eu-central-1
sso_account_id = 210987654321
sso_role_name = Auditor
"""


async def test_a_sign_on_that_ended_is_told(clients: AsyncClientManager, tools: Any, tmp_path: Path) -> None:
    """Without a sign-on of today the person is told how to log in."""
    _config(tmp_path, SSO)

    with pytest.raises(Expired, match="aws sso login"):
        await _look(AuditContext(clients.profile("office", "office"), tools.region, clients))


SCRIPT = """
import asyncio, sys
from app.agents.auditing.aws.clients.aio import AioBackend
from app.agents.auditing.aws.clients.threads import ThreadBackend

async def main():
    backend = AioBackend() if sys.argv[1] == "AioBackend" else ThreadBackend()
    print((await backend.profile("office").keys()).access_key)

asyncio.run(main())
"""


def test_a_sign_on_gives_keys(backend: Backend, aws: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile with single sign-on asks for its role's keys with the token that the login left."""
    _config(tmp_path, SSO)
    cache = tmp_path / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    name = hashlib.sha1(b"https://example.org/start", usedforsecurity=False).hexdigest()
    (cache / f"{name}.json").write_text(
        json.dumps({"accessToken": "signed-on", "expiresAt": "2999-01-01T00:00:00Z"}), encoding="utf-8"
    )
    keys = {"accessKeyId": "ASIASSO", "secretAccessKey": "s", "sessionToken": "t", "expiration": 32_472_144_000_000}
    aws.answer = lambda _: (200, json.dumps({"roleCredentials": keys}))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", aws.url)
    monkeypatch.setenv("PYTHONPATH", str(Path(app.__file__).parents[1]))

    told = subprocess.run(
        [sys.executable, "-c", SCRIPT, type(backend).__name__], capture_output=True, text=True, check=True, timeout=50
    )

    assert told.stdout.split() == ["ASIASSO"]
    assert aws.seen[0].query == {"account_id": ["210987654321"], "role_name": ["Auditor"]}


async def test_a_service_that_fails_says_so(backend: Backend, aws: Any, tools: Any) -> None:
    """A failing STS is told as out of order, and acting_as leaves nothing behind."""
    aws.answer = lambda _: (500, "<ErrorResponse><Error><Code>InternalFailure</Code></Error></ErrorResponse>")

    async with AsyncClientManager(backend, endpoint_url=aws.url, patience=Patience(attempts=1)) as clients:
        account = clients.assumed(Role(ARN), tools.account(1), tools.region)
        with acting_as(tools.account(2)), pytest.raises(Broken):
            await _look(AuditContext(account, tools.region, clients))
