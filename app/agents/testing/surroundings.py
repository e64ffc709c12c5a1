"""What one project's runs, and all that follows them, stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from app.agents.testing.afterwards.lastgreen import LastGreen
    from app.agents.testing.echo import Echo
    from app.agents.testing.impact.keeper import ImpactKeeper
    from app.domain.events import Event
    from app.engine.clock import Clock
    from app.engine.processes import ProcessRunner


@dataclass(frozen=True, slots=True)
class Surroundings:
    """That, as one value.

    Attributes:
        root: The project's folder.
        title: Its name for people.
        impact: Its impact map, which learns.
        last_green: Keeps its last green source.
        echo: Takes what tests write that no change asked for.
        clock: Time.
        runner: Starts programs.
        environ: The environment in which tests are run.
        on_battery: Tells whether the machine runs on its battery; called in a thread.
        publish: Takes events about the project.
        notice: Shows (a kind, a text, a hint), or with an empty text takes it back.
        saved: Takes files that changed while tests ran beside, and that they did not write after all.
    """

    root: Path
    title: str
    impact: ImpactKeeper
    last_green: LastGreen
    echo: Echo
    clock: Clock
    runner: ProcessRunner
    environ: Mapping[str, str]
    on_battery: Callable[[], bool]
    publish: Callable[[Event], None]
    notice: Callable[[str, str, str], None]
    saved: Callable[[Iterable[str]], None]

    @property
    def project(self) -> str:
        """The project as events name it."""
        return str(self.root)
