"""What a check of `doctor` is given, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.agents.settings import Settings
    from app.engine.places import Places

LAST_RESORT = "Start Watchkeeper, which mends what it can; `watchkeeper logs` tells what it did."


class Level(StrEnum):
    """What a check found."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `hint` says what to do, where there is something."""

    name: str
    level: Level
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """What all checks may look at.

    Attributes:
        settings: The person's settings; None while their file has a mistake.
        snapshot: What the running instance sees, as its JSON document; None where none answers.
    """

    places: Places
    environ: Mapping[str, str]
    settings: Settings | None = None
    snapshot: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Look:
    """One check yet to be made: `look` may block, and may raise what it likes.

    Attributes:
        late: What is said when it does not come back in time.
        late_hint: What to do then.
    """

    name: str
    look: Callable[[], Check | list[Check]]
    late: str = "It did not answer in time."
    late_hint: str = "A network folder or a service may hang. Try again: watchkeeper doctor"
