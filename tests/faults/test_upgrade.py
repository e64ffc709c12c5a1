"""Row 50: a newer program is started while an older one runs, and a program that was moved to another folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from app import __version__
from app.control.client import ControlClient
from app.domain.commands import ReadStatus
from app.domain.errors import CannotError
from app.engine.places import Places
from app.house.succession import is_older
from app.system.autostart.here import program_here
from app.system.instance import SingleInstance
from tests.faults.headless import LIGHT, a_shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="entries of a Linux desktop, and signals")

WITHIN_S = 40.0
END_S = 15.0
OLDER, NEWER = "0.0.9", "99.0"

OF_RELEASE = "import sys; import app; app.__version__ = sys.argv.pop(1); from app.main import main; sys.exit(main())"
"""The program as another release: all that tells releases apart from outside is the number that they give."""


class Trays:
    """Programs in trays of their own that nobody sees, in one home, which are ended with the test.

    Args:
        folder: Where all of it lies.
    """

    def __init__(self, folder: Path) -> None:
        self.root = a_shop(folder / "shop")
        self.person = folder / "person"
        self.home = folder / "home"
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "DBUS_"))}
        self.environ |= {"HOME": str(self.person), "WATCHKEEPER_HOME": str(self.home), "QT_QPA_PLATFORM": "offscreen"}
        self.places = Places.find(self.environ)
        self.places.settings.mkdir(parents=True)
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in {"python": sys.executable, **LIGHT}.items()]
        self.places.settings_file.write_text("".join(["[tests]\n", *lines]), encoding="utf-8")
        self._stack = ExitStack()

    def start(self, *words: str, release: str = __version__, **environ: str) -> subprocess.Popen[str]:
        """Start the program as this release."""
        program = subprocess.Popen(
            [sys.executable, "-c", OF_RELEASE, release, *words],
            env=self.environ | environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(_end, program)
        return program

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask who runs how things stand, until something holds; then tell that, with its process id as `pid`."""
        due = time.monotonic() + WITHIN_S
        seen: dict[str, Any] = {}
        while time.monotonic() < due:
            owner = SingleInstance(self.places).owner()
            with suppress(CannotError), ControlClient(self.places) as client:
                seen = client.send(ReadStatus()) | {"pid": owner.pid if owner is not None else 0}
                if holds(seen):
                    return seen
            time.sleep(0.05)
        raise AssertionError(f"that did not come: {seen}")

    def until_green(self, but: int = 0) -> dict[str, Any]:
        """Wait until one that has not this process id has watched the shop."""
        return self.until(lambda status: status["mood"] == "green" and status["pid"] not in {0, but})

    def close(self) -> None:
        """End all of them."""
        self._stack.close()


def _end(program: subprocess.Popen[str]) -> None:
    family = [program, *psutil.Process(program.pid).children(recursive=True)] if program.poll() is None else []
    for each in family:
        each.kill()
    program.communicate()


@pytest.fixture
def trays(tmp_path: Path) -> Iterator[Trays]:
    made = Trays(tmp_path)
    yield made
    made.close()


def test_row_50_a_newer_one_takes_the_place_of_the_older_one_that_runs(trays: Trays) -> None:
    """The older one is asked, ends in order, and the newer one watches what it watched; an older one takes nothing."""
    old = trays.start(str(trays.root), release=OLDER)
    trays.until_green()

    new = trays.start()
    left = old.wait(END_S)
    goes_on = trays.until_green(but=old.pid)
    older = trays.start(release=OLDER)
    told = older.communicate(timeout=END_S)[1]
    stays = trays.until_green()
    new.send_signal(signal.SIGTERM)
    said = new.communicate(timeout=END_S)[1]

    assert (left, old.stderr and old.stderr.read()) == (0, "")
    assert list(goes_on["projects"]) == [str(trays.root)]
    assert said.startswith(f"The Watchkeeper that runs is {OLDER}, and this one is {__version__}.")
    assert said.endswith("It was asked to leave, and this one goes on in its place.\n")
    assert goes_on["pid"] == stays["pid"] == new.pid
    assert new.returncode == older.returncode == 0
    assert told.startswith(f"The Watchkeeper that runs is {__version__}, and this one is {OLDER}.")
    assert told.endswith("To have this one: watchkeeper stop, then start it again.\n")


@pytest.mark.slow
def test_row_50_one_that_a_service_manager_keeps_is_left_to_it(trays: Trays) -> None:
    """What took its place would be kept by nobody, so that the person is told how to restart it there."""
    kept = trays.start(str(trays.root), release=OLDER, NOTIFY_SOCKET="/nowhere")
    trays.until_green()

    new = trays.start()
    said = new.communicate(timeout=END_S)[1]

    assert trays.until_green()["pid"] == kept.pid
    assert new.returncode == 0
    assert "Your service manager keeps it: restart it there" in said


@pytest.mark.slow
def test_row_50_one_that_a_parent_kept_is_followed_by_one_that_is_kept(trays: Trays) -> None:
    """Both the older one and its parent leave, and the newer one has a parent that brings it back."""
    parent = trays.start("--keep", str(trays.root))
    first = trays.until_green()["pid"]

    new = trays.start(release=NEWER)
    left = parent.wait(END_S)
    second = trays.until_green(but=first)
    os.kill(second["pid"], signal.SIGKILL)
    third = trays.until_green(but=second["pid"])
    new.send_signal(signal.SIGTERM)
    ended = new.wait(END_S)

    assert (left, ended) == (0, 0)
    assert (second["health"]["kept_by"], third["health"]["kept_by"]) == ("parent", "parent")
    assert len({first, second["pid"], third["pid"], new.pid}) == 4


def test_row_50_a_program_that_was_moved_mends_its_start_at_login(trays: Trays, tmp_path: Path) -> None:
    """The entry named a program that is gone: after a start it names the one that runs, and the person is told."""
    entry = trays.person / ".config" / "autostart" / "watchkeeper.desktop"
    words = [sys.executable, "-m", "app.main", "autostart", "enable", str(trays.root)]
    subprocess.run(words, env=trays.environ, check=True, capture_output=True)
    here, gone = program_here()[0], str(tmp_path / "gone" / "watchkeeper")
    right = entry.read_text("utf-8")
    entry.write_text(right.replace(here, gone), "utf-8")
    is_wrong = gone in entry.read_text("utf-8")

    program = trays.start()
    told = trays.until(lambda status: "autostart" in status["notices"])["notices"]["autostart"]
    program.send_signal(signal.SIGTERM)
    said = program.communicate(timeout=END_S)[1]

    assert is_wrong
    assert entry.read_text("utf-8") == right
    assert here in told["text"]
    assert (program.returncode, said) == (0, "")


@pytest.mark.parametrize(
    ("one", "other", "is_so"),
    [
        ("0.1.0", "0.2.0", True),
        ("0.9", "0.10", True),
        ("1.0", "1.0.1", True),
        ("0.2.0", "0.1.0", False),
        ("0.1.0", "0.1.0", False),
        ("", "0.1.0", False),
        ("unknown", "0.1.0", False),
    ],
)
def test_releases_are_compared_by_their_numbers(one: str, other: str, *, is_so: bool) -> None:
    """Ten comes after nine, and what has no number is older than nothing."""
    assert is_older(one, other) is is_so
