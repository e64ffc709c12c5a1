"""What gives an alert, and what an alert that was held is worth later."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.alerts.occasions import merged, occasion_of, renewed
from app.alerts.wording import TITLE_LENGTH
from app.domain import events
from app.domain.agents import AgentState
from app.domain.alerts import Urgency
from app.domain.commands import RaiseWindow
from app.domain.health import ChannelView, Ending, KeptBy, Lateness, UncleanEnd, Vitals
from app.domain.keys import VaultState, VaultView
from app.domain.reduce import reduce
from app.domain.snapshot import AgentView, Snapshot
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult, Verdict

if TYPE_CHECKING:
    from app.domain.events import Event

ROOT = "/home/ann/shop"
SAVE = Cause(CauseKind.SAVE, ("app/auth.py",))
STUCK = UncleanEnd(1.0, Ending.STUCK, "shop/cli.py:12 in read")
EMPTY = Snapshot(0)


def _verdict(**values: object) -> events.VerdictChanged:
    return events.VerdictChanged(**{"at": 1.0, "project": ROOT, "run_id": "r1", "cause": SAVE, **values})


def _agent(state: AgentState, name: str = "tests:shop", reason: str = "disk full") -> events.AgentChanged:
    return events.AgentChanged(at=1.0, agent=name, state=state, reason=reason)


def _life(**values: object) -> events.LifeBegan:
    return events.LifeBegan(**{"at": 1.0, "kept_by": KeptBy.SYSTEMD, **values})


def _vault(state: VaultState) -> events.VaultChanged:
    return events.VaultChanged(at=1.0, vault=VaultView(state, "Why."))


@pytest.mark.parametrize(
    ("event", "cause", "urgency", "title"),
    [
        (_verdict(broke=("t.py::a",), still_red=1), f"tests:{ROOT}", Urgency.WARNING, "a went red"),
        (_verdict(trouble=Verdict.HUNG), f"tests:{ROOT}", Urgency.WARNING, "The test run hung"),
        (_verdict(fixed=("t.py::a",)), f"tests:{ROOT}", Urgency.NEWS, "All green again"),
        (_agent(AgentState.FAILED), "agent:tests:shop", Urgency.CRITICAL, 'Agent "Tests of shop" has failed'),
        (_agent(AgentState.ABANDONED), "agent:tests:shop", Urgency.CRITICAL, 'Agent "Tests of shop" hangs'),
        (_agent(AgentState.DEGRADED), "agent:tests:shop", Urgency.WARNING, 'Agent "Tests of shop" works with limits'),
        (_agent(AgentState.RUNNING), "agent:tests:shop", Urgency.NEWS, 'Agent "Tests of shop" works again'),
        (
            events.ProgressMissed(at=1.0, agent="audits", seconds=700),
            "progress:audits",
            Urgency.WARNING,
            'Agent "Audits" gets no further',
        ),
        (
            events.ProgressMissed(at=1.0, agent="audits", seconds=0),
            "progress:audits",
            Urgency.NEWS,
            'Agent "Audits" goes on again',
        ),
        (
            events.LoopLagged(at=1.0, lag_s=31, where="a.py:3", kind=Lateness.WAS_BLOCKED),
            "loop",
            Urgency.WARNING,
            "Watchkeeper stood still for 31 s",
        ),
        (
            _life(is_restart=True, ends=(STUCK,)),
            "life",
            Urgency.CRITICAL,
            "Watchkeeper was started again: the last life was stuck in shop/cli.py:12 in read",
        ),
        (
            _life(is_restart=True, ends=(STUCK,), safe_mode="it ended unasked 3 times"),
            "life",
            Urgency.CRITICAL,
            "Watchkeeper is in safe mode",
        ),
        (_vault(VaultState.TROUBLE), "vault", Urgency.CRITICAL, "The vault is in trouble"),
        (
            events.NoticeRaised(at=1.0, key="project:/gone", text="/gone is no folder.", hint="Make it."),
            "notice:project:/gone",
            Urgency.WARNING,
            "/gone is no folder.",
        ),
        (
            events.NoticeCleared(at=1.0, key="history"),
            "notice:history",
            Urgency.NEWS,
            "The history is written again",
        ),
        (
            events.ChannelChanged(at=1.0, channel=ChannelView("mail", 3, "The server refuses the login.")),
            "channel:mail",
            Urgency.WARNING,
            "Alerts do not go through mail",
        ),
    ],
)
def test_an_event_that_wants_a_person_gives_an_alert(event: Event, cause: str, urgency: Urgency, title: str) -> None:
    """Each with its cause, by which later ones go on from it, and with how much it matters."""
    occasion = occasion_of(event, EMPTY, 0.0)

    assert occasion is not None
    assert (occasion.alert.cause, occasion.alert.urgency, occasion.alert.title) == (cause, urgency, title)
    assert occasion.alert.is_over is (urgency is Urgency.NEWS)


@pytest.mark.parametrize(
    "event",
    [
        _agent(AgentState.STARTING),
        _agent(AgentState.BACKOFF),
        _agent(AgentState.STALE),
        _agent(AgentState.STOPPED),
        _agent(AgentState.DEGRADED, "analysis"),
        events.LoopLagged(at=1.0, lag_s=29.9, kind=Lateness.WAS_BLOCKED),
        events.LoopLagged(at=1.0, lag_s=31),
        events.VitalsTaken(at=1.0, vitals=Vitals(1.0, lag_worst_s=31)),
        _life(),
        _life(ends=(STUCK,)),
        _vault(VaultState.OPENING),
        _vault(VaultState.WAITING),
        events.NoticeRaised(at=1.0, key="tray", text="There is no tray."),
        events.NoticeRaised(at=1.0, key="channel:mail", text="Alerts do not go through."),
        events.ChannelChanged(at=1.0, channel=ChannelView("mail", 3)),
        events.MetricsServed(at=1.0, address="http://127.0.0.1:9464/metrics"),
        events.NetworkChanged(at=1.0, is_online=False),
        events.SystemResumed(at=1.0, slept_s=7200, source="logind"),
    ],
)
def test_what_needs_nobody_gives_none(event: Event) -> None:
    """Restarts that work, short stalls, a first start, notices of comfort, and what a channel's own failure raises."""
    assert occasion_of(event, EMPTY, 0.0) is None


def test_a_partial_relief_is_news_but_no_end() -> None:
    """While a test is red, or the run goes on, nothing is over."""
    for event in (_verdict(fixed=("t.py::a",), still_red=1), _verdict(fixed=("t.py::a",), complete=False)):
        occasion = occasion_of(event, EMPTY, 0.0)

        assert occasion is not None
        assert occasion.alert.urgency is Urgency.NEWS
        assert not occasion.alert.is_over


def test_a_restart_says_how_the_life_before_ended() -> None:
    """With the place, and in safe mode with what to do about it."""
    occasion = occasion_of(_life(is_restart=True, ends=(STUCK,), safe_mode="it crashed 3 times"), EMPTY, 0.0)

    assert occasion is not None
    assert occasion.alert.body.splitlines() == [
        "The last life was stuck, and ended itself, at shop/cli.py:12 in read.",
        "It crashed 3 times.",
        "Start the agents on the Health page, or with: watchkeeper health --leave-safe-mode",
    ]
    assert occasion.opens == RaiseWindow(page="health")


def test_a_failing_channel_is_for_the_desktop_alone() -> None:
    """An alert about a channel goes through no channel, and at most once a day onto the desktop."""
    event = events.ChannelChanged(at=1.0, channel=ChannelView("mail", 1, "No route."))

    occasion = occasion_of(event, EMPTY, 0.0)

    assert occasion is not None
    assert occasion.is_local
    assert occasion.repeat_s == 86_400
    assert occasion.alert.body == "No route.\n1 alert waits."


LONG = st.text(max_size=400)
ANY = st.one_of(
    st.builds(events.AgentChanged, at=st.just(1.0), agent=LONG, state=st.sampled_from(AgentState), reason=LONG),
    st.builds(events.ProgressMissed, at=st.just(1.0), agent=LONG, seconds=st.floats(0, 10**7)),
    st.builds(
        events.LoopLagged,
        at=st.just(1.0),
        lag_s=st.floats(30, 10**7),
        where=LONG,
        kind=st.sampled_from((Lateness.WAS_BLOCKED, Lateness.CROWDED)),
    ),
    st.builds(events.NoticeRaised, at=st.just(1.0), key=st.just("history"), text=LONG, hint=LONG),
    st.builds(
        _life,
        is_restart=st.booleans(),
        safe_mode=LONG,
        ends=st.lists(st.builds(UncleanEnd, st.just(1.0), st.sampled_from(Ending), LONG), max_size=1).map(tuple),
    ),
    st.builds(events.AccessLogBroken, at=st.just(1.0), problem=LONG),
)


@given(ANY)
def test_any_of_them_fits(event: Event) -> None:
    """Whatever a name or a reason holds, the title is one printable line of 1 to 80 characters, the body a few."""
    occasion = occasion_of(event, EMPTY, 0.0)

    if occasion is not None:
        assert 1 <= len(occasion.alert.title) <= TITLE_LENGTH
        assert occasion.alert.title.isprintable()
        assert len(occasion.alert.body) <= 1200


def _with_red(*nodeids: str) -> Snapshot:
    snapshot = EMPTY
    for event in (
        events.ProjectWatched(at=0, project=ROOT, name="shop"),
        events.RunStarted(at=0, project=ROOT, run_id="r0", cause=SAVE),
        events.TestsRan(
            at=0, project=ROOT, run_id="r0", results=tuple(TestResult(each, Outcome.FAILED) for each in nodeids)
        ),
    ):
        snapshot = reduce(snapshot, event)
    return snapshot


def test_held_changes_of_a_verdict_add_up() -> None:
    """What an earlier run broke is told with the later ones, unless one of them mended it."""
    first = occasion_of(_verdict(broke=("t.py::a", "t.py::b"), still_red=2), EMPTY, 0.0)
    later = occasion_of(_verdict(run_id="r2", broke=("t.py::c",), fixed=("t.py::a",), still_red=2), EMPTY, 0.0)
    assert first is not None
    assert later is not None

    both = merged(first, later, EMPTY)

    assert both.alert.title == "2 tests went red"
    assert "b (t.py)\nc (t.py)\n" in both.alert.body


def test_trouble_stays_in_what_is_held_until_a_run_recovers() -> None:
    """A later run that says nothing of it has not ended it."""
    hung = occasion_of(_verdict(trouble=Verdict.HUNG, message="After 60 s."), EMPTY, 0.0)
    red = occasion_of(_verdict(run_id="r2", broke=("t.py::a",), still_red=1), EMPTY, 0.0)
    well = occasion_of(_verdict(run_id="r3", recovered=Verdict.HUNG), EMPTY, 0.0)
    assert hung is not None
    assert red is not None
    assert well is not None

    assert merged(hung, red, EMPTY).alert.title == "The test run hung"
    assert merged(merged(hung, red, EMPTY), well, EMPTY).alert.title == "a went red"


def test_what_is_mended_by_then_is_not_told() -> None:
    """Of tests that broke, those that are red now are told; of none, nothing."""
    held = occasion_of(_verdict(broke=("t.py::a", "t.py::b"), still_red=2), EMPTY, 0.0)
    assert held is not None

    left = renewed(held, _with_red("t.py::b"), 0.0)

    assert left is not None
    assert left.alert.title == "b went red"
    assert renewed(held, _with_red(), 0.0) is None


def test_that_all_is_green_is_told_later_only_if_it_is() -> None:
    """A green that was held gives way to what went red since."""
    held = occasion_of(_verdict(fixed=("t.py::a",)), EMPTY, 0.0)
    assert held is not None

    assert renewed(held, _with_red(), 0.0) == held
    assert renewed(held, _with_red("t.py::b"), 0.0) is None


def _agents(**agent: object) -> Snapshot:
    view = AgentView(**{"name": "tests:shop", "state": AgentState.RUNNING, **agent})
    return replace(EMPTY, agents=MappingProxyType({view.name: view}))


@pytest.mark.parametrize(
    ("event", "holds", "is_past"),
    [
        (_agent(AgentState.FAILED), _agents(state=AgentState.FAILED), _agents()),
        (_agent(AgentState.RUNNING), _agents(), _agents(state=AgentState.FAILED)),
        (events.ProgressMissed(at=1.0, agent="tests:shop", seconds=700), _agents(stalled_s=700.0), _agents()),
        (events.ProgressMissed(at=1.0, agent="tests:shop", seconds=0), _agents(), _agents(stalled_s=700.0)),
        (_vault(VaultState.TROUBLE), reduce(EMPTY, _vault(VaultState.TROUBLE)), reduce(EMPTY, _vault(VaultState.OPEN))),
        (_vault(VaultState.OPEN), reduce(EMPTY, _vault(VaultState.OPEN)), reduce(EMPTY, _vault(VaultState.TROUBLE))),
        (
            events.NoticeRaised(at=1.0, key="history", text="Full."),
            reduce(EMPTY, events.NoticeRaised(at=1.0, key="history", text="Full.")),
            EMPTY,
        ),
    ],
)
def test_what_no_longer_holds_is_not_told_later(event: Event, holds: Snapshot, is_past: Snapshot) -> None:
    """What was held is looked up again before it is told."""
    held = occasion_of(event, EMPTY, 0.0)
    assert held is not None

    assert renewed(held, holds, 0.0) == held
    assert renewed(held, is_past, 0.0) is None
