"""A value in the registry's Run key of the person, which Windows carries out at each login.

From "Run and RunOnce Registry Keys". What the Task Manager and the Settings switch off stands in a key beside it,
StartupApproved, whose first byte is odd then; that much is known by what they write, no document has it.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, ClassVar, Protocol

from app.domain.errors import CannotError
from app.system.autostart.entries import Entry, Method, Start
from app.system.autostart.windows_words import command_line, split_command_line, start_of_words, start_words

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = r"Software\Microsoft\Windows\CurrentVersion\Run"
APPROVED = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run"
VALUE = "Watchkeeper"
LONGEST = 260
"""Characters that the value may have."""


class Registry(Protocol):
    """The values below HKEY_CURRENT_USER; each call may raise an OSError."""

    def read(self, key: str, name: str) -> str | bytes | None:
        """Return a value, text or bytes; None when there is none, or one of another kind."""

    def write(self, key: str, name: str, value: str) -> None:
        """Write a text, and the keys that it needs."""

    def delete(self, key: str, name: str) -> None:
        """Delete a value; without effect when there is none."""


class RunKey:
    """The value `Watchkeeper`.

    Args:
        registry: The person's registry.
    """

    name: ClassVar[Method] = Method.RUN
    keeps: ClassVar[bool] = False

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def read(self) -> Entry | None:
        """Return what there is.

        Raises:
            CannotError: The registry cannot be read.
        """
        with _told():
            value = self._registry.read(RUN, VALUE)
            approved = self._registry.read(APPROVED, VALUE)
        if value is None:
            return None
        start = start_of_words(split_command_line(value)) if isinstance(value, str) else None
        is_off = isinstance(approved, bytes) and bool(approved) and bool(approved[0] & 1)
        where = f"HKEY_CURRENT_USER\\{RUN}, value {VALUE}"
        is_older = start is not None and value != self._line(start)
        return Entry(self.name, where, start, is_on=not is_off, is_older=is_older)

    def write(self, start: Start) -> None:
        """Write the value, and forget that it was switched off.

        Raises:
            CannotError: It is too long, or cannot be written.
        """
        self.move(start)
        with _told():
            self._registry.delete(APPROVED, VALUE)

    def move(self, start: Start) -> None:
        """Write the value.

        Raises:
            CannotError: It is too long, or cannot be written.
        """
        line = self._line(start)
        if len(line) > LONGEST:
            raise CannotError(
                f"The command line has {len(line)} characters; Windows starts none of more than {LONGEST} from here.",
                "Name the projects in the settings instead, or use: watchkeeper autostart enable --method task",
            )
        with _told():
            self._registry.write(RUN, VALUE, line)

    def _line(self, start: Start) -> str:
        return command_line(start_words(start, keeps=self.keeps))

    def remove(self) -> None:
        """Remove the value, and what says that it is switched off.

        Raises:
            CannotError: It cannot be removed.
        """
        with _told():
            self._registry.delete(RUN, VALUE)
            self._registry.delete(APPROVED, VALUE)


@contextmanager
def _told() -> Iterator[None]:
    """Turn what goes wrong within into an error for people.

    Raises:
        CannotError: An OSError came from within.
    """
    try:
        yield
    except OSError as error:
        raise CannotError(
            f"The registry's Run key cannot be used: {error.strerror or error}.",
            "A policy of this machine may keep programs from it; try: watchkeeper autostart enable --method task",
        ) from error


if sys.platform == "win32":
    import winreg

    class WindowsRegistry:
        """The registry of the person who runs this."""

        def read(self, key: str, name: str) -> str | bytes | None:
            """Return a value, text or bytes."""
            with suppress(FileNotFoundError), winreg.OpenKey(winreg.HKEY_CURRENT_USER, key) as opened:
                value, _ = winreg.QueryValueEx(opened, name)
                return value if isinstance(value, (str, bytes)) else None
            return None

        def write(self, key: str, name: str, value: str) -> None:
            """Write a text; of the kind in which Windows expands no %VARIABLE%."""
            with winreg.CreateKeyEx(winreg.HKEY_CURRENT_USER, key, 0, winreg.KEY_SET_VALUE) as opened:
                winreg.SetValueEx(opened, name, 0, winreg.REG_SZ, value)

        def delete(self, key: str, name: str) -> None:
            """Delete a value."""
            with (
                suppress(FileNotFoundError),
                winreg.OpenKey(winreg.HKEY_CURRENT_USER, key, 0, winreg.KEY_SET_VALUE) as opened,
            ):
                winreg.DeleteValue(opened, name)
