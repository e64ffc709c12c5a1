"""The slots on HashiCorp Vault, over HTTP, against a stand-in that speaks what its API documentation says.

No HashiCorp Vault runs here: what the stand-in does after the documentation, a real one may do otherwise.
"""

from __future__ import annotations

import base64
import json
import logging
import socket
import ssl
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.domain.errors import SettingsError, SlotClosed, VaultLocked
from app.keys.log.accesslog import AccessLog
from app.keys.log.chain import Action
from app.keys.slots.hashicorp import HashiCorpVault, KeyValueSlot, TransitSlot
from app.keys.slots.recovery import RecoverySlot
from app.keys.slots.slot import bound_to
from app.keys.vault.vault import NewSlot, Vault
from app.keys.vault.vaultfile import VaultFile
from tests.keys.hashicorpfake import TOKEN, HashiCorpVaultContractFake, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from app.keys.slots.slot import Slot

MASTER = bytes(range(32))
BOUND = bound_to("a vault", "a slot", "a kind", "a master key")
SHORT_S = 0.5
PATIENT_S = 30.0
"""For what must not be given up, on a machine that is busy with other things."""
LONG_S = 20.0
"""Far above what a loaded machine needs to notice a deadline of half a second."""


@pytest.fixture
def far() -> Iterator[HashiCorpVaultContractFake]:
    with HashiCorpVaultContractFake() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


KINDS = ["vault-transit", "vault-kv"]


def slot_on(far: HashiCorpVaultContractFake, kind: str, **words: Any) -> Slot:
    words = {"address": far.address, "token": lambda: TOKEN, "deadline_s": PATIENT_S, **words}
    server = HashiCorpVault(**words)
    return TransitSlot(server, "watchkeeper") if kind == "vault-transit" else KeyValueSlot(server)


def closed(ask: Callable[[], object]) -> SlotClosed:
    """Return why it is closed, after it was seen that nothing of a secret comes along."""
    with pytest.raises(SlotClosed) as told:
        ask()
    error = told.value
    assert TOKEN not in f"{error} {error.args!r}"
    assert base64.b64encode(MASTER).decode() not in f"{error} {error.args!r}"
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
def test_a_vault_opens_by_its_server(setting: Any, far: HashiCorpVaultContractFake, kind: str) -> None:
    """What was made with the slot opens in another program, by the server as well as by the recovery code."""
    with_secret(made(setting, slot_on(far, kind)), b"value")

    for opener in (slot_on(far, kind), setting.recovery):
        vault = setting.program()
        record = vault.unlock([opener])

        assert (record.kind, vault.get("A")) == (opener.kind, b"value")


@pytest.mark.parametrize("kind", KINDS)
def test_the_master_key_is_rotated_and_an_old_backup_restored(
    setting: Any, far: HashiCorpVaultContractFake, kind: str
) -> None:
    """After a rotation the slot opens the new file, and secrets of a backup from before come back."""
    vault = made(setting, slot_on(far, kind))
    with_secret(vault, b"old")
    with_secret(vault, b"new")
    backup, before = vault.backups[0], vault.contents.document.master

    rotate(vault, slot_on(far, kind))
    vault.restore(backup)

    again = setting.program()
    again.unlock([slot_on(far, kind)])
    assert again.get("A") == b"old"
    assert again.contents.document.master != before


@pytest.mark.parametrize("kind", KINDS)
def test_a_backup_from_before_many_rotations_opens_by_its_own_slot(
    setting: Any, far: HashiCorpVaultContractFake, kind: str
) -> None:
    """Rotations take nothing from the server that an old file needs, even where one version of each path is kept."""
    far.max_versions = 1
    vault = made(setting, slot_on(far, kind))
    with_secret(vault, b"old")
    old = setting.file.read_bytes()
    for _ in range(4):
        rotate(vault, slot_on(far, kind))
    far.keys["watchkeeper"].append(bytes([9]) * 32)
    setting.file.write_bytes(old)

    again = setting.program()
    again.accept_current([slot_on(far, kind)])

    assert again.get("A") == b"old"


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_killed_between_server_and_file_leaves_the_old_file_good(
    setting: Any, far: HashiCorpVaultContractFake, kind: str
) -> None:
    """The server has the new key, the file is the old one: it opens as before, and the rotation can be repeated."""
    far.max_versions = 1
    with_secret(made(setting, slot_on(far, kind)), b"value")
    old = setting.file.read_bytes()
    dying = Vault(
        VaultFile(setting.folder, on_step=_die),
        setting.anchor,
        AccessLog(setting.folder, setting.clock, program="it"),
        setting.clock,
    )
    dying.unlock([slot_on(far, kind)])
    asked = len(far.told)

    with pytest.raises(_Killed):
        rotate(dying, slot_on(far, kind))

    assert len(far.told) > asked
    assert setting.file.read_bytes() == old
    again = setting.program()
    again.unlock([slot_on(far, kind)])
    rotate(again, slot_on(far, kind))
    assert again.get("A") == b"value"


class _Killed(Exception):
    pass


def _die(step: str) -> None:
    if step == "backup":
        raise _Killed


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_is_in_the_file_and_the_master_key_never_leaves(
    setting: Any, far: HashiCorpVaultContractFake, kind: str
) -> None:
    """The file holds neither token nor slot key; no request holds the master key."""
    vault = made(setting, slot_on(far, kind))

    content, master = setting.file.read_bytes(), bytes(vault.contents.master.key)
    sent = " ".join(told.path + told.body for told in far.told)

    assert TOKEN.encode() not in content
    for name in ("plaintext", "slot_key"):
        for told in far.told:
            body = json.loads(told.body or "{}")
            key = body.get(name) or body.get("data", {}).get(name)
            assert key is None or key.encode() not in content
    for form in (base64.b64encode(master).decode(), master.hex()):
        assert form not in sent


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_that_may_not_read_makes_no_vault(setting: Any, far: HashiCorpVaultContractFake, kind: str) -> None:
    """A policy that lets a key in and not out again is found before anything relies on it."""
    far.denied = [("POST", "/v1/transit/decrypt"), ("GET", "/v1/secret")]

    error = closed(lambda: made(setting, slot_on(far, kind)))

    assert error.state == "refused"
    assert not setting.file.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_why_it_stays_locked_is_said(setting: Any, far: HashiCorpVaultContractFake, kind: str) -> None:
    """The vault tells the server's reason, and that the recovery code is left."""
    made(setting, slot_on(far, kind))
    far.answer = (503, {"Content-Type": "application/json"}, b'{"errors":["Vault is sealed"]}')

    with pytest.raises(VaultLocked) as told:
        setting.program().unlock([slot_on(far, kind)])

    assert "HashiCorp Vault is sealed" in told.value.message
    assert "keys recover" in told.value.hint


# What is kept, and what is asked.


def test_exactly_the_version_that_was_written_is_read(far: HashiCorpVaultContractFake) -> None:
    """What others write to the same path later changes nothing."""
    slot = slot_on(far, "vault-kv")
    body = slot.wrap(MASTER, BOUND)
    far.secrets[str(body["path"])].append(Version({"slot_key": base64.b64encode(bytes(32)).decode()}))

    opened = slot.open(body, BOUND)

    assert opened == MASTER
    assert body["version"] == 1


def test_a_place_that_is_taken_is_left_alone(far: HashiCorpVaultContractFake) -> None:
    """Check-and-set keeps what lies there already."""
    slot = slot_on(far, "vault-kv")
    body = slot.wrap(MASTER, BOUND)

    error = closed(lambda: slot.wrap(MASTER, BOUND))

    assert (error.state, "taken" in error.message) == ("refused", True)
    assert len(far.secrets[str(body["path"])]) == 1


@pytest.mark.parametrize(
    ("fate", "said"), [("deleted", "can be undeleted"), ("destroyed", "was destroyed"), ("unknown", "has no")]
)
def test_a_key_that_is_gone_is_missing(far: HashiCorpVaultContractFake, fate: str, said: str) -> None:
    """Deleted, destroyed and never there are told apart, since only the first can be undone."""
    slot = slot_on(far, "vault-kv")
    body = slot.wrap(MASTER, BOUND)
    version = far.secrets[str(body["path"])][0]
    match fate:
        case "deleted":
            version.deleted = "2024-05-05T00:00:00Z"
        case "destroyed":
            version.destroyed = True
        case _:
            far.secrets.clear()

    error = closed(lambda: slot.open(body, BOUND))

    assert (error.state, said in error.message) == ("missing", True)


def test_a_kept_key_that_is_none_is_damaged(far: HashiCorpVaultContractFake) -> None:
    """What somebody overwrote on the server is told from what is not there."""
    slot = slot_on(far, "vault-kv")
    body = slot.wrap(MASTER, BOUND)
    far.secrets[str(body["path"])][0].data = {"slot_key": "c2hvcnQ="}

    error = closed(lambda: slot.open(body, BOUND))

    assert error.state == "damaged"


def test_a_transit_key_that_was_rotated_still_opens(far: HashiCorpVaultContractFake) -> None:
    """What an older version of the key wrapped is unwrapped until the server forbids it, and then that is said."""
    slot = slot_on(far, "vault-transit")
    body = slot.wrap(MASTER, BOUND)
    far.keys["watchkeeper"].append(bytes([9]) * 32)

    opened = slot.open(body, BOUND)
    far.oldest["watchkeeper"] = 2
    error = closed(lambda: slot.open(body, BOUND))

    assert opened == MASTER
    assert (error.state, "min_decryption_version" in error.hint) == ("refused", True)


def test_a_transit_key_that_is_gone_is_missing(far: HashiCorpVaultContractFake) -> None:
    """Vault answers 400 for it, which is no fault of the request."""
    slot = slot_on(far, "vault-transit")
    body = slot.wrap(MASTER, BOUND)
    far.keys.clear()

    error = closed(lambda: slot.open(body, BOUND))

    assert error.state == "missing"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("knows", [True, False], ids=["new server", "old server"])
def test_a_record_opens_in_its_own_place_only(far: HashiCorpVaultContractFake, kind: str, knows: bool) -> None:  # noqa: FBT001 - a parameter
    """A record that was moved to another slot does not open, also where the server ignores what it is bound to."""
    far.knows_associated_data = knows
    slot = slot_on(far, kind)
    body = slot.wrap(MASTER, BOUND)

    error = closed(lambda: slot.open(body, bound_to("a vault", "another slot", "a kind", "a master key")))

    assert error.state == "damaged"
    assert slot.open(body, BOUND) == MASTER


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_that_goes_takes_nothing_from_the_server(far: HashiCorpVaultContractFake, kind: str) -> None:
    """A backup that has the record still opens, and nothing is asked that would need the right to delete."""
    slot = slot_on(far, kind)
    body = slot.wrap(MASTER, BOUND)
    asked = len(far.told)

    slot.discard(body)

    assert len(far.told) == asked
    assert slot.open(body, BOUND) == MASTER


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "changed",
    [
        {"mount": "../sys"},
        {"key": "../../sys/seal", "path": "../../sys/seal"},
        {"key": "", "path": ""},
        {"wrapped": "vault:v1:", "version": 0},
        {"wrapped": 1, "version": "1"},
    ],
)
def test_a_damaged_record_is_not_followed(
    far: HashiCorpVaultContractFake, kind: str, changed: Mapping[str, str | int]
) -> None:
    """A record is read before anybody has vouched for it: what leads elsewhere on the server is never asked for."""
    slot = slot_on(far, kind)
    body = slot.wrap(MASTER, BOUND)
    asked = len(far.told)

    error = closed(lambda: slot.open({**body, **changed}, BOUND))

    assert error.state == "damaged"
    assert len(far.told) == asked


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["content", "nonce"])
def test_a_damaged_seal_is_said(far: HashiCorpVaultContractFake, kind: str, name: str) -> None:
    """The server gives its key, and the record's seal does not fit."""
    slot = slot_on(far, kind)
    body = slot.wrap(MASTER, BOUND)

    for damage in ({name: "AAAA"}, {name: "no base64"}):
        error = closed(lambda damage=damage: slot.open({**body, **damage}, BOUND))  # type: ignore[misc]

        assert error.state == "damaged"


@pytest.mark.parametrize("kind", KINDS)
def test_the_token_goes_only_where_the_settings_say(far: HashiCorpVaultContractFake, kind: str) -> None:
    """Neither an address in the record nor a redirect takes the token to another server."""
    slot = slot_on(far, kind)
    body = slot.wrap(MASTER, BOUND)
    with HashiCorpVaultContractFake() as thief:
        opened = slot.open({**body, "address": thief.address}, BOUND)
        far.answer = (307, {"Location": thief.address + far.told[-1].path}, b"")
        error = closed(lambda: slot.open(body, BOUND))

        assert thief.told == []
    assert opened == MASTER
    assert error.state == "down"


@pytest.mark.parametrize("kind", KINDS)
def test_where_it_was_made_is_told_when_it_is_missing(far: HashiCorpVaultContractFake, kind: str) -> None:
    """With another server in the settings, the message names the one that has the key."""
    body = slot_on(far, kind).wrap(MASTER, BOUND)
    with HashiCorpVaultContractFake(keys={}) as other:
        error = closed(lambda: slot_on(other, kind).open(body, BOUND))

    assert error.state == "missing"
    assert far.address in error.hint


@pytest.mark.parametrize("kind", KINDS)
def test_the_token_is_read_anew_each_time(far: HashiCorpVaultContractFake, kind: str) -> None:
    """A token that was renewed meanwhile is taken, and the namespace goes along."""
    tokens = ["hvs.first"]
    far.tokens = {"hvs.first"}
    slot = slot_on(far, kind, token=lambda: tokens[-1], namespace="team")
    body = slot.wrap(MASTER, BOUND)
    far.tokens = {"hvs.second"}
    tokens.append("hvs.second\n")

    opened = slot.open(body, BOUND)

    assert opened == MASTER
    assert {told.namespace for told in far.told} == {"team"}


# What goes wrong.

JSON = {"Content-Type": "application/json"}
ECHO = json.dumps({"errors": [f"what came in: {TOKEN} {base64.b64encode(MASTER).decode()}"]}).encode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        ((400, JSON, ECHO), "refused", "does not take the request"),
        ((400, JSON, b'{"errors":["missing client token"]}'), "refused", "sees no token"),
        ((401, JSON, ECHO), "refused", "does not let this token"),
        ((403, JSON, ECHO), "refused", "does not let this token"),
        ((404, JSON, ECHO), "missing", "has no"),
        ((418, JSON, ECHO), "down", "not understood"),
        ((429, JSON, ECHO), "down", "too often"),
        ((500, JSON, ECHO), "down", "out of order"),
        ((501, JSON, ECHO), "down", "not initialized"),
        ((502, {"Content-Type": "text/html"}, b"<h1>Bad gateway</h1>"), "down", "out of order"),
        ((503, JSON, b'{"errors":["Vault is sealed"]}'), "down", "is sealed"),
        ((503, JSON, b"{}"), "down", "out of order"),
        ((503, JSON, b"null"), "down", "could not be asked"),
        ((200, JSON, b"{"), "down", "not understood"),
        ((200, JSON, b"[]"), "down", "not understood"),
        ((200, JSON, b'{"data":null}'), "down", "not understood"),
        ((200, {"Content-Type": "text/html"}, b"<h1>Log in to the hotel</h1>"), "down", "not understood"),
        ((204, {}, b""), "down", "not understood"),
    ],
)
def test_each_answer_says_plainly_why(
    far: HashiCorpVaultContractFake, kind: str, answer: tuple[int, dict[str, str], bytes], state: str, said: str
) -> None:
    """Each way to fail has its state and its words, for wrapping and opening alike, and none of the server's words."""
    slot = slot_on(far, kind)
    body = slot.wrap(MASTER, BOUND)
    far.answer = answer

    errors = [closed(lambda: slot.open(body, BOUND)), closed(lambda: slot.wrap(MASTER, BOUND))]

    assert [(error.kind, error.state) for error in errors] == [(kind, state)] * 2
    assert all(said in error.message for error in errors)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["silent", "drips"])
def test_a_server_that_does_not_answer_is_given_up(far: HashiCorpVaultContractFake, kind: str, how: str) -> None:
    """The deadline is for all of it: a byte now and then does not put it off."""
    body = slot_on(far, kind).wrap(MASTER, BOUND)
    far.misbehaves = how
    slot, began = slot_on(far, kind, deadline_s=SHORT_S), time.monotonic()

    errors = [closed(lambda: slot.open(body, BOUND)), closed(lambda: slot.wrap(MASTER, BOUND))]

    assert [error.state for error in errors] == ["hung"] * 2
    assert 2 * SHORT_S <= time.monotonic() - began < LONG_S


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_that_takes_for_ever_is_given_up(far: HashiCorpVaultContractFake, kind: str) -> None:
    """Where the token comes from may hang as well, and counts."""
    body = slot_on(far, kind).wrap(MASTER, BOUND)
    never = threading.Event()

    def token() -> str:
        never.wait()
        return TOKEN

    error = closed(lambda: slot_on(far, kind, token=token, deadline_s=SHORT_S).open(body, BOUND))

    never.set()
    assert error.state == "hung"


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_is_cut_off_is_none(far: HashiCorpVaultContractFake, kind: str) -> None:
    """Half an answer is not taken for one."""
    slot = slot_on(far, kind)
    body = slot.wrap(MASTER, BOUND)
    far.misbehaves = "cuts"

    error = closed(lambda: slot.open(body, BOUND))

    assert error.state == "down"


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_not_there_is_down(far: HashiCorpVaultContractFake, kind: str) -> None:
    """Nothing listens: the message names the address, and nobody waits for the deadline."""
    body = slot_on(far, kind).wrap(MASTER, BOUND)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"

        error = closed(lambda: slot_on(far, kind, address=address).open(body, BOUND))

    assert (error.state, address in error.hint) == ("down", True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_is_checked(kind: str, tmp_path: Path) -> None:
    """A server whose certificate nobody vouches for is sent nothing; with its authority given, it is used."""
    authority, context = _certified(tmp_path)
    with HashiCorpVaultContractFake() as far:
        far.wear(context)
        address = far.address.replace("http:", "https:")

        error = closed(lambda: slot_on(far, kind, address=address).wrap(MASTER, BOUND))
        assert far.told == []
        slot = slot_on(far, kind, address=address, ca_file=str(authority))
        opened = slot.open(slot.wrap(MASTER, BOUND), BOUND)

    assert (error.state, "not trusted" in error.message) == ("refused", True)
    assert opened == MASTER


def _certified(folder: Path) -> tuple[Path, ssl.SSLContext]:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "authority.pem", folder / "private.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return pem, context


def _raises() -> str:
    raise OSError(f"no such helper: {TOKEN}")


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (_raises, "(OSError)"),
        (lambda: "", "no token"),
        (lambda: f"{TOKEN}\nX-Another: header", "no token"),
        (lambda: f"{TOKEN}\u00e9", "no token"),
    ],
    ids=["fails", "empty", "two lines", "not ASCII"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_without_a_token_nothing_is_asked(
    far: HashiCorpVaultContractFake, kind: str, token: Callable[[], str], said: str
) -> None:
    """A token that cannot be had, or cannot be one, is said without showing it."""
    error = closed(lambda: slot_on(far, kind, token=token).wrap(MASTER, BOUND))

    assert (error.state, said in error.message) == ("refused", True)
    assert far.told == []


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_extra_it_says_what_to_install(
    far: HashiCorpVaultContractFake, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an installation without hvac, only the use of the slot fails."""
    monkeypatch.setitem(sys.modules, "hvac", None)

    error = closed(lambda: slot_on(far, kind).wrap(MASTER, BOUND))

    assert (error.state, "watchkeeper[hashicorp]" in error.message) == ("absent", True)
    assert error.hint == "Install it: pip install 'watchkeeper[hashicorp]'"


@pytest.mark.parametrize(
    "address",
    [
        "http://vault.example.org:8200",
        "http://127.0.0.1.example.org",
        "https://user:password@vault.example.org",
        "https://vault.example.org/?token=x",
        "ftp://127.0.0.1",
        "vault.example.org:8200",
        "https://[::1",
        "https://vault.example.org:port",
        "",
    ],
)
def test_keys_are_not_sent_in_the_open(address: str) -> None:
    """An address that is none, that holds a password, or that leads over the network unencrypted is not taken."""
    with pytest.raises(SettingsError) as told:
        HashiCorpVault(address, lambda: TOKEN)

    assert "password" not in str(told.value)


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "../a", "a/../b", "a b", "a?b", "a" * 401])
def test_a_name_that_leads_elsewhere_is_not_taken(name: str) -> None:
    """The settings' names of key, mount and prefix stay in their place."""
    server = HashiCorpVault("https://vault.example.org", lambda: TOKEN)

    for make in (
        lambda: TransitSlot(server, name),
        lambda: TransitSlot(server, "a", mount=name),
        lambda: KeyValueSlot(server, mount=name),
        lambda: KeyValueSlot(server, prefix=name),
    ):
        with pytest.raises(SettingsError):
            make()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_logged_of_it(far: HashiCorpVaultContractFake, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Even where every library logs everything, neither token nor slot key is in it."""
    caplog.set_level(logging.DEBUG)
    slot = slot_on(far, kind)

    body = slot.wrap(MASTER, BOUND)
    far.answer = (403, JSON, ECHO)
    closed(lambda: slot.open(body, BOUND))

    sent = json.loads(far.told[0].body)
    key = sent["plaintext"] if kind == "vault-transit" else sent["data"]["slot_key"]
    assert "127.0.0.1" in caplog.text
    assert TOKEN not in caplog.text
    assert key not in caplog.text
    assert TOKEN not in repr(vars(slot))
