"""What the first start finds out: of a project's folder, of a model and its key, of the start at login. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Folder(StrEnum):
    """Whether a folder can be watched, and by what its tests are run."""

    GOOD = "good"
    MISSING = "missing"
    """There is nothing of this name."""
    FILE = "file"
    TOO_MUCH = "too much"
    """A home folder, or a whole disk."""
    UNREADABLE = "unreadable"
    NO_PYTHON = "no Python"
    """It can be watched, but no interpreter was found that would run its tests."""
    NO_RUNNER = "no runner"
    """It can be watched, but the program that runs its tests is not there."""

    @property
    def can_be_watched(self) -> bool:
        """True where what is missing may still come."""
        return self in (Folder.GOOD, Folder.NO_PYTHON, Folder.NO_RUNNER)


@dataclass(frozen=True, slots=True)
class ProjectLook:
    """What was found in a folder, without running any of its tests.

    Attributes:
        folder: See Folder.
        root: The folder, absolute and without links; as it was named where it cannot be watched.
        interpreter: The Python that runs the tests; empty where there is none, or none is needed.
        source: Where that was found: `.venv`, `poetry`, `PATH`, ...
        command: What runs the tests, as one would type it.
        own_settings: The file in which the project brings settings along that do not hold; empty for none.
        detail: What is wrong, in the words of whoever found it; empty when nothing is.
        hint: What to do about that.
    """

    folder: Folder
    root: str
    interpreter: str = ""
    source: str = ""
    command: str = ""
    own_settings: str = ""
    detail: str = ""
    hint: str = ""


class Counting(StrEnum):
    """What came of counting a project's tests."""

    DONE = "done"
    LATER = "later"
    """What runs them tells their number with the first run, and not before."""
    NO_PYTEST = "no pytest"
    NO_TESTS = "no tests"
    BROKEN = "broken"
    """Files of it cannot be imported."""
    SLOW = "slow"
    """It takes longer than anybody waits for."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TestCount:
    """How many tests a project has.

    Attributes:
        counting: See Counting.
        tests: How many were found; 0 when that is not known.
        files: Those that cannot be imported, relative to the project.
        detail: What went wrong, in the words of whoever ran into it; empty when nothing did.
        command: What a person can type to mend it; empty where nobody knows.
    """

    __test__ = False

    counting: Counting
    tests: int = 0
    files: tuple[str, ...] = ()
    detail: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A service that can be asked.

    Attributes:
        name: As in the settings.
        host: Where it is; what people read.
        model: The model that is asked, unless another one is named.
        key: The name of its secret in the vault; empty for a service that wants none.
        is_local: Whether it is on this machine, so that nothing leaves it.
    """

    name: str
    host: str
    model: str
    key: str = ""
    is_local: bool = False


class Trial(StrEnum):
    """What came of asking a model once."""

    GOOD = "good"
    NO_KEY = "no key"
    """What was typed cannot be a key."""
    KEY_REFUSED = "key refused"
    NO_MONEY_OR_RIGHT = "no money or right"
    """The key is known, but its account may not ask."""
    NO_MODEL = "no model"
    """The service refuses the question: it may not have this model."""
    BUSY = "busy"
    OUT_OF_REACH = "out of reach"
    FAILED = "failed"

    @property
    def speaks_against_key(self) -> bool:
        """True when the key cannot be of use as it is."""
        return self in (Trial.NO_KEY, Trial.KEY_REFUSED)


@dataclass(frozen=True, slots=True)
class ModelTrial:
    """What came of it.

    Attributes:
        trial: See Trial.
        model: Which model answered, by its own word; empty when none did.
        detail: What went wrong, in the words of whoever ran into it; never the key.
        hint: What to do about that.
    """

    trial: Trial
    model: str = ""
    detail: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class LoginStart:
    """How the program is started at login.

    Attributes:
        method: By what: `xdg`, `systemd`, `launchagent`, `run` or `task`; the usual one where nothing starts it yet.
        is_on: Whether it will be.
        trouble: What is in its way; empty when nothing is.
        hint: What to do about that.
    """

    method: str
    is_on: bool
    trouble: str = ""
    hint: str = ""
