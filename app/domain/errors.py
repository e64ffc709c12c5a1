"""The error tree: each error has a title and a message for people, and an exit code for scripts.

    WatchkeeperError
      UsageError            the words or values that were given are wrong (exit 2)
        SettingsError       a settings file has a bad value
        ProjectError        a folder cannot be watched: missing, no folder, unreadable
        SecretError         a secret's name, value or code is not what it must be
      CannotError           right words, but it cannot be done now (exit 3)
        NoInstance          nothing runs that could answer
        InstanceUnreachable something runs, but does not answer
        CommandRefused      the running instance says no
        InterpreterMissing  no Python was found for the project
        StoreError          the history cannot be opened
        VaultError          the vault is out of reach
          VaultMissing      there is none yet
          VaultExists       there is one already
          VaultLocked       nothing that was tried opens it
          SlotClosed        one way to open it does not
          VaultDamaged      its file is not what was written
          VaultNewer        its file was written by a newer Watchkeeper
          VaultRolledBack   its file is an older one than it should be
          VaultBusy         another program keeps it locked
          VaultIOError      its files cannot be read or written
          KeychainError     the system's keychain is out of reach
          SecretMissing     it holds no secret of this name
        ModelError          no model answers, or not in time, or not in a way that can be used
          ModelNotSetUp     no provider is set up, or none has a key
          ConsentMissing    the person has not agreed that this project's source is sent there
          BudgetSpent       the day's budget of tokens or money is used up
          ModelRefused      the service refuses the question or the key (400, 401, 403, 404)
          ModelBusy         the service asks to wait (429)
          ModelOutOfReach   the service cannot be reached, fails, or does not answer in time
          ModelNonsense     what it answered is cut off, too long, or no answer
        BreakerOpen         a service failed too often, and is left alone for a while
        ChannelError        an alert does not go through a channel
        UpdateError         releases cannot be asked for, or one cannot be fetched or started
        BridgeError
          BridgeClosed      the loop no longer takes calls
          BridgeFull        the loop is behind, and this call was not accepted
      UpdateRefused         what is told of releases, or a release itself, is not to be trusted (exit 1)
      InternalError         a fault of Watchkeeper itself (exit 4)

A library's exception becomes one of these at one place, at the border.
"""

from __future__ import annotations

from typing import ClassVar


class WatchkeeperError(Exception):
    """Base of every error that may reach a person.

    Args:
        message: What happened and to what, one or two sentences.
        hint: What to do next; may be empty.
    """

    title: ClassVar[str] = "Watchkeeper cannot go on"
    exit_code: ClassVar[int] = 4

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message, and the hint behind it."""
        return f"{self.message} {self.hint}".rstrip()


class UsageError(WatchkeeperError):
    """The words or values that were given are wrong."""

    title = "That is not understood"
    exit_code = 2


class SettingsError(UsageError):
    """A settings file cannot be read, or has a bad value: names key, value, what is allowed, and the line."""

    title = "The settings have a mistake"


class ProjectError(UsageError):
    """A folder cannot be watched."""

    title = "This folder cannot be watched"


class CannotError(WatchkeeperError):
    """The request is right, but cannot be fulfilled now."""

    title = "That cannot be done now"
    exit_code = 3


class NoInstance(CannotError):
    """No running Watchkeeper was found."""

    title = "Watchkeeper is not running"


class InstanceUnreachable(CannotError):
    """A running Watchkeeper was found, but it does not answer, or not in a way that is understood."""

    title = "Watchkeeper does not answer"


class CommandRefused(CannotError):
    """The running Watchkeeper refused a command."""

    title = "Watchkeeper refused"


class InterpreterMissing(CannotError):
    """No Python interpreter was found for a project."""

    title = "No Python interpreter"


class StoreError(CannotError):
    """The history cannot be opened, read or written."""

    title = "The history is out of reach"


class BridgeError(CannotError):
    """A call from a thread could not be handed to the loop."""

    title = "The event loop does not take calls"


class BridgeClosed(BridgeError):
    """The bridge is closed, or its loop has ended."""


class BridgeFull(BridgeError):
    """The bridge's queue is full and the channel's policy is to reject."""


class SecretError(UsageError):
    """A secret's name or value, or a code that was typed, is not what it must be."""

    title = "That cannot be kept as a secret"


class VaultError(CannotError):
    """The vault cannot be read, opened or written."""

    title = "The vault is out of reach"


class VaultMissing(VaultError):
    """There is no vault yet."""

    title = "There is no vault"


class VaultExists(VaultError):
    """A new vault is asked for where there is one, or was one."""

    title = "There is a vault already"


class SlotClosed(VaultError):
    """One way to open the vault does not open it.

    Args:
        kind: Which: `keychain`, `passphrase`, ...
        state: Why, in a word for programs: `locked`, `refused`, `hung`, ...
        message: Why, in a sentence.
        hint: What would help.
    """

    title = "The vault does not open this way"

    def __init__(self, kind: str, state: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.kind = kind
        self.state = state


class VaultLocked(VaultError):
    """No way that was tried opens the vault.

    Attributes:
        reasons: Why, for each way that was tried.
        kinds: The kinds of slots that the vault has.
    """

    title = "The vault is locked"

    def __init__(
        self, message: str, hint: str = "", *, reasons: tuple[SlotClosed, ...] = (), kinds: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint)
        self.reasons = reasons
        self.kinds = kinds


class VaultDamaged(VaultError):
    """The vault's file is not what was written."""

    title = "The vault is damaged"


class VaultNewer(VaultError):
    """The vault's file was written by a newer Watchkeeper."""

    title = "The vault is of a newer Watchkeeper"


class VaultRolledBack(VaultError):
    """The vault's file is an older one, or of another descent, than the one that the keychain remembers."""

    title = "The vault is not the newest"


class VaultBusy(VaultError):
    """Another program has kept the vault locked for too long."""

    title = "The vault is in use"


class VaultIOError(VaultError):
    """The vault's files cannot be read or written; what was there is as it was."""


class KeychainError(VaultError):
    """The operating system's keychain does not do what it is asked.

    Args:
        state: `absent`, `locked`, `refused`, `hung`, `replaced`, `changed`: see app.domain.keys.KeychainState.
        message: Why, in a sentence.
        hint: What would help.
    """

    title = "The system keychain is out of reach"

    def __init__(self, state: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.state = state


class SecretMissing(VaultError):
    """The vault holds no secret of this name."""

    title = "There is no such secret"


class ModelError(CannotError):
    """A model cannot be asked, or has not answered."""

    title = "The model does not answer"


class ModelNotSetUp(ModelError):
    """No provider is set up, or none of them has a key."""

    title = "No model is set up"


class ConsentMissing(ModelError):
    """The person has not agreed that this project's source is sent to a provider."""

    title = "You have not agreed to this yet"


class BudgetSpent(ModelError):
    """The budget of tokens or money is used up."""

    title = "The budget is used up"


class ModelRefused(ModelError):
    """The service refuses the question, or the key."""

    title = "The model's service refuses"


class ModelBusy(ModelError):
    """The service asks to wait.

    Attributes:
        retry_after_s: For how many seconds; None when it did not say.
    """

    title = "The model's service is busy"

    def __init__(self, message: str, hint: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s


class ModelOutOfReach(ModelError):
    """The service cannot be reached, fails, or does not answer in time."""

    title = "The model's service is out of reach"


class ModelNonsense(ModelError):
    """What the service answered is cut off, too long, or no answer."""

    title = "The model's answer cannot be used"


class BreakerOpen(CannotError):
    """A service failed too often, and is left alone for a while.

    Attributes:
        retry_after_s: Seconds until it is tried again; None when only a person's word lets it be.
    """

    title = "This service is left alone for a while"

    def __init__(self, message: str, hint: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s


class ChannelError(CannotError):
    """An alert did not go through a channel.

    Attributes:
        retry_after_s: Seconds that the service asks to wait; None when it did not say.
        is_final: Whether trying again cannot help before a person changes something: a wrong token or address.
        is_in_doubt: Whether it may have arrived all the same: the connection broke before the answer came.
    """

    title = "The alert did not go through"

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        retry_after_s: float | None = None,
        is_final: bool = False,
        is_in_doubt: bool = False,
    ) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s
        self.is_final = is_final
        self.is_in_doubt = is_in_doubt


class UpdateError(CannotError):
    """Releases cannot be asked for, or one cannot be fetched or started."""

    title = "The update does not work now"


class UpdateRefused(WatchkeeperError):
    """What is told of releases, or a release itself, is not what its makers signed, or is too old."""

    title = "The update is not to be trusted"
    exit_code = 1


class InternalError(WatchkeeperError):
    """A fault of Watchkeeper itself."""

    title = "Watchkeeper has a fault"
    exit_code = 4
