"""What people are told of audits, when, and how often."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.alerts.occasions import occasion_of
from app.alerts.wording import TITLE_LENGTH
from app.domain.agents import AgentState
from app.domain.commands import RaiseWindow
from app.domain.events import (
    AgentChanged,
    AgentPaused,
    AgentResumed,
    AuditChanged,
    AuditEnded,
    NotificationsSnoozed,
    ProjectWatched,
    StopBegan,
)
from app.domain.findings import AuditVerdict, AuditView, Finding, Severity, Trigger, TriggerKind
from app.domain.reduce import reduce
from app.domain.snapshot import Snapshot
from app.engine.bus import Bus
from app.engine.redaction import Redactor
from tests.alerts.kit import Screen, on_desktop, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.domain.alerts import Alert
    from app.domain.commands import Command

ROOT = "/home/ann/shop"
KEY = Finding("secrets", "aws-access-key", "AWS access key id", Severity.CRITICAL, "deploy.py", 1)
SHELL = Finding("security", "S602", "subprocess call with shell=True", Severity.HIGH, "shop/cli.py", 41)
MARKER = Trigger(TriggerKind.MARKER, "TASK_COMPLETE.md")


@contextlib.asynccontextmanager
async def _alerts(clock: Any, *screens: Screen, redact: Callable[[str], str] = str) -> AsyncIterator[Bus]:
    bus = Bus(clock)
    bus.publish(ProjectWatched(at=0, project=ROOT, name="shop"))
    async with on_desktop(bus, clock, *screens, redact=redact):
        yield bus


def _ended(*worst: Finding, told: int | None = None, **values: object) -> AuditEnded:
    verdict = AuditVerdict.FAIL if worst else AuditVerdict.PASS
    of: dict[str, Any] = {"at": 0.0, "project": ROOT, "audit": "1" * 16, "verdict": verdict, "trigger": MARKER}
    return AuditEnded(**{**of, "told": len(worst) if told is None else told, "worst": worst, **values})


def _view(*found: Finding) -> AuditChanged:
    return AuditChanged(at=0, audit=AuditView(ROOT, open=tuple((each.severity, 1) for each in found), new=len(found)))


def _titles(screen: Screen) -> list[str]:
    return [each.title for each in screen.shown]


def _alert(event: AuditEnded, project: str) -> Alert:
    watched = ProjectWatched(at=0, project=event.project, name=project)
    audited = AuditChanged(at=0, audit=AuditView(event.project))
    occasion = occasion_of(event, reduce(reduce(Snapshot(0), watched), audited), 0.0)
    assert occasion is not None
    return occasion.alert


async def test_new_findings_are_told_once(fake_clock: Any) -> None:
    """One notification says how many there are, where, and how grave; its body names each with its weight."""
    screen = Screen()

    async with _alerts(fake_clock, screen) as bus:
        bus.publish(_ended(KEY, SHELL, told=5))
        await settle()

    (shown,) = screen.shown
    assert shown.title == "5 new findings in shop, the worst critical"
    assert shown.body.splitlines() == [
        "critical: AWS access key id, deploy.py:1",
        "high: subprocess call with shell=True, shop/cli.py:41",
        "and 3 more",
        "Audit: marker TASK_COMPLETE.md",
    ]
    assert [label for label, _ in shown.buttons] == ["Open", "Snooze"]
    assert not shown.urgent


async def test_nothing_new_is_no_notification(fake_clock: Any) -> None:
    """An audit that answers a marker and has found nothing new, or what is known only, is silent."""
    screen = Screen()

    async with _alerts(fake_clock, screen) as bus:
        bus.publish(_ended())
        bus.publish(_ended(verdict=AuditVerdict.FAIL))
        await settle()

    assert screen.shown == []


async def test_open_shows_the_page_at_the_project(fake_clock: Any) -> None:
    """The button and a click both do; Snooze asks for silence."""
    screen = Screen()
    asked: list[Command] = []

    async with _alerts(fake_clock, screen) as bus:
        bus.handle(RaiseWindow, asked.append)
        bus.publish(_ended(KEY))
        await settle()
        (shown,) = screen.shown
        for _, press in shown.buttons:
            press()
            await settle()
        assert shown.on_clicked is not None
        shown.on_clicked()
        await settle()

    opens = RaiseWindow(page="audits", project=ROOT)
    assert asked == [opens, opens]
    assert bus.snapshot.snoozed_until == fake_clock.wall() + 60


async def test_one_notification_stands_for_a_project(fake_clock: Any) -> None:
    """The next audit's takes the place of the one before; another project has its own."""
    screen = Screen()

    async with _alerts(fake_clock, screen) as bus:
        for project in (ROOT, ROOT, "/other"):
            bus.publish(_ended(KEY, project=project))
            await settle()

    keys = [each.key for each in screen.shown]
    assert keys[0] == keys[1] != keys[2]


async def test_a_snooze_is_silent_and_then_tells_what_is_still_open(fake_clock: Any) -> None:
    """What was found in the silence comes after it, the newest of each project; what is gone by then does not."""
    screen = Screen()

    async with _alerts(fake_clock, screen) as bus:
        bus.publish(NotificationsSnoozed(at=0, until=fake_clock.wall() + 60))
        bus.publish(_view(KEY))
        bus.publish(_ended(KEY))
        bus.publish(_ended(SHELL))
        bus.publish(AuditChanged(at=0, audit=AuditView("/mended")))
        for mended in ("/mended", "/unknown"):
            bus.publish(_ended(KEY, project=mended))
        await settle()
        silent = list(_titles(screen))
        await fake_clock.pass_time(61)
        await settle()

    assert silent == []
    assert _titles(screen) == ["1 new finding in shop: high"]


async def test_a_pause_and_a_stop_are_silent(fake_clock: Any) -> None:
    """While all agents rest nothing is told; resuming tells it, and a program on its way out tells nothing more."""
    screen = Screen()

    async with _alerts(fake_clock, screen) as bus:
        bus.publish(AgentChanged(at=0, agent="audits", state=AgentState.RUNNING))
        bus.publish(AgentPaused(at=0, agent="audits", until=None))
        bus.publish(_view(KEY))
        bus.publish(_ended(KEY))
        await settle()
        silent = list(_titles(screen))
        bus.publish(AgentResumed(at=1, agent="audits"))
        await settle()
        resumed = list(_titles(screen))
        bus.publish(StopBegan(at=2, reason="quit"))
        bus.publish(_ended(SHELL))
        await settle()

    assert silent == []
    assert len(resumed) == 1
    assert _titles(screen) == resumed


async def test_the_next_notifier_is_asked_and_a_secret_is_taken_out(fake_clock: Any) -> None:
    """What cannot show it gives way to the next; a value that is known as secret is in neither title nor body."""
    broken, screen = Screen(works=False), Screen()
    redactor = Redactor()
    redactor.register("hunter2-hunter2")
    named = replace(KEY, title="Password hunter2-hunter2", path="hunter2-hunter2.py")

    async with _alerts(fake_clock, broken, screen, redact=redactor.redact) as bus:
        bus.publish(_ended(named))
        await settle()

    assert len(broken.shown) == len(screen.shown) == 1
    assert "hunter2-hunter2" not in screen.shown[0].title + screen.shown[0].body


@given(title=st.text(), path=st.text(), told=st.integers(1, 10**6), project=st.text(), what=st.text())
def test_any_finding_fits(title: str, path: str, told: int, project: str, what: str) -> None:
    """Whatever a check says, the title is one line of at most 80 characters, and each line of the body is short."""
    finding = replace(KEY, title=title, path=path)
    event = _ended(finding, told=told, trigger=Trigger(TriggerKind.COMMIT, what))

    made = _alert(event, project)

    assert 0 < len(made.title.encode("utf-16-le", "surrogatepass")) // 2 <= TITLE_LENGTH
    assert "\n" not in made.title
    assert all(len(line) <= 120 for line in made.body.splitlines())


@pytest.mark.parametrize("place", ["", "deploy.py"])
def test_a_finding_about_no_file_names_none(place: str) -> None:
    """Its title alone stands there, with nothing behind it."""
    made = _alert(_ended(replace(KEY, path=place, line=0)), "shop")

    assert made.title == "1 new finding in shop: critical"
    assert made.body.splitlines()[0] == f"AWS access key id{', deploy.py' if place else ''}"
