"""How the program itself fares: what it uses, how its earlier lives ended, and what alerts go through.

Wall-clock times are for people to read; nothing is decided by them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Ending(StrEnum):
    """How a life of the program ended, other than in an orderly way."""

    KILLED = "killed"
    """It left no word: killed, crashed in native code, or the machine lost power."""
    FAILED = "failed"
    """An error of its own reached the top."""
    STUCK = "stuck"
    """Its event loop did not run for two minutes, and it ended itself."""
    FORCED = "forced"
    """It was told to stop, and its stop did not come to its end in time."""


class KeptBy(StrEnum):
    """Who starts the program again after it ended in another way than it was asked to."""

    NOBODY = "nobody"
    SYSTEMD = "systemd"
    LAUNCHD = "launchd"
    PARENT = "parent"
    """The small parent that `watchkeeper --keep` is."""


class Lateness(StrEnum):
    """In which way the event loop is late."""

    BLOCKED = "blocked"
    """It has not run for some seconds, and does not yet."""
    WAS_BLOCKED = "was blocked"
    """It runs again, after a long time in which it did not."""
    CROWDED = "crowded"
    """It runs, and each time too late: other threads compute, and take its turn."""


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of a process as its parent saw it.

    Attributes:
        pid: Which process; 0 where the parent cannot know.
        code: Its exit code, negative for the signal that ended it.
        at: When.
    """

    pid: int
    code: int
    at: float


@dataclass(frozen=True, slots=True)
class UncleanEnd:
    """A life that did not end in an orderly way.

    Attributes:
        at: When it ended; when it last gave a sign of life, where that is all that is known.
        ending: How.
        where: The code that held it ("file.py:12 in name"), or the error's name and text; empty where not known.
        version: Its version.
        code: Its exit code as what started it was told, negative for the signal that ended it; None where not known.
    """

    at: float
    ending: Ending
    where: str = ""
    version: str = ""
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the process uses, and how late its event loop is; a figure that the system does not tell is None.

    Attributes:
        at: When it was measured.
        rss_bytes: Memory that is in use, in bytes.
        descriptors: Open file descriptors, on Windows handles.
        threads: Threads of Python.
        tasks: Tasks on the event loop.
        lag_p50_s, lag_p99_s: Lag of the event loop over the last five minutes, in seconds.
        lag_worst_s: The longest lag since the start, in seconds.
        bridge_depth: Calls from other threads that wait for the loop.
        timers: Timers that are armed: the loop's, and in the tray Qt's.
        lag_sum_s: All lags since the start, in seconds.
        lag_bounds_s: Bounds of lags, in seconds.
        lag_counts: How many ticks since the start were late by up to each bound, and by more than the last.
    """

    at: float
    rss_bytes: int | None = None
    descriptors: int | None = None
    threads: int = 0
    tasks: int = 0
    lag_p50_s: float = 0.0
    lag_p99_s: float = 0.0
    lag_worst_s: float = 0.0
    bridge_depth: int = 0
    timers: int = 0
    lag_sum_s: float = 0.0
    lag_bounds_s: tuple[float, ...] = ()
    lag_counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel that alerts go through, beside the desktop: `mail`, `telegram` or `webhook`.

    Attributes:
        waiting: Alerts that wait on disk to be sent.
        reason: Why the last one could not be sent; empty while all is well.
        sent_at: When an alert last went through it; None for never.
        dropped: Alerts given up since the start: they waited for more than a day, or too many waited.
        hint: What to do about `reason`; may be empty.
        tested_at: When it was last tested, if nothing was sent since; else None.
        test_reason: Why that test did not go through; empty when it did.
        test_hint: What to do about that; may be empty.
    """

    name: str
    waiting: int = 0
    reason: str = ""
    sent_at: float | None = None
    dropped: int = 0
    hint: str = ""
    tested_at: float | None = None
    test_reason: str = ""
    test_hint: str = ""


class HeldFor(StrEnum):
    """Why alerts are not handed to the channels yet."""

    SNOOZE = "snooze"
    PAUSE = "pause"
    """All agents are paused."""
    QUIET = "quiet"
    """It is in the quiet hours."""
    TOLD = "told"
    """The same was told a short time ago, or very much was."""


@dataclass(frozen=True, slots=True)
class HeldView:
    """Alerts that are held back from the channels for now.

    Attributes:
        count: How many.
        why: Why; None for none.
        until: When it is looked at again at the latest; None where that is not known.
    """

    count: int = 0
    why: HeldFor | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class ChannelTest:
    """What came of a test alert: `reason` says why it did not go through, and is empty when it did."""

    channel: str
    reason: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class HealthView:
    """How the program fares.

    Attributes:
        kept_by: Who starts it again.
        ends: How earlier lives ended that did not end in an orderly way, the newest first; at most ten.
        is_restart: Whether the life right before this one is the first of `ends`.
        safe_mode: Why no agent was started; empty outside safe mode.
        vitals: What was measured last; None before that.
        channels: Where alerts go, by name.
        held: What is held back from them.
        metrics: The address that metrics are served at; empty while they are not.
        metrics_token: The file that holds the token which they ask for; empty when they ask for none.
        slept_at: When the machine last woke up; None when it did not since the start.
        slept_s: For how many seconds it had slept.
        is_online: Whether there is a way into the network; None where that is not known.
    """

    kept_by: KeptBy = KeptBy.NOBODY
    ends: tuple[UncleanEnd, ...] = ()
    is_restart: bool = False
    safe_mode: str = ""
    vitals: Vitals | None = None
    channels: Mapping[str, ChannelView] = field(default_factory=lambda: MappingProxyType({}))
    held: HeldView = field(default_factory=HeldView)
    metrics: str = ""
    metrics_token: str = ""
    slept_at: float | None = None
    slept_s: float = 0.0
    is_online: bool | None = None
