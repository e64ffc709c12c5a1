"""What can go wrong with a remedy.

CannotError
  RemedyError        a remedy cannot be planned, applied or taken back
    NotPlanned       what must be known first could not be read; nothing was changed
    NotPossible      the remedy would do harm here, or AWS would refuse it; nothing was changed
    NotShown         what is to be applied is not what the person saw; nothing was changed
    Outdated         something changed since the plan was made; nothing was changed by us
    Busy             another program is at the same bucket or account; nothing was changed
    NotKept          the state before cannot be kept; nothing was changed
    NotApplied       a call came to nothing half-way; says what was put back and what was not
    NotReadable      a state file is not what was written
    ChangedSince     somebody changed it since it was applied, so it is not taken back
    NotTakenBack     a call came to nothing while it was taken back; says what was put back and what was not
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.errors import CannotError

if TYPE_CHECKING:
    from pathlib import Path


class RemedyError(CannotError):
    """A remedy cannot be planned, applied or taken back."""

    title = "That cannot be repaired now"


class NotPlanned(RemedyError):
    """What must be known first could not be read."""

    title = "The repair cannot be planned"


class NotPossible(RemedyError):
    """The remedy would do harm here, or AWS would refuse it."""

    title = "This repair is not possible here"


class NotShown(RemedyError):
    """What is to be applied is not what the person saw."""

    title = "This plan was not shown"


class Outdated(RemedyError):
    """Something changed since the plan was made.

    Args:
        message: As of WatchkeeperError.
        hint: Likewise.
        differs: What, each as a line.
    """

    title = "The plan is outdated"

    def __init__(self, message: str, hint: str = "", *, differs: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.differs = differs


class Busy(RemedyError):
    """Another program is at the same bucket or account."""

    title = "Another repair is under way"


class NotKept(RemedyError):
    """The state before cannot be kept."""

    title = "The state before cannot be kept"


class NotReadable(RemedyError):
    """A state file is not what was written."""

    title = "The state before cannot be read"


class ChangedSince(Outdated):
    """Somebody changed it since it was applied."""

    title = "It was changed meanwhile"


class NotApplied(RemedyError):
    """A call came to nothing half-way.

    Args:
        message: As of WatchkeeperError.
        hint: Likewise.
        path: The state file.
        restored: The settings that are as before, whether they were put back or never changed.
        left: Those that may not be, each with why.
        journal: What was done, as lines.
    """

    title = "The repair failed"

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        path: Path,
        restored: tuple[str, ...] = (),
        left: tuple[str, ...] = (),
        journal: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint)
        self.path = path
        self.restored = restored
        self.left = left
        self.journal = journal


class NotTakenBack(NotApplied):
    """A call came to nothing while a remedy was taken back."""

    title = "The repair could not be taken back"
