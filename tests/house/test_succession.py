"""What is told when another release comes to lie in the program's place while it runs."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from app import __version__
from app.domain.events import LifeBegan
from app.domain.health import KeptBy
from app.engine.places import Places
from app.house.ground import Ground, ground
from app.house.succession import replaced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

LONG_S = 20.0
NEWER, OLDER = "99.0.0", "0.0.1"


class Disk:
    """What lies in the program's place."""

    def __init__(self) -> None:
        self.release = __version__
        self._looks = 0
        self._looked = threading.Condition()

    def __call__(self) -> str:
        """Return its release."""
        with self._looked:
            self._looks += 1
            self._looked.notify_all()
        return self.release

    async def is_looked_at(self, times: int) -> bool:
        """Wait until it was looked at so many times more."""
        wanted = self._looks + times
        return await asyncio.to_thread(self._wait, wanted)

    def _wait(self, wanted: int) -> bool:
        with self._looked:
            return self._looked.wait_for(lambda: self._looks >= wanted, LONG_S)


@asynccontextmanager
async def housed(home: Path, disk: Disk) -> AsyncIterator[Ground]:
    places = Places.find({"WATCHKEEPER_HOME": str(home)})
    places.create()
    with ground(places) as on:
        async with replaced(on, disk, every_s=0.01):
            yield on


async def until(on: Ground, holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG_S):
        async for _ in on.bus.snapshots(0.01):
            if holds():
                return


async def test_the_same_release_is_nothing_to_tell(tmp_path: Path) -> None:
    """However often it is looked; nor is a place that cannot be read just then."""
    disk = Disk()
    async with housed(tmp_path, disk) as on:
        assert await disk.is_looked_at(3)
        disk.release = ""
        assert await disk.is_looked_at(3)

        assert on.bus.snapshot.notices == {}


@pytest.mark.parametrize(
    ("there", "kept_by", "hint"),
    [
        (NEWER, KeptBy.NOBODY, "Start Watchkeeper again"),
        (NEWER, KeptBy.PARENT, "Start Watchkeeper again"),
        (NEWER, KeptBy.SYSTEMD, "systemctl --user restart watchkeeper"),
        (OLDER, KeptBy.NOBODY, "watchkeeper stop, then start it again"),
    ],
)
async def test_another_release_is_told_with_what_to_do(there: str, kept_by: KeptBy, hint: str, tmp_path: Path) -> None:
    """Once; it goes when the release is the one that runs again."""
    disk = Disk()
    async with housed(tmp_path, disk) as on:
        on.bus.publish(LifeBegan(at=on.clock.wall(), kept_by=kept_by))
        disk.release = there
        await until(on, lambda: "release" in on.bus.snapshot.notices)
        notice = on.bus.snapshot.notices["release"]
        disk.release = ""
        assert await disk.is_looked_at(3)
        stays = on.bus.snapshot.notices["release"] == notice
        disk.release = __version__
        await until(on, lambda: "release" not in on.bus.snapshot.notices)

    assert notice.text == f"Watchkeeper {there} was installed while {__version__} runs."
    assert hint in notice.hint
    assert stays
