"""The circuit breaker: a service that fails, or is slow, too often is left alone for a while.

It is our own because those to be had let every caller through at once when they try a service again, and look neither
at a rate nor at how slow the calls are.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Self

import structlog

from app.domain.analysis import BreakerState
from app.domain.errors import BreakerOpen
from app.engine.resilience.window import Tally, Window

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When a breaker opens, and for how long. All times are seconds.

    Attributes:
        failure_rate: It opens when this share of the calls in the window failed.
        slow_rate: Likewise for calls that were slow, also when they succeeded.
        slow_after_s: A call that took longer than this is slow.
        window_s: How far back calls are looked at.
        least_calls: With fewer calls in the window it does not open.
        probes: How many calls go through half-open; it closes when so many have succeeded.
        open_first_s: How long it stays open the first time. Each time it opens again this doubles, until it has been
            closed for a whole window.
        open_ceiling_s: How long it stays open at most.
        lost_after_s: A probe that has not ended for so long is taken for lost, and its place is free again.
    """

    failure_rate: float = 0.5
    slow_rate: float = 0.8
    slow_after_s: float = 30.0
    window_s: float = 120.0
    least_calls: int = 5
    probes: int = 2
    open_first_s: float = 10.0
    open_ceiling_s: float = 300.0
    lost_after_s: float = 120.0


class _Outcome(Enum):
    SUCCESS = auto()
    FAILURE = auto()
    NEITHER = auto()


class Permit:
    """The leave to make one call. A sync context manager, to be left when the call has ended; awaits may be within.

    Left without an exception it is a success, with an Exception a failure. Cancellation and whatever else is no
    Exception (GeneratorExit, KeyboardInterrupt) is neither: the permit is given back as if it had never been. Only the
    first leaving counts, and of several marks the last.

    A permit that is never left costs nothing while the breaker is closed. Half-open it holds a probe's place, which is
    taken back after `lost_after_s`; what the call comes to later does not count.
    """

    __slots__ = ("_breaker", "_mark", "admitted_at", "epoch", "is_spent")

    def __init__(self, breaker: Breaker, *, epoch: int, admitted_at: float) -> None:
        self._breaker = breaker
        self._mark: _Outcome | None = None
        self.epoch = epoch
        self.admitted_at = admitted_at
        self.is_spent = False

    def __enter__(self) -> Self:
        """Begin the call."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Report what the call came to."""
        if self._mark is not None:
            outcome = self._mark
        elif kind is None:
            outcome = _Outcome.SUCCESS
        else:
            outcome = _Outcome.FAILURE if issubclass(kind, Exception) else _Outcome.NEITHER
        self._breaker._settle(self, outcome)  # noqa: SLF001 - the two are one thing

    def neutral(self) -> None:
        """Mark the call as saying nothing of the service, however the permit is left (a 400 or 401, for example)."""
        self._mark = _Outcome.NEITHER

    def failed(self) -> None:
        """Mark the call as a failure, however the permit is left (cancelled because time was up, for example)."""
        self._mark = _Outcome.FAILURE


class Breaker:
    """Lets calls to a service through, or not. Safe from threads and tasks; nothing in it waits.

    Closed, all go through and are counted over a window. When too many failed or were slow it opens: none goes through.
    After a while it is half-open: as many as `probes` go through, and close it, or open it again for twice as long.
    What a call comes to counts only while the breaker has not changed since the call was admitted.

    Args:
        name: What the service is called, in messages to people.
        monotonic: Tells the time in seconds on a clock that never goes back.
        limits: When it opens and for how long.
        on_change: Called with each new state, in order, one at a time, on the thread that brought it about or that is
            calling already. It may use the breaker; what it raises is logged.
    """

    def __init__(
        self,
        name: str,
        *,
        monotonic: Callable[[], float],
        limits: BreakerLimits,
        on_change: Callable[[BreakerState], None] | None = None,
    ) -> None:
        self.name = name
        self._monotonic = monotonic
        self._limits = limits
        self._on_change = on_change
        self._lock = threading.Lock()
        self._state = BreakerState.CLOSED
        self._since = monotonic()
        self._epoch = 0
        self._window = Window(limits.window_s)
        self._probes: set[Permit] = set()
        self._probed = Tally()
        self._open_s = 0.0
        self._changes: deque[BreakerState] = deque()
        self._telling = False

    @property
    def state(self) -> BreakerState:
        """Whether calls go through now. Reading it turns an open breaker whose time is up half-open."""
        with self._lock:
            state = self._now(self._monotonic())
        self._tell()
        return state

    @property
    def retry_after_s(self) -> float | None:
        """Seconds until calls go through: 0 when one does now, None when only a person's word will let one.

        While all places for probes are taken nobody knows; it is the first open time then.
        """
        with self._lock:
            seconds = self._retry_after_s(self._monotonic())
        self._tell()
        return seconds

    @property
    def tally(self) -> Tally:
        """What the calls in the window came to, since the breaker closed."""
        with self._lock:
            return self._window.tally(self._monotonic())

    def check(self) -> None:
        """Raise BreakerOpen if no call goes through now, and take no permit: what has to queue first asks here."""
        with self._lock:
            refusal = self._refusal(self._monotonic())
        self._tell()
        if refusal is not None:
            raise refusal

    def admit(self) -> Permit:
        """Return the leave to make one call now; it must be left, as a context manager.

        Raises:
            BreakerOpen: No call, or no further one, goes through now.
        """
        with self._lock:
            now = self._monotonic()
            refusal = self._refusal(now)
            permit = Permit(self, epoch=self._epoch, admitted_at=now)
            if refusal is None and self._state is BreakerState.HALF_OPEN:
                self._probes.add(permit)
        self._tell()
        if refusal is not None:
            raise refusal
        return permit

    def force_open(self) -> None:
        """Let no call through until reset() or disable()."""
        self._put(BreakerState.FORCED_OPEN)

    def disable(self) -> None:
        """Let all calls through, whatever they come to, until reset() or force_open()."""
        self._put(BreakerState.DISABLED)

    def reset(self) -> None:
        """Close it and forget all calls, those under way included, and how long it was open."""
        self._put(BreakerState.CLOSED)

    def _put(self, state: BreakerState) -> None:
        with self._lock:
            self._open_s = 0.0
            self._enter(state, self._monotonic())
        self._tell()

    def _settle(self, permit: Permit, outcome: _Outcome) -> None:
        with self._lock:
            if permit.is_spent:
                return
            permit.is_spent = True
            if permit.epoch == self._epoch:
                self._count(permit, outcome, self._monotonic())
        self._tell()

    # What follows runs under the lock.

    def _count(self, permit: Permit, outcome: _Outcome, now: float) -> None:
        if self._state is BreakerState.HALF_OPEN:
            if permit not in self._probes:
                return
            self._probes.remove(permit)
        if outcome is _Outcome.NEITHER:
            return
        failed, slow = outcome is _Outcome.FAILURE, now - permit.admitted_at > self._limits.slow_after_s
        if self._state is BreakerState.CLOSED:
            self._window.add(now, failed=failed, slow=slow)
            tally = self._window.tally(now)
            if tally.calls >= self._limits.least_calls and self._is_bad(tally):
                self._open(now)
        elif self._state is BreakerState.HALF_OPEN:
            self._probed += Tally(1, int(failed), int(slow))
            is_enough = self._probed.calls >= self._limits.probes
            if failed or (is_enough and self._is_bad(self._probed)):
                self._open(now)
            elif is_enough:
                self._enter(BreakerState.CLOSED, now)

    def _is_bad(self, tally: Tally) -> bool:
        return (
            tally.failures >= self._limits.failure_rate * tally.calls
            or tally.slow >= self._limits.slow_rate * tally.calls
        )

    def _open(self, now: float) -> None:
        is_well = self._state is BreakerState.CLOSED and now - self._since >= self._limits.window_s
        longer = self._limits.open_first_s if is_well or not self._open_s else 2 * self._open_s
        self._open_s = min(longer, self._limits.open_ceiling_s)
        self._enter(BreakerState.OPEN, now)

    def _enter(self, state: BreakerState, now: float) -> None:
        self._epoch += 1
        self._since = now
        self._window.clear()
        self._probes.clear()
        self._probed = Tally()
        if state is not self._state:
            self._state = state
            self._changes.append(state)

    def _now(self, now: float) -> BreakerState:
        if self._state is BreakerState.OPEN and now - self._since >= self._open_s:
            self._enter(BreakerState.HALF_OPEN, now)
        return self._state

    def _retry_after_s(self, now: float) -> float | None:
        match self._now(now):
            case BreakerState.FORCED_OPEN:
                return None
            case BreakerState.OPEN:
                return self._since + self._open_s - now
            case BreakerState.HALF_OPEN if not self._has_place(now):
                return self._limits.open_first_s
            case _:
                return 0.0

    def _has_place(self, now: float) -> bool:
        self._probes = {probe for probe in self._probes if now - probe.admitted_at < self._limits.lost_after_s}
        return len(self._probes) + self._probed.calls < self._limits.probes

    def _refusal(self, now: float) -> BreakerOpen | None:
        seconds = self._retry_after_s(now)
        match self._state:
            case BreakerState.FORCED_OPEN:
                return BreakerOpen(f"{self.name} is switched off by hand.", "Switch it on again to use it.")
            case BreakerState.OPEN:
                left = math.ceil(seconds or 0.0)
                why = f"{self.name} failed, or was slow, too often, and is left alone for another {left} s."
            case BreakerState.HALF_OPEN if not self._has_place(now):
                why = f"{self.name} is being tried again after it failed, or was slow, too often."
            case _:
                return None
        return BreakerOpen(why, "Nothing needs to be done: it is used again when it answers.", retry_after_s=seconds)

    # What follows runs outside of it.

    def _tell(self) -> None:
        while True:
            with self._lock:
                if self._telling or not self._changes:
                    return
                self._telling = True
                state = self._changes.popleft()
            try:
                if self._on_change is not None:
                    self._on_change(state)
            except Exception:  # noqa: BLE001 - whoever listens must not change what a call comes to
                _log.exception("on_change failed", breaker=self.name, state=state.value)
            finally:
                with self._lock:
                    self._telling = False
