"""An upgrade while the program runs: the newer one that is started asks the older one to leave, and takes its place.

And what happens to the program's own files meanwhile: of another release in their place the person is told, and when
they were moved, what starts it at login is mended.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from app.domain.errors import CannotError
from app.domain.health import KeptBy
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.engine.places import Places
    from app.house.ground import Ground
    from app.system.autostart.autostart import Autostart
    from app.system.instance import SingleInstance

_log = structlog.get_logger(__name__)

LEAVES_S = 12.0
"""How long the older one may take to leave: a staged stop takes up to 10 s."""

FOLLOW_EVERY_S = 60.0
"""How often it is looked which release lies where this one came from."""

_LOOK_EVERY_S = 0.1
_RELEASE = re.compile(r"\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What the one that left was doing.

    Attributes:
        folders: The projects that it watched and that are still there.
        was_kept: Whether a parent of its own (`--keep`) kept it, which has ended with it.
    """

    folders: tuple[Path, ...] = ()
    was_kept: bool = False


def succeed(places: Places, instance: SingleInstance, say: Callable[[str], None]) -> Inheritance | None:
    """Ask the Watchkeeper that runs to leave, if this one is newer, and take its lock.

    One that a service manager keeps is left alone: what took its place would not be kept. One of the same release, or
    a newer one, stays as well; the person is told where the two differ.

    Args:
        places: Where both have their folders.
        instance: The lock, which the other one holds.
        say: Is told in a line what the person should know.

    Returns:
        What the other one watched, with the lock taken; None where it stays.
    """
    from app import __version__
    from app.cli.lastlife import read_heartbeats

    beats, owner = read_heartbeats(places), instance.owner()
    if beats is None or owner is None or beats.pid != owner.pid or beats.version in ("", __version__):
        return None
    says = f"The Watchkeeper that runs is {beats.version}, and this one is {__version__}."
    if not is_older(beats.version, __version__):
        say(f"{says} To have this one: watchkeeper stop, then start it again.")
        return None
    try:
        snapshot = _asked_to_leave(places, f"Watchkeeper {__version__} takes its place")
    except CannotError as error:
        say(f"{says} It could not be asked to leave: {error.message} {error.hint}")
        return None
    if snapshot is None:
        say(f"{says} Your service manager keeps it: restart it there (systemctl --user restart watchkeeper).")
        return None
    due = time.monotonic() + LEAVES_S
    while not instance.acquire():
        if time.monotonic() >= due:
            say(f"{says} It was asked to leave, and has not left in {LEAVES_S:.0f} s: end process {owner.pid}.")
            return None
        time.sleep(_LOOK_EVERY_S)
    say(f"{says} It was asked to leave, and this one goes on in its place.")
    there = tuple(folder for folder in map(Path, snapshot["projects"]) if folder.is_dir())
    return Inheritance(there, was_kept=snapshot["health"]["kept_by"] == KeptBy.PARENT)


def is_older(one: str, other: str) -> bool:
    """Return whether a release comes before another; False where that cannot be told from the numbers."""
    first, second = _numbers(one), _numbers(other)
    return bool(first and second) and first < second


def _numbers(version: str) -> tuple[int, ...]:
    found = _RELEASE.match(version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _asked_to_leave(places: Places, reason: str) -> dict[str, Any] | None:
    """Ask it, and return its last snapshot; None where a service manager keeps it, and it was not asked.

    Raises:
        CannotError: It does not answer, or refuses.
    """
    from app.cli.patience import PATIENCE_S
    from app.control.client import ControlClient
    from app.domain.commands import ReadStatus, Stop

    with ControlClient(places, timeout_s=PATIENCE_S) as client:
        snapshot: dict[str, Any] = client.send(ReadStatus())
        if snapshot["health"]["kept_by"] in (KeptBy.SYSTEMD, KeptBy.LAUNCHD):
            return None
        client.send(Stop(reason=reason))
    return snapshot


@asynccontextmanager
async def moved(ground: Ground, autostart: Callable[[], Autostart] | None = None) -> AsyncIterator[None]:
    """Mend the start at login where it names a program that is gone, behind everything else; a failure is a notice.

    Args:
        ground: What the house stands on.
        autostart: Gives the start at login; by default this machine's.
    """
    mending = spawn(_mend(ground, autostart or _autostart_here), name="autostart")
    try:
        yield
    finally:
        mending.cancel()


@asynccontextmanager
async def replaced(
    ground: Ground, on_disk: Callable[[], str] | None = None, *, every_s: float = FOLLOW_EVERY_S
) -> AsyncIterator[None]:
    """Tell by a notice when another release was installed over the one that runs, as package tools do.

    Args:
        ground: What the house stands on.
        on_disk: Gives the release that lies there; empty where that cannot be read. Called in a thread.
        every_s: How often it is asked.
    """
    from app.system.installed import release_on_disk

    following = spawn(_follow_release(ground, on_disk or release_on_disk, every_s), name="release on disk")
    try:
        yield
    finally:
        following.cancel()


async def _follow_release(ground: Ground, on_disk: Callable[[], str], every_s: float) -> None:
    from app import __version__
    from app.engine.notices import Notices

    notices = Notices(ground.bus.publish, ground.clock)
    while True:
        await ground.clock.sleep(every_s)
        there = await asyncio.to_thread(on_disk)
        if not there:
            continue  # in the midst of being replaced, removed, or on a disk that is away: nothing to be told yet
        text = f"Watchkeeper {there} was installed while {__version__} runs." if there != __version__ else ""
        notices.show("release", text, _how_to_follow(there, ground.bus.snapshot.health.kept_by) if text else "")


def _how_to_follow(there: str, kept_by: KeptBy) -> str:
    from app import __version__

    if kept_by is KeptBy.SYSTEMD:
        return "Restart it: systemctl --user restart watchkeeper"
    if is_older(__version__, there):
        return "Start Watchkeeper again: the new one takes its place and goes on with the same projects."
    return "To have that one: watchkeeper stop, then start it again."


async def _mend(ground: Ground, autostart: Callable[[], Autostart]) -> None:
    from app.engine.notices import Notices

    said = await asyncio.to_thread(lambda: autostart().mend_if_moved())
    if said:
        _log.warning("the start at login was looked at", said=said)
        hint = "See how it stands: watchkeeper autostart status"
        Notices(ground.bus.publish, ground.clock).show("autostart", said, hint)


def _autostart_here() -> Autostart:
    from app.system.autostart.here import autostart_here

    return autostart_here(os.environ)
