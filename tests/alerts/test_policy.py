"""When an alert is told, whatever comes in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.alerts.occasions import Occasion
from app.alerts.policy import CAUSES_HELD, FRESH_S, LOOK_S, MOST, MOST_NEWS, TOGETHER, WINDOW_S, Moment, Policy, Rules
from app.domain.alerts import Alert, Urgency
from app.domain.commands import RaiseWindow
from app.domain.events import Event

REPEAT_S = 900.0
EXACT_S = 0.01
RULES = Rules(Urgency.NEWS, REPEAT_S)
TROUBLES = (Urgency.WARNING, Urgency.CRITICAL)


def occasion(
    cause: str = "agent:a",
    urgency: Urgency = Urgency.WARNING,
    *,
    is_over: bool = False,
    once: str = "",
    is_news: bool = False,
    number: int = 0,
    parts: tuple[str, ...] = (),
) -> Occasion:
    """An alert whose title is its cause."""
    urgency = Urgency.NEWS if is_over else urgency
    alert = Alert(cause, urgency, cause, f"number {number}", 0.0, is_over)
    return Occasion(alert, Event(at=0.0), RaiseWindow(), once=once, is_news=is_news, parts=parts)


@dataclass
class Told:
    """A message that went out."""

    at: float
    causes: tuple[str, ...]
    alert: Alert


@dataclass
class Life:
    """A policy as time passes, the state of each cause, and all messages; a fake of what asks the policy."""

    policy: Policy
    rules: Rules = RULES
    now: float = 0.0
    is_silent: bool = False
    is_quiet: bool = False
    over: dict[str, bool] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)

    def merged(self, before: Occasion, later: Occasion) -> Occasion:
        """The later one stands for both."""
        del before
        return later

    def renewed(self, occasion: Occasion) -> Occasion | None:
        """It holds while its cause has not changed since."""
        return occasion if self.over[occasion.alert.cause] is occasion.alert.is_over else None

    def see(self, occasion: Occasion) -> None:
        """Let an alert come now."""
        self.over[occasion.alert.cause] = occasion.alert.is_over
        self._note(self.policy.see(occasion, self.moment, self.rules, self))

    def look(self) -> None:
        """Look now at what is held."""
        self._note(self.policy.due(self.moment, self.rules, self))

    def wait(self, seconds: float) -> None:
        """Let time pass, and look whenever the policy wants it."""
        end = self.now + seconds
        while self.policy.next_at is not None and self.policy.next_at <= end:
            assert self.policy.next_at > self.now or not self.policy.held
            self.now = max(self.now, self.policy.next_at)
            self.look()
        self.now = end

    @property
    def moment(self) -> Moment:
        """Now, and what holds at it."""
        return Moment(self.now, self.is_silent, self.is_quiet)

    def _note(self, told: tuple[Occasion, ...]) -> None:
        for each in told:
            is_joined = each.alert.cause == TOGETHER
            causes = tuple(each.alert.body.splitlines()) if is_joined else (each.alert.cause,)
            self.told.append(Told(self.now, causes, each.alert))

    def of(self, cause: str) -> list[Told]:
        """The messages that tell of a cause."""
        return [each for each in self.told if cause in each.causes]


@dataclass(frozen=True)
class Step:
    """What happens after some seconds: an alert, or silence or quiet hours begin or end."""

    after_s: float
    cause: str = ""
    urgency: Urgency = Urgency.WARNING
    is_over: bool = False
    is_silent: bool = False
    is_quiet: bool = False


CAUSES = ("a", "b", "c", "d")
SECONDS = st.sampled_from((0.0, 0.5, 7.0, 61.0, 300.0, 899.0, 900.0, 4000.0))
STEPS = st.lists(
    st.builds(Step, SECONDS, st.sampled_from(CAUSES), st.sampled_from(TROUBLES), st.booleans())
    | st.builds(Step, SECONDS, is_silent=st.booleans(), is_quiet=st.booleans()),
    max_size=40,
)


def _lived(steps: list[Step]) -> Life:
    life = Life(Policy())
    for step in steps:
        life.wait(step.after_s)
        if step.cause:
            life.see(occasion(step.cause, step.urgency, is_over=step.is_over))
        else:
            life.is_silent, life.is_quiet = step.is_silent, step.is_quiet
    return life


@given(STEPS)
def test_one_cause_is_told_once_in_its_time(steps: list[Step]) -> None:
    """Between two messages of one trouble lies the time that was set, whatever happens, unless it became worse."""
    life = _lived(steps)

    for cause in CAUSES:
        troubles = [each for each in life.of(cause) if not each.alert.is_over and each.alert.cause == cause]
        for before, later in pairwise(troubles):
            became_worse = later.alert.urgency.rank > before.alert.urgency.rank
            assert became_worse or later.at - before.at >= REPEAT_S - EXACT_S


@given(STEPS)
def test_what_is_over_is_told_once_and_only_if_it_was_told(steps: list[Step]) -> None:
    """Each such message stands after one of its trouble, with no other between."""
    life = _lived(steps)

    for cause in CAUSES:
        kinds = [each.alert.is_over for each in life.of(cause)]
        assert kinds[:1] != [True]
        assert not any(before and later for before, later in pairwise(kinds))


@given(STEPS)
def test_silence_is_kept_and_what_is_critical_passes_quiet_hours(steps: list[Step]) -> None:
    """Nothing at all is told in silence, and in quiet hours what is critical alone."""
    life = Life(Policy())
    for step in steps:
        before = len(life.told)
        life.wait(step.after_s)
        if step.cause:
            life.see(occasion(step.cause, step.urgency, is_over=step.is_over))
        if life.is_silent:
            assert len(life.told) == before
        if life.is_quiet:
            assert all(each.alert.urgency is Urgency.CRITICAL for each in life.told[before:])
        if not step.cause:
            life.is_silent, life.is_quiet = step.is_silent, step.is_quiet


@given(STEPS)
def test_in_the_end_people_know_how_things_stand(steps: list[Step]) -> None:
    """Once silence is over and time has passed, the last message of each cause says what is true of it."""
    life = _lived(steps)
    life.is_silent = life.is_quiet = False
    life.wait(2 * REPEAT_S)

    assert life.policy.held == 0
    for cause, is_over in life.over.items():
        messages = life.of(cause)
        assert is_over or messages
        assert not messages or messages[-1].alert.is_over is is_over


@given(st.lists(st.tuples(st.sampled_from((0.0, 0.1, 5.0, 59.0)), st.integers(0, 60)), max_size=120))
def test_a_minute_has_a_handful_of_messages(alerts: list[tuple[float, int]]) -> None:
    """However many causes there are, no window of a minute holds more messages than a person reads."""
    life = Life(Policy())
    for after_s, cause in alerts:
        life.wait(after_s)
        life.see(occasion(f"agent:{cause}"))
    life.wait(2 * REPEAT_S)

    times = [each.at for each in life.told]
    assert all(times[n + MOST] - times[n] >= WINDOW_S - EXACT_S for n in range(len(times) - MOST))
    assert life.policy.held == 0


def test_what_came_meanwhile_is_told_once_after_it() -> None:
    """The latest state, and how often it came up."""
    life = Life(Policy())
    for number in range(4):
        life.see(occasion(number=number))
        life.wait(100)

    life.wait(REPEAT_S)

    assert [each.at for each in life.told] == [0.0, REPEAT_S]
    assert life.told[1].alert.body == "number 3\nThis came up 3 times meanwhile."


def test_what_was_mended_while_it_was_held_is_not_told() -> None:
    """A trouble that came and went before it could be told is no news, and neither is its end."""
    life = Life(Policy(), is_silent=True)
    life.see(occasion())
    life.see(occasion(is_over=True))

    life.is_silent = False
    life.wait(REPEAT_S)

    assert life.told == []


def test_what_is_over_again_in_silence_is_told_after_it() -> None:
    """People who know of a trouble hear of its end, however often it came back in between."""
    life = Life(Policy())
    life.see(occasion(once="failed"))
    life.is_silent = True
    for is_over in (True, False, True, True):
        life.see(occasion(once="failed", is_over=is_over))
    life.is_silent = False
    life.wait(LOOK_S)

    assert [each.alert.is_over for each in life.told] == [False, True]


def test_what_becomes_worse_does_not_wait() -> None:
    """A cause that was told of as a warning is told of again at once when it is critical, and then waits as any."""
    life = Life(Policy())

    for urgency in (Urgency.WARNING, Urgency.WARNING, Urgency.CRITICAL, Urgency.CRITICAL):
        life.see(occasion("agent:a", urgency))
        life.wait(1)

    assert [each.alert.urgency for each in life.told] == [Urgency.WARNING, Urgency.CRITICAL]


def test_what_stands_is_no_news() -> None:
    """The slow retries of an agent that failed do not say so again, not even after the time; its end is told."""
    life = Life(Policy())
    for _ in range(3):
        life.see(occasion(once="failed"))
        life.wait(REPEAT_S + 1)
    life.see(occasion(is_over=True))
    life.see(occasion(once="failed"))

    assert [each.alert.is_over for each in life.told] == [False, True, False]


@pytest.mark.parametrize(
    ("least", "told"),
    [(Urgency.NEWS, ["w", "c", "w"]), (Urgency.WARNING, ["w", "c"]), (Urgency.CRITICAL, ["c"])],
)
def test_what_matters_less_than_is_wanted_is_not_told(least: Urgency, told: list[str]) -> None:
    """The setting names the least; what is over is news."""
    life = Life(Policy(), replace(RULES, least=least))
    life.see(occasion("w", Urgency.WARNING))
    life.see(occasion("c", Urgency.CRITICAL))
    life.see(occasion("n", Urgency.NEWS))
    life.see(occasion("w", is_over=True))

    assert [each.alert.cause for each in life.told if each.alert.cause != "n"] == told


def test_news_goes_at_once_on_the_desktop() -> None:
    """There each transition is told when it comes, also of a cause that was told a second ago, and behind a storm."""
    life = Life(Policy(news_at_once=True))
    for number in range(MOST + 3):
        life.see(occasion(f"agent:{number}"))
    for number in range(6):
        life.see(occasion("tests:a", is_news=True, is_over=bool(number % 2)))

    assert [each.alert.is_over for each in life.of("tests:a")] == [False, True] * 3


def test_even_news_is_grouped_in_a_storm() -> None:
    """More of it in a minute than anybody reads is told together, a minute later at most."""
    life = Life(Policy(news_at_once=True))
    for number in range(10 * MOST_NEWS):
        life.see(occasion(f"tests:{number}", is_news=True))
    life.wait(WINDOW_S)

    assert len(life.told) == MOST_NEWS + 1
    assert life.told[-1].alert.title == f"tests:{MOST_NEWS}, and {9 * MOST_NEWS - 1} more"


def test_what_does_not_fit_is_counted() -> None:
    """Memory is bounded: of the causes beyond it the number is told, and what is critical is not among them."""
    life = Life(Policy())
    life.is_silent = True
    life.see(occasion("vault", Urgency.CRITICAL))
    for number in range(3 * CAUSES_HELD):
        life.see(occasion(f"agent:{number}"))
    held = life.policy.held
    life.is_silent = False
    life.wait(LOOK_S)

    (told,) = life.told
    assert held == CAUSES_HELD
    assert told.alert.title == f"vault, and {3 * CAUSES_HELD} more"
    assert told.alert.urgency is Urgency.CRITICAL
    assert told.alert.body.startswith("vault\n")
    assert told.alert.body.endswith(f"and {3 * CAUSES_HELD + 1 - 10} more")


def test_a_cause_may_have_a_longer_time_of_its_own() -> None:
    """A channel that fails is told of once a day, however short the setting is."""
    life = Life(Policy())
    for _ in range(4):
        life.see(replace(occasion("channel:mail"), repeat_s=86_400.0))
        life.wait(30_000)

    assert [each.at for each in life.told] == [0.0, 86_400.0]


def test_another_test_waits_a_minute_and_the_same_one_its_time() -> None:
    """To people one cause is one test: a project sends no more than a message a minute, each test its own."""
    life = Life(Policy())
    life.see(occasion("tests:a", parts=("one",)))
    life.wait(10)
    life.see(occasion("tests:a", parts=("two",)))
    life.wait(10)
    life.see(occasion("tests:a", parts=("three",)))
    life.wait(100)
    life.see(occasion("tests:a", parts=("three",)))
    life.wait(2 * REPEAT_S)

    assert [each.at for each in life.told] == [0.0, FRESH_S, FRESH_S + REPEAT_S]


def test_a_test_that_was_told_long_ago_is_news_again() -> None:
    """Although its project told of another one a moment before."""
    life = Life(Policy())
    for part, after_s in (("one", REPEAT_S - 5), ("two", 10), ("one", 60)):
        life.see(occasion("tests:a", parts=(part,)))
        life.wait(after_s)

    assert [each.at for each in life.told] == [0.0, REPEAT_S - 5, REPEAT_S + 55]


def test_what_is_told_together_has_red_tests_first() -> None:
    """And the title names the first of them, whatever else was held."""
    life = Life(Policy(), is_silent=True)
    for number in range(MOST):
        life.see(occasion(f"agent:{number}", Urgency.CRITICAL))
    life.see(occasion("tests:a", parts=("one",)))
    life.is_silent = False
    life.wait(LOOK_S)

    (told,) = life.told
    assert told.alert.title == f"tests:a, and {MOST} more"
    assert told.causes[:2] == ("tests:a", "agent:0")
    assert told.alert.urgency is Urgency.CRITICAL


def test_what_an_earlier_life_told_and_held_is_known() -> None:
    """A warning of yesterday evening is not repeated in the morning, and what was held is told at once."""
    life = Life(Policy(), over={"tests:a": False})
    life.policy.recall("channel:mail", -80_000.0)
    life.policy.restore(occasion("tests:a"), 2, life.moment)
    life.look()
    for _ in range(2):
        life.see(replace(occasion("channel:mail"), repeat_s=86_400.0))
        life.wait(7_000)

    assert [(each.at, each.alert.cause) for each in life.told] == [(0.0, "tests:a"), (6_400.0, "channel:mail")]
    assert "2 times" in life.told[0].alert.body


@pytest.mark.parametrize("is_desktop", [False, True])
def test_what_a_run_breaks_after_it_was_told_of_is_told_elsewhere(*, is_desktop: bool) -> None:
    """A minute later at most; the desktop says one run once."""
    life = Life(Policy(news_at_once=is_desktop))
    for part in ("one", "two", "two"):
        life.see(occasion("tests:a", parts=(part,), once="run", is_news=True))
        life.wait(FRESH_S + 1)

    assert [each.at for each in life.told] == ([0.0] if is_desktop else [0.0, FRESH_S + 1])
