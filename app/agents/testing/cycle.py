"""One run as the world hears of it: events while it goes on, what broke soon after it broke, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.events import RunCollected, RunFinished, RunStaged, RunStarted, TestsRan, VerdictChanged
from app.domain.verdicts import Stage, Verdict
from app.engine.tasks import spawn

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection

    from app.agents.testing.ledger import Ledger, Turn
    from app.domain.verdicts import Cause, TestResult
    from app.engine.clock import Clock
    from app.engine.heartbeat import Pulse

TELL_AFTER_S = 0.5
"""What breaks is told so long after the first test went red: soon, and still one notification for one cause."""


class Cycle:
    """Publishes one run and keeps the ledger.

    Args:
        project: The project's root as str.
        run_id: The run's id.
        cause: Why it runs.
        ledger: The project's ledger.
        pulse: By which to publish and beat.
        clock: Time.
    """

    def __init__(self, project: str, run_id: str, cause: Cause, *, ledger: Ledger, pulse: Pulse, clock: Clock) -> None:
        self.cause = cause
        self._project = project
        self.run_id = run_id
        self._ledger = ledger
        self._pulse = pulse
        self._clock = clock
        self._began = clock.monotonic()
        self._teller: asyncio.Task[None] | None = None
        self._is_red = False
        ledger.begin()
        pulse.publish(RunStarted(at=clock.wall(), project=project, run_id=run_id, cause=cause))

    def expect(self, total: int) -> None:
        """Tell how many tests there were last time, until pytest has collected them."""
        if total:
            self.collected(total)

    def collected(self, total: int) -> None:
        """Tell that pytest found `total` tests."""
        now = self._clock.wall()
        self._pulse.publish(RunCollected(at=now, project=self._project, run_id=self.run_id, total=total))

    def ran(self, results: tuple[TestResult, ...], running: str) -> None:
        """Take in tests that ended, and the one that runs now."""
        self._ledger.add(results)
        self._is_red = self._is_red or any(result.outcome.is_red for result in results)
        self._pulse.publish(
            TestsRan(at=self._clock.wall(), project=self._project, run_id=self.run_id, results=results, running=running)
        )
        self._pulse.beat(len(results))
        # Files that cannot be collected end a run at once, so they need no early word.
        if self._teller is None and any("::" in nodeid for nodeid in self._ledger.untold):
            self._teller = spawn(self._tell_soon(), name="tell what broke")

    def staged(self, stage: Stage, tests: int | None) -> None:
        """Tell that a part of the run begins; what the part before it broke is told at once."""
        verdict = None
        if stage is Stage.REST:
            verdict = Verdict.RED if self._is_red else Verdict.GREEN
            if self._teller is not None:
                self._teller.cancel()
            self._tell(self._ledger.broke_so_far(), message="", complete=False)
        now = self._clock.wall()
        self._pulse.publish(
            RunStaged(at=now, project=self._project, run_id=self.run_id, stage=stage, tests=tests, verdict=verdict)
        )

    def finish(
        self,
        verdict: Verdict,
        *,
        message: str = "",
        output: str = "",
        collected: Collection[str] = (),
        complete: bool = False,
    ) -> None:
        """End the run: publish its verdict, and what changed by it."""
        if self._teller is not None:
            self._teller.cancel()
        self._pulse.did()  # a run that ended is progress, also one that had no test to run
        turn, lost = self._ledger.finish(verdict, collected, complete=complete)
        self._pulse.publish(
            RunFinished(
                at=self._clock.wall(),
                project=self._project,
                run_id=self.run_id,
                verdict=verdict,
                message=message,
                duration_s=self._clock.monotonic() - self._began,
                gone=lost,
                output=output,
            )
        )
        self._tell(turn, message=message, complete=True)

    async def _tell_soon(self) -> None:
        await self._clock.sleep(TELL_AFTER_S)
        self._tell(self._ledger.broke_so_far(), message="", complete=False)

    def _tell(self, turn: Turn, *, message: str, complete: bool) -> None:
        if not turn:
            return
        self._pulse.publish(
            VerdictChanged(
                at=self._clock.wall(),
                project=self._project,
                run_id=self.run_id,
                cause=self.cause,
                broke=turn.broke,
                fixed=turn.fixed,
                gone=turn.gone,
                trouble=turn.trouble,
                recovered=turn.recovered,
                message=message if turn.trouble else "",
                still_red=len(self._ledger.red),
                complete=complete,
            )
        )
