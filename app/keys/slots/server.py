"""What the slots have in common whose key lies on a server.

The server keeps a slot key, or wraps it; the master key is sealed under the slot key here, and never leaves this
machine. So a server that ignores what a request is bound to, or answers with another key, opens nothing: the seal is
bound as well. What was put there is fetched again before the vault relies on it.

A store is written before the vault's file is. So a wrap only ever adds: what the file of now and its backups need is
left alone, also when the program dies in between. Nothing here deletes: who runs the server does, once no vault and no
backup of it names the old place.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar
from urllib.parse import urlsplit

from app.domain.addresses import is_this_machine
from app.domain.errors import SettingsError, SlotClosed
from app.engine.workers import WorkerPool
from app.keys.aead import KEY_BYTES, Forged, new_key, seal, unseal
from app.keys.slots.slot import sealed_body, sealed_of
from app.keys.vault.document import from_base64

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.keys.slots.slot import Body

T = TypeVar("T")

DEADLINE_S = 10.0
"""How long all that one `wrap` or `open` asks of a server may take together."""

ANOTHER_WAY = "Use the recovery code: watchkeeper keys recover"

NOTE = (
    "Opens a Watchkeeper vault and those of its backups that were made under the same master key. Without it, only "
    "the vault's other ways to open it are left."
)
"""Lies beside a key on a server, for whoever finds it there and thinks of deleting it."""

_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_LONGEST_PATH = 400
_NAME_DIGITS = 32


class Faults(Protocol):
    """A library's module of exceptions, which is there only once it is imported."""

    def __getattr__(self, name: str) -> type[Exception]:
        """Return one of them."""


class ServerSlot(ABC):
    """A slot whose key lies on a server; one subclass for each kind of store.

    Args:
        deadline_s: How long one `wrap` or `open` may take; then it is given up, whatever the server still does.
    """

    kind: ClassVar[str]
    whose: ClassVar[str]
    """The store's name, as people read it."""

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s

    def wrap(self, master: bytes, bound: bytes, before: Mapping[str, str | int] | None = None) -> Body:
        """Return the record's body, after a new slot key lies on the server and was fetched from there again.

        Raises:
            SlotClosed: The server does not take the key or give it again, or not in time.
        """
        del before
        key = new_key()

        def keep() -> Body:
            body = self._keep(key, bound)
            if not hmac.compare_digest(self._fetch_back(body, bound), key):
                raise self._closed("damaged", f"{self.whose} gives another key than it was given.", "Ask who runs it.")
            return body

        body = self._in_time(keep)
        sealed = seal(key, master, bound)
        return {**body, **sealed_body(sealed)}

    def open(self, body: Mapping[str, str | int], bound: bytes) -> bytes:
        """Return the master key.

        Raises:
            SlotClosed: The server does not give the slot key, or not in time; or the record is not what it was.
        """
        key = self._in_time(lambda: self._fetch(body, bound))
        try:
            sealed = sealed_of(body)
            return unseal(key, sealed, bound)
        except (Forged, KeyError, ValueError):
            damaged = self._record_damaged()
        raise damaged

    def discard(self, body: Mapping[str, str | int]) -> None:
        """Do nothing: backups may need the key yet, and the program is not given the right to delete it."""
        del body

    @abstractmethod
    def _keep(self, key: bytes, bound: bytes) -> Body:
        """Have the server keep or wrap a slot key, and return where it is.

        Raises:
            SlotClosed: It does not.
        """

    @abstractmethod
    def _fetch(self, body: Mapping[str, str | int], bound: bytes) -> bytes:
        """Return the slot key.

        Raises:
            SlotClosed: The server does not give it.
        """

    def _fetch_back(self, body: Mapping[str, str | int], bound: bytes) -> bytes:
        """Return the slot key that was given to the server a moment ago."""
        return self._fetch(body, bound)

    def _closed(self, state: str, message: str, hint: str) -> SlotClosed:
        return SlotClosed(self.kind, state, message, hint)

    def _not_understood(self) -> SlotClosed:
        return self._closed(
            "down",
            f"{self.whose} answers in a way that is not understood.",
            "See whether something else answers at its address: a proxy, or a standby that sends to another one.",
        )

    def _record_damaged(self) -> SlotClosed:
        return self._closed("damaged", f"The place of {self.whose} in the vault is damaged.", ANOTHER_WAY)

    def _text(self, body: Mapping[str, str | int], name: str, like: re.Pattern[str]) -> str:
        """Return a text of a record, which nobody has vouched for yet."""
        found = body.get(name)
        if not isinstance(found, str) or not like.fullmatch(found):
            raise self._record_damaged()
        return found

    def _key(self, found: object) -> bytes:
        """Return the slot key that a server gave as base64."""
        key = b""
        if isinstance(found, str):
            try:
                key = from_base64(found)
            except ValueError:
                key = b""
        return self._key_of(key)

    def _key_of(self, found: object) -> bytes:
        if not isinstance(found, bytes) or len(found) != KEY_BYTES:
            raise self._closed("damaged", f"What {self.whose} keeps for the vault is no key.", ANOTHER_WAY)
        return found

    def _in_time(self, work: Callable[[], T]) -> T:
        """Return what `work` does, in a thread that is left behind when time is up.

        A library's own timeout is that of one read, so a server that sends a byte now and then would hold it for ever.
        An error is made anew on this side: what it came of has tokens and keys in its frames and in its text.
        """
        pool = WorkerPool(1, name=f"slot-{self.kind}")
        outcome = pool.submit(self._outcome, work)
        pool.shutdown(wait=False)
        found: T | SlotClosed
        try:
            found = outcome.result(self._deadline_s)
        except TimeoutError:
            found = self._closed(
                "hung",
                f"{self.whose} did not answer within {self._deadline_s:g} s.",
                "See whether it runs and can be reached from here, and try again.",
            )
        if isinstance(found, SlotClosed):
            raise found
        return found

    def _outcome(self, work: Callable[[], T]) -> T | SlotClosed:
        try:
            return work()
        except SlotClosed as error:
            return SlotClosed(error.kind, error.state, error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold what must not be shown
            return self._closed(
                "down", f"{self.whose} could not be asked ({type(error).__name__}).", f"Try again. {ANOTHER_WAY}"
            )


def digest_of(bound: bytes) -> bytes:
    """Return the SHA-256 of what a record is bound to: a server is told no more of it."""
    return hashlib.sha256(bound).digest()


def name_for(prefix: str, bound: bytes) -> str:
    """Return the name under which a slot key is kept: another one for each slot and each master key."""
    return f"{prefix}/{digest_of(bound).hex()[:_NAME_DIGITS]}"


def is_path(text: str) -> bool:
    """True for names joined by slashes, none of which could lead out of the place that they are under."""
    return len(text) <= _LONGEST_PATH and _PATH.fullmatch(text) is not None


def require_path(what: str, text: str) -> str:
    """Return a name that the settings give.

    Raises:
        SettingsError: It has characters that it must not have.
    """
    if not is_path(text):
        raise SettingsError(
            f"The {what} {text!r} is none.", "It has letters, digits, and _ . - in it, and slashes in between."
        )
    return text


def require_private(what: str, address: str) -> str:
    """Return a server's address to which keys may go.

    Raises:
        SettingsError: It is no address, holds a password, or leads over the network unencrypted.
    """
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = None, None
    if parts is None or not host or parts.scheme not in {"http", "https"}:
        raise SettingsError(f"The address of {what} is none.", "It begins with https:// and a host's name.")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise SettingsError(f"The address of {what} has more in it than host, port and path.", "Leave that out.")
    if parts.scheme == "http" and not is_this_machine(host):
        raise SettingsError(f"Keys do not go to {host} over http, where others can read them.", "Use https://")
    return address
