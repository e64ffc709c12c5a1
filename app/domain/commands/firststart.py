"""What is asked while somebody sets the program up. All of it is what a person chose on the screen."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.domain.commands.base import PrivateCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class AskForProject(PrivateCommand):
    """Ask the person for one more project, in a window. Answer: None. Refused with CommandRefused in safe mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAtProject(PrivateCommand):
    """Find out what a folder is, and what would run its tests. Answer: app.domain.firststart.ProjectLook.

    Nothing of the project is run, but its interpreter may be asked whether it has pytest.
    """

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CountTests(PrivateCommand):
    """Have a project's tests found, which imports them. Answer: app.domain.firststart.TestCount.

    A second one ends the first, and so does `KeepProject`: that one is refused with CommandRefused.
    """

    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepProject(PrivateCommand):
    """Watch a project now and at each start, by the settings. Answer: its root as str.

    Refused with ProjectError, or as SetSetting; it is not watched then.
    """

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSetting(PrivateCommand):
    """Set one of the settings, in their file. Answer: None.

    Refused with SettingsError when the file has a mistake, or with CannotError when it cannot be written.

    Attributes:
        key: Its name: `analysis.providers`.
        values: As behind `config set`.
    """

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TryModel(PrivateCommand):
    """Ask a model something small, once. Answer: app.domain.firststart.ModelTrial. Refused with CannotError.

    Attributes:
        name: The service, as in the settings.
        key: What a person typed; empty for a service that wants none.
        model: The model; empty for the usual one.
    """

    name: str
    key: str = field(default="", repr=False)
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLoginStart(PrivateCommand):
    """Answer: app.domain.firststart.LoginStart. Refused with CannotError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAtLogin(PrivateCommand):
    """Have the program started at login by the system's usual method. Answer: app.domain.firststart.LoginStart.

    Refused with UsageError or CannotError; then all is as it was.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class AskNoMore(PrivateCommand):
    """Do not come back with the first questions at the next start. Answer: None."""
