"""Small JSON state of our own: read with a bound, and set aside with a word about it when it is not what we wrote."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import structlog

from app.engine.files import write_atomic
from app.engine.places import make_private
from app.engine.regular import NotRegular, read_regular

if TYPE_CHECKING:
    from pathlib import Path

_log = structlog.get_logger(__name__)

LARGEST_STATE = 4 * 1024 * 1024
"""Bytes: no state of ours comes near this."""


class StateFile:
    """A JSON object with a schema number, in one file.

    Args:
        path: The file. It need not exist.
        schema: The number that this program writes; another one is set aside.
    """

    def __init__(self, path: Path, *, schema: int) -> None:
        self.path = path
        self._schema = schema

    def read(self) -> tuple[dict[str, Any], str]:
        """Return the state without its schema number, and a message when what was there had to be set aside.

        Never fails: what cannot be used is renamed to `NAME.broken`, and the state is empty then.
        """
        try:
            return self._checked(read_regular(self.path, LARGEST_STATE)), ""
        except FileNotFoundError:
            return {}, ""
        except (NotRegular, ValueError) as error:
            return {}, self._set_aside(str(error))
        except OSError as error:
            return {}, f"{self.path} cannot be read ({error.strerror or error}), so it is taken as empty."

    def _checked(self, content: bytes) -> dict[str, Any]:
        if len(content) > LARGEST_STATE:
            raise ValueError(f"it is larger than {LARGEST_STATE // 1024 // 1024} MiB")
        try:
            found = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ValueError("it is not JSON") from error
        if not isinstance(found, dict):
            raise ValueError("it holds no JSON object")  # noqa: TRY004 - the content is wrong, not a caller's type
        if found.pop("schema", None) != self._schema:
            raise ValueError(f"its schema is not {self._schema}")
        return found

    def write(self, state: dict[str, Any]) -> None:
        """Replace the state, atomically.

        Raises:
            OSError: The disk is full, the folder read-only; the old state is intact then.
        """
        make_private(self.path.parent)
        write_atomic(self.path, json.dumps({"schema": self._schema, **state}, indent=1).encode())

    def _set_aside(self, why: str) -> str:
        aside = self.path.with_name(self.path.name + ".broken")
        try:
            self.path.replace(aside)
            where = f"It was set aside as {aside}."
        except OSError as error:
            where = f"It could not be set aside either: {error.strerror or error}."
        _log.warning("a state file cannot be used", file=str(self.path), why=why)
        return f"{self.path} cannot be used: {why}. {where}"


def number_of(value: object) -> float:
    """Return a number as JSON may hold it; 0 for anything else, and for one that is too large, or none (NaN)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    try:
        number = float(value)
    except OverflowError:
        return 0.0
    return number if math.isfinite(number) else 0.0
