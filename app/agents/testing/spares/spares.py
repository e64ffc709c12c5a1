"""Spare workers: interpreters of the user's that are kept warm, so that tests begin at once after a save.

    async with Spares(root, ..., want=2) as spares:
        spares.prepare(recipe)
        ...
        await spares.hurry(paths)
        spares.changed(paths)
        worker = await spares.take(paths)

One is started after the other, and none while a run that took one has the cores to itself (`refill` ends that, and so
does the end of the run). One is told to load the project when a save seems complete (`hurry`), but only while no worker
runs tests, and it is ended before another worker than itself runs any: what a conftest sets up, a port or a folder, two
sessions may not share. All methods belong to the loop's own thread.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from app.agents.testing.running.environment import child_environment
from app.agents.testing.running.launch import worker_argv
from app.agents.testing.spares.health import SpareHealth, packages_of
from app.agents.testing.spares.pool import Spare, SparePool
from app.agents.testing.spares.warm import Changed, Recipe, Warmth, Worker
from app.domain.errors import CannotError, ProjectError
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from app.engine.clock import Clock
    from app.engine.processes import ProcessRunner

__all__ = ["Recipe", "Spares", "Warmth", "Worker"]

CAP_BYTES = 400 << 20
IDLE_S = 30 * 60.0
"""Spares that nobody took for so long are ended, until something changes."""
LOOK_EVERY_S = 30.0
"""How often battery, idleness and spares that do not get ready are looked at."""
QUIET_S = 0.3
"""So long after a change or a run nothing is started: what follows a save needs the cores."""
OUTGROWN = 5
"""One that has imported so many modules less than others would is replaced when nothing else is to be done."""
LEFT_S = 5.0
"""One that loaded for a save is taken within this time, if anybody takes it at all."""
READY_WITHIN_S = 60.0
"""A spare that takes longer to warm, or to load, hangs."""


class Spares:
    """The spare workers of one project. An async context manager.

    Args:
        root: The project's folder, in which they work.
        runner: Starts them.
        clock: Time.
        environ: The user's environment.
        want: How many to keep; 0 for none.
        cap_bytes: When one of them needs more memory than this, none is kept.
        on_battery: Tells whether the machine runs on its battery, where none is kept; called in a thread.
        on_trouble: Takes why none can be kept and what to do, or empty texts when that is over.
        argv_of: Gives the program and arguments that start a worker.
    """

    def __init__(
        self,
        root: Path,
        *,
        runner: ProcessRunner,
        clock: Clock,
        environ: Mapping[str, str],
        want: int,
        cap_bytes: int = CAP_BYTES,
        on_battery: Callable[[], bool] = lambda: False,
        on_trouble: Callable[[str, str], None] = lambda _text, _hint: None,
        argv_of: Callable[[Recipe], Sequence[str]] = lambda recipe: worker_argv(recipe.interpreter, recipe.args),
    ) -> None:
        self._root = root
        self._runner = runner
        self._clock = clock
        self._environ = environ
        self._want = want
        self._on_battery = on_battery
        self._health = SpareHealth(root.name, cap_bytes=cap_bytes, on_trouble=on_trouble)
        self._argv_of = argv_of
        self._recipe: Recipe | None = None
        self._missed: list[Changed | None] | None = None
        self._tending: list[asyncio.Task[None]] = []
        self._woken = asyncio.Event()
        self._pool = SparePool(self._woken.set)
        self._out = 0
        self._dying = 0
        self._is_held = False
        self._is_asleep = False
        self._saves_power: bool | None = None
        self._quiet_until = 0.0
        self._last_used = clock.monotonic()

    async def __aenter__(self) -> Self:
        """Begin to keep spares, from the first recipe on."""
        if self._want:
            self._tending = [
                spawn(self._tend(), name=f"spare workers of {self._root.name}"),
                spawn(self._look_after(), name=f"spare workers' watch of {self._root.name}"),
            ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all spares, at the same time. Workers that were handed over are whose they are."""
        self._want = 0
        tending, self._tending = self._tending, []
        for task in tending:
            task.cancel()
        if tending:
            await asyncio.wait(tending)
        await self._pool.aclose()

    @property
    def warmths(self) -> tuple[Warmth, ...]:
        """How far each spare is, the oldest first."""
        return self._pool.warmths

    @property
    def rss(self) -> int:
        """The memory of the spares together, in bytes, as far as they told."""
        return sum(spare.worker.rss for spare in self._pool)

    def prepare(self, recipe: Recipe) -> None:
        """Keep spares of this recipe from now on, and end those that will not do for it.

        A list of modules that only grew leaves those there are in use.
        """
        self._use()
        if recipe == self._recipe:
            return
        self._recipe = recipe
        self._forgive()
        self._pool.end_all(lambda spare: recipe.covers(spare.worker.recipe))

    async def hurry(self, paths: Collection[str]) -> Worker | None:
        """Have a ready spare load the project at once, since a change begins that is most likely complete.

        It is taken for that change only if nothing more happened after; `changed` knows. While tests run nothing is
        done. One that loaded for what was not complete, or turned out to be no change, is ended first. Stale bytecode
        must be out of the way.

        Args:
            paths: What has changed so far, as far as known.

        Returns:
            The spare; None when there is none that serves.
        """
        changed = Changed.of(paths)
        if self._out or changed.has_configuration:
            return None
        await self._pool.end_deep()
        if self._is_held:  # a run began meanwhile
            return None
        for spare in self._pool:
            if spare.worker.warmth is Warmth.READY and spare.serves(changed):
                spare.since = spare.loads_since = self._clock.monotonic()
                spare.worker.load()
                return spare.worker
        return None

    def changed(
        self, paths: Collection[str], *, new_or_gone: Iterable[str] | None = None, last_at: float | None = None
    ) -> None:
        """Note that files changed, whoever changed them: a spare that holds what they were is ended.

        Args:
            paths: The files, relative to the root, with forward slashes.
            new_or_gone: Those of them that were created or deleted. When None, that is taken to be so of each, and
                then no spare that has loaded the project outlives the change of a module.
            last_at: When the last of it happened, in the clock's monotonic seconds; None for just now.
        """
        changed = Changed.of(paths, new_or_gone)
        was_asleep = self._is_asleep
        self._use()
        if changed.has_configuration:
            self._forgive()
        if self._missed is not None:
            self._missed.append(changed)
        if self._pool.changed(changed, last_at) or was_asleep:
            self._rest()

    def discard(self) -> None:
        """End all spares: what changed is not known."""
        self._use()
        if self._missed is not None:
            self._missed.append(None)
        self._pool.end_all()
        self._rest()

    async def take(self, changed: Collection[str] = ()) -> Worker:
        """Return a worker that runs tests once: one that has loaded the project, one that is ready, or a new one.

        None is started in place of what is taken before `refill`, or before the worker is closed.

        Args:
            changed: The files that the run is about. A worker that has loaded any of them is not taken.

        Raises:
            ProjectError: The project's folder cannot be entered.
            CannotError: The interpreter cannot be started.
            ValueError: There is no recipe yet.
        """
        recipe = self._recipe
        if recipe is None:
            raise ValueError("Spares are taken once there is a recipe.")
        self._use()
        self._is_held = True
        try:
            return await self._take(recipe, Changed.of(changed))
        except BaseException:
            self._release()
            raise

    async def _take(self, recipe: Recipe, changed: Changed) -> Worker:
        packages = await asyncio.to_thread(packages_of, recipe.interpreter) if self._pool else 0
        self._pool.end_all(lambda spare: spare.packages == packages)
        spare = self._pool.best(changed)
        if spare is None:
            return await self._cold(Recipe(recipe.interpreter, recipe.args), self._release)
        if spare.worker.is_ready:
            self._health.served()
        self._pool.let_go(spare)
        worker = self._handed_over(spare.worker, self._release)
        try:
            if not worker.warmth.is_deep:
                await self._pool.end_deep()
        except BaseException:
            await worker.aclose()
            raise
        return worker

    async def cold(self, recipe: Recipe) -> Worker:
        """Start a worker of any recipe, and return it while it still warms.

        Raises:
            ProjectError: The project's folder cannot be entered.
            CannotError: The interpreter cannot be started.
        """
        return await self._cold(recipe, lambda: None)

    async def _cold(self, recipe: Recipe, then: Callable[[], None]) -> Worker:
        await self._pool.end_deep()
        return self._handed_over(await self._start(recipe, in_time=False), then)

    def refill(self) -> None:
        """Start in place of what was taken, from now on."""
        self._use()
        self._is_held = False
        self._quiet_until = 0.0

    # What is started, and when.

    async def _tend(self) -> None:
        """Start or renew one spare after the other, whenever it is time for that."""
        while True:
            self._woken.clear()
            recipe = self._recipe
            if recipe is None or not self._has_turn():
                await self._woken.wait()
            elif len(self._pool) < self._want:
                if not await self._is_quiet(self._quiet_until):
                    await self._add(recipe)
            elif (old := self._to_renew(recipe)) is None:
                await self._woken.wait()
            elif not await self._is_quiet(self._quiet_until):
                self._pool.end(old)

    def _has_turn(self) -> bool:
        """Return whether spares are wanted at all, and none is on its way."""
        is_off = self._is_held or self._is_asleep or self._health.gave_up or self._saves_power is not False
        is_busy = self._dying or {Warmth.WARMING, Warmth.LOADING} & set(self._pool.warmths)
        return not is_off and not is_busy

    def _to_renew(self, recipe: Recipe) -> Spare | None:
        """Return the oldest spare that is little use: it imported much less than one would that is started now.

        Or it loaded for a save after which nobody took it.
        """
        for spare in self._pool:
            lacks = set(recipe.preload).difference(spare.worker.recipe.preload)
            is_outgrown = len(lacks) > OUTGROWN and spare.worker.warmth is Warmth.READY
            is_left = spare.worker.warmth is Warmth.LOADED and self._clock.monotonic() - spare.since > LEFT_S
            if is_outgrown or is_left:
                return spare
        return None

    async def _is_quiet(self, until: float) -> bool:
        """Wait until then; return True when there was something to wait for, so that all may be different now."""
        pause = until - self._clock.monotonic()
        if pause > 0:
            await self._clock.sleep(pause)
        return pause > 0

    async def _add(self, recipe: Recipe) -> None:
        packages = await asyncio.to_thread(packages_of, recipe.interpreter)
        missed = self._missed = []
        try:
            worker = await self._start(recipe, in_time=True)
        except (CannotError, ProjectError) as error:
            self._health.died(str(error), self._clock.monotonic())
            return
        finally:
            self._missed = None
        spare = Spare(worker, self._clock.monotonic(), packages)
        self._pool.add(spare)
        spare.listener = spawn(self._listen(spare), name=f"spare worker {worker.process.pid}")
        is_wanted = recipe is self._recipe and not (self._is_asleep or self._health.gave_up or self._saves_power)
        if not is_wanted or None in missed:
            self._pool.end(spare)
        for changed in missed:
            if changed is not None:
                self._pool.changed(changed)

    async def _start(self, recipe: Recipe, *, in_time: bool) -> Worker:
        stack = AsyncExitStack()
        env = child_environment(self._environ, recipe.interpreter)
        start = self._runner.start(self._argv_of(recipe), cwd=self._root, env=env, orders=True)
        process = await stack.enter_async_context(start)
        worker = Worker(process, recipe, close=stack.aclose)
        worker.warm(in_time=in_time)
        return worker

    # What becomes of them.

    async def _listen(self, spare: Spare) -> None:
        """Follow a spare until it is taken or ended, which cancels this, or ends by itself."""
        async for line in spare.worker.process.lines():
            warmth = spare.worker.hear(line)
            if warmth is not None:
                self._got_further(spare, warmth)
        self._lose(spare)

    def _got_further(self, spare: Spare, warmth: Warmth) -> None:
        self._woken.set()
        if not self._health.may_keep(spare.worker.rss):
            self._pool.end_all()
        elif warmth is Warmth.READY:
            self._pool.got_ready(spare)
            self._health.got_ready()

    def _lose(self, spare: Spare, why: str = "") -> None:
        """Give up a spare that has ended by itself, or that hangs."""
        if self._pool.end(spare, lambda: self._bury(spare, why)):
            self._dying += 1

    async def _bury(self, spare: Spare, why: str) -> None:
        """See what the end of a spare says of the others, before another one is started."""
        worker = spare.worker
        try:
            ended = await (worker.process.kill() if why else worker.process.wait())
            await worker.aclose()
        finally:
            self._dying -= 1
        said = why or ended.output.decode("utf-8", "replace")
        if worker.warmth.is_deep:
            self._health.ended_while_loading(said)
        elif worker.has_no_pytest:
            self._health.ended_without_pytest()
        else:
            self._health.died(said, self._clock.monotonic())

    def _forgive(self) -> None:
        self._health.forgive()
        self._pool.forget()
        self._rest()

    async def _look_after(self) -> None:
        """Look now and then at what no event tells."""
        while True:
            self._saves_power = await asyncio.to_thread(self._on_battery)
            now = self._clock.monotonic()
            if now - self._last_used >= IDLE_S:
                self._is_asleep = True
            if self._saves_power or self._is_asleep:
                self._pool.end_all()
            for spare in self._pool:
                is_waiting = spare.worker.warmth in (Warmth.READY, Warmth.LOADED)
                if not is_waiting and now - spare.since > READY_WITHIN_S:
                    self._lose(spare, f"It was not ready after {READY_WITHIN_S:g} s.")
            if self._health.gave_up and self._recipe:
                is_another = await self._health.look_at(self._recipe.interpreter)
                if is_another or self._health.is_over(self._clock.monotonic()):
                    self._forgive()
            self._woken.set()
            await self._clock.sleep(LOOK_EVERY_S)

    def _use(self) -> None:
        """Note that somebody needs spares."""
        self._last_used = self._clock.monotonic()
        self._is_asleep = False
        self._woken.set()

    def _rest(self) -> None:
        """Start nothing for a moment."""
        self._quiet_until = self._clock.monotonic() + QUIET_S

    def _handed_over(self, worker: Worker, then: Callable[[], None]) -> Worker:
        """Count a worker as one that runs tests, until it is closed."""

        def given_back() -> None:
            self._out -= 1
            self._rest()
            self._woken.set()
            then()

        self._out += 1
        worker.on_close(given_back)
        return worker

    def _release(self) -> None:
        """Have what was taken replaced, after a moment."""
        self._is_held = False
        self._rest()
        self._woken.set()
