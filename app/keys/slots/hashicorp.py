"""HashiCorp Vault as a slot: transit wraps the slot key, or the key/value store keeps it.

Needs the extra `watchkeeper[hashicorp]`, hvac, which is imported with the first use. After HashiCorp's HTTP API
documentation of the transit and KV version 2 secrets engines.

What the token's policy must allow:

    transit  update on MOUNT/encrypt/KEY and MOUNT/decrypt/KEY. Not create on the first: with it, Vault makes a key of
             any name that it is asked for, and a slip in the name goes unnoticed.
    kv       create and read on MOUNT/data/PREFIX/*. Neither update nor delete.

Each wrap under `kv` writes to a new path with check-and-set 0, which Vault refuses where anything was before. Further
versions of one path would not do: the store drops the oldest ones (`max_versions`, ten by default), and a backup may
need one. The vault's file names path and version, and that version is read.
"""

from __future__ import annotations

import re
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from app.keys.slots.server import (
    ANOTHER_WAY,
    DEADLINE_S,
    NOTE,
    ServerSlot,
    digest_of,
    is_path,
    name_for,
    require_path,
    require_private,
)
from app.keys.vault.document import to_base64

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from app.domain.errors import SlotClosed
    from app.keys.slots.server import Faults
    from app.keys.slots.slot import Body

TRANSIT_MOUNT = "transit"
KV_MOUNT = "secret"
PREFIX = "watchkeeper"
FIELD = "slot_key"

_ANY = re.compile(r"[ -~]{1,400}")
_WRAPPED = re.compile(r"vault:v[0-9]{1,9}:[A-Za-z0-9+/=]{16,4096}")
_LIBRARY_GRACE_S = 1.0
"""The library's timeout is that much longer than ours, so that ours tells what happened."""


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer that is an error, and what it means.

    Attributes:
        error: The name of hvac's exception, one for each HTTP status.
        words: What stands in the answer, in small letters; empty for whatever stands there.
        state: As in SlotClosed.
        message: Likewise; `{what}` is what was asked for, `{fate}` why it is gone.
        hint: Likewise; `{elsewhere}` says where it was made.
    """

    error: str
    words: str
    state: str
    message: str
    hint: str


_SAID = (
    _Said("InvalidPath", "", "missing", "HashiCorp Vault has no {what}{fate}.", "{elsewhere}"),
    _Said("InvalidRequest", "key not found", "missing", "HashiCorp Vault has no {what}.", "{elsewhere}"),
    _Said("InvalidRequest", "policy not found", "missing", "HashiCorp Vault has no {what}.", "{elsewhere}"),
    _Said(
        "InvalidRequest",
        "check-and-set",
        "refused",
        "The place in the {what} is taken already.",
        "Try again, or ask who else writes there.",
    ),
    _Said(
        "InvalidRequest",
        "missing client token",
        "refused",
        "HashiCorp Vault sees no token.",
        "See whether a proxy takes it away.",
    ),
    _Said(
        "InvalidRequest",
        "too old",
        "refused",
        "HashiCorp Vault no longer decrypts what an older version of the {what} wrapped.",
        "Have its min_decryption_version lowered, or use the recovery code: watchkeeper keys recover",
    ),
    _Said("InvalidRequest", "ciphertext", "damaged", "This is not what the {what} wrapped.", ANOTHER_WAY),
    _Said("InvalidRequest", "authentication failed", "damaged", "This is not what the {what} wrapped.", ANOTHER_WAY),
    _Said(
        "InvalidRequest",
        "",
        "refused",
        "HashiCorp Vault does not take the request for the {what}.",
        "A transit key must be of type aes256-gcm96 and not derived, a key/value store of version 2.",
    ),
    *(
        _Said(
            error,
            "",
            "refused",
            "HashiCorp Vault does not let this token use the {what}.",
            "Renew it, or see its policy.",
        )
        for error in ("Unauthorized", "Forbidden")
    ),
    _Said("RateLimitExceeded", "", "down", "HashiCorp Vault is asked too often.", "Try again in a minute."),
    _Said("VaultDown", "sealed", "down", "HashiCorp Vault is sealed.", "Have it unsealed, and try again."),
    _Said("VaultNotInitialized", "", "down", "HashiCorp Vault is not initialized.", "Ask who runs it."),
    *(
        _Said(error, "", "down", "HashiCorp Vault is out of order.", "Try again later, or ask who runs it.")
        for error in ("InternalServerError", "BadGateway", "VaultDown")
    ),
)
"""The first that fits counts. Texts of Vault's transit and KV engines, as of 1.x."""


@dataclass(frozen=True, slots=True)
class HashiCorpVault:
    """A server, and how to speak to it.

    Attributes:
        address: `https://vault.example.org:8200`. Plain http is for this machine only.
        token: Gives the token; called anew, in a thread, each time that the server is asked.
        namespace: Of Vault Enterprise; may be empty.
        ca_file: The certificates to trust, a PEM file; empty for those of VAULT_CACERT, or the usual ones.
        deadline_s: How long one `wrap` or `open` may take.
    """

    address: str
    token: Callable[[], str] = field(repr=False)
    namespace: str = ""
    ca_file: str = ""
    deadline_s: float = DEADLINE_S

    def __post_init__(self) -> None:
        """Check the address.

        Raises:
            SettingsError: The token must not be sent there.
        """
        require_private("HashiCorp Vault", self.address)


class _Adapter(Protocol):
    def close(self) -> None: ...


class _Transit(Protocol):
    def encrypt_data(self, name: str, *, plaintext: str, associated_data: str, mount_point: str) -> object: ...

    def decrypt_data(self, name: str, *, ciphertext: str, associated_data: str, mount_point: str) -> object: ...


class _KeyValue(Protocol):
    def create_or_update_secret(
        self, path: str, secret: Mapping[str, str], *, cas: int, mount_point: str
    ) -> object: ...

    def read_secret_version(
        self, path: str, *, version: int, mount_point: str, raise_on_deleted_version: bool
    ) -> object: ...


class _Versions(Protocol):
    v2: _KeyValue


class _Engines(Protocol):
    transit: _Transit
    kv: _Versions


class _Client(Protocol):
    adapter: _Adapter
    secrets: _Engines


class _HashiCorpSlot(ServerSlot):
    whose: ClassVar[str] = "HashiCorp Vault"

    def __init__(self, server: HashiCorpVault) -> None:
        super().__init__(server.deadline_s)
        self._server = server

    @contextmanager
    def _asking(self, what: str, made_at: str = "") -> Iterator[_Engines]:
        """Give the server's engines; what hvac raises meanwhile is converted.

        Args:
            what: What is asked for, as the messages name it.
            made_at: The address at which it was made, as the record says.
        """
        client = self._client()
        faults = import_module("hvac.exceptions")
        transport = import_module("requests.exceptions")
        try:
            with closing(client.adapter):
                yield client.secrets
        except faults.VaultError as error:
            raise self._answered(error, what, made_at) from None
        except transport.RequestException as error:
            raise self._unreached(error, transport) from None

    def _client(self) -> _Client:
        try:
            hvac = import_module("hvac")
        except ImportError:
            raise self._closed(
                "absent",
                "HashiCorp Vault needs watchkeeper[hashicorp], which is not installed.",
                "Install it: pip install 'watchkeeper[hashicorp]'",
            ) from None
        server = self._server
        client = hvac.Client(
            url=server.address,
            token=self._token(),
            verify=server.ca_file or None,
            namespace=server.namespace or None,
            timeout=server.deadline_s + _LIBRARY_GRACE_S,
            # requests takes X-Vault-Token along to whatever host a redirect names
            allow_redirects=False,
        )
        return cast("_Client", client)

    def _token(self) -> str:
        try:
            token = self._server.token().strip()
        except Exception as error:  # noqa: BLE001 - the settings say where it comes from: a file, a program, ...
            raise self._closed(
                "refused",
                f"The token for HashiCorp Vault cannot be had ({type(error).__name__}).",
                "See where the settings take it from.",
            ) from None
        if not token or not token.isascii() or not token.isprintable():
            raise self._closed(
                "refused", "There is no token for HashiCorp Vault.", "Log in to it: vault login; or see the settings."
            )
        return token

    def _made_at(self, body: Mapping[str, str | int]) -> str:
        """Return the address that a record names, to be shown: a token goes only where the settings say."""
        return self._text(body, "address", _ANY)

    def _found(self, answer: object, *names: str) -> object:
        for name in names:
            if not isinstance(answer, dict) or name not in answer:
                raise self._not_understood()
            answer = answer[name]
        return answer

    def _answered(self, error: Exception, what: str, made_at: str) -> SlotClosed:
        """Return what an error says that Vault answered.

        Only words that are known are looked for, and none is shown: an answer may echo what it was sent.
        """
        words = " ".join(str(each) for each in getattr(error, "errors", None) or ()).lower()
        elsewhere = f"See whether {self._server.address} is where it was made"
        elsewhere += f": that was {made_at}." if made_at and made_at != self._server.address else "."
        for each in _SAID:
            if each.error == type(error).__name__ and each.words in words:
                fill = {"what": what, "fate": _fate(error), "elsewhere": f"{elsewhere} {ANOTHER_WAY}"}
                return self._closed(each.state, each.message.format(**fill), each.hint.format(**fill))
        return self._not_understood()

    def _unreached(self, error: Exception, transport: Faults) -> SlotClosed:
        match error:
            case transport.SSLError():
                return self._closed(
                    "refused", "The certificate of HashiCorp Vault is not trusted.", "Give its authority: ca_file"
                )
            case transport.Timeout():
                return self._closed("hung", "HashiCorp Vault did not answer in time.", "Try again.")
            case transport.ConnectionError() | transport.ChunkedEncodingError():
                return self._closed(
                    "down",
                    "HashiCorp Vault cannot be reached, or ended the connection.",
                    f"See whether it runs at {self._server.address} and can be reached from here.",
                )
            case _:
                return self._not_understood()


def _fate(error: Exception) -> str:
    """Return why a version is not there, where the store tells."""
    match getattr(error, "json", None):
        case {"data": {"metadata": {"destroyed": True}}}:
            return ": it was destroyed"
        case {"data": {"metadata": {"deletion_time": str(when)}}} if when:
            return ": it was deleted, and can be undeleted"
    return ""


class TransitSlot(_HashiCorpSlot):
    """The slot key wrapped by a key that never leaves HashiCorp Vault.

    The key may be rotated there as one likes: what was wrapped names its version.

    Args:
        server: Where.
        key: The transit key's name; of type aes256-gcm96, not derived.
        mount: Where the transit engine is mounted.

    Raises:
        SettingsError: A name has characters that it must not have.
    """

    kind: ClassVar[str] = "vault-transit"

    def __init__(self, server: HashiCorpVault, key: str, *, mount: str = TRANSIT_MOUNT) -> None:
        super().__init__(server)
        self._name = require_path("transit key", key)
        self._mount = require_path("mount", mount)

    def _keep(self, key: bytes, bound: bytes) -> Body:
        with self._asking(f"transit key {self._mount}/{self._name}") as engines:
            answer = engines.transit.encrypt_data(
                self._name,
                plaintext=to_base64(key),
                associated_data=to_base64(digest_of(bound)),
                mount_point=self._mount,
            )
        wrapped = self._found(answer, "data", "ciphertext")
        if not isinstance(wrapped, str) or not _WRAPPED.fullmatch(wrapped):
            raise self._not_understood()
        return {"address": self._server.address, "key": self._name, "mount": self._mount, "wrapped": wrapped}

    def _fetch(self, body: Mapping[str, str | int], bound: bytes) -> bytes:
        name, mount = self._text(body, "key", _ANY), self._text(body, "mount", _ANY)
        wrapped = self._text(body, "wrapped", _WRAPPED)
        if not is_path(name) or not is_path(mount):
            raise self._record_damaged()
        with self._asking(f"transit key {mount}/{name}", self._made_at(body)) as engines:
            answer = engines.transit.decrypt_data(
                name, ciphertext=wrapped, associated_data=to_base64(digest_of(bound)), mount_point=mount
            )
        return self._key(self._found(answer, "data", "plaintext"))


class KeyValueSlot(_HashiCorpSlot):
    """The slot key kept in HashiCorp Vault's key/value store, version 2.

    Args:
        server: Where.
        mount: Where the store is mounted.
        prefix: What the paths of slot keys begin with; they end with a name of their own.

    Raises:
        SettingsError: A name has characters that it must not have.
    """

    kind: ClassVar[str] = "vault-kv"

    def __init__(self, server: HashiCorpVault, *, mount: str = KV_MOUNT, prefix: str = PREFIX) -> None:
        super().__init__(server)
        self._mount = require_path("mount", mount)
        self._prefix = require_path("prefix", prefix)

    def _keep(self, key: bytes, bound: bytes) -> Body:
        path = name_for(self._prefix, bound)
        with self._asking(f"key/value store {self._mount}") as engines:
            answer = engines.kv.v2.create_or_update_secret(
                path, {FIELD: to_base64(key), "note": NOTE}, cas=0, mount_point=self._mount
            )
        version = self._found(answer, "data", "version")
        if type(version) is not int or version < 1:
            raise self._not_understood()
        return {"address": self._server.address, "mount": self._mount, "path": path, "version": version}

    def _fetch(self, body: Mapping[str, str | int], bound: bytes) -> bytes:
        del bound
        path, mount, version = self._text(body, "path", _ANY), self._text(body, "mount", _ANY), body.get("version")
        if not is_path(path) or not is_path(mount) or type(version) is not int or version < 1:
            raise self._record_damaged()
        with self._asking(f"key/value secret {mount}/{path}, version {version}", self._made_at(body)) as engines:
            answer = engines.kv.v2.read_secret_version(
                path, version=version, mount_point=mount, raise_on_deleted_version=True
            )
        return self._key(self._found(answer, "data", "data", FIELD))
