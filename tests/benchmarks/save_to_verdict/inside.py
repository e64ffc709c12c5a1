"""Watchkeeper without a face, in a process that tells each step of its snapshot on stdout, one JSON line each.

    python tests/benchmarks/save_to_verdict/inside.py PROJECT

`at` is the monotonic clock, which processes share on Linux. It ends when stdin ends, so that it outlives nobody.

- {"what": "red", "tests": [...]}        red tests entered the snapshot
- {"what": "finished", "verdict", "red"} a run ended with a verdict of its own; `red` counts the red tests then
- {"what": "run started" | "stage impacted" | "stage rest" | any other name} an inner time. Whatever the house logs as
  `inner time` with `point=NAME` and `at=MONOTONIC SECONDS` is told as NAME, too.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import structlog

from app.domain.events import Event, RunFinished, RunStaged, RunStarted, TestsRan
from app.domain.verdicts import Verdict
from app.engine.places import Places
from app.engine.workers import plain_loop
from app.house.ground import Ground
from app.house.ground import ground as laid_ground
from app.house.rooms import house

INNER = "inner time"


class Teller:
    """A face that tells the program which measures. Writes are one system call each, and short."""

    def __call__(self, event: Event, snapshot: object) -> None:
        """Hear an event, of which the snapshot is told."""
        at = time.monotonic()
        if isinstance(event, TestsRan):
            view = snapshot.projects[event.project]  # type: ignore[attr-defined] # Snapshot is imported for types only
            red = [result.nodeid for result in event.results if view.tests[result.nodeid].outcome.is_red]
            if red:
                self.tell(at, "red", tests=red)
        elif isinstance(event, RunStarted):
            self.tell(at, "run started")
        elif isinstance(event, RunStaged):
            self.tell(at, f"stage {event.stage.value}")
        elif isinstance(event, RunFinished) and event.verdict is not Verdict.CANCELLED:
            red_now = len(snapshot.projects[event.project].red)  # type: ignore[attr-defined] # likewise
            self.tell(at, "finished", verdict=event.verdict.value, red=red_now)

    def tell(self, at: float, what: str, **more: object) -> None:
        """Write a line."""
        os.write(1, json.dumps({"at": at, "what": what, **more}).encode() + b"\n")

    def hear_log(self, _logger: object, _method: str, told: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """Tell an inner time that was logged; a processor of structlog."""
        if told.get("event") == INNER:
            self.tell(float(told["at"]), str(told["point"]))
        return told


async def watch(ground: Ground, folder: Path) -> None:
    """Watch a project until stdin ends, or a signal says so."""
    loop = asyncio.get_running_loop()
    loop.add_reader(0, lambda: os.read(0, 1) or ground.shutdown.ask("the benchmark is over"))
    async with house(ground, (folder,), attended=False):
        await ground.shutdown.wait()


def main() -> int:
    """Watch the project that is named, and return the exit code."""
    teller = Teller()
    places = Places.find(os.environ)
    places.create()
    with laid_ground(places) as ground, asyncio.Runner(loop_factory=plain_loop) as runner:
        processors = structlog.get_config()["processors"]
        structlog.configure(processors=[teller.hear_log, *processors])
        ground.bus.subscribe(teller)
        runner.run(watch(ground, Path(sys.argv[1]).resolve()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
