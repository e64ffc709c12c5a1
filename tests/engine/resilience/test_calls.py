"""Calls to a service: each layer does its part in its place, and whoever is cancelled leaves nothing behind.

What waits for time runs on a loop whose time jumps to the next timer, so that it is exact and takes none. What is about
tasks and cancellation runs on the real loops.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import selectors
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from app.domain.analysis import BreakerState
from app.domain.errors import BreakerOpen, ModelBusy, ModelOutOfReach, ModelRefused
from app.engine.resilience.breaker import Breaker, BreakerLimits
from app.engine.resilience.calls import AttemptExpired, CallLimits, Calls, DeadlineExpired, Judgement
from app.engine.resilience.window import Tally

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

UNREACHED = ModelOutOfReach("The service cannot be reached.")
NO_WAIT = CallLimits(backoff_first_s=0.0, per_minute=1_000)
PATIENT = BreakerLimits(least_calls=1_000)
SECRET = "sk-0123456789abcdef"  # noqa: S105 - made up, to be looked for


class Jumping(selectors.SelectSelector):
    """Waits for nothing: it tells how long the loop would have waited."""

    waited = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if not (events := super().select(0)):
            assert timeout is not None, "nothing would ever wake this loop"
            self.waited += max(timeout, 1e-9)
        return events


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer when nothing else is to do."""

    def __init__(self) -> None:
        self._jumping = Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.waited


def in_no_time(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(work)


def now() -> float:
    return asyncio.get_running_loop().time()


def judge(error: Exception) -> Judgement:
    if isinstance(error, ModelBusy):
        return Judgement(retry=True, counts=False, after_s=error.retry_after_s)
    is_own_fault = isinstance(error, ModelRefused)
    return Judgement(retry=not is_own_fault, counts=not is_own_fault)


class Service:
    """A service that answers as it is told to, the last for all that follow, and notes when it is asked."""

    def __init__(self, *answers: Exception | str | float) -> None:
        self._answers = answers
        self.asked_at: list[float] = []
        self.under_way = 0
        self.most_under_way = 0
        self.let_go = asyncio.Event()

    async def __call__(self) -> str:
        answer = self._answers[min(len(self.asked_at), len(self._answers) - 1)]
        self.asked_at.append(now())
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if isinstance(answer, Exception):
                raise answer
            if isinstance(answer, str):
                await asyncio.sleep(0)
                return answer
            await (self.let_go.wait() if answer == float("inf") else asyncio.sleep(answer))
        finally:
            self.under_way -= 1
        return "late"


def calling(limits: CallLimits = NO_WAIT, breaker: BreakerLimits = PATIENT) -> tuple[Calls, Breaker]:
    own = Breaker("The service", monotonic=now, limits=breaker)
    return Calls("The service", own, limits), own


async def outcome(work: Awaitable[str]) -> str | Exception:
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - it is what the test looks at
        return error


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - a service under test tells nobody
            await asyncio.sleep(0.001)


async def test_a_failed_attempt_is_made_again() -> None:
    """Two failures and then an answer: the caller sees the answer, the breaker all three."""
    calls, breaker = calling()
    service = Service(UNREACHED, UNREACHED, "hello")

    answer = await calls.run(service, judge=judge)

    assert answer == "hello"
    assert breaker.tally == Tally(calls=3, failures=2)


async def test_the_last_failure_comes_through_when_there_were_enough_attempts() -> None:
    """Three attempts, and the service's own error."""
    calls, _ = calling()
    service = Service(UNREACHED)

    error = await outcome(calls.run(service, judge=judge))

    assert error is UNREACHED
    assert len(service.asked_at) == 3


async def test_what_another_attempt_cannot_help_is_neither_repeated_nor_counted() -> None:
    """A refused key (401) costs one attempt, and says nothing of the service."""
    calls, breaker = calling()
    service = Service(ModelRefused("The key is not valid."))

    error = await outcome(calls.run(service, judge=judge))

    assert isinstance(error, ModelRefused)
    assert len(service.asked_at) == 1
    assert breaker.tally == Tally()


async def test_a_judge_that_fails_ends_the_call_and_counts_nothing() -> None:
    """A mistake of our own is not held against the service."""
    calls, breaker = calling()
    service = Service(UNREACHED)

    def confused(_error: Exception) -> Judgement:
        raise LookupError("status 799")

    error = await outcome(calls.run(service, judge=confused))

    assert isinstance(error, LookupError)
    assert len(service.asked_at) == 1
    assert breaker.tally == Tally()


async def test_an_open_breaker_costs_no_attempt_no_retry_and_no_rate_slot() -> None:
    """Fifty calls are refused at once, and the one slot of the minute is still there afterwards."""
    calls, breaker = calling(CallLimits(per_minute=1, deadline_s=30.0))
    service = Service("hello")
    judged: list[Exception] = []

    breaker.force_open()
    errors = [
        await outcome(calls.run(service, judge=lambda error: judged.append(error) or judge(error))) for _ in range(50)
    ]
    breaker.reset()
    answer = await calls.run(service, judge=judge)

    assert {type(error) for error in errors} == {BreakerOpen}
    assert not judged
    assert answer == "hello"
    assert len(service.asked_at) == 1


def test_an_open_breaker_refuses_before_the_queue_and_not_behind_it() -> None:
    """The minute's only slot is used up: a call does not wait for the next to be refused then."""

    async def work() -> tuple[Any, float]:
        calls, breaker = calling(CallLimits(per_minute=1))
        await calls.run(Service("hello"), judge=judge)
        breaker.force_open()
        return await outcome(calls.run(Service("hello"), judge=judge)), now()

    error, took = in_no_time(work())

    assert isinstance(error, BreakerOpen)
    assert took == pytest.approx(0.0, abs=1e-3)


async def test_a_breaker_that_opens_by_an_attempt_ends_the_retrying() -> None:
    """The second failure opens it: no third attempt, no wait, and the caller is told why it failed."""
    calls, breaker = calling(CallLimits(attempts=5, backoff_first_s=0.0), BreakerLimits(least_calls=2))
    service = Service(UNREACHED)

    error = await outcome(calls.run(service, judge=judge))

    assert error is UNREACHED
    assert len(service.asked_at) == 2
    assert breaker.state is BreakerState.OPEN


async def test_a_refusal_inside_an_attempt_is_not_retried() -> None:
    """A service behind the service is left alone: nobody is asked again, whatever the judge says."""
    calls, _ = calling()
    service = Service(BreakerOpen("The other service is left alone."))

    error = await outcome(calls.run(service, judge=lambda _error: Judgement(retry=True, counts=False)))

    assert isinstance(error, BreakerOpen)
    assert len(service.asked_at) == 1


async def test_no_more_than_at_once_are_under_way_with_50_callers() -> None:
    """Fifty callers, four places: never five, and all fifty are answered."""
    calls, _ = calling(CallLimits(at_once=4, per_minute=1_000))
    service = Service(0.002)

    answers = await asyncio.gather(*(calls.run(service, judge=judge) for _ in range(50)))

    assert answers == ["late"] * 50
    assert service.most_under_way == 4


async def test_waiting_for_a_place_does_not_hold_a_probe() -> None:
    """The breaker is asked behind the bulkhead: who queues there holds no permit, and learns that it has opened."""
    calls, breaker = calling(CallLimits(at_once=1, attempts=1), BreakerLimits(least_calls=1))
    service = Service(float("inf"), "hello")
    first = asyncio.create_task(outcome(calls.run(service, judge=judge)))
    await until(lambda: service.under_way == 1)

    second = asyncio.create_task(outcome(calls.run(service, judge=judge)))
    await asyncio.sleep(0)
    breaker.force_open()
    service.let_go.set()

    assert await first == "late"
    assert isinstance(await second, BreakerOpen)
    assert len(service.asked_at) == 1


async def test_50_cancelled_in_mid_flight_leave_nothing_behind() -> None:
    """Four attempts, forty-six in the queue, all cancelled: no task, no place, no count and no slot is lost."""
    calls, breaker = calling(CallLimits(at_once=4, per_minute=54))
    service = Service(*[float("inf")] * 4, "hello")
    before = asyncio.all_tasks()
    tasks = [asyncio.create_task(calls.run(service, judge=judge)) for _ in range(50)]
    await until(lambda: service.under_way == 4)

    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=30)

    assert all(task.cancelled() for task in tasks)
    assert asyncio.all_tasks() == before
    assert service.under_way == 0
    assert breaker.tally == Tally()
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(calls.run(service, judge=judge) for _ in range(50)))
    assert answers == ["hello"] * 50


async def test_a_cancelled_probe_makes_room_for_another() -> None:
    """Half-open, the only probe is cancelled: the next call goes through and closes it."""
    calls, breaker = calling(NO_WAIT, BreakerLimits(least_calls=1, probes=1, open_first_s=0.0))
    service = Service(ModelOutOfReach("It fails."), float("inf"), "hello")
    await outcome(calls.run(service, judge=lambda _error: Judgement(retry=False, counts=True)))
    probe = asyncio.create_task(calls.run(service, judge=judge))
    await until(lambda: service.under_way == 1)

    refused = await outcome(calls.run(service, judge=judge))
    probe.cancel()
    await asyncio.wait([probe], timeout=30)
    answer = await calls.run(service, judge=judge)

    assert isinstance(refused, BreakerOpen)
    assert answer == "hello"
    assert breaker.state is BreakerState.CLOSED


async def test_cancellation_during_the_backoff_passes_at_once() -> None:
    """A caller that leaves between two attempts does not wait for the second."""
    calls, _ = calling(CallLimits(backoff_first_s=20.0, backoff_ceiling_s=20.0))
    service = Service(UNREACHED)
    task = asyncio.create_task(calls.run(service, judge=judge))
    await until(lambda: len(service.asked_at) == 1)

    task.cancel()
    await asyncio.wait([task], timeout=10)

    assert task.cancelled()


async def test_the_deadline_holds_on_the_real_loops() -> None:
    """A service that never answers costs about as long as was allowed, and the error says what was tried."""
    calls, _ = calling()
    service = Service(float("inf"))

    error = await outcome(asyncio.wait_for(calls.run(service, judge=judge, within_s=0.05), 30))

    assert isinstance(error, DeadlineExpired)
    assert (error.attempts, error.last) == (1, None)
    assert service.under_way == 0


async def test_nothing_is_logged_of_what_failed(caplog: pytest.LogCaptureFixture) -> None:
    """Neither stamina nor we log an exception's text, which may hold what was sent."""
    calls, _ = calling()
    service = Service(ValueError(f"cannot send {SECRET}"), "hello")
    caplog.set_level(logging.DEBUG)

    with structlog.testing.capture_logs() as logged:
        await calls.run(service, judge=judge)

    assert SECRET not in f"{logged}{caplog.text}"
    assert "stamina" not in f"{logged}{caplog.text}"


def test_a_deadline_says_how_many_attempts_there_were_and_the_last_reason() -> None:
    """It is a TimeoutError, caused by the last failure, and shows a library's exception by its name alone."""

    async def work() -> tuple[Any, ...]:
        calls, _ = calling(CallLimits(backoff_first_s=1.0))
        ours = await outcome(calls.run(Service(UNREACHED, float("inf")), judge=judge, within_s=10.0))
        foreign = await outcome(calls.run(Service(ValueError(SECRET), float("inf")), judge=judge, within_s=10.0))
        return ours, foreign, now()

    ours, foreign, _ = in_no_time(work())

    assert isinstance(ours, TimeoutError)
    assert (ours.attempts, ours.last, ours.__cause__) == (2, UNREACHED, UNREACHED)
    assert str(ours) == (
        "The service did not answer within 10 s: 2 attempts were made; the last reason: The service cannot be reached."
    )
    assert str(foreign).endswith("the last reason: ValueError")


def test_a_timeout_of_the_attempt_is_not_the_deadline() -> None:
    """A TimeoutError that the attempt raises by itself comes through as it is."""

    async def work() -> Any:
        calls, _ = calling()
        return await outcome(calls.run(Service(TimeoutError("the socket")), judge=judge))

    error = in_no_time(work())

    assert type(error) is TimeoutError
    assert str(error) == "the socket"


def test_an_attempt_that_hangs_is_cut_off_judged_and_made_again() -> None:
    """The attempt's own time is up after a second: the judge is asked, the breaker counts it, the second answers."""
    judged: list[Exception] = []

    async def work() -> tuple[Any, ...]:
        calls, breaker = calling(CallLimits(attempt_s=1.0, backoff_first_s=0.0))
        service = Service(float("inf"), "hello")
        answer = await calls.run(service, judge=lambda error: judged.append(error) or judge(error))
        return answer, service.asked_at, breaker.tally

    answer, asked_at, tally = in_no_time(work())

    assert (answer, asked_at) == ("hello", pytest.approx([0.0, 1.0], abs=1e-3))
    assert [type(error) for error in judged] == [AttemptExpired]
    assert tally == Tally(calls=2, failures=1)


@pytest.mark.parametrize("after_s", [0.0, 0.3, 7.0, 29.9])
def test_retry_after_is_kept_exactly(after_s: float) -> None:
    """The next attempt comes when the service asks for it: no backoff, no jitter and no ceiling interferes."""

    async def work() -> list[float]:
        calls, _ = calling(CallLimits(deadline_s=30.0, backoff_first_s=2.0, backoff_ceiling_s=3.0))
        service = Service(ModelBusy("Wait.", retry_after_s=after_s), "hello")
        await calls.run(service, judge=judge)
        return service.asked_at

    assert in_no_time(work()) == pytest.approx([0.0, after_s], abs=1e-6)


@pytest.mark.parametrize("after_s", [30.0, 3_600.0, float("inf"), float("nan")])
def test_a_retry_after_that_does_not_fit_is_not_waited_for(after_s: float) -> None:
    """The error comes at once, so that another service can be asked."""

    async def work() -> tuple[Any, float]:
        calls, _ = calling(CallLimits(deadline_s=30.0))
        return await outcome(calls.run(Service(ModelBusy("Wait.", retry_after_s=after_s)), judge=judge)), now()

    error, took = in_no_time(work())

    assert isinstance(error, ModelBusy)
    assert took == pytest.approx(0.0, abs=1e-3)


def test_what_is_left_of_the_deadline_decides_whether_a_retry_after_fits() -> None:
    """Six seconds fit once into ten, and not a second time."""

    async def work() -> tuple[Any, float]:
        calls, _ = calling(CallLimits(deadline_s=10.0))
        return await outcome(calls.run(Service(ModelBusy("Wait.", retry_after_s=6.0)), judge=judge)), now()

    error, took = in_no_time(work())

    assert isinstance(error, ModelBusy)
    assert took == pytest.approx(6.0, abs=1e-3)


def test_backoff_doubles_with_jitter_up_to_the_ceiling() -> None:
    """The waits lie between 1 and 2, 2 and 3, 4 and 5 seconds, and then at the ceiling."""

    async def work() -> list[float]:
        calls, _ = calling(CallLimits(attempts=6, backoff_first_s=1.0, backoff_ceiling_s=6.0))
        service = Service(UNREACHED)
        await outcome(calls.run(service, judge=judge))
        return [later - earlier for earlier, later in itertools.pairwise(service.asked_at)]

    runs = [in_no_time(work()) for _ in range(20)]

    least, most = [1, 2, 4, 6, 6], [2, 3, 5, 6, 6]
    for waits in runs:
        assert [low - 1e-3 < wait < high + 1e-3 for low, wait, high in zip(least, waits, most, strict=True)] == [
            True
        ] * 5
    assert len({round(waits[0], 3) for waits in runs}) > 1


def test_the_rate_counts_attempts_and_not_calls() -> None:
    """Six a minute: a call's second and third attempt wait for their slots like everybody's."""

    async def work() -> list[float]:
        calls, _ = calling(CallLimits(per_minute=6, backoff_first_s=0.0))
        service = Service(UNREACHED)
        await asyncio.gather(*(outcome(calls.run(service, judge=judge)) for _ in range(3)))
        return service.asked_at

    assert in_no_time(work()) == pytest.approx([0.0] * 6 + [10.0, 20.0, 30.0], abs=1e-3)


def test_slots_of_calls_that_made_no_attempt_are_given_back() -> None:
    """Two slots a minute; one caller is cancelled behind the bulkhead, and another has its slot at once."""

    async def work() -> tuple[str, float]:
        calls, _ = calling(CallLimits(per_minute=2, at_once=1))
        service = Service(5.0, "hello")
        first = asyncio.create_task(calls.run(service, judge=judge))
        second = asyncio.create_task(calls.run(service, judge=judge))
        await asyncio.sleep(1)
        third = asyncio.create_task(calls.run(service, judge=judge))
        await asyncio.sleep(1)
        second.cancel()
        await first
        return await third, service.asked_at[1]

    assert in_no_time(work()) == ("hello", pytest.approx(5.0, abs=1e-3))


def test_the_deadline_includes_the_queue_with_50_callers() -> None:
    """A service that never answers, fifty callers, four places: nobody waits longer than allowed, queue and all."""

    async def work() -> list[tuple[Any, float]]:
        calls, _ = calling(CallLimits(deadline_s=10.0, attempt_s=4.0, attempts=3, backoff_first_s=0.1))
        service = Service(float("inf"))

        async def call() -> tuple[Any, float]:
            error = await outcome(calls.run(service, judge=judge))
            return error, now()

        return await asyncio.gather(*(call() for _ in range(50)))

    ended = in_no_time(work())

    assert {type(error) for error, _ in ended} == {DeadlineExpired}
    assert max(at for _, at in ended) == pytest.approx(10.0, abs=1e-3)
    assert min(error.attempts for error, _ in ended) == 0


def test_a_service_that_never_answers_opens_the_breaker_and_then_costs_nothing() -> None:
    """Five attempts hang; of fifty callers those still in the queue are refused as soon as it opens."""

    async def work() -> tuple[list[Any], int, float]:
        calls, _ = calling(CallLimits(deadline_s=90.0, attempt_s=10.0), BreakerLimits())
        service = Service(float("inf"))
        ended = await asyncio.gather(*(outcome(calls.run(service, judge=judge)) for _ in range(50)))
        return ended, len(service.asked_at), now()

    ended, asked, took = in_no_time(work())

    assert {type(error) for error in ended} == {AttemptExpired, BreakerOpen}
    assert asked <= 8
    assert took < 31.0


def test_an_attempt_cut_off_by_the_deadline_counts_when_it_had_its_share() -> None:
    """The service had the whole of a short deadline and did not answer: that counts, though it is a cancellation."""

    async def work() -> tuple[Any, Tally]:
        calls, breaker = calling()
        return await outcome(calls.run(Service(float("inf")), judge=judge, within_s=5.0)), breaker.tally

    error, tally = in_no_time(work())

    assert isinstance(error, DeadlineExpired)
    assert tally == Tally(calls=1, failures=1)


def test_an_attempt_that_the_queue_left_no_time_for_does_not_count() -> None:
    """Six of ten seconds went by in the queue: that the other four did not suffice says nothing of the service."""

    async def work() -> tuple[Any, Tally]:
        calls, breaker = calling(CallLimits(at_once=1, deadline_s=10.0))
        service = Service(6.0, float("inf"))
        _, second = await asyncio.gather(*(outcome(calls.run(service, judge=judge)) for _ in range(2)))
        return second, breaker.tally

    error, tally = in_no_time(work())

    assert isinstance(error, DeadlineExpired)
    assert tally == Tally(calls=1)


def test_no_time_left_is_no_attempt() -> None:
    """A caller whose time is used up already is told so, and the service hears nothing."""

    async def work() -> tuple[Any, list[float]]:
        calls, _ = calling()
        service = Service("hello")
        return await outcome(calls.run(service, judge=judge, within_s=0.0)), service.asked_at

    error, asked_at = in_no_time(work())

    assert isinstance(error, DeadlineExpired)
    assert not asked_at


def test_a_caller_cannot_allow_itself_more_than_the_limits_do() -> None:
    """`within_s` only shortens the deadline."""

    async def work() -> float:
        calls, _ = calling(CallLimits(deadline_s=10.0))
        await outcome(calls.run(Service(float("inf")), judge=judge, within_s=1_000.0))
        return now()

    assert in_no_time(work()) == pytest.approx(10.0, abs=1e-3)
