"""The clipboard for secrets: its marks, its half minute, and what it leaves alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtGui import QClipboard, QGuiApplication

from app.ui.clipboard import CLEAR_S, Clipboard, secret_marks

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from tests.conftest import FakeClock

SECRET = "sk-0f3a-canary"  # noqa: S105 - it opens nothing


@pytest.fixture
def system(qapp: QApplication) -> QClipboard:
    """The system's clipboard, empty."""
    del qapp
    clipboard = QGuiApplication.clipboard()
    clipboard.clear()
    return clipboard


@pytest.mark.parametrize(
    ("platform", "marks"),
    [
        ("linux", {"x-kde-passwordManagerHint": b"secret"}),
        ("freebsd14", {"x-kde-passwordManagerHint": b"secret"}),
        ("darwin", {"org.nspasteboard.ConcealedType": b"1"}),
        (
            "win32",
            {
                'application/x-qt-windows-mime;value="ExcludeClipboardContentFromMonitorProcessing"': b"1",
                'application/x-qt-windows-mime;value="CanIncludeInClipboardHistory"': b"\0\0\0\0",
                'application/x-qt-windows-mime;value="CanUploadToCloudClipboard"': b"\0\0\0\0",
            },
        ),
    ],
)
async def test_a_secret_is_marked_as_one(
    system: QClipboard, fake_clock: FakeClock, platform: str, marks: dict[str, bytes]
) -> None:
    """Beside the text lies what each system's clipboard managers look for, and nothing of the secret."""
    async with Clipboard(fake_clock, platform=platform) as clipboard:
        clipboard.put(SECRET)
        content = system.mimeData()
        found = {mime: content.data(mime).data() for mime in content.formats() if not mime.startswith("text/plain")}
        text = content.text()

    assert found == marks == dict(secret_marks(platform))
    assert text == SECRET


async def test_a_secret_goes_after_half_a_minute(system: QClipboard, fake_clock: FakeClock) -> None:
    """It stays for as long as was said, and not a second longer."""
    async with Clipboard(fake_clock) as clipboard:
        stays = clipboard.put(SECRET)
        await fake_clock.pass_time(CLEAR_S - 1)
        before = system.text()
        await fake_clock.pass_time(1)

        assert stays == CLEAR_S
        assert before == SECRET
        assert system.text() == ""
        assert fake_clock.sleeping == 0


async def test_what_was_copied_since_is_left_alone(system: QClipboard, fake_clock: FakeClock) -> None:
    """A person's own text is not taken away."""
    async with Clipboard(fake_clock) as clipboard:
        clipboard.put(SECRET)
        system.setText("a shopping list")
        await fake_clock.pass_time(CLEAR_S)

    assert system.text() == "a shopping list"


async def test_the_same_text_from_elsewhere_is_cleared(system: QClipboard, fake_clock: FakeClock) -> None:
    """A clipboard manager that took the text over still holds the secret."""
    async with Clipboard(fake_clock) as clipboard:
        clipboard.put(SECRET)
        system.setText(SECRET)
        await fake_clock.pass_time(CLEAR_S)

        assert system.text() == ""


async def test_a_second_secret_has_its_own_half_minute(system: QClipboard, fake_clock: FakeClock) -> None:
    """The first one's time does not end the second one's."""
    async with Clipboard(fake_clock) as clipboard:
        clipboard.put("the first")
        await fake_clock.pass_time(20)
        clipboard.put(SECRET)
        await fake_clock.pass_time(20)
        between = system.text()
        await fake_clock.pass_time(10)

        assert between == SECRET
        assert system.text() == ""


async def test_leaving_clears_at_once(system: QClipboard, fake_clock: FakeClock) -> None:
    """A program that quits does not leave a secret behind, nor a task."""
    async with Clipboard(fake_clock) as clipboard:
        clipboard.put(SECRET)
    at_once = system.text()
    system.setText(SECRET)
    await fake_clock.pass_time(CLEAR_S)

    assert at_once == ""
    assert system.text() == SECRET


async def test_leaving_takes_nothing_that_is_not_ours(system: QClipboard, fake_clock: FakeClock) -> None:
    """A clipboard that was never used for a secret is not touched, and an empty one is no secret of ours."""
    system.setText("a shopping list")

    async with Clipboard(fake_clock):
        pass

    assert system.text() == "a shopping list"


class Selecting:
    """A clipboard of X11, whose selection another program keeps like the clipboard; offscreen there is no selection."""

    def __init__(self) -> None:
        self.texts = {QClipboard.Mode.Clipboard: "", QClipboard.Mode.Selection: ""}

    def setMimeData(self, content: object) -> None:  # noqa: N802 - Qt's name
        self.texts = dict.fromkeys(self.texts, content.text())  # type: ignore[attr-defined] # a QMimeData

    def supportsSelection(self) -> bool:  # noqa: N802 - likewise
        return True

    def text(self, mode: QClipboard.Mode) -> str:
        return self.texts[mode]

    def clear(self, mode: QClipboard.Mode) -> None:
        self.texts[mode] = ""


@pytest.mark.parametrize(("selected", "left"), [(SECRET, ""), ("a line that was marked", "a line that was marked")])
async def test_the_selection_of_x11_is_cleared_where_the_secret_came_there(
    qapp: QApplication, fake_clock: FakeClock, selected: str, left: str
) -> None:
    """Programs that keep both clipboards alike put it there; a selection of something else stays."""
    del qapp
    far_end = Selecting()

    async with Clipboard(fake_clock, system=lambda: far_end) as clipboard:
        clipboard.put(SECRET)
        far_end.texts[QClipboard.Mode.Selection] = selected

    assert far_end.texts == {QClipboard.Mode.Clipboard: "", QClipboard.Mode.Selection: left}


async def test_the_value_is_kept_nowhere(system: QClipboard, fake_clock: FakeClock) -> None:
    """What the object remembers is no form of the secret."""
    async with Clipboard(fake_clock) as clipboard:
        clipboard.put(SECRET)
        kept = repr(vars(clipboard))
        system.clear()

    assert SECRET not in kept
    assert SECRET.encode().hex() not in kept


@given(st.text())
def test_every_platform_has_a_mark(platform: str) -> None:
    """Wherever it runs, something says that this is a secret."""
    assert secret_marks(platform)
    assert secret_marks() == secret_marks(sys.platform)
