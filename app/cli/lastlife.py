"""What is known of an instance that does not answer, from the file of its heartbeats."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.domain import words
from app.engine.regular import read_regular
from app.engine.statefile import number_of

if TYPE_CHECKING:
    from app.engine.places import Places

LARGEST = 1024 * 1024
"""Bytes of the file; a hundred agents have a tenth of that."""
_FRESH_S = 60.0
"""The file is written every 15 s: one that is older is of a life that stands still or has ended."""


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """It.

    Attributes:
        pid: The process that wrote it; 0 where it does not say.
        version: Of that program; empty where it does not say.
        started: When it started, in seconds since the epoch; 0 where it does not say.
        written: When the file was written; likewise.
        stopping: Why it was on its way out; empty while it was not.
        agents: The state of each agent, by name.
        document: All that stands in the file.
    """

    pid: int
    version: str
    started: float
    written: float
    stopping: str
    agents: dict[str, str]
    document: dict[str, Any]

    @property
    def is_alive(self) -> bool | None:
        """Whether the process runs, as `is_alive` tells it."""
        return is_alive(self.pid)


def is_alive(pid: int) -> bool | None:
    """Return whether a process runs; None where that cannot be asked without harm (on Windows signal 0 is Ctrl+C)."""
    if sys.platform == "win32" or pid <= 0:
        return None
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def read_heartbeats(places: Places) -> Heartbeats | None:
    """Return what the file tells; None where there is none (an orderly end leaves none), or it tells nothing."""
    path = places.runtime / "heartbeats.json"
    try:
        content = read_regular(path, LARGEST)
        found = json.loads(content)
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or len(content) > LARGEST:
        return None
    agents = found.get("agents")
    states = {
        str(name): str(agent.get("state", ""))
        for name, agent in (agents.items() if isinstance(agents, dict) else ())
        if isinstance(agent, dict)
    }
    pid = found.get("pid")
    return Heartbeats(
        pid if type(pid) is int else 0,
        str(found.get("version") or ""),
        number_of(found.get("started")),
        number_of(found.get("written")),
        str(found.get("stopping") or ""),
        states,
        found,
    )


def last_word(beats: Heartbeats, now: float) -> str:
    """Return what the file tells of a life that does not answer, as a sentence; empty where it tells nothing odd."""
    when = f", {words.ago(now - beats.written)}" if beats.written else ""
    if beats.is_alive is False:
        return f"The last life (process {beats.pid}) ended without a word{when}."
    if beats.written and now - beats.written > _FRESH_S:
        return f"Process {beats.pid} wrote its last heartbeat{when}: it stands still, or has ended."
    return ""
