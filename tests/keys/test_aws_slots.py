"""The slots on AWS, over HTTP on loopback, against moto's KMS and Secrets Manager.

What moto never does, a stand-in before it does. Nothing here speaks to AWS.
"""

from __future__ import annotations

import base64
import json
import logging
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import boto3
import pytest
from moto.server import ThreadedMotoServer

from app.domain.errors import SettingsError, SlotClosed, VaultLocked
from app.keys.log.accesslog import AccessLog
from app.keys.log.chain import Action
from app.keys.slots.aws import Aws, KmsSlot, SecretsManagerSlot
from app.keys.slots.recovery import RecoverySlot
from app.keys.slots.slot import bound_to
from app.keys.vault.vault import NewSlot, Vault
from app.keys.vault.vaultfile import VaultFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from app.keys.slots.slot import Slot

REGION = "eu-central-1"
KEY_ID, SECRET = "AKIACANARYOFANID", "canary-of-a-secret-access-key"
SESSION = "canary-of-a-session-token"
MASTER = bytes(range(32))
BOUND = bound_to("a vault", "a slot", "a kind", "a master key")
ALIAS = "alias/watchkeeper"
SHORT_S = 0.5
PATIENT_S = 30.0
"""For what must not be given up, on a machine that is busy with other things."""
LONG_S = 20.0
"""Far above what a loaded machine needs to notice a deadline of half a second."""

BY_MOTO = (0, b"")
"""In the place of an answer: moto gives it."""

KINDS = ["aws-kms", "aws-secretsmanager"]


@dataclass
class Account:
    """What moto keeps, as an administrator reaches it."""

    url: str
    kms: Any
    secrets: Any

    def post(self, path: str, content: bytes = b"") -> None:
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.url}/moto-api/{path}", data=content, headers={"Content-Type": "text/plain"}
        )
        urllib.request.urlopen(request, timeout=LONG_S).close()  # noqa: S310 - likewise

    def deny(self) -> None:
        """Have moto check who asks, from now on."""
        self.post("reset-auth", b"0")


@pytest.fixture(scope="module")
def moto() -> Iterator[Account]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    session = boto3.session.Session(aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET, region_name=REGION)
    yield Account(url, session.client("kms", endpoint_url=url), session.client("secretsmanager", endpoint_url=url))
    server.stop()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": SESSION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def account(moto: Account) -> Iterator[Account]:
    moto.post("reset")
    moto.kms.create_alias(AliasName=ALIAS, TargetKeyId=moto.kms.create_key()["KeyMetadata"]["KeyId"])
    yield moto
    moto.post("reset-auth", b"inf")


@dataclass
class AwsTroubleFake:
    """Stands before moto, and answers in its place as long as it is told to.

    Attributes:
        url: Moto's.
        answers: Status and body, or BY_MOTO, one for each request; when there are no more, moto answers.
        misbehaves: `silent`: never answers; `drips`: a byte now and then; `cuts`: half an answer.
        told: The bodies of all requests.
    """

    url: str
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    misbehaves: str = ""
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take a free port."""
        self._released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of all that was kept waiting, and end."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.told.append(content.decode())
        if self.misbehaves == "silent":
            self._released.wait()
            return
        if self.misbehaves == "drips":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self._released.wait(0.05):
                handler.wfile.write(b".")
            return
        status, answer = self.answers.pop(0) if self.answers else BY_MOTO
        if (status, answer) == BY_MOTO:
            status, answer = self._by_moto(handler, content)
        handler.send_response(status)
        handler.send_header("Content-Type", "application/x-amz-json-1.1")
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer[: len(answer) // 2] if self.misbehaves == "cuts" else answer)

    def _by_moto(self, handler: BaseHTTPRequestHandler, content: bytes) -> tuple[int, bytes]:
        headers = {name: handler.headers[name] for name in ("Content-Type", "X-Amz-Target", "Authorization")}
        request = urllib.request.Request(self.url, data=content, headers=headers)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=LONG_S) as answer:  # noqa: S310 - likewise
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that give up are what is tested."""


def _handler_of(fake: AwsTroubleFake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            fake.serve(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def trouble(account: Account) -> Iterator[AwsTroubleFake]:
    """Stands before moto."""
    with AwsTroubleFake(account.url) as fake:
        yield fake


@pytest.fixture
def alone() -> Iterator[AwsTroubleFake]:
    """With no moto behind it."""
    with AwsTroubleFake("") as fake:
        yield fake


def placed(kind: str) -> Mapping[str, str | int]:
    """Return a record as it stands in a file, for tests that do not get as far as what it holds."""
    arn, sealed = f"arn:aws:{kind[4:]}:{REGION}:123456789012:", {"content": "A" * 64, "nonce": "A" * 16}
    if kind == "aws-kms":
        return {"key": f"{arn}key/1234-5678", "wrapped": "A" * 64, **sealed}
    return {"secret": f"{arn}secret:watchkeeper/1234-AbCdEf", "version": "a" * 36, **sealed}


def slot_on(url: str, kind: str, **words: Any) -> Slot:
    aws = Aws(REGION, endpoint_url=url, **{"deadline_s": PATIENT_S, **words})
    return KmsSlot(aws, ALIAS) if kind == "aws-kms" else SecretsManagerSlot(aws)


def closed(ask: Callable[[], object]) -> SlotClosed:
    """Return why it is closed, after it was seen that nothing of a secret comes along."""
    with pytest.raises(SlotClosed) as told:
        ask()
    error = told.value
    for secret in (KEY_ID, SECRET, SESSION, base64.b64encode(MASTER).decode()):
        assert secret not in f"{error} {error.args!r}"
    assert (error.__cause__, error.__context__) == (None, None)
    assert error.hint
    return error


def with_secret(vault: Vault, value: bytes) -> None:
    vault.change(Action.SET, "A", lambda contents, now: contents.with_secret("A", value, now))


def made(setting: Any, slot: Slot) -> Vault:
    vault = setting.program()
    vault.create([NewSlot(slot), NewSlot(setting.recovery)])
    return vault


def rotate(vault: Vault, slot: Slot) -> None:
    ids = {record.kind: record.id for record in vault.contents.document.slots}
    vault.rotate_master({ids[slot.kind]: slot, ids["recovery"]: RecoverySlot()})


# With a vault.


@pytest.mark.parametrize("kind", KINDS)
def test_a_vault_opens_by_aws(setting: Any, account: Account, kind: str) -> None:
    """What was made with the slot opens in another program, by AWS as well as by the recovery code."""
    with_secret(made(setting, slot_on(account.url, kind)), b"value")

    for opener in (slot_on(account.url, kind), setting.recovery):
        vault = setting.program()
        record = vault.unlock([opener])

        assert (record.kind, vault.get("A")) == (opener.kind, b"value")


@pytest.mark.parametrize("kind", KINDS)
def test_the_master_key_is_rotated_and_an_old_backup_restored(setting: Any, account: Account, kind: str) -> None:
    """After a rotation the slot opens the new file, and secrets of a backup from before come back."""
    vault = made(setting, slot_on(account.url, kind))
    with_secret(vault, b"old")
    with_secret(vault, b"new")
    backup, before = vault.backups[0], vault.contents.document.master

    rotate(vault, slot_on(account.url, kind))
    vault.restore(backup)

    again = setting.program()
    again.unlock([slot_on(account.url, kind)])
    assert again.get("A") == b"old"
    assert again.contents.document.master != before


@pytest.mark.parametrize("kind", KINDS)
def test_a_backup_from_before_many_rotations_opens_by_its_own_slot(setting: Any, account: Account, kind: str) -> None:
    """Rotations take nothing from AWS that an old file needs, however many there were."""
    vault = made(setting, slot_on(account.url, kind))
    with_secret(vault, b"old")
    old = setting.file.read_bytes()
    for _ in range(4):
        rotate(vault, slot_on(account.url, kind))
    setting.file.write_bytes(old)

    again = setting.program()
    again.accept_current([slot_on(account.url, kind)])

    assert again.get("A") == b"old"


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_killed_between_aws_and_file_leaves_the_old_file_good(
    setting: Any, trouble: AwsTroubleFake, kind: str
) -> None:
    """AWS has the new key, the file is the old one: it opens as before, and the rotation can be repeated."""
    with_secret(made(setting, slot_on(trouble.address, kind)), b"value")
    old = setting.file.read_bytes()
    log = AccessLog(setting.folder, setting.clock, program="it")
    dying = Vault(VaultFile(setting.folder, on_step=_die), setting.anchor, log, setting.clock)
    dying.unlock([slot_on(trouble.address, kind)])
    asked = len(trouble.told)

    with pytest.raises(_Killed):
        rotate(dying, slot_on(trouble.address, kind))

    assert len(trouble.told) > asked
    assert setting.file.read_bytes() == old
    again = setting.program()
    again.unlock([slot_on(trouble.address, kind)])
    rotate(again, slot_on(trouble.address, kind))
    assert again.get("A") == b"value"


class _Killed(Exception):
    pass


def _die(step: str) -> None:
    if step == "backup":
        raise _Killed


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_is_in_the_file_and_the_master_key_never_leaves(
    setting: Any, trouble: AwsTroubleFake, kind: str
) -> None:
    """The file holds neither credentials nor slot key; no request holds the master key."""
    vault = made(setting, slot_on(trouble.address, kind))

    content, master = setting.file.read_bytes(), bytes(vault.contents.master.key)
    sent = json.loads(trouble.told[0])

    for secret in (KEY_ID, SECRET, SESSION, sent["Plaintext" if kind == "aws-kms" else "SecretString"]):
        assert secret.encode() not in content
    for form in (base64.b64encode(master).decode(), master.hex()):
        assert form not in " ".join(trouble.told)


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_that_does_not_let_the_key_out_makes_no_vault(
    setting: Any, trouble: AwsTroubleFake, kind: str
) -> None:
    """Credentials that may put a key in and not get it out are found before anything relies on them."""
    trouble.answers = [BY_MOTO, answer("AccessDeniedException")]

    error = closed(lambda: made(setting, slot_on(trouble.address, kind)))

    assert error.state == "refused"
    assert not setting.file.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_why_it_stays_locked_is_said(setting: Any, account: Account, kind: str) -> None:
    """The vault tells why AWS does not open it, and that the recovery code is left."""
    made(setting, slot_on(account.url, kind))
    account.deny()

    with pytest.raises(VaultLocked) as told:
        setting.program().unlock([slot_on(account.url, kind)])

    assert [reason.state for reason in told.value.reasons] == ["refused"]
    assert "does not let these credentials" in told.value.message
    assert "keys recover" in told.value.hint


# What is kept, and what is asked.


def test_an_alias_may_be_turned_to_another_key(account: Account) -> None:
    """The record names the key itself."""
    slot, kms = slot_on(account.url, "aws-kms"), account.kms
    body = slot.wrap(MASTER, BOUND)

    kms.update_alias(AliasName=ALIAS, TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])

    assert slot.open(body, BOUND) == MASTER
    assert slot.wrap(MASTER, BOUND)["key"] != body["key"]


def test_kms_is_told_what_the_record_is_bound_to(trouble: AwsTroubleFake) -> None:
    """KMS logs and checks a digest of it as the encryption context, so another record's ciphertext is refused."""
    slot = slot_on(trouble.address, "aws-kms")
    body = slot.wrap(MASTER, BOUND)

    error = closed(lambda: slot.open(body, b"another place"))

    contexts = [json.loads(told)["EncryptionContext"]["watchkeeper"] for told in trouble.told]
    assert [len(context) for context in contexts] == [64, 64, 64]
    assert contexts[0] == contexts[1] != contexts[2]
    assert (error.state, "wrapped" in error.message) == ("damaged", True)


def test_exactly_the_version_that_was_written_is_read(account: Account) -> None:
    """A value that somebody put into the secret later changes nothing."""
    slot = slot_on(account.url, "aws-secretsmanager")
    body = slot.wrap(MASTER, BOUND)

    account.secrets.put_secret_value(SecretId=body["secret"], SecretString="another")

    assert slot.open(body, BOUND) == MASTER


def test_a_place_that_is_taken_is_left_alone(account: Account) -> None:
    """A secret of the same name is not written over."""
    slot = slot_on(account.url, "aws-secretsmanager")
    body = slot.wrap(MASTER, BOUND)

    error = closed(lambda: slot.wrap(MASTER, BOUND))

    assert (error.state, "taken" in error.message) == ("refused", True)
    assert slot.open(body, BOUND) == MASTER


def test_whoever_finds_the_secret_reads_what_it_is_for(account: Account) -> None:
    """Its description says what is lost with it."""
    body = slot_on(account.url, "aws-secretsmanager").wrap(MASTER, BOUND)

    found = account.secrets.describe_secret(SecretId=body["secret"])

    assert "Watchkeeper vault" in found["Description"]


@pytest.mark.parametrize(("forced", "said"), [(False, "waits for its deletion"), (True, "has no secret")])
def test_a_secret_that_is_gone_is_missing(account: Account, forced: bool, said: str) -> None:  # noqa: FBT001 - a parameter
    """One that can still be restored is told from one that cannot."""
    slot = slot_on(account.url, "aws-secretsmanager")
    body = slot.wrap(MASTER, BOUND)
    account.secrets.delete_secret(SecretId=body["secret"], ForceDeleteWithoutRecovery=forced)

    error = closed(lambda: slot.open(body, BOUND))

    assert (error.state, said in error.message) == ("missing", True)


def test_a_kms_key_that_is_not_there_is_missing(account: Account) -> None:
    """A slip in the alias is no refusal."""
    slot = KmsSlot(Aws(REGION, endpoint_url=account.url), "alias/no-such")

    error = closed(lambda: slot.wrap(MASTER, BOUND))

    assert (error.state, "alias/no-such" in error.message) == ("missing", True)


def test_what_secrets_manager_does_not_find_at_once_is_waited_for(trouble: AwsTroubleFake) -> None:
    """It is eventually consistent: a secret that was just made may be missing for a moment."""
    pauses: list[float] = []
    slot = SecretsManagerSlot(Aws(REGION, endpoint_url=trouble.address), pause=pauses.append)
    trouble.answers = [BY_MOTO, answer("ResourceNotFoundException"), answer("ResourceNotFoundException")]

    body = slot.wrap(MASTER, BOUND)

    assert len(pauses) == 2
    assert slot.open(body, BOUND) == MASTER


def test_a_kept_key_that_is_none_is_damaged(trouble: AwsTroubleFake) -> None:
    """What somebody overwrote is told from what is not there."""
    slot = slot_on(trouble.address, "aws-secretsmanager")
    body = slot.wrap(MASTER, BOUND)
    trouble.answers = [(200, json.dumps({"SecretString": "c2hvcnQ="}).encode())]

    error = closed(lambda: slot.open(body, BOUND))

    assert error.state == "damaged"


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_opens_in_its_own_place_only(account: Account, kind: str) -> None:
    """A record that was moved to another slot does not open, though AWS gives its key."""
    slot = slot_on(account.url, kind)
    body = slot.wrap(MASTER, BOUND)

    error = closed(lambda: slot.open(body, bound_to("a vault", "another slot", "a kind", "a master key")))

    assert error.state == "damaged"


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_that_goes_takes_nothing_from_the_server(trouble: AwsTroubleFake, kind: str) -> None:
    """A backup that has the record still opens, and nothing is asked that would need the right to delete."""
    slot = slot_on(trouble.address, kind)
    body = slot.wrap(MASTER, BOUND)
    asked = len(trouble.told)

    slot.discard(body)

    assert len(trouble.told) == asked
    assert slot.open(body, BOUND) == MASTER


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "changed",
    [
        {"key": "alias/another", "secret": "another"},
        {"key": "arn:aws:kms:x.example.org/#:123456789012:key/a", "secret": "arn:aws:secretsmanager:x/#:1:secret:a"},
        {"wrapped": "A", "version": "AWSPREVIOUS"},
        {"wrapped": 1, "version": 1},
        {"wrapped": "A" * 17, "version": ""},
    ],
)
def test_a_damaged_record_is_not_followed(alone: AwsTroubleFake, kind: str, changed: Mapping[str, str | int]) -> None:
    """A record is read before anybody has vouched for it: what is not as it was written is never asked for."""
    slot = slot_on(alone.address, kind)

    error = closed(lambda: slot.open({**placed(kind), **changed}, BOUND))

    assert error.state == "damaged"
    assert alone.told == []


# What goes wrong.


def answer(code: str, status: int = 400, message: str = "") -> tuple[int, bytes]:
    return status, json.dumps({"__type": code, "message": message or f"it was {SESSION}, {SECRET}"}).encode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("given", "state", "said"),
    [
        (answer("AccessDeniedException"), "refused", "does not let these credentials"),
        (answer("UnrecognizedClientException"), "refused", "does not let these credentials"),
        (answer("SomethingNew", 403), "refused", "does not let these credentials"),
        (answer("ExpiredTokenException"), "refused", "have expired"),
        (answer("DisabledException"), "refused", "is disabled"),
        (answer("InvalidKeyUsageException"), "refused", "not one to encrypt with"),
        (answer("DecryptionFailure"), "refused", "cannot use the KMS key"),
        (answer("InvalidParameterException"), "refused", "does not take the request"),
        (
            answer("InvalidRequestException", 400, "it is for canary-of-a-session-token only"),
            "refused",
            "does not take",
        ),
        (answer("KMSInvalidStateException"), "missing", "waiting for its deletion"),
        (answer("NotFoundException"), "missing", "has no"),
        (answer("SomethingNew", 404), "missing", "has no"),
        (answer("IncorrectKeyException"), "damaged", "not what the"),
        (answer("ThrottlingException"), "down", "too often"),
        (answer("SomethingNew", 429), "down", "too often"),
        (answer("KMSInternalException", 500), "down", "out of order"),
        (answer("InternalServiceError", 500), "down", "out of order"),
        ((503, b"<h1>Service unavailable</h1>"), "down", "out of order"),
        ((200, b"<h1>Log in to the hotel</h1>"), "down", "not understood"),
        ((200, b"{}"), "down", "not understood"),
    ],
)
def test_each_answer_says_plainly_why(
    alone: AwsTroubleFake, kind: str, given: tuple[int, bytes], state: str, said: str
) -> None:
    """Each way to fail has its state and its words, none of AWS' own, and is asked for once: no storm of retries."""
    slot = slot_on(alone.address, kind)
    alone.answers = [given, given]

    errors = [closed(lambda: slot.open(placed(kind), BOUND)), closed(lambda: slot.wrap(MASTER, BOUND))]

    assert [(error.kind, error.state) for error in errors] == [(kind, state)] * 2
    assert all(said in error.message for error in errors)
    assert len(alone.told) == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["silent", "drips"])
def test_an_aws_that_does_not_answer_is_given_up(alone: AwsTroubleFake, kind: str, how: str) -> None:
    """The deadline is for all of it: a byte now and then does not put it off."""
    alone.misbehaves = how
    slot, began = slot_on(alone.address, kind, deadline_s=SHORT_S), time.monotonic()

    errors = [closed(lambda: slot.open(placed(kind), BOUND)), closed(lambda: slot.wrap(MASTER, BOUND))]

    assert [error.state for error in errors] == ["hung"] * 2
    assert 2 * SHORT_S <= time.monotonic() - began < LONG_S


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_is_cut_off_is_none(alone: AwsTroubleFake, kind: str) -> None:
    """Half an answer is not taken for one."""
    slot = slot_on(alone.address, kind)
    alone.misbehaves = "cuts"

    error = closed(lambda: slot.wrap(MASTER, BOUND))

    assert error.state == "down"


@pytest.mark.parametrize("kind", KINDS)
def test_an_aws_that_cannot_be_reached_is_down(kind: str) -> None:
    """Nothing listens: nobody waits for the deadline."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

        error = closed(lambda: slot_on(url, kind).open(placed(kind), BOUND))

    assert (error.state, "cannot be reached" in error.message) == ("down", True)


@pytest.mark.parametrize("kind", KINDS)
def test_without_credentials_nothing_is_asked(
    alone: AwsTroubleFake, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that nobody has logged in on, and a profile that is none, are told from a refusal by AWS."""
    unknown = closed(lambda: slot_on(alone.address, kind, profile="no-such").wrap(MASTER, BOUND))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    nobody = closed(lambda: slot_on(alone.address, kind).wrap(MASTER, BOUND))

    assert (unknown.state, "no profile 'no-such'" in unknown.message) == ("refused", True)
    assert (nobody.state, "no credentials" in nobody.message) == ("refused", True)
    assert alone.told == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_profile_is_taken(account: Account, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The credentials are those of the profile that the settings name."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    credentials = tmp_path / "credentials"
    credentials.write_text(f"[team]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    slot = slot_on(account.url, kind, profile="team")

    assert slot.open(slot.wrap(MASTER, BOUND), BOUND) == MASTER


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_extra_it_says_what_to_install(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an installation without boto3, only the use of the slot fails."""
    monkeypatch.setitem(sys.modules, "boto3", None)

    error = closed(lambda: slot_on("", kind).wrap(MASTER, BOUND))

    assert (error.state, "watchkeeper[aws]" in error.message) == ("absent", True)
    assert error.hint == "Install it: pip install 'watchkeeper[aws]'"


@pytest.mark.parametrize("url", ["http://aws.example.org", "https://user:password@aws.example.org", "aws.example.org"])
def test_keys_are_not_sent_in_the_open(url: str) -> None:
    """An address that is none, that holds a password, or that leads over the network unencrypted is not taken."""
    with pytest.raises(SettingsError) as told:
        Aws(REGION, endpoint_url=url)

    assert "password" not in str(told.value)


@pytest.mark.parametrize("region", ["", "EU", "eu-central-1.example.org", "eu central"])
def test_a_region_that_is_none_is_not_taken(region: str) -> None:
    """It becomes part of a host's name."""
    with pytest.raises(SettingsError):
        Aws(region)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_logged_of_it(trouble: AwsTroubleFake, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Even where every library logs everything, neither credentials nor slot key are in it."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="botocore")
    slot = slot_on(trouble.address, kind)

    slot.open(slot.wrap(MASTER, BOUND), BOUND)

    sent = json.loads(trouble.told[0])
    assert "127.0.0.1" in caplog.text
    for secret in (SECRET, SESSION, sent["Plaintext" if kind == "aws-kms" else "SecretString"]):
        assert secret not in caplog.text
