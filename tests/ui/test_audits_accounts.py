"""AWS accounts on the Audits page: chosen beside projects, their findings, and a repair that asks twice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QComboBox, QLabel, QLineEdit, QPlainTextEdit, QPushButton, QWidget

from app.domain import commands
from app.domain.errors import CannotError
from app.domain.findings import (
    AuditReport,
    AuditVerdict,
    AuditView,
    CheckOutcome,
    Finding,
    Severity,
    Standing,
    Standings,
    Trigger,
)
from app.domain.repairs import RepairOutcome, RepairPlan, SettingChange
from app.domain.snapshot import Mood
from app.engine.tasks import spawn
from app.ui.headline import headline
from app.ui.pages.audits import AuditsPage
from app.ui.theme import LIGHT
from app.ui.tray_view import tray_view
from app.ui.window import Window
from tests.ui.audits import FLASK, NOW, Audits, view_of, with_audit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.ui.icons import Icons
    from tests.conftest import FakeClock
    from tests.ui.conftest import Desk, Story

ROOT = "/home/ada/.local/share/watchkeeper/aws/production"
BUCKET = "arn:aws:s3:::shop"
OPEN = Finding(
    "s3", "s3-block-public-access", "Off for the bucket: all four switches.", Severity.HIGH,
    remedy="Turn on all four switches.", fingerprint="a7" * 12, resource=BUCKET,
)  # fmt: skip
LOGS = replace(OPEN, rule="s3-access-logging", title="Requests are not logged.", fingerprint="a8" * 12)
KEPT = replace(OPEN, rule="s3-cross-account", title="Another account gets in.", fingerprint="a9" * 12)
AWS = AuditReport(
    "1234567890abcdef", ROOT, NOW - 190, 4.2, Trigger(),
    checks=(CheckOutcome("s3", "S3", AuditVerdict.FAIL, findings=3, took_s=4.0),),
    findings=tuple(Standings(each, Standing.NEW) for each in (OPEN, LOGS, KEPT)),
    target="AWS account production (111122223333)",
)  # fmt: skip
VIEW = replace(view_of(AWS), target="AWS production")
PLAN = RepairPlan(
    "d1" * 32,
    "Turn on block public access for the bucket",
    "bucket shop in eu-central-1",
    (SettingChange("block public access", ("-(nothing is set)", '+  "BlockPublicAcls": true')),),
    ('s3 PutPublicAccessBlock\n{"Bucket": "shop"}',),
    ("Anybody can read objects now, and cannot any more then.",),
)
DONE = RepairOutcome(is_done=True, state="/state.json", journal=("s3:PutPublicAccessBlock on bucket shop: done",))


@dataclass
class Repairs:
    """The agent's side: notes what it is asked, and answers or refuses."""

    asked: list[commands.Command] = field(default_factory=list)
    refuse: Exception | None = None
    plan: RepairPlan = PLAN

    def answer(self, command: commands.Command) -> object:
        """Answer a command of the panel."""
        self.asked.append(command)
        if self.refuse is not None:
            raise self.refuse
        return self.plan if isinstance(command, commands.PlanRepair) else DONE


@pytest.fixture
def audits(desk: Desk) -> Audits:
    """The agent's side of the bus."""
    made = Audits({ROOT: AWS})
    made.attach(desk)
    return made


@pytest.fixture
def repairs(desk: Desk, audits: Audits) -> Repairs:
    """What repairs on the agent's side of the bus."""
    del audits
    made = Repairs()
    for kind in (commands.PlanRepair, commands.ApplyRepair, commands.RollBackRepair):
        desk.bus.handle(kind, made.answer)
    return made


@pytest.fixture
async def page(
    repairs: Repairs, desk: Desk, fake_clock: FakeClock, icons: Icons, story: Story
) -> AsyncIterator[AuditsPage]:
    """The page at the account."""
    del repairs
    window = Window(desk.bus.send, spawn, fake_clock, icons, theme=LIGHT)
    window.render(with_audit(story.green, VIEW))
    window.show()
    window.show_audits(ROOT)
    found = window.page_widget("audits")
    assert isinstance(found, AuditsPage)
    await _settle()
    yield found
    window.hide()
    window.deleteLater()
    await fake_clock.pass_time(1)


async def _settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


def _seen(widget: QWidget) -> str:
    texts = [label.text() for label in widget.findChildren(QLabel) if label.isVisible()]
    return "\n".join(
        [*texts, *(text.toPlainText() for text in widget.findChildren(QPlainTextEdit) if text.isVisible())]
    )


def _buttons(widget: QWidget) -> set[str]:
    return {b.text() for b in widget.findChildren(QPushButton) if b.isVisible()}


async def _press(widget: QWidget, text: str) -> None:
    next(b for b in widget.findChildren(QPushButton) if b.text() == text and b.isVisible()).click()
    await _settle()


async def _choose(page: AuditsPage, finding: Finding) -> None:
    page.list.view.setCurrentIndex(page.list.model.index_of(finding.fingerprint))
    await _settle()


async def test_an_account_is_chosen_beside_projects(page: AuditsPage, audits: Audits) -> None:
    """It stands in the choice by its name, its findings have the resource in place of a file, and it can be audited."""
    chooser = next(c for c in page.findChildren(QComboBox) if c.accessibleName() == "Project or account")

    await _choose(page, OPEN)
    await _press(page, "Audit now")

    assert [chooser.itemText(place) for place in range(chooser.count())] == ["flask", "httpx", "AWS production"]
    assert chooser.currentText() == "AWS production"
    assert BUCKET in _seen(page.pane)
    assert audits.of(commands.StartAudit) == [commands.StartAudit(project=ROOT)]


async def test_a_repair_is_shown_and_asks_twice(page: AuditsPage, repairs: Repairs) -> None:
    """The plan is read first; only a second and explicit yes applies that plan; afterwards it can be taken back."""
    await _choose(page, OPEN)
    await _press(page.pane, "Repair\u2026")
    planned, offered = _seen(page.pane), _buttons(page.pane)
    await _press(page.pane, "Apply\u2026")
    asked_before, sure = list(repairs.asked), _seen(page.pane)
    await _press(page.pane, "No")
    thought_better = list(repairs.asked)
    await _press(page.pane, "Apply\u2026")
    await _press(page.pane, "Apply now")
    applied, back = _seen(page.pane), _buttons(page.pane)
    await _press(page.pane, "Roll back\u2026")
    await _press(page.pane, "Put back now")

    which = {"project": ROOT, "fingerprint": OPEN.fingerprint}
    assert all(each in planned for each in ("Nothing was changed yet", "(nothing is set)", "PutPublicAccessBlock"))
    assert "Anybody can read objects now" in planned
    assert offered == {"Apply\u2026", "Back"}
    assert asked_before == thought_better == [commands.PlanRepair(**which)]
    assert "This changes your AWS account" in sure
    assert "/state.json" in applied
    assert "PutPublicAccessBlock on bucket shop: done" in applied
    assert back == {"Roll back\u2026", "Back"}
    assert repairs.asked[1:] == [
        commands.ApplyRepair(**which, digest=PLAN.digest),
        commands.RollBackRepair(**which),
    ]
    assert "As before again" in _seen(page.pane)


async def test_only_what_can_be_repaired_offers_it(page: AuditsPage, repairs: Repairs) -> None:
    """A finding without a repair has no such button; one that needs a name is planned once that is given."""
    await _choose(page, KEPT)
    without = _buttons(page.pane)
    await _choose(page, LOGS)
    await _press(page.pane, "Repair\u2026")
    await _press(page.pane, "Show the plan")
    unnamed = list(repairs.asked)
    next(each for each in page.pane.findChildren(QLineEdit) if each.isVisible()).setText(" shop-logs ")
    await _press(page.pane, "Show the plan")

    assert without == {"Mute\u2026"}
    assert unnamed == []
    assert repairs.asked == [commands.PlanRepair(project=ROOT, fingerprint=LOGS.fingerprint, logs_to="shop-logs")]


async def test_a_refused_repair_says_why(page: AuditsPage, repairs: Repairs) -> None:
    """What went wrong is told in the panel, nothing can be applied then, and Back leads to the finding."""
    repairs.refuse = CannotError("bucket shop: s3:GetBucketPolicy denied. Nothing was changed.", "Allow that call.")

    await _choose(page, OPEN)
    await _press(page.pane, "Repair\u2026")
    told, offered = _seen(page.pane), _buttons(page.pane)
    await _press(page.pane, "Back")

    assert "s3:GetBucketPolicy denied. Nothing was changed. Allow that call." in told
    assert offered == {"Back"}
    assert "Repair\u2026" in _buttons(page.pane)


async def test_nothing_to_do_offers_nothing(page: AuditsPage, repairs: Repairs) -> None:
    """A plan without changes cannot be applied."""
    repairs.plan = replace(PLAN, changes=(), calls=(), touches=())

    await _choose(page, OPEN)
    await _press(page.pane, "Repair\u2026")

    assert "all is as it should be" in _seen(page.pane)
    assert _buttons(page.pane) == {"Back"}


def test_what_is_grave_in_an_account_is_told(story: Story) -> None:
    """The icon, the headline and the menu tell of it by its name; an account without a name is none any more."""
    snapshot = with_audit(story.green, VIEW)
    gone = with_audit(snapshot, AuditView(ROOT))
    both = with_audit(snapshot, replace(view_of(AWS), project=FLASK))

    assert snapshot.mood is Mood.ATTENTION
    assert headline(snapshot, NOW).title == "3 high findings in AWS production"
    assert headline(both, NOW).title == "6 high findings in 1 project and 1 account"
    assert "AWS production: 3 high findings" in [entry.text for entry in tray_view(snapshot, NOW).entries]
    assert gone.accounts == ()
    assert gone.mood is story.green.mood
