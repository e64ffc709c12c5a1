"""What the tray shows, made from snapshots without Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import commands, events
from app.domain.findings import AuditVerdict, AuditView, Severity
from app.domain.health import KeptBy
from app.domain.reduce import reduce
from app.domain.snapshot import Mood, Snapshot
from app.domain.verdicts import Cause, CauseKind, Outcome, Stage, TestResult, Verdict
from app.ui.headline import headline
from app.ui.tray_view import ENTRY_LIMIT, RED_ENTRIES, TOOLTIP_LIMIT, is_busy, tray_view
from tests.ui.audits import REPORT, view_of, with_audit

if TYPE_CHECKING:
    from tests.ui.conftest import Story


@given(data=st.data(), now=st.floats(1.69e9, 1.8e9))
def test_any_snapshot_fits_a_tray(data: st.DataObject, now: float, any_snapshot: st.SearchStrategy[Snapshot]) -> None:
    """Whatever happened, the tooltip fits Windows' limit, entries are one line, and their keys are their own."""
    snapshot = data.draw(any_snapshot)

    view = tray_view(snapshot, now)

    assert len(view.tooltip.encode("utf-16-le", "surrogatepass")) // 2 <= TOOLTIP_LIMIT
    assert "\n" not in view.tooltip
    assert all(entry.text == " ".join(entry.text.split()) for entry in view.entries)
    assert all(0 < len(entry.text) <= ENTRY_LIMIT for entry in view.entries)
    assert len({entry.key for entry in view.entries}) == len(view.entries)
    assert view.count == snapshot.red_count


@given(data=st.data(), now=st.floats(1.69e9, 1.8e9))
def test_any_snapshot_has_a_headline(
    data: st.DataObject, now: float, any_snapshot: st.SearchStrategy[Snapshot]
) -> None:
    """Whatever happened, there is a sentence that says so."""
    snapshot = data.draw(any_snapshot)

    assert headline(snapshot, now).title


def test_the_first_five_red_tests_open_their_detail(story: Story) -> None:
    """Five red tests stand in the menu, each opening itself, and the rest as a number."""
    view = tray_view(story.red, story.now)

    reds = [entry for entry in view.entries if entry.key.startswith("red:")]
    assert view.mood is Mood.RED
    assert len(reds) == RED_ENTRIES
    assert [entry.command for entry in reds] == [
        commands.RaiseWindow(project=story.flask, nodeid=test.nodeid)
        for test in story.red.projects[story.flask].red[:RED_ENTRIES]
    ]
    assert [entry.text for entry in view.entries if entry.key == "more"] == ["and 1 more"]


def test_safe_mode_looks_like_it(story: Story) -> None:
    """The icon wants a look, the tooltip and the first entry say so, and an entry starts the agents."""
    began = events.LifeBegan(at=story.now, kept_by=KeptBy.NOBODY, safe_mode="you asked for it with --safe")

    view = tray_view(reduce(story.waiting, began), story.now)

    assert view.mood is Mood.ATTENTION
    assert view.tooltip.startswith("Safe mode: no agent was started")
    assert view.entries[0].text == "Safe mode: no agent was started"
    assert {each.text: each.command for each in view.entries}["Start the agents"] == commands.LeaveSafeMode()


def test_the_tooltip_says_verdict_age_and_agents(story: Story) -> None:
    """One line tells what is red and where, since when that is known, and how many agents live."""
    tooltip = tray_view(story.red, story.now).tooltip

    assert tooltip.startswith("6 tests are red in flask")
    assert "2 min ago" in tooltip
    assert tooltip.endswith("1 of 1 agent alive")


def test_green_so_far_is_said_with_what_is_still_open(story: Story) -> None:
    """One line of the tooltip and the menu claims the tests of the change alone, and the icon is not that of green."""
    view = tray_view(story.confirming, story.now)

    said = "7 tests of the change are green, 477 more are being confirmed"
    assert view.mood is Mood.CONFIRMING
    assert view.entries[0].text == said
    assert view.tooltip.startswith(f"{said} \u00b7 flask: green so far")


def test_red_shows_while_the_rest_runs_on(story: Story) -> None:
    """Nothing waits for the end of the run: the first red test of the rest takes green so far back."""
    red = events.TestsRan(
        at=story.now,
        project=story.flask,
        run_id="f3",
        results=(TestResult("tests/test_json.py::test_late", Outcome.FAILED),),
    )

    view = tray_view(reduce(story.confirming, red), story.now)

    assert (view.mood, view.count) == (Mood.RED, 1)
    assert view.entries[0].text == "1 test is red in flask"


def test_several_projects_are_green_so_far_together(story: Story) -> None:
    """With two runs whose tests of the change are green, both are told, and no number is made up."""
    of = {"at": story.now, "project": story.httpx, "run_id": "h9"}
    both = story.confirming
    for event in (
        events.RunStarted(**of, cause=Cause(CauseKind.SAVE)),
        events.RunStaged(**of, stage=Stage.IMPACTED),
        events.RunStaged(**of, stage=Stage.REST, verdict=Verdict.GREEN),
    ):
        both = reduce(both, event)

    assert headline(both, story.now).line == "Green so far in 2 projects, the others are being confirmed"


def test_a_pause_offers_to_resume(story: Story) -> None:
    """While all agents are paused, resuming is offered in place of pausing, and the headline says for how long."""
    view = tray_view(story.paused, story.now)

    keys = [entry.key for entry in view.entries]
    assert "resume" in keys
    assert "pause" not in keys
    assert view.entries[0].text == "Paused for 25 min more"


def test_a_project_can_be_added_from_the_menu(story: Story) -> None:
    """Whether one is watched already or not."""
    views = [tray_view(snapshot, story.now) for snapshot in (Snapshot(started_at=0.0), story.red)]

    offered = [entry for view in views for entry in view.entries if entry.key == "add"]
    assert [(entry.text, entry.command) for entry in offered] == [("Add a project\u2026", commands.AskForProject())] * 2


def test_a_failed_agent_can_be_resumed(story: Story) -> None:
    """An agent that has failed is offered to be resumed by name, and the headline says that this tries it at once."""
    view = tray_view(story.failed, story.now)

    offered = [entry for entry in view.entries if entry.key.startswith("resume")]
    assert [(entry.text, entry.command) for entry in offered] == [("Resume: Tests", commands.Resume(agent="tests"))]
    assert headline(story.failed, story.now).title == "The agent Tests has failed"
    assert headline(story.failed, story.now).detail == (
        "PermissionError: [Errno 13] Permission denied: '/home/ada/src/flask/tests'. Resume tries again at once."
    )


def test_audits_stand_in_the_menu(story: Story) -> None:
    """One that is on its way and what is grave have a line each, which opens the page; any project can be audited."""
    snapshot = with_audit(story.green, view_of(REPORT, "Static security"))

    view = tray_view(snapshot, story.now)

    opens = commands.RaiseWindow(page="audits", project=story.flask)
    offered = [(entry.text, entry.command) for entry in view.entries if entry.key.startswith("audit:")]
    assert view.mood is Mood.ATTENTION
    assert view.entries[0].text == "2 critical and 1 high findings in flask"
    assert [(entry.text, entry.command) for entry in view.entries if entry.section == "audits"] == [
        ("flask: auditing, Static security", opens),
        ("flask: 2 critical and 1 high findings", opens),
    ]
    assert offered == [
        ("Audit flask now", commands.StartAudit(project=story.flask)),
        ("Audit httpx now", commands.StartAudit(project=story.httpx)),
    ]


def test_without_audits_the_menu_says_nothing_of_them(story: Story) -> None:
    """Only the command is there; a finding of little weight is no line, and no mood."""
    light = AuditView(story.flask, verdict=AuditVerdict.FAIL, open=((Severity.LOW, 3),), new=3)

    view = tray_view(with_audit(story.green, light), story.now)

    assert view.mood is Mood.GREEN
    assert [entry for entry in view.entries if entry.section == "audits"] == []


@given(running=st.text(max_size=90), count=st.integers(0, 10**9), name=st.text(max_size=90))
def test_any_audit_fits_the_tray(running: str, count: int, name: str) -> None:
    """Whatever a check is called and however much was found, the tooltip fits and each entry is one line."""
    audit = AuditView("/a", running, open=tuple((severity, count) for severity in Severity))
    snapshot = reduce(Snapshot(started_at=0), events.ProjectWatched(at=1, project="/a", name=name))

    view = tray_view(with_audit(snapshot, audit), 10.0)

    assert len(view.tooltip.encode("utf-16-le", "surrogatepass")) // 2 <= TOOLTIP_LIMIT
    assert all(0 < len(entry.text) <= ENTRY_LIMIT for entry in view.entries)
    assert all(entry.text == " ".join(entry.text.split()) for entry in view.entries)


def test_no_project_is_said_and_nothing_can_be_run(story: Story) -> None:
    """With nothing watched the menu says so, and running tests is not offered."""
    view = tray_view(story.empty, story.now)

    run = next(entry for entry in view.entries if entry.key == "run")
    assert view.entries[0].text == "No project is watched yet"
    assert run.command is None
    assert not is_busy(story.empty)


def test_quitting_is_asked_about_only_while_tests_run(story: Story) -> None:
    """The tray is busy while a run goes on, and only then."""
    assert is_busy(story.running)
    assert not is_busy(story.red)


@pytest.mark.parametrize(
    ("state", "entry", "end"),
    [
        ("locked", "The vault is locked", "vault locked"),
        ("waiting", "The vault waits for the system keychain", "vault waiting"),
        ("trouble", "The vault is in trouble: The vault's file is not what was written", "vault in trouble"),
    ],
)
def test_a_vault_that_is_not_open_has_a_line(story: Story, state: str, entry: str, end: str) -> None:
    """The menu has one entry for it, which opens the Keys page, and the tooltip ends with it."""
    view = tray_view(story.vaults[state], story.now)

    lines = [(each.text, each.command) for each in view.entries if each.key == "vault"]
    assert lines == [(entry, commands.RaiseWindow(page="keys"))]
    assert view.tooltip.endswith(f" \u00b7 {end}")


@pytest.mark.parametrize("state", ["none", "opening", "open", "empty"])
def test_a_vault_that_is_well_is_not_mentioned(story: Story, state: str) -> None:
    """Nobody is told of what needs nothing of them."""
    view = tray_view(story.vaults[state], story.now)

    assert [entry for entry in view.entries if entry.key == "vault"] == []
    assert "vault" not in view.tooltip


def test_the_vaults_trouble_is_the_headline_where_nothing_else_is_wrong(story: Story) -> None:
    """The icon asks for attention, and the sentence beside it says for what and what to do; a red test comes first."""
    troubled = story.vaults["trouble"]

    said = headline(troubled, story.now)
    with_red = reduce(story.red, events.VaultChanged(at=story.now, vault=troubled.vault))

    assert tray_view(troubled, story.now).mood is Mood.ATTENTION
    assert said.title == "The vault is in trouble"
    assert said.detail == "The vault's file is not what was written. Put a backup in place."
    assert tray_view(with_red, story.now).mood is Mood.RED


def test_a_fresh_heartbeat_leaves_the_menu_as_it_is(story: Story) -> None:
    """Heartbeats alone do not redraw a menu several times a minute."""
    before = tray_view(story.green, story.now).entries

    later = reduce(story.green, events.AgentBeat(at=story.now + 2, agent="tests", progress=8))

    assert tray_view(later, story.now + 2).entries == before
