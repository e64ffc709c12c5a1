"""The breaker against a model of it that keeps every call and knows no buckets, locks or permits."""

from __future__ import annotations

import asyncio
import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.domain.analysis import BreakerState
from app.domain.errors import BreakerOpen
from app.engine.resilience.breaker import Breaker, BreakerLimits, Permit
from app.engine.resilience.window import Tally

# The window is twelve seconds and time moves by whole ones, so that a bucket holds one moment.
LIMITS = BreakerLimits(
    failure_rate=0.5,
    slow_rate=0.75,
    slow_after_s=2.0,
    window_s=12.0,
    least_calls=4,
    probes=2,
    open_first_s=3.0,
    open_ceiling_s=10.0,
    lost_after_s=7.0,
)
ENDINGS = {"success": None, "failure": ConnectionError, "cancelled": asyncio.CancelledError}


class Model:
    """What the breaker should do, in the plainest way."""

    def __init__(self) -> None:
        self.now = 0
        self.state = BreakerState.CLOSED
        self.since = 0
        self.epoch = 0
        self.open_s = 0.0
        self.ended: list[tuple[int, bool, bool]] = []
        self.probing: dict[int, int] = {}

    def enter(self, state: BreakerState) -> None:
        self.state, self.since, self.epoch = state, self.now, self.epoch + 1
        self.ended, self.probing = [], {}

    def open(self) -> None:
        was_well = self.state is BreakerState.CLOSED and self.now - self.since >= 12
        self.open_s = 3.0 if was_well or not self.open_s else min(10.0, self.open_s * 2)
        self.enter(BreakerState.OPEN)

    def look(self) -> None:
        if self.state is BreakerState.OPEN and self.now >= self.since + self.open_s:
            self.enter(BreakerState.HALF_OPEN)

    def admits(self) -> bool:
        self.look()
        if self.state is BreakerState.HALF_OPEN:
            self.probing = {key: at for key, at in self.probing.items() if self.now - at < 7}
            return len(self.probing) + len(self.ended) < 2
        return self.state in {BreakerState.CLOSED, BreakerState.DISABLED}

    def leave(self, key: int, epoch: int, admitted: int, ending: str) -> None:
        if epoch != self.epoch or (self.state is BreakerState.HALF_OPEN and self.probing.pop(key, None) is None):
            return
        if ending not in {"success", "failure"} or self.state is BreakerState.DISABLED:
            return
        self.ended.append((self.now, ending == "failure", self.now - admitted > 2))
        if self.state is BreakerState.CLOSED:
            calls, failures, slow = self.counts()
            if calls >= 4 and (failures >= calls / 2 or slow >= calls * 3 / 4):
                self.open()
        elif ending == "failure" or (len(self.ended) == 2 and all(slow for _, _, slow in self.ended)):
            self.open()
        elif len(self.ended) == 2:
            self.enter(BreakerState.CLOSED)

    def counts(self) -> tuple[int, int, int]:
        recent = [call for call in self.ended if self.now - call[0] < 12]
        return len(recent), sum(failed for _, failed, _ in recent), sum(slow for _, _, slow in recent)


class BreakerAndModel(RuleBasedStateMachine):
    """Do the same to both."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.told = [BreakerState.CLOSED]
        self.breaker = Breaker("it", monotonic=lambda: float(self.model.now), limits=LIMITS, on_change=self.told.append)
        self.open_calls: list[tuple[Permit, int, int, int]] = []
        self.left: list[Permit] = []
        self.keys = 0

    @rule()
    def admit(self) -> None:
        expected = self.model.admits()
        try:
            permit = self.breaker.admit()
        except BreakerOpen:
            assert not expected
            return
        assert expected
        self.keys += 1
        if self.model.state is BreakerState.HALF_OPEN:
            self.model.probing[self.keys] = self.model.now
        self.open_calls.append((permit, self.keys, self.model.epoch, self.model.now))

    @rule(at=st.integers(0, 5), ending=st.sampled_from([*ENDINGS, "failure", "neutral"]))
    def leave(self, at: int, ending: str) -> None:
        if not self.open_calls:
            return
        permit, key, epoch, admitted = self.open_calls.pop(at % len(self.open_calls))
        self.model.leave(key, epoch, admitted, ending)
        if ending == "neutral":
            permit.neutral()
        self._exit(permit, ENDINGS.get(ending, ConnectionError))
        self.left.append(permit)

    @rule(at=st.integers(0, 5), ending=st.sampled_from(list(ENDINGS)))
    def leave_again(self, at: int, ending: str) -> None:
        if self.left:
            self._exit(self.left[at % len(self.left)], ENDINGS[ending])

    @rule(seconds=st.sampled_from([1, 2, 3, 6, 7, 10, 11, 12]))
    def wait(self, seconds: int) -> None:
        self.model.now += seconds

    @rule(state=st.sampled_from([None] * 12 + [BreakerState.FORCED_OPEN, BreakerState.DISABLED, BreakerState.CLOSED]))
    def by_hand(self, state: BreakerState | None) -> None:
        if state is None:  # mostly, for it cuts off what the other steps lead to
            return
        if state is BreakerState.FORCED_OPEN:
            self.breaker.force_open()
        elif state is BreakerState.DISABLED:
            self.breaker.disable()
        else:
            self.breaker.reset()
        self.model.open_s = 0.0
        self.model.enter(state)

    @rule(ending=st.sampled_from(["failure", "success"]), times=st.integers(1, 6))
    def call(self, ending: str, times: int) -> None:
        for _ in range(times):
            before = len(self.open_calls)
            self.admit()
            if len(self.open_calls) > before:
                permit, key, epoch, admitted = self.open_calls.pop()
                self.model.leave(key, epoch, admitted, ending)
                self._exit(permit, ENDINGS[ending])

    @invariant()
    def they_agree(self) -> None:
        self.model.look()
        assert self.breaker.state is self.model.state
        assert self.told[-1] is self.model.state
        if self.model.state is BreakerState.OPEN:
            assert self.breaker.retry_after_s == self.model.since + self.model.open_s - self.model.now
        if self.model.state is BreakerState.CLOSED:
            assert self.breaker.tally == Tally(*self.model.counts())

    @staticmethod
    def _exit(permit: Permit, ending: type[BaseException] | None) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError), permit:
            if ending is not None:
                raise ending


TestBreakerAndModel = BreakerAndModel.TestCase
TestBreakerAndModel.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
