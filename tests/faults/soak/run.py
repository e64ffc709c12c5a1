"""The soak itself: saves go on, agents are started again, faults come, and what must hold is looked at all the time."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import psutil

from app.agents.analysis.automatic import SETTLE_S
from app.domain.commands import LeaveSafeMode, RestartAgent, SetConsent
from tests.faults.soak.farends import FarEnds
from tests.faults.soak.faults import World, plan, temporary_files
from tests.faults.soak.picture import draw
from tests.faults.soak.program import KeptProgram, settings_text
from tests.faults.soak.project import MODULES, Project
from tests.faults.soak.samples import Sampler, Slopes, as_rows, lag_at, lag_counts, slopes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

TOLD_S = 15.0
"""How soon a test that went red must be told of, outside faults."""
SAVE_EVERY_S = 1.0
RESTART_EVERY_S = 60.0
STOP_S = 10.0
LAG_SHARE = 0.99
LAG_S = 0.05
LAG_TICKS = 1000
"""Of fewer ticks, those of a start are more than one in a hundred."""
START_S = 30.0
STAYS_RED_EVERY = 5
"""Every so many times a test stays red for longer than an edit takes, so that a model is asked why."""
MODEL_S = 300.0
"""In a soak of so many seconds and more a model must have been asked."""
CALM_S = 900.0
RISE_MIB_H = 1.0
"""How much the memory may rise an hour where no fault ends a life, in the second half of so many seconds and more: by
then the log's ring and the history have what they keep at most."""


@dataclass
class Report:
    """What came of a soak.

    Attributes:
        breaches: What should not have been, each with the time and the fault before it.
        marks: When each fault began, in seconds since the beginning, and its name.
        told: How many times tests were broken on purpose, and told of in time.
    """

    breaches: list[str] = field(default_factory=list)
    marks: list[tuple[float, str]] = field(default_factory=list)
    told: int = 0
    saves: int = 0
    kills: int = 0
    mails: int = 0
    asked: int = 0
    slopes: Slopes | None = None
    lag_p99_s: float = 0.0
    lag_ticks: int = 0


class Soak:
    """One soak.

    Args:
        folder: Home, project, numbers and picture lie in it.
        environ: What the program is started with: a desktop session's environment, or one without a display.
        seed: What is drawn by chance is drawn by this.
        restart_desktop: Ends and starts the notification service and the tray's host; None where there is none.
    """

    def __init__(
        self, folder: Path, environ: Mapping[str, str], *, seed: int, restart_desktop: Callable[[], None] | None = None
    ) -> None:
        self._folder = folder
        self._environ = environ
        self._seed = seed
        self._restart_desktop = restart_desktop
        self._chance = random.Random(seed)  # noqa: S311 - faults, not secrets
        self._saving = threading.Lock()
        self._ended = threading.Event()
        self._calm_since = time.monotonic()
        self._fault = "the start"
        self._clock: Callable[[], float] = lambda: 0.0
        self.report = Report()

    def run(self, *, seconds: float, every_s: float) -> Report:
        """Let it run for so long, with a fault each `every_s` seconds, and say what came of it."""
        project = Project(self._folder / "project")
        with FarEnds() as ends:
            text = settings_text(mail_port=ends.mail.port, model_port=ends.model.port)
            program = KeptProgram(self._folder / "home", project.root, self._environ, text)
            try:
                self._soak(
                    World(program, project, ends, self._saving, self._chance, self._breach, self._restart_desktop),
                    seconds,
                    every_s,
                )
            finally:
                self._ended.set()
                program.end()
        return self.report

    def _soak(self, world: World, seconds: float, every_s: float) -> None:
        if not world.program.until_up(START_S):
            self._breach("the program did not start")
            return
        self._until(lambda: self._seen(world.program) == frozenset() and self._ran(world.program), START_S)
        world.program.ask(SetConsent(project=str(world.project.root)))
        with Sampler(world.program) as sampler:
            self._clock = sampler.now
            threads = [threading.Thread(target=work, args=(world,)) for work in (self._edit, self._restart)]
            for thread in threads:
                thread.start()
            self._hurt(world, sampler, seconds, every_s)
            self._ended.set()
            for thread in threads:
                thread.join()
            self._end_well(world)
        counts = lag_counts(sampler.lags)
        report = self.report
        report.saves, report.kills, report.mails = world.project.saves, world.kills, len(world.ends.mail.mails)
        is_calm = not report.marks
        report.slopes = slopes(sampler.samples, warm_s=seconds / 2 if is_calm else min(180.0, seconds / 10))
        if is_calm and report.slopes.seconds >= CALM_S and report.slopes.rss_mib > RISE_MIB_H:
            self._breach(f"the memory rose by {report.slopes.rss_mib:.1f} MiB an hour")
        report.lag_ticks = sum(counts)
        report.lag_p99_s = lag_at(LAG_SHARE, sampler.bounds, counts) if counts else 0.0
        if not counts:
            self._breach("no lag of the loop was told")
        elif report.lag_p99_s > LAG_S and report.lag_ticks >= LAG_TICKS:
            self._breach(f"the loop's lag p99 was up to {report.lag_p99_s * 1000:g} ms")
        report.asked = world.ends.model.asked
        if not report.asked and seconds >= MODEL_S:
            self._breach("no model was asked")
        self._check_mails(world)
        self._write(sampler, counts)

    def _hurt(self, world: World, sampler: Sampler, seconds: float, every_s: float) -> None:
        for number, fault in enumerate(plan(seconds, every_s, self._chance)):
            self._ended.wait(max(0.0, sampler.began + (number + 1) * every_s - time.monotonic()))
            self._fault = fault.__name__
            self._calm_since = float("inf")
            self.report.marks.append((sampler.now(), fault.__name__))
            try:
                fault(world)
            except psutil.Error:
                if not world.program.until_up(START_S):
                    self._breach("there is no program")
            self._calm_since = time.monotonic()
        self._ended.wait(max(0.0, sampler.began + seconds - time.monotonic()))

    def _edit(self, world: World) -> None:
        chance = random.Random(self._seed + 1)  # noqa: S311 - as above
        for turn in count():
            if self._ended.is_set():
                return
            number = chance.randrange(MODULES)
            for _ in range(chance.randrange(2, 8)):
                self._save(partial(world.project.save, chance.randrange(MODULES)))
            self._save(partial(world.project.break_module, number))
            self._told(world, "red")
            if turn % STAYS_RED_EVERY == 0:
                self._ended.wait(SETTLE_S + SAVE_EVERY_S)
            self._save(partial(world.project.mend_module, number))
            self._told(world, "green again")

    def _save(self, work: Callable[[], object]) -> None:
        with self._saving:
            work()
        self._ended.wait(SAVE_EVERY_S)

    def _told(self, world: World, what: str) -> None:
        """Wait until exactly the tests that are red are seen to be, counted from the end of the last fault."""
        expected, since = world.project.red(), time.monotonic()
        while self._seen(world.program) != expected:
            if self._left_safe_mode(world.program):
                since = time.monotonic()
            calm = time.monotonic() - max(since, self._calm_since)
            if calm > TOLD_S:
                self._breach(f"tests that are {what} were not told of within {TOLD_S:g} s")
                return
            self._ended.wait(0.1)
            if self._ended.is_set():
                return
        self.report.told += 1

    @staticmethod
    def _left_safe_mode(program: KeptProgram) -> bool:
        """Do what a person does who sees it, whenever it is seen: it is not told in a life's first moment."""
        snapshot = program.snapshot()
        if snapshot is None or not snapshot["health"]["safe_mode"]:
            return False
        program.ask(LeaveSafeMode())
        return True

    def _restart(self, world: World) -> None:
        chance = random.Random(self._seed + 2)  # noqa: S311 - as above
        while not self._ended.wait(RESTART_EVERY_S):
            snapshot = world.program.snapshot()
            if snapshot is not None and snapshot["agents"]:
                world.program.ask(RestartAgent(agent=chance.choice(sorted(snapshot["agents"]))))

    def _end_well(self, world: World) -> None:
        program, project = world.program, world.project
        for number in tuple(project.broken):
            project.mend_module(number)
        project.break_module(0)
        self._until(lambda: self._seen(program) == project.red(), 2 * TOLD_S)
        seen, true = self._seen(program), project.red_by_pytest()
        if seen != true:
            self._breach(f"at the end {sorted(seen or ())} are seen red, and pytest says {sorted(true)}")
        self._until(lambda: self._is_restart_told(world), 2 * TOLD_S)
        family = program.family()
        began = time.monotonic()
        stopped = program.run("stop")
        with contextlib.suppress(Exception):
            program.parent.wait(STOP_S)
        took = time.monotonic() - began
        if stopped.returncode != 0 or program.parent.poll() != 0:
            self._breach(
                f"the stop ended with {stopped.returncode}, the program with {program.parent.poll()}, {took:.1f} s"
            )
        time.sleep(1)
        left = [each.pid for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
        if left:
            self._breach(f"{len(left)} processes outlived the program")
        if files := temporary_files(program.home):
            self._breach(f"temporary files were left: {files[:3]}")
        with contextlib.closing(sqlite3.connect(program.places.data / "history.sqlite3")) as connection:
            if (found := connection.execute("PRAGMA quick_check").fetchone()) != ("ok",):
                self._breach(f"the history is damaged: {found}")

    def _check_mails(self, world: World) -> None:
        ids = [mail.message_id for mail in world.ends.mail.mails]
        if len(ids) != len(set(ids)):
            self._breach("a mail came twice")
        if not self._is_restart_told(world):
            self._breach("no mail tells that the program was started again")

    @staticmethod
    def _is_restart_told(world: World) -> bool:
        return not world.kills or any(
            "started again" in f"{mail.subject} {mail.text}" for mail in world.ends.mail.mails
        )

    def _seen(self, program: KeptProgram) -> frozenset[str] | None:
        """Return the tests that are red, of a whole verdict; None while there is none."""
        snapshot = program.snapshot()
        if snapshot is None or not snapshot["projects"]:
            return None
        (view,) = snapshot["projects"].values()
        return frozenset(nodeid for nodeid, test in view["tests"].items() if test["outcome"] in {"failed", "error"})

    def _ran(self, program: KeptProgram) -> bool:
        snapshot: Any = program.snapshot()
        return bool(snapshot) and all(view["last"] for view in snapshot["projects"].values())

    def _until(self, look: Callable[[], bool], seconds: float) -> None:
        due = time.monotonic() + seconds
        while not look() and time.monotonic() < due:
            time.sleep(0.2)

    def _breach(self, text: str) -> None:
        self.report.breaches.append(f"{self._clock():7.1f} s, after {self._fault}: {text}")

    def _write(self, sampler: Sampler, counts: list[int]) -> None:
        report = self.report
        numbers = {
            "seed": self._seed,
            "breaches": report.breaches,
            "faults": report.marks,
            "told": report.told,
            "saves": report.saves,
            "kills": report.kills,
            "mails": report.mails,
            "asked": report.asked,
            "lag_p99_s": report.lag_p99_s,
            "lag_bounds_s": sampler.bounds,
            "lag_counts": counts,
            "samples": as_rows(sampler.samples),
        }
        (self._folder / "soak.json").write_text(json.dumps(numbers, indent=1))
        minutes = sampler.now() / 60
        title = f"{minutes:.0f} minutes, {len(report.marks)} faults, seed {self._seed}, {len(report.breaches)} breaches"
        draw(self._folder / "soak.png", title, sampler.samples, report.marks, bounds=sampler.bounds, counts=counts)
