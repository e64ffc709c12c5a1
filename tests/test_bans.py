"""Nested Qt loops freeze tasks for good, so nothing in app/ may start one (measured; see app/ui/loop.py)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

APP = Path(__file__).parent.parent / "app"
RUNNER = APP / "ui" / "loop.py"
NESTING_CALLS = frozenset({"exec", "exec_", "processEvents"})
STATIC_DIALOGS = {
    "QMessageBox": frozenset({"question", "warning", "information", "critical", "about", "aboutQt"}),
    "QFileDialog": frozenset(
        {"getExistingDirectory", "getExistingDirectoryUrl", "getOpenFileName", "getOpenFileNames", "getOpenFileUrl",
         "getOpenFileUrls", "getSaveFileName", "getSaveFileUrl", "getOpenFileContent"}
    ),
    "QInputDialog": frozenset({"getText", "getInt", "getDouble", "getItem", "getMultiLineText"}),
    "QColorDialog": frozenset({"getColor"}),
    "QFontDialog": frozenset({"getFont"}),
}  # fmt: skip
LOSSY_NAMES = frozenset({"asyncSlot", "asyncClose", "asyncWrap"})


def violations(source: str) -> list[str]:
    """Return "line: what" for each use that nests a Qt loop, or loses a task's exception as qasync's decorators do."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if (
                node.attr in NESTING_CALLS
                or node.attr in LOSSY_NAMES
                or node.attr in STATIC_DIALOGS.get(owner, frozenset())
            ):
                found.append(f"{node.lineno}: {owner}.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module == "qasync":
            found += [f"{node.lineno}: {alias.name}" for alias in node.names if alias.name in LOSSY_NAMES]
    return found


@pytest.mark.parametrize(
    "source",
    [
        "dialog.exec()",
        "QMenu(self).exec_(point)",
        "run = dialog.exec",
        "QApplication.processEvents()",
        "app.instance().processEvents()",
        "QMessageBox.question(None, 'a', 'b')",
        "QtWidgets.QMessageBox.critical(None, 'a', 'b')",
        "QFileDialog.getExistingDirectory()",
        "from qasync import asyncSlot",
        "@qasync.asyncClose\ndef close(): ...",
    ],
)
def test_the_ban_finds(source: str) -> None:
    """Each way of nesting a loop is recognised."""
    assert violations(source)


@pytest.mark.parametrize("source", ["dialog.open()", "menu.popup(point)", "log.warning('x')", "exec('1')"])
def test_the_ban_leaves_alone(source: str) -> None:
    """What nests no loop is no violation."""
    assert violations(source) == []


def test_nothing_in_the_application_nests_a_qt_loop() -> None:
    """Dialogs are opened with open() and a Future, menus with popup(); exec() is for the application's runner alone."""
    found = [
        f"{path.relative_to(APP.parent)}:{violation}"
        for path in sorted(APP.rglob("*.py"))
        for violation in violations(path.read_text("utf-8"))
        if path != RUNNER
    ]

    assert found == []


def test_the_runner_starts_the_application_exactly_once() -> None:
    """The exception to the ban is one call in one file."""
    assert [violation.split(": ")[1] for violation in violations(RUNNER.read_text("utf-8"))] == ["_application.exec"]
