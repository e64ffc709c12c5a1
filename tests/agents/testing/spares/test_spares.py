"""Spare workers as real processes: kept, handed over, renewed and ended. A stand-in speaks the worker's lines."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from app.agents.testing.spares import spares as module
from app.agents.testing.spares.health import DEATHS, TRY_AGAIN_S, SpareHealth
from app.agents.testing.spares.spares import Recipe, Spares, Warmth
from app.domain.errors import ProjectError
from app.engine.clock import SystemClock
from app.engine.processes import ProcessRunner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from app.agents.testing.spares.warm import Worker

WARMING, READY, LOADING, LOADED = Warmth.WARMING, Warmth.READY, Warmth.LOADING, Warmth.LOADED

STAND_IN = """
import json, os, sys, time
ways = json.loads(sys.argv[1])
orders = os.fdopen(int(os.environ["WATCHKEEPER_ORDERS_FD"]), "r")
results = os.fdopen(int(os.environ["WATCHKEEPER_RESULTS_FD"]), "w", buffering=1)
def tell(kind, **more):
    print(json.dumps({"kind": kind, **more}), file=results)
def go(step):
    if step in ways.get("deaf", ()):
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if step in ways.get("dies", ()):
        if step == "warm" and "missing" in ways:
            tell("no-pytest", text="No module named pytest")
        print("it died of", step)
        sys.exit(1)
    if step in ways.get("hangs", ()):
        print("here", flush=True)
        time.sleep(600)
warm = json.loads(orders.readline())
go("warm")
tell("ready", **{"rss": 1 << 20, "modules": len(warm["preload"]), **ways.get("ready", {})})
if not orders.readline():
    os._exit(0)
tell("session", rootdir=os.getcwd())
go("load")
tell("loaded", **{"files": ["tests/conftest.py"], "read": [], **ways.get("loaded", {})})
run = json.loads(orders.readline() or "{}")
if run.get("do") == "collect":
    tell("collect-error", id=run["chunk"]["path"], text="no module")
    run = json.loads(orders.readline() or "{}")
if not run:
    os._exit(0)
go("run")
tell("ran", order=run, preload=warm["preload"], pid=os.getpid(), env=sorted(os.environ))
"""


@pytest.fixture
def ways() -> dict[str, Any]:
    """How the stand-ins behave that are started from now on: what they add to their lines, and where they die."""
    return {}


class Kit:
    """Spares of stand-ins, on a clock that the test moves."""

    def __init__(self, root: Path, clock: Any, ways: dict[str, Any]) -> None:
        self.root = root
        self.clock = clock
        self.ways = ways
        self.on_battery = False
        self.troubles: list[tuple[str, str]] = []
        self.started = 0
        self.recipe = Recipe(sys.executable, ("-q",))

    def argv(self, _recipe: Recipe) -> Sequence[str]:
        self.started += 1
        return [sys.executable, "-S", "-c", STAND_IN, json.dumps(self.ways)]

    def make(self, want: int = 2, **more: Any) -> Spares:
        return Spares(
            self.root,
            runner=ProcessRunner(clock=SystemClock()),
            clock=self.clock,
            environ=os.environ,
            want=want,
            on_battery=lambda: self.on_battery,
            on_trouble=lambda text, hint: self.troubles.append((text, hint)),
            argv_of=self.argv,
            **more,
        )

    @asynccontextmanager
    async def warm(self, *warmths: Warmth, want: int = 2, **more: Any) -> AsyncIterator[Spares]:
        """Enter spares that have been prepared, and are as warm as this."""
        async with self.make(want, **more) as spares:
            spares.prepare(self.recipe)
            await self.until(lambda: spares.warmths == warmths)
            yield spares

    @asynccontextmanager
    async def hurried(self, *paths: str, want: int = 2) -> AsyncIterator[Spares]:
        """Enter spares of which the oldest has been told of these changes, and loads; the others are ready."""
        async with self.warm(*[READY] * want, want=want) as spares:
            assert await spares.hurry(paths) is not None
            yield spares

    async def until(self, condition: Callable[[], object]) -> None:
        """Let time pass, a little at a time, until something holds."""
        async with asyncio.timeout(20):
            while not condition():
                self.clock.advance(0.05)
                await asyncio.sleep(0.005)

    async def rest(self) -> None:
        """Let more time pass than any of the pauses before something is started, and what is started get going."""
        for _ in range(20):
            self.clock.advance(module.QUIET_S)
            await asyncio.sleep(0.005)


@pytest.fixture
def kit(tmp_path: Path, fake_clock: Any, ways: dict[str, Any]) -> Kit:
    return Kit(tmp_path, fake_clock, ways)


async def run(worker: Worker) -> list[dict[str, Any]]:
    """Have a worker run, and return what it told."""
    worker.load()
    worker.run({"do": "run", "rest": True})
    told = [json.loads(line) async for line in worker.lines()]
    await worker.aclose()
    return told


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pids(spares: Spares) -> list[int]:
    return [spare.worker.process.pid for spare in spares._pool]


async def test_as_many_as_wanted_are_kept_ready(kit: Kit) -> None:
    """After a recipe is known, spares are started one after the other, and wait."""
    async with kit.warm(READY, READY) as spares:
        await kit.rest()

        assert spares.warmths == (READY, READY)
        assert spares.rss == 2 << 20
        assert kit.started == 2


async def test_a_ready_worker_is_handed_over_and_runs(kit: Kit) -> None:
    """A worker that was taken takes its orders, and what it tells reaches whoever took it."""
    kit.recipe = Recipe(sys.executable, (), ("six", "attr"))
    async with kit.warm(READY, want=1) as spares:
        (pid,) = pids(spares)

        told = await run(await spares.take(["src/app.py"]))

    assert [line["kind"] for line in told] == ["session", "loaded", "ran"]
    assert told[-1]["pid"] == pid
    assert told[-1]["preload"] == ["six", "attr"]
    assert told[-1]["order"] == {"do": "run", "rest": True}


async def test_the_environment_is_that_of_a_run(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spare gets the environment that tests get, without what belongs to a run around this one."""
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "outer")
    async with kit.warm(READY, want=1) as spares:
        told = await run(await spares.take())

    assert "PYTEST_CURRENT_TEST" not in told[-1]["env"]
    assert "PATH" in told[-1]["env"]


async def test_none_is_started_before_refill(kit: Kit) -> None:
    """What was taken is replaced when the run says so, not while it needs the cores."""
    async with kit.warm(READY, READY) as spares:
        worker = await spares.take()
        spares.changed(["src/written_by_a_test.txt"])
        await kit.rest()
        held = (spares.warmths, kit.started)
        spares.refill()
        await kit.until(lambda: spares.warmths == (READY, READY))
        await worker.aclose()

    assert held == ((READY,), 2)
    assert kit.started == 3


async def test_the_end_of_a_run_refills_as_well(kit: Kit) -> None:
    """A run that was ended before it said anything leaves no gap."""
    async with kit.warm(READY, want=1) as spares:
        worker = await spares.take()

        await worker.aclose()
        await kit.until(lambda: spares.warmths == (READY,))


async def test_a_second_take_uses_what_is_there_and_then_starts_cold(kit: Kit) -> None:
    """While nothing is replaced, the next run gets the other spare, and the one after it a new worker."""
    kit.recipe = Recipe(sys.executable, (), ("six",))
    async with kit.warm(READY, READY) as spares:
        waiting = pids(spares)

        workers = [await spares.take() for _ in range(3)]
        told = [(await run(worker))[-1] for worker in workers]

    assert {each["pid"] for each in told[:2]} == set(waiting)
    assert told[2]["pid"] not in waiting
    assert [each["preload"] for each in told] == [["six"], ["six"], []]


async def test_a_cold_worker_of_any_recipe(kit: Kit) -> None:
    """Without spares a worker is started at once, and tells everything from its start."""
    async with kit.make(want=0) as spares:
        told = await run(await spares.cold(Recipe(sys.executable, (), ("six",))))

    assert [line["kind"] for line in told] == ["ready", "session", "loaded", "ran"]
    assert told[-1]["preload"] == ["six"]


async def test_a_worker_that_still_warms_is_better_than_none(kit: Kit, ways: dict[str, Any]) -> None:
    """The first save may come before a spare is ready: it gets the one that is on its way."""
    ways["hangs"] = ["warm"]
    async with kit.make() as spares:
        spares.prepare(kit.recipe)
        await kit.until(lambda: spares.warmths == (WARMING,))
        (pid,) = pids(spares)

        worker = await spares.take(["src/app.py"])
        await worker.aclose()

        assert worker.process.pid == pid
        assert not worker.is_ready


async def test_there_is_nothing_to_take_without_a_recipe(kit: Kit) -> None:
    """Somebody has to say first what to start."""
    async with kit.make() as spares:
        with pytest.raises(ValueError, match="recipe"):
            await spares.take()


async def test_what_is_told_ahead_of_the_run_is_the_runs(kit: Kit) -> None:
    """A file that cannot be imported, collected while the save still settled, is told to whoever takes the worker."""
    async with kit.hurried("src/app.py", want=1) as spares:
        (spare,) = spares._pool
        hurried_at = kit.clock.monotonic()
        spare.worker.collect({"path": "test_app.py"}, trace="cheap")
        await kit.until(lambda: spare.worker._kept[-1:] and b"collect-error" in spare.worker._kept[-1])
        spares.changed(["src/app.py"], new_or_gone=(), last_at=hurried_at)

        told = await run(await spares.take(["src/app.py"]))

    assert [line["kind"] for line in told] == ["session", "collect-error", "ran"]


async def test_only_a_worker_that_waits_for_its_run_collects(kit: Kit) -> None:
    """Once it has been told what to run, or to collect another file, it is too late."""
    async with kit.warm(READY, READY) as spares:
        first, second = [spare.worker for spare in spares._pool]

        first.collect({"path": "test_app.py"}, trace="cheap")
        before_loading = first.has_collected
        first.load()
        first.collect({"path": "test_app.py"}, trace="cheap")
        second.load()
        second.run({"do": "run"})
        second.collect({"path": "test_app.py"}, trace="cheap")

    assert (before_loading, first.has_collected, second.has_collected) == (False, True, False)


async def test_one_that_loaded_for_nothing_makes_room_for_the_next(kit: Kit) -> None:
    """A save that changed nothing, or went on, leaves one loaded that nobody takes; the next save has another load."""
    async with kit.hurried("src/app.py") as spares:
        deep, base = pids(spares)
        await kit.until(lambda: spares.warmths == (LOADED, READY))

        worker = await spares.hurry(["src/app.py"])

        assert worker is not None
        assert worker.process.pid == base
        assert not lives(deep)


async def test_spares_that_imported_much_less_are_renewed(kit: Kit) -> None:
    """When a run has told what it imports, those that are there serve, and are replaced one after the other."""
    names = tuple(f"module_{number}" for number in range(module.OUTGROWN + 1))
    async with kit.warm(READY, READY) as spares:
        before = pids(spares)
        spares.prepare(Recipe(kit.recipe.interpreter, kit.recipe.args, names[1:]))
        await kit.rest()
        few = pids(spares)

        spares.prepare(Recipe(kit.recipe.interpreter, kit.recipe.args, names))
        at_once = pids(spares)
        await kit.until(lambda: spares.warmths == (READY, READY) and not set(pids(spares)) & set(before))

        assert few == at_once == before
        assert kit.started == 4


async def test_one_that_nobody_took_is_renewed(kit: Kit) -> None:
    """A save that changed nothing costs one spare, in a while; until then the next save finds the other one."""
    async with kit.hurried("src/app.py") as spares:
        deep, base = pids(spares)
        await kit.until(lambda: spares.warmths == (LOADED, READY))
        await kit.rest()
        at_first = pids(spares)

        kit.clock.advance(module.LEFT_S + module.LOOK_EVERY_S)
        await kit.until(lambda: spares.warmths == (READY, READY))

        assert at_first == [deep, base]
        assert pids(spares)[0] == base
        assert not lives(deep)


async def test_one_that_loads_has_ended_before_another_runs(kit: Kit, ways: dict[str, Any]) -> None:
    """Even one that is slow to die: it may hold what the run's own conftests set up."""
    ways["deaf"] = ["load"]
    async with kit.hurried("tests/conftest.py") as spares:
        deep = pids(spares)[0]
        await kit.until(lambda: spares.warmths == (LOADED, READY))

        worker = await spares.take(["tests/conftest.py"])

        assert not lives(deep)
        await worker.aclose()


async def test_a_change_while_one_loads_ends_it(kit: Kit, ways: dict[str, Any]) -> None:
    """More was written than it may have seen."""
    ways["hangs"] = ["load"]
    async with kit.hurried("src/app.py") as spares:
        deep, base = pids(spares)

        spares.changed(["src/app.py"], new_or_gone=(), last_at=kit.clock.monotonic() + 1)

        assert pids(spares) == [base]
        await kit.until(lambda: not lives(deep))


@pytest.mark.parametrize(("later", "warmth"), [(0.0, LOADED), (0.001, READY)])
async def test_one_that_hurried_serves_a_change_that_was_complete_by_then(
    kit: Kit, ways: dict[str, Any], later: float, warmth: Warmth
) -> None:
    """What it loaded is the change itself, unless more was written after it began to load."""
    ways["loaded"] = {"files": ["src/app.py"]}
    async with kit.warm(READY, READY) as spares:
        hurried_at = kit.clock.monotonic()
        await spares.hurry(["src/app.py"])
        await kit.until(lambda: LOADED in spares.warmths)

        spares.changed(["src/app.py"], new_or_gone=(), last_at=hurried_at + later)
        worker = await spares.take(["src/app.py"])

        assert worker.warmth is warmth
        await worker.aclose()


async def test_one_that_hurried_is_old_with_the_next_change(kit: Kit, ways: dict[str, Any]) -> None:
    """It served the one before, which was nothing worth a run."""
    ways["loaded"] = {"files": ["src/app.py"]}
    async with kit.warm(READY, READY) as spares:
        hurried_at = kit.clock.monotonic()
        await spares.hurry(["src/app.py"])
        await kit.until(lambda: LOADED in spares.warmths)
        spares.changed(["src/app.py"], new_or_gone=(), last_at=hurried_at)

        spares.changed(["src/app.py"], new_or_gone=(), last_at=kit.clock.monotonic() + 1)

        assert LOADED not in spares.warmths


@pytest.mark.parametrize("path", ["pyproject.toml", "src/app.py"])
async def test_none_hurries_for_a_configuration_or_beside_a_run(kit: Kit, path: str) -> None:
    """The first makes all of them old, and a run may share what conftests set up with nobody."""
    async with kit.warm(READY, READY) as spares:
        worker = await spares.take() if path == "src/app.py" else None

        hurried = await spares.hurry([path])

        assert hurried is None
        assert LOADING not in spares.warmths
        if worker is not None:
            await worker.aclose()


async def test_a_change_of_the_configuration_ends_all(kit: Kit) -> None:
    """It was read before the first wait."""
    async with kit.hurried("pyproject.py") as spares:
        before = pids(spares)

        spares.changed(["pyproject.toml"], new_or_gone=())
        left = spares.warmths
        await kit.until(lambda: spares.warmths == (READY, READY))

        assert left == ()
        assert not any(map(lives, before))


async def test_an_unknown_change_ends_all(kit: Kit) -> None:
    """After events were lost nothing that was loaded is trusted."""
    async with kit.hurried("src/app.py") as spares:
        spares.discard()

        assert spares.warmths == ()
        await kit.until(lambda: spares.warmths == (READY, READY))


async def test_a_plugin_of_the_project_is_not_served_old(kit: Kit, ways: dict[str, Any]) -> None:
    """Where plugins come from the project, a spare that warmed while they changed is not taken, and later ended."""
    ways["ready"] = {"files": ["plugin.py"]}
    async with kit.warm(READY, want=1) as spares:
        ways["hangs"] = ["warm"]
        spares.changed(["plugin.py"], new_or_gone=())
        await kit.until(lambda: spares.warmths == (WARMING,))
        (doubtful,) = pids(spares)
        spares.changed(["plugin.py"], new_or_gone=())

        ways.pop("hangs")
        worker = await spares.take(["plugin.py"])
        await worker.aclose()

        assert worker.process.pid != doubtful


async def test_a_change_at_the_moment_of_the_start_is_not_missed(kit: Kit) -> None:
    """A spare that was just being started when the configuration changed is not kept."""
    async with kit.make(want=1) as spares:
        spares.prepare(kit.recipe)
        await kit.until(lambda: kit.started == 1)
        assert spares.warmths == ()
        spares.changed(["pytest.ini"], new_or_gone=())
        await kit.until(lambda: spares.warmths == (READY,))

    assert kit.started == 2


async def test_another_recipe_ends_those_of_the_old(kit: Kit) -> None:
    """Other arguments, or modules that are no longer to be imported, need other workers; more modules do not."""
    kit.recipe = Recipe(sys.executable, (), ("six",))
    async with kit.warm(READY, READY) as spares:
        before = pids(spares)

        spares.prepare(Recipe(sys.executable, (), ("attr", "six")))
        more = pids(spares)
        spares.prepare(Recipe(sys.executable, (), ("attr",)))
        fewer = pids(spares)
        await kit.until(lambda: spares.warmths == (READY, READY))

    assert more == before
    assert fewer == []


async def test_installed_packages_make_spares_old(kit: Kit, tmp_path: Path) -> None:
    """What a spare imported ahead is not used after something was installed or removed."""
    packages = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    kit.recipe = Recipe(str(tmp_path / "venv" / "bin" / "python"))
    async with kit.hurried("src/app.py") as spares:
        before = pids(spares)
        os.utime(packages, ns=(1, 1))

        worker = await spares.take(["src/app.py"])
        await worker.aclose()

        assert worker.process.pid not in before
        assert not set(pids(spares)) & set(before)


async def test_one_that_dies_is_replaced(kit: Kit) -> None:
    """A spare that somebody kills while it waits leaves no gap, and is not handed over."""
    async with kit.warm(READY, want=1) as spares:
        (pid,) = pids(spares)

        psutil.Process(pid).kill()
        await kit.until(lambda: pids(spares) not in ([pid], []) and spares.warmths == (READY,))

    assert kit.troubles == []


async def test_three_deaths_in_a_row_are_told(kit: Kit, ways: dict[str, Any]) -> None:
    """Where spares die no more are started, a person hears of it once, and runs start cold; another recipe may do."""
    ways["dies"] = ["warm"]
    async with kit.make() as spares:
        spares.prepare(kit.recipe)
        await kit.until(lambda: kit.troubles)
        await kit.rest()
        count = kit.started

        ways.clear()
        told = await run(await spares.take())
        spares.prepare(Recipe(sys.executable, ("-x",)))
        await kit.until(lambda: spares.warmths == (READY, READY))

    assert count == 3
    assert told[-1]["kind"] == "ran"
    assert len(kit.troubles) == 2
    text, hint = kit.troubles[0]
    assert "end by themselves" in text
    assert "it died of warm" in hint
    assert kit.troubles[1] == ("", "")


async def test_another_configuration_may_do(kit: Kit, ways: dict[str, Any]) -> None:
    """Spares that die of a broken configuration are tried again when it changes."""
    ways["dies"] = ["warm"]
    async with kit.make(want=1) as spares:
        spares.prepare(kit.recipe)
        await kit.until(lambda: kit.troubles)

        ways.clear()
        spares.changed(["pytest.ini"])
        await kit.until(lambda: spares.warmths == (READY,))

    assert kit.troubles[1:] == [("", "")]


async def test_after_some_time_they_are_tried_again(kit: Kit, ways: dict[str, Any]) -> None:
    """What ended them, a folder that was away say, may be over though nothing tells so."""
    ways["dies"] = ["warm"]
    async with kit.make(want=1) as spares:
        spares.prepare(kit.recipe)
        await kit.until(lambda: spares._health.gave_up)

        ways.clear()
        kit.clock.advance(TRY_AGAIN_S)
        await kit.until(lambda: spares.warmths == (READY,))

    assert kit.troubles[-1] == ("", "")


def test_each_try_that_does_not_help_is_followed_by_a_longer_wait() -> None:
    """Twice as long each time, and as at first once one has served."""
    health = SpareHealth("shop", cap_bytes=1, on_trouble=lambda _text, _hint: None)
    waits = list[float]()

    for has_served in (False, False, True):
        for _ in range(DEATHS):
            health.died("it died", now=0.0)
        waits.append(next(s for s in range(0, 10_000, 100) if health.is_over(s)))
        health.forgive()
        if has_served:
            health.served()
    for _ in range(DEATHS):
        health.died("it died", now=0.0)

    assert waits == [TRY_AGAIN_S, 2 * TRY_AGAIN_S, 4 * TRY_AGAIN_S]
    assert health.is_over(TRY_AGAIN_S)


async def test_without_pytest_there_are_no_spares(kit: Kit, ways: dict[str, Any], tmp_path: Path) -> None:
    """The run says so, spares need not; they are tried again after something was installed."""
    packages = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    kit.recipe = Recipe(str(tmp_path / "venv" / "bin" / "python"))
    ways.update(dies=["warm"], missing=True)
    async with kit.make(want=1) as spares:
        spares.prepare(kit.recipe)
        await kit.until(lambda: spares._health.gave_up)
        await kit.clock.pass_time(module.LOOK_EVERY_S)
        await kit.until(lambda: spares._health._packages is not None)
        ways.clear()
        os.utime(packages, ns=(1, 1))
        kit.clock.advance(module.LOOK_EVERY_S)

        await kit.until(lambda: spares.warmths == (READY,))

    assert kit.started == 2
    assert kit.troubles == []


async def test_a_broken_conftest_costs_one_spare(kit: Kit, ways: dict[str, Any]) -> None:
    """One that ends while it loads is replaced by one that waits, and nobody is told: the run tells why."""
    ways["dies"] = ["load"]
    async with kit.hurried("tests/conftest.py") as spares:
        await kit.until(lambda: kit.started == 3 and spares.warmths == (READY, READY))
        await kit.rest()

    assert kit.started == 3
    assert kit.troubles == []


async def test_one_that_needs_too_much_memory_is_not_kept(kit: Kit, ways: dict[str, Any]) -> None:
    """Then none is, which is told once."""
    ways["ready"] = {"rss": 500 << 20}
    async with kit.make(cap_bytes=400 << 20) as spares:
        spares.prepare(kit.recipe)
        await kit.until(lambda: kit.troubles)
        await kit.rest()

        assert spares.warmths == ()
        assert kit.started == 1
        ((text, hint),) = kit.troubles
        assert "needs 500 MB" in text
        assert "warm_mb" in hint


async def test_one_that_does_not_get_ready_is_ended(kit: Kit, ways: dict[str, Any]) -> None:
    """An import that waits for ever does not keep the place of a spare."""
    ways["hangs"] = ["warm"]
    async with kit.make(want=1) as spares:
        spares.prepare(kit.recipe)
        await kit.until(lambda: spares.warmths == (WARMING,))
        (pid,) = pids(spares)

        ways.clear()
        await kit.clock.wait_for_sleepers()
        kit.clock.advance(module.READY_WITHIN_S + module.LOOK_EVERY_S)
        await kit.until(lambda: spares.warmths == (READY,))

        assert not lives(pid)


async def test_idle_spares_go_and_come_back(kit: Kit) -> None:
    """What nobody takes for half an hour gives its memory back; the next change warms again."""
    async with kit.warm(READY, want=1) as spares:
        kit.clock.advance(module.IDLE_S)
        await kit.until(lambda: spares.warmths == ())
        await kit.rest()
        idle = spares.warmths

        spares.changed(["src/app.py"], new_or_gone=())
        await kit.until(lambda: spares.warmths == (READY,))

    assert idle == ()


async def test_on_battery_there_are_none(kit: Kit) -> None:
    """Spares go when the machine runs on its battery, runs start cold then, and spares come back with the mains."""
    async with kit.warm(READY, want=1) as spares:
        kit.on_battery = True
        kit.clock.advance(module.LOOK_EVERY_S)
        await kit.until(lambda: spares.warmths == ())
        told = await run(await spares.take())
        kit.on_battery = False
        kit.clock.advance(module.LOOK_EVERY_S)
        await kit.until(lambda: spares.warmths == (READY,))

    assert told[-1]["kind"] == "ran"


async def test_leaving_ends_all(kit: Kit, ways: dict[str, Any]) -> None:
    """No process, descriptor or task stays, also when spares are deaf to a polite end."""
    ways["deaf"] = ["warm"]
    before = (psutil.Process().num_fds(), len(asyncio.all_tasks()))

    async with kit.hurried("src/app.py", want=3) as spares:
        waiting = pids(spares)

    assert not any(map(lives, waiting))
    await kit.until(lambda: (psutil.Process().num_fds(), len(asyncio.all_tasks())) <= before)
    assert psutil.Process().children() == []


async def test_leaving_at_any_moment_ends_all(kit: Kit) -> None:
    """A spare that is just being started does not outlive the block."""
    for turns in range(0, 60, 3):
        async with kit.make() as spares:
            spares.prepare(kit.recipe)
            for _ in range(turns):
                kit.clock.advance(0.1)
                await asyncio.sleep(0.001)

        assert psutil.Process().children() == []


async def test_a_cancelled_take_leaves_nothing(kit: Kit) -> None:
    """A run that a newer save ends while it waits for its worker leaves none behind, and spares come back."""
    async with kit.make(want=1) as spares:
        spares.prepare(kit.recipe)
        for turns in range(10):
            taking = asyncio.create_task(spares.take())
            for _ in range(turns):
                await asyncio.sleep(0.001)
            taking.cancel()
            await asyncio.wait({taking})
            if not taking.cancelled():
                await taking.result().aclose()
        await kit.until(lambda: spares.warmths == (READY,))

        assert len(psutil.Process().children()) == 1


async def test_real_workers_wait_warm_and_load_in_a_hurry(tmp_path: Path, fake_clock: Any) -> None:
    """Pytest itself is kept ready: one that hurried runs what was saved by then, and not what was saved after."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text("import helper\n")
    (tmp_path / "test_it.py").write_text("from helper import word\ndef test_word(): assert word == 'newer'\n")
    kit = Kit(tmp_path, fake_clock, {})
    recipe = Recipe(sys.executable, ("-p", "no:cacheprovider"), ("decimal",))
    spares = Spares(tmp_path, runner=ProcessRunner(clock=SystemClock()), clock=fake_clock, environ=os.environ, want=2)
    outcomes = []

    async with spares:
        spares.prepare(recipe)
        for word, later in (("old", 0.0), ("newer", 1.0)):
            (tmp_path / "helper.py").write_text(f"word = {word!r}\n")
            await kit.until(lambda: spares.warmths == (READY, READY))
            memory = spares.rss
            hurried = await spares.hurry(["helper.py"])
            assert hurried is not None
            hurried.collect({"path": "test_it.py"}, trace="none")
            spares.changed(["helper.py"], new_or_gone=(), last_at=fake_clock.monotonic() + later)
            worker = await spares.take(["helper.py"])
            told = await run(worker)
            ended = next(line for line in told if line["kind"] == "end")
            outcomes.append((ended["outcome"], worker is hurried))
            spares.refill()

    assert memory > 10 << 20
    assert outcomes == [("failed", True), ("passed", False)]


async def test_a_folder_that_is_gone_is_named(kit: Kit, tmp_path: Path) -> None:
    """A cold start in a project that was removed fails as a run there does, and spares do not try for ever."""
    kit.root = tmp_path / "gone"
    async with kit.make() as spares:
        spares.prepare(kit.recipe)
        with pytest.raises(ProjectError, match="gone cannot be entered"):
            await spares.take()
        await kit.until(lambda: kit.troubles)

    assert "cannot be entered" in kit.troubles[0][1]
