"""The operating system's keychain: small texts by account, each call bounded in time, each failure by its name.

A keychain that is locked, or whose service is dead, may block for ever. So it is asked in a thread that can be left
behind: the caller gets an answer in time, the program can end, and nothing more is asked until that thread has come
back.
"""

from __future__ import annotations

from concurrent.futures import wait
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from app.domain.errors import KeychainError
from app.domain.keys import KeychainState
from app.engine.workers import WorkerPool
from app.keys.keychain.providers import SERVICE, provider_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from app.keys.keychain.providers import Backend, Provider

    _Ask = Callable[[Backend], "T"]

T = TypeVar("T")

_log = structlog.get_logger(__name__)

ATTENDED_S = 120.0
"""How long a person may take to answer the keychain's own prompt."""

UNATTENDED_S = 3.0
"""How long a keychain may take that asks nobody: a hundred times what it does take."""

LOADS_S = 30.0
"""How long the library may take to be imported, which is no keychain that hangs: with the first start after an
installation a virus scanner reads each of its files."""

LARGEST = 2560
"""Bytes of UTF-16 in one entry: what Windows keeps (CRED_MAX_CREDENTIAL_BLOB_SIZE), and so no more anywhere."""

_MOST_SHADOWS = 16

_WORDS = {
    KeychainState.ABSENT: (
        "There is no system keychain: no such service runs here, or it has no keyring that lasts.",
        "Log in to a desktop that has one (GNOME Keyring, KWallet, KeePassXC), or make a default keyring there.",
    ),
    KeychainState.LOCKED: ("The system keychain is locked.", "Unlock it, then try again."),
    KeychainState.REFUSED: (
        "The system keychain did not do it: access was denied, or its question was dismissed.",
        "Try again, and allow it.",
    ),
    KeychainState.HUNG: (
        "The system keychain does not answer.",
        "Its question may wait behind another window. If there is none, log out and in again.",
    ),
    KeychainState.REPLACED: (
        "The system keychain does not hold what was put there.",
        f"Look in it for entries of {SERVICE!r} that another program made, and remove them.",
    ),
    KeychainState.CHANGED: (
        "The system keychain is of another kind than before.",
        "Log in to the desktop that was used before, or open the vault another way.",
    ),
    KeychainState.MISSING: (
        "The entry is no longer in the system keychain.",
        "Another desktop's keychain may hold it; if not, open the vault another way, and make this way anew.",
    ),
}


def keychain_error(state: KeychainState) -> KeychainError:
    """Return the error that tells of a state, in words for people."""
    message, hint = _WORDS[state]
    return KeychainError(state, message, hint)


class Keychain:
    """It. All methods block, for `patience_s` at most; each may be called from any thread.

    Args:
        attended: Whether a person is there to answer a prompt; without one, what is locked is told at once.
        patience_s: How long a call may take; `ATTENDED_S` or `UNATTENDED_S` unless given.
        provider: The far end; this system's unless given.
    """

    def __init__(self, *, attended: bool, patience_s: float | None = None, provider: Provider | None = None) -> None:
        usual = ATTENDED_S if attended else UNATTENDED_S
        self.patience_s = usual if patience_s is None else patience_s
        self._attended = attended
        self._provider = provider_for() if provider is None else provider
        self._backend: Backend | None = None
        # One thread, so that calls that hang do not pile up.
        self._pool = WorkerPool(1, name="keychain")
        self._behind: Future[Any] | None = None

    @property
    def backend(self) -> str:
        """The full name of the library's class that it stands on."""
        return self._provider.name

    def unattended(self) -> Keychain:
        """Return the same keychain for use without a person: it asks nobody, and waits for 3 s at most."""
        return Keychain(attended=False, patience_s=min(self.patience_s, UNATTENDED_S), provider=self._provider)

    def get(self, account: str) -> str | None:
        """Return the text that an account holds; None when there is none.

        Another program of the same user may have put it there: whoever asks must prove that it is theirs.

        Raises:
            KeychainError: It is `absent`, `locked`, `refused` or `hung`; or `replaced`: no text of ours lies there.
        """

        def ask(backend: Backend) -> str | None:
            found = backend.get_password(SERVICE, account)
            if found is None:
                return None
            if not isinstance(found, str) or _size(found) > LARGEST:
                raise keychain_error(KeychainState.REPLACED)
            return found

        return self._answer(account, ask)

    def set(self, account: str, value: str) -> None:
        """Keep a text under an account, in the place of the one before, and read it back.

        Args:
            account: Up to some 200 characters.
            value: At most `LARGEST` bytes of UTF-16.

        Raises:
            ValueError: It is larger.
            KeychainError: It is `absent`, `locked`, `refused` or `hung`; or `replaced`: what is read back is another
                text, or none, since nothing was kept or another program's entry lies before ours.
        """
        if _size(value) > LARGEST:
            raise ValueError(f"an entry of the keychain has {LARGEST} bytes at most")

        def ask(backend: Backend) -> None:
            backend.set_password(SERVICE, account, value)
            if backend.get_password(SERVICE, account) != value:
                raise keychain_error(KeychainState.REPLACED)

        self._answer(account, ask, writing=True)

    def delete(self, account: str) -> None:
        """Remove all that lies under an account, whoever put it there. Nothing happens when nothing does.

        Raises:
            KeychainError: It is `absent`, `locked`, `refused` or `hung`; or `replaced`: something lies there still.
        """

        def ask(backend: Backend) -> None:
            from keyring.errors import PasswordDeleteError  # noqa: PLC0415 - it costs a tenth of a second

            for _ in range(_MOST_SHADOWS):
                try:
                    backend.delete_password(SERVICE, account)
                except PasswordDeleteError:
                    break
            if backend.get_password(SERVICE, account) is not None:
                raise keychain_error(KeychainState.REPLACED)

        self._answer(account, ask)

    def _answer(self, account: str, ask: _Ask[T], *, writing: bool = False) -> T:
        if self._behind is not None and not self._behind.done():
            raise keychain_error(KeychainState.HUNG)
        if self._backend is None:
            wait((self._pool.submit(_imported, self._provider.name),), LOADS_S)
        future = self._pool.submit(self._asked, account, ask, writing=writing)
        try:
            return future.result(self.patience_s)
        except TimeoutError:
            if not future.cancel():
                self._behind = future
                _log.warning("the system keychain does not answer", after_s=self.patience_s)
            raise keychain_error(KeychainState.HUNG) from None

    def _asked(self, account: str, ask: _Ask[T], *, writing: bool) -> T:
        """Ask in this thread, and turn whatever the library raises into our error."""
        try:
            if self._backend is None:
                self._backend = self._provider.backend()
            state = self._provider.trouble(account, attended=self._attended, writing=writing)
            if state is None:
                return ask(self._backend)
        except KeychainError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, no more than its state may be told
            state = self._provider.state_of(error, attended=self._attended)
        # Outside the handler, so that the library's error, which may hold the value, is not chained to ours.
        raise keychain_error(state)


def _imported(name: str) -> None:
    """Import the module of a class; where that fails, it is met again when the class is wanted."""
    with suppress(Exception):
        import_module(name.rpartition(".")[0])


def _size(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass"))
