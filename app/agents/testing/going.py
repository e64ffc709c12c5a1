"""A run that goes on, or ended: what everybody must know of it who waits for it, ends it, or follows it up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.agents.testing.impact.keeper import Choice

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping

    from app.agents.testing.runners.toolrun import ToolRun
    from app.agents.testing.running.runs import RunOutcome
    from app.agents.testing.running.stagedrun import StagedRun
    from app.agents.testing.settings import TestSettings
    from app.domain.verdicts import Cause


@dataclass(slots=True)
class Going:
    """Such a run.

    Attributes:
        run: The run.
        run_id: Its id.
        task: Ends with it.
        cause: Why it runs.
        settings: The settings in force when it began.
        interpreter: The Python that pytest runs with; empty for another tool.
        began_at: Wall-clock time.
        red_before: The tests that were red.
        choice: Which tests come first; empty until that is known.
    """

    run: StagedRun | ToolRun
    run_id: str
    task: asyncio.Task[RunOutcome]
    cause: Cause
    settings: TestSettings
    interpreter: str
    began_at: float
    red_before: frozenset[str]
    choice: Choice = field(default_factory=Choice)

    @property
    def outcome(self) -> RunOutcome | None:
        """What it came to; None when it was ended before its end."""
        return None if self.task.cancelled() else self.task.result()

    async def end(self) -> None:
        """End it, if it still goes on, with all its processes."""
        if not self.task.done():
            self.task.cancel()
            await asyncio.wait({self.task})


@dataclass(frozen=True, slots=True)
class Finished:
    """A run by pytest that came to a verdict.

    Attributes:
        going: It, as it went on.
        run: The run.
        outcome: What it came to.
        before: The checksums of the lines of the files that it was about, by path, as they were at the verdict before;
            None for a file that was not known.
    """

    going: Going
    run: StagedRun
    outcome: RunOutcome
    before: Mapping[str, array[int] | None]
