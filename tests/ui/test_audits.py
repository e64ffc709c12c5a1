"""The Audits page: what it shows of an audit, what it asks for, and what it never shows."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QComboBox, QFileDialog, QLabel, QLineEdit, QPlainTextEdit, QPushButton, QWidget

from app.domain import commands
from app.domain.errors import UsageError
from app.domain.findinglines import may_be_read
from app.domain.findings import AuditView, Finding, FindingHistory, Severity, Standing, Standings
from app.engine.tasks import spawn
from app.ui.audits_view import AROUND, excerpt
from app.ui.findings_model import FindingsModel
from app.ui.pages.audits import AuditsPage
from app.ui.theme import LIGHT
from app.ui.window import Window
from tests.ui.audits import (
    FLASK,
    GONE,
    HTTPX,
    KEY,
    OLD_KEY,
    REPORT,
    SHELL,
    SKIP,
    TESTKEY,
    TODO,
    Audits,
    view_of,
    with_audit,
)
from tests.ui.models import HOSTILE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from app.domain.snapshot import Snapshot
    from app.ui.icons import Icons
    from tests.conftest import FakeClock
    from tests.ui.conftest import Desk, Story

CODE = "\n".join(f"line {number}" for number in range(1, 40))
CANARY = "AKIA5CANARY5CANARY5C"


@pytest.fixture
def audits(desk: Desk) -> Audits:
    """The agent's side of the bus."""
    made = Audits()
    made.attach(desk)
    return made


@pytest.fixture
async def window(audits: Audits, desk: Desk, fake_clock: FakeClock, icons: Icons) -> AsyncIterator[Window]:
    """A window on the program's own loop, with the program's own spawn."""
    del audits
    made = Window(desk.bus.send, spawn, fake_clock, icons, theme=LIGHT)
    yield made
    made.hide()
    made.deleteLater()
    await fake_clock.pass_time(1)


@pytest.fixture
def found(story: Story) -> Snapshot:
    """Two projects, one of which was audited."""
    return with_audit(story.green, view_of(REPORT))


async def _look(window: Window, snapshot: Snapshot) -> AuditsPage:
    window.render(snapshot)
    window.show()
    window.show_audits(FLASK)
    page = window.page_widget("audits")
    assert isinstance(page, AuditsPage)
    await _settle()
    return page


async def _settle() -> None:
    """Let everything that is ready on the loop run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def _until_read() -> None:
    """Wait until whatever the page has begun is done."""
    begun = [each for each in asyncio.all_tasks() if each.get_name().startswith("window:")]
    await asyncio.gather(*begun)


async def _until(holds: Callable[[], bool]) -> None:
    """Wait until a thread has done its work, and the page has taken it."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - a thread works, and tells the page alone
            await asyncio.sleep(0.01)


def _seen(widget: QWidget) -> str:
    labels = [label.text() for label in widget.findChildren(QLabel) if label.isVisible()]
    return "\n".join(
        [*labels, *(text.toPlainText() for text in widget.findChildren(QPlainTextEdit) if text.isVisible())]
    )


def _button(widget: QWidget, text: str) -> QPushButton:
    return next(b for b in widget.findChildren(QPushButton) if b.text() == text and b.isVisible())


def _buttons(widget: QWidget) -> set[str]:
    return {b.text() for b in widget.findChildren(QPushButton) if b.isVisible()}


def _choice(widget: QWidget, name: str) -> QComboBox:
    return next(c for c in widget.findChildren(QComboBox) if c.accessibleName() == name)


def _listed(page: AuditsPage) -> list[tuple[str, list[str]]]:
    return [(group.name, [row.fingerprint for row in group.rows]) for group in page.list.model.groups]


def _choose(page: AuditsPage, finding: Finding) -> None:
    page.list.view.setCurrentIndex(page.list.model.index_of(finding.fingerprint))


def _opened(page: AuditsPage) -> list[bool]:
    model = page.list.model
    return [page.list.view.isExpanded(model.index(place, 0)) for place in range(model.rowCount())]


async def test_new_findings_come_first_and_muted_ones_last_and_closed(window: Window, found: Snapshot) -> None:
    """New, known, fixed, muted, each the most severe first; what is fixed or muted is closed until it is wanted."""
    page = await _look(window, found)

    assert _listed(page) == [
        ("New \u00b7 2", [KEY.fingerprint, SKIP.fingerprint]),
        ("Known \u00b7 3", [OLD_KEY.fingerprint, SHELL.fingerprint, TODO.fingerprint]),
        ("Fixed since the audit before \u00b7 1", [GONE.fingerprint]),
        ("Muted \u00b7 1", [TESTKEY.fingerprint]),
    ]
    assert _opened(page) == [True, True, False, False]
    assert "5 findings, 2 new" in _seen(page)
    assert "Last audit 3 min ago \u00b7 marker docs/TASK_COMPLETE.md and 1 more \u00b7 took 4.2" in _seen(page)
    assert "2 critical" in _seen(page)


async def test_the_model_keeps_to_the_rules_of_qt(qapp: object, window: Window, found: Snapshot) -> None:
    """Qt's own tester of models has nothing to say against it, whatever is shown next."""
    del qapp
    page = await _look(window, found)
    tester = QAbstractItemModelTester(page.list.model, QAbstractItemModelTester.FailureReportingMode.Fatal)

    page.list.show_report(replace(REPORT, findings=REPORT.findings[:1], fixed=()))
    page.list.show_report(None)
    page.list.show_report(REPORT)

    assert tester.model() is page.list.model
    assert page.list.model.rowCount() == 4
    assert isinstance(page.list.model, FindingsModel)


@pytest.mark.parametrize(
    ("words", "severity", "standing", "shown"),
    [
        ("shell", 0, 0, [SHELL]),
        ("secrets deploy", 0, 0, [KEY, OLD_KEY]),
        ("", 3, 0, [KEY, OLD_KEY, SHELL, TESTKEY]),
        ("", 4, 1, [KEY]),
        ("", 0, 3, [GONE]),
        ("no such thing", 0, 0, []),
    ],
)
async def test_findings_are_filtered(
    window: Window, found: Snapshot, *, words: str, severity: int, standing: int, shown: list[Finding]
) -> None:
    """By their words, by severity, and by how they stand; what remains of the filters together is shown."""
    page = await _look(window, found)

    page.list._search.setText(words)
    _choice(page, "Severity").setCurrentIndex(severity)
    _choice(page, "Standing").setCurrentIndex(standing)

    listed = [fingerprint for _, rows in _listed(page) for fingerprint in rows]
    assert listed == [each.fingerprint for each in shown]
    assert ("No finding is like that." in _seen(page)) is not shown


async def test_the_lines_around_a_finding_are_read_from_its_file(
    window: Window, audits: Audits, found: Snapshot, tmp_path: Path
) -> None:
    """Three lines before and after, with their numbers, the finding's own marked."""
    (tmp_path / "app.py").write_text(CODE)
    finding = replace(SHELL, path="app.py", line=12, evidence="line 12")
    report = replace(REPORT, project=str(tmp_path), findings=(Standings(finding, Standing.NEW),), fixed=())
    page = await _look(window, found)
    del audits

    page.pane.show_finding(str(tmp_path), report, report.findings[0])
    await _until(lambda: "line 9" in _seen(page.pane))

    assert "   9  line 9\n  10  line 10\n  11  line 11\n\u25b8 12  line 12\n  13" in _seen(page.pane)
    assert "line 16" not in _seen(page.pane)


async def test_it_says_since_when_a_finding_is_known(
    window: Window, audits: Audits, desk: Desk, found: Snapshot, fake_clock: FakeClock
) -> None:
    """As the history tells it, of the finding that is chosen now; without the history nothing is missing."""

    async def history(asked: commands.ReadFindingHistory) -> FindingHistory | None:
        if asked.fingerprint != SHELL.fingerprint:
            return None
        now = fake_clock.wall()
        return FindingHistory(SHELL.fingerprint, SHELL.title, now - 4 * 86_400, now, 5, now - 86_400, came_back=True)

    desk.bus.handle(commands.ReadFindingHistory, history)
    page = await _look(window, found)
    del audits
    _choose(page, SHELL)
    await _until_read()
    chosen = _seen(page.pane)
    await fake_clock.pass_time(86_400)
    page.tick()
    later = _seen(page.pane)
    _choose(page, TODO)
    await _until_read()
    page.tick()

    assert "first seen 4 days ago, fixed and back again" in chosen
    assert "first seen 5 days ago, fixed and back again" in later
    assert "first seen" not in _seen(page.pane)


@pytest.mark.parametrize("check", ["secrets", "security"])
async def test_a_file_with_a_secret_is_never_shown(
    window: Window, found: Snapshot, tmp_path: Path, *, check: str
) -> None:
    """Of a secret, and of anything else in its file, only the masked evidence is seen."""
    (tmp_path / "deploy.py").write_text(f"KEY = '{CANARY}'\nsubprocess.run(line, shell=True)\n")
    other = replace(SHELL, path="deploy.py", line=2)
    report = replace(
        REPORT, project=str(tmp_path), findings=(Standings(KEY, Standing.NEW), Standings(other, Standing.NEW))
    )
    page = await _look(window, found)

    shown = next(each for each in report.findings if each.finding.check == check)
    page.pane.show_finding(str(tmp_path), report, shown)
    await _until_read()

    assert shown.finding.evidence in _seen(page.pane)
    assert CANARY not in _seen(page.pane)


@pytest.mark.parametrize(
    ("finding", "may"),
    [
        (SHELL, True),
        (KEY, False),
        (replace(KEY, path="elsewhere.py"), False),
        (replace(SHELL, path=KEY.path), False),
        (replace(SHELL, commit="0" * 40), False),
        (replace(SHELL, line=0), False),
        (replace(SHELL, path=""), False),
    ],
)
def test_which_files_may_be_read(finding: Finding, *, may: bool) -> None:
    """One with a line that is there now, and in which no secret was found, muted ones and old ones included."""
    assert may_be_read(finding, REPORT) is may


@pytest.mark.parametrize("path", ["../outside.py", "link.py", "missing.py", "fifo", "."])
async def test_no_file_outside_the_project_is_read(
    window: Window, found: Snapshot, tmp_path: Path, *, path: str
) -> None:
    """A finding that names another place, by dots or by a link, shows its evidence alone, as one whose file is gone."""
    import os  # noqa: PLC0415 - one test makes a FIFO

    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside.py").write_text(CODE)
    (root / "link.py").symlink_to(tmp_path / "outside.py")
    os.mkfifo(root / "fifo")
    finding = replace(SHELL, path=path, line=12, evidence="line 12")
    report = replace(REPORT, project=str(root), findings=(Standings(finding, Standing.NEW),))
    page = await _look(window, found)

    page.pane.show_finding(str(root), report, report.findings[0])
    await _until_read()

    assert "line 12" in _seen(page.pane)
    assert "line 11" not in _seen(page.pane)


async def test_what_a_check_says_is_shown_to_the_letter(window: Window, audits: Audits, found: Snapshot) -> None:
    """Markup in a title, a path, a detail or a remedy is text, in every label and tooltip, and nothing turns a line."""
    bad = replace(KEY, title=HOSTILE, path="<b>a</b>.py", evidence=HOSTILE, detail=HOSTILE, remedy=HOSTILE)
    audits.reports[FLASK] = replace(REPORT, findings=(Standings(bad, Standing.NEW),))

    page = await _look(window, found)

    assert "<b>bold</b> <img src=" in _seen(page.pane)
    assert "\u202e" not in _seen(page)
    assert all(each.textFormat() is Qt.TextFormat.PlainText for each in page.findChildren(QLabel) if each.text())
    index = page.list.model.index_of(bad.fingerprint)
    assert "&lt;img" in str(index.data(Qt.ItemDataRole.ToolTipRole))


async def test_a_finding_is_muted_for_a_reason(window: Window, audits: Audits, found: Snapshot) -> None:
    """Without a reason there is nothing to press; with one it goes below the muted ones, and the next is shown."""
    page = await _look(window, found)
    _choose(page, KEY)

    _button(page, "Mute\u2026").click()
    reason = next(f for f in page.findChildren(QLineEdit) if f.accessibleName() == "Reason for muting")
    was_enabled = _button(page, "Mute").isEnabled()
    reason.setText("  a key of\tthe test server ")
    _choice(page, "How long it is muted").setCurrentIndex(2)
    _button(page, "Mute").click()
    await _settle()
    changed = view_of(audits.answer(commands.ReadAudit(project=FLASK)))  # type: ignore[arg-type] # a report
    window.render(with_audit(found, changed))
    await _settle()

    assert not was_enabled
    assert audits.of(commands.MuteFinding) == [
        commands.MuteFinding(project=FLASK, fingerprint=KEY.fingerprint, reason="a key of the test server", days=30)
    ]
    assert _listed(page)[0] == ("New \u00b7 1", [SKIP.fingerprint])
    assert _listed(page)[-1] == ("Muted \u00b7 2", [KEY.fingerprint, TESTKEY.fingerprint])
    assert _opened(page) == [True, True, False, False]
    assert SKIP.title in _seen(page.pane)


@pytest.mark.parametrize("name", ["Reason for muting", "How long it is muted", "Cancel muting"])
async def test_escape_closes_the_form_and_not_the_window(
    window: Window, found: Snapshot, qtbot: QtBot, name: str
) -> None:
    """Wherever in the form the cursor is; pressed once more it is the window's."""
    page = await _look(window, found)
    _choose(page, KEY)
    _button(page, "Mute\u2026").click()
    field = next(each for each in page.pane.findChildren(QWidget) if each.accessibleName() == name)
    field.setFocus()

    qtbot.keyClick(field, Qt.Key.Key_Escape)
    is_open, is_there = field.isVisible(), window.isVisible()
    qtbot.keyClick(_button(page, "Mute\u2026"), Qt.Key.Key_Escape)

    assert (is_open, is_there) == (False, True)
    assert not window.isVisible()


async def test_a_muted_finding_is_told_again(window: Window, audits: Audits, found: Snapshot) -> None:
    """It says why it is muted; what the baseline file accepts offers nothing, since only that file can take it back."""
    baseline = Standings(SHELL, Standing.MUTED, "It is in the baseline.")
    audits.reports[FLASK] = replace(REPORT, findings=(*REPORT.findings[:3], baseline, REPORT.findings[-1]))
    page = await _look(window, found)

    _choose(page, SHELL)
    of_baseline = _buttons(page.pane)
    _choose(page, TESTKEY)
    said = _seen(page.pane)
    _button(page, "Tell again").click()
    await _settle()

    assert of_baseline == {"Explain"}
    assert "Muted: a key of the test server" in said
    assert audits.of(commands.UnmuteFinding) == [commands.UnmuteFinding(project=FLASK, fingerprint=TESTKEY.fingerprint)]


async def test_a_refusal_is_told(window: Window, audits: Audits, found: Snapshot) -> None:
    """What the agent refuses stands at the top of the window, and what to do about it."""
    page = await _look(window, found)
    audits.refuse = UsageError("It is not muted.", "Look at the list.")
    _choose(page, TESTKEY)

    _button(page, "Tell again").click()
    await _settle()

    assert "It is not muted." in _seen(window)
    assert "Look at the list." in _seen(window)


async def test_an_audit_is_begun_and_stopped(window: Window, audits: Audits, found: Snapshot) -> None:
    """One button gives way to the other, which takes the keyboard's place, and the headline says what is done."""
    page = await _look(window, found)
    _button(page, "Audit now").setFocus()

    _button(page, "Audit now").click()
    window.render(with_audit(found, view_of(REPORT, "waiting")))
    waiting, focus = _seen(page), window.focusWidget()
    window.render(with_audit(found, view_of(REPORT, "Static security")))
    running = _seen(page)
    _button(page, "Stop").click()
    await _settle()

    assert audits.of(commands.StartAudit) == [commands.StartAudit(project=FLASK)]
    assert audits.of(commands.CancelAudit) == [commands.CancelAudit(project=FLASK)]
    assert "Audit is waiting" in waiting
    assert focus is not None
    assert focus.accessibleName() == "Stop the audit"
    assert "Auditing, Static security" in running
    assert "Audit now" not in _buttons(page)


async def test_another_audit_is_read_and_no_other_snapshot_reads(
    window: Window, audits: Audits, found: Snapshot
) -> None:
    """A report is asked for when it may be another, and not at each beat of an agent."""
    page = await _look(window, found)
    before = len(audits.of(commands.ReadAudit))

    window.render(with_audit(found, view_of(REPORT, "Secrets")))
    await _settle()
    beat = len(audits.of(commands.ReadAudit))
    newer = replace(REPORT, id="1234567890abcdef", started_at=REPORT.started_at + 100, findings=REPORT.findings[:1])
    audits.reports[FLASK] = newer
    window.render(with_audit(found, view_of(newer)))
    await _settle()

    assert beat == before
    assert len(audits.of(commands.ReadAudit)) == before + 1
    assert "1 finding, 1 new" in _seen(page)
    assert page.list.model.rowCount() == 2


@given(source=st.text(), line=st.integers(1, 40), evidence=st.text(max_size=20))
def test_any_excerpt_is_of_the_line_that_was_found(source: str, line: int, evidence: str) -> None:
    """Whatever a file holds by now: nothing of it is shown, or the line that holds the evidence is marked, once."""
    finding = replace(SHELL, line=line, evidence=evidence)

    shown = excerpt(source, finding)

    marked = [each for each in shown.splitlines() if each.startswith("\u25b8")]
    assert len(marked) == bool(shown)
    assert all(each.split()[1] == str(line) for each in marked)
    assert all(each.isprintable() for each in shown.split("\n"))
    assert shown.count("\n") <= 2 * AROUND


def test_a_line_that_is_another_by_now_is_not_shown() -> None:
    """A file that has changed since the audit would show a line that nothing was found in."""
    finding = replace(SHELL, line=2, evidence="subprocess.run(line, shell=True)")

    assert excerpt("a\n    subprocess.run( line, shell=True )\nb", finding)
    assert excerpt("a\nsubprocess.run([line])\nb", finding) == ""
    assert excerpt("a", finding) == ""


async def test_what_is_read_leaves_the_keyboard_where_it_is(window: Window, audits: Audits, found: Snapshot) -> None:
    """Neither a beat of an agent nor the same report again moves it from a group, or opens what was closed."""
    page = await _look(window, found)
    view, known = page.list.view, page.list.model.index(1, 0)
    view.collapse(page.list.model.index(0, 0))
    view.setCurrentIndex(known)
    shown = _seen(page.pane)

    window.render(with_audit(found, view_of(REPORT, "Secrets")))
    again = replace(REPORT, id="1234567890abcdef", started_at=REPORT.started_at + 100)
    audits.reports[FLASK] = again
    window.render(with_audit(found, view_of(again)))
    await _settle()

    assert view.currentIndex() == known
    assert _opened(page) == [False, True, False, False]
    assert _seen(page.pane) == shown


async def test_one_chooses_among_projects(window: Window, audits: Audits, found: Snapshot) -> None:
    """Another project has its own audits, and says what makes one begin while it has none."""
    page = await _look(window, found)

    chooser = _choice(page, "Project or account")
    chooser.setCurrentIndex(1)
    chooser.activated.emit(1)
    await _settle()

    assert [chooser.itemText(place) for place in range(chooser.count())] == ["flask", "httpx"]
    assert audits.of(commands.ReadAudit)[-1] == commands.ReadAudit(project=HTTPX)
    assert "No audit yet" in _seen(page)
    assert "TASK_COMPLETE.md" in _seen(page)
    assert "Save\u2026" not in _buttons(page)
    assert page.list.model.rowCount() == 0


async def test_an_audit_of_a_command_is_seen(window: Window, story: Story) -> None:
    """A report that a command has made meanwhile is shown, also where the agent has told of none."""
    page = await _look(window, with_audit(story.green, AuditView(FLASK)))

    assert "5 findings, 2 new" in _seen(page)
    assert page.list.model.rowCount() == 4


async def test_no_project_and_a_lost_report_are_told(window: Window, audits: Audits, story: Story) -> None:
    """Without a project the page says how to watch one; a report that is gone is not taken for nothing found."""
    page = await _look(window, story.empty)
    nothing = _seen(page)
    audits.reports.clear()

    window.render(with_audit(story.green, view_of(REPORT)))
    window.show_audits(FLASK)
    await _settle()

    assert "watchkeeper PATH" in nothing
    assert "report is not there any more" in _seen(page)
    assert "5 findings, 2 new" in _seen(page)


async def test_checks_say_why_they_do_not_know(window: Window, found: Snapshot) -> None:
    """What could not be looked at stands first, with its reason; the trend has a bar for each audit."""
    page = await _look(window, found)

    said = [label.text() for label in page.checks.findChildren(QLabel) if label.text()]
    assert said.index("Vulnerable dependencies") < said.index("Secrets") < said.index("Tests and coverage")
    assert "The OSV database does not answer, and none is on this machine." in said
    assert len(page.checks.plot.bars) == 11
    assert page.checks.plot.accessibleDescription().startswith("11 audits")


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("report.html", "<!doctype html>"),
        ("report.md", "#"),
        ("report.sarif", "{"),
        ("report.json", "{"),
        ("report", "<!doctype html>"),
    ],
)
async def test_a_report_is_saved(window: Window, found: Snapshot, tmp_path: Path, *, name: str, begins: str) -> None:
    """In the form of its suffix, without the folder of the person's machine, and the page says where it is."""
    page = await _look(window, found)
    _button(page, "Save\u2026").click()
    dialog = window.findChild(QFileDialog)
    assert isinstance(dialog, QFileDialog)

    dialog.fileSelected.emit(str(tmp_path / name))
    await _until(lambda: "Saved to" in _seen(page))
    dialog.close()

    text = (tmp_path / name).read_text("utf-8")
    assert text.lower().startswith(begins)
    assert "AWS access key id" in text
    assert "/home/ada" not in text
    if begins == "{":
        assert json.loads(text)


async def test_a_report_that_cannot_be_saved_is_told(window: Window, found: Snapshot, tmp_path: Path) -> None:
    """A folder that is not there is named at the top of the window."""
    page = await _look(window, found)
    _button(page, "Save\u2026").click()
    dialog = window.findChild(QFileDialog)
    assert isinstance(dialog, QFileDialog)

    dialog.fileSelected.emit(str(tmp_path / "none" / "report.md"))
    await _until(lambda: "cannot be written" in _seen(window))
    dialog.close()

    assert "Choose another folder." in _seen(window)


def test_the_keyboard_reaches_it(
    qtbot: QtBot, *, audits: Audits, desk: Desk, fake_clock: FakeClock, icons: Icons, found: Snapshot
) -> None:
    """Ctrl+4 shows the page, Ctrl+F goes to its search field, Enter opens and closes what is muted."""
    del audits
    window = Window(desk.bus.send, desk.spawn, fake_clock, icons, theme=LIGHT)
    qtbot.addWidget(window)
    window.render(found)
    with qtbot.waitActive(window):
        window.open()

    qtbot.keyClick(window, Qt.Key.Key_4, Qt.KeyboardModifier.ControlModifier)
    shown, page = window.page, window.page_widget("audits")
    assert isinstance(page, AuditsPage)
    qtbot.keyClick(window, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    searched = window.focusWidget()
    muted = page.list.model.index(3, 0)
    page.list.focus_list()
    page.list.view.setCurrentIndex(muted)
    qtbot.keyClick(page.list.view, Qt.Key.Key_Return)
    was_open = page.list.view.isExpanded(muted)
    qtbot.keyClick(page.list.view, Qt.Key.Key_Return)
    window.hide()

    assert shown == "audits"
    assert searched is page.list._search
    assert was_open
    assert not page.list.view.isExpanded(muted)


def test_each_severity_has_a_shape_of_its_own(icons: Icons) -> None:
    """In one colour, no two severities look alike: they are told apart without seeing colour."""
    shapes = {icons.symbol(f"severity-{each}", "#000000", 16).toImage().bits().tobytes() for each in Severity}

    assert len(shapes) == len(Severity)
