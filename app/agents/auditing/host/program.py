"""Starts checks in programs of their own, and hears what they tell."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.agents.auditing.host.heard import Heard
from app.domain import words
from app.domain.errors import BreakerOpen, CannotError, ProjectError
from app.engine.resilience.breaker import Breaker, BreakerLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.agents.auditing.context import Context
    from app.agents.auditing.host.heard import CheckPlace
    from app.agents.auditing.plugin import Progressed
    from app.domain.findings import Checked
    from app.engine.clock import Clock
    from app.engine.processes import GuardedProcess, ProcessRunner

_OUTPUT_CAP = 16 * 1024
PATIENCE = BreakerLimits(
    failure_rate=1.0, slow_rate=2.0, window_s=86_400.0, least_calls=3, probes=1, open_first_s=900.0,
    open_ceiling_s=6 * 3600.0, lost_after_s=3600.0,
)  # fmt: skip
"""A check that failed three times is left alone for a quarter of an hour, and for longer when it goes on failing."""

_CHILD = "import sys\nsys.path += [sys.argv[1], sys.argv[3]]\nfrom app.agents.auditing.host import child\nchild.main()"
"""`-I` takes neither the folder nor PYTHONPATH into account: the project's own modules are never imported."""


class CheckPrograms:
    """Runs checks, each in a program of its own, which ends with everything that it started.

    Args:
        runner: Starts programs.
        clock: Measures.
        environ: The environment of the checks.
        cache: A folder below which each check has one of its own.
        plugins: A folder into which checks were installed besides (`pip install --target`).
    """

    def __init__(
        self, runner: ProcessRunner, clock: Clock, *, environ: Mapping[str, str], cache: Path, plugins: Path
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._environ = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
        self._cache = cache
        self._plugins = plugins
        self._breakers: dict[tuple[str, Path], Breaker] = {}
        self._folder = str(Path(__file__).resolve().parents[4])

    async def run(
        self,
        place: CheckPlace,
        context: Context,
        *,
        environ: Mapping[str, str | None] | None = None,
        on_progress: Callable[[Progressed], None] | None = None,
    ) -> Checked:
        """Run a check, and return what it came to, whatever it does.

        Args:
            place: Which check.
            context: What it may know. `cache` is filled in.
            environ: What its environment, and that of no other, has besides; a variable with None it has not.
            on_progress: Called with how far it is.
        """
        began = self._clock.monotonic()
        heard = Heard(place, on_progress)
        try:
            permit = self._breaker(place, context.root).admit()
        except BreakerOpen as error:
            wait = words.duration(error.retry_after_s or 0.0)
            heard.unknown(f"it failed in the last audits, and is left alone for another {wait}")
        else:
            with permit:
                await self._run(place, context, heard, environ or {})
                if heard.has_failed:
                    permit.failed()
        return heard.checked(self._clock.monotonic() - began)

    def _breaker(self, place: CheckPlace, root: Path) -> Breaker:
        """Return the breaker of a check for one project: what fails on one may do well on another."""
        key = (place.id, root)
        if key not in self._breakers:
            self._breakers[key] = Breaker(place.title, monotonic=self._clock.monotonic, limits=PATIENCE)
        return self._breakers[key]

    async def _run(self, place: CheckPlace, context: Context, heard: Heard, own: Mapping[str, str | None]) -> None:
        try:
            order = await asyncio.to_thread(self._order, place, context)
        except OSError as error:
            heard.unknown(f"its folder cannot be written ({error.strerror or type(error).__name__})")
        else:
            try:
                await self._listen(place, order, heard, own)
            finally:
                with suppress(OSError):
                    order.unlink()

    def _order(self, place: CheckPlace, context: Context) -> Path:
        cache = self._cache / place.id
        cache.mkdir(parents=True, exist_ok=True)
        about = {**asdict(replace(context, facts={}, options={}, cache=cache)), "facts": context.facts}
        document = {"check": place.id, "entry": place.entry, "context": {**about, "options": context.options}}
        descriptor, name = tempfile.mkstemp(prefix="order-", suffix=".json", dir=cache)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file, default=str)
        return Path(name)

    async def _listen(self, place: CheckPlace, order: Path, heard: Heard, own: Mapping[str, str | None]) -> None:
        argv = [sys.executable, "-I", "-c", _CHILD, self._folder, str(order), str(self._plugins)]
        environ = {name: value for name, value in {**self._environ, **own}.items() if value is not None}
        start = self._runner.start(argv, cwd=order.parent, env=environ, output_cap=_OUTPUT_CAP)
        try:
            async with start as process:
                try:
                    async with asyncio.timeout(place.deadline_s):
                        await _hear(process, heard)
                        ended = await process.wait()
                except TimeoutError:
                    heard.failed(f"it did not end within {place.deadline_s:g} s")
                    return
                if not heard.is_done and not heard.is_ended:
                    said = ended.output.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
                    how = f"by signal {ended.signal}" if ended.signal else f"with code {ended.code}"
                    heard.failed(f"its program ended {how}" + (f": {said}" if said else ""))
        except (CannotError, ProjectError) as error:
            heard.unknown(f"its program could not be started: {error.message}")


async def _hear(process: GuardedProcess, heard: Heard) -> None:
    async for line in process.lines():
        heard.line(line)
        if heard.is_ended:
            await process.kill()
            return
