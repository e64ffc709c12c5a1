"""A red test explained as people have it: by the notification, in the window, in the terminal; its key stays secret."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from kit.keychains import GnomeKeyring, PrivateBus
from kit.program import Program
from kit.project import BROKEN, GOOD, RED, RED_TITLE, Project
from kit.waiting import until

from app.control.client import ControlClient
from app.domain.commands import SetConsent
from app.engine.places import Places
from tests.ai.modelserver import KEY, ModelServer, answers, slow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kit.notifications import Dunst, NotificationMonitor
    from kit.reader import ScreenReader
    from kit.screen import Screen

CAUSE = "total() adds one to the sum."
ANSWER = {
    "cause": CAUSE,
    "confidence": "high",
    "evidence": [{"path": "shop/prices.py", "line": 5, "why": "one is added here"}],
    "next_step": "Take the `+ 1` out again.",
    "patch": "",
}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as listening:
        yield listening


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateBus]:
    """A session bus with a real keychain on it, unlocked as after a login."""
    with PrivateBus() as bus:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        GnomeKeyring(bus)
        yield bus


def _set_up(program: Program, server: ModelServer, *, key: str = "") -> None:
    """Have the program ask this service, as its settings file says it."""
    settings = Places.find(program.environ).settings_file
    words = settings.read_text() + (
        f'\n[analysis]\nproviders = ["custom"]\nlanguage = "English"\n\n[analysis.custom]\nbase_url = "{server.url}"\n'
        f'model = "stand-in-1"\nkey = "{key}"\nprices = [0.27, 1.1]\n'
    )
    settings.write_text(words)


def _set_key(program: Program, name: str) -> None:
    entry = [sys.executable, "-m", "app.main", "keys", "set", name]
    subprocess.run(entry, input=KEY.encode(), env=program.environ, check=True, capture_output=True, timeout=60)


def _holding(folder: Path) -> list[Path]:
    """Return the files that hold the key."""
    return [path for path in folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def _agree(program: Program, project: Project) -> None:
    with ControlClient(Places.find(program.environ)) as client:
        assert client.send(SetConsent(project=str(project.root))) != []


async def test_the_notification_explains(
    program: Program,
    project: Project,
    *,
    server: ModelServer,
    notifications: NotificationMonitor,
    dunst: Dunst,
    reader: ScreenReader,
    screen: Screen,
) -> None:
    """Its Explain button opens the test with the model's answer beside it; the terminal then pays nothing for it."""
    server.always(answers(ANSWER, usage=(1_200, 150)))
    _set_up(program, server)
    program.start(str(project.root))
    await program.until_mood("green")
    _agree(program, project)

    project.save_in_place(BROKEN)
    red = await notifications.until_count(1)
    dunst.press("Explain")
    await screen.until_window("(1 red) Watchkeeper")
    await reader.until_seen(CAUSE)
    await reader.until_seen("shop/prices.py:5")
    explained = program.run("explain", RED)

    assert (red.title, red.buttons) == (RED_TITLE, ("Open", "Explain", "Snooze"))
    assert CAUSE in explained.stdout
    assert len(server.asked) == 1
    assert "today 1,350 of 300,000 tokens" in program.run("status").stdout


async def test_a_conversation_goes_on_in_the_window(
    program: Program, project: Project, server: ModelServer, reader: ScreenReader, screen: Screen
) -> None:
    """What was asked in the terminal stands on the Conversation page, and a question typed there is answered there."""
    server.always(slow("Because of the plus.", 0.02))
    _set_up(program, server)
    program.start(str(project.root), "--window")
    await program.until_mood("green")
    _agree(program, project)
    project.save_in_place(BROKEN)
    await program.until_mood("red")

    asked = program.run("ask", "Why is the sum wrong?", "--about", RED)
    await screen.until_window("(1 red) Watchkeeper")
    screen.key("ctrl+3")
    await reader.until_seen("Why is the sum wrong?")
    project.save_in_place(GOOD)
    await program.until_mood("green")
    listed = program.json("conversations", "list")["conversations"]
    program.run("ask", "And now?", "--in", listed[0]["id"])
    shown = program.run("conversations", "show", listed[0]["id"]).stdout

    assert asked.stdout.strip() == "Because of the plus."
    assert len(listed) == 1
    assert "And now?" in shown
    assert "Why is the sum wrong?" in server.asked[-1].said


async def test_the_key_comes_from_the_vault_and_goes_to_the_service_alone(
    bus: PrivateBus, tmp_path: Path, project: Project
) -> None:
    """A service that lets in this key only is asked with it; no file, log or output but the vault's holds it."""
    program = Program(tmp_path / "home", bus.environ)
    made = program.run("keys", "init", "--recovery-file", str(tmp_path / "code"))
    assert made.returncode == 0, made.stderr
    _set_key(program, "SHOP_MODEL_KEY")

    with ModelServer(keys={KEY}) as server:
        server.always(answers(ANSWER))
        _set_up(program, server, key="SHOP_MODEL_KEY")
        program.start("run", str(project.root), "--headless", "--json")
        await program.until_mood("green")
        project.save_in_place(BROKEN)
        await program.until_mood("red")
        explained = program.run("explain", "--allow", "--json")
        log = program.run("keys", "log").stdout
        program.run("stop")
        await until(lambda: program.process is None or program.process.poll() is not None, "it ends")

    document = json.loads(explained.stdout)["explanation"]
    assert explained.returncode == 0, explained.stderr
    assert document["answer"]["cause"] == CAUSE
    assert [asked.key for asked in server.asked] == [KEY]
    assert "SHOP_MODEL_KEY" in log
    assert KEY not in explained.stdout + explained.stderr + log
    assert _holding(tmp_path) == []
