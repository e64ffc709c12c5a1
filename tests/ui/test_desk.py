"""What is on the desk: which page of the window a command raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.domain import commands
from app.ui.desk import Desk as RealDesk
from app.ui.pages.conversation import ConversationPage
from tests.ui.models import EXCHANGES

if TYPE_CHECKING:
    from app.domain.commands import RaiseWindow
    from tests.conftest import FakeClock
    from tests.ui.conftest import Desk


@pytest.mark.parametrize(
    ("command", "page", "said"),
    [
        (commands.RaiseWindow(page="conversation"), "conversation", ""),
        (commands.RaiseWindow(page="conversation", conversation="one"), "conversation", EXCHANGES[0].question),
        (
            commands.RaiseWindow(page="conversation", conversation="", project="/p", nodeid="t.py::a"),
            "conversation",
            "",
        ),
        (commands.RaiseWindow(page="audits", project="/p"), "audits", ""),
        (commands.RaiseWindow(page="keys"), "keys", ""),
        (commands.RaiseWindow(project="/p", nodeid="t.py::a"), "tests", ""),
        (commands.RaiseWindow(page="nonsense"), "now", ""),
    ],
)
async def test_the_window_is_raised_where_it_is_asked_for(
    desk: Desk, fake_clock: FakeClock, *, command: RaiseWindow, page: str, said: str
) -> None:
    """A page, a conversation, a new one about a test, or a test: the command says which."""
    async with RealDesk(desk.bus, fake_clock) as real:
        await desk.bus.send(command)
        await fake_clock.pass_time(1)

        window = real._built_window()
        assert window.page == page
        if page == "conversation":
            shown = window.page_widget("conversation")
            assert isinstance(shown, ConversationPage)
            assert said in shown.transcript.toPlainText()
            assert shown._about.name == (command.nodeid or ("tests/test_basic.py::test_teardown_3" if said else ""))
