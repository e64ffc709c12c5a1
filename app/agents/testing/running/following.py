"""Following a guarded run: its lines as they come, results handed on in batches, and an end put to one that hangs."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.agents.testing.running.told import Told
    from app.domain.verdicts import Stage, TestResult
    from app.engine.clock import Clock
    from app.engine.processes import Ended, GuardedProcess

    OnResults = Callable[[tuple[TestResult, ...], str], None]
    OnStage = Callable[[Stage, int | None], None]

_log = structlog.get_logger(__name__)

BATCH_S = 0.05
"""Results are handed on at most this often."""
LOOK_EVERY_S = 1.0
"""How often a silent run is looked at, at most; a short `hang_s` is looked at more often."""


class Batches:
    """Hands results on at most every `BATCH_S` seconds; the first red one, and what comes after silence, at once.

    Args:
        told: What the run has told.
        on_collected: Called once, with the number of tests that will run.
        on_results: Called with the tests that ended since the last call, in order, and the test that runs now.
        on_stage: Called when a stage begins, with the number of its tests as far as known.
    """

    def __init__(
        self,
        told: Told,
        on_collected: Callable[[int], None],
        on_results: OnResults,
        on_stage: OnStage | None = None,
    ) -> None:
        self._told = told
        self._on_collected = on_collected
        self._on_results = on_results
        self._on_stage = on_stage
        self._loop = asyncio.get_running_loop()
        self._last = -BATCH_S
        self._timer: asyncio.TimerHandle | None = None
        self._told_collected = False
        self._told_red = False
        self._told_running = ""
        self._told_stage: Stage | None = None

    def touch(self) -> None:
        """Note that a line came."""
        told = self._told
        if told.stage is not self._told_stage or (not self._told_red and told.has_red):
            self._told_red = told.has_red
            self.flush()
        if self._timer is not None:
            return
        due = self._last + BATCH_S - self._loop.time()
        if due <= 0:
            self.flush()
        else:
            self._timer = self._loop.call_later(due, self._on_timer)

    def flush(self) -> None:
        """Hand on what there is now."""
        if self._told.is_collected and not self._told_collected:
            self._told_collected = True
            self._on_collected(len(self._told.collected))
        results, running = self._told.fresh(), self._told.now
        if results or running != self._told_running:
            self._last = self._loop.time()
            self._told_running = running
            self._on_results(results, running)
        stage = self._told.stage
        if stage is not None and stage is not self._told_stage:
            self._told_stage = stage
            if self._on_stage is not None:
                self._on_stage(stage, self._told.stage_tests)

    def aclose(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        self.flush()


@dataclass(slots=True)
class _Pulse:
    """The last sign of life in the results, and whether the hang guard had to act."""

    last_line_at: float
    is_hung: bool = False


async def follow(
    process: GuardedProcess,
    lines: AsyncIterator[bytes],
    take: Callable[[bytes], None],
    batches: Batches,
    *,
    hang_s: float,
    clock: Clock,
    project: str,
) -> tuple[Ended, bool]:
    """Read until the process has ended. Returns its end, and whether it had to be ended because it hung.

    Args:
        process: The run.
        lines: Its results.
        take: Takes each line.
        batches: Told of each line.
        hang_s: A run that gives no sign of life for so many seconds, no line and no output, is ended.
        clock: Time.
        project: For the log.
    """
    pulse = _Pulse(clock.monotonic())
    guard = _end_when_silent(process, pulse, hang_s=hang_s, clock=clock, project=project)
    watch = asyncio.create_task(guard, name="hang guard")
    try:
        async for line in lines:
            pulse.last_line_at = clock.monotonic()
            take(line)
            batches.touch()
        return await process.wait(), pulse.is_hung
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def _end_when_silent(
    process: GuardedProcess, pulse: _Pulse, *, hang_s: float, clock: Clock, project: str
) -> None:
    """End the process when it has been silent for `hang_s` seconds of our own waking time.

    Silence is added up look by look, and a look that comes late counts as one that came in time: after the machine, or
    Watchkeeper itself, was stopped, the lines that came meanwhile have yet to be read.
    """
    every = min(LOOK_EVERY_S, hang_s / 4)
    silent, before = 0.0, clock.monotonic()
    seen = -1.0
    while silent < hang_s:
        await clock.sleep(every)
        now = clock.monotonic()
        last = max(pulse.last_line_at, process.last_output_at)
        silent = silent + min(now - before, 2 * every) if last == seen else 0.0
        seen, before = last, now
    pulse.is_hung = True
    _log.warning("a run gave no sign of life and is ended", project=project, seconds=hang_s)
    await process.kill()
