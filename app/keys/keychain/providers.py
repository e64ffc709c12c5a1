"""The one class of the keyring library that serves each system, what is asked before, and what its errors mean.

Never `keyring.get_keyring()`: that takes what a configuration file, an environment variable or an installed package
says, which may keep secrets in plain text, keep nothing, or ask on the terminal. Here a class is taken by its name.

The library takes a tenth of a second to import, so that it is imported with the first use, in that use's thread.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from app.domain.keys import KeychainState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from secretstorage import Collection

SERVICE = "watchkeeper"
"""Under which service all our entries stand."""

# Of gnome-keyring, and by custom of others: it lives in memory and is lost when the person logs out.
_SESSION_COLLECTION = "/org/freedesktop/secrets/collection/session"

_DBUS = "org.freedesktop.DBus.Error."
_DBUS_STATES = {
    "org.freedesktop.Secret.Error.IsLocked": KeychainState.LOCKED,
    f"{_DBUS}Disconnected": KeychainState.ABSENT,
    f"{_DBUS}NameHasNoOwner": KeychainState.ABSENT,
    f"{_DBUS}NoServer": KeychainState.ABSENT,
    f"{_DBUS}TimedOut": KeychainState.HUNG,
    f"{_DBUS}Timeout": KeychainState.HUNG,
}
"""Beside those that secretstorage turns into errors of its own."""

_MACOS_STATES = {
    -128: KeychainState.REFUSED,  # errSecUserCanceled
    -25291: KeychainState.ABSENT,  # errSecNotAvailable
    -25293: KeychainState.REFUSED,  # errSecAuthFailed
    -25307: KeychainState.ABSENT,  # errSecNoDefaultKeychain
    -25308: KeychainState.LOCKED,  # errSecInteractionNotAllowed
}
"""By OSStatus, as Apple's SecBase.h lists them."""

_WINDOWS_STATES = {
    5: KeychainState.REFUSED,  # ERROR_ACCESS_DENIED
    1312: KeychainState.ABSENT,  # ERROR_NO_SUCH_LOGON_SESSION: a service's account has no vault
}
"""By error code, as CredWrite and CredRead document them."""


class Backend(Protocol):
    """What we use of a class of the keyring library."""

    def get_password(self, service: str, username: str) -> object:
        """Return the text that is kept, or None."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep it."""

    def delete_password(self, service: str, username: str) -> None:
        """Remove one entry.

        Raises:
            PasswordDeleteError: There is none.
        """


class Provider(Protocol):
    """One system's keychain. All methods block, and may for ever.

    Attributes:
        name: The full name of the library's class, as slots remember it.
    """

    name: ClassVar[str]

    def backend(self) -> Backend:
        """Return a new instance of the class.

        Raises:
            Exception: It cannot be had; `state_of` says what that means.
        """

    def trouble(self, account: str, *, attended: bool, writing: bool) -> KeychainState | None:
        """Return why the backend must not be asked now; None when it may.

        Args:
            account: The entry that it will be asked for.
            attended: Whether a person is there to answer a prompt; without one, none may come up.
            writing: Whether the entry will be written.

        Raises:
            Exception: It cannot be told; `state_of` says what that means.
        """

    def state_of(self, error: Exception, *, attended: bool) -> KeychainState:
        """Return what an error of the library means."""


def provider_for(platform: str = sys.platform) -> Provider:
    """Return that of a system, by Python's name for it; whether it works is told with its first use."""
    if platform == "win32":
        return CredentialManager()
    return MacKeychain() if platform == "darwin" else SecretService()


class SecretService:
    """Linux and the like: GNOME Keyring, KWallet, KeePassXC or another one behind org.freedesktop.secrets."""

    name: ClassVar[str] = "keyring.backends.SecretService.Keyring"

    def backend(self) -> Backend:
        """Return a new instance that opens the keyring as `_opened` does."""
        backend = _instance(self.name)
        backend.get_preferred_collection = _opened
        return backend  # type: ignore[no-any-return] # taken by name

    def trouble(self, account: str, *, attended: bool, writing: bool) -> KeychainState | None:
        """Return why it must not be asked; with a person, what is locked or missing is unlocked or made first."""
        import secretstorage  # noqa: PLC0415 - see the module's docstring

        with closing(secretstorage.dbus_init()) as connection:
            if not secretstorage.check_service_availability(connection):
                return KeychainState.ABSENT
            try:
                collection = secretstorage.get_collection_by_alias(connection, "default")
            except secretstorage.ItemNotFoundException:
                # Only for what is to be kept is a person asked to make a keyring.
                if not (attended and writing):
                    return KeychainState.ABSENT
                collection = secretstorage.get_default_collection(connection)
            if collection.collection_path == _SESSION_COLLECTION:
                return KeychainState.ABSENT
            if attended:
                return _unlocked(collection)
            wanted = {"service": SERVICE, "username": account}
            # KeePassXC locks single entries, too, until a person has allowed them.
            is_locked = collection.is_locked() or any(item.is_locked() for item in collection.search_items(wanted))
            return KeychainState.LOCKED if is_locked else None

    def state_of(self, error: Exception, *, attended: bool) -> KeychainState:
        """Return what an error of keyring, secretstorage or jeepney means."""
        try:
            import jeepney  # noqa: PLC0415 - see the module's docstring
            import secretstorage  # noqa: PLC0415 - likewise
        except ImportError:
            return KeychainState.ABSENT
        for each in _chain(error):
            if isinstance(each, secretstorage.PromptDismissedException):
                return KeychainState.REFUSED
            if isinstance(each, secretstorage.LockedException):
                return KeychainState.LOCKED
            if isinstance(each, secretstorage.SecretServiceNotAvailableException):
                return KeychainState.ABSENT
            if isinstance(each, jeepney.DBusErrorResponse):
                return _dbus_state(str(each.name))
        return _common_state(error, attended=attended)


class MacKeychain:
    """macOS: the login keychain."""

    name: ClassVar[str] = "keyring.backends.macOS.Keyring"

    def backend(self) -> Backend:
        """Return a new instance."""
        backend = _instance(self.name, is_local=True)
        # The library warns at each call of a keychain that the environment names; it is not used anyway.
        backend.keychain = None
        return backend  # type: ignore[no-any-return] # taken by name

    def trouble(self, account: str, *, attended: bool, writing: bool) -> None:
        """Know of none: there is nothing to ask that would not bring up a prompt as well."""
        del account, attended, writing

    def state_of(self, error: Exception, *, attended: bool) -> KeychainState:
        """Return what an error of keyring, or the OSStatus behind it, means."""
        codes = (each.args[0] if each.args else None for each in _chain(error))
        return _state_by(_MACOS_STATES, codes) or _common_state(error, attended=attended)


class CredentialManager:
    """Windows: the Credential Manager's generic credentials."""

    name: ClassVar[str] = "keyring.backends.Windows.WinVaultKeyring"

    def backend(self) -> Backend:
        """Return a new instance whose entries stay on this machine: by default they roam to the domain's others."""
        backend = _instance(self.name, is_local=True)
        backend.persist = "local machine"
        return _ByAccount(backend)

    def trouble(self, account: str, *, attended: bool, writing: bool) -> None:
        """Know of none: it is open whenever the person is logged in, and never asks."""
        del account, attended, writing

    def state_of(self, error: Exception, *, attended: bool) -> KeychainState:
        """Return what an error of keyring, or of Windows behind it, means."""
        codes = (getattr(each, "winerror", None) for each in _chain(error))
        return _state_by(_WINDOWS_STATES, codes) or _common_state(error, attended=attended)


class _ByAccount:
    """A backend that is asked for each account under a service of its own.

    Of several accounts of one service, the library's class for Windows keeps the last under the service's name, and
    first moves the one that was there. Of two programs that write at once, one then loses its entry.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def get_password(self, service: str, username: str) -> object:
        return self._backend.get_password(f"{service}/{username}", username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self._backend.set_password(f"{service}/{username}", username, password)

    def delete_password(self, service: str, username: str) -> None:
        self._backend.delete_password(f"{service}/{username}", username)


def _instance(name: str, *, is_local: bool = False) -> Any:  # noqa: ANN401 - a class of the library, taken by name
    module, _, kind = name.rpartition(".")
    found = getattr(import_module(module), kind)
    if is_local:
        found.priority  # noqa: B018 - raises when the class cannot work here; that of the Secret Service asks the bus
    backend = found()
    # KEYRING_PROPERTY_... of the environment sets attributes on it: another collection, another persistence.
    vars(backend).clear()
    return backend


def _opened() -> Collection:
    """Return the default keyring, on a connection that whoever asked for it closes.

    It was found ready just before. When it no longer is, the library's own would bring up a prompt whoever is there,
    and leave its connection open.

    Raises:
        Exception: It is gone, or locked again; `state_of` says which.
    """
    import secretstorage  # noqa: PLC0415 - see the module's docstring

    with ExitStack() as until_opened:
        connection = until_opened.enter_context(closing(secretstorage.dbus_init()))
        collection = secretstorage.get_collection_by_alias(connection, "default")
        if collection.is_locked():
            raise secretstorage.LockedException
        until_opened.pop_all()
        return collection


def _unlocked(collection: Collection) -> KeychainState | None:
    """Have the person unlock a collection."""
    if collection.is_locked():
        collection.unlock()
        if collection.is_locked():
            return KeychainState.REFUSED
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = error
    while each is not None:
        yield each
        each = each.__cause__


def _state_by(states: Mapping[int, KeychainState], codes: Iterator[object]) -> KeychainState | None:
    return next((states[code] for code in codes if isinstance(code, int) and code in states), None)


def _dbus_state(name: str) -> KeychainState:
    if name.startswith(f"{_DBUS}Spawn."):
        return KeychainState.ABSENT
    return _DBUS_STATES.get(name, KeychainState.REFUSED)


def _common_state(error: Exception, *, attended: bool) -> KeychainState:
    from keyring.errors import KeyringLocked  # noqa: PLC0415 - see the module's docstring

    if isinstance(error, KeyringLocked):
        # The library says so after its prompt, which only a person can have dismissed.
        return KeychainState.REFUSED if attended else KeychainState.LOCKED
    if isinstance(error, TimeoutError):
        return KeychainState.HUNG
    if isinstance(error, UnicodeError):
        return KeychainState.REPLACED
    if isinstance(error, (ImportError, OSError, RuntimeError)):
        return KeychainState.ABSENT
    return KeychainState.REFUSED
