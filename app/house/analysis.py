"""The analysis: whom to ask, what may leave the machine, and what is kept of the answers."""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import os
import platform
import secrets
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.agents.analysis.asking import Asking
    from app.agents.analysis.explaining import Explaining
    from app.agents.analysis.reports import ReportFiles
    from app.agents.analysis.talking import Talking
    from app.agents.analysis.work import Work
    from app.agents.settings_in_force import SettingsInForce
    from app.ai.conversations.conversations import Conversations
    from app.ai.failures.privacy import Privacy
    from app.ai.providers.service import Models
    from app.engine.processes import ProcessRunner
    from app.engine.supervisor import Supervisor
    from app.house.ground import Ground
    from app.keys.manager import KeyManager
    from app.store.history import History


_log = structlog.get_logger(__name__)

STATE_S = 3.0
"""Small files of our own are read and written by then, or not at all."""

TRANSCRIPT_THREADS = 4
"""A folder that hangs holds no more than these."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What others need to ask models as well.

    Attributes:
        asking: Whom to ask, and what the person has agreed to.
        work: Runs what takes time.
    """

    asking: Asking
    work: Work


@asynccontextmanager
async def analysis(
    ground: Ground,
    in_force: SettingsInForce,
    *,
    history: History,
    keys: KeyManager,
    runner: ProcessRunner,
    supervisor: Supervisor,
) -> AsyncIterator[Advice]:
    """Have failures explained, and questions about them answered; gives what others need to ask models as well."""
    from app.agents.analysis.agent import Analysis
    from app.agents.analysis.answers import answer
    from app.agents.analysis.asking import Asking
    from app.agents.analysis.consent import CONSENT_SCHEMA, Consent
    from app.agents.analysis.explaining import Explaining
    from app.agents.analysis.gathering import Gathering
    from app.agents.analysis.redtests import RedTests
    from app.agents.analysis.subjects import Subjects
    from app.agents.analysis.talking import Talking
    from app.agents.analysis.trying import Trials
    from app.agents.analysis.work import Work
    from app.ai.providers import budget as budgets
    from app.ai.providers.service import Models
    from app.domain.commands import TryModel
    from app.domain.errors import CannotError
    from app.engine.statefile import StateFile

    bus, clock, data = ground.bus, ground.clock, ground.places.data
    budget = budgets.Budget(
        budgets.BudgetLimits(), StateFile(data / "spending.json", schema=budgets.SCHEMA), clock=clock
    )
    models = Models((), keys=keys, clock=clock, budget=budget)
    async with AsyncExitStack() as stack:
        work, states = Work(), Work(piece_s=STATE_S)
        stack.callback(states.close)
        stack.callback(work.close)

        async def look() -> None:
            """Read the settings again where their file has changed; a disk that hangs leaves those of before."""
            with suppress(CannotError):
                await states.do(in_force.general)

        asking = Asking(
            models,
            budget,
            Consent(StateFile(data / "consent.json", schema=CONSENT_SCHEMA), states),
            settings=lambda: in_force.current.analysis,
            look=look,
            privacy=lambda root: _privacy(ground, root),
            environ=os.environ,
            new_nonce=lambda: secrets.token_hex(8),
        )
        reds = RedTests()
        gathering = Gathering(snapshot=lambda: bus.snapshot, reds=reds, journal=history, send=bus.send, clock=clock)
        explaining = Explaining(
            gathering, asking, work, publish=bus.publish, clock=clock, runner=runner, environ=os.environ
        )
        conversations = await stack.enter_async_context(_conversations(ground, in_force.current.analysis.redis))
        subjects = Subjects(explaining, asking, work, send=bus.send)
        talking = Talking(conversations, asking, subjects, publish=bus.publish, clock=clock)
        agent = Analysis(asking, explaining, talking, publish=bus.publish, clock=clock)
        stack.callback(bus.subscribe(lambda event, _snapshot: reds.see(event)))
        stack.callback(bus.subscribe(agent.see))
        trials = Trials(lambda: asking.settings, budget, clock=clock, hide=ground.log.redactor.register)
        stack.enter_context(answer(bus, asking, explaining, subjects, talking))
        stack.callback(bus.handle(TryModel, trials.tried))
        supervisor.add(agent)
        reports = await stack.enter_async_context(_reports(ground, in_force))
        stack.callback(bus.subscribe(reports.see))
        stack.push_async_callback(_end, explaining, talking, models, within_s=ground.limits.analysis_close_s)
        yield Advice(asking, work)


async def _end(explaining: Explaining, talking: Talking, models: Models, *, within_s: float) -> None:
    """End all questions while what keeps their answers still stands."""
    try:
        async with asyncio.timeout(within_s):
            await asyncio.gather(explaining.close(), talking.close())
            await models.aclose()
    except TimeoutError:
        _log.warning("questions to models were left without keeping what came of them")


def _reports(ground: Ground, in_force: SettingsInForce) -> ReportFiles:
    """Return what keeps a file of each run of tests, where the settings ask for that."""
    from app.agents.analysis.reports import ReportFiles
    from app.engine.notices import Notices

    notices = Notices(ground.bus.publish, ground.clock)

    def folder_of(project: str) -> Path | None:
        settings = in_force.current.analysis.reports
        if not settings.enabled:
            return None
        whole = ground.places.data / "reports"
        if settings.folder:
            whole = Path(settings.folder)
            with suppress(RuntimeError):  # there is no such user: a folder of that name, then
                whole = whole.expanduser()
        # Two projects may have one name.
        return whole / f"{Path(project).name}-{hashlib.sha256(os.fsencode(project)).hexdigest()[:8]}"

    return ReportFiles(
        folder_of,
        lambda: in_force.current.analysis.reports.keep,
        redacting=lambda project: _redacting(ground, project),
        on_trouble=lambda text, hint: notices.show("reports", text, hint),
    )


def _home() -> Path:
    """Return the person's home; the root, which no path is shortened by, where the system knows none."""
    try:
        return Path.home()
    except (RuntimeError, KeyError):
        return Path("/")


def _user() -> str:
    """Return the person's login name; empty where there is none, as in many containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _redacting(ground: Ground, project: str) -> Callable[[str], str]:
    """Return what takes secrets out of what stays here. Blocks: called in a thread."""
    from app.ai.failures.confidential import sensitive_values

    return ground.log.redactor.with_values(sensitive_values(os.environ, Path(project))).redact


def _privacy(ground: Ground, root: Path | None) -> Privacy:
    """Return what takes secrets and personal details out of what leaves. Blocks: called in a thread."""
    from app.ai.failures.privacy import Privacy

    return Privacy(
        ground.log.redactor,
        home=_home(),
        user=_user(),
        host=platform.node(),
        environ=os.environ,
        root=root,
    )


@asynccontextmanager
async def _conversations(ground: Ground, redis: str) -> AsyncIterator[Conversations]:
    """Keep conversations: in files, and where the settings name a Redis, the last exchanges at hand there."""
    from app.ai.conversations import recent
    from app.ai.conversations.conversations import Conversations
    from app.ai.conversations.transcripts import Transcripts
    from app.domain.errors import UsageError
    from app.engine.notices import Notices
    from app.engine.resilience.breaker import Breaker
    from app.engine.workers import WorkerPool
    from app.store.location import secrets_of

    clock, notices = ground.clock, Notices(ground.bus.publish, ground.clock)
    cache: recent.RecentCache = recent.NoCache()
    if redis:
        ground.log.redactor.register(*secrets_of(redis))
        try:
            cache = await asyncio.to_thread(
                recent.RedisCache,
                redis,
                breaker=Breaker("Redis", monotonic=clock.monotonic, limits=recent.LIMITS),
                on_trouble=lambda text, hint: notices.show("redis", text, hint),
            )
        except UsageError as error:
            notices.show("redis", error.message, error.hint)
    pool = WorkerPool(TRANSCRIPT_THREADS, name="transcripts")
    try:
        transcripts = Transcripts(ground.places.data / "conversations", pool=pool)
        yield Conversations(transcripts, cache, clock=clock)
    finally:
        await cache.aclose()
        pool.shutdown(wait=False, cancel_futures=True)
