"""The agent: keeps the providers to the settings, explains by itself what it may, and tells how all of it stands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from app.agents.analysis.automatic import AT_ONCE, RETRY_S, SETTLE_S, Rate, candidates
from app.domain.analysis import AnalysisView, BreakerState, ExplainStage, When
from app.domain.errors import WatchkeeperError
from app.domain.events import AnalysisChanged, ExchangeEnded, ExplanationChanged, VaultChanged, VerdictChanged
from app.domain.keys import VaultState
from app.engine.notices import Notices
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.agents.analysis.asking import Asking
    from app.agents.analysis.explaining import Explaining
    from app.agents.analysis.talking import Talking
    from app.domain.events import Event
    from app.domain.snapshot import Snapshot
    from app.engine.clock import Clock
    from app.engine.heartbeat import Pulse

_log = structlog.get_logger(__name__)

LOOK_EVERY_S = 10.0
"""As often it looks whether settings or providers have changed."""


class Analysis:
    """It; one for the program, whatever is watched. What it holds outlasts one life of it.

    Args:
        asking: Whom to ask.
        explaining: Has failures explained.
        talking: Has questions answered.
        publish: Takes events.
        clock: Time.
    """

    def __init__(
        self,
        asking: Asking,
        explaining: Explaining,
        talking: Talking,
        *,
        publish: Callable[[Event], None],
        clock: Clock,
    ) -> None:
        self._asking = asking
        self._explaining = explaining
        self._talking = talking
        self._publish = publish
        self._clock = clock
        self._notices = Notices(publish, clock)
        self._rate = Rate(clock.monotonic, lambda: asking.settings.automatic_per_hour)
        self._settling: set[asyncio.Task[None]] = set()
        self._owed: dict[tuple[str, str], None] = {}
        self._moved = asyncio.Event()
        self._view: AnalysisView | None = None
        self._pulse: Pulse | None = None

    @property
    def name(self) -> str:
        """Return the agent's name."""
        return "analysis"

    def see(self, event: Event, snapshot: Snapshot) -> None:
        """Take in an event of the bus, whether the agent lives at this moment or not."""
        if isinstance(event, VaultChanged):
            if event.vault.state is VaultState.OPEN:
                self._asking.models.keys_changed()
        elif isinstance(event, ExplanationChanged | ExchangeEnded):
            self._moved.set()
        elif isinstance(event, VerdictChanged) and event.broke and self._asking.when is When.ALWAYS:
            del snapshot
            settling = spawn(self._after_a_moment(event), name="a failure settles")
            self._settling.add(settling)
            settling.add_done_callback(self._settling.discard)

    async def run(self, pulse: Pulse) -> None:
        """Work until told to stop."""
        self._pulse = pulse
        retried_at = self._clock.monotonic()
        await self._asking.budget.load()
        try:
            while not pulse.stopping.is_set():
                pulse.beat()
                self._notices.show("analysis", *self._asking.trouble)
                self._notices.show("analysis-budget", self._asking.budget.trouble)
                self._tell()
                pulse.degraded(self._out_of_reach())
                if self._clock.monotonic() - retried_at >= RETRY_S:
                    retried_at = self._clock.monotonic()
                    await self._catch_up()
                await self._wait(pulse)
        finally:
            self._pulse = None
            for settling in self._settling:
                settling.cancel()
            await self._explaining.close()
            await self._talking.close()

    async def _wait(self, pulse: Pulse) -> None:
        """Wait until there is something to tell, or for a while."""
        self._moved.clear()
        timer = spawn(self._move_later(), name="analysis looks again")
        try:
            await pulse.until(self._moved)
        finally:
            timer.cancel()

    async def _move_later(self) -> None:
        await self._clock.sleep(LOOK_EVERY_S)
        self._moved.set()

    async def _after_a_moment(self, event: VerdictChanged) -> None:
        """Explain what broke and is still broken when the person has had time to finish the edit."""
        await self._clock.sleep(SETTLE_S)
        asked: set[str] = set()
        for nodeid in candidates(event):
            if len(asked) >= AT_ONCE or self._pulse is None or self._pulse.paused:
                return
            print_ = await self._explain(event.project, nodeid)
            if print_:
                asked.add(print_)

    async def _explain(self, project: str, nodeid: str) -> str:
        """Explain one failure if it is still there, and return its fingerprint; empty when there is nothing to do."""
        try:
            case = await self._explaining.look(project, nodeid)
            explanation = case.explanation
            if not self._explaining.is_red(project, nodeid):
                return ""
            if explanation.answer is not None or explanation.stage is ExplainStage.ASKING:
                return explanation.fingerprint
            if not self._rate.allows():
                _log.info("a failure is not explained by itself: enough for this hour", project=project)
                return ""
            explanation = await self._explaining.explain(project, nodeid)
        except WatchkeeperError as error:
            _log.info("a failure is not explained", project=project, reason=error.message)
            return ""
        if explanation.stage is not ExplainStage.ASKING:
            self._rate.give_back()
        self._owed[project, nodeid] = None
        return explanation.fingerprint

    async def _catch_up(self) -> None:
        """Ask again what could not be asked, one question at a time, while its test is red."""
        for project, nodeid in list(self._owed):
            known = self._explaining.known(project, nodeid)
            if known is None or not self._explaining.is_red(project, nodeid) or known.answer is not None:
                del self._owed[project, nodeid]
            elif known.stage is ExplainStage.UNANSWERED and self._asking.when is When.ALWAYS and self._pulse:
                if not self._pulse.paused and not self._out_of_reach():
                    await self._explain(project, nodeid)
                return

    def _out_of_reach(self) -> str:
        """Return why no provider can be asked now though one was; empty when one can, as far as that is known."""
        views = self._asking.models.views()
        if not views or any(view.breaker not in (BreakerState.OPEN, BreakerState.FORCED_OPEN) for view in views):
            return ""
        return views[0].reason or f"{views[0].name} does not answer"

    def _tell(self) -> None:
        settings, models = self._asking.settings, self._asking.models
        spent = self._asking.budget.spent
        view = AnalysisView(
            when=self._asking.when,
            providers=models.views(),
            tokens_today=spent.tokens,
            tokens_limit=settings.tokens_per_day,
            cost_today=spent.cost,
            cost_limit=settings.dollars_per_day,
            asking=self._explaining.questions + self._talking.questions,
        )
        if view != self._view:
            self._view = view
            self._publish(AnalysisChanged(at=self._clock.wall(), analysis=view))
