"""The vault's file: what stands in it, and between that and its bytes.

    WKV1                                        the format
    {"ancestors":[...],"created":...,...}       one line of canonical JSON: sorted, no spaces, ASCII
    0123...cdef                                 HMAC-SHA256 of the two lines above, in hexadecimal

Nothing here needs a key: slots must be read before there is one. So all that is read is bounded, and what was read is
trusted only after `mac_of` was compared.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.domain.errors import VaultDamaged, VaultNewer
from app.keys.aead import Sealed

if TYPE_CHECKING:
    from collections.abc import Mapping

MAGIC = b"WKV1\n"
LARGEST_FILE = 16 * 1024 * 1024
"""Bytes: some 20,000 secrets. A larger file is not read into memory."""

MAC_BYTES = 32
ANCESTORS = 16
"""How many digests of files before this one are kept: so many saves may pass that the anchor did not hear of."""

_SEAL = re.compile(rb"[0-9a-f]{64}\n")
_NEWER = re.compile(rb"WKV([2-9]|[1-9][0-9]{1,5})\n")
_LARGEST_COUNT = 100_000
_LARGEST_TEXT = 64 * 1024
_MOST_SLOTS = 64
"""Each may cost a gigabyte, a second, or a question to a person, before anybody knows who wrote the file."""


@dataclass(frozen=True, slots=True)
class SlotRecord:
    """One way to the master key.

    Attributes:
        id: Unique within the vault.
        kind: What opens it: `keychain`, `passphrase`, ...
        label: What a person reads beside it; may be empty.
        created: When, in seconds since the epoch.
        body: What its kind stores: texts and whole numbers, bytes as base64.
    """

    id: str
    kind: str
    label: str
    created: int
    body: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class RetiredMaster:
    """A master key of before, wrapped under the one that is in force: a backup of its time still opens by it."""

    id: str
    created: int
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key under which the entries are encrypted, wrapped.

    Attributes:
        created: When, in seconds since the epoch: the next rotation is counted from it.
        uses: How many encryptions it has done.
    """

    id: str
    created: int
    uses: int
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class Entry:
    """One secret, encrypted: its name, dates and notes in `about`, its value in `value`.

    Attributes:
        id: Tells nothing of the name.
        version: Grows by one with each new value.
    """

    id: str
    version: int
    about: Sealed
    value: Sealed


@dataclass(frozen=True, slots=True)
class Document:
    """All that stands in the file.

    Attributes:
        vault: The vault's id, made once.
        generation: Grows by one with each save.
        ancestors: SHA-256 of the files before this one, the newest first.
        master: The id of the master key.
        master_created: When it was made.
    """

    vault: str
    created: int
    generation: int
    master: str
    master_created: int
    data_key: DataKey
    ancestors: tuple[str, ...] = ()
    slots: tuple[SlotRecord, ...] = ()
    retired: tuple[RetiredMaster, ...] = ()
    entries: tuple[Entry, ...] = field(default=())


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def build(document: Document, mac_key: bytes) -> bytes:
    """Return the file's bytes."""
    line = json.dumps(_plain(document), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    body = MAGIC + line.encode("ascii") + b"\n"
    return body + mac_of(body, mac_key).hex().encode("ascii") + b"\n"


def mac_of(body: bytes, mac_key: bytes) -> bytes:
    """Return the HMAC-SHA256 (RFC 2104) of the file's first two lines."""
    return hmac.digest(mac_key, body, "sha256")


@dataclass(frozen=True, slots=True)
class Read:
    """A file as it was read; to be trusted only when `is_authentic`.

    Attributes:
        content: All its bytes.
    """

    document: Document
    content: bytes

    def is_authentic(self, mac_key: bytes) -> bool:
        """True when the file was written by somebody who had the key."""
        body, mac = _split(self.content)
        return hmac.compare_digest(mac_of(body, mac_key), mac)

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes."""
        return digest_of(self.content)


def parse(content: bytes) -> Read:
    """Return what stands in a file.

    Raises:
        VaultNewer: It was written by a newer Watchkeeper.
        VaultDamaged: It is no vault, was cut, or is not as `build` makes it. Names no content.
    """
    body, _ = _split(content)
    line = body[len(MAGIC) : -1]
    try:
        found = json.loads(line, parse_float=_refuse, parse_constant=_refuse)
        canonical = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
        document = _document(_Fields(found))
    except (ValueError, RecursionError, _Odd) as error:
        reason = str(error) if isinstance(error, _Odd) else "it is not JSON"
        raise VaultDamaged(f"The vault's file is damaged: {reason}.", RESTORE) from None
    if canonical != line:
        raise VaultDamaged("The vault's file is damaged: it is not canonical.", RESTORE)
    return Read(document, content)


RESTORE = "Restore a backup: watchkeeper keys restore"


class _Odd(Exception):
    """What stands there is not what we write."""


def _refuse(_text: str) -> Any:  # noqa: ANN401 - never returns
    raise _Odd("it holds a broken number")


def _split(content: bytes) -> tuple[bytes, bytes]:
    if len(content) > LARGEST_FILE:
        raise VaultDamaged(f"The vault's file is larger than {LARGEST_FILE // 1024 // 1024} MiB.", RESTORE)
    if not content.startswith(MAGIC):
        if _NEWER.match(content):
            raise VaultNewer(
                "The vault was written by a newer Watchkeeper.", "Update Watchkeeper; the vault is left as it is."
            )
        raise VaultDamaged("The vault's file is damaged: it does not begin as one.", RESTORE)
    tail = 2 * MAC_BYTES + 1
    body, mac = content[:-tail], content[-tail:]
    if not body.endswith(b"\n") or len(body) <= len(MAGIC):
        raise VaultDamaged("The vault's file is damaged: it was cut.", RESTORE)
    if not _SEAL.fullmatch(mac):
        raise VaultDamaged("The vault's file is damaged: its seal cannot be read.", RESTORE)
    return body, bytes.fromhex(mac[:-1].decode("ascii"))


def _plain(d: Document) -> dict[str, Any]:
    return {
        "ancestors": list(d.ancestors),
        "created": d.created,
        "data_key": {
            "created": d.data_key.created,
            "id": d.data_key.id,
            "sealed": _plain_sealed(d.data_key.sealed),
            "uses": d.data_key.uses,
        },
        "entries": [
            {"about": _plain_sealed(e.about), "id": e.id, "value": _plain_sealed(e.value), "version": e.version}
            for e in d.entries
        ],
        "generation": d.generation,
        "master": d.master,
        "master_created": d.master_created,
        "retired": [{"created": r.created, "id": r.id, "sealed": _plain_sealed(r.sealed)} for r in d.retired],
        "slots": [
            {"body": dict(s.body), "created": s.created, "id": s.id, "kind": s.kind, "label": s.label} for s in d.slots
        ],
        "vault": d.vault,
    }


def _plain_sealed(sealed: Sealed) -> list[str]:
    return [to_base64(sealed.nonce), to_base64(sealed.content)]


def to_base64(content: bytes) -> str:
    """Return bytes as base64 (RFC 4648, section 4)."""
    return base64.b64encode(content).decode("ascii")


def from_base64(text: str) -> bytes:
    """Return what a base64 text holds, where there is no other text for the same bytes.

    Raises:
        ValueError: It is no base64, or not as `to_base64` writes it.
    """
    content = base64.b64decode(text, validate=True)
    if to_base64(content) != text:
        raise ValueError("it is not canonical base64")
    return content


class _Fields:
    """A JSON object of which each member is read once, and none is left over."""

    def __init__(self, found: object) -> None:
        if not isinstance(found, dict):
            raise _Odd("something is missing in it")
        self._left = dict(found)

    def take(self, name: str) -> object:
        if name not in self._left:
            raise _Odd("something is missing in it")
        return self._left.pop(name)

    def text(self, name: str) -> str:
        found = self.take(name)
        if not isinstance(found, str) or len(found) > _LARGEST_TEXT:
            raise _Odd("a text in it is none")
        if not found.isascii() and any("\ud800" <= each <= "\udfff" for each in found):
            raise _Odd("a text in it is none")  # JSON can spell half of a pair, and UTF-8 cannot
        return found

    def number(self, name: str) -> int:
        found = self.take(name)
        if type(found) is not int or not 0 <= found < 2**53:
            raise _Odd("a number in it is none")
        return found

    def items(self, name: str, most: int = _LARGEST_COUNT) -> list[object]:
        found = self.take(name)
        if not isinstance(found, list) or len(found) > most:
            raise _Odd("a list in it is none")
        return found

    def sealed(self, name: str) -> Sealed:
        match self.take(name):
            case [str(nonce), str(content)]:
                try:
                    return Sealed(from_base64(nonce), from_base64(content))
                except ValueError:
                    raise _Odd("a ciphertext in it cannot be read") from None
        raise _Odd("a ciphertext in it is none")

    def end(self) -> None:
        if self._left:
            raise _Odd("it holds more than belongs there")


def _document(fields: _Fields) -> Document:
    document = Document(
        vault=fields.text("vault"),
        created=fields.number("created"),
        generation=fields.number("generation"),
        master=fields.text("master"),
        master_created=fields.number("master_created"),
        data_key=_data_key(_Fields(fields.take("data_key"))),
        ancestors=tuple(_texts(fields.items("ancestors"))),
        slots=tuple(_slot(_Fields(each)) for each in fields.items("slots", _MOST_SLOTS)),
        retired=tuple(_retired(_Fields(each)) for each in fields.items("retired")),
        entries=tuple(_entry(_Fields(each)) for each in fields.items("entries")),
    )
    fields.end()
    return document


def _texts(found: list[object]) -> list[str]:
    texts = [each for each in found if isinstance(each, str)]
    if len(texts) != len(found):
        raise _Odd("a text in it is none")
    return texts


def _data_key(fields: _Fields) -> DataKey:
    key = DataKey(fields.text("id"), fields.number("created"), fields.number("uses"), fields.sealed("sealed"))
    fields.end()
    return key


def _retired(fields: _Fields) -> RetiredMaster:
    master = RetiredMaster(fields.text("id"), fields.number("created"), fields.sealed("sealed"))
    fields.end()
    return master


def _entry(fields: _Fields) -> Entry:
    entry = Entry(fields.text("id"), fields.number("version"), fields.sealed("about"), fields.sealed("value"))
    fields.end()
    return entry


def _slot(fields: _Fields) -> SlotRecord:
    body = fields.take("body")
    if not isinstance(body, dict):
        raise _Odd("a slot in it is none")
    reader = _Fields(body)
    values: dict[str, str | int] = {
        name: reader.text(name) if isinstance(value, str) else reader.number(name) for name, value in body.items()
    }
    slot = SlotRecord(fields.text("id"), fields.text("kind"), fields.text("label"), fields.number("created"), values)
    fields.end()
    return slot
