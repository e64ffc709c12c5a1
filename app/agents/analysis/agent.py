"""The agent: keeps the providers to the settings, explains by itself what it may, and tells how all of it stands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from app.agents.analysis.automatic import AT_ONCE, SETTLE_S, Owed, Rate, candidates
from app.domain.analysis import AnalysisView, BreakerState, ExplainStage, When
from app.domain.events import (
    AgentResumed,
    AnalysisChanged,
    ExchangeEnded,
    ExplanationChanged,
    VaultChanged,
    VerdictChanged,
)
from app.domain.keys import VaultState
from app.engine.notices import Notices
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.agents.analysis.asking import Asking
    from app.agents.analysis.explaining import Explaining
    from app.agents.analysis.talking import Talking
    from app.domain.events import Event
    from app.domain.keys import VaultView
    from app.domain.snapshot import Snapshot
    from app.engine.clock import Clock
    from app.engine.heartbeat import Pulse

_log = structlog.get_logger(__name__)

LOOK_EVERY_S = 10.0
"""As often it looks whether settings or providers have changed."""


class Analysis:
    """It; one for the program, whatever is watched. What it holds outlasts one life of it.

    What people ask for themselves is answered whether it is at work or not: it is about what nobody asked for.

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
        self._owed = Owed(clock.monotonic)
        self._secrets: tuple[object, ...] = ()
        self._moved = asyncio.Event()
        asking.on_change(self._moved.set)
        self._view: AnalysisView | None = None
        self._pulse: Pulse | None = None

    @property
    def name(self) -> str:
        """Return the agent's name."""
        return "analysis"

    def see(self, event: Event, _snapshot: Snapshot) -> None:
        """Take in an event of the bus, whether the agent lives at this moment or not."""
        self._explaining.see(event)
        if isinstance(event, VaultChanged):
            self._see_vault(event.vault)
        elif isinstance(event, ExplanationChanged):
            self._moved.set()
            self._see_explained(event)
        elif isinstance(event, ExchangeEnded):
            self._moved.set()
        elif isinstance(event, AgentResumed) and event.agent == self.name:
            self._asking.models.try_again()
        elif isinstance(event, VerdictChanged) and event.broke and self._asking.when is When.ALWAYS:
            settling = spawn(self._after_a_moment(event), name="a failure settles")
            self._settling.add(settling)
            settling.add_done_callback(self._settling.discard)

    def _see_vault(self, vault: VaultView) -> None:
        """Have all keys taken again when there are others; that one was read changes nothing."""
        secrets = tuple((each.name, each.group, each.renewed) for each in vault.secrets)
        if vault.state is VaultState.OPEN and secrets != self._secrets:
            self._asking.models.keys_changed()
        self._secrets = secrets if vault.state is VaultState.OPEN else ()

    def _see_explained(self, event: ExplanationChanged) -> None:
        """Owe a failure no more that was answered, or that asking again would not help."""
        explained, project = event.explained, event.project
        if explained.stage is ExplainStage.EXPLAINED:
            self._owed.drop(project, explained.nodeid)
        elif explained.stage is ExplainStage.UNANSWERED:
            known = self._explaining.known(project, explained.nodeid)
            if known is None or not known.may_pass:
                self._owed.drop(project, explained.nodeid)

    async def run(self, pulse: Pulse) -> None:
        """Work until told to stop."""
        self._pulse = pulse
        await self._asking.budget.load()
        try:
            while not pulse.stopping.is_set():
                pulse.beat()
                await self._asking.look_at_settings()
                self._moved.clear()  # before anything is looked at: what moves from here on is looked at again
                self._notices.show("analysis", *self._asking.trouble)
                self._notices.show("analysis-budget", self._asking.budget.trouble)
                self._tell()
                pulse.degraded(self._out_of_reach())
                await self._catch_up(pulse)
                await self._wait(pulse)
        finally:
            self._pulse = None
            for settling in self._settling:
                settling.cancel()
            self._tell()

    async def _wait(self, pulse: Pulse) -> None:
        """Wait until there is something to tell, or for a while."""
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
            print_ = case.explanation.fingerprint
            if not self._explaining.is_red(project, nodeid):
                self._owed.drop(project, nodeid)
                return ""
            if self._explaining.shown(case).stage in (ExplainStage.ASKING, ExplainStage.EXPLAINED):
                return print_
            if not self._rate.allows():
                _log.info("a failure is not explained by itself: enough for this hour", project=project)
                return ""
            explanation = await self._explaining.explain(project, nodeid)
        except Exception as error:  # noqa: BLE001 - one failure that cannot be explained must not end the agent
            _log.warning("a failure is not explained", project=project, reason=repr(error))
            self._owed.drop(project, nodeid)
            return ""
        if explanation.stage is ExplainStage.ASKING:
            self._owed.add(project, nodeid)
        else:
            self._rate.give_back()
        return print_

    async def _catch_up(self, pulse: Pulse) -> None:
        """Ask again what could not be asked, one question at a time."""
        if pulse.paused or self._asking.when is not When.ALWAYS or self._out_of_reach():
            return
        due = self._owed.due()
        if due is not None:
            await self._explain(*due)

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
            unpriced=models.unpriced,
            asking=self._explaining.questions + self._talking.questions,
            language=self._asking.language,
        )
        if view != self._view:
            self._view = view
            self._publish(AnalysisChanged(at=self._clock.wall(), analysis=view))
