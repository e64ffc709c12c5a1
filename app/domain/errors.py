"""The error tree: each error has a title and a message for people, and an exit code for scripts.

    WatchkeeperError
      UsageError            the words or values that were given are wrong (exit 2)
        SettingsError       a settings file has a bad value
        ProjectError        a folder cannot be watched: missing, no folder, unreadable
      CannotError           right words, but it cannot be done now (exit 3)
        NoInstance          nothing runs that could answer
        InstanceUnreachable something runs, but does not answer
        CommandRefused      the running instance says no
        InterpreterMissing  no Python was found for the project
        StoreError          the history cannot be opened
        BridgeError
          BridgeClosed      the loop no longer takes calls
          BridgeFull        the loop is behind, and this call was not accepted
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


class InternalError(WatchkeeperError):
    """A fault of Watchkeeper itself."""

    title = "Watchkeeper has a fault"
    exit_code = 4
