"""Whether spare workers are worth keeping: how they ended, what they need, and what their interpreter has installed."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

_log = structlog.get_logger(__name__)

DEATHS = 3
"""After so many in a row no more are started."""
TRY_AGAIN_S = 600.0
"""So long after that it is tried again: what ended them (a folder that was away, little memory) may be over."""
TRY_AGAIN_AT_MOST_S = 4 * 3600.0
"""It doubles with each time that it did not help."""
_SAID_SHOWN = 200


class SpareHealth:
    """The health of one project's spares.

    Args:
        project: The project's name for people.
        cap_bytes: What one of them may need.
        on_trouble: Takes why none can be kept and what to do, or empty texts when that is over.
    """

    def __init__(self, project: str, *, cap_bytes: int, on_trouble: Callable[[str, str], None]) -> None:
        self._project = project
        self._cap = cap_bytes
        self._on_trouble = on_trouble
        self._deaths = 0
        self._told = False
        self._packages: int | None = None
        self._wait_s = TRY_AGAIN_S
        self._again_at = math.inf
        self.gave_up = False

    def got_ready(self) -> None:
        """Note that one is ready: what was wrong is over."""
        if self._told:
            self._told = False
            self._on_trouble("", "")

    def served(self) -> None:
        """Note that a ready one was taken: those that died before it were an exception."""
        self._deaths = 0
        self._wait_s = TRY_AGAIN_S

    def ended_while_loading(self, said: str) -> None:
        """Note that one ended while it loaded the project: a conftest is broken, which the next run tells anyway."""
        _log.info("a spare worker ended while it loaded the project", project=self._project, said=_last_line(said))

    def ended_without_pytest(self) -> None:
        """Note that there is no pytest, which the next run tells anyway."""
        self._give_up()

    def died(self, said: str, now: float) -> None:
        """Note that one ended by itself.

        Args:
            said: What it printed, or why it could not be started.
            now: Monotonic time.
        """
        self._deaths += 1
        line = _last_line(said)
        _log.info("a spare worker ended by itself", project=self._project, deaths=self._deaths, said=line)
        if self._deaths >= DEATHS:
            text = f"Interpreters kept ready for {self._project} end by themselves, so none is kept."
            quoted = f' The last one said: "{line}".' if line else ""
            self._give_up(text, f"Tests begin a little later.{quoted}")
            self._again_at = now + self._wait_s
            self._wait_s = min(2 * self._wait_s, TRY_AGAIN_AT_MOST_S)

    def may_keep(self, rss: int) -> bool:
        """Return whether one that needs so many bytes may be kept; if not, none is."""
        if rss > self._cap:
            text = f"An interpreter kept ready for {self._project} needs {rss >> 20} MB, so none is kept."
            self._give_up(text, "Tests begin a little later. Allow more by `warm_mb` under [tests].")
        return rss <= self._cap

    def forgive(self) -> None:
        """Begin anew: with another recipe, or another configuration, all may be different."""
        self.gave_up = False
        self._deaths = 0
        self._again_at = math.inf

    def is_over(self, now: float) -> bool:
        """Return whether those that died did so long enough ago for another try, at this monotonic time."""
        return now >= self._again_at

    async def look_at(self, interpreter: str) -> bool:
        """Return whether something was installed or removed since none are kept, so that it is worth another try."""
        packages = await asyncio.to_thread(packages_of, interpreter)
        before, self._packages = self._packages, packages
        return before is not None and packages != before

    def _give_up(self, text: str = "", hint: str = "") -> None:
        self.gave_up = True
        self._packages = None
        if text:
            _log.warning("no spare workers are kept", project=self._project, why=text)
            self._told = True
            self._on_trouble(text, hint)


def packages_of(interpreter: str) -> int:
    """Return a number that changes when packages are installed or removed: what was imported before would be old.

    Installers write into the folder of packages itself, since the name of a package's `.dist-info` folder bears its
    version (https://packaging.python.org/en/latest/specifications/recording-installed-packages/). Blocks on the file
    system.
    """
    folder = Path(interpreter).parent
    prefix = folder.parent if folder.name in ("bin", "Scripts") else folder
    times: list[int] = []
    for pattern in ("lib/python*/site-packages", "lib/python*/dist-packages", "Lib/site-packages"):
        for found in sorted(prefix.glob(pattern)):
            try:
                times.append(found.stat().st_mtime_ns)
            except OSError:
                continue
    return hash(tuple(times))


def _last_line(said: str) -> str:
    return said.strip().rpartition("\n")[2].strip()[-_SAID_SHOWN:]
