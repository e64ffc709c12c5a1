"""The first start as a person has it who names no project: three questions, by keyboard, and the tests run already."""

from __future__ import annotations

import os
import re
import tomllib
from typing import TYPE_CHECKING

import pytest
from kit.waiting import until

from app.engine.places import Places
from tests.ai.modelserver import KEY, MODEL, ModelServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kit.program import Program
    from kit.project import Project
    from kit.reader import ScreenReader
    from kit.screen import Screen

TITLE = "Set up Watchkeeper"
GROUP = re.compile(r"[A-Z2-7]{4}")
PASSPHRASE = "correct horse battery"  # noqa: S105 - it opens nothing but a test's vault


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """A model's service that takes one key."""
    with ModelServer(keys={KEY}) as listening:
        yield listening


@pytest.fixture
def fresh(program: Program, tmp_path: Path) -> Program:
    """The program in the hands of somebody who has never started it, with a configuration folder of their own."""
    program.environ |= {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_CONFIG_DIRS": str(tmp_path / "none")}
    return program


async def _stop(program: Program) -> None:
    program.run("stop")
    await program.until_gone([])


def _settings(program: Program) -> dict[str, object]:
    return tomllib.loads(Places.find(program.environ).settings_file.read_text("utf-8"))


async def test_the_first_start_leads_to_a_run_by_keyboard_alone(  # noqa: PLR0917 - fixtures of one way
    fresh: Program, project: Project, server: ModelServer, screen: Screen, reader: ScreenReader, tmp_path: Path
) -> None:
    """A folder, a key that makes its vault, a start at login: each is read by a screen reader, and kept."""
    with Places.find(fresh.environ).settings_file.open("a", encoding="utf-8") as file:
        file.write(f'\n[analysis.deepseek]\nbase_url = "{server.url}"\nmodel = "{MODEL}"\nkey = "DEEPSEEK_API_KEY"\n')
    fresh.start()
    await screen.until_drawn(await screen.until_window(TITLE))

    screen.write(str(project.root))
    screen.key("Return")
    await reader.until_seen("2 tests found")
    screen.screenshot("first-start-project")
    unasked = (fresh.snapshot() or {})["projects"]
    screen.key("Return")
    await reader.until_seen("Step 2 of 3")
    await fresh.until_mood("green")
    await _give_key(screen, reader)
    screen.key("Return")
    await reader.until_seen("autostart folder")
    screen.key("space", "Return")
    await screen.until_window("Watchkeeper")
    await until(lambda: not screen.windows(TITLE), "the wizard closes")
    await reader.until_seen("2 tests")
    screen.screenshot("first-start-over")
    logged = fresh.run("logs").stdout

    assert unasked == {}
    assert _settings(fresh)["projects"] == [str(project.root)]
    assert [each.key for each in server.asked] == [KEY]
    assert (tmp_path / "config" / "autostart" / "watchkeeper.desktop").exists()
    assert KEY not in logged + fresh.printed()
    assert [path for path in fresh.home.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()] == []
    assert "Traceback" not in logged + fresh.printed()


async def _give_key(screen: Screen, reader: ScreenReader) -> None:
    """Have the key tried and kept, in a vault that is made for it; this session has no keychain that would open it."""
    screen.write(KEY)
    screen.key("Return")
    seen = await reader.until_seen("I have")
    code = [each.name for each in seen if GROUP.fullmatch(each.name)]
    screen.screenshot("first-start-code")
    screen.key("alt+w")
    seen = await reader.until_seen("of the recovery code")
    first, second = (int(found[1]) for each in seen if (found := re.fullmatch(r"Group (\d+) of .*", each.name)))
    screen.write(code[first - 1])
    screen.key("Tab")
    screen.write(code[second - 1])
    screen.key("Return")
    await reader.until_seen("no keychain")
    screen.write(PASSPHRASE)
    screen.key("Tab", "Tab")
    screen.write(PASSPHRASE)
    screen.key("Return")
    await reader.until_seen("It works: DeepSeek has answered")
    screen.screenshot("first-start-key")


@pytest.mark.slow
async def test_what_was_left_half_way_comes_back_and_what_was_skipped_does_not(
    fresh: Program, screen: Screen, reader: ScreenReader
) -> None:
    """Esc is for later, Skip for good; the tray is there all the while."""
    fresh.start()
    await screen.until_tray_icon()
    await screen.until_drawn(await screen.until_window(TITLE))
    screen.key("Escape")
    await until(lambda: not screen.windows(TITLE), "the wizard closes")
    fresh.must_run()
    await _stop(fresh)

    fresh.start()
    await screen.until_drawn(await screen.until_window(TITLE))
    for step in (2, 3):
        screen.key("alt+s")
        await reader.until_seen(f"Step {step} of 3")
    screen.key("alt+s")
    await until(lambda: not screen.windows(TITLE), "the wizard is over")
    await screen.until_window("Watchkeeper")
    await _stop(fresh)

    fresh.start()
    await screen.until_tray_icon()
    await until(fresh.snapshot, "an answer")

    assert screen.windows(TITLE) == []
    assert "projects" not in _settings(fresh)


async def test_without_a_display_nothing_is_asked(fresh: Program) -> None:
    """In a terminal nobody could answer: it ends and says what to name, as ever."""
    fresh.environ = {name: value for name, value in fresh.environ.items() if name not in ("DISPLAY", "QT_QPA_PLATFORM")}

    ended = fresh.run()

    assert ended.returncode == 2
    assert "No project is named" in ended.stderr
    assert os.listdir(Places.find(fresh.environ).settings) == ["settings.toml"]  # noqa: PTH208 - names alone
