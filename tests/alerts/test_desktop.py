"""What people are told, when, and how often."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.alerts.desktop import Desktop, notification_for
from app.alerts.occasions import occasion_of
from app.domain.agents import AgentState
from app.domain.analysis import AnalysisView, When
from app.domain.commands import Explain, RaiseWindow, Snooze
from app.domain.coverage import ChangedLines, Coverage, FileCoverage
from app.domain.errors import CommandRefused, ModelNotSetUp, UsageError
from app.domain.events import (
    AccessLogBroken,
    AgentChanged,
    AgentPaused,
    AgentResumed,
    AnalysisChanged,
    ChangeCovered,
    CoverageMeasured,
    KeyRotated,
    ProjectWatched,
    RunStaged,
    RunStarted,
    SecretDue,
    StopBegan,
    TestChecked,
    TestsRan,
    VaultChanged,
    VerdictChanged,
)
from app.domain.keys import SecretView, VaultState, VaultView
from app.domain.reduce import reduce
from app.domain.snapshot import Snapshot
from app.domain.verdicts import Cause, CauseKind, Check, Outcome, Stage, TestResult, Verdict
from app.engine.bus import Bus
from app.engine.redaction import Redactor
from tests.alerts.kit import Screen, on_desktop, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.domain.commands import Command
    from app.domain.events import Event
    from app.system.notifications import Notification

LOGIN = "tests/test_auth.py::TestLogin::test_login[admin-::]"
LOGOUT = "tests/test_auth.py::test_logout"
FILE = "tests/test_shop.py"
SAVE = Cause(CauseKind.SAVE, ("app/auth.py",))
ROOT = "/home/ann/shop"
SHOP = reduce(Snapshot(0), ProjectWatched(at=0, project=ROOT, name="shop"))


class Alerted(Protocol):
    """Gives a bus whose alerts go to these screens."""

    def __call__(self, *screens: Screen) -> contextlib.AbstractAsyncContextManager[Bus]:
        """Start the alerts, and end them on leaving."""


@pytest.fixture
def alerts(fake_clock: Any) -> Alerted:
    """Alerts for a project called shop, by a clock that stands still."""

    @contextlib.asynccontextmanager
    async def alerts(*screens: Screen) -> AsyncIterator[Bus]:
        bus = Bus(fake_clock)
        bus.publish(ProjectWatched(at=0, project=ROOT, name="shop"))
        async with on_desktop(bus, fake_clock, *screens):
            yield bus

    return alerts


def _change(**values: object) -> VerdictChanged:
    return VerdictChanged(**{"at": 0.0, "project": ROOT, "run_id": "r1", "cause": SAVE, **values})


def _nothing() -> None:
    """Stand for a callback that is not pressed."""


def _notification(event: Event, snapshot: Snapshot = SHOP) -> Notification:
    occasion = occasion_of(event, snapshot, 0.0)
    assert occasion is not None
    return notification_for(occasion.alert, on_open=_nothing, on_snooze=_nothing)


@pytest.mark.parametrize(
    ("values", "title"),
    [
        ({"broke": (LOGOUT,), "still_red": 1}, "test_logout went red"),
        ({"broke": (LOGIN,), "still_red": 1}, "test_login[admin-::] went red"),
        ({"broke": (FILE,), "still_red": 1}, "test_shop.py went red"),
        ({"broke": (LOGIN, LOGOUT, FILE), "still_red": 3}, "3 tests went red"),
        ({"broke": (LOGIN,), "fixed": (LOGOUT,), "still_red": 1}, "test_login[admin-::] went red"),
        ({"fixed": (LOGIN,)}, "All green again"),
        ({"gone": (LOGIN,)}, "All green again"),
        ({"fixed": (LOGOUT,), "still_red": 2}, "test_logout is green again, 2 still red"),
        ({"fixed": (LOGIN, LOGOUT), "still_red": 2}, "2 tests are green again, 2 still red"),
        ({"fixed": (LOGOUT,), "complete": False}, "test_logout is green again"),
        ({"gone": (LOGOUT,), "still_red": 1}, "test_logout is gone, 1 still red"),
        ({"recovered": Verdict.NO_PYTEST}, "All green again"),
        ({"recovered": Verdict.NO_PYTEST, "complete": False}, "pytest is there again"),
        ({"recovered": Verdict.HUNG, "still_red": 2}, "The tests no longer hang, 2 still red"),
        ({"recovered": Verdict.ERROR, "still_red": 2}, "The tests run again, 2 still red"),
        ({"trouble": Verdict.NO_PYTEST}, "pytest is not installed"),
        ({"trouble": Verdict.NO_INTERPRETER}, "What runs the tests was not found"),
        ({"trouble": Verdict.NO_TESTS}, "No tests were found"),
        ({"trouble": Verdict.COLLECTION_ERROR, "broke": (FILE,)}, "Test files cannot be imported"),
        ({"trouble": Verdict.USAGE_ERROR}, "pytest refused its settings"),
        ({"trouble": Verdict.CRASHED, "broke": (LOGIN,)}, "The test run crashed"),
        ({"trouble": Verdict.HUNG}, "The test run hung"),
        ({"trouble": Verdict.ERROR}, "The test run went wrong"),
        ({"trouble": Verdict.HUNG, "recovered": Verdict.CRASHED}, "The test run hung"),
    ],
)
def test_the_title_names_what_matters_first(values: dict[str, object], title: str) -> None:
    """Trouble comes before red, and red before green."""
    assert _notification(_change(**values)).title == title


@pytest.mark.parametrize(
    ("values", "body"),
    [
        (
            {"broke": (LOGIN, LOGOUT), "fixed": (FILE,), "still_red": 2},
            (
                "shop: changed app/auth.py\n"
                "TestLogin::test_login[admin-::] (tests/test_auth.py)\n"
                "test_logout (tests/test_auth.py)\n"
                "test_shop.py is green again."
            ),
        ),
        (
            {"broke": tuple(f"t.py::test_{n}" for n in range(8)), "cause": Cause(CauseKind.SAVE, tuple("abcde"))},
            "shop: changed a, b, c and 2 more\n" + "".join(f"test_{n} (t.py)\n" for n in range(5)) + "and 3 more",
        ),
        (
            {
                "trouble": Verdict.NO_PYTEST,
                "message": "No pytest in .venv. Install it.",
                "cause": Cause(CauseKind.START),
            },
            "shop: found at the start\nNo pytest in .venv. Install it.",
        ),
        (
            {"trouble": Verdict.CRASHED, "broke": (LOGOUT,), "still_red": 3, "cause": Cause(CauseKind.REQUEST)},
            "shop: run by request\ntest_logout (tests/test_auth.py)\nRed tests in all: 3.",
        ),
        (
            {"recovered": Verdict.COLLECTION_ERROR, "fixed": (FILE,), "gone": (LOGOUT,)},
            "shop: changed app/auth.py\ntests/test_shop.py\nTests can be collected again.\ntest_logout is gone.",
        ),
    ],
)
def test_the_body_names_project_change_and_tests(values: dict[str, object], body: str) -> None:
    """The first five tests are named with class and parameters, the rest are counted."""
    assert _notification(_change(**values)).body == body


NODEIDS = st.lists(st.text(max_size=200) | st.just(LOGIN), max_size=7).map(tuple)
CHANGES = st.builds(
    VerdictChanged,
    at=st.just(0.0),
    project=st.text(),
    run_id=st.sampled_from(["r1", "r2"]),
    cause=st.builds(Cause, st.sampled_from(CauseKind), st.lists(st.text(), max_size=6).map(tuple)),
    broke=NODEIDS,
    fixed=NODEIDS,
    gone=NODEIDS,
    trouble=st.none() | st.sampled_from(Verdict),
    recovered=st.none() | st.sampled_from(Verdict),
    message=st.text(max_size=500),
    still_red=st.integers(0, 10**6),
    complete=st.booleans(),
)


@given(CHANGES, st.text())
def test_any_change_gives_a_title_and_a_body_that_fit(event: VerdictChanged, project: str) -> None:
    """Whatever a node id or a path holds, the title is one line of 1 to 80 characters and the body stays small."""
    note = _notification(event, reduce(Snapshot(0), ProjectWatched(at=0, project=event.project, name=project)))

    assert 1 <= len(note.title.strip()) <= 80
    assert note.title.isprintable()
    assert note.body.strip()
    assert len(note.body) <= 2000
    assert not note.urgent
    assert [label for label, _ in note.buttons] == ["Open", "Snooze"]


@given(st.text())
def test_a_name_is_one_line_of_the_body(nodeid: str) -> None:
    """A parameter with a line feed in it does not make two lines of one test."""
    assert len(_notification(_change(broke=(nodeid,))).body.splitlines()) <= 2


@given(st.text(), st.text(), st.sampled_from([AgentState.FAILED, AgentState.RUNNING]))
def test_any_agent_gives_a_title_and_a_body_that_fit(agent: str, reason: str, state: AgentState) -> None:
    """However long a project's name or a reason is, the title is one line of at most 80 characters."""
    event = AgentChanged(at=0.0, agent=agent, state=state, reason=reason)

    note = _notification(event)

    assert len(note.title) <= 80
    assert note.title.endswith(("has failed", "works again"))
    assert note.title.isprintable()
    assert len(note.body) <= 500


async def test_a_change_is_told_exactly_once(alerts: Alerted) -> None:
    """One event, one notification, by the first notifier that shows it."""
    first, second = Screen(), Screen()

    async with alerts(first, second) as bus:
        bus.publish(_change(broke=(LOGOUT,), still_red=1))
        titles = await first.titles(1)

    assert titles == ["test_logout went red"]
    assert first.shown[0].body.startswith("shop: changed app/auth.py")
    assert second.shown == []


async def test_the_next_notifier_is_asked_when_one_cannot_show_it(alerts: Alerted) -> None:
    """A desktop without a notification service gets the balloon."""
    broken, balloon = Screen(works=False), Screen()

    async with alerts(broken, balloon) as bus:
        bus.publish(_change(broke=(LOGOUT,), still_red=1))

        assert await balloon.titles(1) == ["test_logout went red"]


async def test_a_notifier_that_raises_is_survived(alerts: Alerted) -> None:
    """A fault in one way to show it silences neither the others nor the next notification."""

    class Faulty(Screen):
        async def send(self, notification: Notification) -> bool:
            raise RuntimeError(notification.title)

    screen = Screen()

    async with alerts(Faulty(), screen) as bus:
        bus.publish(_change(broke=(LOGOUT,), still_red=1))
        await screen.titles(1)
        bus.publish(_change(run_id="r2", fixed=(LOGOUT,)))

        assert await screen.titles(2) == ["test_logout went red", "All green again"]


async def test_a_broken_access_log_is_told_even_after_a_snooze(alerts: Alerted, fake_clock: Any) -> None:
    """What somebody did to the vault's log is no news that a snooze may swallow."""
    screen = Screen()

    async with alerts(screen) as bus:
        await bus.send(Snooze(seconds=60))
        bus.publish(AccessLogBroken(at=0.0, problem="Line 7 is not what was written."))
        await settle()
        silent = list(screen.shown)
        await fake_clock.pass_time(61)
        titles = await screen.titles(1)

    assert silent == []
    assert titles == ["The vault's access log was tampered with"]
    assert "Line 7" in screen.shown[0].body


async def test_a_secret_is_taken_out_before_it_is_shown(fake_clock: Any) -> None:
    """A test's name or a run's message may hold a key: the desktop, which keeps what it shows, never gets it."""
    screen, bus, redactor = Screen(), Bus(fake_clock), Redactor()
    redactor.register("canary-value")
    bus.publish(ProjectWatched(at=0, project=ROOT, name="shop"))

    async with on_desktop(bus, fake_clock, screen, redact=redactor.redact):
        bus.publish(_change(broke=("t.py::test_it[canary-value]",), trouble=Verdict.CRASHED, message="canary-value"))
        await screen.titles(1)

    assert "canary" not in f"{screen.shown[0].title} {screen.shown[0].body}"


async def test_red_and_green_of_a_project_share_one_place(alerts: Alerted) -> None:
    """The green notification takes the red one's place; another project keeps its own."""
    screen = Screen()

    async with alerts(screen) as bus:
        bus.publish(_change(broke=(LOGOUT,), still_red=1))
        await screen.titles(1)
        bus.publish(_change(run_id="r2", fixed=(LOGOUT,)))
        await screen.titles(2)
        bus.publish(_change(run_id="r3", project="/home/ann/other", broke=(LOGOUT,), still_red=1))
        await screen.titles(3)

    red, green, other = screen.shown
    assert red.key == green.key != other.key
    assert other.body.startswith("other: ")


async def test_a_run_that_was_told_early_is_told_once(alerts: Alerted) -> None:
    """A long run tells early; what else it breaks is for the tray and the window.

    What stands there is as true when the run has ended, for it stays on the screen.
    """
    screen = Screen()

    async with alerts(screen) as bus:
        bus.publish(_change(broke=(LOGOUT,), still_red=1, complete=False))
        await screen.titles(1)
        bus.publish(_change(broke=(LOGIN,), still_red=2))
        await settle()

    assert [each.title for each in screen.shown] == ["test_logout went red"]
    assert "Told before the other tests had run." in screen.shown[0].body
    assert "still run" not in screen.shown[0].body


async def test_stages_second_looks_and_coverage_are_no_news(alerts: Alerted) -> None:
    """What was told as red is not told again when a second look finds it flaky, and green so far is not green."""
    screen = Screen()
    of: dict[str, Any] = {"at": 1.0, "project": ROOT, "run_id": "r1"}

    async with alerts(screen) as bus:
        bus.publish(RunStarted(**of, cause=SAVE))
        bus.publish(RunStaged(**of, stage=Stage.IMPACTED, tests=1))
        bus.publish(TestsRan(**of, results=(TestResult(LOGIN, Outcome.FAILED),)))
        bus.publish(RunStaged(**of, stage=Stage.REST, verdict=Verdict.RED))
        bus.publish(_change(broke=(LOGIN,), still_red=1, complete=False))
        bus.publish(TestChecked(at=2, project=ROOT, nodeid=LOGIN, check=Check(Outcome.PASSED)))
        bus.publish(ChangeCovered(**of, lines=ChangedLines(1, 0, (("a.py", (1,)),))))
        bus.publish(CoverageMeasured(at=3, project=ROOT, coverage=Coverage((FileCoverage("a.py", 1, ()),))))
        titles = await screen.titles(1)

    assert titles == ["test_login[admin-::] went red"]


async def test_a_run_that_was_told_early_and_ends_in_trouble_is_told_again(alerts: Alerted) -> None:
    """A crash after the first red test is another matter, and takes its place."""
    screen = Screen()

    async with alerts(screen) as bus:
        bus.publish(_change(broke=(LOGOUT,), still_red=1, complete=False))
        await screen.titles(1)
        bus.publish(_change(broke=(LOGIN,), still_red=2, trouble=Verdict.CRASHED))
        titles = await screen.titles(2)

    assert titles == ["test_logout went red", "The test run crashed"]


async def test_another_run_tells_the_same_again(alerts: Alerted) -> None:
    """A test that goes red, green and red again is told each time."""
    screen = Screen()

    async with alerts(screen) as bus:
        for number, values in enumerate([{"broke": (LOGIN,), "still_red": 1}, {"fixed": (LOGIN,)}] * 2):
            bus.publish(_change(run_id=f"r{number}", **values))
            await screen.titles(number + 1)

    assert [each.title for each in screen.shown] == ["test_login[admin-::] went red", "All green again"] * 2


async def test_nothing_is_told_while_snoozed_and_again_afterwards(alerts: Alerted, fake_clock: Any) -> None:
    """Snooze is answered here, and holds until its time is over."""
    screen = Screen()

    async with alerts(screen) as bus:
        await bus.send(Snooze(seconds=60))
        until = bus.snapshot.snoozed_until
        bus.publish(_change(broke=(LOGIN,), still_red=1))
        fake_clock.advance(61)
        bus.publish(_change(run_id="r2", broke=(LOGOUT,), still_red=2))

        assert until == pytest.approx(fake_clock.wall() - 1)
        assert await screen.titles(1) == ["test_logout went red"]


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
async def test_a_snooze_without_a_sensible_end_is_refused(seconds: float, alerts: Alerted) -> None:
    """A wrong number of seconds changes nothing, and says so."""
    async with alerts() as bus:
        with pytest.raises(UsageError):
            await bus.send(Snooze(seconds=seconds))

        assert bus.snapshot.snoozed_until == 0


async def test_nothing_is_told_while_all_agents_are_paused(alerts: Alerted) -> None:
    """Paused means silent, and one agent that is not paused means not silent."""
    screen = Screen()

    async with alerts(screen) as bus:
        for name in ("testing", "auditing"):
            bus.publish(AgentChanged(at=0, agent=name, state=AgentState.RUNNING))
            bus.publish(AgentPaused(at=0, agent=name, until=None))
        bus.publish(_change(broke=(LOGIN,), still_red=1))
        bus.publish(AgentResumed(at=0, agent="testing"))
        bus.publish(_change(run_id="r2", broke=(LOGOUT,), still_red=2))

        assert await screen.titles(1) == ["test_logout went red"]


async def test_what_broke_in_a_pause_is_told_when_it_is_over(alerts: Alerted) -> None:
    """What was mended meanwhile is no news; what is still red is told once."""
    screen = Screen()
    results = (TestResult(LOGIN, Outcome.FAILED), TestResult(LOGOUT, Outcome.PASSED))
    cause = Cause(CauseKind.SAVE, ("app/auth.py",))

    async with alerts(screen) as bus:
        bus.publish(AgentChanged(at=1, agent="tests:shop", state=AgentState.RUNNING))
        bus.publish(AgentPaused(at=1, agent="tests:shop", until=None))
        project = _change().project
        bus.publish(ProjectWatched(at=1, project=project, name="shop"))
        bus.publish(RunStarted(at=1, project=project, run_id="r1", cause=cause))
        bus.publish(TestsRan(at=1, project=project, run_id="r1", results=results))
        bus.publish(_change(broke=(LOGIN, LOGOUT), still_red=2))
        bus.publish(_change(run_id="r2", fixed=(LOGOUT,), still_red=1))
        await settle()
        in_the_pause = list(screen.shown)
        bus.publish(AgentResumed(at=2, agent="tests:shop"))
        titles = await screen.titles(1)

    assert not in_the_pause
    assert titles == ["test_login[admin-::] went red"]


async def test_nothing_is_told_on_the_way_out(alerts: Alerted) -> None:
    """Tests and agents that end because the program ends are no news."""
    screen = Screen()

    async with alerts(screen) as bus:
        bus.publish(StopBegan(at=0, reason="asked to"))
        bus.publish(AgentChanged(at=0, agent="testing", state=AgentState.FAILED))
        bus.publish(_change(trouble=Verdict.CRASHED))
        await settle()

    assert screen.shown == []


async def test_an_agent_that_fails_and_recovers_is_told_once_each(alerts: Alerted) -> None:
    """The slow retries of a failed agent are no news, its return is."""
    screen = Screen()
    states = "failed", "starting", "failed", "starting", "failed", "starting", "running", "stopping", "running"

    async with alerts(screen) as bus:
        for state in states:
            bus.publish(AgentChanged(at=0, agent="tests:shop", state=AgentState(state), reason="disk full"))
            await settle()
        titles = await screen.titles(2)

    assert titles == ['Agent "Tests of shop" has failed', 'Agent "Tests of shop" works again']
    assert screen.shown[0].body.startswith("disk full\n")


async def test_a_start_is_no_recovery(alerts: Alerted) -> None:
    """An agent that simply starts is not told of."""
    screen = Screen()

    async with alerts(screen) as bus:
        bus.publish(AgentChanged(at=0, agent="testing", state=AgentState.RUNNING))
        await settle()

    assert screen.shown == []


DAMAGED = VaultView(VaultState.TROUBLE, "The vault's file is not what was written.", "Put a backup in place.")


def _vault(state: VaultState, reason: str = "", *secrets: SecretView) -> VaultChanged:
    return VaultChanged(at=0, vault=VaultView(state, reason, secrets=secrets))


@given(st.text(), st.integers(-(10**10), 10**10))
def test_any_secret_gives_a_title_and_a_body_that_fit(name: str, due: int) -> None:
    """However long a name is, the title is one line of at most 80 characters that says what is to be done."""
    note = _notification(SecretDue(at=0, name=name, due=due))

    assert len(note.title) <= 80
    assert note.title.isprintable()
    assert note.title.endswith("is to be renewed")
    assert note.body.endswith("put that into the vault.")
    assert not note.urgent


@given(st.text(), st.text())
def test_any_trouble_of_the_vault_gives_a_body_that_fits(reason: str, hint: str) -> None:
    """Whatever is said of it, there is something to read, and not too much."""
    note = _notification(VaultChanged(at=0, vault=VaultView(VaultState.TROUBLE, reason, hint)))

    assert note.title == "The vault is in trouble"
    assert note.body.strip()
    assert len(note.body) <= 700
    assert not note.urgent


async def test_a_secret_that_is_due_is_told_by_name(alerts: Alerted, fake_clock: Any) -> None:
    """Each secret has its own place, and what is due later is told by what is left."""
    screen = Screen()
    now = int(fake_clock.wall())

    async with alerts(screen) as bus:
        bus.publish(SecretDue(at=0, name="DEEPSEEK_API_KEY", due=now - 3 * 86_400))
        bus.publish(SecretDue(at=0, name="SENTRY_DSN", due=now + 7 * 86_400 + 60))
        titles = await screen.titles(2)

    assert titles == ["DEEPSEEK_API_KEY is to be renewed", "SENTRY_DSN is to be renewed"]
    assert [each.body.split(".")[0] for each in screen.shown] == ["Overdue for 3 days", "In 7 days"]
    assert screen.shown[0].key != screen.shown[1].key


async def test_what_came_due_in_the_silence_is_told_after_it(alerts: Alerted, fake_clock: Any) -> None:
    """It is told once for each due date, so it must not get lost; what was renewed meanwhile is no news."""
    screen = Screen()

    async with alerts(screen) as bus:
        await bus.send(Snooze(seconds=60))
        bus.publish(SecretDue(at=0, name="OLD", due=100))
        bus.publish(SecretDue(at=0, name="RENEWED", due=100))
        bus.publish(SecretDue(at=0, name="REMOVED", due=100))
        bus.publish(_vault(VaultState.OPEN, "", SecretView("OLD", due=100), SecretView("RENEWED", due=900)))
        await settle()
        in_the_silence = list(screen.shown)
        await fake_clock.pass_time(61)
        titles = await screen.titles(1)

    assert in_the_silence == []
    assert titles == ["OLD is to be renewed"]


async def test_what_came_due_is_told_though_the_vault_is_locked_by_then(alerts: Alerted, fake_clock: Any) -> None:
    """Nobody can look whether it was renewed, so it is rather told."""
    screen = Screen()

    async with alerts(screen) as bus:
        await bus.send(Snooze(seconds=60))
        bus.publish(SecretDue(at=0, name="OLD", due=100))
        bus.publish(_vault(VaultState.LOCKED, "It was left alone."))
        await fake_clock.pass_time(61)

        assert await screen.titles(1) == ["OLD is to be renewed"]


async def test_the_vaults_trouble_is_told_once_for_each_cause(alerts: Alerted, fake_clock: Any) -> None:
    """Trying again to no avail is no news; another cause is, and the same one after it was well, in their time."""
    screen = Screen()
    other = _vault(VaultState.TROUBLE, "The vault is not the newest.")

    async with alerts(screen) as bus:
        for state in (VaultState.OPENING, VaultState.WAITING, VaultState.OPENING):
            bus.publish(VaultChanged(at=0, vault=DAMAGED))
            bus.publish(_vault(state))
        first = await screen.titles(1)
        for _ in range(2):
            bus.publish(other)
            await fake_clock.pass_time(901)
        second = await screen.titles(2)
        bus.publish(_vault(VaultState.OPEN))
        await screen.titles(3)
        bus.publish(other)
        await screen.titles(4)

    assert first == ["The vault is in trouble"]
    assert second == ["The vault is in trouble"] * 2
    assert [each.title for each in screen.shown[2:]] == ["The vault is no longer in trouble", "The vault is in trouble"]
    bodies = [each.body.split(".")[0] for each in screen.shown if each.body]
    assert bodies == ["The vault's file is not what was written", *["The vault is not the newest"] * 2]
    assert screen.shown[0].body == "The vault's file is not what was written.\nPut a backup in place."


async def test_trouble_in_the_silence_is_told_after_it_if_it_lasts(alerts: Alerted, fake_clock: Any) -> None:
    """What stands at the end of a snooze is told, once."""
    screen = Screen()

    async with alerts(screen) as bus:
        await bus.send(Snooze(seconds=60))
        bus.publish(VaultChanged(at=0, vault=DAMAGED))
        await settle()
        in_the_silence = list(screen.shown)
        await fake_clock.pass_time(61)
        after_it = await screen.titles(1)
        bus.publish(VaultChanged(at=0, vault=DAMAGED))
        await settle()

    assert in_the_silence == []
    assert after_it == ["The vault is in trouble"]
    assert len(screen.shown) == 1


async def test_a_vault_that_locks_opens_or_rotates_is_no_news(alerts: Alerted) -> None:
    """What needs nothing of a person is for the window."""
    screen = Screen()

    async with alerts(screen) as bus:
        for state in (VaultState.OPENING, VaultState.WAITING, VaultState.LOCKED, VaultState.OPEN, VaultState.NONE):
            bus.publish(_vault(state, "Some reason."))
        bus.publish(KeyRotated(at=0))
        await settle()

    assert screen.shown == []


async def test_open_of_a_due_secret_opens_the_keys_page(alerts: Alerted) -> None:
    """The button and a click lead to the page where the key can be renewed."""
    screen = Screen()
    raised: asyncio.Queue[RaiseWindow] = asyncio.Queue()

    async with alerts(screen) as bus:
        bus.handle(RaiseWindow, raised.put_nowait)
        bus.publish(SecretDue(at=0, name="OLD", due=100))
        bus.publish(VaultChanged(at=0, vault=DAMAGED))
        await screen.titles(2)
        for note in screen.shown:
            _press(note, "Open")()
        opened = [await asyncio.wait_for(raised.get(), 10) for _ in screen.shown]

    assert opened == [RaiseWindow(page="keys")] * 2


async def test_open_shows_the_first_test_that_broke(alerts: Alerted) -> None:
    """The Open button and a click raise the window on the test that the notification names."""
    screen = Screen()
    raised: asyncio.Queue[RaiseWindow] = asyncio.Queue()

    async with alerts(screen) as bus:
        bus.handle(RaiseWindow, raised.put_nowait)
        bus.publish(_change(broke=(LOGOUT, LOGIN), still_red=2))
        await screen.titles(1)
        _press(screen.shown[0], "Open")()
        by_button = await asyncio.wait_for(raised.get(), 10)
        assert screen.shown[0].on_clicked is not None
        screen.shown[0].on_clicked()
        by_click = await asyncio.wait_for(raised.get(), 10)

    assert by_button == by_click == RaiseWindow(project=ROOT, nodeid=LOGOUT)


async def test_explain_shows_the_test_and_has_it_explained(alerts: Alerted) -> None:
    """The button stands between the others, raises the window on the first test that broke, and asks once."""
    screen = Screen()
    asked: list[Command] = []

    async with alerts(screen) as bus:
        bus.handle(RaiseWindow, asked.append)
        bus.handle(Explain, asked.append)
        bus.publish(_change(broke=(LOGOUT, LOGIN), still_red=2))
        await screen.titles(1)
        _press(screen.shown[0], "Explain")()
        titles = await screen.titles(1)

    assert [label for label, _ in screen.shown[0].buttons] == ["Open", "Explain", "Snooze"]
    assert asked == [RaiseWindow(project=ROOT, nodeid=LOGOUT), Explain(project=ROOT, nodeid=LOGOUT)]
    assert titles == ["2 tests went red"]


@pytest.mark.parametrize(
    ("when", "values", "labels"),
    [
        (When.NEVER, {"broke": (LOGOUT,), "still_red": 1}, ["Open", "Snooze"]),
        (When.ASK, {"broke": (LOGOUT,), "still_red": 1}, ["Open", "Explain", "Snooze"]),
        (When.ALWAYS, {"broke": (LOGOUT,), "still_red": 1}, ["Open", "Explain", "Snooze"]),
        (When.ALWAYS, {"fixed": (LOGOUT,)}, ["Open", "Snooze"]),
        (When.ALWAYS, {"trouble": Verdict.NO_PYTEST}, ["Open", "Snooze"]),
    ],
)
async def test_explain_is_offered_where_there_is_something_to_explain(
    alerts: Alerted, when: When, values: dict[str, object], labels: list[str]
) -> None:
    """Only tests that broke can be explained, and only where a model may be asked."""
    screen = Screen()

    async with alerts(screen) as bus:
        bus.publish(AnalysisChanged(at=0, analysis=AnalysisView(when=when)))
        bus.publish(_change(**values))
        await screen.titles(1)

    assert [label for label, _ in screen.shown[0].buttons] == labels


async def test_a_refused_explanation_is_told(alerts: Alerted) -> None:
    """Why a test is not explained comes back as a notification, and a window that is refused hinders nothing."""
    screen = Screen()

    def refuse(_command: Explain) -> None:
        raise ModelNotSetUp("No model is set up.", "Set a key with: watchkeeper keys set DEEPSEEK_API_KEY")

    async with alerts(screen) as bus:
        bus.handle(Explain, refuse)
        bus.publish(_change(broke=(LOGOUT,), still_red=1))
        await screen.titles(1)
        _press(screen.shown[0], "Explain")()
        titles = await screen.titles(2)

    assert titles == ["test_logout went red", "No model is set up"]
    assert "watchkeeper keys set DEEPSEEK_API_KEY" in screen.shown[1].body
    assert [label for label, _ in screen.shown[1].buttons] == ["Open"]


@pytest.mark.parametrize("label", ["Open", "Snooze"])
async def test_a_button_that_is_refused_says_so(label: str, fake_clock: Any) -> None:
    """In the notification's own place, and it can be opened from there."""
    screen, bus = Screen(), Bus(fake_clock)
    occasion = occasion_of(_change(broke=(LOGOUT,), still_red=1), SHOP, 0.0)
    assert occasion is not None

    def refuse(_command: RaiseWindow | Snooze) -> None:
        raise CommandRefused("This Watchkeeper has no window.", "Start it without --headless.")

    async with Desktop(bus, [screen]) as desktop:
        bus.handle(RaiseWindow, refuse)
        bus.handle(Snooze, refuse)
        desktop.post(occasion)
        await screen.titles(1)
        _press(screen.shown[0], label)()
        await screen.titles(2)

    assert "This Watchkeeper has no window." in screen.shown[1].body
    assert screen.shown[1].key == screen.shown[0].key
    assert [each for each, _ in screen.shown[1].buttons] == ["Open"]


async def test_the_snooze_button_makes_silence(alerts: Alerted, fake_clock: Any) -> None:
    """The Snooze button asks for the seconds that were set."""
    screen = Screen()

    async with alerts(screen) as bus:
        bus.publish(_change(broke=(LOGOUT,), still_red=1))
        await screen.titles(1)
        _press(screen.shown[0], "Snooze")()
        await settle()

        assert bus.snapshot.snoozed_until == fake_clock.wall() + 60


async def test_a_slow_service_gets_only_the_newest_of_a_project(alerts: Alerted) -> None:
    """While one notification is on its way, later ones of the same project replace each other."""
    gate = asyncio.Event()

    class Slow(Screen):
        async def send(self, notification: Notification) -> bool:
            await gate.wait()
            return await super().send(notification)

    screen = Slow()

    async with alerts(screen) as bus:
        for number in range(10):
            bus.publish(_change(run_id=f"r{number}", broke=(f"t.py::test_{number}",), still_red=number + 1))
            await settle()
        gate.set()

        assert await screen.titles(2) == ["test_0 went red", "test_9 went red"]


async def test_leaving_ends_everything(alerts: Alerted) -> None:
    """Afterwards no event is heard, no command answered and no task left, even with a notifier that hangs."""

    class Hanging(Screen):
        async def send(self, notification: Notification) -> bool:
            await super().send(notification)
            return await asyncio.get_running_loop().create_future()

    screen = Hanging()
    before = asyncio.all_tasks()

    async with alerts(screen) as bus:
        bus.publish(_change(broke=(LOGOUT,), still_red=1))
        bus.publish(_change(run_id="r2", broke=(LOGIN,), still_red=2, complete=False))
        await screen.titles(1)
    bus.publish(_change(run_id="r3", trouble=Verdict.HUNG))
    await settle()

    assert len(screen.shown) == 1
    assert asyncio.all_tasks() == before
    bus.handle(Snooze, lambda _: None)


def _press(notification: Notification, label: str) -> Callable[[], None]:
    return dict(notification.buttons)[label]
