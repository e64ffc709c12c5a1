"""Lets the desktop tests run in a desktop session only, and gives them what they stand on.

`python installer/bootstrap.py test` starts that session (session.py). Plain `pytest` leaves this folder out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

HERE = Path(__file__).parent
IN_SESSION = os.environ.get("WATCHKEEPER_DESKTOP") == "1"

collect_ignore_glob = [] if IN_SESSION else ["*"]

if IN_SESSION:
    # The kit is no part of the product: it is found beside the tests, which pytest imports by path.
    sys.path.insert(0, str(HERE))
    from session import desk_of

    # On one desk two tests would press each other's buttons.
    os.environ.update(desk_of(os.environ.get("PYTEST_XDIST_WORKER", ""), os.environ))

SESSION_ENVIRON = dict(os.environ)
"""What the programs under test are started with."""

if IN_SESSION:
    # The tests look at the desktop from outside: a Qt of their own must not take part in it.
    os.environ["QT_QPA_PLATFORM"] = "offscreen"

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from kit.notifications import Dunst, NotificationMonitor
    from kit.program import Program
    from kit.project import Project
    from kit.reader import ScreenReader
    from kit.screen import Screen
    from session import Session


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, so that `-m desktop` finds it."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.desktop)


@pytest.fixture(scope="session")
def session() -> Session:
    """The session that session.py started around this pytest; failing, not skipping, where it does not answer."""
    from session import ENV_FOLDER, Session, has_tray  # noqa: PLC0415 - found by sys.path in a session only

    folder = os.environ.get(ENV_FOLDER)
    display = os.environ.get("DISPLAY", "")
    ping = ["--dest=org.freedesktop.Notifications", "/org/freedesktop/Notifications", "org.freedesktop.DBus.Peer.Ping"]
    answers = folder and has_tray(display) and _succeeds("dbus-send", "--session", "--print-reply", *ping)
    if not answers:
        pytest.fail("There is no desktop session here. Run: python tests/desktop/session.py COMMAND", pytrace=False)
    return Session(environ=SESSION_ENVIRON, folder=Path(str(folder)))


@pytest.fixture
def screen(session: Session) -> Screen:
    """The session's screen."""
    from kit.screen import Screen  # noqa: PLC0415 - found by sys.path in a session only

    return Screen(session.environ)


@pytest.fixture
def dunst(session: Session) -> Dunst:
    """The session's notification service, with nothing on the screen."""
    from kit.notifications import Dunst  # noqa: PLC0415 - likewise

    dunst = Dunst(session.environ, session.folder)
    dunst.close_all()
    return dunst


@pytest.fixture
async def notifications(session: Session) -> AsyncIterator[NotificationMonitor]:
    """Every notification of Watchkeeper from now on."""
    from kit.notifications import NotificationMonitor  # noqa: PLC0415 - likewise

    async with NotificationMonitor(session.environ["DBUS_SESSION_BUS_ADDRESS"]) as monitor:
        yield monitor


@pytest.fixture
async def reader(session: Session, program: Program) -> AsyncIterator[ScreenReader]:
    """A screen reader for the program, which must be started after it."""
    from kit.reader import ScreenReader  # noqa: PLC0415 - likewise

    program.environ |= ScreenReader.environ
    async with ScreenReader(session.environ["DBUS_SESSION_BUS_ADDRESS"]) as reader:
        yield reader


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A small green project under git."""
    from kit.project import Project  # noqa: PLC0415 - likewise

    return Project(tmp_path / "shop")


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Callable[[Session], Program]]:
    """Make programs, each in a home of its own, that are ended with the test."""
    from kit.program import Program  # noqa: PLC0415 - likewise

    made: list[Program] = []

    def make(session: Session) -> Program:
        made.append(Program(tmp_path / f"home-{len(made)}", session.environ))
        return made[-1]

    yield make
    for program in made:
        program.end()


@pytest.fixture
def program(programs: Callable[[Session], Program], session: Session) -> Program:
    """The program in the session of all tests, not started yet."""
    return programs(session)


def _succeeds(*argv: str) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
