"""The breaker: it opens on evidence, tries again with few, and counts each call once and in its own time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.analysis import BreakerState
from app.domain.errors import BreakerOpen
from app.engine.resilience.breaker import Breaker, BreakerLimits
from app.engine.resilience.window import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.engine.resilience.breaker import Permit

LIMITS = BreakerLimits()
CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def breaker_on(clock: Any, limits: BreakerLimits = LIMITS, on_change: Callable[..., None] | None = None) -> Breaker:
    return Breaker("The service", monotonic=clock.monotonic, limits=limits, on_change=on_change)


def succeed(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with breaker.admit():
            pass


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(ConnectionError), breaker.admit():
            raise ConnectionError


def leave(permit: Permit, error: Exception | None) -> None:
    with contextlib.suppress(ConnectionError), permit:
        if error is not None:
            raise error


def slow(breaker: Breaker, clock: Any, times: int = 1, seconds: float = LIMITS.slow_after_s + 0.5) -> None:
    for _ in range(times):
        with breaker.admit():
            clock.advance(seconds)


def half_open(clock: Any, limits: BreakerLimits = LIMITS) -> Breaker:
    breaker = breaker_on(clock, limits)
    fail(breaker, limits.least_calls)
    clock.advance(limits.open_first_s)
    assert breaker.state is HALF_OPEN
    return breaker


def open_times(breaker: Breaker, clock: Any, count: int) -> list[float]:
    """Let each probe fail, and say for how long the breaker was open each time."""
    seconds = []
    for _ in range(count):
        seconds.append(breaker.retry_after_s)
        clock.advance(breaker.retry_after_s)
        fail(breaker)
    return seconds


def test_it_opens_at_the_failure_rate(fake_clock: Any) -> None:
    """Half of the calls failed: it opens with the call that makes them half, and then refuses at once."""
    breaker = breaker_on(fake_clock)
    succeed(breaker, 5)

    fail(breaker, 4)
    before = breaker.state
    fail(breaker)

    assert (before, breaker.state) == (CLOSED, OPEN)
    with pytest.raises(BreakerOpen, match="The service") as refused:
        breaker.admit()
    assert refused.value.retry_after_s == 10.0


def test_it_does_not_open_before_the_least_number_of_calls(fake_clock: Any) -> None:
    """Four failures of four are no evidence; the fifth is."""
    breaker = breaker_on(fake_clock)

    fail(breaker, 4)
    before = breaker.state
    fail(breaker)

    assert (before, breaker.state) == (CLOSED, OPEN)


def test_it_opens_on_slow_calls_that_succeed(fake_clock: Any) -> None:
    """Four slow calls of five are too many, though none failed."""
    breaker = breaker_on(fake_clock, BreakerLimits(window_s=1_000.0))
    succeed(breaker)

    slow(breaker, fake_clock, 3)
    before = breaker.state
    slow(breaker, fake_clock)

    assert (before, breaker.state) == (CLOSED, OPEN)


def test_a_call_that_takes_exactly_the_time_is_not_slow(fake_clock: Any) -> None:
    """Slow is what takes longer than the limit."""
    breaker = breaker_on(fake_clock, BreakerLimits(window_s=1_000.0))

    slow(breaker, fake_clock, 10, seconds=LIMITS.slow_after_s)

    assert breaker.state is CLOSED
    assert breaker.tally == Tally(calls=10)


def test_old_calls_leave_the_window(fake_clock: Any) -> None:
    """Failures of two minutes ago do not help to open it."""
    breaker = breaker_on(fake_clock)
    fail(breaker, 4)

    fake_clock.advance(LIMITS.window_s)
    fail(breaker, 4)

    assert breaker.state is CLOSED
    assert breaker.tally == Tally(calls=4, failures=4)


def test_calls_stay_in_the_window_while_it_looks_back_so_far(fake_clock: Any) -> None:
    """What ended less than eleven twelfths of the window ago still counts."""
    fake_clock.advance(LIMITS.window_s / 12 - 0.002)
    breaker = breaker_on(fake_clock)
    fail(breaker, 4)

    fake_clock.advance(LIMITS.window_s * 11 / 12)
    fail(breaker)

    assert breaker.state is OPEN


def test_only_the_clock_that_was_handed_in_decides(fake_clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's clocks jump by a day to and fro, and nothing changes."""
    breaker = breaker_on(fake_clock)
    fail(breaker, 5)

    seen = []
    for jump in (86_400.0, -86_400.0):
        for name in ("time", "monotonic"):
            monkeypatch.setattr(time, name, partial(float, getattr(time, name)() + jump))
        seen.append((breaker.state, breaker.retry_after_s))
    fake_clock.advance(LIMITS.open_first_s)

    assert seen == [(OPEN, 10.0)] * 2
    assert breaker.state is HALF_OPEN


async def test_half_open_lets_exactly_the_probes_through_out_of_50_tasks(fake_clock: Any) -> None:
    """Fifty tasks ask at once: two go through, the others are refused at once, and the two close it."""
    breaker = half_open(fake_clock)
    answered = asyncio.Event()
    refused = []

    async def call() -> None:
        try:
            with breaker.admit():
                await answered.wait()
        except BreakerOpen as error:
            refused.append(error.retry_after_s)
            if len(refused) == 48:
                answered.set()

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(call())

    assert refused == [LIMITS.open_first_s] * 48
    assert breaker.state is CLOSED


async def test_probes_that_end_at_once_make_no_room_for_more_than_are_needed(fake_clock: Any) -> None:
    """A probe that has succeeded keeps its place: three of three go through, also one after the other."""
    limits = BreakerLimits(probes=3)
    breaker = half_open(fake_clock, limits)

    succeed(breaker, 1)
    permits = [breaker.admit(), breaker.admit()]

    with pytest.raises(BreakerOpen):
        breaker.admit()
    for permit in permits:
        with permit:
            pass
    assert breaker.state is CLOSED


def test_half_open_lets_exactly_the_probes_through_out_of_50_threads(fake_clock: Any) -> None:
    """Fifty threads ask at once: two go through, twenty times over."""
    rounds = []
    for _ in range(20):
        breaker = half_open(fake_clock)
        together, done = threading.Barrier(50), threading.Barrier(50)

        def ask(breaker: Breaker = breaker, together: Any = together, done: Any = done) -> bool:
            together.wait(30)
            try:
                permit = breaker.admit()
            except BreakerOpen:
                done.wait(30)
                return False
            with permit:
                done.wait(30)
            return True

        with ThreadPoolExecutor(50) as threads:
            admitted = sum(f.result(30) for f in [threads.submit(ask) for _ in range(50)])
        rounds.append((admitted, breaker.state))

    assert rounds == [(2, CLOSED)] * 20


async def test_a_cancelled_probe_gives_its_place_back(fake_clock: Any) -> None:
    """Both probes are cancelled: neither success nor failure, and two others go through."""
    breaker = half_open(fake_clock)

    async def call() -> None:
        with breaker.admit():
            await asyncio.Event().wait()

    probes = [asyncio.create_task(call()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(BreakerOpen):
        breaker.admit()
    for probe in probes:
        probe.cancel()
    await asyncio.wait(probes)

    assert breaker.state is HALF_OPEN
    succeed(breaker, 2)
    assert breaker.state is CLOSED


@pytest.mark.parametrize("ending", [GeneratorExit, KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_is_no_exception_says_nothing_of_the_service(fake_clock: Any, ending: type[BaseException]) -> None:
    """A call that is broken off from outside is neither a success nor a failure."""
    breaker = breaker_on(fake_clock)

    for _ in range(10):
        with pytest.raises(ending), breaker.admit():
            raise ending

    assert breaker.tally == Tally()


def test_probes_are_limited_also_when_it_does_not_stay_open(fake_clock: Any) -> None:
    """With no open time at all it is half-open at once, and still lets no more than the probes through."""
    breaker = half_open(fake_clock, BreakerLimits(open_first_s=0.0))

    permits = [breaker.admit(), breaker.admit()]

    with pytest.raises(BreakerOpen):
        breaker.admit()
    assert len(permits) == 2


def test_a_failed_probe_opens_it_again(fake_clock: Any) -> None:
    """One failure is enough, after a success too."""
    breaker = half_open(fake_clock)

    succeed(breaker)
    fail(breaker)

    assert breaker.state is OPEN


def test_slow_probes_open_it_again(fake_clock: Any) -> None:
    """The service answers, but as slowly as before."""
    breaker = half_open(fake_clock)

    slow(breaker, fake_clock, 2)

    assert breaker.state is OPEN


def test_one_slow_probe_of_two_is_well_enough(fake_clock: Any) -> None:
    """Half of the probes slow is under the slow-call rate."""
    breaker = half_open(fake_clock)

    slow(breaker, fake_clock)
    succeed(breaker)

    assert breaker.state is CLOSED


def test_a_neutral_probe_gives_its_place_back(fake_clock: Any) -> None:
    """A service that refuses the key (401) is neither well nor ill by that."""
    breaker = half_open(fake_clock)

    for _ in range(5):
        permit = breaker.admit()
        permit.neutral()
        with pytest.raises(PermissionError), permit:
            raise PermissionError

    assert breaker.state is HALF_OPEN
    succeed(breaker, 2)
    assert breaker.state is CLOSED


def test_a_probe_that_never_ends_does_not_block_for_ever(fake_clock: Any) -> None:
    """Two permits leak; after a while two others go through, and what the lost ones come to does not count."""
    breaker = half_open(fake_clock)
    lost = [breaker.admit(), breaker.admit()]

    fake_clock.advance(LIMITS.lost_after_s - 1)
    with pytest.raises(BreakerOpen):
        breaker.admit()
    fake_clock.advance(1)
    succeed(breaker)
    with pytest.raises(ConnectionError), lost[0]:
        raise ConnectionError

    assert breaker.state is HALF_OPEN
    succeed(breaker)
    assert breaker.state is CLOSED


def test_it_stays_open_twice_as_long_each_time_up_to_the_ceiling(fake_clock: Any) -> None:
    """10, 20, 40 seconds and so on, and never more than five minutes."""
    breaker = breaker_on(fake_clock)
    fail(breaker, 5)

    seconds = open_times(breaker, fake_clock, 8)

    assert seconds == [10, 20, 40, 80, 160, 300, 300, 300]


@pytest.mark.parametrize(("closed_s", "expected"), [(119.0, 40.0), (120.0, 10.0)])
def test_open_time_falls_back_after_a_whole_window_closed(fake_clock: Any, closed_s: float, expected: float) -> None:
    """A service that was well for a whole window begins with the first time again; a shorter spell is no recovery."""
    breaker = breaker_on(fake_clock)
    fail(breaker, 5)
    open_times(breaker, fake_clock, 1)
    fake_clock.advance(breaker.retry_after_s)
    succeed(breaker, 2)

    fake_clock.advance(closed_s)
    fail(breaker, 5)

    assert breaker.retry_after_s == expected


def test_time_spent_open_or_half_open_is_no_recovery(fake_clock: Any) -> None:
    """Nobody asked for an hour, so that nothing is known: a failed probe makes it stay open for longer all the same."""
    breaker = half_open(fake_clock)

    fake_clock.advance(3_600)
    fail(breaker)

    assert breaker.retry_after_s == 2 * LIMITS.open_first_s


def test_results_of_an_earlier_epoch_do_not_count(fake_clock: Any) -> None:
    """Calls admitted before it opened end half-open and closed: they change nothing."""
    breaker = breaker_on(fake_clock)
    early = [breaker.admit() for _ in range(20)]
    fail(breaker, 5)
    fake_clock.advance(LIMITS.open_first_s)
    assert breaker.state is HALF_OPEN

    for permit in early[:5]:
        with permit:
            pass
    for permit in early[5:10]:
        with pytest.raises(ConnectionError), permit:
            raise ConnectionError
    after_half_open = breaker.state
    succeed(breaker, 2)
    for permit in early[10:]:
        with pytest.raises(ConnectionError), permit:
            raise ConnectionError

    assert after_half_open is HALF_OPEN
    assert breaker.state is CLOSED
    assert breaker.tally == Tally()


def test_calls_under_way_at_a_reset_do_not_count(fake_clock: Any) -> None:
    """A reset begins anew, though the state stays the same."""
    breaker = breaker_on(fake_clock)
    early = [breaker.admit() for _ in range(5)]

    breaker.reset()
    for permit in early:
        with pytest.raises(ConnectionError), permit:
            raise ConnectionError

    assert breaker.state is CLOSED
    assert breaker.tally == Tally()


def test_a_permit_counts_once(fake_clock: Any) -> None:
    """A permit that is left twice, or marked afterwards, counts as it was left first."""
    breaker = breaker_on(fake_clock)
    permit = breaker.admit()

    with permit:
        pass
    with pytest.raises(ConnectionError), permit:
        raise ConnectionError
    permit.failed()
    with permit:
        pass

    assert breaker.tally == Tally(calls=1)


def test_a_mark_decides_over_how_the_permit_is_left(fake_clock: Any) -> None:
    """A cancelled call marked as failed is a failure."""
    breaker = breaker_on(fake_clock)

    permit = breaker.admit()
    permit.failed()
    with pytest.raises(asyncio.CancelledError), permit:
        raise asyncio.CancelledError

    assert breaker.tally == Tally(calls=1, failures=1)


def test_forced_open_lets_nothing_through_until_a_person_says_so(fake_clock: Any) -> None:
    """No time opens it again, and it says that it will not."""
    breaker = breaker_on(fake_clock)

    breaker.force_open()
    fake_clock.advance(1e6)

    assert breaker.state is BreakerState.FORCED_OPEN
    assert breaker.retry_after_s is None
    with pytest.raises(BreakerOpen, match="by hand") as refused:
        breaker.admit()
    assert refused.value.retry_after_s is None
    breaker.reset()
    succeed(breaker)
    assert breaker.state is CLOSED


def test_disabled_lets_all_through_whatever_they_come_to(fake_clock: Any) -> None:
    """A hundred failures do not open it, and are forgotten when it is switched on again."""
    breaker = breaker_on(fake_clock)

    breaker.disable()
    fail(breaker, 100)

    assert breaker.state is BreakerState.DISABLED
    breaker.reset()
    assert breaker.tally == Tally()


def test_reset_forgets_how_long_it_was_open(fake_clock: Any) -> None:
    """After a reset it opens for the first time again."""
    breaker = breaker_on(fake_clock)
    fail(breaker, 5)
    open_times(breaker, fake_clock, 4)

    breaker.reset()
    fail(breaker, 5)

    assert breaker.retry_after_s == LIMITS.open_first_s


def test_check_refuses_as_admit_does_and_takes_no_place(fake_clock: Any) -> None:
    """Asking ahead of a queue costs no probe."""
    breaker = half_open(fake_clock)

    for _ in range(10):
        breaker.check()
    permits = [breaker.admit(), breaker.admit()]

    assert len(permits) == 2
    with pytest.raises(BreakerOpen):
        breaker.check()


def test_changes_are_told_in_order(fake_clock: Any) -> None:
    """Each change is told once, also those that only reading brings about."""
    told: list[BreakerState] = []
    breaker = breaker_on(fake_clock, on_change=told.append)

    fail(breaker, 5)
    fake_clock.advance(10)
    breaker.state  # noqa: B018 - reading is what turns it
    succeed(breaker, 2)
    breaker.force_open()
    breaker.disable()
    breaker.disable()
    breaker.reset()

    assert told == [OPEN, HALF_OPEN, CLOSED, BreakerState.FORCED_OPEN, BreakerState.DISABLED, CLOSED]


def test_a_listener_may_use_the_breaker(fake_clock: Any) -> None:
    """A listener that changes it is told of its own change after the one that it is told of, and nothing locks."""
    told: list[tuple[BreakerState, BreakerState]] = []

    def listen(state: BreakerState) -> None:
        if state is OPEN:
            breaker.force_open()
        told.append((state, breaker.state))

    breaker = breaker_on(fake_clock, on_change=listen)

    fail(breaker, 5)

    assert told == [(OPEN, BreakerState.FORCED_OPEN), (BreakerState.FORCED_OPEN, BreakerState.FORCED_OPEN)]


def test_a_listener_that_raises_changes_nothing(fake_clock: Any) -> None:
    """The call's own exception comes through, and later changes are told."""
    told: list[BreakerState] = []

    def listen(state: BreakerState) -> None:
        told.append(state)
        raise ValueError("no display")

    breaker = breaker_on(fake_clock, on_change=listen)

    fail(breaker, 5)
    breaker.reset()

    assert told == [OPEN, CLOSED]


def test_counts_add_up_under_8_threads(fake_clock: Any) -> None:
    """Eight threads make a thousand calls each: every one is counted, as what it was."""
    breaker = breaker_on(fake_clock, BreakerLimits(failure_rate=1.1, slow_rate=1.1))
    together = threading.Barrier(8)

    def hammer(thread: int) -> None:
        together.wait(30)
        for number in range(1_000):
            permit = breaker.admit()
            if number % 10 == 0:
                permit.neutral()
            leave(permit, ConnectionError() if number % 4 == thread % 4 else None)

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(hammer, thread) for thread in range(8)]:
            future.result(30)

    neutral_failures = sum(n % 10 == 0 and n % 4 == t % 4 for t in range(8) for n in range(1_000))
    assert breaker.tally == Tally(calls=8 * 900, failures=8 * 250 - neutral_failures)


def test_changes_stay_in_order_under_8_threads(fake_clock: Any) -> None:
    """Eight threads open, reset and read it without end: no two tellings overlap, and each differs from the last."""
    told: list[BreakerState] = []
    inside = threading.Lock()
    overlaps = []

    def listen(state: BreakerState) -> None:
        if not inside.acquire(blocking=False):
            overlaps.append(state)
            return
        told.append(state)
        inside.release()

    breaker = breaker_on(fake_clock, BreakerLimits(open_first_s=0.0), on_change=listen)
    together = threading.Barrier(8)

    def hammer(thread: int) -> None:
        together.wait(30)
        for number in range(500):
            if number % 50 == thread:
                breaker.reset()
            with contextlib.suppress(BreakerOpen):
                leave(breaker.admit(), ConnectionError() if number % 3 else None)

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(hammer, thread) for thread in range(8)]:
            future.result(30)
    breaker.force_open()

    assert not overlaps
    assert told[-1] is BreakerState.FORCED_OPEN
    assert len(told) > 10
    assert all(one is not next_one for one, next_one in itertools.pairwise(told))
